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
        "deepfool": Entry(
            "striate.attacks.deepfool:DEEPFOOL",
            "shortest steps onto the nearest linearised boundary; the cheapest way to a near image, some 50 passes",
            ("moosavi2016deepfool",),
        ),
        "fab_t": Entry(
            "striate.attacks.fab_t:FAB_T",
            "fast adaptive boundary, one rival class after the other; near images in L1, L2, Linf, 2700 passes",
            ("croce2020minimally", "croce2020reliable"),
        ),
        "ddn": Entry(
            "striate.attacks.ddn:DDN",
            "decoupled direction and norm: the ball shrinks once fooled and grows if not; near images, 200 passes",
            ("rony2019decoupling",),
        ),
        "fmn": Entry(
            "striate.attacks.fmn:FMN",
            "fast minimum norm: like ddn, in L0, L1, L2, Linf, led by the distance to the boundary; 200 passes",
            ("pintor2021fast",),
        ),
        "cw": Entry(
            "striate.attacks.cw:CW",
            "Carlini & Wagner: Adam behind a tangent, lead against change weighed anew for each image; L2, Linf, L0",
            ("carlini2017towards",),
        ),
        "lbfgs": Entry(
            "striate.attacks.lbfgs:LBFGS_BOX",
            "L-BFGS in the box, change against log-probability, weighed for each image; the first attack of all",
            ("szegedy2014intriguing",),
        ),
        "jsma": Entry(
            "striate.attacks.jsma:JSMA",
            "Jacobian saliency: pairs of values set to black or white; few pixels, three passes a pair",
            ("papernot2016limitations",),
        ),
    },
    hint="striate methods",
)
