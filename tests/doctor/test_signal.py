"""Activations, gradients and the first loss of an untrained model, and its size, on models of known numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from doctor.seen import every, found, seen

X = torch.randn(64, 24, generator=torch.Generator().manual_seed(1))
Y = torch.arange(64) % 4
CE = nn.CrossEntropyLoss()


def net(
    *widths: int, activation: type[nn.Module] = nn.ReLU, std: float | None = None, inputs: int = 24
) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for into, out in zip((inputs, *widths), (*widths, 4), strict=True):
        layers += [nn.Linear(into, out), activation()]
        if std is not None:
            nn.init.normal_(layers[-2].weight, std=std)  # type: ignore[arg-type]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU])
def test_shallow_nets_of_any_activation_are_silent(activation: type[nn.Module]) -> None:
    assert every(net(32, 32, activation=activation), CE, X, Y) == []


def test_weights_of_one_number_are_named_and_a_last_layer_of_zeros_is_not() -> None:
    same, last = net(16, 16), net(16, 16)
    nn.init.constant_(same[2].weight, 0.1)  # type: ignore[arg-type]
    nn.init.zeros_(last[4].weight)  # type: ignore[arg-type]
    finding = seen("start-symmetric", same, CE, X, Y)
    assert "1 of 3 layers (2)" in finding.seen
    assert finding.evidence[0].number.value == 1.0
    assert found(last, CE, X, Y) == set()


def test_a_branch_that_begins_at_zero_is_healthy_and_a_first_layer_is_not() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(24, 16), nn.Linear(16, 16), nn.Linear(16, 4)
            nn.init.zeros_(self.b.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.a(x).relu()
            return self.c(x + self.b(x))  # type: ignore[no-any-return]

    first = net(16)
    nn.init.zeros_(first[0].weight)  # type: ignore[arg-type]
    assert "start-symmetric" not in found(Branch(), CE, X, Y)
    assert "start-symmetric" in found(first, CE, X, Y)


def test_dead_units_are_counted() -> None:
    model = net(20)
    with torch.no_grad():
        model[0].bias[:18] = -100.0  # type: ignore[index]
    finding = seen("start-dead", model, CE, X, Y)
    assert finding.evidence[0].number.value == pytest.approx(0.9)
    assert "start-dead" not in found(net(20), CE, X, Y)


def test_dead_units_of_a_functional_relu_are_counted_too() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(24, 20), nn.Linear(20, 4)
            nn.init.constant_(self.a.bias, -100.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(torch.relu(self.a(x)))  # type: ignore[no-any-return]

    assert seen("start-dead", Functional(), CE, X, Y).evidence[0].number.value == 1.0


def test_saturated_tanh_is_found() -> None:
    assert "saturated" in found(net(32, 32, activation=nn.Tanh, std=2.0), CE, X, Y)
    assert "saturated" not in found(net(32, 32, activation=nn.ReLU6, std=2.0), CE, X, Y)


def test_growth_is_the_product_of_the_layers_gains() -> None:
    """A linear layer of scale times the identity: what goes in comes out scale times as large."""
    model = net(24, 24, activation=nn.Identity)
    for each in (0, 2):
        nn.init.eye_(model[each].weight).data.mul_(20.0)  # type: ignore[arg-type]
        nn.init.zeros_(model[each].bias)  # type: ignore[arg-type]
    nn.init.normal_(model[4].weight, std=1e-3)  # type: ignore[arg-type]
    finding = seen("activations-exploding", model, CE, X, Y)
    assert finding.evidence[0].number.value == pytest.approx(400, rel=1e-3)
    assert "activations-exploding" not in found(net(32, 32), CE, X, Y)


def test_deep_plain_nets_vanish_and_normalised_ones_do_not() -> None:
    deep = net(*[24] * 16, activation=nn.Sigmoid)
    assert {"gradients-vanishing", "activations-vanishing"} & found(deep, CE, X, Y)
    normed = nn.Sequential(
        *[layer for _ in range(16) for layer in (nn.Linear(24, 24), nn.BatchNorm1d(24), nn.ReLU())], nn.Linear(24, 4)
    )
    assert not {"gradients-vanishing", "activations-vanishing"} & found(normed, CE, X, Y)


def test_gradients_hundreds_of_times_their_weights_explode() -> None:
    model = net(24, 24, activation=nn.Identity)
    nn.init.normal_(model[0].weight, std=1e-3)  # type: ignore[arg-type]
    for each in (2, 4):
        nn.init.normal_(model[each].weight, std=30.0)  # type: ignore[arg-type]
    assert "gradients-exploding" in found(model, CE, X, Y)
    assert "gradients-exploding" not in found(net(24, 24), CE, X, Y)


def test_the_first_loss_is_held_against_that_of_equal_scores() -> None:
    model = nn.Linear(24, 4)
    nn.init.zeros_(model.weight)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([20.0, 0, 0, 0]))
    finding = seen("loss-at-start", model, CE, X, Y)
    assert finding.evidence[0].number.value == pytest.approx(15.0, rel=1e-4)  # 3 of 4 labels lie 20 below
    assert finding.evidence[1].number.value == pytest.approx(math.log(4))
    assert "loss-at-start" not in found(net(32), CE, X, Y)
    assert "loss-at-start" not in found(model, CE, X, Y, pretrained=True)


def test_a_weight_that_is_not_a_number_is_traced_to_its_name() -> None:
    model = net(16)
    with torch.no_grad():
        model[2].weight[0, 0] = math.nan  # type: ignore[index]
    finding = seen("output-nan", model, CE, X, Y)
    assert "2.weight" in finding.seen
    assert finding.evidence[0].number.value == 0.25  # one of four scores
    assert "output-nan" not in found(net(16), CE, X, Y)


def test_a_layer_of_one_unit_for_eight_classes_is_too_small() -> None:
    y = torch.arange(64) % 8
    narrow = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 1), nn.ReLU(), nn.Linear(1, 8))
    wide = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 8))
    assert seen("too-small", narrow, CE, X, y).evidence[0].number.value == pytest.approx(1 / 8)
    assert "too-small" not in found(wide, CE, X, y)


def test_sixteen_samples_that_cannot_be_learnt_by_heart_are_named() -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net(32)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(torch.zeros_like(x))  # type: ignore[no-any-return]

    finding = seen("capacity", Blind(), CE, X, Y)
    assert finding.evidence[0].number.value <= 0.5
    assert [each for each in every(net(32), CE, X, Y, also="capacity") if each.check == "capacity"] == []


def test_what_the_checks_do_leaves_the_model_as_it_was() -> None:
    model = net(16)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    state = torch.get_rng_state()
    every(model, CE, X, Y, also="capacity")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())
