"""Images under filters as a payload and pictures."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.inside.filters import draw_filter
from striate.inside.heatmap import colour, limits_of
from striate.nets.net import Net
from striate.nets.summary import first_filters

from .classical import Made, canny_edges, cut_regions, filtered
from .pairing import pair_filters
from .payload import Filtered, FilteredImage, FilterMap, FirstLayer, Paired

LEAST = 160  # pixels of a picture's short side, below which it is enlarged
MOST = 24  # filters of the net that are shown
MOST_MAPS = 2  # images whose maps by the net are shown
SHARE = 0.995  # of the pixels inside the limits


def show_filters(
    images: list[Tensor],
    names: list[str],
    *,
    net: Net | None = None,
    seen: Tensor | None = None,
    layer: str = "",
    progress: Progress = SILENT,
) -> tuple[Filtered, dict[str, bytes]]:
    """The payload and its pictures.

    Args:
        images: Each (C, H, W) in [0, 1], of any size.
        names: Of the images.
        net: Whose first layer is set beside them.
        seen: The same images as the net takes them, (N, C, H, W).
        layer: Site of the net whose maps are shown; "" for its first convolution.
        progress: How progress is shown.

    Raises:
        StriateError: The net does not begin with a convolution of the image, or has no such layer.
    """
    album: dict[str, bytes] = {}
    left: list[str] = []
    rows = []
    for number, (image, name) in enumerate(progress.track(zip(images, names, strict=True), "filters", len(images))):
        made = filtered(image)
        for more in (canny_edges, cut_regions):
            try:
                made.append(more(image))
            except StriateError as error:
                left = [error.given]
        key = f"image-{number:02d}.png"
        album[key] = encode_png(enlarge(image, LEAST))
        maps = tuple(_drawn(each, f"filter-{number:02d}-{place:02d}.png", album) for place, each in enumerate(made))
        rows.append(FilteredImage(name, key, (image.shape[1], image.shape[2]), maps))
    first = None if net is None or seen is None else _first(net, seen, layer, album)
    return Filtered(tuple(rows), first, tuple(left)), album


def _drawn(made: Made, key: str, album: dict[str, bytes]) -> FilterMap:
    if made.values.ndim == 3:
        album[key] = encode_png(enlarge(made.values, LEAST))
        return FilterMap(made.name, made.said, key, (0.0, 1.0), False)
    limits = limits_of(made.values, signed=made.signed, share=SHARE)
    album[key] = encode_png(enlarge(colour(made.values, limits, signed=made.signed), LEAST))
    return FilterMap(made.name, made.said, key, limits, made.signed)


def _first(net: Net, seen: Tensor, layer: str, album: dict[str, bytes]) -> FirstLayer:
    found = first_filters(net)
    if found is None or found[1].ndim != 4 or found[1].shape[1] not in (1, 3):
        raise StriateError(f"{net.name} does not begin with filters of the image", accepted="a convolutional net")
    module, weight = found[0], found[1].detach().float().cpu()
    whole = weight.shape[2:] == seen.shape[2:]  # a linear layer on all pixels makes one number of an image, no map
    maps = None if whole else _maps(net, seen, module)
    nearest, correlation, hand = pair_filters(weight)
    end, order = float(weight.abs().max()) or 1.0, correlation.nan_to_num(-1).argsort(descending=True)
    pairs = []
    for unit in order[:MOST].tolist():
        keys = (f"weight-{unit:03d}.png", f"hand-{unit:03d}.png")
        album[keys[0]] = draw_filter(weight[unit], end)
        album[keys[1]] = draw_filter(hand[unit][None].float(), float(hand[unit].abs().max()) or 1.0)
        shown = []
        for image, plane in enumerate(() if maps is None else maps[:, unit]):
            shown.append(_one(plane, f"map-{unit:03d}-{image:02d}.png", album).picture)
        value = float(correlation[unit])
        number = Number.missing("constant") if math.isnan(value) else Number(value, why="largest of the templates")
        pairs.append(Paired(unit, nearest[unit], number, *keys, tuple(shown)))
    known = correlation[correlation.isfinite()]
    median = (
        Number(float(known.median()), n=len(known), why="all filters") if len(known) else Number.missing("constant")
    )
    side = int(weight.shape[-1])
    first = FirstLayer(net.name, module, len(weight), side, median, tuple(pairs))
    if not layer or layer == module:
        return first
    planes = _maps(net, seen[:1], layer)[0]
    drawn = tuple(
        _one(plane, f"layer-{unit:03d}.png", album, name=f"unit {unit}") for unit, plane in enumerate(planes[:MOST])
    )
    return replace(first, deeper=layer, maps=drawn)


def _maps(net: Net, images: Tensor, layer: str) -> Tensor:
    """What a layer makes of the first two images, (n, units, h, w)."""
    with torch.no_grad(), net.look(read=(layer,)) as look:
        found = look(images[:MOST_MAPS])[layer].float().cpu()
    if found.ndim != 4:
        raise StriateError(f"{layer} of {net.name} gives {tuple(found.shape[1:])}", accepted="a layer with maps")
    return found


def _one(plane: Tensor, key: str, album: dict[str, bytes], *, name: str = "") -> FilterMap:
    limits = limits_of(plane, signed=True, share=SHARE)
    album[key] = encode_png(enlarge(colour(plane, limits, signed=True), 96))
    return FilterMap(name, "as the layer gives it", key, limits, True)
