"""Ablation: what a net loses when units or layers are switched off."""

from __future__ import annotations

from .effects import ablate, ablate_layers, ablate_one_by_one, layers_with_weights
from .payload import Ablation, Curve, Effect, How

__all__ = [
    "Ablation",
    "Curve",
    "Effect",
    "How",
    "ablate",
    "ablate_layers",
    "ablate_one_by_one",
    "layers_with_weights",
]
