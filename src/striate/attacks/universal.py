"""A universal perturbation: one difference that fools a net on most images, also on those it was not made for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge
from striate.core.norms import norm_of, parse_norm
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.imageopt.canvas import Delta
from striate.imageopt.objective import log_odds
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.shared import FoundShared, solve_shared
from striate.imageopt.view import Jitter
from striate.metrics.intervals import wilson
from striate.nets.net import Net
from striate.nets.passes import counting
from striate.nets.undisturbed import undisturbed

from .album import SIDE, Shown, chosen, names_of, pictures
from .check import check_radius, check_table
from .judging import divided, groups, predicted_by, survival, survivors, tenths
from .method import norm_name
from .payload_shared import Judged, Universal

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table

NORMS = (math.inf, 2.0)
STEPS = 100
BATCH = 16
MIRRORED = 1 << 62  # what sets the id of a mirror image apart
JITTER = 1 / 14  # of the shorter side
PUBLISHED = 3 * 224 * 224  # values of the images that the paper's L2 radius of 2000 grey levels is about


def usual_radius(norm: float, values: int) -> float:
    """10 of 255 grey levels, in L2 the paper's 2000, which grows with the root of the number of values.

    Source: Moosavi-Dezfooli et al. 2017, section 4.
    """
    return 10 / 255 if math.isinf(norm) else 2000 / 255 * math.sqrt(values / PUBLISHED)


def universal(
    net: Net,
    images: Tensor,
    classes: Tensor,
    *,
    radius: float,
    norm: float = math.inf,
    steps: int = STEPS,
    batch: int = BATCH,
    step: float = 0.1,
    momentum: float = 0.9,
    jitter: int | None = None,
    seed: int = 0,
    ids: Tensor | None = None,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> FoundShared:
    """One difference of norm at most ``radius`` that takes as many of the images as it can away from their classes.

    Stochastic descent of the mean log-odds of the classes: each step looks at ``batch`` images or their mirror images,
    shifted at random, and goes ``step`` times the radius along the norm's steepest direction of the gathered gradient,
    less and less towards the end. The result tells of the images and, after them, of their mirror images. Costs
    ``steps * batch`` forward and backward passes, and 3 forward passes an image.

    Args:
        net: Fooled.
        images: What it is fitted on, (N, C, H, W) in [0, 1].
        classes: What the net sees in them unchanged, (N,).
        radius: Largest change of every image, strictly, in units of [0, 1] pixels.
        norm: Infinity or 2.
        steps: Of the ascent.
        batch: Images of a step, without return until all had their turn.
        step: Length of the first step as a share of the radius.
        momentum: Share of the earlier direction that is kept.
        jitter: Pixels by which the sums are shifted at random, at most; by default a 14th of the shorter side.
        seed: Seed of the order of the images and of shifts.
        ids: Ids (N,) of the images.
        memory: Bytes beside the net that a chunk may take.
        progress: How the work is shown.

    Raises:
        StriateError: The norm is neither infinity nor 2.

    Source: Moosavi-Dezfooli et al. 2017, section 3, who add up the DeepFool steps of one image after the other until
    enough are fooled. Stochastic gradients: Shafahi et al. 2020, section 3, who cut cross-entropy where an image is
    surely fooled; with few images that fits them one by one, so that ours goes on. Mirror images and shifts are ours
    and serve the same end.
    """
    if norm not in NORMS:
        raise StriateError(f"norm is {norm_name(norm)}", accepted="inf or 2: those universal can hold")
    if ids is None:
        ids = image_ids(images)
    with undisturbed(net):
        classes = torch.cat([classes, predicted_by(net, images.flip(3), memory)])
    both = torch.cat([images, images.flip(3)])
    return solve_shared(
        net,
        -log_odds(classes),
        images=both,
        canvas=Delta(both, shared=True),
        search=Steepest(step * radius, momentum=momentum, falling=True),
        steps=steps,
        within=Ball(both, radius, norm) & Box(),
        view=Jitter(round(min(images.shape[-2:]) * JITTER) if jitter is None else jitter),
        batch=batch,
        seed=seed,
        ids=torch.cat([ids, ids ^ MIRRORED]),
        memory=memory,
        progress=progress,
        label="universal",
    )


def universal_data(
    net: Net,
    data: Dataset,
    table: Table,
    *,
    norm: float | str = math.inf,
    radius: float | None = None,
    fit: int | None = None,
    steps: int | None = None,
    jitter: int | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Universal, dict[str, bytes]]:
    """A universal perturbation of the first images of a split, and how many of the others it fools.

    Args:
        net: Fooled.
        data: The split.
        table: What the net says of it unchanged, from `predict`.
        norm: Infinity or 2.
        radius: Largest change; by default that of the paper.
        fit: How many of the first images it is fitted on; by default two thirds, or what fits the memory.
        steps: Of the ascent.
        jitter: As `universal` takes it.
        seed: Seed of every random draw.
        memory: Bytes beside the net.
        progress: How the work is shown.

    Raises:
        StriateError: Something does not fit; the message says what was given and what is taken.
    """
    order = parse_norm(norm)
    if order not in NORMS:
        raise StriateError(f"norm is {norm_name(order)}", accepted="inf or 2: those universal can hold")
    check_table(data, table)
    size = data.size or net.a_size()
    reach = usual_radius(order, data.channels * size[0] * size[1]) if radius is None else radius
    check_radius(reach, order)
    first, rest = divided(data, size, fit, memory)
    with counting() as passes, undisturbed(net):
        found = universal(
            net, data.images(first), table.predicted[first], radius=reach, norm=order, steps=steps or STEPS,
            jitter=jitter, seed=seed, ids=table.ids[first], memory=memory, progress=progress,
        )  # fmt: skip
        moved = predicted_by(net, found.images[: len(first)], memory) != table.predicted[first]
        noise, said = _noise(found.z, reach, order, seed)
        judge = _Judge(net, data, table, order, memory)
        results = [judge(rows, images, found.z, noise) for rows, images in groups(data, rest, size, memory)]
    judged, album = _pictured(
        [one for each in results for one in each[0]], [one for each in results for one in each[1]]
    )
    delta, factor = _delta_picture(found.z)
    n, fooled = len(judged), [one for one in judged if one.success]
    return Universal(
        method="universal",
        norm=norm_name(order),
        radius=float(reach),
        n=n,
        fitted=len(first),
        clean_accuracy=wilson(sum(one.clean == one.label for one in judged), n),
        robust_accuracy=wilson(sum(one.predicted == one.label for one in judged), n),
        fooling_rate=wilson(len(fooled), n),
        fitted_rate=wilson(int(moved.sum()), len(first)),
        noise_rate=wilson(sum(count for _, _, count in results), n),
        noise=said,
        survives_8bit=survival([one.survives_8bit for one in fooled]),
        survives_jpeg=survival([one.survives_jpeg for one in fooled]),
        per_image=judged,
        passes={"forward": passes.forward, "backward": passes.backward},
        history=tenths(found.history),
        names=table.names,
        delta=next(iter(delta)),
        factor=factor,
    ), album | delta


def _pictured(judged: list[Judged], candidates: list[Shown]) -> tuple[tuple[Judged, ...], dict[str, bytes]]:
    """The judged images with the names of their pictures, and the pictures of a few, before and after."""
    shown = chosen(candidates)
    album = {name: png for name, png in pictures(shown)[0].items() if not name.endswith("-difference.png")}
    there = {each.row: names_of(each.row) for each in shown}
    return tuple(
        replace(one, original=there[one.row][0], picture=there[one.row][1]) if one.row in there else one
        for one in judged
    ), album


class _Judge:
    """Looks at images that the difference was not fitted on."""

    def __init__(self, net: Net, data: Dataset, table: Table, norm: float, memory: int) -> None:
        self.net, self.data, self.table, self.norm, self.memory = net, data, table, norm, memory

    def __call__(self, rows: Tensor, images: Tensor, z: Tensor, noise: Tensor) -> tuple[list[Judged], list[Shown], int]:
        """Each image with the difference, those that may be shown, and how many the noise moves."""
        every, clean, labels = torch.arange(len(rows)), self.table.predicted[rows], self.table.labels[rows]
        canvas = Delta(images, shared=True)
        painted = canvas.paint(z, every)
        says = predicted_by(self.net, painted, self.memory)
        away = norm_of(painted.double() - images.double(), self.norm)
        at = (says != clean).nonzero().squeeze(1)
        bits, jpeg = survivors(self.net, painted, at, lambda now: now != clean[at], self.memory)
        listed = [
            Judged(
                row=int(self.table.rows[row]),
                name=self.data.name_of(row),
                label=int(labels[k]),
                clean=int(clean[k]),
                predicted=int(says[k]),
                success=bool(says[k] != clean[k]),
                survives_8bit=bits.get(k),
                survives_jpeg=jpeg.get(k),
                distance=float(away[k]),
            )
            for k, row in enumerate(rows.tolist())
        ]
        shown = chosen([Shown(one.row, one.label, one.success, images[k], painted[k]) for k, one in enumerate(listed)])
        moved = predicted_by(self.net, canvas.paint(noise, every), self.memory) != clean
        return listed, shown, int(moved.sum())


def _noise(z: Tensor, radius: float, norm: float, seed: int) -> tuple[Tensor, str]:
    """One random difference of the same norm, and what it is."""
    rng, one = Rng(seed, "attack/universal noise"), torch.zeros(1, dtype=torch.int64)
    if math.isinf(norm):
        return radius * rng.signs(one, z.shape[1:]).to(z), "random signs"
    drawn = rng.normal(one, z.shape[1:]).to(z)
    return radius * drawn / drawn.norm(), "Gaussian noise"


def _delta_picture(z: Tensor) -> tuple[dict[str, bytes], float]:
    """The difference around mid grey, amplified so that its largest value is white or black, and by how much."""
    largest = float(z.abs().max())
    factor = 0.5 / largest if largest > 0 else 1.0
    return {"delta.png": encode_png(enlarge((0.5 + factor * z[0]).clamp(0, 1), SIDE))}, factor
