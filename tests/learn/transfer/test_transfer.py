"""`transfer`: what comes out is a net, its codes are kept, nothing of the test split leaks, bad input is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import striate as st
from striate.core.errors import StriateError
from striate.data.load import load_splits
from striate.learn.transfer.advice import advise
from striate.learn.transfer.codes import Codes, head_codes
from striate.learn.transfer.policies import FineTuning, blocks_of
from striate.learn.transfer.shots import drawn
from striate.nets.head import replace_head
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.recipe import AdamW, Recipe


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Codes of a test are kept in its own folder."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def photos(folder: Path, *, classes: int = 3, images: int = 10, sizes: tuple[int, ...] = (40, 64, 33)) -> Path:
    """A folder of classes with images of many sizes, each class a colour."""
    rng = np.random.default_rng(0)
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(images):
            side = sizes[number % len(sizes)]
            pixels = rng.integers(0, 120, size=(side, side + 5, 3))
            pixels[..., label % 3] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"class{label}" / f"{number}.png")
    return folder


def test_a_folder_of_photographs_of_many_sizes_becomes_a_net(tmp_path: Path) -> None:
    run = tmp_path / "run"
    report = st.transfer("striate/small", photos(tmp_path / "photos"), out=run, shots=(1, 2), draws=3, quiet=True)
    result = report.result
    assert (result.policy, result.classes) == ("features", ("class0", "class1", "class2"))
    back = load_net(run)
    assert back.classes == result.classes
    again = st.evaluate(run, tmp_path / "photos", quick=True, quiet=True).result
    assert again.accuracy.value == result.accuracy.value
    assert (run / "report.html").is_file()
    assert st.read_report(run / "report.json").result == result


def test_a_second_run_passes_no_training_image_again(tmp_path: Path, cache: Path) -> None:
    where = photos(tmp_path / "photos")
    first = st.transfer("striate/small", where, out=tmp_path / "one", quiet=True)
    assert len(list((cache / "features").glob("*.safetensors"))) == 3
    second = st.transfer("striate/small", where, out=tmp_path / "two", quiet=True)
    assert second.cost.forward == first.cost.forward - sum(first.result.images)
    assert second.result.rows[0].accuracy == first.result.rows[0].accuracy


def test_kept_codes_are_those_of_this_net_and_geometry(tmp_path: Path) -> None:
    data = load_splits("digits").dev.limit(8)
    net = load_net("striate/lenet5.random", size=28, channels=1)
    once, other = (
        head_codes(net, data),
        head_codes(load_net("striate/lenet5.random", size=28, channels=1, seed=1), data),
    )
    assert not other.found
    assert head_codes(net, data).found
    assert torch.equal(head_codes(net, data).values, once.values)
    assert not torch.equal(other.values, once.values)


@pytest.mark.parametrize(("policy", "moved"), [("last", 1), ("blocks", 2), ("all", 5)])
def test_a_policy_moves_its_part_of_the_net_alone(policy: str, moved: int, tmp_path: Path) -> None:
    splits = load_splits("shapes")
    few = [part.limit(40) for part in splits]
    net = replace_head(load_net("striate/small"), splits.train.classes)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    task = FineTuning(net, policy, frozen_norm=True)  # type: ignore[arg-type]
    fit(
        task,
        type(splits)(*few),
        out=tmp_path / "run",
        recipe=Recipe("test", AdamW(rate=1e-3), epochs=4, batch=20),
    )
    after = net.state_dict()
    names = [name for name, _ in blocks_of(net)]
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    held = [name for name in names if any(key.startswith(f"module.{name}.") for key in changed)]
    assert held == names[len(names) - moved :]
    assert not any("norm" in key for key in changed)  # statistics and affine part


def test_draws_never_hold_an_image_twice_and_grow_with_the_number() -> None:
    labels = torch.arange(30) % 3
    few, more = (drawn(labels, 3, number, seed=0, draw=4) for number in (2, 5))
    assert torch.bincount(labels[more]).tolist() == [5, 5, 5]
    assert len(set(more.tolist())) == 15
    assert set(few.tolist()) < set(more.tolist())
    assert few.tolist() != drawn(labels, 3, 2, seed=0, draw=5).tolist()


def test_advice_follows_the_number_of_images_and_how_near_they_are() -> None:
    torch.manual_seed(0)
    for count, near, policy in ((10, True, "features"), (50, True, "features"), (50, False, "blocks"),
                                (300, True, "blocks"), (300, False, "all")):  # fmt: skip
        labels = torch.arange(2 * count) % 2
        noise = torch.randn(len(labels), 3)
        found = advise(Codes(noise + (20.0 * labels[:, None] if near else 0.0), labels), 2)
        assert (found.policy, found.similarity > 0.5) == (policy, near), found
    assert advise(Codes(noise, labels), 2, trained=False).policy == "scratch"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "most"}, "policy is 'most'"),
        ({"against": ("last", "none")}, "policy is 'none'"),
        ({"shots": (50,)}, "50 images a class"),
        ({"size": 3}, "size 3"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_folder_is_taken(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(StriateError, match=words):
        st.transfer("striate/small", photos(tmp_path / "p"), out=tmp_path / "run", quiet=True, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_one_class_and_fewer_images_than_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="class"):
        st.transfer("striate/small", photos(tmp_path / "one", classes=1), out=tmp_path / "run", quiet=True)
    with pytest.raises(StriateError, match="image"):
        st.transfer("striate/small", photos(tmp_path / "few", images=1), out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    from striate.nets.load import save_weights

    file = save_weights(load_net("striate/resnet8.random"), tmp_path / "other.safetensors")
    with pytest.raises(StriateError, match="do not fit"):
        st.transfer(f"striate/small@{file}", photos(tmp_path / "p"), out=tmp_path / "run", quiet=True)


def test_a_net_that_does_not_fit_the_classes_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="striate transfer"):
        st.train(photos(tmp_path / "p"), net=load_net("striate/small"), size=32, out=tmp_path / "run",
                 quiet=True)  # fmt: skip


def test_photographs_are_told_apart_by_real_weights(data_root: Path, weights_root: Path, tmp_path: Path) -> None:
    where = data_root / "dtd" / "dtd10_200.zip"
    report = st.transfer("torchvision/squeezenet1_0", where, out=tmp_path / "run", size=128, quiet=True,
                         weights_root=weights_root)  # fmt: skip
    rows = {row.name: float(row.accuracy) for row in report.result.rows}
    assert rows["features"] > rows["hog"] + 0.15
    images = torch.rand(2, 3, 128, 128)
    assert load_net(tmp_path / "run").logits(images).shape == (2, 10)
