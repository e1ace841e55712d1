"""Meaning: which concept of labelled pixels each unit follows."""

from __future__ import annotations

from .concepts import KINDS, Concepts, Marked, concepts_of
from .labels import label_units
from .payload import LayerMeaning, UnitLabel
from .table import layers_of

__all__ = ["KINDS", "Concepts", "LayerMeaning", "Marked", "UnitLabel", "concepts_of", "label_units", "layers_of"]
