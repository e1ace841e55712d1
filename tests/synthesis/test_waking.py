"""A backward that wakes silent units."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.synthesis.waking import Redirected, waking_rules


def net() -> Net:
    return Net(nn.Sequential(nn.Flatten(), nn.ReLU(), nn.ReLU6()), channels=1, size=(1, 3))


def test_where_all_is_dark_what_raises_the_score_comes_through_and_elsewhere_the_true_gradient() -> None:
    """Rows: all dark; one lit; all dark with weights that pull both ways."""
    layer = Net(nn.Sequential(nn.Flatten(), nn.ReLU()), channels=1, size=(1, 3))
    images = torch.tensor([[-0.1, -0.2, -0.3], [-0.1, 0.2, -0.3], [-0.1, -0.2, -0.3]]).view(3, 1, 1, 3).requires_grad_()
    weights = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, -2.0, 3.0]])
    with layer.look(rules={"1": Redirected()}) as look:
        (found,) = torch.autograd.grad((look(images).output * weights).sum(), images)
    expected = torch.tensor([[1.0, 2.0, 3.0], [0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    torch.testing.assert_close(found.view(3, 3), expected)


def test_only_rectifiers_take_it() -> None:
    assert set(waking_rules(net(), (1, 3))) == {"1", "2"}
    with pytest.raises(StriateError, match="it is no rectifier"), net().look(rules={"0": Redirected()}):
        pass
