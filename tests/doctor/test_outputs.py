"""What stands between the last layer and the loss: each check on a tiny model that has the fault, and on its twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor.seen import found, seen

X, Y = torch.randn(60, 1, 6, 6, generator=torch.Generator().manual_seed(1)), torch.arange(60) % 4
CE = nn.CrossEntropyLoss()


def net(*after: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 4), *after)


def test_softmax_before_cross_entropy_is_found_with_sums_of_one() -> None:
    finding = seen("softmax-before-loss", net(nn.Softmax(1)), CE, X, Y)
    assert finding.severity == "error"
    assert finding.evidence[0].number.value == pytest.approx(0, abs=1e-5)
    assert "softmax-before-loss" not in found(net(), CE, X, Y)


def test_softmax_inside_the_loss_is_found_and_focal_weights_are_not() -> None:
    def twice(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(F.softmax(output, 1), y, label_smoothing=0.1)

    def focal(output: Tensor, y: Tensor) -> Tensor:
        share = F.softmax(output, 1).gather(1, y[:, None])[:, 0]
        return ((1 - share) ** 2 * F.cross_entropy(output, y, reduction="none")).mean()

    assert "softmax-before-loss" in found(net(), twice, X, Y)
    assert "softmax-before-loss" not in found(net(), focal, X, Y)


def test_log_softmax_before_cross_entropy_is_a_note_since_it_changes_nothing() -> None:
    scores = net()(X)
    torch.testing.assert_close(CE(F.log_softmax(scores, 1), Y), CE(scores, Y))
    assert seen("softmax-before-loss", net(nn.LogSoftmax(1)), CE, X, Y).severity == "note"


def bce(output: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, F.one_hot(y, 4).float())


@pytest.mark.parametrize("loss", [CE, bce])
def test_sigmoid_before_a_loss_that_has_one_is_found(loss: Callable[..., Any]) -> None:
    assert seen("sigmoid-before-loss", net(nn.Sigmoid()), loss, X, Y).severity == "error"
    assert "sigmoid-before-loss" not in found(net(), loss, X, Y)


def test_sigmoid_before_plain_bce_is_as_it_should_be() -> None:
    def plain(output: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy(output, F.one_hot(y, 4).float())

    assert not {"sigmoid-before-loss", "output-clipped"} & found(net(nn.Sigmoid()), plain, X, Y)


@pytest.mark.parametrize("last", [(), (nn.Softmax(1),)])
def test_nll_without_logarithm_is_found(last: tuple[nn.Module, ...]) -> None:
    assert seen("log-missing", net(*last), nn.NLLLoss(), X, Y).severity == "error"
    assert "log-missing" not in found(net(nn.LogSoftmax(1)), nn.NLLLoss(), X, Y)
    assert "log-missing" not in found(net(nn.Softmax(1)), lambda o, y: F.nll_loss(o.log(), y), X, Y)


def test_scores_after_relu_or_tanh_are_named_and_hidden_ones_are_not() -> None:
    zeros = float((net(nn.ReLU())(X) == 0).float().mean())
    finding = seen("output-clipped", net(nn.ReLU()), CE, X, Y)
    assert f"{zeros:.0%} of them" in finding.seen
    assert "tanh" in seen("output-clipped", net(nn.Tanh()), CE, X, Y).seen
    assert "output-clipped" not in found(net(), CE, X, Y)


def test_targets_beyond_a_sigmoid_are_counted() -> None:
    target = torch.linspace(-1, 2, 60)[:, None]
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 1), nn.Sigmoid())
    finding = seen("output-clipped", model, nn.MSELoss(), X, target)
    share = float(((target < 0) | (target > 1)).float().mean())
    assert finding.evidence[0].number.value == pytest.approx(share, abs=0.03)
    assert "output-clipped" not in found(model, nn.MSELoss(), X, target.clamp(0, 1))


def test_softmax_over_the_samples_is_found_in_model_and_in_loss() -> None:
    assert "softmax-axis" in found(net(nn.LogSoftmax(0)), nn.NLLLoss(), X, Y)
    assert "softmax-axis" in found(net(), lambda o, y: F.nll_loss(F.log_softmax(o, 0), y), X, Y)
    assert "softmax-axis" not in found(net(nn.LogSoftmax(-1)), nn.NLLLoss(), X, Y)


class Mixed(nn.Module):
    """Three maps added by learnt shares: a softmax over axis 0 of what is no batch."""

    def __init__(self) -> None:
        super().__init__()
        self.shares = nn.Parameter(torch.zeros(3))
        self.maps = nn.ModuleList(nn.Linear(36, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        shares = self.shares.softmax(0)
        return torch.stack([a * each(x.flatten(1)) for a, each in zip(shares, self.maps, strict=True)]).sum(0)


def test_softmax_over_learnt_shares_is_no_softmax_over_samples() -> None:
    assert "softmax-axis" not in found(Mixed(), CE, X, Y)


def test_dropout_on_the_scores_is_found_as_module_and_as_function() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = net()

        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(self.model(x), 0.5, self.training)

    assert seen("dropout-last", net(nn.Dropout(0.5)), CE, X, Y).evidence[0].number.value == 0.5
    assert "dropout-last" in found(Functional(), CE, X, Y)
    before = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4))
    assert "dropout-last" not in found(before, CE, X, Y)
    assert "dropout-last" not in found(net(nn.Dropout(0.0)), CE, X, Y)


def test_a_head_for_a_thousand_classes_is_found_where_four_are_named() -> None:
    wide = nn.Sequential(nn.Flatten(), nn.Linear(36, 1000))
    assert seen("output-width", wide, CE, X, Y).evidence[0].number.value == 250
    assert "output-width" not in found(net(), CE, X, Y)


def test_outputs_that_are_not_finite_silence_the_checks_of_outputs() -> None:
    model = net(nn.Softmax(1))
    with torch.no_grad():
        model[1].weight[0, 0] = float("nan")  # type: ignore[index]
    names = found(model, CE, X, Y)
    assert "softmax-before-loss" not in names
    assert "output-nan" in names
