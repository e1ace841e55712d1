"""What attacks on many images at once share: which images they are fitted on, and what a net says of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes, through_jpeg, to_bytes
from striate.core.number import Number
from striate.metrics.intervals import wilson
from striate.nets.net import Net

from .method import Threat

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

QUALITY = 75  # of JPEG files: what Pillow, libjpeg and most cameras' middle setting write
COPIES = 5  # of the images fitted on that are held at once: pixels, with their mirror images, all of them changed


def predicted_by(net: Net, images: Tensor, memory: int) -> Tensor:
    """The class (n,) of each image, in passes that fit the memory."""
    size = net.batch_size((images.shape[-2], images.shape[-1]), memory=memory)
    with torch.no_grad():
        return torch.cat([net.logits(images[k : k + size]).argmax(1) for k in range(0, len(images), size)])


def rounded(images: Tensor) -> Tensor:
    """The images as a file of 8 bits a channel holds them."""
    return from_bytes(to_bytes(images)).to(images)


def compressed(images: Tensor) -> Tensor:
    """The images as JPEG files of quality 75 give them back."""
    return through_jpeg(images, QUALITY)


def divided(data: Dataset, size: tuple[int, int], fit: int | None, memory: int) -> tuple[Tensor, Tensor]:
    """Rows that are fitted on (the first ``fit``, by default two thirds) and those that are left to judge on.

    Raises:
        StriateError: Nothing would be left of one of them, or what is fitted on does not fit the memory.
    """
    most = memory // (COPIES * 4 * data.channels * size[0] * size[1])
    taken = min(max(1, 2 * len(data) // 3), max(1, most)) if fit is None else fit
    if not 1 <= taken < len(data):
        raise StriateError(
            f"{taken} of {len(data)} images to fit on", accepted=f"1 to {len(data) - 1}: the others are judged on"
        )
    if taken > max(1, most):
        raise StriateError(
            f"{taken} images to fit on take more than the memory", accepted=f"up to {most}", hint="--memory"
        )
    rows = torch.arange(len(data))
    return rows[:taken], rows[taken:]


def groups(data: Dataset, rows: Tensor, size: tuple[int, int], memory: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows with their images (n, C, H, W), in groups that fit the memory."""
    most = max(1, memory // (COPIES * 4 * data.channels * size[0] * size[1]))
    for part in torch.split(rows, most):
        yield part, data.images(part)


def after_jpeg(net: Net, images: Tensor, threat: Threat, memory: int) -> list[bool]:
    """Whether each image (n, C, H, W) still does what the threat (to n images) wants, as a JPEG file."""
    if len(images) == 0:
        return []
    now = predicted_by(net, compressed(images), memory)
    return (now != threat.labels if threat.target is None else now == threat.target).tolist()


def survivors(
    net: Net, images: Tensor, at: Tensor, reached: Callable[[Tensor], Tensor], memory: int
) -> tuple[dict[int, bool], dict[int, bool]]:
    """Which of the images at these places are still what was wanted, after 8 bits and after JPEG, by place.

    ``reached`` says of predicted classes (len(at),) whether they are what was wanted.
    """
    if len(at) == 0:
        return {}, {}
    places, found = at.tolist(), images[at]
    bits = reached(predicted_by(net, rounded(found), memory)).tolist()
    jpeg = reached(predicted_by(net, compressed(found), memory)).tolist()
    return dict(zip(places, bits, strict=True)), dict(zip(places, jpeg, strict=True))


def survival(held: Sequence[bool | None]) -> Number:
    """The share of successes that survived."""
    return wilson(sum(bool(each) for each in held), len(held), of="successes")


def tenths(history: Tensor) -> tuple[float, ...]:
    """Means over ten parts of equal length, or each value where there are fewer."""
    return tuple(float(part.mean()) for part in history.tensor_split(min(10, len(history))) if len(part))
