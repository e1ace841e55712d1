"""What a data set is asked for with, and the places where named ones are looked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress

from .division import Division

VARIABLE = "STRIATE_DATA"


@dataclass(frozen=True)
class Request:
    """Everything that a builder of splits may need.

    Attributes:
        name: The name as given, with its options: ``"shapes:64:objects=3"``.
        roots: Folders where files are looked for, in this order; downloads go to the first.
        seed: Seed of splits and of drawn data.
        partial: Take a file that holds less than the whole data set.
        skip_broken: Leave out files that cannot be read.
        download: Fetch what is missing.
        division: How undivided data are to be divided; None for 60/20/20.
        layout: The layout that a folder or archive is read by; "" for the first that fits.
        progress: How downloads and the reading of many files are shown.
        unlabelled: Take a folder of images that nothing gives a class.
    """

    name: str
    roots: tuple[Path, ...]
    seed: int = 0
    partial: bool = False
    skip_broken: bool = False
    download: bool = True
    layout: str = ""
    division: Division | None = None
    progress: Progress = SILENT
    unlabelled: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """What stands behind the name: ``("64", "objects=3")``."""
        return tuple(part.strip() for part in self.name.split(":")[1:])

    def bare(self) -> Request:
        """The same, after checking that no options were given.

        Raises:
            StriateError: There are some.
        """
        if self.options:
            raise StriateError(f"{self.name} has options", accepted=f"{self.name.split(':')[0]}, which takes none")
        return replace(self, name=self.name.split(":")[0])


def data_roots(root: str | Path | None = None) -> tuple[Path, ...]:
    """Where named data sets are looked for: ``root``, the folder in STRIATE_DATA, then ``~/.cache/striate/data``."""
    given = [root, os.environ.get(VARIABLE) or None, Path.home() / ".cache" / "striate" / "data"]
    return tuple(dict.fromkeys(Path(one).expanduser() for one in given if one is not None))
