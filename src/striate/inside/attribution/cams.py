"""What class activation maps share: activations and gradients at a place of the net, and a map from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import Progress
from striate.inside.attention.tokens import TokenGrid, token_grid
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.site import Site

from .chunks import CPU_BYTES, chunk_size, chunks, fast_layout, looked_into, target_scores
from .layers import default_layer, goes_on_over_tokens, spatial_layer
from .maps import Maps
from .slope import BOUND, DOUBLE, central_slope, checked_again, slope_checks

Combine = Callable[[Tensor, Tensor], Tensor]  # activations and gradients (n, K, h, w) to something
AFRESH = 1e-4  # of the largest logit: what the same passes may differ by
STEPS = (3e-3, 1e-3, 3e-4)  # of the check, as shares of what is there
ATTENTION = ("scaled_dot_product_attention", "multi_head_attention", "softmax")


@dataclass(frozen=True)
class Place:
    """A site whose output is maps, or tokens that lie on a grid of patches."""

    site: Site
    grid: TokenGrid | None = None

    def maps(self, output: Tensor) -> Tensor:
        """The site's output as maps (n, K, h, w); tokens without a place are left out."""
        return output if self.grid is None else self.grid.maps(output)

    def output(self, maps: Tensor) -> Tensor:
        """Maps (n, K, h, w) in the form of the site's output, zero where a token has no place."""
        return maps if self.grid is None else self.grid.tokens(maps)


def place_of(net: Net, size: tuple[int, int], layer: str | None) -> Place:
    """The place with this name, or the last one with extent; in a transformer what its last attention takes in.

    Behind the last attention of a transformer with a class token, no patch counts any more.

    Raises:
        UnknownNameError: No such site; the message names the nearest.
        StriateError: The site, or the whole net, has no maps and no tokens on a grid; the message says why.
    """
    if layer is not None:
        found = net.trace(size)
        name = found.aliases.get(layer, layer)
        site = next((each for each in found.sites if each.name == name and len(each.shape) == 2), None)
        if site is not None and min(site.shape) > 1:
            grid = token_grid(net, size)
            if site.shape[0] == grid.count:
                return Place(site, grid)
        return Place(spatial_layer(net, size, layer))
    if goes_on_over_tokens(net, size) is None:
        return Place(default_layer(net, size))
    try:
        grid = token_grid(net, size)
    except StriateError as error:
        raise StriateError(f"{net.name} has no layer to look at by default: {error}") from error
    return Place(_last_tokens(net.sites(size), grid), grid)


def _last_tokens(sites: tuple[Site, ...], grid: TokenGrid) -> Site:
    last = max((place for place, site in enumerate(sites) if site.op in ATTENTION), default=len(sites))
    before = [site for site in sites[:last] if site.shape == (grid.count, grid.width)]
    normalised = [site for site in before if site.op == "layer_norm"]
    return (normalised or before)[-1]


@dataclass(frozen=True)
class Slopes:
    """A chunk at a place: activations, the gradient of the target's logit by them, and the size of the logits."""

    activations: Tensor
    gradients: Tensor
    level: Tensor


def slopes_at(net: Net, place: Place, images: Tensor, targets: Tensor) -> Slopes:
    """Activations and gradients (n, K, h, w) at a place: one forward pass, and a backward pass down to it."""
    seen: dict[str, Tensor] = {}

    def listen(_site: Site, output: Tensor, _rows: Tensor) -> Tensor:
        seen["layer"] = place.maps(output.detach())
        seen["shift"] = torch.zeros_like(seen["layer"]).requires_grad_()
        return output + place.output(seen["shift"])

    with net.look(edits={place.site.name: listen}) as look:
        logits = net.as_logits(look(images, None).output)
    score = target_scores(logits, targets)
    found = torch.autograd.grad(score.sum(), seen["shift"], allow_unused=True)[0] if score.requires_grad else None
    if found is None:
        raise StriateError(f"the net's output does not depend on {place.site.name}", hint="another --layer")
    return Slopes(seen["layer"], found, logits.detach().abs().amax(1))


def along_gradient(activations: Tensor, gradients: Tensor) -> Tensor:
    """Each value moved by its own size, to the side of its gradient: no slope can hide behind another's sign."""
    return gradients.sign() * activations.abs()


def gradient_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    name: str,
    layer: str | None,
    combine: Combine,
    units: str,
    memory: int,
    progress: Progress,
    signed: bool = False,
    check: bool = True,
    direction: Combine = along_gradient,
    what: str = "moving each value of the layer by a share of itself changes the logit as the gradients say",
) -> Maps:
    """Maps from activations and gradients at a layer, (N, H, W), enlarged bilinearly, pixel centres aligned.

    One forward pass and a backward pass down to the layer, and six forward passes for the check: moving the layer along
    ``direction`` must change the logit at the rate of the sum of gradients times direction.
    """
    size = (images.shape[-2], images.shape[-1])
    place = place_of(net, size, layer)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with looked_into(net, images), progress.task(name, len(images)) as step:
        at_once = _images_at_once(net, place, images, memory)
        for part, wanted in chunks(net, images, targets, memory=memory, at_once=at_once):
            found = slopes_at(net, place, part, wanted)
            values.append(enlarged(combine(found.activations, found.gradients), size))
            if check:
                move = direction(found.activations, found.gradients)
                checks.extend(_checks(net, place, part, wanted, found=found, move=move, what=what))
            else:
                checks.extend(unchecked(what, len(part)))
            step(len(part))
    return Maps(
        torch.cat(values),
        units=units.format(layer=place.site.name),
        signed=signed,
        checks=tuple(checks),
        layer=place.site.name,
    )


