"""The attacks there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .method import Method

PER_IMAGE = ("norm", "radius", "target", "steps", "radii", "transfer")  # options of those that attack each image


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
        "pgd": Entry(
            "striate.attacks.pgd:PGD",
            "projected gradient: many short steps from a random start in the ball; images leave once fooled",
            ("madry2018towards", "kurakin2017adversarial"),
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
    },
    hint="striate methods",
)

ATTACKS: Registry[Any] = Registry("attack", {**dict(METHODS.items()), **dict(WHOLE.items())}, hint="striate methods")
