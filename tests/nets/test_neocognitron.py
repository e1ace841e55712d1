from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from oracles.nets_neocognitron import c_cell, s_cell
from striate.core.errors import StriateError
from striate.data.load import load_splits
from striate.nets.load import load_net
from striate.nets.own.neocognitron import CLayer, Neocognitron, SLayer, organise, reinforce
from striate.training.loop import fit
from striate.training.recipe import AdamW, Recipe


def _drawn(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def test_s_cells_are_those_of_the_equations() -> None:
    layer = SLayer(2, 3, selectivity=1.5, speed=1.0).double()
    layer.excitation.weight.data = _drawn((3, 2, 5, 5))
    layer.inhibition.data = torch.tensor([0.0, 2.0, 9.0], dtype=torch.float64)
    seen = _drawn((1, 2, 6, 7))
    found = layer(seen)[0]
    for plane, y, x in ((0, 0, 0), (1, 3, 3), (1, 5, 6), (2, 2, 4)):
        a, b = layer.excitation.weight[plane].tolist(), float(layer.inhibition[plane])
        wanted = s_cell(seen[0].tolist(), a, layer.near[0].tolist(), b=b, r=1.5, at=(y, x))
        assert float(found[plane, y, x]) == pytest.approx(wanted, rel=1e-10, abs=1e-12)


def test_c_cells_are_those_of_the_equations_at_every_second_place() -> None:
    layer, seen = CLayer(5, stride=2).double(), _drawn((1, 3, 7, 6))
    layer.near = torch.tensor([[[[0.7 ** ((i - 2) ** 2 + (j - 2) ** 2) ** 0.5 for j in range(5)] for i in range(5)]]])
    layer.double()
    found = layer(seen)[0]
    assert found.shape == (3, 4, 3)
    for plane, y, x in ((0, 0, 0), (1, 1, 2), (2, 3, 1)):
        wanted = c_cell(seen[0].tolist(), plane, 5, 0.7, (2 * y, 2 * x))
        assert float(found[plane, y, x]) == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_a_plane_that_has_learnt_one_pattern_answers_as_the_equation_says_and_to_nothing_unlike_it() -> None:
    layer = SLayer(1, 2, selectivity=4.0, speed=16.0).double()
    layer.excitation.weight.data.zero_()[0, 0, 2] = 1e-3  # the middle of the bar wins
    bar, other = torch.zeros(2, 1, 1, 5, 5, dtype=torch.float64)
    bar[..., 2, :] = 1.0
    other[..., :, 0] = 1.0
    assert reinforce(layer, bar) == 1
    square = 16 * float(layer.energy(bar)[0, 0, 2, 2]) ** 2
    answer = layer(bar)[0, 0]
    tiny = 1e-3 * 5 * 4  # what the first weights may add
    assert float(answer[2, 2]) == pytest.approx(4 * ((1 + square) / (1 + 0.8 * square) - 1), abs=tiny)
    assert float(answer[2, 2]) > 0.5
    assert float(layer(other)[0, 0].max()) < tiny


def test_the_last_cells_answer_alike_to_a_digit_moved_by_the_stride_of_all_layers() -> None:
    net = load_net("striate/neocognitron+planes=6.random", size=40).module
    image = torch.zeros(1, 1, 40, 40)
    image[..., 14:22, 15:24] = _drawn((1, 1, 8, 9)).float()
    organise(net, image.repeat(4, 1, 1, 1))
    with torch.no_grad():
        here, there = net[:-2](image), net[:-2](image.roll((4, -4), (2, 3)))
    assert float(here.max()) > 0.01
    torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-6)


def test_stages_that_are_not_asked_for_stay_as_they_are() -> None:
    net = load_net("striate/neocognitron+planes=4.random", size=16).module
    before = {key: value.clone() for key, value in net.state_dict().items()}
    organise(net, _drawn((3, 1, 16, 16)).float(), stages=(2,))
    changed = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"s2.excitation.weight", "s2.inhibition"}


def test_training_by_name_organises_the_stages_and_learns_the_head(tmp_path: Path) -> None:
    splits = load_splits("digits")
    few = replace(splits, train=splits.train.limit(96), dev=splits.dev.limit(50))
    recipe = Recipe("tiny", AdamW(0.05, weight_decay=0.0), epochs=6, batch=16)
    found = fit("striate/neocognitron+planes=8", few, out=tmp_path / "run", recipe=recipe)
    assert found.history[-1].train_loss < found.history[0].train_loss
    net = load_net(tmp_path / "run")
    assert isinstance(net.module, Neocognitron)
    for stage in (1, 2, 3):
        assert bool((net.module.get_submodule(f"s{stage}").inhibition > 0).any())


def test_an_even_spread_is_refused() -> None:
    with pytest.raises(StriateError, match="spread 4"):
        load_net("striate/neocognitron+spread=4.random")
