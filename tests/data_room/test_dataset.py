"""A split gives the same pixels however it is asked, keeps its ids, and says what is wrong with a row."""

from __future__ import annotations

import pytest
import torch

from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry, from_bytes, to_bytes
from striate.data.dataset import BrokenFile, Dataset, broken_finding
from striate.data.load import load_data, load_splits


def small(count: int = 12, channels: int = 3, side: int = 8) -> Dataset:
    pixels = torch.randint(0, 256, (count, channels, side, side), generator=torch.Generator().manual_seed(0))
    return Dataset.of(pixels.to(torch.uint8), torch.arange(count) % 3, classes=("a", "b", "c"), name="toy")


def test_images_are_bytes_over_255_in_the_order_asked() -> None:
    data = small()
    assert data.images().dtype == torch.float32
    assert torch.equal(data.images([5, 0, 5]), from_bytes(data.store.pixels[[5, 0, 5]]))
    assert data.in_memory
    assert data.size == (8, 8)


def test_floats_are_rounded_to_bytes_once() -> None:
    images = torch.rand(4, 1, 5, 6)
    data = Dataset.of(images, [0, 1, 0, 1])
    assert torch.equal(data.images(), from_bytes(to_bytes(images)))
    assert data.classes == ("0", "1")


@pytest.mark.parametrize("geometry", [None, Geometry((11, 7)), Geometry((6, 6), resize=8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_the_same_alone_in_a_batch_and_from_memory(geometry: Geometry | None, channels: int) -> None:
    data = small().resized(geometry).as_channels(channels)
    alone = torch.cat([data.images([row]) for row in range(len(data))])
    before = data.images(torch.arange(len(data)))
    whole = data.images()
    assert whole.shape == (12, channels, *(geometry.size if geometry else (8, 8)))
    assert torch.equal(alone, before)
    assert torch.equal(alone, whole)
    assert torch.equal(data.take([7, 2]).images(), whole[[7, 2]])
    assert torch.equal(small().take([7, 2]).resized(geometry).as_channels(channels).images(), whole[[7, 2]])


def test_a_geometry_replaces_the_one_before_and_starts_from_what_is_stored() -> None:
    data = small()
    assert torch.equal(data.resized(Geometry((3, 3))).resized(Geometry((8, 8))).images(), data.images())
    assert data.resized(Geometry((3, 3))).resized(None).size == (8, 8)
    data.images()  # kept in memory from here on
    assert data.resized(Geometry((3, 3))).images([0]).shape == (1, 3, 3, 3)
    assert data.as_channels(1).images([0]).shape == (1, 1, 8, 8)


def test_labels_ids_and_names_stay_with_their_rows() -> None:
    data = small().take([9, 4, 1]).limit(2)
    assert data.ids.tolist() == [9, 4]
    assert data.labels.tolist() == [0, 1]
    assert [data.name_of(row) for row in range(2)] == ["toy 9", "toy 4"]
    assert data.sample(1).id == 4
    assert small().take(torch.arange(12) > 9).ids.tolist() == [10, 11]


def test_limit_keeps_all_or_the_first_and_refuses_none() -> None:
    data = small()
    assert data.limit(None) is data
    assert data.limit(99) is data
    assert len(data.limit(1)) == 1
    with pytest.raises(StriateError, match="limit is 0"):
        data.limit(0)


def test_rows_that_are_not_there_are_named() -> None:
    for rows in ([12], [-1], torch.tensor([3, 99])):
        with pytest.raises(StriateError, match="0 to 11"):
            small().images(rows)
    with pytest.raises(StriateError, match="mask of 3 rows"):
        small().take(torch.tensor([True, False, True]))


def test_labels_must_fit_images_and_classes() -> None:
    images = torch.zeros(3, 1, 4, 4)
    with pytest.raises(StriateError, match="3 images and 2 labels"):
        Dataset.of(images, [0, 1])
    with pytest.raises(StriateError, match="labels from 0 to 5; accepted: 0 to 1"):
        Dataset.of(images, [0, 1, 5], classes=("a", "b"))
    with pytest.raises(StriateError, match="labels from -1"):
        Dataset.of(images, [0, -1, 1])
    with pytest.raises(ImageError, match="shape"):
        Dataset.of(torch.zeros(3, 4, 4), [0, 1, 2])
    with pytest.raises(ImageError, match="from 0 to 7"):
        Dataset.of(images + torch.tensor([0.0, 1.0, 7.0])[:, None, None, None], [0, 1, 2])


def test_the_fingerprint_follows_everything_that_matters() -> None:
    data = small()
    other = small()
    other.store.pixels[3, 0, 0, 0] ^= 1
    prints = {
        one.fingerprint()
        for one in (data, other, data.limit(11), data.resized(Geometry((4, 4))), data.as_channels(1),
                    data.take(torch.arange(11, -1, -1)), load_data("shapes"), load_data("shapes", seed=1))
    }  # fmt: skip
    assert len(prints) == 8
    assert data.fingerprint() == small().fingerprint()


def test_a_split_of_no_images_is_still_a_split() -> None:
    nothing = small().take([])
    assert nothing.images().shape == (0, 3, 8, 8)
    assert nothing.counts() == (0, 0, 0)
    assert nothing.fingerprint()


def test_data_loaded_already_are_given_back_or_divided() -> None:
    data = small(30)
    assert load_data(data) is data
    assert load_data(data, channels=1, size=16).size == (16, 16)
    splits = load_splits(data)
    assert [len(part) for part in splits] == [18, 6, 6]
    assert load_splits(splits).said == splits.said
    assert load_data(splits, split="dev") is splits.dev


def test_broken_files_become_one_finding_that_counts_them() -> None:
    from dataclasses import replace

    assert broken_finding(small()) is None
    data = replace(small(), broken=tuple(BrokenFile(f"{number}.png", "is empty") for number in range(7)))
    found = broken_finding(data)
    assert found is not None
    assert found.severity == "warning"
    assert "7 files" in found.seen
    assert "and 2 more" in found.seen
    assert found.evidence[0].number is not None
    assert found.evidence[0].number.value == 7


def test_a_bare_tensor_is_refused_with_what_is_taken():
    with pytest.raises(StriateError, match="data of type Tensor; accepted: a name, a path, a Dataset"):
        load_data(torch.rand(4, 3, 8, 8))
