"""How undivided data become train, dev and test: shares or folds, a seed, and a file that keeps the division."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.core.errors import StriateError
from striate.core.storage import write_text

if TYPE_CHECKING:
    from .dataset import Dataset, Splits

SHARES = (0.6, 0.2, 0.2)
PARTS = ("train", "dev", "test")
_FORM = "three numbers for train, dev and test, such as 60/20/20, 98/1/1 or .8/.1/.1"


@dataclass(frozen=True)
class Division:
    """How data are divided.

    Attributes:
        shares: Of train, dev and test; they sum to 1.
        fold: (k, of): test is fold k of so many equal ones, dev the next one, train the rest; None for shares.
        file: Where the division is kept: made there the first time, taken from there afterwards; None for nowhere.

    Raises:
        StriateError: Shares do not make a whole, or there is no such fold.
    """

    shares: tuple[float, float, float] = SHARES
    fold: tuple[int, int] | None = None
    file: Path | None = None

    def __post_init__(self) -> None:
        if len(self.shares) != 3 or min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise StriateError(f"shares are {self.shares}", accepted="three numbers of at least 0 that sum to 1")
        if self.fold is not None and not (self.fold[1] >= 3 and 1 <= self.fold[0] <= self.fold[1]):
            raise StriateError(
                f"fold is {self.fold[0]}/{self.fold[1]}", accepted="K/N with N at least 3, K from 1 to N"
            )

    @property
    def words(self) -> str:
        """``"split 60/20/20"``, or ``"fold 2 of 5"``."""
        if self.fold is not None:
            return f"fold {self.fold[0]} of {self.fold[1]}"
        return f"split {'/'.join(f'{100 * share:.6g}' for share in self.shares)}"


def parse_shares(text: str) -> tuple[float, float, float]:
    """Shares from ``60/20/20``, ``98/1/1``, ``.8/.1/.1`` or counts; what is given is divided by its sum.

    Raises:
        StriateError: Not three numbers of at least 0, or all 0.

    >>> parse_shares("98/1/1")
    (0.98, 0.01, 0.01)
    """
    try:
        given = [Fraction(part.strip()) for part in text.split("/")]
    except (ValueError, ZeroDivisionError):
        given = []
    if len(given) != 3 or min(given) < 0 or not sum(given):
        raise StriateError(f"shares are {text!r}", accepted=_FORM)
    total = sum(given)
    first, second, third = (float(part / total) for part in given)
    return first, second, third


def parse_fold(text: str) -> tuple[int, int]:
    """(k, of) from ``2/5``.

    Raises:
        StriateError: Not of that form.
    """
    which, _, of = text.partition("/")
    try:
        return int(which), int(of)
    except ValueError as error:
        raise StriateError(f"fold is {text!r}", accepted="K/N, such as 2/5") from error


def save_splits(splits: Splits, path: str | Path, *, division: Division | None = None, seed: int = 0) -> Path:
    """Write which image is in which part, by the names of the images, as JSON; gives the path.

    >>> from striate.data.load import load_splits
    >>> path = save_splits(load_splits("digits"), "/tmp/digits-splits.json")
    """
    parts = {part.split: [part.name_of(row) for row in range(len(part))] for part in splits}
    write_text(Path(path), splits_text(splits.train.name, parts, division=division, seed=seed))
    return Path(path)


def splits_text(
    name: str, parts: Mapping[str, Sequence[str]], *, division: Division | None = None, seed: int = 0
) -> str:
    """The file of `save_splits`, from the names of the images in each part."""
    how = division or Division()
    kept = {
        "striate_splits": 1,
        "data": name,
        "seed": seed,
        "shares": list(how.shares),
        "fold": list(how.fold) if how.fold else None,
        "parts": {part: list(parts.get(part, ())) for part in PARTS},
    }
    return json.dumps(kept, ensure_ascii=False, indent=1)


def read_rows(path: Path, data: Dataset, *, division: Division, seed: int) -> tuple[Sequence[int], ...]:
    """Rows of train, dev and test as a file of `save_splits` has them.

    Images that the file does not name go nowhere: they came later, and whoever reads the file wants the division that
    it holds. The caller says how many.

    Raises:
        StriateError: It is no such file, was made for other data or in another way, names an image twice, or images
            are gone.
    """
    kept = _kept(path)
    fold = list(division.fold) if division.fold else None
    asked = division != Division(file=division.file)
    if asked and (kept.get("fold") != fold or (fold is None and list(division.shares) != kept.get("shares"))):
        raise StriateError(
            f"{path.name} keeps {_words(kept)}, and {division.words} is asked for",
            hint="give another file, or leave the shares and the fold away",
        )
    if kept.get("seed") != seed and asked:
        raise StriateError(f"{path.name} was made with seed {kept.get('seed')}", hint="give another file")
    places = {data.name_of(row): row for row in range(len(data))}
    seen: dict[str, str] = {}
    gone: list[str] = []
    parts: list[list[int]] = []
    for part in PARTS:
        rows = []
        for name in kept["parts"][part]:
            if name in seen:
                raise StriateError(
                    f"{path.name} names {name} in {seen[name]} and in {part}", accepted="each image once"
                )
            seen[name] = part
            if name in places:
                rows.append(places[name])
            else:
                gone.append(name)
        parts.append(rows)
    if gone:
        shown = ", ".join(gone[:3])
        raise StriateError(
            f"{len(gone):,} of {len(seen):,} images that {path.name} names are not in {data.name}: {shown}",
            hint="give the file another name to divide the data anew",
        )
    return tuple(parts)


def _kept(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StriateError(f"{path} cannot be read: {error}", accepted="a file that --splits made") from error
    parts = kept.get("parts") if isinstance(kept, dict) and kept.get("striate_splits") == 1 else None
    good = isinstance(parts, dict) and all(
        isinstance(parts.get(part), list) and all(isinstance(name, str) for name in parts[part]) for part in PARTS
    )
    if not good:
        raise StriateError(f"{path} keeps no division of data", accepted="a file that --splits made")
    found: dict[str, Any] = kept
    return found


def _words(kept: dict[str, Any]) -> str:
    fold = kept.get("fold")
    if isinstance(fold, list) and len(fold) == 2:
        return f"fold {fold[0]} of {fold[1]}"
    shares = kept.get("shares")
    return f"split {'/'.join(f'{100 * share:.6g}' for share in shares)}" if isinstance(shares, list) else "a division"
