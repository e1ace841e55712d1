"""Optimisers by name as they race: those of training, without weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from striate.training.recipe import AdamW, Sgd

RACERS: Mapping[str, Sgd | AdamW] = MappingProxyType(
    {
        "sgd": Sgd(0.1, momentum=0.0, nesterov=False, weight_decay=0.0),
        "momentum": Sgd(0.1, nesterov=False, weight_decay=0.0),
        "nesterov": Sgd(0.1, weight_decay=0.0),
        "adamw": AdamW(0.1, weight_decay=0.0),
    }
)
