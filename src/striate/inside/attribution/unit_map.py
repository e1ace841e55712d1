"""What in an image excites one unit of one layer: its largest activation, projected back to the pixels.

>>> from striate.nets.load import load_net
>>> found = unit_map(load_net("striate/lenet5.random"), torch.rand(2, 1, 32, 32), site="1", unit=3)
>>> found.values.shape, found.places.shape
(torch.Size([2, 1, 32, 32]), torch.Size([2, 2]))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .chunks import chunks
from .rectified import rectified_signal, rectifiers_to
from .rules.way import way_to

Back = Literal["guided_backprop", "deconvnet", "gradient"]


@dataclass(frozen=True)
class UnitMap:
    """A unit's largest activation in each of N images, projected back.

    Attributes:
        values: The signal at the pixels, raw and signed, (N, C, H, W) float32, on the CPU; 0 outside the unit's field.
        scores: The activation, (N,).
        places: Row and column of the maximum in the site's map, (N, 2) int64; zeros where the site has no maps.
        checks: The method's own check, one for each image; empty for the gradient.
    """

    values: Tensor
    scores: Tensor
    places: Tensor
    checks: tuple[MapCheck, ...]


def unit_map(
    net: Net,
    images: Tensor,
    *,
    site: str,
    unit: int,
    method: Back = "guided_backprop",
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> UnitMap:
    """Where and how an image excites a unit: a signal of 1 is sent back from its largest activation alone.

    One forward pass to the site and one backward pass an image.

    Args:
        net: The net.
        images: (N, C, H, W).
        site: A site, or the path of a module.
        unit: Its channel.
        method: How the signal goes back through rectifiers: both ways rectified, backwards rectified, or as it is.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site.
        StriateError: No such unit or method, or an operation below the site that has no rule.

    Source: Zeiler & Fergus 2014, section 2.1 (they send back the activation itself, we 1: the same but for a factor);
    Springenberg et al. 2015, section 3.4.
    """
    if method not in ("guided_backprop", "deconvnet", "gradient"):
        raise StriateError(f"method is {method!r}", accepted="guided_backprop, deconvnet, gradient")
    size = (images.shape[-2], images.shape[-1])
    shape = way_to(net, size, site)[-1].shape
    if not 0 <= unit < shape[0]:
        raise StriateError(f"unit is {unit}", accepted=f"0 to {shape[0] - 1}, the channels of {site}")
    rectifiers = rectifiers_to(net, size, site) if method != "gradient" else ()
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    checks: list[MapCheck] = []
    with undisturbed(net), progress.task(method, len(images)) as step:
        for part, _ in chunks(net, images, torch.zeros(len(images)), memory=memory, backward=True):
            places: list[Tensor] = []

            def largest(output: Tensor, places: list[Tensor] = places) -> Tensor:
                best = output[:, unit].flatten(1).max(1)
                width = shape[2] if len(shape) == 3 else 1
                places.append(torch.stack([best.indices // width, best.indices % width], 1))
                return best.values

            if method == "gradient":
                leaf = part.clone().requires_grad_()
                with net.look(read=(site,)) as look:
                    scores = largest(look(leaf)[site])
                    (found,) = torch.autograd.grad(scores.sum(), leaf)
            else:
                gated = method == "guided_backprop"
                found, scores, said = rectified_signal(
                    net, part, gated=gated, site=site, score=largest, rectifiers=rectifiers
                )
                checks.extend(said)
            parts.append((found.float().cpu().contiguous(), scores.detach().float().cpu(), places[0].cpu()))
            step(len(part))
    values, scores, where = (torch.cat(each) for each in zip(*parts, strict=True))
    return UnitMap(values, scores, where, tuple(checks))
