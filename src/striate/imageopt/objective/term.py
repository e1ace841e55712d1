"""What an objective is: a score per image of one pass, with words, made of terms and their sums."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from striate.core.errors import StriateError

Classes = int | Tensor  # one class for every image, or a tensor (N,) with one a row
OUTPUT = frozenset({"output"})
FREE = "free numbers"  # what an objective reads that looks at the canvas's own numbers; no site can be called so


class Seen(Protocol):
    """One pass over some rows; `striate.nets.look.Seen` is one.

    Attributes:
        images: Images as painted, (n, C, H, W).
        output: Class scores, (n, K): logits, or log-probabilities of a net that gives probabilities.
        rows: Which rows these are, (n,).
    """

    @property
    def images(self) -> Tensor: ...  # noqa: D102
    @property
    def output(self) -> Tensor: ...  # noqa: D102
    @property
    def rows(self) -> Tensor: ...  # noqa: D102
    def __getitem__(self, site: str) -> Tensor: ...


class Objective(Protocol):
    """A score per image of one pass; ``sites`` names what it reads beside the images (``"output"`` counts as one)."""

    sites: frozenset[str]
    words: str
    per_image: bool = True  # False where a score also hangs on the other images of the pass

    @abstractmethod
    def __call__(self, seen: Seen) -> Tensor:
        """Scores (n,) of the rows seen, or (n, K) where a Jacobian is wanted."""

    def __add__(self, other: Objective) -> Objective:
        return Sum((*_parts(self), *_parts(other)))

    def __sub__(self, other: Objective) -> Objective:
        return self + -other

    def __neg__(self) -> Objective:
        return Sum(tuple((-weight, part) for weight, part in _parts(self)))

    def __mul__(self, factor: float) -> Objective:
        return Sum(((float(factor), self),))

    def __rmul__(self, factor: float) -> Objective:
        return Sum(((float(factor), self),))

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, repr=False)
class Term(Objective):
    """One objective, made of its words and its function; the functions below give the usual ones."""

    words: str
    score: Callable[[Seen], Tensor]
    sites: frozenset[str] = frozenset()
    per_image: bool = True

    def __call__(self, seen: Seen) -> Tensor:
        """The scores; a term that mixes or loses images is told by its shape."""
        score = self.score(seen)
        if score.shape[:1] != seen.images.shape[:1] or score.ndim > 2:
            raise StriateError(
                f"objective {self.words} gave shape {tuple(score.shape)} for {len(seen.images)} images",
                accepted="one score per image",
            )
        return score

    def __repr__(self) -> str:
        return f"<objective {self.words}>"


@dataclass(frozen=True, repr=False)
class Sum(Objective):
    """A weighted sum of objectives, all read from the same pass."""

    parts: tuple[tuple[float, Objective], ...]

    @property
    def sites(self) -> frozenset[str]:  # type: ignore[override]
        """The union of what the parts read."""
        return frozenset().union(*(part.sites for _, part in self.parts))

    @property
    def per_image(self) -> bool:  # type: ignore[override]
        """Whether every part scores each image by itself."""
        return all(part.per_image for _, part in self.parts)

    @property
    def words(self) -> str:  # type: ignore[override]
        """The sum as one writes it."""
        text = ""
        for weight, part in self.parts:
            inner = f"({part.words})" if isinstance(part, Sum) else part.words
            term = inner if abs(weight) == 1 else f"{abs(weight):g} * {inner}"
            sign = "-" if weight < 0 else "+"
            text = f"{text} {sign} {term}" if text else f"-{term}" if weight < 0 else term
        return text

    def __call__(self, seen: Seen) -> Tensor:
        """The weighted sum of the parts' scores."""
        first, *others = (weight * part(seen) for weight, part in self.parts)
        return sum(others, start=first)

    def __repr__(self) -> str:
        return f"<objective {self.words}>"


def weighted(objective: Objective, weights: Tensor, words: str = "") -> Objective:
    """An objective times a weight of each row's own, (N,); ``words`` say what that is."""

    def score(seen: Seen) -> Tensor:
        own = objective(seen)
        return own_rows(weights, seen).to(own) * own

    return Term(words or f"own weight * ({objective.words})", score, objective.sites, objective.per_image)


@dataclass(frozen=True)
class _Renumbered:
    """A pass whose rows are some of an objective's."""

    seen: Seen
    rows: Tensor

    @property
    def images(self) -> Tensor:
        return self.seen.images

    @property
    def output(self) -> Tensor:
        return self.seen.output

    def __getitem__(self, site: str) -> Tensor:
        return self.seen[site]


def of_rows(objective: Objective, rows: Tensor) -> Objective:
    """An objective for some of its rows alone, (n,) int64: what is seen as row k counts as ``rows[k]``."""

    def score(seen: Seen) -> Tensor:
        return objective(_Renumbered(seen, rows.to(seen.rows.device)[seen.rows]))

    return Term(objective.words, score, objective.sites, objective.per_image)


def _parts(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    """The terms of a sum, or the objective itself: sums of sums print as one."""
    return objective.parts if isinstance(objective, Sum) else ((1.0, objective),)


def own_rows(values: Tensor, seen: Seen) -> Tensor:
    """The part of (N, ...) that belongs to the rows seen; (1, ...) stands for every row.

    Raises:
        StriateError: There are fewer than a row needs.
    """
    if len(values) == 1:
        return values
    rows = seen.rows.to(values.device)
    if bool((rows >= len(values)).any()):
        raise StriateError(
            f"{len(values)} targets for image {int(rows.max())}", accepted="one an image, or one for all"
        )
    return values[rows]
