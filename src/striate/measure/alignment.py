"""Data with a part of a net's classes, put into the net's own numbering."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from striate.core.errors import StriateError

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.nets.net import Net


def aligned(data: Dataset, net: Net) -> tuple[Dataset, str]:
    """The data with labels as the net counts its classes, and a sentence on how; "" where nothing had to be done.

    Data that number their classes otherwise than 0, 1, 2 (300 of ImageNet's 1,000, say) go by these numbers; data with
    fewer classes than the net go by name, whatever case, underscore or hyphen, where each name is one of the net's.

    Raises:
        StriateError: A number or name fits, but others of the same data do not.
    """
    outputs = len(net.classes)
    if data.task != "classes" or not outputs or (len(data.classes) == outputs and not data.numbers):
        return data, ""
    if data.numbers and max(data.numbers) < outputs:
        places = list(data.numbers)
        how = "by their numbers"
    elif len(data.classes) < outputs:
        counts = Counter(map(_plain, net.classes))
        there = {_plain(name): place for place, name in enumerate(net.classes)}
        known = [name for name in data.classes if counts[_plain(name)] == 1]
        if not known:
            return data, ""
        if len(known) < len(data.classes):
            lost = [name for name in data.classes if name not in set(known)]
            raise StriateError(
                f"{len(lost)} of {len(data.classes)} classes of {data.name} are no classes of {net.name or 'the net'}: "
                f"{', '.join(lost[:5])}",
                accepted=f"names of its {outputs:,} classes, or a column of numbers from 0 to {outputs - 1}",
            )
        places = [there[_plain(name)] for name in data.classes]
        how = "by name"
    else:
        return data, ""
    labels = torch.tensor(places, dtype=torch.int64)[data.labels]
    said = f"the {len(data.classes):,} classes of {data.name} are found {how} among the net's {outputs:,}"
    return replace(data, labels=labels, classes=tuple(net.classes), numbers=()), said


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
