"""The attacks there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .method import Method

PER_IMAGE = (
    "norm",
    "radius",
    "target",
    "steps",
    "radii",
    "eight_bit",
    "bounds",
    "transfer",
)  # options of those that attack each image


@dataclass(frozen=True)
class Whole(Entry):
    """One way to attack a whole split at once.

    Attributes:
        takes: Options of `striate attack` that mean something to it, beside net and data.
        needs: Those of them that must be given.
    """

    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


METHODS: Registry[Method] = Registry(
    "attack",
    {
        "fgsm": Entry(
            "striate.attacks.fgsm:FGSM",
            "fast gradient sign: one step of the whole radius; a lower bar, two passes an image",
            ("goodfellow2015explaining",),
        ),
        "bim": Entry(
            "striate.attacks.iterative:BIM",
            "iterated fast gradient sign: equal steps from the image that add up to the radius",
            ("kurakin2017adversarial",),
        ),
        "mim": Entry(
            "striate.attacks.iterative:MIM",
            "iterated fast gradient sign with momentum: what it finds fools other nets more often",
            ("dong2018boosting",),
        ),
        "pgd": Entry(
            "striate.attacks.pgd:PGD",
            "projected gradient: many short steps from a random start in the ball; images leave once fooled",
            ("madry2018towards", "kurakin2017adversarial"),
        ),
        "apgd_ce": Entry(
            "striate.attacks.apgd:APGD_CE",
            "AutoPGD on cross-entropy: halves its own steps, so there is nothing to tune",
            ("croce2020reliable", "croce2021mind"),
        ),
        "apgd_dlr": Entry(
            "striate.attacks.apgd:APGD_DLR",
            "AutoPGD on the difference-of-logits ratio, which no scale of the logits changes",
            ("croce2020reliable", "croce2021mind"),
        ),
        "apgd_t": Entry(
            "striate.attacks.apgd:APGD_T",
            "AutoPGD towards each of the nine likeliest wrong classes in turn; up to nine times the passes",
            ("croce2020reliable", "croce2021mind"),
        ),
        "square": Entry(
            "striate.attacks.square:SQUARE",
            "random squares at the edge of the ball; class scores alone, no gradient; 5,000 queries an image at most",
            ("andriushchenko2020square", "croce2020reliable"),
        ),
        "auto": Entry(
            "striate.attacks.auto:AUTO",
            "AutoAttack: APGD-CE, APGD-T, FAB-T and Square, each on what is left; the number to rely on",
            ("croce2020reliable",),
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

WHOLE: Registry[Callable[..., tuple[Any, dict[str, bytes]]]] = Registry(
    "attack",
    {
        "universal": Whole(
            "striate.attacks.universal:universal_data",
            "one difference added to every image, fitted on a part of them and judged on the rest",
            ("moosavi2017universal", "shafahi2020universal"),
            takes=("norm", "radius", "steps", "fit"),
        ),
        "patch": Whole(
            "striate.attacks.patch:patch_data",
            "a picture that is seen as the target wherever it lies in an image; a page to print it",
            ("brown2017adversarial", "athalye2018synthesizing", "sharif2016accessorize"),
            takes=("target", "area", "steps", "fit"),
            needs=("target",),
        ),
        "corruptions": Whole(
            "striate.attacks.corruptions:corruptions_data",
            "no attacker: 15 kinds of damage at 5 strengths, and the error against a reference net's",
            ("hendrycks2019benchmarking",),
            takes=("reference",),
        ),
        "spatial": Whole(
            "striate.attacks.spatial:spatial_data",
            "shifts and turns of each image: the worst of 775, the worst of 10 at random, the average; no gradient",
            ("engstrom2019exploring",),
            takes=("steps",),
        ),
    },
    hint="striate methods",
)

ATTACKS: Registry[Any] = Registry("attack", {**dict(METHODS.items()), **dict(WHOLE.items())}, hint="striate methods")
