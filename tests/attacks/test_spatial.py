"""Accuracy under shifts and turns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.attacks.findings_shared import findings_of
from striate.attacks.payload_shared import Spatial
from striate.attacks.spatial import drawn_moves, spatial, spatial_data
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.report import Report
from striate.data.dataset import Dataset
from striate.imageopt.canvas import Moved
from striate.imageopt.search.grid import Grid
from striate.measure.table import Table, predict
from striate.nets.net import Net
from striate.page.text import render_text

SIDE, COUNT, DRAWS = 12, 30, 4
GRID = Grid((3, 3, 7), many=5)
HOW = {"grid": GRID, "degrees": 5.0, "share": 0.02}  # limits so small that some images hold


def net() -> Net:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 100, 3))
    return Net(module, channels=3, size=SIDE, classes=("a", "b", "c")).eval()


def split(model: Net) -> tuple[Dataset, Table]:
    """Images whose labels are the net's answers, but for the first two."""
    given = torch.randint(0, 256, (COUNT, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(2)) / 255
    with torch.no_grad():
        labels = model(given).argmax(1)
    labels[:2] = (labels[:2] + 1) % 3
    data = Dataset.of(given, labels, classes=("a", "b", "c"))
    return data, predict(model, data)


def said(model: Net, images: Tensor, points: Tensor) -> Tensor:
    """The class of every image at every point of its own (N, P, 3), one at a time."""
    canvas = Moved(images, 5.0, 0.02)
    with torch.no_grad():
        return torch.stack(
            [
                torch.stack([model(canvas.paint(point[None], torch.tensor([row])))[0].argmax() for point in own])
                for row, own in enumerate(points)
            ]
        )


def test_the_accuracies_are_those_of_looking_at_every_move() -> None:
    model = net()
    data, table = split(model)
    result, album = spatial_data(model, data, table, steps=DRAWS, **HOW)
    grid = said(model, data.images(), GRID.points().float().expand(COUNT, -1, -1)) == data.labels[:, None]
    drawn = said(model, data.images(), drawn_moves(table.ids, DRAWS, 0)) == data.labels[:, None]
    assert 0 < int(grid.all(1).sum()) < COUNT - 2
    assert float(result.clean_accuracy) == pytest.approx(1 - 2 / COUNT)
    assert float(result.grid_accuracy) == pytest.approx(float(grid.all(1).double().mean()))
    assert float(result.drawn_accuracy) == pytest.approx(float((drawn.all(1) & table.correct).double().mean()))
    assert float(result.mean_accuracy) == pytest.approx(float(drawn.double().mean()))
    assert result.mean_accuracy.low < float(result.mean_accuracy) < result.mean_accuracy.high
    for row, one in enumerate(result.per_image):
        assert one.success == bool(table.correct[row] and not grid[row].all())
        if one.success:
            point = GRID.points()[int((~grid[row]).nonzero()[0])]
            assert [one.across, one.down, one.degrees] == pytest.approx(
                (point * torch.tensor([0.24, 0.24, 5])).tolist()
            )
        else:
            assert one.across is one.down is one.degrees is None
            assert one.predicted == one.clean
    asked = [
        GRID.many * (int((~own).nonzero()[0]) // GRID.many + 1) if not own.all() else len(GRID) for own in grid[2:]
    ]
    asked = [min(each, len(GRID)) for each in asked]
    assert result.passes == {"forward": sum(asked) + DRAWS * COUNT, "backward": 0}
    pictured = [one for one in result.per_image if one.picture]
    assert set(album) == {key for one in pictured for key in (one.picture, one.original)}
    assert all(one.success for one in pictured)
    assert from_json(to_json(result), Spatial) == result


def test_what_is_wrong_unmoved_counts_as_wrong_under_the_worst_though_a_move_may_mend_it() -> None:
    model = net()
    data, table = split(model)
    moved = said(model, data.images(), drawn_moves(table.ids, 1, 0))[:, 0]
    mended = Dataset.of(data.images(), moved, classes=("a", "b", "c"))  # all right when moved, as it happens
    result, _ = spatial_data(model, mended, predict(model, mended), steps=1, **HOW)
    right = float((moved == table.predicted).double().mean())
    assert right < 0.9
    assert result.clean_accuracy.value == result.drawn_accuracy.value == pytest.approx(right)
    assert result.mean_accuracy.value == 1
    assert result.grid_accuracy.value < right


def test_an_image_is_moved_alike_alone_and_among_others_and_more_draws_begin_with_the_fewer() -> None:
    model = net()
    data, table = split(model)
    whole = spatial(model, data.images(), data.labels, **HOW, ids=table.ids)
    for rows in ([4], [9, 3, 20]):
        part = spatial(model, data.images()[rows], data.labels[rows], **HOW, ids=table.ids[rows])
        assert torch.equal(part.moves, whole.moves[rows])
        assert torch.equal(part.found.images, whole.found.images[rows])
    many = drawn_moves(table.ids, 5, 0)
    assert torch.equal(drawn_moves(table.ids[[7, 2]], 3, 0), many[[7, 2], :3])
    assert not torch.equal(drawn_moves(table.ids, 5, 1), many)
    assert float(many.abs().max()) <= 1


def test_groups_that_fit_a_small_memory_give_the_same_result() -> None:
    model = net()
    data, table = split(model)
    whole, pictures = spatial_data(model, data, table, steps=DRAWS, **HOW)
    small, same = spatial_data(model, data, table, steps=DRAWS, **HOW, memory=7 * 5 * 4 * 3 * SIDE * SIDE)
    assert small == whole
    assert same == pictures


def test_the_text_and_the_finding_say_what_was_measured() -> None:
    model = net()
    result, _ = spatial_data(model, *split(model), grid=GRID)
    text = render_text(Report("attack", result), width=80)
    assert "under the worst of 10 at random" in text
    assert "3 x 3 x 7 moves" in text
    assert "degrees" in text
    assert max(map(len, text.splitlines())) <= 80
    (finding,) = findings_of(result, net="NET", data="DATA")
    assert finding.id == "attack/spatial"
    assert finding.severity == "warning"
    assert finding.command == "striate train DATA --augment rotation,translation"


def test_no_random_move_at_all_is_refused() -> None:
    model = net()
    with pytest.raises(StriateError, match="steps is 0; accepted: at least 1: random moves of each image"):
        spatial_data(model, *split(model), steps=0)
