"""Which class of each image is explained: the predicted one, or what was asked for by number or by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.classes import class_number
from striate.core.errors import StriateError

Target = int | str


def resolve_targets(
    targets: Sequence[Target] | Target | None, logits: Tensor, classes: Sequence[str], *, same_target: bool = False
) -> Tensor:
    """One class number for each image, (N,) int64: the predicted classes when ``targets`` is None.

    A text is a class name, or else a number. One target for several images is an error unless ``same_target`` says it.

    Raises:
        StriateError: Their number is not that of the images, one is out of range, or a name means several classes.
        UnknownNameError: No class has this name; the message names the nearest.
    """
    count, known = logits.shape
    if targets is None:
        return logits.argmax(1).cpu()
    given = [targets] if isinstance(targets, (int, str)) else list(targets)
    numbers = [class_number(target, classes, count=known) for target in given]
    if len(numbers) == 1 and same_target:
        numbers *= count
    if len(numbers) != count:
        alone = ", or one with same_target=True" if len(numbers) == 1 else ""
        raise StriateError(
            f"{len(numbers)} target{'s' * (len(numbers) != 1)} for {count} image{'s' * (count != 1)}",
            accepted=f"one for each image{alone}, or none for the predicted classes",
        )
    return torch.tensor(numbers, dtype=torch.int64)


def class_name(number: int, classes: Sequence[str]) -> str:
    """The name of a class, or its number where it has none."""
    return classes[number] if number < len(classes) else str(number)
