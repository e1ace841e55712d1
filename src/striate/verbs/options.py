"""How a verb's arguments are written on a command line: help, parsing, and the options that verbs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from striate.core.errors import StriateError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from striate.core.image import Geometry
    from striate.data.dataset import Dataset, Splits
    from striate.nets.net import Net

    NetLike = str | Path | Net | nn.Module
    DataLike = str | Path | Dataset | Splits
    ImagesLike = str | Path | Sequence[str | Path] | Tensor
else:  # a signature is read without torch being loaded
    NetLike = DataLike = ImagesLike = object


@dataclass(frozen=True)
class Option:
    """One argument of a verb as the command line shows it.

    Attributes:
        help: One line.
        metavar: What stands for the value in the help.
        parse: Text to value; raises `StriateError` with the option's name for what it cannot read.
        default: Default of a shared option (a verb's own defaults stand in its signature).
        many: A positional that takes one or more values.
        bare: What an option means that is given without its value; None where it needs one.
    """

    help: str
    metavar: str = ""
    parse: Callable[[str], Any] | None = None
    default: Any = None
    many: bool = False
    bare: Any = None


def number(text: str, name: str = "radius") -> float:
    """A number, or a fraction such as ``8/255``."""
    try:
        return float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError) as error:
        raise StriateError(f"{name} is {text!r}", accepted="a number or a fraction such as 8/255") from error


def count(text: str, name: str = "count") -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError as error:
        raise StriateError(f"{name} is {text!r}", accepted="a whole number of at least 1") from error
    return at_least_one(value, name)


def _count(name: str) -> Callable[[str], int]:
    return lambda text: count(text, name)


def not_negative(text: str) -> int:
    """A whole number of at least 0."""
    try:
        value = int(text)
    except ValueError as error:
        raise StriateError(f"count is {text!r}", accepted="a whole number of at least 0") from error
    if value < 0:
        raise StriateError(f"count is {value}", accepted="a whole number of at least 0")
    return value


def at_least_one(value: int, name: str) -> int:
    """The value itself, or an error that names it."""
    if value < 1:
        raise StriateError(f"{name} is {value}", accepted="a whole number of at least 1")
    return value


def size_in_bytes(text: str) -> int:
    """Bytes from ``512MiB``, ``1GiB``, ``2e9``."""
    units = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 10**3, "mb": 10**6, "gb": 10**9, "b": 1, "": 1}
    lower = text.strip().lower()
    digits = lower.rstrip("kmgib")
    try:
        value = float(digits) * units[lower[len(digits) :]]
    except (ValueError, KeyError) as error:
        raise StriateError(f"memory is {text!r}", accepted="a size such as 512MiB or 2GiB") from error
    if value < 1 << 20:
        raise StriateError(f"memory is {text!r}", accepted="at least 1MiB")
    return int(value)


def words(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def numbers(text: str) -> tuple[float, ...]:
    """Numbers or fractions separated by commas."""
    return tuple(number(part) for part in words(text))


class Shared(TypedDict, total=False):
    """What every verb takes."""

    overwrite: Annotated[bool, Option("write over what stands there", default=False)]
    quiet: Annotated[bool, Option("no progress, no remarks", default=False)]


class Placed(Shared, total=False):
    """Where and how a verb computes."""

    seed: Annotated[int, Option("seed of every random draw", "N", default=0)]
    device: Annotated[str, Option("where to compute: cpu, cuda, cuda:1, mps", "NAME", default="cpu")]
    threads: Annotated[int | None, Option("threads to compute with (default: torch's choice)", "N", _count("threads"))]
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"],
        Option("arithmetic of the passes; float16 scales losses and leaves out steps that overflow", default="float32"),
    ]
    weights_root: Annotated[str | Path | None, Option("where weights are looked for first", "DIR")]


class Computing(Placed, total=False):
    """What verbs take that pass images through a net."""

    batch: Annotated[int | None, Option("most images a pass (default: as the memory allows)", "N", _count("batch"))]
    memory: Annotated[int, Option("memory beside the net, such as 512MiB", "SIZE", size_in_bytes, default=1 << 30)]


class Source(Shared, total=False):
    """Where labelled images come from."""

    limit: Annotated[int | None, Option("only the first N images", "N", _count("limit"))]
    workers: Annotated[int, Option("processes that decode images", "N", not_negative, default=0)]
    data_root: Annotated[str | Path | None, Option("where named data sets are looked for first", "DIR")]
    partial: Annotated[bool, Option("accept a named data set of which only a part is there", default=False)]
    skip_broken: Annotated[bool, Option("leave out files that cannot be read", default=False)]
    layout: Annotated[str | None, Option("read a folder or archive by this layout, not by the first that fits", "NAME")]
    shares: Annotated[str | None, Option("divide undivided data so (default: 60/20/20)", "A/B/C")]
    fold: Annotated[str | None, Option("divide undivided data into N folds, and test on fold K", "K/N")]
    splits: Annotated[str | Path | None, Option("file that keeps the division: made once, then reused", "FILE")]


class Learning(Placed, Source, total=False):
    """What verbs take that train a net."""

    batch: Annotated[int | None, Option("images a step (default: the recipe's)", "N", _count("batch"))]


def geometry(text: str) -> Geometry:
    """How images are brought to a net: ``256:224`` (short side, then the middle), ``224`` (as a square, whole)."""
    from striate.core.image import Geometry

    parts = text.split(":")
    try:
        sides = [int(part) for part in parts]
    except ValueError:
        sides = []
    if len(sides) not in {1, 2} or min(sides) < 1 or sides[-1] > sides[0]:
        raise StriateError(
            f"geometry is {text!r}", accepted="RESIZE:CROP such as 256:224, or one side such as 224", hint="in pixels"
        )
    if len(sides) == 1:
        return Geometry((sides[0], sides[0]), crop="none")
    return Geometry((sides[1], sides[1]), resize=sides[0])


class OnData(Computing, Source, total=False):
    """What verbs take that pass one split of a data set through a net."""

    geometry: Annotated[
        str | None, Option("bring images to the net so: short side, then the middle (default: the net's)", "256:224")
    ]
    split: Annotated[Literal["train", "dev", "test"], Option("which split to take", default="test")]


OutArgument = Annotated[str | Path | None, Option("folder for the report, its pictures and its citations", "DIR")]
NetArgument = Annotated[
    NetLike, Option("SOURCE/ARCH[.WEIGHTS|.random|@FILE], a run folder, or FILE.py:function", "NET")
]
DataArgument = Annotated[DataLike, Option("name of a data set, a folder, or FILE.py:function", "DATA")]
