"""What a net is hardened against, and how, as one frozen value. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from striate.core.errors import StriateError, UnknownNameError


@dataclass(frozen=True)
class Scheme:
    """One way to harden.

    Attributes:
        summary: What it does and what it costs.
        cites: Keys of the papers.
        numbers: Numbers of `Hardening` that it takes, with the value that each has unless told otherwise.
        norms: Norms that it can hold.
        recipe: Recipe unless another is named.
    """

    summary: str
    cites: tuple[str, ...]
    numbers: Mapping[str, float]
    norms: tuple[float, ...] = (math.inf, 2.0)
    recipe: str = "robust"


SCHEMES: Mapping[str, Scheme] = {
    "pgd": Scheme(
        "learns from attacked images: steps + 1 passes an image",
        ("madry2018towards",),
        {"steps": 7, "step": 0.25},
    ),
    "fast": Scheme(
        "one step of 1.25 radii from a random start: two passes an image",
        ("wong2020fast",),
        {"steps": 1, "step": 1.25},
    ),
    "trades": Scheme(
        "clean images right, and attacked ones taken for the same: steps + 3 passes an image",
        ("zhang2019theoretically",),
        {"steps": 10, "step": 0.25, "beta": 6.0},
    ),
    "free": Scheme(
        "each batch several times, image and weights moved by the same backward pass: one pass an image and time",
        ("shafahi2019adversarial",),
        {"replays": 4, "step": 1.0},
    ),
    "ibp": Scheme(
        "learns from the worst that intervals allow, for a certificate: two passes an image",
        ("gowal2019scalable",),
        {"kappa": 0.5, "warm": 0.05, "ramp": 0.5},
        (math.inf,),
        "certified",
    ),
}


@dataclass(frozen=True)
class Hardening:
    """A scheme with its numbers; what a scheme does not take must be left out, what it takes has its usual value.

    Attributes:
        scheme: Name in `SCHEMES`.
        radius: Largest change, in units of [0, 1] pixels.
        norm: Norm that measures it: infinity or 2.
        steps: Steps of the attack within (pgd, fast, trades).
        step: Length of one, as a share of the radius; by default a quarter, or longer where there are fewer than five.
        beta: Weight of the difference between clean and attacked images (trades).
        replays: Times that a batch is learnt from (free); a run costs so many times its epochs, which the paper divides
            by it.
        kappa: Final weight of the plain loss beside that of the bounds (ibp).
        warm: Share of the run at radius 0 (ibp).
        ramp: Share of the run over which the radius then grows to its whole (ibp).
        inner: Mode of the net during the attack within: in ``eval`` BatchNorm uses its running statistics and leaves
            them alone, and dropout is off; in ``train``, as the papers' own code has it, they move with every pass.

    Raises:
        UnknownNameError: There is no such scheme.
        StriateError: A number is out of its range, or means nothing to the scheme.
    """

    scheme: str
    radius: float
    norm: float = math.inf
    steps: int | None = None
    step: float | None = None
    beta: float | None = None
    replays: int | None = None
    kappa: float | None = None
    warm: float | None = None
    ramp: float | None = None
    inner: Literal["eval", "train"] = "eval"

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise UnknownNameError("hardening", self.scheme, SCHEMES)
        known = SCHEMES[self.scheme]
        if self.norm not in known.norms:
            names = " or ".join("inf" if math.isinf(each) else f"{each:g}" for each in known.norms)
            raise StriateError(f"norm is {self.norm:g} for the hardening {self.scheme}", accepted=names)
        most = 1.0 if math.isinf(self.norm) else math.inf
        if not 0 < self.radius <= most or math.isinf(self.radius):
            limit = " and at most 1" if math.isinf(self.norm) else ""
            raise StriateError(
                f"radius is {self.radius:g}", accepted=f"a number above 0{limit}, in units of [0, 1] pixels"
            )
        if self.inner not in ("eval", "train"):
            raise StriateError(f"inner is {self.inner!r}", accepted="eval or train")
        for name, least, end in _RANGES:
            usual = known.numbers.get(name)
            if name == "step" and usual is not None and self.steps is not None:
                usual = max(usual, _REACH / self.steps)  # few steps are longer, so that they cross the ball
            self._settle(name, usual, least, end)

    def _settle(self, name: str, usual: float | None, least: float, most: float) -> None:
        value = getattr(self, name)
        if usual is None:
            if value is not None:
                takes = ", ".join(SCHEMES[self.scheme].numbers)
                raise StriateError(f"{name} is {value:g} for the hardening {self.scheme}", accepted=f"its own: {takes}")
            return
        whole = name in _WHOLE
        settled = usual if value is None else value
        if not least <= settled <= most or settled == math.inf or (whole and settled != int(settled)):
            kind = "a whole number" if whole else "a number"
            accepted = f"{kind} of at least {least:g}" if math.isinf(most) else f"{kind} from {least:g} to {most:g}"
            raise StriateError(f"{name} is {settled:g} for the hardening {self.scheme}", accepted=accepted)
        object.__setattr__(self, name, int(settled) if whole else float(settled))

    @property
    def cites(self) -> tuple[str, ...]:
        """Keys of the papers."""
        return SCHEMES[self.scheme].cites

    @property
    def recipe(self) -> str:
        """Name of the recipe unless another is named."""
        return SCHEMES[self.scheme].recipe

    @property
    def words(self) -> str:
        """All of it in one line, which a run keeps: another line is another run."""
        norm = "inf" if math.isinf(self.norm) else f"{self.norm:g}"
        named = [(each.name, getattr(self, each.name)) for each in fields(self) if each.name in _NUMBERS]
        numbers = "".join(f", {name} {value:g}" for name, value in named if value is not None)
        return f"{self.scheme} within L{norm} {self.radius!r}{numbers}, inner {self.inner}"


_REACH = 1.25  # radii that all steps together go at least, as the single one of Wong et al. 2020
_RANGES = (
    ("steps", 1, math.inf),
    ("step", 1e-6, math.inf),
    ("beta", 0.0, math.inf),
    ("replays", 1, math.inf),
    ("kappa", 0.0, 1.0),
    ("warm", 0.0, 1.0),
    ("ramp", 0.0, 1.0),
)
_NUMBERS = tuple(name for name, _, _ in _RANGES)
_WHOLE = ("steps", "replays")
