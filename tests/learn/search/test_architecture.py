"""Architectures: codes that compute the same are known as such, proxies are what their papers say, evolution pays."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
import torch
from torch import nn

import striate as st
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.learn.search.architecture.proxies import grad_norm, multiply_adds_of, naswot, parameters_of, synflow
from striate.learn.search.architecture.run import front_of, rho_of
from striate.learn.search.architecture.space import CellSpace, Draw, MacroSpace, Space
from striate.learn.search.architecture.strategies import (
    best_so_far,
    evolve,
    search_randomly,
    train_the_first,
)
from striate.learn.search.architecture.supernet import Supernet, shared_accuracies, train_supernet
from striate.learn.search.payload import Trial
from striate.nets.load import load_net

TABLE = Path(__file__).parents[2] / "expected" / "cells.json"
SPACE = CellSpace(digits="134", width=8, halving="pooled")


class Tabled(CellSpace):
    """The cells of the table alone: others are drawn again."""

    def sample(self, draw: Draw) -> str:
        """A cell of the table."""
        while True:
            if self.canonical(code := super().sample(draw)) in table():
                return code

    def mutate(self, code: str, draw: Draw) -> str:
        """A neighbour that is in the table."""
        while True:
            if self.canonical(other := super().mutate(code, draw)) in table():
                return other


@cache
def table() -> dict[str, dict[str, float]]:
    """Trained cells by what they compute."""
    return {SPACE.canonical(code): row for code, row in json.loads(TABLE.read_text())["cells"].items()}


def test_cells_have_one_canonical_text_where_they_compute_one_function() -> None:
    """All 15,625 cells in plain numbers: an operation is any function that is not linear, nothing stays nothing."""
    does = {"1": lambda x: x, "2": lambda x: math.sin(2 * x + 1), "3": lambda x: math.cos(3 * x), "4": math.exp}
    by_text: dict[str, str] = {}
    by_value: dict[str, str] = {}
    for code in CellSpace().all():
        nodes: list[float | None] = [0.3]
        places = iter(code)
        for node in (1, 2, 3):
            come = [
                does[digit](nodes[source]) for source in range(node) if _carried(digit := next(places), nodes[source])
            ]
            nodes.append(sum(come) if come else None)
        value, text = f"{nodes[3]:.9g}" if nodes[3] is not None else "nothing", CellSpace().canonical(code)
        assert by_text.setdefault(text, value) == value, code
        assert by_value.setdefault(value, text) == text, code


def _carried(digit: str, value: float | None) -> bool:
    return digit != "0" and value is not None


def test_all_codes_and_those_that_differ_are_counted() -> None:
    space = CellSpace()
    codes = space.all()
    assert len(codes) == 5**6
    assert len({space.canonical(code) for code in codes}) == 4930
    assert len({SPACE.canonical(code) for code in SPACE.all()}) == 435


def test_a_mutation_changes_one_place_and_every_code_is_as_likely() -> None:
    draw = Draw(Rng(0, "test"))
    for space in (CellSpace(), MacroSpace()):
        code = space.sample(draw)
        for _ in range(30):
            other = space.mutate(code, draw)
            assert sum(one != two for one, two in zip(_parts(code), _parts(other), strict=True)) == 1
            code = other
    counts = [0] * 5
    for _ in range(300):
        counts[int(CellSpace().sample(draw)[2])] += 1
    assert max(abs(count - 60) for count in counts) < 4 * math.sqrt(300 * 0.2 * 0.8)


def _parts(code: str) -> list[str]:
    return code.replace("/", "-").split("-") if "-" in code else list(code)


def test_nets_are_built_by_name_and_bad_codes_are_refused() -> None:
    macro = MacroSpace()
    name = macro.net("2-1-1/8-16-32/3-5-1")
    assert name == "striate/stages+depths=2-1-1+widths=8-16-32+kernels=3-5-1"
    net = load_net(f"{name}.random", channels=1, size=16)
    expected = 8 * 9 + 8 * 8 * 9 + 16 * 8 * 25 + 32 * 16 * 1 + 2 * (8 + 8 + 16 + 32) + 32 * 10 + 10
    assert parameters_of(net.module, torch.rand(1, 1, 16, 16), torch.zeros(1)) == expected
    for bad in (
        "striate/cell+code=12345",
        "striate/cell+code=999999",
        "striate/stages+depths=1-1",
        "striate/cell+width=0",
    ):
        with pytest.raises(StriateError):
            load_net(f"{bad}.random", size=16)
    with pytest.raises(StriateError, match="odd"):
        load_net("striate/stages+kernels=2-3-3.random", size=16)


class Plain(nn.Module):
    """Two linear layers with a rectifier between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.second = nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)
        with torch.no_grad():
            for layer in (self.first, self.second):
                layer.weight.copy_(
                    Rng(1, str(layer.weight.shape)).normal(torch.arange(len(layer.weight)), (layer.weight.shape[1],))
                )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Two outputs."""
        out: torch.Tensor = self.second(self.relu(self.first(x.flatten(1))))
        return out


def test_synflow_is_its_layers_times_the_flow_through_absolute_weights() -> None:
    """Of a net of two layers R is 1'|W2||W1|1, and each layer's weights times gradients sum to R: twice R in all."""
    net = Plain()
    flow = (net.second.weight.detach().double().abs() @ net.first.weight.detach().double().abs()).sum()
    assert synflow(net, torch.rand(2, 3), torch.zeros(2)) == pytest.approx(2 * float(flow))


def test_naswot_is_the_log_determinant_of_the_kernel_of_agreement() -> None:
    """Against loops over pairs of images and units; equal images have no determinant."""
    net, images = Plain(), Rng(0, "images").normal(torch.arange(4), (3,))
    hidden = (images @ net.first.weight.detach().t()).tolist()
    kernel = [
        [float(sum((a > 0) == (b > 0) for a, b in zip(one, two, strict=True))) for two in hidden] for one in hidden
    ]
    expected = torch.linalg.slogdet(torch.tensor(kernel, dtype=torch.float64))[1]
    if bool(expected.isfinite()):
        assert naswot(net, images, torch.zeros(4)) == pytest.approx(float(expected))
    assert naswot(net, images[:1].expand(2, 3), torch.zeros(2)) == -1e9


def test_grad_norm_is_the_length_of_the_gradient_and_nothing_is_changed() -> None:
    net, images, labels = Plain(), torch.rand(5, 3), torch.tensor([0, 1, 1, 0, 1])
    before = [each.clone() for each in net.parameters()]
    found = grad_norm(net, images, labels)
    nn.functional.cross_entropy(net(images), labels).backward()
    assert found == pytest.approx(
        math.sqrt(sum(float(each.grad.square().sum()) for each in net.parameters())), rel=1e-5
    )
    assert all(torch.equal(one, two) for one, two in zip(before, net.parameters(), strict=True))


def test_multiply_adds_are_those_of_the_net_as_it_executes() -> None:
    name = "striate/cell+code=313313+width=8"
    net = load_net(f"{name}.random", channels=1, size=16)
    counted = st.summary(f"{name}.random", size=16, quiet=True).result.totals.macs
    ours = multiply_adds_of(load_net(f"{name}.random", size=16).module, torch.rand(1, 3, 16, 16), torch.zeros(1))
    assert ours == counted
    assert multiply_adds_of(net.module, torch.rand(1, 1, 16, 16), torch.zeros(1)) < ours


def test_evolution_beats_random_search_at_equal_budget_where_neighbours_are_alike() -> None:
    """A planted space: each edge adds its own to the figure. 60 evaluations, 10 paired seeds, the whole t interval."""
    space = CellSpace()

    def value(code: str) -> float:
        return sum((7 * int(digit) + 3 * place) % 5 for place, digit in enumerate(code)) / 24

    gains = _gains(space, value)
    assert fmean(gains) - 2.262 * stdev(gains) / math.sqrt(len(gains)) > 0.03


def test_on_trained_cells_evolution_finds_no_worse_than_random_search() -> None:
    """On the table, 60 trainings each, 10 paired seeds; docs/search.md says how little it gains there."""

    def value(code: str) -> float:
        return table()[SPACE.canonical(code)]["dev"]

    gains = _gains(Tabled(digits="134", width=8, halving="pooled"), value)
    assert fmean(gains) - 2.262 * stdev(gains) / math.sqrt(len(gains)) > -0.005


def _gains(space: Space, value: Callable[[str], float]) -> list[float]:
    found = []
    for seed in range(10):
        one, other = (best_so_far(run(space, value, budget=60, seed=seed))[-1] for run in (evolve, search_randomly))
        found.append(one - other)
    return found


def test_evolution_follows_the_algorithm_step_by_step() -> None:
    """Against a plain loop written from algorithm 1, on a space where every code is new."""

    class Digits(CellSpace):
        def canonical(self, code: str) -> str:
            return f"{code}{random.random()}"

    def value(code: str) -> float:
        return float(sum(map(int, code)))

    space = Digits(digits="01234")
    found = evolve(space, value, budget=40, seed=1, population=6, sample=3)
    draw = Draw(Rng(1, "architecture/evolution"))
    population = [space.sample(draw) for _ in range(6)]
    history = list(population)
    while len(history) < 40:
        sample = [population[draw.below(6)] for _ in range(3)]
        parent = max(sample, key=value)
        child = space.mutate(parent, draw)
        history.append(child)
        population = [*population[1:], child]
    assert [each.code for each in found] == history


def test_a_budget_pays_for_what_a_supernet_costs_and_equal_cells_are_tried_once() -> None:
    tried = train_the_first(SPACE, lambda _: 0.0, ranked=["111111", "333333", "444444", "134134"], budget=5, paid=2.5)
    assert [each.code for each in tried] == ["111111", "333333"]
    with pytest.raises(StriateError, match="no new one"):
        search_randomly(CellSpace(digits="01"), lambda _: 0.0, budget=400, seed=0)


def test_a_cell_of_the_supernet_computes_what_the_cell_alone_computes() -> None:
    net = Supernet(SPACE, channels=1, classes=3).eval()
    net.choose("341143")
    alone = load_net(
        "striate/cell+code=341143+width=8+halving=pooled.random", classes=3, channels=1, size=8
    ).module.eval()
    shared = {name.replace(f"with{digit}", ""): value for name, value, digit in _own(net, "341143")}
    alone.load_state_dict(shared)
    images = torch.rand(2, 1, 8, 8)
    assert torch.allclose(net(images), alone(images), atol=1e-6)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert len(shared_accuracies(net, ["111111", "333333"], images, torch.tensor([0, 1]))) == 2
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())
    train_supernet(net, SPACE, images, torch.tensor([0, 1]), epochs=2, batch=2, rate=0.1, seed=0)
    assert not all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())


def _own(net: Supernet, code: str) -> list[tuple[str, torch.Tensor, str]]:
    edges = dict(zip(("0to1", "0to2", "1to2", "0to3", "1to3", "2to3"), code, strict=True))
    found = []
    for name, value in net.net.state_dict().items():
        edge = next((each for each in edges if f".{each}with" in name), None)
        digit = edges[edge] if edge else ""
        if edge is None or f"{edge}with{digit}." in name:
            found.append((name, value, digit))
    return found


def test_the_front_holds_what_no_other_beats_in_both() -> None:
    points = [(3.0, 0.9), (1.0, 0.5), (2.0, 0.5), (2.0, 0.8), (4.0, 0.9), (5.0, 0.95)]
    trials = [
        Trial(i, {"code": str(i)}, value, "complete", costs={"macs": macs}) for i, (macs, value) in enumerate(points)
    ]
    slow = {
        i for i, (m, v) in enumerate(points)
        if not any(om <= m and ov >= v and (om, ov) != (m, v) for om, ov in points)
    }  # fmt: skip
    assert set(front_of(trials)) == slow


def test_rank_correlation_has_an_interval_that_holds_it() -> None:
    rho = rho_of([(float(i), float(i * i % 7 + i)) for i in range(20)])
    assert rho.low is not None
    assert rho.high is not None
    assert rho.low < float(rho) < rho.high
    assert rho_of([(1.0, 2.0)]).value is None


@pytest.mark.parametrize("strategy", ["evolution", "supernet"])
def test_a_search_of_cells_goes_on_where_it_stopped_and_measures_test_once(strategy: str, tmp_path: Path) -> None:
    call: dict[str, Any] = {
        "architecture": "cell", "strategy": strategy, "epochs": 1, "limit": 60, "size": 8, "quiet": True, "batch": 20,
    }  # fmt: skip
    trials = 3 if strategy == "evolution" else 8
    first = st.search("digits", trials=trials, out=tmp_path / "s", **call).result
    again = st.search("digits", trials=trials, out=tmp_path / "s", **call).result
    assert first.trials == again.trials
    assert first.best is not None
    assert first.best.test == again.best.test
    assert "striate/cell+code=" in first.best.command
    # of 8 the supernet has cost 4, and looking at it 2.7
    assert len(first.trials) == (3 if strategy == "evolution" else 1)
    assert set(first.trials[0].costs) == {"synflow", "grad_norm", "naswot", "params", "macs", "ms"}
    with pytest.raises(StriateError, match=r"about something else: .*epochs is 2"):
        st.search("digits", trials=4, out=tmp_path / "s", **{**call, "epochs": 2})
    with pytest.raises(StriateError, match="--space does nothing"):
        st.search("digits", space="rate=0.1:1", out=tmp_path / "t", **call)
