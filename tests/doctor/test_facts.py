"""Facts that checks stand on, held against what is known by arithmetic: graph, samples, layers, mixing, outcomes."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from striate.doctor.end import look_at_end
from striate.doctor.graph import read_graph
from striate.doctor.samples import Samples, draw, kind_of, spread, unnoticed
from striate.doctor.setup import Setup
from striate.doctor.start import Failed, affordable, look_at_start

X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 3


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 3)


def test_the_graph_of_cross_entropy_tells_targets_log_probabilities_axis_and_reduction() -> None:
    model = linear()
    graph = read_graph(F.cross_entropy(model(X), Y))
    assert graph is not None
    assert graph.tail == ("NllLoss", "LogSoftmax", "Addmm")
    assert (graph.loss, graph.reduction, graph.axes) == ("nll", "mean", (1,))
    assert graph.target is not None
    assert graph.logits is not None
    assert torch.equal(graph.target, Y)
    assert torch.equal(graph.logits, F.log_softmax(model(X), 1))
    assert graph.reached == {id(model.weight), id(model.bias)}


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_axis_of_a_softmax_is_read_whatever_its_sign(axis: int) -> None:
    graph = read_graph(F.nll_loss(F.log_softmax(linear()(X), axis), Y))
    assert graph is not None
    assert graph.axes == (axis % 2,)


def test_what_is_detached_is_not_reached() -> None:
    first, last = nn.Linear(6, 6), linear()
    graph = read_graph(F.cross_entropy(last(first(X).detach()), Y))
    assert graph is not None
    assert graph.reached == {id(last.weight), id(last.bias)}
    assert read_graph(torch.tensor(1.0)) is None


def test_a_graph_after_its_backward_gives_no_targets_and_does_not_raise() -> None:
    loss = F.cross_entropy(linear()(X), Y)
    loss.backward()
    graph = read_graph(loss)
    assert graph is not None
    assert graph.target is None


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (torch.tensor([0, 2, 1]), "classes"),
        (torch.tensor([[0], [2]]), "classes"),
        (F.one_hot(torch.tensor([0, 2, 1])), "classes"),
        (F.one_hot(torch.tensor([0, 2, 1])).float(), "classes"),
        (torch.tensor([[0.2, 0.8], [0.5, 0.5]]), "classes"),
        (torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), "tags"),
        (torch.tensor([0.0, 1.0, 1.0]), "tags"),
        (torch.tensor([0.3, 1.7]), "values"),
        (torch.zeros(2, 4, 4, dtype=torch.int64), "masks"),
        (None, "none"),
    ],
)
def test_kinds_of_targets(y: Tensor | None, kind: str) -> None:
    assert kind_of(y) == kind


@pytest.mark.parametrize(("total", "count"), [(10, 20), (7_919, 20_000), (1_000, 64), (50_000, 1_000)])
def test_rows_are_different_and_spread_however_early_one_stops(total: int, count: int) -> None:
    rows = spread(total, count)
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(range(total))
    assert len(rows) == total if total <= count else len(rows) > 0.9 * count
    early = sorted(rows[: max(8, len(rows) // 10)])
    assert max(b - a for a, b in itertools.pairwise(early)) <= 4 * total / len(early)


class Shaky(Dataset[tuple[Tensor, Tensor]]):
    """Draws from every source of randomness that people use."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        noise = torch.rand(1) + random.random() + np.random.rand()
        return torch.full((4,), float(row)) + noise, torch.tensor(row % 2)


def test_drawing_leaves_every_source_of_randomness_as_it_was() -> None:
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())  # type: ignore[index,union-attr]
    found = draw(DataLoader(Shaky(), batch_size=10))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert bool((before[2] == np.random.get_state()[1]).all())  # type: ignore[index]
    assert found.again is not None
    assert not torch.equal(found.again, found.x[: len(found.again)])
    assert (found.total, found.batch, found.shuffled) == (100, 10, False)


class OwnSource(Dataset[tuple[Tensor, Tensor]]):
    """Draws from generators of its own, one of them a transform's."""

    def __init__(self) -> None:
        class Noise:
            draw = None

            def __init__(self) -> None:
                self.source = np.random.default_rng(3)

        self.torch = torch.Generator().manual_seed(1)
        self.python, self.noise = random.Random(2), [Noise()]

    def __len__(self) -> int:
        return 80

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        shift = self.python.random() + self.noise[0].source.random()
        return torch.rand(4, generator=self.torch) + shift, torch.tensor(row % 2)


def test_generators_that_the_data_own_go_on_as_before() -> None:
    fresh, drawn = OwnSource(), OwnSource()
    draw(DataLoader(drawn, batch_size=10))
    assert torch.equal(fresh[0][0], drawn[0][0])


