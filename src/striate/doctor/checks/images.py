"""Checks of inputs as pictures: the order of their axes, what reshaping did to them, how much detail they hold."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.modules.conv import _ConvNd

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..entering import entering

COLOURS = (3, 4)
SHOWN = 8
SEEN = 128  # images that are measured
SPOILT = ("no-progress", "plateau", "capacity", "labels-shuffled", "augmentation-destroys-label")


def convolves(case: Case) -> bool:
    """Whether the model has a convolution, as a module or among the operations of its loss."""
    graph = None if case.start is None else case.start.graph
    return any(isinstance(each, _ConvNd) for each in case.model.modules()) or (
        graph is not None and any("Convolution" in each for each in graph.operations)
    )


@check(
    "inputs-channels-last",
    what="images of shape (n, H, W, C) go into a convolution that takes (n, C, H, W)",
    why="the convolution slides over width and colour, and takes each row of the image for a channel",
    phase="start",
    needs=("train", "images"),
    symptom="slow",
    mend="Swap the axes where images are read, and give the first convolution as many inputs as there are channels.",
    code="x = x.permute(0, 3, 1, 2).contiguous()  # not reshape or view, which scramble the picture",
    thresholds=(Threshold("side over side of a picture, and its inverse", 2.5, "photographs lie below 2"),),
    leads_to=("inputs-constant", "channels-alike", "reshape-for-transpose", *SPOILT),
)
def inputs_channels_last(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    come = None if case.start is None else entering(case.start)
    first = next((each for each in case.model.modules() if isinstance(each, _ConvNd)), None)
    if come is not None:
        if not isinstance(come.layer, torch.nn.Conv2d) or come.x.dim() != 4:
            return
        shape = tuple(come.x.shape[1:])
    elif case.start is None and isinstance(first, torch.nn.Conv2d) and case.crashes:
        shape = tuple(train.x.shape[1:])
        if first.in_channels == shape[0] or first.in_channels not in shape[1:]:
            return
    else:
        return
    most = limits["side over side of a picture, and its inverse"]
    small = [axis for axis in (2, 1) if shape[axis] in COLOURS or shape[axis] == 1]
    for axis in small:
        sides = [shape[each] for each in range(3) if each != axis]
        alike = sides[0] == sides[1] if shape[axis] == 1 else 1 / most < sides[0] / sides[1] < most
        if min(sides) >= 8 and alike:
            order = (0, 3, 1, 2) if axis == 2 else (0, 2, 1, 3)
            yield Seen(
                f"Images of shape {shape} go into the first convolution: {shape[0]} channels, "
                f"{shape[1]} by {shape[2]} pixels; the colours stand on the {'last' if axis == 2 else 'middle'} axis.",
                severity="error",
                evidence=(Evidence("size of the last axes", Number.of(shape[axis]), limit="1, 3 or 4 are colours"),),
                code=f"x = x.permute{order}.contiguous()  # not reshape or view, which scramble the picture",
                sure=0.95,
            )
            return


@check(
    "inputs-scrambled",
    what="images were reshaped where their axes should have been swapped",
    why="pixels that lie side by side no longer belong together, so a convolution sees no shapes",
    phase="start",
    needs=("train", "images"),
    symptom="slow",
    mend="Swap axes with permute (torch) or transpose (NumPy); view and reshape only count the numbers anew.",
    code="x = x.permute(0, 3, 1, 2)  # not x.view(n, 3, h, w)",
    thresholds=(
        Threshold("roughness once read the other way, over that as it stands", 0.75, "healthy sets lie above 1.2"),
    ),
    cost="differences of neighbouring pixels of 128 images",
    leads_to=SPOILT,
)
def inputs_scrambled(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    x = train.x[:SEEN].float()
    if not convolves(case) or min(x.shape[2:]) < 6 or not bool(x.isfinite().all()) or float(x.std()) == 0:
        return
    plain = roughness(x)
    tried = {order: roughness(read_anew(x, order)) for order in orders(x)}
    if not tried or plain == 0:
        return
    order = min(tried, key=lambda each: tried[each])
    ratio = tried[order] / plain
    if ratio < limits["roughness once read the other way, over that as it stands"]:
        mended = read_anew(x, order)
        shape = _memory(tuple(x.shape), order)[1:]
        yield Seen(
            f"Images are scrambled: the same numbers read as {shape} ({order}) make pictures "
            f"{1 / ratio:.1f} times as smooth.",
            evidence=(
                Evidence("roughness read the other way over that as it stands", Number.of(ratio), limit="below .75"),
            ),
            images=("as they stand, and read the other way", torch.cat((x[:SHOWN], mended[:SHOWN]))),
            sure=0.95,
        )


def orders(x: Tensor) -> tuple[str, ...]:
    """Other orders of axes in which the memory of images (n, C, H, W) may have been written."""
    colour = ("height, width, channel", "width, height, channel") if x.shape[1] in (2, 3, 4) else ()
    return colour + (("channel, width, height",) if x.shape[2] != x.shape[3] else ())


def _memory(shape: tuple[int, ...], order: str) -> tuple[int, ...]:
    n, c, h, w = shape
    return {
        "height, width, channel": (n, h, w, c),
        "width, height, channel": (n, w, h, c),
        "channel, width, height": (n, c, w, h),
    }[order]


def read_anew(x: Tensor, order: str) -> Tensor:
    """Images (n, C, H, W) whose memory, in the order in which it lies, is taken for another order of axes."""
    back = {
        "height, width, channel": (0, 3, 1, 2),
        "width, height, channel": (0, 3, 2, 1),
        "channel, width, height": (0, 1, 3, 2),
    }[order]
    return x.reshape(_memory(tuple(x.shape), order)).permute(back)


def roughness(x: Tensor) -> float:
    """Mean absolute difference of pixels side by side and one above the other, over that of pixels far apart."""
    beside = (x[..., 1:] - x[..., :-1]).abs().mean() + (x[..., 1:, :] - x[..., :-1, :]).abs().mean()
    flat = x.flatten(2)
    generator = torch.Generator().manual_seed(0)
    far = (flat - flat[:, :, torch.randperm(flat.shape[2], generator=generator)]).abs().mean()
    return float(beside / far.clamp(min=1e-12)) / 2


@check(
    "pictures-without-detail",
    what="images were made so small that little is left of them",
    why="what tells the classes apart is gone; making the images large again does not bring it back",
    phase="data",
    needs=("train", "images"),
    symptom="slow",
    mend="Look at the sizes given to Resize and crop, in their order: never go below the side that you end with.",
    code="T.Resize(size)  # once, from the image as it was read",
    thresholds=(
        Threshold("pixels a side that hold all of it", 6.0, "healthy sets need 8 (digits of 8 x 8) or more"),
        Threshold(
            "share of the variance that is lost at that side",
            0.003,
            "enlarged ones lose 1e-5, healthy ones .02",
        ),
    ),
    cost="the spectrum of rows and columns of 128 images",
)
def pictures_without_detail(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    x = train.x[:SEEN].float()
    if not bool(x.isfinite().all()) or min(x.shape[2:]) < 12 or len(x) < 50:
        return
    for side in range(1, int(limits["pixels a side that hold all of it"]) + 1):
        lost = detail(x, side)
        if lost < limits["share of the variance that is lost at that side"]:
            yield Seen(
                f"Images of {x.shape[2]} x {x.shape[3]} pixels hold no more than {side} x {side}: "
                f"all their rows and columns are mixtures of that many.",
                severity="warning",
                evidence=(Evidence("share of the variance lost", Number.of(lost), limit="below .003"),),
                images=("training images", x),
                sure=0.9,
            )
            return


def detail(x: Tensor, side: int) -> float:
    """Share of the variance of images (n, C, H, W) that is lost by keeping ``side`` directions of each axis, at most 1.

    Images made large from ``side`` pixels a side, by whatever interpolation that takes rows and columns in turn, are
    A Y A' with a Y of ``side`` by ``side``, so that all their rows, and all their columns, lie in ``side`` dimensions.
    """
    centred = x - x.mean((2, 3), keepdim=True)
    total = float(centred.square().sum())
    if total == 0:
        return 1.0
    lost = 0.0
    for lines in (centred.transpose(2, 3).reshape(-1, x.shape[2]), centred.reshape(-1, x.shape[3])):
        values = torch.linalg.eigvalsh((lines.T @ lines).double())
        lost += float(values.clamp(min=0)[: max(len(values) - side, 0)].sum()) / total
    return min(lost, 1.0)


@check(
    "channels-alike",
    what="the three colour channels are equal",
    why="nothing is wrong with grey images in three channels; two of them are work for nothing",
    phase="data",
    needs=("train", "images"),
    symptom="cost",
    mend="Read one channel where the model need not have three; if the pictures have colours, look at the conversion.",
    code='image.convert("L")  # or, where colours were lost, image.convert("RGB") first',
)
def channels_alike(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    x = train.x.float()
    if x.shape[1] != 3 or not bool(x.isfinite().all()) or float(x.std()) == 0:
        return
    centred = x - x.mean((0, 2, 3), keepdim=True)
    scaled = centred / centred.square().mean((0, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
    apart = float((scaled - scaled[:, :1]).abs().amax())
    if apart < 1e-3:
        yield Seen(
            "The three channels of every training image are equal.",
            severity="note",
            evidence=(Evidence("largest difference, in standard deviations", Number.of(apart)),),
            sure=1.0,
        )


@check(
    "inputs-of-two-values",
    what="colour images hold two values only",
    why="all shades are gone: a division of whole numbers, or a conversion to 1 bit",
    phase="data",
    needs=("train", "images"),
    symptom="slow",
    mend="Turn images into floats before they are divided, and look at the mode in which they are opened.",
    code="x = x.float() / 255  # not x // 255, nor (x / 255).to(torch.uint8)",
    leads_to=("input-scale", "inputs-not-normalised", *SPOILT),
)
def inputs_of_two_values(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    x = train.x
    if float(x.float().std()) == 0 or not bool(x.float().isfinite().all()):
        return
    counts = [len(torch.unique(x[:SEEN, part])) for part in range(x.shape[1])]
    if max(counts) > 2 or min(counts) < 2:
        return
    grey = x.shape[1] != 3 or float((x[:, 0].float() - x[:, 1].float()).abs().amax()) == 0
    yield Seen(
        "Every pixel of the training images is one of two values.",
        severity="note" if grey else "warning",
        evidence=(Evidence("different values of a channel", Number.of(max(counts), n=SEEN)),),
        sure=0.8 if grey else 0.95,
    )
