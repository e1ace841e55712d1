"""``FILE.py:function``: data made by a function of the user's own, which is called without arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from striate.core.errors import StriateError
from striate.core.image import as_images
from striate.core.script import call_script

from ..dataset import Dataset, Splits
from ..source import Request
from ..splits import three_ways

_ACCEPTED = "a Dataset, Splits, or (images, labels) or (images, labels, classes)"


def read_script(given: str, request: Request) -> Splits:
    """Run ``FILE.py`` and take what its function gives; the code runs with all rights of the user.

    Raises:
        StriateError: No such file or function, the code raises, or it gives something that is no data.
    """
    made = call_script(given)
    path, _, function = given.rpartition(":")
    return _splits(made, f"{Path(path).name}:{function}", request)


def _splits(value: Any, name: str, request: Request) -> Splits:
    if isinstance(value, Splits):
        return value if value.said else Splits(value.train, value.dev, value.test, f"{name} gave its own splits")
    if isinstance(value, tuple) and len(value) in {2, 3}:
        labels = torch.as_tensor(value[1])
        if not labels.numel():
            raise StriateError(f"{name} gave no images", accepted="at least one")
        if labels.dim() != 1 or labels.is_floating_point() or labels.is_complex():
            raise StriateError(
                f"{name} gave labels of shape {tuple(labels.shape)}, {labels.dtype}",
                accepted="one whole number an image",
            )
        classes = value[2] if len(value) == 3 else None
        value = Dataset.of(as_images(value[0]), labels, classes=classes, name=name, layout="made by a function")
    if not isinstance(value, Dataset):
        raise StriateError(f"{name} gave a {type(value).__name__}", accepted=_ACCEPTED)
    if not len(value):
        raise StriateError(f"{name} gave no images", accepted="at least one")
    said = f"{name}: {len(value.classes)} classes, {len(value):,} images"
    return three_ways(value, seed=request.seed, said=said, division=request.division)
