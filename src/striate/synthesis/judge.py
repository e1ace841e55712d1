"""What nets say of images that were made: after rounding to 8 bits, by the maker and by an independent judge."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry
from striate.metrics.intervals import wilson
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .payload import Judged

Meant = int | Tensor | None  # the maker's class, or a picture (C, H, W) that it was made from, or nothing


def seen_by(net: Net, images: Tensor, *, memory: int = 1 << 30) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K) and predicted classes (N,) of images (N, C, H, W)."""
    size = net.batch_size((images.shape[-2], images.shape[-1]), memory=memory)
    with torch.no_grad(), undisturbed(net):
        logits = torch.cat([net.logits(images[k : k + size]) for k in range(0, len(images), size)])
    return logits.softmax(1), logits.argmax(1)


def check_judge(judge: Net, maker: Net) -> None:
    """Whether one net can judge what another makes.

    Raises:
        StriateError: It is the maker itself, or takes other channels.
    """
    if judge is maker or judge.fingerprint() == maker.fingerprint():
        raise StriateError(
            f"{judge.name} is to judge images that it made itself", accepted="another net, best of another family"
        )
    if judge.channels != maker.channels:
        raise StriateError(
            f"{judge.name} cannot judge these images (it takes {judge.channels} channels, {maker.name} "
            f"{maker.channels})",
            accepted="a judge of the maker's channels",
        )


def judged_by(judge: Net, images: Tensor, meant: Sequence[Meant], *, maker: Net, memory: int = 1 << 30) -> Judged:
    """What ``judge`` says of images that ``maker`` was shown; classes are matched by name.

    For an image that was made from a picture, what the judge sees in that picture counts as meant. A judge of one fixed
    size gets the images at its size.

    Raises:
        StriateError: The judge is the maker itself, cannot take the images, or does not know a class.
    """
    check_judge(judge, maker)
    shown = _at_size(judge, images)
    try:
        judge.check(shown)
    except StriateError as error:
        raise StriateError(f"{judge.name} cannot judge these images ({error})") from error
    probability, predicted = seen_by(judge, shown, memory=memory)
    wanted = [_wanted(judge, maker, each, probability.shape[1], memory) for each in meant]
    asked = [k for k, each in enumerate(wanted) if each is not None]
    right = sum(int(predicted[k]) == wanted[k] for k in asked)
    own = [int(each) for each in predicted]
    return Judged(
        net=judge.name,
        predicted=tuple(own),
        probability=tuple(float(probability[k, own[k] if each is None else each]) for k, each in enumerate(wanted)),
        agrees=wilson(right, len(asked), of="images with a class that was meant"),
        sees=tuple(judge.classes[each] if each < len(judge.classes) else str(each) for each in own),
        wanted=tuple(wanted),
    )


def _at_size(judge: Net, images: Tensor) -> Tensor:
    if judge.size is None or tuple(images.shape[-2:]) == tuple(judge.size):
        return images
    return Geometry((judge.size[0], judge.size[1]), crop="none").apply(images)


def _wanted(judge: Net, maker: Net, meant: Meant, count: int, memory: int) -> int | None:
    if meant is None:
        return None
    if isinstance(meant, Tensor):
        return int(seen_by(judge, _at_size(judge, meant[None]), memory=memory)[1][0])
    name = maker.classes[meant] if meant < len(maker.classes) else str(meant)
    if name in judge.classes:
        return judge.classes.index(name)
    if count == len(maker.classes) and (_unnamed(judge) or _unnamed(maker)):
        return meant
    raise StriateError(
        f"{judge.name} has no class {name!r}", accepted=f"a judge that knows the classes of {maker.name}"
    )


def _unnamed(net: Net) -> bool:
    """Whether the classes have numbers for names."""
    return all(name.isdecimal() for name in net.classes)
