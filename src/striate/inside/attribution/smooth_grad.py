"""SmoothGrad: the gradient averaged over noisy copies of the image; and VarGrad, its variance over them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.inside.payload import MapCheck
from striate.nets.net import Net

from .chunks import looked_into
from .maps import Maps
from .points import Terms, at_least, groups, per_row, steadiness, sums

STEADY_MEAN = "the standard error of the map, as a share of the map's size, leaves it above chance"
STEADY_VARIANCE = (
    "the standard error of the map, from the variances of even and of odd samples, as a share of the map's size, "
    "leaves it above chance"
)


def smooth_grad(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The mean gradient of the target's logit over noisy copies of the image, raw and signed, (N, C, H, W).

    One forward and one backward pass a sample. The check costs nothing: the standard error of the map, from the
    variance over the samples, is clearly less than the map's size. The noise is drawn for each image by its pixels; a
    noisy copy may leave [0, 1].

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        samples: Noisy copies, at least 2.
        noise: Standard deviation of the noise in pixel values, at least 0.
        seed: Seed of the noise.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Fewer samples, or negative noise.

    Source: Smilkov et al. 2017, section 3. There the noise is a share of the range of each image's values (10 to 20 %
    by eye); here it is in pixel values, the same for every image.
    """
    count = at_least(samples, 2, "samples")
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    for total, squares in _noisy(
        net, images, targets, label="smooth_grad", samples=count, noise=noise, seed=seed, memory=memory,
        progress=progress, terms=lambda slopes, _rows, _numbers: (slopes, slopes.square()),
    ):  # fmt: skip
        mean = total / count
        spread = (squares - count * mean.square()).clamp_min(0) / (count - 1)
        values.append(mean.float())
        checks += steadiness((spread / count).sqrt(), mean, count=count, what=STEADY_MEAN)
    return Maps(
        torch.cat(values),
        units=f"mean change of the target's logit by one unit of pixel value, over {count} copies with noise of "
        f"standard deviation {noise:g}; drawn is the largest absolute value over the channels",
        signed=False,
        checks=tuple(checks),
        share=0.995,
    )


def var_grad(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The variance of the gradient of the target's logit over noisy copies of the image, (N, C, H, W), at least 0.

    Where the slope changes most when the image is disturbed. Copies, passes and arguments are those of `smooth_grad`.
    The check costs nothing: the variances of the even and of the odd copies differ by so little that the standard error
    of the map is clearly less than its size.

    Raises:
        StriateError: Fewer than 4 samples, or negative noise.

    Source: Adebayo, Gilmer, Goodfellow & Kim 2018, section 2; Hooker, Erhan, Kindermans & Kim 2019, section 4 (there
    with the divisor n; here n - 1, without bias).
    """
    count = at_least(samples, 4, "samples")

    def terms(slopes: Tensor, _rows: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        odd = per_row(numbers % 2).to(slopes)
        squares = slopes.square()
        return slopes, squares, odd * slopes, odd * squares

    values: list[Tensor] = []
    checks: list[MapCheck] = []
    odd = count // 2
    for total, squares, odd_total, odd_squares in _noisy(
        net, images, targets, label="var_grad", samples=count, noise=noise, seed=seed, memory=memory,
        progress=progress, terms=terms,
    ):  # fmt: skip
        spread = _variance(total, squares, count)
        halves = (
            _variance(odd_total, odd_squares, odd),
            _variance(total - odd_total, squares - odd_squares, count - odd),
        )
        values.append(spread.float())
        checks += steadiness((halves[0] - halves[1]) / 2, spread, count=count, what=STEADY_VARIANCE)
    return Maps(
        torch.cat(values),
        units=f"variance of the change of the target's logit by one unit of pixel value, over {count} copies with "
        f"noise of standard deviation {noise:g}; drawn is the largest value over the channels",
        signed=False,
        checks=tuple(checks),
        share=0.995,
    )


def _variance(total: Tensor, squares: Tensor, count: int) -> Tensor:
    return (squares - total.square() / count).clamp_min(0) / (count - 1)


def _noisy(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    label: str,
    samples: int,
    noise: float,
    seed: int,
    memory: int,
    progress: Progress,
    terms: Terms,
) -> Iterator[tuple[Tensor, ...]]:
    """A few images at a time, the sums over noisy copies of terms of the gradient, each (n, C, H, W) float64, CPU."""
    if not noise >= 0:
        raise StriateError(f"noise is {noise}", accepted="a standard deviation in pixel values, at least 0")
    channels, height, width = images.shape[1:]
    rng, ids = Rng(seed, "smooth_grad"), image_ids(images)
    with looked_into(net, images), progress.task(label, len(images) * samples, unit="samples") as step:
        for rows in groups(net, images, count=samples, memory=memory):
            part, own = images[rows].detach(), ids[rows]

            def point(which: Tensor, numbers: Tensor, part: Tensor = part, own: Tensor = own) -> Tensor:
                # Drawn with the channels last, as the images lie in memory.
                drawn = rng.noise(own[which], (height, width, channels), step=numbers).to(part)
                return torch.add(drawn.mul_(noise).permute(0, 3, 1, 2), part[which])

            found = sums(net, part, targets[rows], count=samples, point=point, terms=terms, memory=memory, step=step)
            yield tuple(each.cpu().contiguous() for each in found)
