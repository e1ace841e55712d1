"""Objectives: what a search raises. One forward pass gives one score per image; higher is better.

Objectives are frozen, print as what they compute, and compose with ``+``, ``-`` and numbers:

>>> print(logit(3) - 0.1 * squared_distance(0.5))
logit(3) - 0.1 * squared_distance(0.5)
"""

from __future__ import annotations

from .area import ranked_area
from .classes import classes_of, cross_entropy, dlr, leads, log_odds, log_probability, logit, margin
from .codes import code_distance, code_of, cosine, diversity, dot, gram_distance, gram_of, over_layers
from .patches import best_match, patch_distance, patches_of, places_of
from .pictures import alpha_norm, distance, pixel_range, squared_distance, total_variation, weighted_distance
from .term import FREE, OUTPUT, Classes, Objective, Seen, Sum, Term, of_rows, weighted
from .units import channel, direction, layer_energy, unit

__all__ = [
    "FREE", "OUTPUT", "Classes", "Objective", "Seen", "Sum", "Term", "alpha_norm", "best_match", "channel",
    "classes_of", "code_distance", "code_of", "cosine", "cross_entropy", "direction", "distance", "diversity", "dlr",
    "dot", "gram_distance", "gram_of", "layer_energy", "leads", "log_odds", "log_probability", "logit", "margin",
    "of_rows", "over_layers", "patch_distance", "patches_of", "pixel_range", "places_of", "ranked_area",
    "squared_distance", "total_variation", "unit", "weighted", "weighted_distance",
]  # fmt: skip
