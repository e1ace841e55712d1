"""Accuracy under the common corruptions, and the mean corruption error against a reference net."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.corruptions import CORRUPTIONS, SEVERITIES, constants_of, corrupted, corruption
from striate.metrics.intervals import wilson
from striate.nets.net import Net
from striate.nets.passes import counting
from striate.nets.undisturbed import undisturbed

from .check import check_table
from .judging import groups, predicted_by
from .payload_shared import Corrupted, Damaged

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table

SHEET = "corruptions.png"
TILE = 112  # pixels of a picture on the sheet
DRAWS = 1000  # of the bootstrap over images
AT_ONCE = 1 << 22  # numbers of it that are held at once
NOTES = (
    "the frost is drawn by the program, not cut from the paper's photographs",
    "corrupted images are rounded to 8 bits, not saved as JPEG files of quality 85",
)


def corruptions_data(
    net: Net,
    data: Dataset,
    table: Table,
    *,
    reference: Net | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Corrupted, dict[str, bytes]]:
    """How many images of a split stay right under 15 corruptions at 5 severities; costs 75 forward passes an image.

    With a reference net, the error of each corruption, summed over the severities, is divided by the reference's; the
    mean of these 15 ratios is the mean corruption error. Intervals of means come from a bootstrap over the images,
    which stand together under all corruptions.

    Args:
        net: Judged.
        data: The split.
        table: What the net says of it unchanged, from `predict`.
        reference: Net of the same classes, AlexNet in the paper; none gives no mean corruption error.
        seed: Seed of every random draw.
        memory: Bytes beside the nets.
        progress: How the work is shown.

    Raises:
        StriateError: Table, data and nets do not fit each other.

    Source: Hendrycks & Dietterich 2019, section 4.1.
    """
    check_table(data, table)
    size = data.size or net.a_size()
    if reference is not None:
        reference.check(data.images(torch.arange(min(1, len(data)))))
        if len(reference.classes) != table.logits.shape[1]:
            raise StriateError(
                f"the reference knows {len(reference.classes)} classes", accepted=f"{table.logits.shape[1]}"
            )
    nets = [net] if reference is None else [net, reference]
    wrong = torch.zeros(len(nets), len(CORRUPTIONS), len(SEVERITIES), len(data), dtype=torch.bool)
    with counting() as passes, undisturbed(net), undisturbed(nets[-1]):
        count = sum(1 for _ in groups(data, torch.arange(len(data)), size, memory))
        with progress.task("corruptions", count * len(CORRUPTIONS), unit="kinds") as step:
            for rows, images in groups(data, torch.arange(len(data)), size, memory):
                for place, name in enumerate(CORRUPTIONS):
                    for severity in SEVERITIES:
                        damaged = corrupted(images, name, severity, ids=table.ids[rows], seed=seed)
                        for k, each in enumerate(nets):
                            said = predicted_by(each, damaged, memory).cpu()
                            wrong[k, place, severity - 1, rows] = said != table.labels[rows]
                    step()
    n, sums = len(data), _resampled(wrong, seed)
    return Corrupted(
        method="corruptions",
        n=n,
        constants=constants_of(size),
        clean_accuracy=wilson(int(table.correct.sum()), n),
        mean_error=_number(sums[0].sum(0) / (n * len(CORRUPTIONS) * len(SEVERITIES)), n),
        mean_corruption_error=_mean_ratio(sums, n),
        reference="" if reference is None else reference.name,
        corruptions=tuple(_damaged(place, name, wrong, sums) for place, name in enumerate(CORRUPTIONS)),
        passes={"forward": passes.forward, "backward": passes.backward},
        sheet=SHEET,
        notes=NOTES,
    ), {SHEET: encode_png(sheet(data.images(torch.arange(1))[0], int(table.ids[0]), seed=seed))}


def sheet(image: Tensor, key: int, *, seed: int = 0) -> Tensor:
    """One image (C, H, W) under all corruptions: a row each, unchanged and at severities 1 to 5, (C, 15 h, 6 w)."""
    ids = torch.tensor([key])
    rows = []
    for name in CORRUPTIONS:
        shown = [image[None], *(corrupted(image[None], name, severity, ids=ids, seed=seed) for severity in SEVERITIES)]
        rows.append(torch.cat([_tile(each) for each in shown], 3))
    return torch.cat(rows, 2)[0]


def _tile(images: Tensor) -> Tensor:
    """Small images enlarged by a whole factor, large ones reduced, to about the size of a picture on the sheet."""
    height, width = images.shape[-2:]
    if min(height, width) < TILE:
        return enlarge(images, TILE)
    share = TILE / min(height, width)
    size = (round(height * share), round(width * share))
    return F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def _resampled(wrong: Tensor, seed: int) -> Tensor:
    """Errors of each net under each corruption, (nets, 15, 1 + draws): of the images, then of draws from them.

    A draw takes as many images as there are, with return, and each with all that was seen of it.
    """
    n = wrong.shape[-1]
    each = wrong.sum(2).to(torch.float64)  # of 5 severities
    rng, found = Rng(seed, "corruptions/bootstrap"), [each.sum(2, keepdim=True)]
    for part in torch.split(torch.arange(DRAWS), max(1, AT_ONCE // n)):
        drawn = rng.integers(part, (n,), high=n)
        times = torch.zeros(len(part), n, dtype=torch.float64).scatter_add_(
            1, drawn, torch.ones(1).double().expand_as(drawn)
        )
        found.append(each @ times.T)
    return torch.cat(found, 2)


def _number(values: Tensor, n: int) -> Number:
    """The first value, with the 2.5 % and 97.5 % quantiles of the others, which are its draws."""
    value = float(values[0])
    low, high = torch.quantile(values[1:], torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Number(value, min(low, value), max(high, value), n, f"bootstrap over images, {DRAWS:,} draws")


def _ratios(sums: Tensor) -> Tensor:
    """Errors over the reference's, (15, 1 + draws); a draw in which that makes none counts half of one."""
    return sums[0] / sums[1].clamp(min=0.5)


def _damaged(place: int, name: str, wrong: Tensor, sums: Tensor) -> Damaged:
    """One corruption."""
    n = wrong.shape[-1]
    ratio = reference = Number.missing("there is no reference net")
    if len(sums) > 1:
        reference = _number(sums[1, place] / (n * len(SEVERITIES)), n)
        none = float(sums[1, place, 0]) == 0
        ratio = Number.missing("the reference net makes no error") if none else _number(_ratios(sums)[place], n)
    return Damaged(
        name=name,
        family=corruption(name).family,
        accuracy=tuple(wilson(n - int(each.sum()), n) for each in wrong[0, place]),
        error=_number(sums[0, place] / (n * len(SEVERITIES)), n),
        reference=reference,
        ratio=ratio,
    )


def _mean_ratio(sums: Tensor, n: int) -> Number:
    if len(sums) < 2:
        return Number.missing("there is no reference net")
    if bool((sums[1, :, 0] == 0).any()):
        return Number.missing("the reference net makes no error under one of the corruptions")
    return _number(_ratios(sums).mean(0), n)
