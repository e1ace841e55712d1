"""Explain: for each image and each method a map of what speaks for the target, with its check and its picture.

>>> from striate.nets.load import load_net
>>> result, album, values = explain(
...     load_net("striate/lenet5.random"), torch.zeros(1, 1, 32, 32), ["night"], methods=["occlusion"], targets=[3]
... )
>>> result.maps[0].target_name, result.maps[0].check.holds, tuple(values["night-occlusion.npz"].shape), sorted(album)
('3', True, (32, 32), ['night-occlusion.png', 'night.png'])
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.nets.net import Net
from striate.nets.passes import counting
from striate.nets.undisturbed import undisturbed

from . import heatmap
from .attribution import METHODS
from .attribution.baseline import Baseline
from .attribution.chunks import chunk_size, fast_layout
from .attribution.maps import Maps
from .payload import Explanation, MapRow
from .targets import Target, class_name, resolve_targets


def explain(
    net: Net,
    images: Tensor,
    names: Sequence[str],
    *,
    methods: Sequence[str],
    targets: Sequence[Target] | Target | None = None,
    same_target: bool = False,
    layer: str | None = None,
    patch: int | None = None,
    stride: int | None = None,
    baseline: Baseline | None = None,
    keep_values: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Explanation, dict[str, bytes], dict[str, Tensor]]:
    """Maps of every image by every method, image by image; their pictures by name; their raw values by file name.

    Args:
        net: The net; it is left bit for bit as found.
        images: (N, C, H, W) in [0, 1].
        names: A name for each image.
        methods: Method ids, see `METHODS`.
        targets: A class number or name for each image; None explains the class that the net predicts for each.
        same_target: Whether a single target holds for all images.
        layer: Site for the methods that look at one.
        patch: Side of the patch for methods that cover, in pixels.
        stride: Pixels from patch to patch.
        baseline: What covers, in pixel values, or ``"mean"``.
        keep_values: Whether raw values are given back; without, rows name no file.
        memory: Budget in bytes beside the net.
        progress: How progress is shown.

    Returns:
        The payload; PNG pictures by the names that its rows hold (inputs, and maps alone beside maps over the grey
        image); raw values, (H, W) or (C, H, W) float32 in input pixels, by the file names that its rows hold.

    Raises:
        UnknownNameError: An unknown method, class or layer.
        StriateError: Names or targets that do not fit the images, an option that no method takes, scores that are
            not finite.
    """
    chosen = list(dict.fromkeys(methods))
    options = _options(chosen, layer=layer, patch=patch, stride=stride, baseline=baseline)
    logits = _clean_logits(net, images, names, memory)
    numbers = resolve_targets(targets, logits, net.classes, same_target=same_target)
    made = {
        method: _made(method, net, images, numbers, memory=memory, progress=progress, **options[method])
        for method in chosen
    }
    album: dict[str, bytes] = {}
    values: dict[str, Tensor] = {}
    rows = []
    for i, stem in enumerate(_stems(names)):
        image = images[i].detach().cpu()
        album[f"{stem}.png"] = heatmap.draw_input(image)
        for method, (maps, passes) in made.items():
            key = f"{stem}-{method}"
            limits, album[f"{key}.png"] = _picture(maps, i, image)
            if keep_values:
                values[f"{key}.npz"] = maps.values[i]
            rows.append(
                MapRow(
                    image=names[i],
                    method=method,
                    **_scores(logits[i], int(numbers[i]), net.classes),
                    layer=maps.layer,
                    file=f"{key}.npz" if keep_values else "",
                    picture=f"{key}.png",
                    input_picture=f"{stem}.png",
                    units=maps.units,
                    limits=limits,
                    signed=maps.signed,
                    check=maps.checks[i],
                    passes=passes,
                )
            )
    return Explanation(tuple(rows)), album, values


def _made(method: str, net: Net, images: Tensor, targets: Tensor, **options: Any) -> tuple[Maps, int]:
    """The maps of a method, and the passes that each of them took."""
    with counting() as count:
        maps = METHODS.load(method)(net, images, targets, **options)
    return maps, (count.forward + count.backward) // len(images)


def _scores(logits: Tensor, target: int, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "target": target,
        "target_name": class_name(target, classes),
        "score": float(logits[target]),
        "probability": float(logits.softmax(0)[target]),
        "predicted": int(logits.argmax()),
    }


def _options(methods: Sequence[str], **options: Any) -> dict[str, dict[str, Any]]:
    """For each method those of the options that were given and that it has; one that no method has is an error."""
    given = {name: value for name, value in options.items() if value is not None}
    if not methods:
        raise StriateError("no method was named", accepted=", ".join(METHODS))
    has = {method: set(inspect.signature(METHODS.load(method)).parameters) for method in methods}
    for name, value in given.items():
        if not any(name in taken for taken in has.values()):
            takers = [method for method in METHODS if name in inspect.signature(METHODS.load(method)).parameters]
            raise StriateError(
                f"{name} is {value!r}, which {', '.join(methods)} has no use for", accepted=f"with {', '.join(takers)}"
            )
    return {method: {name: value for name, value in given.items() if name in has[method]} for method in methods}


def _clean_logits(net: Net, images: Tensor, names: Sequence[str], memory: int) -> Tensor:
    """Logits (N, K) float64 on the CPU of the images as they are; one pass an image."""
    if len(names) != len(images) or not len(images):
        raise StriateError(f"{len(names)} names for {len(images)} images", accepted="one name for each image")
    most = chunk_size(net, images, memory=memory)
    with undisturbed(net), torch.no_grad():
        logits = torch.cat([net.logits(fast_layout(part)).double().cpu() for part in torch.split(images, most)])
    broken = [name for name, fine in zip(names, logits.isfinite().all(1).tolist(), strict=True) if not fine]
    if broken:
        raise StriateError(f"the net's scores for {broken[0]} are not finite", hint="an image with values in [0, 1]")
    return logits


def _picture(maps: Maps, i: int, image: Tensor) -> tuple[tuple[float, float], bytes]:
    values = maps.values[i]
    limits = heatmap.limits_of(heatmap.plane(values, signed=maps.signed), signed=maps.signed, share=maps.share)
    return limits, heatmap.draw(values, image, limits, signed=maps.signed)


def _stems(names: Sequence[str]) -> list[str]:
    """A file name without its end for each image: letters, digits, dots and dashes, no two alike."""
    stems: list[str] = []
    for name in names:
        last = re.sub(r"\.[A-Za-z]{3,4}$", "", name.replace("\\", "/").rsplit("/", 1)[-1])
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.") or "image"
        stem, turn = plain, 2
        while stem in stems:
            stem, turn = f"{plain}-{turn}", turn + 1
        stems.append(stem)
    return stems
