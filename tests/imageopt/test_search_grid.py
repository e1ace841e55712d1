"""Search over a grid of few free numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.imageopt.canvas import Moved
from striate.imageopt.found import Found
from striate.imageopt.goal import decision, misclassified
from striate.imageopt.search.grid import Grid
from striate.imageopt.solve import solve
from striate.nets.net import Net

GRID = Grid((3, 3, 5), many=4)
LIMITS = (5.0, 0.02)  # so small that some images hold
COUNT, SIDE = 12, 8


def net() -> Net:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 4)).double()
    return Net(module, channels=1, size=SIDE).eval()


def images() -> Tensor:
    return torch.rand(COUNT, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def searched(x: Tensor, labels: Tensor, grid: Grid = GRID, **given: object) -> tuple[Found, Tensor]:
    goal, last = misclassified(labels), []
    found = solve(
        net(), decision(goal), start=x, canvas=Moved(x, *LIMITS), search=grid, goal=goal, keep="first",
        callback=lambda moment: last.append(moment.z), **{"steps": grid.steps, **given},
    )  # fmt: skip
    return found, last[-1]


def by_loop(image: Tensor, label: int) -> int | None:
    """The place of the first point of the grid that fools."""
    canvas, model = Moved(image[None], *LIMITS), net()
    for place, point in enumerate(GRID.points()):
        if int(model(canvas.paint(point[None], torch.tensor([0]))).argmax()) != label:
            return place
    return None


def test_the_points_are_those_of_the_grid_from_the_middle_outwards() -> None:
    points = GRID.points()
    assert {tuple(each) for each in points.tolist()} == {
        (a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, -0.5, 0, 0.5, 1)
    }
    assert len(points) == len(GRID) == 45
    lengths = points.norm(dim=1)
    assert float(lengths[0]) == 0
    assert bool((lengths.diff() >= 0).all())
    assert len(Grid()) == 775
    assert Grid((1, 2)).points().tolist() == [[0, -1], [0, 1]]


def test_the_grid_finds_what_a_loop_over_all_points_finds_and_costs_what_its_steps_hold() -> None:
    """A row is asked for whole steps up to its first point that fools, for the whole grid where none does."""
    x = images()
    with torch.no_grad():
        labels = net()(x).argmax(1)
    labels[0] = (labels[0] + 1) % 4
    places = [by_loop(image, int(label)) for image, label in zip(x, labels, strict=True)]
    assert places[0] == 0
    assert {None} < set(places)
    assert len(set(places)) > 3
    found, z = searched(x, labels)
    assert found.success.tolist() == [place is not None for place in places]
    assert z.tolist() == [GRID.points()[place or 0].tolist() for place in places]
    assert torch.equal(found.images, Moved(x, *LIMITS).paint(z, torch.arange(COUNT)))
    asked = [len(GRID) if place is None else min(GRID.many * (place // GRID.many + 1), len(GRID)) for place in places]
    assert found.passes == {"forward": sum(asked), "backward": 0}
    steps = [-1 if place is None else place // GRID.many for place in places]
    assert found.step.tolist() == steps


def test_what_an_image_finds_does_not_depend_on_its_neighbours() -> None:
    x = images()
    labels = net()(x).argmax(1)
    whole, moves = searched(x, labels)
    for rows in ([2], [7, 0, 5]):
        part, own = searched(x[rows], labels[rows], memory=1)
        assert torch.equal(part.images, whole.images[rows])
        assert torch.equal(own, moves[rows])


def test_the_last_point_is_known_where_all_are_fooled_at_once() -> None:
    x = images()
    labels = (net()(x).argmax(1) + 1) % 4
    found, z = searched(x, labels)
    assert bool(found.success.all())
    assert not bool(z.any())
    assert found.history.shape[0] == 2


def test_fewer_steps_try_fewer_points() -> None:
    x = images()
    labels = net()(x).argmax(1)
    found, z = searched(x, labels, steps=2)
    assert found.passes["forward"] <= 2 * GRID.many * COUNT
    assert float(z.norm(dim=1).max()) <= float(GRID.points()[2 * GRID.many - 1].norm())
    assert GRID.steps == math.ceil(45 / 4)


def test_grids_that_cannot_be_are_refused() -> None:
    with pytest.raises(StriateError, match="accepted: at least 1 along each free number"):
        Grid((3, 0))
    with pytest.raises(StriateError, match="0 points a step"):
        Grid(many=0)
    with pytest.raises(StriateError, match=r"grid over 2 free numbers, the canvas has \(3,\)"):
        searched(images(), torch.zeros(COUNT, dtype=torch.int64), Grid((3, 3)))
