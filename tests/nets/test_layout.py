from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.nets.layout import laid_out


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Flatten(), nn.Linear(2 * 6 * 6, 2))


def test_weights_have_the_format_inside_and_are_the_very_tensors_afterwards() -> None:
    model = net()
    found = [(each, each.data_ptr(), each.stride(), each.detach().clone()) for each in model.parameters()]
    with laid_out(model, torch.channels_last):
        assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(model[0].weight, found[0][3])
        with laid_out(model, torch.channels_last):
            pass
        assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    for parameter, pointer, stride, values in found:
        assert (parameter.data_ptr(), parameter.stride()) == (pointer, stride)
        assert torch.equal(parameter, values)


def test_weights_come_back_after_an_error() -> None:
    model = net()
    pointer = model[0].weight.data_ptr()
    with pytest.raises(ValueError, match="stop"), laid_out(model, torch.channels_last):
        raise ValueError("stop")
    assert model[0].weight.data_ptr() == pointer


def test_a_pass_inside_gives_what_it_gives_outside() -> None:
    model, x = net(), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        outside = model(x)
        with laid_out(model, torch.channels_last):
            inside = model(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(inside, outside, rtol=1e-5, atol=1e-6)
