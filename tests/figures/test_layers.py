from __future__ import annotations

import torch
from torch import nn

from striate.figures.descent import adam, walk
from striate.figures.layers import count, field, on_meta, parameters, total_macs
from striate.figures.measures import roc_points, suppress


def test_layers_on_meta_take_no_memory_and_are_counted() -> None:
    net = on_meta(lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(6 * 64, 10**6)))
    conv, _, linear = count(net, (4, 10, 10))
    assert all(each.is_meta for each in net.parameters())
    assert (conv.shape, conv.parameters, conv.macs) == ((6, 8, 8), 6 * 2 * 9 + 6, 64 * 6 * 2 * 9)
    assert linear.macs == 384 * 10**6
    assert total_macs(net, (4, 10, 10)) == conv.macs + linear.macs


def test_a_shared_layer_counts_once_in_parameters() -> None:
    layer = nn.Linear(3, 3)
    assert parameters(nn.Sequential(layer, layer)) == 12


def test_the_receptive_field_is_the_window_that_reaches_one_unit() -> None:
    chain = [(3, 2), (2, 1), (5, 3), (2, 2)]
    size = field(chain)[-1]
    row = torch.zeros(1, 1, size, requires_grad=True)
    seen: torch.Tensor = row
    for kernel, stride in chain:
        seen = nn.functional.avg_pool1d(seen, kernel, stride)
    assert seen.shape[-1] == 1
    (gradient,) = torch.autograd.grad(seen.sum(), row)
    assert bool((gradient != 0).all())


def test_of_equal_boxes_the_first_is_kept() -> None:
    assert suppress(torch.ones(3, 3), lambda overlap: overlap > 0.9) == [0]
    assert suppress(torch.eye(3), lambda overlap: overlap > 0.9) == [0, 1, 2]


def test_the_curve_of_equal_scores_is_the_diagonal() -> None:
    fpr, tpr = roc_points(torch.ones(6), torch.tensor([True, False] * 3))
    assert torch.equal(fpr, torch.tensor([0.0, 1.0]))
    assert torch.equal(tpr, torch.tensor([0.0, 1.0]))


def test_adam_reaches_the_bottom_of_a_bowl() -> None:
    path = walk(lambda w: (w**2).sum(), [1.0, -2.0], adam(0.05), 400)
    assert float(path[-1].abs().max()) < 1e-2
