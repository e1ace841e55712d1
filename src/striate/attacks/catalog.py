"""The attacks there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .method import Method

METHODS: Registry[Method] = Registry(
    "attack",
    {
        "fgsm": Entry(
            "striate.attacks.fgsm:FGSM",
            "fast gradient sign: one step of the whole radius; a lower bar, two passes an image",
            ("goodfellow2015explaining",),
        ),
        "pgd": Entry(
            "striate.attacks.pgd:PGD",
            "projected gradient: many short steps from a random start in the ball; images leave once fooled",
            ("madry2018towards", "kurakin2017adversarial"),
        ),
        "square": Entry(
            "striate.attacks.square:SQUARE",
            "random squares at the edge of the ball; class scores alone, no gradient; 5,000 queries an image at most",
            ("andriushchenko2020square", "croce2020reliable"),
        ),
        "one_pixel": Entry(
            "striate.attacks.one_pixel:ONE_PIXEL",
            "one pixel, or as many as the radius, by differential evolution; no gradient; 40,000 queries at most",
            ("su2019one", "storn1997differential"),
        ),
        "nes": Entry(
            "striate.attacks.nes:NES",
            "projected gradient with momentum, gradients estimated from 50 Gaussian neighbours; 5,100 queries at most",
            ("ilyas2018black", "salimans2017evolution"),
        ),
        "spsa": Entry(
            "striate.attacks.spsa:SPSA",
            "Adam in the ball, gradients estimated from 128 neighbours of random signs; 12,900 queries at most",
            ("uesato2018adversarial", "spall1992multivariate"),
        ),
        "boundary": Entry(
            "striate.attacks.boundary:BOUNDARY",
            "random walk along the decision boundary to the nearest image that fools; decisions alone; 12,000 queries",
            ("brendel2018decision",),
        ),
        "hop_skip_jump": Entry(
            "striate.attacks.hop_skip_jump:HOP_SKIP_JUMP",
            "steps along the estimated normal of the boundary to the nearest image that fools; decisions alone; 12,000 "
            "queries",
            ("chen2020hopskipjump",),
        ),
    },
    hint="striate methods",
)