def _images_at_once(net: Net, place: Place, images: Tensor, memory: int) -> int:
    """A fifth of the budget for the pass up to the place, of which nothing is kept, two thirds for the graph behind it.

    Several images share what it costs to look; many would leave the caches.
    """
    memory = min(memory, CPU_BYTES) if images.device.type == "cpu" else memory
    found = net.trace((images.shape[-2], images.shape[-1]))
    first = found.order[place.site.name]
    behind = sum(size for name, size in found.bytes_of.items() if found.order.get(name, 0) >= first)
    return max(1, min(chunk_size(net, images, memory=memory // 5), memory // 3 // max(1, behind)))


def _checks(
    net: Net, place: Place, images: Tensor, targets: Tensor, *, found: Slopes, move: Tensor, what: str
) -> tuple[MapCheck, ...]:
    """One check an image: the slope along ``move`` is the sum of gradients times it; what fails is asked in float64."""
    predicted = (found.gradients * move).double().sum(dim=(1, 2, 3))
    step = place.output(move)

    def checked(net: Net, rows: slice, *, steps: Sequence[float], dtype: torch.dtype) -> tuple[MapCheck, ...]:
        pixels, along = images[rows].to(dtype), step[rows].to(dtype)

        def score(share: float) -> Tensor:
            def moved(_site: Site, output: Tensor, _rows: Tensor) -> Tensor:
                return output + share * along

            with torch.no_grad(), net.look(edits={place.site.name: moved}) as look:
                logits = net.as_logits(look(pixels, None).output)
            return target_scores(logits, targets[rows]).cpu()

        return slope_checks(
            what,
            found=central_slope(score, steps),
            predicted=predicted[rows].cpu(),
            level=found.level[rows].cpu(),
            step=STEPS[1],  # what float32 can show: the gradient itself is float32
        )

    def again(double: Net, i: int) -> MapCheck:
        (one,) = checked(double, slice(i, i + 1), steps=[DOUBLE * each for each in STEPS], dtype=torch.float64)
        return one

    first = checked(net, slice(None), steps=STEPS, dtype=images.dtype)
    return checked_again(net, first, again)


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (n, h, w) in input pixels, (n, H, W), float32 on the CPU."""
    large = F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)
    return large[:, 0].float().cpu()


def unchecked(what: str, count: int, bound: float = BOUND) -> tuple[MapCheck, ...]:
    """The checks of maps for which none was asked."""
    return (MapCheck.left_out(what, bound),) * count


OneMap = Callable[[Place, Tensor, int, int], tuple[Tensor, MapCheck | None]]


def channel_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    one: OneMap,
    *,
    name: str,
    layer: str | None,
    units: str,
    what: str,
    memory: int,
    progress: Progress,
) -> Maps:
    """Maps (N, H, W) from a pass for every channel of a layer, image by image.

    ``one`` gives the map (h, w) of an image (1, C, H, W) and a target, so many images a pass, with its check or None.
    """
    size = (images.shape[-2], images.shape[-1])
    place = place_of(net, size, layer)
    most = chunk_size(net, images, memory=memory)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with looked_into(net, images), torch.no_grad(), progress.task(name, len(images)) as step:
        for image, target in zip(torch.split(images.detach(), 1), targets.tolist(), strict=True):
            found, check = one(place, fast_layout(image), target, most)
            values.append(enlarged(found[None], size))
            checks.append(MapCheck.left_out(what, AFRESH) if check is None else check)
            step(1)
    return Maps(
        torch.cat(values),
        units=units.format(layer=place.site.name),
        signed=False,
        checks=tuple(checks),
        layer=place.site.name,
    )


def activations_at(net: Net, place: Place, image: Tensor) -> tuple[Tensor, Tensor]:
    """Activations (K, h, w) at a place and logits (classes,) of one image (1, C, H, W); one forward pass."""
    with torch.no_grad(), net.look(read=[place.site.name, "output"]) as look:
        seen = look(image)
        return place.maps(seen[place.site.name])[0], net.as_logits(seen.output)[0].double()


def afresh(what: str, *, pairs: Iterator[tuple[float, float]], level: float, bound: float = AFRESH) -> MapCheck:
    """A check that scores agree with those of the same passes done again and alone, as shares of the largest logit."""
    residual = max((abs(first - second) for first, second in pairs), default=0.0) / (level or 1.0)
    return MapCheck(what, Number.of(residual, why="arithmetic: no interval"), bound, residual <= bound)
