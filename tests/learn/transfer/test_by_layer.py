"""Transfer by layer: what is copied, what stays, what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import striate as st
from striate.core.errors import StriateError
from striate.data.load import load_splits
from striate.learn.transfer.by_layer import SHORT, Joined, cuts_of, halves, join, measure_layers
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.loop import fit

NET = "striate/small+width=0.1"


def made(seed: int, classes: int = 5) -> Net:
    return load_net(f"{NET}.random", classes=classes, channels=1, size=28, seed=seed)


def test_each_half_has_its_own_classes_and_every_image_lies_in_one() -> None:
    splits = load_splits("digits")
    first, second = halves(splits)
    assert first.train.classes + second.train.classes == splits.train.classes
    for part, a, b in zip(splits, first, second, strict=True):
        assert sorted([*a.ids.tolist(), *b.ids.tolist()]) == sorted(part.ids.tolist())
        back = dict(zip(part.ids.tolist(), part.labels.tolist(), strict=True))
        assert [back[i] - 5 for i in b.ids.tolist()] == b.labels.tolist()
        assert b.images([0]).equal(part.images([part.ids.tolist().index(int(b.ids[0]))]))


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_joined_net_computes_what_both_parts_compute_one_after_the_other(cut: int) -> None:
    base, fresh = made(0), made(1)
    with torch.no_grad():
        for parameter in base.module.stem.parameters():  # type: ignore[union-attr]
            parameter.mul_(1.5)
    net = join(base.adapted(mean=0.2, std=0.7), fresh, cut).eval()
    images = torch.rand(3, 1, 28, 28)
    parts = list(base.module.children())  # type: ignore[union-attr]
    hidden = (images - 0.2) / 0.7
    for place, part in enumerate(parts):
        hidden = (part if place < cut else list(fresh.module.children())[place])(hidden)  # type: ignore[union-attr]
    assert torch.allclose(net(images), hidden, atol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_kept_layers_stay_bit_for_bit_and_others_learn(frozen: bool, tmp_path: Path) -> None:
    _, second = halves(load_splits("digits"))
    few = replace(second, train=second.train.limit(100), dev=second.dev.limit(40))
    net = join(made(0), made(1), 2)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    fit(Joined(net, 2, frozen=frozen), few, out=tmp_path / "run", recipe=replace(SHORT, epochs=1, batch=25))
    changed = {key.split(".")[1] for key, value in net.state_dict().items() if not value.equal(before[key])}
    assert changed == ({"stage2", "stage3", "linear"} | (set() if frozen else {"stem", "stage1"}))


def test_cuts_lie_before_the_head_and_are_seven_at_most() -> None:
    assert cuts_of(made(0)) == (1, 2, 3, 4)
    deep = cuts_of(load_net("striate/resnet20.random"))
    assert len(deep) == 7
    assert deep[0] == 1


def test_the_verb_measures_four_ways_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    options = {"by_layer": True, "seeds": 2, "epochs": 1, "limit": 60, "out": tmp_path / "run", "quiet": True}
    report = st.transfer("striate/lenet5", "digits", **options)  # type: ignore[arg-type]
    result = report.result
    assert [line.name for line in result.lines] == ["BnB", "BnB+", "AnB", "AnB+"]  # type: ignore[union-attr]
    assert st.read_report(tmp_path / "run" / "report.json").result == result
    gap = result.of("AnB").over[0].value  # type: ignore[union-attr]
    runs = result.of("AnB").runs[0]  # type: ignore[union-attr]
    assert gap == pytest.approx(sum(a - b for a, b in zip(runs, result.bases, strict=True)) / 2)  # type: ignore[union-attr]
    again = st.transfer("striate/lenet5", "digits", **options, resume=True)  # type: ignore[arg-type]
    assert again.cost.backward == 0
    assert again.result == result


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="policy does nothing"):
        st.transfer("striate/small", "digits", by_layer=True, policy="all", out=tmp_path / "run", quiet=True)
    with pytest.raises(StriateError, match=r"small\.shapes|weights|by layer"):
        st.transfer("striate/small.random", "digits", by_layer=True, out=tmp_path / "run", quiet=True)
    splits = load_splits("digits")
    three = replace(splits, train=replace(splits.train, classes=("a", "b", "c")))
    with pytest.raises(StriateError, match="at least four"):
        measure_layers(NET, three, out=tmp_path / "runs")
