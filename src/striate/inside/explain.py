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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict, Unpack

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
from .attribution.rules.first_layer import First
from .attribution.rules.relevance import Biases
from .faithfulness.assess import Assessed, assess
from .faithfulness.ranking import agreements, method_summaries, winner_of
from .faithfulness.scores import planes
from .method_options import passes_by_request, sorted_out
from .objects import object_row
from .payload import Explanation, MapRow, ObjectRow, SanityRow
from .sanity import cascade
from .targets import Target, class_name, resolve_targets

ALL = "all"
Maker = Callable[[Net, Tensor, Tensor], Maps]
MOST_PASSES = 500  # a map, of methods that nobody named
STEPS = 16  # of deletion and insertion: coarse, so that explaining stays a matter of seconds


class MethodOptions(TypedDict, total=False):
    """Options of methods: each goes to the methods that have it, and None is as good as not given.

    Attributes:
        layer: Site for the methods that look at one.
        patch: Side of the patch for methods that cover, in pixels.
        stride: Pixels from patch to patch.
        baseline: What covers, or where paths start, in pixel values, or ``"mean"``.
        samples: Random draws of the methods that draw.
        noise: Standard deviation of what they add, in pixel values.
        steps: Points on a path, of the methods that follow one.
        references: Images (M, C, H, W) that methods compare with.
        epsilon: Stabiliser of methods that share relevance, as a share of the root mean square of a layer.
        gamma: How much they favour positive contributions.
        alpha: Weight of positive contributions.
        beta: Weight of negative ones.
        first: Their rule of the layers that see pixels: box, flat or same.
        biases: Whether biases absorb their part of the relevance, or the inputs share it: absorb or share.
    """

    layer: str | None
    patch: int | None
    stride: int | None
    baseline: Baseline | None
    samples: int | None
    noise: float | None
    steps: int | None
    references: Tensor | None
    epsilon: float | None
    gamma: float | None
    alpha: float | None
    beta: float | None
    first: First | None
    biases: Biases | None


def explain(
    net: Net,
    images: Tensor,
    names: Sequence[str],
    *,
    methods: Sequence[str],
    targets: Sequence[Target] | Target | None = None,
    same_target: bool = False,
    faithfulness: Sequence[str] = (),
    masks: Tensor | None = None,
    sanity: bool = False,
    objects: bool = False,
    keep_values: bool = True,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
    more: Mapping[str, Any] | None = None,
    **options: Unpack[MethodOptions],
) -> tuple[Explanation, dict[str, bytes], dict[str, Tensor]]:
    """Maps of every image by every method, image by image; their pictures by name; their raw values by file name.

    Args:
        net: The net; it is left bit for bit as found.
        images: (N, C, H, W) in [0, 1].
        names: A name for each image.
        methods: Method ids, see `METHODS`; ``"all"`` is all that work; of over 500 passes a map only if named.
        targets: A class number or name for each image; None explains the class that the net predicts for each.
        same_target: Whether a single target holds for all images.
        faithfulness: Ids of `MEASURES`.
        masks: Objects (N, H, W) bool, for the measures that need them and for what is cut out.
        sanity: Whether maps are made again with ever more random weights, see `sanity.cascade`.
        objects: Whether the object is cut out of each image, started from its map by the first method.
        keep_values: Whether raw values are given back.
        seed: Of the methods that draw, and of the measures.
        memory: Budget in bytes beside the net.
        progress: Of the work.
        more: Further options of methods by name, such as ``{"area": 0.2}``; texts are read as what the option is.
        options: Options of the methods, see `MethodOptions`.

    Returns:
        The payload; PNG pictures by the names in its rows; raw values, (H, W) or (C, H, W) float32, by file name.

    Raises:
        UnknownNameError: An unknown method, measure, class or layer.
        StriateError: Names or targets that do not fit, an option that no method takes, scores that are not finite.
    """
    chosen = list(METHODS) if ALL in methods else list(dict.fromkeys(methods))
    own = sorted_out(chosen, seed=seed, given={**(more or {}), **options})
    chosen, dear = _within_reason(own, net, images, methods)
    logits = _clean_logits(net, images, names, memory)
    numbers = resolve_targets(targets, logits, net.classes, same_target=same_target)
    makers: dict[str, partial[Maps]] = {
        method: partial(METHODS.load(method), memory=memory, progress=progress, **own[method]) for method in chosen
    }
    made, passes, left_out = _made(makers, net, images, numbers, lenient=ALL in methods)
    measured = _measured(makers, made, net, images, numbers, faithfulness, masks, seed, memory, progress)
    said = [_scores(row, int(number), net.classes) for row, number in zip(logits, numbers, strict=True)]
    rows, album, values = _drawn(
        images, names, said, made=made, passes=passes, measured=measured, keep_values=keep_values
    )
    result = _compared(rows, made, measured, passes=passes, left_out=(*left_out, *dear), seed=seed)
    kept = _kept(makers, made, net, images, numbers, seed, progress) if sanity else ()
    cut = _cut(images, names, made, masks) if objects else []
    return (
        replace(result, sanity=kept, objects=tuple(row for row, _ in cut)),
        album | {row.picture: picture for row, picture in cut},
        values,
    )


