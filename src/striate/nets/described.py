"""What a weights file says of its network, read from its metadata."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError

from .site import Pair
from .weights import numbers

if TYPE_CHECKING:
    from striate.core.image import Geometry


@dataclass(frozen=True)
class Described:
    """What is known of a network from its weights; None where nothing is said."""

    classes: tuple[str, ...] | None = None
    channels: int | None = None
    size: Pair | None = None
    mean: tuple[float, ...] | Tensor | None = None
    std: tuple[float, ...] | None = None
    geometry: Geometry | None = None
    licence: str = ""
    padding: str = ""


def described(metadata: Mapping[str, str], *, state: Mapping[str, Tensor] | None = None, file: str = "") -> Described:
    """Reads the metadata; classes and channels that it leaves out are read off the shapes in ``state``.

    Raises:
        StriateError: A value cannot be understood.
    """
    from striate.core.image import Geometry

    key = ""
    try:
        classes: tuple[str, ...] | None = None
        if key := "classes" if "classes" in metadata else "":
            said = json.loads(metadata[key])
            classes = tuple(map(str, range(said))) if isinstance(said, int) else tuple(map(str, said))
        key = "channels"
        channels = int(metadata[key]) if key in metadata else None
        key = "size"
        size: Pair | None = None
        if key in metadata:
            sides = [int(each) for each in numbers(metadata[key])]
            size = (sides[0], sides[-1])
        values = {}
        for key in ("mean", "std"):
            values[key] = numbers(metadata[key]) if key in metadata else None
        key = "mean_image"
        mean = read_image(metadata[key]) if key in metadata else values["mean"]
        key = "geometry"
        geometry = Geometry(**json.loads(metadata[key])) if key in metadata else None
    except (ValueError, TypeError) as error:
        raise StriateError(
            f"{file or 'the weights file'} says {key} is {metadata.get(key, '')[:80]!r}: {error}"
        ) from error
    heads = [each for each in (state or {}).values() if each.dim() == 2]
    kernels = [each for each in (state or {}).values() if each.dim() == 4]
    if classes is None and heads:
        classes = tuple(str(index) for index in range(heads[-1].shape[0]))
    if channels is None and kernels:
        channels = min(int(each.shape[1]) for each in kernels[:1])
    return Described(
        classes,
        channels,
        size,
        mean,
        values["std"],
        geometry,
        metadata.get("licence", ""),
        metadata.get("padding", ""),
    )


def written_image(image: Tensor) -> str:
    """An image (C, H, W) of float32 numbers as text that a metadata value can hold."""
    raw = image.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes()
    return json.dumps({"shape": list(image.shape), "float32": base64.b64encode(raw).decode()})


def read_image(text: str) -> Tensor:
    """The image that `written_image` wrote.

    Raises:
        ValueError: It is no such text.
    """
    said = json.loads(text)
    try:
        values = np.frombuffer(base64.b64decode(said["float32"], validate=True), dtype="<f4")
        return torch.from_numpy(values.astype(np.float32)).view(*said["shape"])
    except (KeyError, RuntimeError) as error:
        raise ValueError(str(error)) from error
