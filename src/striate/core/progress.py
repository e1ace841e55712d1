"""Progress for anything that takes over two seconds: bars with time left, plain lines in a log, or silence."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO, TypeVar

T = TypeVar("T")
Step = Callable[..., None]
PATIENCE = 2.0  # seconds before anything is shown
LOG_EVERY = 10.0  # seconds between lines in a log
REDRAWN = 0.2  # seconds between drawings of a bar that stands still


@dataclass(frozen=True)
class Progress:
    """How work in progress is shown.

    On a terminal a bar with rate and time left appears once a task has taken two seconds; in a log a plain line every
    ten seconds; with ``quiet`` nothing at all.
    """

    quiet: bool = False
    stream: TextIO | None = None

    @contextmanager
    def task(self, label: str, total: int, *, unit: str = "images") -> Iterator[Step]:
        """Gives ``step(count=1, note="")``, to be called as work gets done; ``note`` stands after the bar.

        ``step(0)`` says that work goes on where nothing can be counted: the bar appears, and its clock runs.
        """
        stream = self.stream or sys.stderr
        if self.quiet:
            yield idle
        elif stream.isatty():
            from tqdm import tqdm

            bar = tqdm(
                total=total, desc=label, unit=f" {unit}", file=stream, delay=PATIENCE, leave=False, dynamic_ncols=True
            )

            begun = time.monotonic()
            seen = [begun]

            def step(count: int = 1, note: str = "") -> None:
                if note:
                    bar.set_postfix_str(note, refresh=False)
                if count:
                    bar.update(count)
                elif (now := time.monotonic()) - seen[0] > (PATIENCE if seen[0] == begun else REDRAWN):
                    seen[0] = now
                    bar.refresh()

            try:
                yield step
            finally:
                bar.close()
        else:
            yield _Log(label, total, unit, stream).step

    def track(self, items: Iterable[T], label: str, total: int, *, unit: str = "images") -> Iterator[T]:
        """The items, one by one, each counted once it has been worked on."""
        with self.task(label, total, unit=unit) as step:
            for item in items:
                yield item
                step()

    def say(self, line: str) -> None:
        """One plain line, unless quiet."""
        if not self.quiet:
            print(line, file=self.stream or sys.stderr, flush=True)


SILENT = Progress(quiet=True)


def idle(count: int = 1, note: str = "") -> None:
    """A step that is shown to nobody."""
    del count, note


class _Log:
    def __init__(self, label: str, total: int, unit: str, stream: TextIO) -> None:
        self.label, self.total, self.unit, self.stream = label, total, unit, stream
        self.done, self.begun = 0, time.monotonic()
        self.said = self.begun

    def step(self, count: int = 1, note: str = "") -> None:
        self.done += count
        now = time.monotonic()
        if now - self.said < LOG_EVERY or not self.done:
            return
        self.said = now
        left = (now - self.begun) / self.done * max(self.total - self.done, 0)
        words = f"{self.label}: {self.done} of {self.total} {self.unit}, {left:.0f} s left"
        print(f"{words}{', ' + note if note else ''}", file=self.stream, flush=True)
