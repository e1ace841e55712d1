"""Linear classifiers, fooled exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from oracles.attacks_linear import smallest
from striate.attacks.linear import affine_of, along_row, smallest_change
from striate.attacks.run import attack
from striate.core.errors import StriateError
from striate.nets.net import Net

SIZE = (4, 5)


def net(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net(
        nn.Sequential(nn.Flatten(), nn.Linear(20, 4)), channels=1, size=SIZE, classes=4, mean=0.3, std=0.4
    ).eval()


def images(count: int = 12) -> Tensor:
    made = torch.rand(count, 1, *SIZE, generator=torch.Generator().manual_seed(1))
    made[made < 0.15], made[made > 0.85] = 0.0, 1.0
    return made


def said(model: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x.float().view(-1, 1, *SIZE)).argmax(1)


@pytest.mark.parametrize("norm", [math.inf, 2.0, 1.0])
def test_within_the_box_the_change_is_the_smallest_that_general_solvers_find(norm: float) -> None:
    model, x = net(), images()
    weight, bias = affine_of(model)
    classes = said(model, x)
    found = smallest_change(weight, bias, x, classes, norm=norm)
    logits = x.flatten(1).double() @ weight.T + bias
    for row, own in enumerate(classes.tolist()):
        right = [
            smallest(
                x[row].flatten().double().numpy(),
                (weight[other] - weight[own]).numpy(),
                float(logits[row, own] - logits[row, other]),
                norm,
            )
            for other in range(4)
            if other != own
        ]
        assert float(found.distances[row]) == pytest.approx(min(right), rel=1e-6)
    assert torch.equal(said(model, found.images), found.classes)
    length = torch.linalg.vector_norm(found.images - x.flatten(1).double(), norm, dim=1)
    torch.testing.assert_close(length, found.distances, rtol=1e-3, atol=1e-3)
    assert bool(((found.images >= 0) & (found.images <= 1)).all())


@pytest.mark.parametrize(("norm", "dual"), [(math.inf, 1.0), (2.0, 2.0), (1.0, math.inf)])
def test_without_the_box_it_is_the_lead_over_the_dual_norm(norm: float, dual: float) -> None:
    model, x = net(), images()
    weight, bias = affine_of(model)
    logits = x.flatten(1).double() @ weight.T + bias
    classes = logits.argmax(1)
    found = smallest_change(weight, bias, x, classes, norm=norm, box=False)
    slope = weight[None] - weight[classes][:, None]
    away = (logits.gather(1, classes[:, None]) - logits) / torch.linalg.vector_norm(slope, dual, dim=2)
    away.scatter_(1, classes[:, None], math.inf)
    torch.testing.assert_close(found.distances, away.amin(1))
    assert torch.equal(found.classes, away.argmin(1))


def test_no_attack_within_less_than_the_smallest_change_fools() -> None:
    model, x = net(), images()
    classes = said(model, x)
    least = smallest_change(*affine_of(model), x, classes, norm=math.inf).distances
    for row in range(len(x)):
        one, label, radius = x[row : row + 1], classes[row : row + 1], float(least[row])
        assert not bool(attack(model, one, label, radius=radius * 0.9999, steps=20).success[0])


def test_a_target_out_of_reach_is_infinitely_far_and_the_image_stays() -> None:
    weight, bias = torch.tensor([[1.0, 0.0], [0.5, 0.0]]), torch.tensor([1.0, 0.0])
    x = torch.tensor([[0.2, 0.3]])
    for norm in (math.inf, 2.0, 1.0):
        found = smallest_change(weight, bias, x, torch.tensor([0]), norm=norm, target=1)
        assert found.distances.tolist() == [math.inf]
        assert found.classes.tolist() == [-1]
        assert torch.equal(found.images, x.double())


def test_what_is_of_another_class_already_needs_no_change() -> None:
    model, x = net(), images()
    classes = (said(model, x) + 1) % 4
    found = smallest_change(*affine_of(model), x, classes, norm=2.0)
    assert found.distances.tolist() == [0.0] * len(x)
    assert torch.equal(found.images, x.flatten(1).double())


def test_the_lectures_ten_numbers_are_fooled_by_half_their_weights() -> None:
    """Source: Karpathy 2015: from a score of -3 (probability .0474) to 2 (.8808) by adding .5 w to each."""
    x = torch.tensor([2.0, -1, 3, -2, 2, 2, 1, -4, 5, 1])
    w = torch.tensor([-1.0, -1, 1, -1, 1, -1, 1, 1, -1, 1])
    assert float(w @ x) == -3
    assert float(torch.sigmoid(w @ x)) == pytest.approx(0.0474, abs=5e-5)
    unit = (x + 5) / 12  # pixels lie in [0, 1]
    moved = along_row(unit[None], w, 0.5 / 12)[0] * 12 - 5
    torch.testing.assert_close(moved, x + 0.5 * w)
    assert float(w @ moved) == pytest.approx(2, abs=1e-5)
    assert float(torch.sigmoid(w @ moved)) == pytest.approx(0.8808, abs=5e-5)


def test_what_is_not_linear_is_refused() -> None:
    bent = Net(nn.Sequential(nn.Flatten(), nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 3)), channels=1, size=SIZE)
    with pytest.raises(StriateError, match="not linear in the pixels"):
        affine_of(bent)
    with pytest.raises(StriateError, match="norm is 0; accepted: inf, 2 or 1"):
        smallest_change(torch.ones(2, 3), torch.ones(2), torch.rand(1, 3), torch.tensor([0]), norm=0)
    with pytest.raises(StriateError, match="for images of 4 values"):
        smallest_change(torch.ones(2, 3), torch.ones(2), torch.rand(1, 4), torch.tensor([0]))
