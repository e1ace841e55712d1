"""Expected gradients: integrated gradients averaged over many baselines, each a reference image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.inside.payload import MapCheck
from striate.nets.net import Net

from .chunks import chunk_size, fast_layout, looked_into
from .completeness import SHARE, completeness, scores_and_level
from .maps import Maps
from .points import at_least, groups, per_row, sums

COLOURS = 64  # references where none are given
SIGMAS = 4  # standard errors that the completeness may be off
ROUNDING = 1e-4
WHAT = (
    "the map sums to the rise of the target's logit from the references to the image, within four standard errors "
    "of the sample"
)


def expected_gradients(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    references: Tensor | None = None,
    samples: int = 100,
    seed: int = 0,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Image less reference, times the gradient at a random point between them, mean over the draws, (N, C, H, W).

    Signed. One forward and one backward pass a sample; the check takes one forward pass an image and one for each
    reference that was drawn, once for all images: the map sums to the score of the image less the mean score of the
    references, within the error of the sample.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        references: Images (M, C, H, W) that stand for what the net may see, best drawn from its data. With None they
            are 64 images of a single colour, uniform over all colours: no colour is the one that counts for nothing.
        samples: Draws of a reference and a point, at least 2.
        seed: Seed of the draws, which are made for each image by its pixels.
        check: Whether completeness is checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: References of another shape, or fewer samples.

    Source: Erion, Janizek, Sturmfels, Lundberg & Lee 2021, equation 3. There the points are drawn uniformly; here one
    from each of as many equal parts of the path as there are samples, which has the same mean and a smaller variance.
    """
    count, drawn = at_least(samples, 2, "samples"), Rng(seed, "expected_gradients")
    against, words = _against(images, references, drawn)
    ids = image_ids(images)
    chosen = drawn.child("reference").integers(ids, (count,), high=len(against))
    places = (torch.arange(count) + drawn.child("place").uniform(ids, (count,)).double()) / count
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with (
        looked_into(net, images),
        progress.task("expected_gradients", len(images) * count, unit="samples") as step,
    ):
        heard = _reference_logits(net, images, against, chosen, memory=memory) if check else None
        for rows in groups(net, images, count=count, memory=memory):
            part, wanted, own = images[rows].detach(), targets[rows].cpu(), chosen[rows]
            rises, level = torch.zeros(len(rows), count, dtype=torch.float64), torch.zeros(len(rows))
            if heard is not None:
                scores, level = scores_and_level(net, part, wanted, memory=memory)
                rises = scores[:, None] - heard[own].gather(2, wanted.view(-1, 1, 1).expand(-1, count, 1))[:, :, 0]
            walk = _Walk(part, against, own, places[rows], rises)
            total, gaps, squares = sums(
                net, part, wanted, count=count, point=walk.point, terms=walk.terms, memory=memory, step=step
            )
            found = total / count
            values.append(found.float().cpu().contiguous())
            if heard is None:
                checks.extend([MapCheck.left_out(WHAT, 0.0)] * len(part))
            else:
                error = ((squares - gaps.square() / count).clamp_min(0) / (count - 1) / count).sqrt().cpu()
                checks.extend(_checks(found.sum((1, 2, 3)).cpu(), rises, level=level, error=error))
    return Maps(
        torch.cat(values),
        units=f"part of the rise of the target's logit from {words} that a pixel accounts for, {count} samples; drawn "
        "is the sum over the channels",
        signed=True,
        checks=tuple(checks),
        share=0.995,
    )


@dataclass(frozen=True)
class _Walk:
    """Points between images (n, C, H, W) and their references, and what is summed there."""

    images: Tensor
    against: Tensor
    chosen: Tensor  # (n, samples): which reference
    places: Tensor  # (n, samples) in [0, 1]: how far from it to the image
    rises: Tensor  # (n, samples): by how much the image's score is above the reference's

    def point(self, rows: Tensor, numbers: Tensor) -> Tensor:
        places = per_row(self.places[rows, numbers]).to(self.images)
        return torch.lerp(self.against[self.chosen[rows, numbers]], self.images[rows], places)

    def terms(self, slopes: Tensor, rows: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        parts = slopes.mul_(self.images[rows] - self.against[self.chosen[rows, numbers]])
        gaps = parts.sum((1, 2, 3)) - self.rises[rows, numbers].to(parts)
        return parts, gaps, gaps.square()


def _checks(totals: Tensor, rises: Tensor, *, level: Tensor, error: Tensor) -> tuple[MapCheck, ...]:
    rise, count = rises.mean(1), rises.shape[1]
    scale = torch.maximum(rise.abs(), SHARE * level).clamp_min(1e-30)
    return completeness(
        WHAT,
        totals=totals,
        rises=rise,
        level=level,
        bounds=SIGMAS * error / scale + ROUNDING,
        n=count,
        why=f"{count} samples; the bound is four of their standard errors",
    )


def _against(images: Tensor, references: Tensor | None, drawn: Rng) -> tuple[Tensor, str]:
    """References that go with the images, (M, C, H, W) or (M, C, 1, 1), and their words."""
    if references is None:
        colours = drawn.child("colour").uniform(torch.arange(COLOURS), (images.shape[1], 1, 1)).to(images)
        return colours, f"{COLOURS} images of a single random colour"
    shape = tuple(images.shape[1:])
    if not isinstance(references, Tensor) or references.ndim != 4 or tuple(references.shape[1:]) != shape:
        given = tuple(references.shape) if isinstance(references, Tensor) else type(references).__name__
        raise StriateError(f"references of shape {given}", accepted=f"images (M, {', '.join(map(str, shape))})")
    if not len(references) or not bool(((references >= 0) & (references <= 1)).all()):
        raise StriateError("references with values outside of [0, 1], or none", accepted="images, at least one")
    return fast_layout(references.to(images).detach()), f"{len(references)} reference image{'s'[: len(references) > 1]}"


def _reference_logits(net: Net, images: Tensor, against: Tensor, chosen: Tensor, *, memory: int) -> Tensor:
    """Logits (M, K) float64 on the CPU of the references that were drawn, zeros for the others."""
    used = torch.unique(chosen)
    most, found = chunk_size(net, images, memory=memory), None
    with torch.no_grad():
        for part in torch.split(used, most):
            logits = net.logits(fast_layout(against[part].expand(-1, -1, *images.shape[-2:]))).double().cpu()
            found = logits.new_zeros(len(against), logits.shape[1]) if found is None else found
            found[part] = logits
    assert found is not None
    return found
