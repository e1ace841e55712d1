"""The attack by shifts and turns: a grid of them, the worst of a few at random, and the average one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.imageopt.canvas import Moved
from striate.imageopt.found import Found
from striate.imageopt.goal import decision, misclassified
from striate.imageopt.search.grid import Grid
from striate.imageopt.solve import solve
from striate.metrics.intervals import logit_interval, wilson
from striate.nets.net import Net
from striate.nets.passes import counting
from striate.nets.undisturbed import undisturbed

from .album import Shown, chosen, names_of, pictures
from .check import check_table
from .judging import groups, predicted_by
from .payload_shared import Move, Spatial

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table

DEGREES = 30.0
SHARE = 0.1  # of a side: the paper's 3 pixels of 28 and 32, 24 of 224
DRAWS = 10
GRID = Grid((5, 5, 31))


@dataclass(frozen=True, eq=False)
class FoundMoves:
    """The moved images, and the move of each.

    Attributes:
        found: As `solve` gives it.
        moves: Pixels to the right, pixels down, degrees counter-clockwise as seen, (N, 3); 0 where none fools.
    """

    found: Found
    moves: Tensor


def spatial(
    net: Net,
    images: Tensor,
    labels: Tensor,
    *,
    degrees: float = DEGREES,
    share: float = SHARE,
    grid: Grid = GRID,
    ids: Tensor | None = None,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> FoundMoves:
    """The smallest shift and turn of a grid that takes each image away from its label.

    Costs at most ``len(grid)`` forward passes an image, 775, and one more to judge it; an image leaves once fooled.

    Args:
        net: Fooled.
        images: (N, C, H, W) in [0, 1].
        labels: Their classes (N,).
        degrees: Largest angle either way.
        share: Largest shift either way as a share of the side.
        grid: Points along shifts across, shifts down and angles.
        ids: Ids (N,) of the images.
        memory: Bytes beside the net that a chunk may take.
        progress: How the work is shown.

    Raises:
        StriateError: The limits are no limits; images and labels do not fit the net.

    Source: Engstrom et al. 2019, section 3.1. There the worst of the grid is the one of the highest loss; which images
    stay right under all of it is the same.
    """
    canvas, last = Moved(images, degrees, share), [images.new_zeros(len(images), 3)]
    goal = misclassified(labels)
    found = solve(
        net, decision(goal), start=images, canvas=canvas, search=grid, steps=grid.steps, goal=goal, keep="first",
        ids=ids, memory=memory, progress=progress, label="spatial",
        callback=lambda moment: last.append(moment.z),
    )  # fmt: skip
    return FoundMoves(found, canvas.moves(last[-1]))


def drawn_moves(ids: Tensor, draws: int, seed: int) -> Tensor:
    """Random points (n, draws, 3) of [-1, 1]: what each image draws hangs on the seed, its id and the draw alone."""
    rng = Rng(seed, "attack/spatial")
    return torch.stack([rng.uniform(ids, (3,), step=draw, low=-1.0, high=1.0) for draw in range(draws)], 1)


def right_when_moved(net: Net, images: Tensor, labels: Tensor, *, points: Tensor, canvas: Moved, memory: int) -> Tensor:
    """Whether images (n, C, H, W) are right at each of their points (n, k, 3), (n, k); k forward passes an image."""
    every = torch.arange(len(images), device=images.device)
    said = [predicted_by(net, canvas.paint(each.to(images), every), memory).cpu() for each in points.unbind(1)]
    return torch.stack(said, 1) == labels.cpu()[:, None]


def spatial_data(
    net: Net,
    data: Dataset,
    table: Table,
    *,
    steps: int | None = None,
    degrees: float = DEGREES,
    share: float = SHARE,
    grid: Grid = GRID,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Spatial, dict[str, bytes]]:
    """How many images of a split stay right when they are shifted and turned: the worst of a grid, and at random.

    Costs at most 775 forward passes an image, and one for each random draw. Images that are wrong unmoved count as
    wrong under the worst move, and are not searched.

    Args:
        net: Fooled.
        data: The split.
        table: What the net says of it unchanged, from `predict`.
        steps: Random moves of each image, by default 10.
        degrees: Largest angle either way.
        share: Largest shift either way as a share of the side.
        grid: Points along shifts across, shifts down and angles.
        seed: Seed of the random moves.
        memory: Bytes beside the net.
        progress: How the work is shown.

    Raises:
        StriateError: Table, data and net do not fit each other; no random move is asked for.

    Source: Engstrom et al. 2019, section 3.1 (grid, worst of 10) and section 4 (average).
    """
    draws = DRAWS if steps is None else steps
    if draws < 1:
        raise StriateError(f"steps is {draws}", accepted="at least 1: random moves of each image")
    check_table(data, table)
    size = data.size or net.a_size()
    held, moves, candidates = torch.zeros(len(data), draws, dtype=torch.bool), list[Move](), list[Shown]()
    with counting() as passes, undisturbed(net):
        for rows, images in groups(data, torch.arange(len(data)), size, memory):
            points = drawn_moves(table.ids[rows], draws, seed)
            canvas = Moved(images, degrees, share)
            held[rows] = right_when_moved(net, images, table.labels[rows], points=points, canvas=canvas, memory=memory)
            part = _searched(net, data, table, rows, images, grid=grid, canvas=canvas, memory=memory, progress=progress)
            moves += part[0]
            candidates = chosen(candidates + part[1])
    n, there = len(data), {each.row: names_of(each.row) for each in candidates}
    album = {name: png for name, png in pictures(candidates)[0].items() if not name.endswith("-difference.png")}
    return Spatial(
        method="spatial",
        n=n,
        degrees=float(degrees),
        share=float(share),
        grid=grid.counts,
        draws=draws,
        clean_accuracy=wilson(int(table.correct.sum()), n),
        grid_accuracy=wilson(sum(one.predicted == one.label for one in moves), n),
        drawn_accuracy=wilson(int((table.correct & held.all(1)).sum()), n),
        mean_accuracy=_mean(held),
        per_image=tuple(
            replace(one, original=there[one.row][0], picture=there[one.row][1]) if one.row in there else one
            for one in moves
        ),
        passes={"forward": passes.forward, "backward": passes.backward},
        names=table.names,
    ), album


def _searched(
    net: Net,
    data: Dataset,
    table: Table,
    rows: Tensor,
    images: Tensor,
    *,
    grid: Grid,
    canvas: Moved,
    memory: int,
    progress: Progress,
) -> tuple[list[Move], list[Shown]]:
    """Each image of a group with the move that fools, and those that may be shown; only right ones are searched."""
    at = table.correct[rows].nonzero().squeeze(1)
    predicted, moves, moved = table.predicted[rows].clone(), torch.zeros(len(rows), 3), images.clone()
    if len(at) > 0:
        done = spatial(
            net, images[at], table.labels[rows[at]], degrees=canvas.degrees, share=canvas.share, grid=grid,
            ids=table.ids[rows[at]], memory=memory, progress=progress,
        )  # fmt: skip
        assert done.found.output is not None
        predicted[at] = done.found.output.argmax(1).to(predicted)
        moves[at], moved[at] = done.moves.to(moves), done.found.images
    away = (moves / canvas.moves(torch.ones(1, 3)).clamp(min=1e-12)).norm(dim=1)
    listed, shown = [], []
    for k, row in enumerate(rows.tolist()):
        fooled = bool(table.correct[row]) and int(predicted[k]) != int(table.labels[row])
        across, down, angle = moves[k].tolist() if fooled else (None, None, None)
        one = Move(
            row=int(table.rows[row]),
            name=data.name_of(row),
            label=int(table.labels[row]),
            clean=int(table.predicted[row]),
            predicted=int(predicted[k]),
            success=fooled,
            across=across,
            down=down,
            degrees=angle,
        )
        listed.append(one)
        if fooled:
            shown.append(Shown(one.row, one.label, True, images[k], moved[k], float(away[k])))
    # copies, so that a few pictures do not hold the whole group in memory
    return listed, [replace(each, before=each.before.clone(), after=each.after.clone()) for each in chosen(shown)]


def _mean(held: Tensor) -> Number:
    """The mean over images and draws, with the interval that the spread between images gives."""
    shares = held.double().mean(1)
    n = len(shares)
    if n < 2:
        return Number.of(float(shares.mean()), n=n, why="no interval of one image")
    return logit_interval(float(shares.mean()), float(shares.std()) / math.sqrt(n), n, why="spread between images")