def test_randomness_comes_back_after_an_error_too() -> None:
    state = torch.get_rng_state()
    with pytest.raises(KeyError), unnoticed():
        torch.rand(3)
        raise KeyError
    assert torch.equal(state, torch.get_rng_state())


def start_of(model: nn.Module, loss_fn: Any = F.cross_entropy, x: Tensor = X, y: Tensor = Y) -> Any:
    return look_at_start(Setup(model, None, loss_fn, (x, y)), Samples(x, y))


def test_layers_have_the_numbers_of_their_activations_and_gradients() -> None:
    model = nn.Sequential(linear(), nn.ReLU(), nn.Linear(3, 3))
    start = start_of(model)
    kept = model[0](X)
    kept.retain_grad()
    F.cross_entropy(model[2](F.relu(kept)), Y).backward()
    hidden = kept.detach()
    assert [each.name for each in start.layers] == ["0", "1", "2"]
    assert start.layers[0].mean == pytest.approx(float(hidden.mean()), abs=1e-6)
    assert start.layers[0].std == pytest.approx(float(hidden.std(correction=0)), abs=1e-6)
    assert start.layers[1].zeros == pytest.approx(float((hidden <= 0).float().mean()), abs=1e-6)
    assert kept.grad is not None
    assert start.layers[0].grad == pytest.approx(float(kept.grad.square().mean().sqrt()), rel=1e-5)
    assert start.loss == pytest.approx(float(F.cross_entropy(model(X), Y).detach()), abs=1e-6)
    assert start.gradients["0.weight"].shape == (3, 6)


def test_dead_and_equal_units_are_counted() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].bias[:] = torch.tensor([-1e3, 0.0, 0.0, 5.0])
        model[0].weight[1] = model[0].weight[2]
        model[0].weight[3] = 0.1
    start = start_of(model)
    assert start.layers[1].dead == 0.25
    assert start.layers[0].alike == 0.5


def test_mixing_is_nought_for_a_layer_and_the_share_of_others_where_samples_are_averaged() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :3] + x[:, :3].mean(0)

    assert start_of(nn.Sequential(linear())).mixing == pytest.approx(0, abs=1e-9)
    n = 8  # inputs that are asked; the output of one is (1 + 1/n) of its own and 1/n of each other's
    others = (n - 1) / n**2
    assert start_of(Mean()).mixing == pytest.approx(others / (others + (1 + 1 / n) ** 2), rel=1e-4)


def test_a_model_or_loss_that_raises_is_told_in_words() -> None:
    with pytest.raises(Failed, match="the model raises on a batch of shape"):
        start_of(nn.Linear(5, 3))
    with pytest.raises(Failed, match="the loss function raises on outputs"):
        start_of(linear(), F.mse_loss, y=Y.float()[:7].repeat(5)[:32].reshape(32, 1, 1).expand(32, 2, 5))


def test_the_copy_is_looked_at_and_the_model_is_left_alone() -> None:
    model = nn.Sequential(linear(), nn.BatchNorm1d(3))
    before = {name: each.clone() for name, each in model.state_dict().items()}
    start_of(model.train())
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())
    assert model.training


def test_costly_models_get_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert affordable(linear(), X[:2], 64) == 64
    monkeypatch.setattr("striate.doctor.start.BYTES", 3 * 3 * 4 * 10)
    assert affordable(linear(), X[:2], 64) == 10
    monkeypatch.setattr("striate.doctor.start.BYTES", 1)
    assert affordable(linear(), X[:2], 64) == 4


def test_outcomes_are_those_of_the_model_on_the_samples_in_both_modes() -> None:
    model = nn.Sequential(linear(), nn.Dropout(0.9))
    setup = Setup(model, None, nn.CrossEntropyLoss(), (X, Y))
    end = look_at_end(setup, Samples(X, Y), Samples(X[:10], Y[:10]))
    model.eval()
    assert end.train.right == int((model(X).argmax(1) == Y).sum())
    assert end.test is not None
    assert end.test.n == 10
    assert end.train.loss == pytest.approx(float(F.cross_entropy(model(X), Y).detach()), abs=1e-6)
    assert float((end.learning.outputs == 0).float().mean()) > 0.7
    assert not math.isnan(end.learning.loss or 0.0)


def test_a_loader_of_batches_in_order_tells_its_labels_in_that_order() -> None:
    y = torch.arange(40) // 10
    found = draw(DataLoader(TensorDataset(torch.randn(40, 2), y), batch_size=8))
    assert found.ordered is not None
    assert torch.equal(found.ordered, y)
    assert draw(DataLoader(TensorDataset(torch.randn(40, 2), y), batch_size=8, shuffle=True)).ordered is None
