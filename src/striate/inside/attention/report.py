"""A vision transformer looked into: where its heads look, positions, patches, the path of the class token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.inside import heatmap
from striate.inside.targets import class_name
from striate.metrics.intervals import normal_interval, wilson
from striate.nets.net import Net

from .components import components
from .path import Path, block_ends, token_path
from .payload import Attended, AttendedImage, HeadReach, Patches, Positions, TokenStep
from .positions import near_and_far, position_cosines, position_embedding
from .reach import attention_distance, distances
from .reading import attention_of, images_at_once
from .tiles import tiled, tiled_colours
from .tokens import TokenGrid, token_grid

SHARE = 0.995  # of the values of a picture that its colour scale holds
ACROSS = 7  # components in a row, as in the paper


def attention_report(
    net: Net,
    images: Tensor,
    names: Sequence[str],
    *,
    shown: int = 4,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Attended, dict[str, bytes]]:
    """What a vision transformer does with its tokens, over images (N, C, H, W); pictures by the names in the payload.

    One forward pass an image for the attention, one for each block for the path of the class token, and a few small
    ones that find where the tokens lie.

    Args:
        net: A vision transformer whose tokens attend to all tokens; it is left bit for bit as found.
        images: (N, C, H, W) in [0, 1].
        names: A name for each image.
        shown: Of how many images, from the first on, the attention is drawn.
        memory: Budget in bytes beside the net.
        progress: How progress is shown.

    Raises:
        StriateError: The net has no attention, or one within windows, or its tokens do not lie on a grid of patches.

    Source: Dosovitskiy et al. 2021, section 4.5 and figures 6, 7 and 11; attention is drawn head by head as it is, not
    rolled out. What the head says on the way: nostalgebraist 2020 (the logit lens).
    """
    if len(names) != len(images) or not len(images):
        raise StriateError(f"{len(names)} names for {len(images)} images", accepted="one name for each image")
    size = (images.shape[-2], images.shape[-1])
    reach: list[Tensor] = []
    drawn: list[Tensor] = []
    paths: list[Path] = []
    residual = 0.0
    grid: TokenGrid | None = None
    ends: tuple[str, ...] = ()
    with progress.task("attention", len(images)) as step:
        for part in torch.split(images.detach(), images_at_once(net, images, memory=memory)):
            seen = attention_of(net, part)
            if grid is None:
                grid = token_grid(net, size)
                ends = block_ends(net, size, grid, seen.sites)
                patch = (size[0] // grid.rows, size[1] // grid.columns)
            reach.append(torch.stack([attention_distance(each, grid, patch) for each in seen.weights], 1))
            drawn += list(_looks(seen.weights, grid)[: max(0, shown - len(drawn))])
            if ends:
                paths.append(token_path(net, part, ends, grid))
            residual = max(residual, float(seen.residuals.max()))
            step(len(part))
    assert grid is not None
    path = _joined(paths)
    album: dict[str, bytes] = {}
    left_out: list[str] = []
    if path is None:
        left_out.append("the path of the class token: the blocks do not add to one stream")
    return (
        Attended(
            sites=seen.sites,
            heads=seen.weights[0].shape[1],
            tokens=grid.count,
            read=grid.read,
            rows=grid.rows,
            columns=grid.columns,
            patch=patch,
            n=len(images),
            reach=_reach(torch.cat(reach)),
            even=float(distances(grid, patch).mean()),
            path=() if path is None else _steps(path),
            images=_images(net, images, names=names, drawn=drawn, path=path, album=album),
            positions=_positions(net, grid, album, left_out),
            patches=_patches(net, size, album, left_out),
            residual=Number.of(residual, n=len(images), why="largest of all layers and images"),
            left_out=tuple(left_out),
        ),
        album,
    )


def _looks(weights: Sequence[Tensor], grid: TokenGrid) -> Tensor:
    """Where the tokens that are read look, (n, layers, heads, rows, columns)."""
    layers = [each[:, :, list(grid.read), grid.patches].mean(2) for each in weights]
    together = torch.stack(layers, 1)
    return together.view(*together.shape[:3], grid.rows, grid.columns).cpu()


def _joined(paths: Sequence[Path]) -> Path | None:
    if not paths:
        return None
    return Path(paths[0].sites, torch.cat([each.updates for each in paths]), torch.cat([each.logits for each in paths]))


def _mean(values: Tensor) -> Number:
    """Mean over images with its interval."""
    n = len(values)
    if n < 2:
        return Number.of(float(values.mean()), n=n, why="one image: no interval")
    return normal_interval(float(values.mean()), float(values.std() / n**0.5), n, why="mean over images")


def _reach(found: Tensor) -> tuple[HeadReach, ...]:
    _, layers, heads = found.shape
    return tuple(
        HeadReach(layer, head, _mean(found[:, layer, head])) for layer in range(layers) for head in range(heads)
    )


def _steps(path: Path) -> tuple[TokenStep, ...]:
    final = path.logits[:, -1].argmax(1)
    steps = []
    for place, site in enumerate(path.sites):
        shares = path.logits[:, place].softmax(1).gather(1, final[:, None]).squeeze(1)
        same = int((path.logits[:, place].argmax(1) == final).sum())
        steps.append(TokenStep(site, _mean(path.updates[:, place]), _mean(shares), wilson(same, len(final))))
    return tuple(steps)


def _images(
    net: Net,
    images: Tensor,
    *,
    names: Sequence[str],
    drawn: Sequence[Tensor],
    path: Path | None,
    album: dict[str, bytes],
) -> tuple[AttendedImage, ...]:
    found = []
    for place, looks in enumerate(drawn):
        limits = heatmap.limits_of(looks, signed=False, share=SHARE)
        key, source = f"attention-{place:03d}.png", f"attended-{place:03d}.png"
        album[key] = tiled(looks, limits, signed=False)
        album[source] = heatmap.draw_input(images[place].detach().cpu())
        said = [] if path is None else path.logits[place].argmax(1).tolist()
        guesses = tuple(class_name(each, net.classes) for each in said)
        found.append(AttendedImage(names[place], key, source, limits, guesses[-1] if guesses else "", guesses))
    return tuple(found)


def _positions(net: Net, grid: TokenGrid, album: dict[str, bytes], left_out: list[str]) -> Positions | None:
    found = position_embedding(net, grid)
    if found is None:
        left_out.append("positions: the net has no learnt position for each patch of this grid")
        return None
    cosines = position_cosines(found[1])
    near, far = near_and_far(cosines, grid)
    key, limits = "positions.png", (-1.0, 1.0)
    tiles = cosines.view(grid.rows, grid.columns, grid.rows, grid.columns)
    album[key] = tiled(tiles, limits, signed=True)
    return Positions(
        parameter=found[0],
        picture=key,
        limits=limits,
        near=Number.of(near[0], n=near[1], why="all pairs of the net: no interval"),
        far=Number.of(far[0], n=far[1], why="all pairs of the net: no interval"),
    )


def _patches(net: Net, size: tuple[int, int], album: dict[str, bytes], left_out: list[str]) -> Patches | None:
    site = next(each.module for each in net.sites(size) if each.op == "conv2d")
    weight = getattr(net.module.get_submodule(site), "weight", None)
    if not isinstance(weight, Tensor) or weight.shape[1] != net.channels or net.channels not in (1, 3):
        left_out.append("filters of patches: the first convolution is none over pixels of 1 or 3 channels")
        return None
    parts, shares = components(weight)
    end = float(parts.abs().max()) or 1.0
    key = "patches.png"
    if weight.shape[1] == 3:
        album[key] = tiled_colours((0.5 + parts / (2 * end)).float(), ACROSS)
    else:
        album[key] = tiled_colours(
            torch.stack([heatmap.colour(part[0], (-end, end), signed=True) for part in parts]), ACROSS
        )
    return Patches(site, tuple(weight.shape), key, tuple(shares.tolist()))
