"""What nets say of images that were made: the maker, and one that did not take part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .payload import Judged


def seen_by(net: Net, images: Tensor, *, memory: int = 1 << 30) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K) and predicted classes (N,) of images (N, C, H, W)."""
    size = net.batch_size((images.shape[-2], images.shape[-1]), memory=memory)
    with torch.no_grad(), undisturbed(net):
        logits = torch.cat([net.logits(images[k : k + size]) for k in range(0, len(images), size)])
    return logits.softmax(1), logits.argmax(1)


def judged_by(judge: Net, images: Tensor, targets: Sequence[int], *, maker: Net, memory: int = 1 << 30) -> Judged:
    """What ``judge`` says of images that ``maker`` was shown for its classes ``targets``; classes are matched by name.

    Raises:
        StriateError: The judge cannot take the images, or does not know the classes.
    """
    try:
        judge.check(images)
    except StriateError as error:
        raise StriateError(f"{judge.name} cannot judge these images ({error})") from error
    probability, predicted = seen_by(judge, images, memory=memory)
    wanted = [_class_in(judge, maker, target, probability.shape[1]) for target in targets]
    rows = range(len(wanted))
    return Judged(
        net=judge.name,
        predicted=tuple(predicted.tolist()),
        probability=tuple(float(probability[k, wanted[k]]) for k in rows),
        agrees=sum(int(predicted[k]) == wanted[k] for k in rows) / len(wanted),
    )


def _class_in(judge: Net, maker: Net, target: int, count: int) -> int:
    name = maker.classes[target] if target < len(maker.classes) else str(target)
    if name in judge.classes:
        return judge.classes.index(name)
    if count == len(maker.classes):
        return target
    raise StriateError(
        f"{judge.name} has no class {name!r}", accepted=f"a judge that knows the classes of {maker.name}"
    )
