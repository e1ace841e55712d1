"""Named data sets: found, checked, downloaded from a faked publisher, cut copies only when asked, pickles never run."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import shutil
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.data import named
from striate.data.catalog import DATASETS, list_datasets
from striate.data.files import Remote, fetch, read_idx, read_plain_pickle
from striate.data.load import load_data, load_splits
from striate.data.source import Request, data_roots

OURS = Path(__file__).parents[1] / "data"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data root and no home but those that a test makes."""
    monkeypatch.delenv("STRIATE_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def fake_mnist(folder: Path, train: int = 60, test: int = 20, *, packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        for kind, data in (
            ("images-idx3", rng.integers(0, 256, (count, 28, 28))), ("labels-idx1", np.arange(count) % 10)
        ):  # fmt: skip
            raw = idx(data)
            (folder / f"{part}-{kind}-ubyte{'.gz' if packed else ''}").write_bytes(
                gzip.compress(raw) if packed else raw
            )


# digits


def test_digits_come_without_files_enlarged_to_28() -> None:
    splits = load_splits("digits")
    assert sum(len(part) for part in splits) == 1797
    assert splits.train.images([0, 1]).shape == (2, 1, 28, 28)
    assert splits.train.geometry is not None
    assert splits.test.resized(None).images([0]).shape == (1, 1, 8, 8)
    whole = torch.cat([part.ids for part in splits])
    assert torch.equal(whole.sort().values, torch.arange(1797))
    with pytest.raises(StriateError, match="takes none"):
        load_splits("digits:64")


# MNIST and FashionMNIST


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_copy_is_taken_only_when_asked(tmp_path: Path, packed: bool) -> None:
    fake_mnist(tmp_path / "MNIST" / "raw", packed=packed)
    with pytest.raises(
        StriateError, match=r"60 training and 20 test images; accepted: 60,000 and 10,000.*partial=True"
    ):
        load_splits("MNIST", root=tmp_path, download=False)
    splits = load_splits("MNIST", root=tmp_path, partial=True)
    assert [len(part) for part in splits] == [54, 6, 20]
    assert splits.said == (
        "MNIST: 10 classes, 60 and 20 images, a part of 60,000 and 10,000, dev is a tenth of train by seed 0"
    )
    assert splits.test.labels.tolist() == [number % 10 for number in range(20)]
    assert splits.test.ids.tolist() == list(range(60_000, 60_020))


def test_a_whole_copy_is_found_by_argument_variable_and_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "_WHOLE", {"MNIST": (60, 20)})
    for number, place in enumerate(("given", "variable", "home/.cache/striate/data")):
        shutil.rmtree(tmp_path / place, ignore_errors=True)
        fake_mnist(tmp_path / place / "MNIST" / "raw", 60, 20)
        root = tmp_path / "given" if number == 0 else None
        if number == 1:
            monkeypatch.setenv("STRIATE_DATA", str(tmp_path / "variable"))
        else:
            monkeypatch.delenv("STRIATE_DATA", raising=False)
        assert len(load_data("MNIST", root=root, download=False)) == 20
        shutil.rmtree(tmp_path / place)


def test_files_that_end_early_are_refused_or_cut_to_whole_images(tmp_path: Path) -> None:
    fake_mnist(tmp_path / "MNIST" / "raw")
    images = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[: 16 + 784 * 7 + 100])
    with pytest.raises(StriateError, match=r"t10k-images-idx3-ubyte holds .* 7 rows; accepted: 20 rows.*partial=True"):
        load_splits("MNIST", root=tmp_path, download=False)
    assert len(load_data("MNIST", root=tmp_path, partial=True)) == 7


def test_only_the_test_half_serves_a_measurement() -> None:
    splits = load_splits("FashionMNIST", root=OURS, partial=True)
    assert [len(part) for part in splits] == [0, 0, 200]
    assert splits.test.classes[int(splits.test.labels[0])] == "Ankle boot"
    assert splits.test.images([0]).shape == (1, 1, 28, 28)
    with pytest.raises(StriateError, match="has no train images; accepted: split test"):
        load_data("FashionMNIST", root=OURS, partial=True, split="train")
    with pytest.raises(StriateError, match=r"lacks train-images.*partial=True"):
        load_splits("FashionMNIST", root=OURS, download=False)


def test_what_is_nowhere_names_variable_and_places(tmp_path: Path) -> None:
    with pytest.raises(StriateError) as caught:
        load_splits("MNIST", root=tmp_path / "mine", download=False)
    text = str(caught.value)
    for word in (
        "STRIATE_DATA",
        str(tmp_path / "mine" / "MNIST" / "raw"),
        ".cache/striate/data",
        "train-images-idx3-ubyte",
    ):
        assert word in text


