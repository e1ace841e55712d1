"""Every measure of every method's maps and of the two controls, on the same images."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.inside.attribution.maps import Maps
from striate.inside.payload import Faith
from striate.nets.net import Net

from . import MEASURES, OF_OBJECTS, OF_SUMS
from .controls import control_maps, edge_maps, random_maps
from .max_sensitivity import Explainer
from .scores import planes, sums

BYTES = 64 << 20  # of the order of pixels, at a time
A_PIXEL = 32  # bytes that a pixel of a map takes while it is ordered


@dataclass(frozen=True)
class Assessed:
    """What one measure says of all maps: scores (N,) float64 by method, controls among them."""

    measure: str
    higher: bool
    scores: Mapping[str, Tensor]

    def faith(self, method: str, image: int) -> Faith:
        """Of one method's map of one image."""
        value, *controls = (float(self.scores[each][image]) for each in (method, "random", "edge"))
        sign = 1 if self.higher else -1
        return Faith(
            self.measure,
            _number(value),
            _number(controls[0]),
            _number(controls[1]),
            self.higher,
            all(sign * (value - each) > 0 for each in controls),
        )


def assess(
    net: Net,
    images: Tensor,
    targets: Tensor,
    made: Mapping[str, Maps],
    *,
    measures: Sequence[str],
    steps: int | None = None,
    masks: Tensor | None = None,
    explainers: Mapping[str, Explainer] | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Assessed, ...]:
    """Scores of each method's maps beside those of a random and an edge map, measure by measure.

    The controls are measured once an image, together with all methods, and passes that do not depend on the map are
    shared. Costs what the measures state.

    Args:
        net: The net; it is left bit for bit as found.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        made: Maps by method.
        measures: Ids of `MEASURES`.
        steps: For the measures that have steps.
        masks: Objects (N, H, W) bool, for the measures that need them.
        explainers: For ``max_sensitivity``: by method, images and targets to maps (N, H, W).
        seed: Of all that is drawn.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: An unknown measure.
        StriateError: No maps, masks or explainers that a measure needs, or fewer pixels than steps.
    """
    if not made:
        raise StriateError("no maps to be measured", accepted="maps of at least one method")
    needed = {"steps": steps, "masks": masks, "seed": seed}
    controls = control_maps(images, seed=seed)
    found = []
    for name in dict.fromkeys(measures):
        has = inspect.signature(MEASURES.load(name)).parameters
        options = {key: value for key, value in needed.items() if value is not None and key in has}
        common: dict[str, Any] = {**options, "memory": memory, "progress": progress}
        if "explainer" in has:
            found.append(_moving(name, net, images, targets, made=made, explainers=explainers or {}, common=common))
        else:
            found.append(_together(name, net, images, targets, made=made, controls=controls, common=common))
    return tuple(found)


def _number(value: float) -> Number:
    return Number.of(value, why="one image: no interval")


def _together(
    name: str,
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    made: Mapping[str, Maps],
    controls: Mapping[str, Tensor],
    common: Mapping[str, Any],
) -> Assessed:
    """All maps of some images at a time."""
    measure = MEASURES.load(name)
    maps = {
        method: sums(each.values) if name in OF_SUMS else planes(each.values, signed=each.signed)
        for method, each in made.items()
    } | dict(controls)
    most = max(1, BYTES // (A_PIXEL * len(maps) * images.shape[-2] * images.shape[-1]))
    parts: list[Tensor] = []
    for at in range(0, len(images), most):
        some = slice(at, at + most)
        stack = torch.stack([each[some] for each in maps.values()])
        options = dict(common)
        if name in OF_OBJECTS and options.get("masks") is not None:
            options["masks"] = options["masks"][some]
        scores = measure(net, images[some], targets[some], stack, **options)
        parts.append(scores.values)
    values = torch.cat(parts, dim=1)
    return Assessed(name, scores.higher, dict(zip(maps, values, strict=True)))


def _moving(
    name: str,
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    made: Mapping[str, Maps],
    explainers: Mapping[str, Explainer],
    common: Mapping[str, Any],
) -> Assessed:
    """Maps that are made again, method by method."""
    measure, seed = MEASURES.load(name), common["seed"]
    again: dict[str, Explainer] = {
        **explainers,
        "random": lambda moved, _: random_maps(moved, seed=seed),
        "edge": lambda moved, _: edge_maps(moved),
    }
    first = {method: planes(each.values, signed=each.signed) for method, each in made.items()}
    scores = {}
    for method in (*made, "random", "edge"):
        if method not in again:
            raise StriateError(f"no explainer of {method} for {name}", accepted="one for each method")
        maps = first[method] if method in first else again[method](images, targets)
        scores[method] = measure(net, images, targets, maps, explainer=again[method], **common)
    return Assessed(name, scores["edge"].higher, {method: each.values for method, each in scores.items()})
