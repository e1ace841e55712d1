"""What stands for nothing: the colour of an image that is covered, or from which a path to the image begins."""

from __future__ import annotations

from torch import Tensor

from striate.core.errors import StriateError

Baseline = float | tuple[float, ...] | str


def filled(images: Tensor, baseline: Baseline) -> tuple[Tensor, str]:
    """The colour of each image, (N, C, 1, 1), and its words.

    Args:
        images: (N, C, H, W).
        baseline: Pixel values from 0 to 1, one number or one a channel, or ``"mean"``: each image's own channel means.

    Raises:
        StriateError: Something else.
    """
    count, channels = images.shape[:2]
    if baseline == "mean":
        return images.mean(dim=(2, 3), keepdim=True), "the image's channel means"
    if isinstance(baseline, str):
        raise StriateError(f"baseline is {baseline!r}", accepted='pixel values from 0 to 1, or "mean"')
    given = [float(baseline)] if isinstance(baseline, (int, float)) else [float(each) for each in baseline]
    if len(given) not in (1, channels) or not all(0 <= each <= 1 for each in given):
        raise StriateError(f"baseline is {baseline}", accepted=f"pixel values from 0 to 1, one or {channels} of them")
    colour = images.new_tensor(given if len(given) == channels else given * channels)
    words = ", ".join(f"{each:.3g}" for each in given)
    return colour.view(1, -1, 1, 1).expand(count, -1, -1, -1), f"pixel value {words}"