@pytest.mark.parametrize("damage", [b"", b"\0\0\x0d\x03" + b"\0" * 40, b"not an idx file at all", b"\x1f\x8b broken"])
def test_damaged_idx_files_are_refused_by_name(tmp_path: Path, damage: bytes) -> None:
    for name in ("file-ubyte", "file-ubyte.gz"):
        path = tmp_path / name
        path.write_bytes(damage)
        with pytest.raises(StriateError, match="file-ubyte"):
            read_idx(path)


def test_idx_equals_what_torchvision_reads(tmp_path: Path) -> None:
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    array = np.random.default_rng(1).integers(0, 256, (5, 4, 3))
    (tmp_path / "a").write_bytes(idx(array))
    assert torch.equal(read_idx(tmp_path / "a"), read_sn3_pascalvincent_tensor(str(tmp_path / "a")))


# CIFAR-10


def batch(count: int, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    return {"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8), "labels": (np.arange(count) % 10).tolist()}


def fake_cifar(folder: Path, count: int = 30, files: int = 6) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{one}" for one in range(1, 6)), "test_batch"][-files:]):
        (folder / name).write_bytes(pickle.dumps(batch(count, number), protocol=2))


@pytest.mark.parametrize("place", ["CIFAR10/cifar-10-batches-py", "cifar-10-batches-py"])
def test_cifar_is_found_in_both_places_and_cut_copies_need_a_word(tmp_path: Path, place: str) -> None:
    fake_cifar(tmp_path / place)
    with pytest.raises(StriateError, match=r"data_batch_1 holds 30 images; accepted: 10,000; try: partial=True"):
        load_splits("CIFAR10", root=tmp_path)
    splits = load_splits("CIFAR10", root=tmp_path, partial=True)
    assert [len(part) for part in splits] == [135, 15, 30]
    want = batch(30, 5)["data"].reshape(-1, 3, 32, 32)  # type: ignore[attr-defined]
    assert np.array_equal(splits.test.read(torch.arange(30)).numpy(), want)


def test_a_batch_of_the_right_count_with_another_checksum_is_refused(tmp_path: Path) -> None:
    fake_cifar(tmp_path / "cifar-10-batches-py", count=10_000, files=1)
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    with pytest.raises(StriateError, match=r"md5 [0-9a-f]{32}; accepted: 40351d587109b95175f43aff81a1287e"):
        named._cifar_batch(path, Request("CIFAR10", (tmp_path,)))


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_asks_for_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1"
    for protocol in (0, 2, 4):
        path.write_bytes(pickle.dumps({"data": Evil(tmp_path / "ran")}, protocol=protocol))
        with pytest.raises(StriateError, match="data_batch_1 is not taken: it asks for"):
            read_plain_pickle(path)
        assert not (tmp_path / "ran").exists()
    for wrong in (b"", b"\x80\x04nonsense", pickle.dumps([1, 2])):
        path.write_bytes(wrong)
        with pytest.raises(StriateError, match="data_batch_1"):
            read_plain_pickle(path)


def test_plain_pickles_of_every_age_are_read(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    for protocol in range(5):
        path.write_bytes(pickle.dumps(batch(4, 0), protocol=protocol))
        assert np.array_equal(read_plain_pickle(path)["data"], batch(4, 0)["data"])
    old = pickle.dumps(batch(4, 0), protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(old)
    assert np.array_equal(read_plain_pickle(path)["data"], batch(4, 0)["data"])


# downloads, from a publisher on this disk


def test_a_download_is_checked_and_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    source = tmp_path / "published.gz"
    source.write_bytes(b"what the publisher has")
    md5 = hashlib.md5(source.read_bytes()).hexdigest()
    request = Request("toy", (tmp_path / "root",))
    gone, there = (tmp_path / "gone.gz").as_uri(), source.as_uri()
    path = fetch(request, Remote((gone, there), md5), tmp_path / "root" / "a.gz")
    assert path.read_bytes() == source.read_bytes()
    with pytest.raises(StriateError, match=r"md5 .*, expected 0000"):
        fetch(request, Remote((there,), "0000"), tmp_path / "root" / "b.gz")
    with pytest.raises(StriateError, match=r"cannot be downloaded.*gone"):
        fetch(request, Remote((gone,), md5), tmp_path / "root" / "c.gz")
    assert [one.name for one in (tmp_path / "root").iterdir()] == ["a.gz"]


def test_missing_files_of_mnist_are_downloaded_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named, "_WHOLE", {"MNIST": (60, 20)})
    fake_mnist(tmp_path / "mirror", packed=True)
    remotes = {
        path.name: Remote((path.as_uri(),), hashlib.md5(path.read_bytes()).hexdigest())
        for path in (tmp_path / "mirror").iterdir()
    }
    monkeypatch.setattr(named, "_idx_remotes", lambda name: remotes)
    assert len(load_data("MNIST", root=tmp_path / "root")) == 20
    assert len(list((tmp_path / "root" / "MNIST" / "raw").iterdir())) == 4
    monkeypatch.setattr(named, "_idx_remotes", lambda name: {})
    assert len(load_data("MNIST", root=tmp_path / "root")) == 20


def test_cifar_is_downloaded_and_only_its_own_files_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    fake_cifar(tmp_path / "cifar-10-batches-py")
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as pack:
        pack.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
        stray = tarfile.TarInfo("../outside")
        stray.size = 4
        pack.addfile(stray, io.BytesIO(b"evil"))
    monkeypatch.setattr(CIFAR10, "url", archive.as_uri())
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    splits = load_splits("CIFAR10", root=tmp_path / "new" / "root", partial=True)
    assert len(splits.test) == 30
    folder = tmp_path / "new" / "root" / "CIFAR10"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == sorted(named._CIFAR_MD5)
    assert not (tmp_path / "new" / "outside").exists()


def test_the_addresses_are_those_of_torchvision() -> None:
    for name in ("MNIST", "FashionMNIST"):
        remotes = named._idx_remotes(name)
        assert len(remotes) == 4
        assert all(url.startswith("http") and len(one.md5) == 32 for one in remotes.values() for url in one.urls)
    from torchvision.datasets import CIFAR10

    assert dict([*CIFAR10.train_list, *CIFAR10.test_list]) == named._CIFAR_MD5


# the catalogue


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="nearest are FashionMNIST"):
        load_splits("FashonMNIST")
    with pytest.raises(UnknownNameError, match="CIFAR10"):
        load_splits("cifar-10")
    with pytest.raises(StriateError, match="does not exist"):
        load_splits("some/where")


def test_every_name_has_a_row_a_licence_and_citations_that_exist(tmp_path: Path) -> None:
    rows = {row.name: row for row in list_datasets(tmp_path)}
    assert list(rows) == list(DATASETS)
    for row in rows.values():
        assert row.licence
        assert row.summary
        assert all(cite(key).title for key in row.cites)
    assert rows["MNIST"].detail["here"].startswith("no")
    assert rows["shapes"].detail["here"].startswith("yes")
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").write_bytes(b"x")
    assert {row.name: row for row in list_datasets(tmp_path)}["MNIST"].detail["here"] == "yes"


def test_the_counts_of_the_catalogue_are_those_of_the_data() -> None:
    rows = {row.name: row for row in list_datasets()}
    for name in ("shapes", "digits"):
        counts = " / ".join(f"{len(part):,}" for part in load_splits(name))
        assert rows[name].detail["train / dev / test"] == counts


def test_roots_come_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(tmp_path / "b"))
    assert data_roots(tmp_path / "a")[:2] == (tmp_path / "a", tmp_path / "b")
    assert data_roots(None)[0] == tmp_path / "b"
    monkeypatch.setenv("STRIATE_DATA", "")
    assert data_roots(None) == (tmp_path / "home" / ".cache" / "striate" / "data",)


# the real files, where they are


def test_real_mnist_and_fashion_mnist_are_whole(data_root: Path) -> None:
    from torchvision.datasets import MNIST

    splits = load_splits("MNIST", root=data_root, download=False)
    assert [len(part) for part in splits] == [54_000, 6_000, 10_000]
    theirs = MNIST(str(data_root), train=False)
    assert torch.equal(splits.test.read(torch.arange(10_000))[:, 0], theirs.data)
    assert torch.equal(splits.test.labels, theirs.targets)
    fashion = load_splits("FashionMNIST", root=data_root, download=False)
    assert fashion.train.counts() == (5400,) * 10
    ours = load_splits("FashionMNIST", root=OURS, partial=True).test
    assert torch.equal(ours.images(), fashion.test.images(torch.arange(200)))


def test_the_cut_cifar_is_taken_when_asked(data_root: Path) -> None:
    splits = load_splits("CIFAR10", root=data_root, partial=True)
    assert [len(part) for part in splits] == [4439, 493, 932]
    with pytest.raises(StriateError, match="4,000 images"):
        load_splits("CIFAR10", root=data_root)