def _measured(  # noqa: PLR0917
    makers: Mapping[str, partial[Maps]],
    made: Mapping[str, Maps],
    net: Net,
    images: Tensor,
    targets: Tensor,
    measures: Sequence[str],
    masks: Tensor | None,
    seed: int,
    memory: int,
    progress: Progress,
) -> tuple[Assessed, ...]:
    """How faithful the maps are, by each measure."""
    return assess(
        net,
        images,
        targets,
        made,
        measures=measures,
        explainers={method: partial(_planes_of, _unchecked(makers[method]), net) for method in made},
        masks=masks,
        steps=STEPS,
        seed=seed,
        memory=memory,
        progress=progress,
    )


def _kept(  # noqa: PLR0917
    makers: Mapping[str, partial[Maps]],
    made: Mapping[str, Maps],
    net: Net,
    images: Tensor,
    targets: Tensor,
    seed: int,
    progress: Progress,
) -> tuple[SanityRow, ...]:
    """What random weights do to the maps."""
    again = {method: _unchecked(makers[method]) for method in made}
    return cascade(net, images, targets, again, originals=made, seed=seed, progress=progress)


def _unchecked(maker: partial[Maps]) -> partial[Maps]:
    """The same method without its check where it can do without: for maps that only serve to be compared."""
    return partial(maker, check=False) if "check" in inspect.signature(maker.func).parameters else maker


def _cut(
    images: Tensor, names: Sequence[str], made: Mapping[str, Maps], masks: Tensor | None
) -> list[tuple[ObjectRow, bytes]]:
    """What the maps of the first method cut out."""
    method, maps = next(iter(made.items()))
    heats = planes(maps.values, signed=maps.signed)
    return [
        object_row(
            images[i].detach().cpu(),
            heats[i],
            name=names[i],
            method=method,
            picture=f"{stem}-object.png",
            mask=None if masks is None else masks[i],
        )
        for i, stem in enumerate(stems(names))
    ]


def _drawn(
    images: Tensor,
    names: Sequence[str],
    said: Sequence[Mapping[str, Any]],
    *,
    made: Mapping[str, Maps],
    passes: Mapping[str, int],
    measured: Sequence[Assessed],
    keep_values: bool,
) -> tuple[list[MapRow], dict[str, bytes], dict[str, Tensor]]:
    """A row for each map, pictures, and raw values."""
    album: dict[str, bytes] = {}
    values: dict[str, Tensor] = {}
    rows = []
    for i, stem in enumerate(stems(names)):
        image = images[i].detach().cpu()
        album[f"{stem}.png"] = heatmap.draw_input(image)
        for method, maps in made.items():
            key = f"{stem}-{method}"
            limits, album[f"{key}.png"] = _picture(maps, i, image)
            if keep_values:
                values[f"{key}.npz"] = maps.values[i]
            rows.append(
                MapRow(
                    image=names[i],
                    method=method,
                    **said[i],
                    layer=maps.layer,
                    file=f"{key}.npz" if keep_values else "",
                    picture=f"{key}.png",
                    input_picture=f"{stem}.png",
                    units=maps.units,
                    limits=limits,
                    signed=maps.signed,
                    check=maps.checks[i],
                    passes=passes[method],
                    faithfulness=tuple(each.faith(method, i) for each in measured),
                )
            )
    return rows, album, values


def _made(
    makers: Mapping[str, Maker], net: Net, images: Tensor, targets: Tensor, *, lenient: bool
) -> tuple[dict[str, Maps], dict[str, int], list[str]]:
    """Maps by method, the passes that a map took, and the methods that refused, if that is no error."""
    made: dict[str, Maps] = {}
    passes: dict[str, int] = {}
    refused: list[str] = []
    for method, maker in makers.items():
        try:
            with counting() as count:
                made[method] = maker(net, images, targets)
        except StriateError as error:
            if not lenient:
                raise
            refused.append(f"{method}: {error.given}")
            continue
        passes[method] = (count.forward + count.backward) // len(images)
    if not made:
        raise StriateError(f"no method works on this net ({refused[0]})")
    return made, passes, refused


def _planes_of(maker: Maker, net: Net, images: Tensor, targets: Tensor) -> Tensor:
    maps = maker(net, images, targets)
    return planes(maps.values, signed=maps.signed)


def _compared(
    rows: Sequence[MapRow],
    made: Mapping[str, Maps],
    measured: Sequence[Assessed],
    *,
    passes: Mapping[str, int],
    left_out: Sequence[str],
    seed: int,
) -> Explanation:
    """The payload, with what the methods are beside each other where faithfulness was measured."""
    summaries = method_summaries(made, measured, passes=passes, seed=seed)
    winner, decided = winner_of(summaries)
    return Explanation(
        tuple(rows),
        methods=summaries,
        winner=winner,
        decided=decided,
        agreement=agreements(made, seed=seed) if measured else (),
        left_out=tuple(left_out),
    )


def _scores(logits: Tensor, target: int, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "target": target,
        "target_name": class_name(target, classes),
        "score": float(logits[target]),
        "probability": float(logits.softmax(0)[target]),
        "predicted": int(logits.argmax()),
        "predicted_name": class_name(int(logits.argmax()), classes),
    }


def _within_reason(
    own: Mapping[str, Mapping[str, Any]], net: Net, images: Tensor, named: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The methods but for those that take too many passes and were not named, and a sentence on each of these."""
    chosen, left_out = [], []
    for method in own:
        passes = 0 if method in named or ALL not in named else passes_by_request(method, net, images, own[method])
        if passes <= MOST_PASSES:
            chosen.append(method)
        else:
            said = f"it takes some {passes:,} passes a map, and 'all' stops at {MOST_PASSES}; ask for all,{method}"
            left_out.append(f"{method}: {said}")
    return chosen, left_out


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


def stems(names: Sequence[str]) -> list[str]:
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
