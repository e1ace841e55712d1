"""The envelope that every verb returns: its payload, findings, origin, cost, files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from .codec import dumps, from_json, to_json
from .errors import StriateError
from .finding import Finding
from .storage import write_text

SCHEMA = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """Where a result comes from: all that is needed to make it again. No host names, no absolute paths.

    Attributes:
        command: The command line that does the same, ready to be copied.
        arguments: Arguments of the verb as given, paths shortened to their last part.
        seed: Seed of every random draw.
        versions: Of Striate, Python, torch and the rest that took part.
        device: ``"cpu"``, ``"cuda"``...
        threads: Threads that torch used.
        precision: ``"float32"``...
        memory_format: ``"channels_last"`` or ``"contiguous"``.
        net: Name, source and hash of the net's weights.
        data: Name, split, count and hash of the data.
        cites: BibTeX keys of methods, nets and data that took part.
        time: When it was made, ISO 8601 UTC.
    """

    command: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    threads: int | None = None
    precision: str = "float32"
    memory_format: str = ""
    net: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    cites: tuple[str, ...] = ()
    time: str = ""


@dataclass(frozen=True)
class Cost:
    """What a result took: passes of single images through the net, seconds of the clock, peak memory of the process."""

    forward: int = 0
    backward: int = 0
    seconds: float = 0.0
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Report(Generic[T]):
    """What a verb returns. It prints for people, saves as JSON and reads itself back.

    Attributes:
        verb: Name of the verb that made it.
        result: The verb's own payload, a frozen dataclass.
        findings: Most serious first.
        origin: How it was made.
        cost: What it took.
        files: What was written, name to path relative to the output folder.
        album: Pictures that belong to the result, name to PNG, WebP or PDF bytes; not in the JSON.
        arrays: Raw values that belong to the result, name to tensor; not in the JSON.
    """

    verb: str
    result: T
    findings: tuple[Finding, ...] = ()
    origin: Origin = field(default_factory=Origin)
    cost: Cost = field(default_factory=Cost)
    files: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA
    album: Mapping[str, bytes] = field(default_factory=dict, metadata={"json": False}, repr=False, compare=False)
    arrays: Mapping[str, Any] = field(default_factory=dict, metadata={"json": False}, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON data; keys are those of the fields."""
        data = to_json(self)
        if not isinstance(data, dict):  # a dataclass always gives an object
            raise TypeError("a report must encode to an object")
        return data

    def save(self, path: str | Path) -> Path:
        """Write the JSON, atomically; gives the path."""
        return write_text(Path(path), dumps(self) + "\n")

    def __str__(self) -> str:
        return dumps(self)


def read_report(path: str | Path, payload: type[T]) -> Report[T]:
    """Read what `Report.save` wrote; ``payload`` is the class of its result.

    Raises:
        StriateError: The file is missing, is not JSON, or is not such a report.
    """
    place = Path(path)
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise StriateError(f"cannot read {place.name}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StriateError(f"{place.name} is not JSON ({error})", accepted="a file written with --json") from error
    if not isinstance(data, dict) or "verb" not in data or "result" not in data:
        raise StriateError(f"{place.name} is JSON but no report", accepted="a file written with --json")
    schema = data.get("schema", 0)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise StriateError(
            f"{place.name} has schema {schema!r}, newer than this Striate reads ({SCHEMA})", hint="upgrade"
        )
    try:
        result = from_json(data["result"], payload)
        envelope: Report[Any] = from_json({**data, "result": None}, Report)
    except ValueError as error:
        raise StriateError(f"{place.name} does not hold a report of {payload.__name__}: {error}") from error
    return replace(envelope, result=result)
