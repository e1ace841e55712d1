"""Watch: around anybody's training loop, without a line of it changed; what was seen is held against the checks."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from torch import nn

from striate.core.finding import Finding

from .case import Case
from .check import Phase
from .diagnosis import Findings, diagnosis
from .payload import Diagnosis
from .recorder import Recorder
from .setup import Optimizers, Setup
from .start import short
from .trace import Trace

ASKED = 3  # times as many steps lie between one look of the checks at the run and the next
WIDTH = 92  # characters of a line of text beside the severity
SPOKEN = "error"  # severity from which on a finding is said while training runs

Speak = Callable[[str], None]


def watch(
    model: nn.Module,
    optimizer: Optimizers | None = None,
    loss_fn: Callable[..., Any] | None = None,
    *,
    train: Any = None,
    test: Any = None,
    scheduler: Any = None,
    average: nn.Module | None = None,
    pretrained: bool = False,
    preflight: bool = True,
    speak: Speak | None = None,
    quiet: bool = False,
) -> Watch:
    """A context manager that watches the training inside its block and says why it does not learn.

    >>> import torch, striate
    >>> model, x, y = torch.nn.Linear(4, 3), torch.randn(512, 4), torch.randint(3, (512,))
    >>> optimizer, loss_fn = torch.optim.SGD(model.parameters(), lr=0.1), torch.nn.CrossEntropyLoss()
    >>> with striate.watch(model, optimizer, loss_fn, train=(x, y), quiet=True) as doctor:
    ...     for _ in range(20):
    ...         optimizer.zero_grad()
    ...         loss_fn(model(x), y).backward()
    ...         optimizer.step()
    >>> [finding.check for finding in doctor.findings]
    ['labels-shuffled']

    Args:
        model: The model that is trained.
        optimizer: One or several.
        loss_fn: ``loss_fn(model(x), y)``.
        train: A loader, a data set, or a pair of tensors; nothing is used up.
        test: The same, of what is only measured on.
        scheduler: What changes the learning rate.
        average: The running mean of the weights.
        pretrained: Whether the weights were trained before: say so when you fine-tune.
        preflight: Whether data and model are looked at before the block begins (on copies).
        speak: Called with each serious finding's line when it is first seen; to stderr by default.
        quiet: Say nothing.

    Errors are said while the loop runs; ``print(doctor)`` after the block shows all that was found, with what to do.
    Whatever lacks switches off the checks that need it; ``doctor.result.checks_run`` names them with the reason. An
    exception of the loop passes through untouched; what was found until then is kept.
    """
    parts = Setup(model, optimizer, loss_fn, train, test, scheduler=scheduler, average=average, pretrained=pretrained)
    return Watch(parts, preflight=preflight, speak=None if quiet else (speak or to_stderr))


def to_stderr(line: str) -> None:
    """A line that is seen beside what the loop itself prints."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Watch:
    """A run that is being watched, or was; made by `watch`.

    Attributes:
        case: All that is known of the setup.
        findings: What was found so far, causes first, with what follows folded under them.
        faults: What went wrong in the watching itself; training never notices.
    """

    def __init__(
        self, setup: Setup, *, preflight: bool = True, speak: Speak | None = None, entrances: Sequence[nn.Module] = ()
    ) -> None:
        self.case = Case(setup, Trace())
        self._entrances = entrances
        self.faults: list[str] = []
        self._checked = Findings()
        self._preflight, self._speak = preflight, speak
        self._stack = ExitStack()
        self._next_look = 2
        self._said: set[str] = set()  # ids of findings that were spoken
        self._around = 0.0  # seconds of the looks before and after the block

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, causes first."""
        return tuple(self._checked.ordered())

    @property
    def seen(self) -> tuple[Finding, ...]:
        """The same one by one, in the order of the checks, nothing folded."""
        return tuple(finding for _, finding in self._checked.flat())

    @property
    def result(self) -> Diagnosis:
        """What was looked at, with the numbers."""
        return diagnosis(self.case, self._checked, around=self._around)

    @property
    def album(self) -> dict[str, bytes]:
        """Pictures that the findings speak of."""
        return self._checked.album

    def __str__(self) -> str:
        return "\n".join([self.result.verdict, *(paragraph(each) for each in self.findings)])

    def __enter__(self) -> Self:
        begun = time.perf_counter()
        if self._preflight:
            self._look(("data", "start"))
        else:  # once training has begun, the start cannot be looked at any more
            self.case.omit("start", "preflight=False")
        self._around = time.perf_counter() - begun
        self.recorder = Recorder(self.case.setup, self._trace, self._stepped, self.faults, self._entrances)
        self._stack.enter_context(self.recorder.attached())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trace.error = "" if error is None else short(error)
        self._stack.close()
        self.recorder.close()
        self.case.finished = True
        if error is None or isinstance(error, Exception):  # after Ctrl-C nobody waits for another look
            begun = time.perf_counter()
            self.case.lacks("end")  # looked at whether or not a check asks for it: the report shows it
            self._look(("run", "end"))
            self._around += time.perf_counter() - begun
            self._close()

    def _close(self) -> None:
        """One line at the end, where something serious was seen that was not said yet."""
        rest = [each for each in self.findings if each.severity != "note" and each.id not in self._said]
        if rest and self._speak is not None:
            self._speak(f"{rest[0].severity:<8}{rest[0].seen} [{rest[0].check}]")
            more = f"{len(rest) - 1} more; " if len(rest) > 1 else ""
            self._speak(f"{'':8}{more}print the watch to see all with what to do")

    @property
    def _trace(self) -> Trace:
        assert self.case.trace is not None
        return self.case.trace

    def _stepped(self) -> None:
        """After a step that was looked into: what can be said by now; asked ever more rarely."""
        done = len(self._trace.steps)
        if done >= self._next_look:
            self._next_look = ASKED * done
            self._look(("run",))

    def _look(self, phases: Sequence[Phase]) -> None:
        try:
            self._say(self._checked.look(self.case, phases))
        except Exception as error:
            self.faults.append(short(error))

    def _say(self, new: Sequence[Finding]) -> None:
        if self._speak is None:
            return
        shown = {each.id for each in self.findings}
        for each in new:
            if each.severity == SPOKEN and each.id in shown:
                self._said.add(each.id)
                step = len(self._trace.steps)
                self._speak(line(each, f"step {step:,}" if step else "before the first step"))


def line(finding: Finding, when: str = "") -> str:
    """A finding in a line: severity, check, what was seen, what to do."""
    return f"{finding.severity:<8}{when}{': ' if when else ''}{finding.seen} {finding.mend} [{finding.check}]"


def paragraph(finding: Finding) -> str:
    """A finding in a few lines: what was seen, what to do, the code, what follows from it."""
    parts = [
        *textwrap.wrap(finding.seen, WIDTH),
        *textwrap.wrap(finding.mend, WIDTH),
        *(f"> {each}" for each in finding.code.splitlines()),
        *(each for below in finding.folded for each in textwrap.wrap(f"beside it: {below}", WIDTH)),
    ]
    return "\n".join(f"{finding.severity if index == 0 else '':<8}{each}" for index, each in enumerate(parts))
