"""Watch: around anybody's training loop, without a line of it changed; what was seen becomes a `Trace`.

What is hooked: the model's forward, the optimizers' steps, ``torch.autograd.backward``. All of it is only read, and
undone at the end of the block, so that training goes bit for bit as without. Most steps cost a few microseconds of
bookkeeping; some, ever rarer, are looked into (`Probe`), as long as that takes less than ``SHARE`` of the time.
"""

from __future__ import annotations

import math
import sys
import textwrap
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from striate.core.finding import Finding

from .case import Case
from .check import Phase
from .diagnosis import Findings, diagnosis
from .graph import read_graph
from .payload import Diagnosis
from .samples import Unreadable
from .setup import Optimizers, Setup
from .start import first_tensor, short
from .trace import Evaluation, Probe, Step, Trace

SHARE = 0.03  # of the time, from which on no further step is looked into
SURE_PROBES = 8  # steps that are looked into whatever they take
GROWTH = 1.3  # between one step that is looked into and the next, once they are rare
KEPT_INPUTS = 16  # samples of an evaluation's first batch that are kept
COUNTED = 16  # passes of an evaluation whose predictions are counted
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
    >>> model, x, y = torch.nn.Linear(4, 3), torch.randn(64, 4), torch.randint(3, (64,))
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
        pretrained: Whether the weights were trained before.
        preflight: Whether data and model are looked at before the block begins (on copies).
        speak: Called with each serious finding's line when it is first seen; to stderr by default.
        quiet: Say nothing.

    Whatever lacks switches off the checks that need it; `Watch.report` names them with the reason. An exception of the
    loop passes through untouched; what was found until then is kept.
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
        self._ended = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, causes first."""
        return tuple(self._checked.ordered())

    @property
    def result(self) -> Diagnosis:
        """What was looked at, with the numbers."""
        return diagnosis(self.case, self._checked)

    @property
    def album(self) -> dict[str, bytes]:
        """Pictures that the findings speak of."""
        return self._checked.album

    def __str__(self) -> str:
        return "\n".join([self.result.verdict, *(paragraph(each) for each in self.findings)])

    def __enter__(self) -> Self:
        if self._preflight:
            self._say(self._checked.look(self.case, ("data", "start")))
        else:  # once training has begun, the start cannot be looked at any more
            self.case.omit("start", "preflight=False")
        self.recorder = Recorder(self.case.setup, self._trace, self._stepped, self.faults, self._entrances)
        self._stack.enter_context(self.recorder.attached())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self.recorder.close()
        self._trace.error = "" if error is None else short(error)
        self.case.finished = True
        if error is None or isinstance(error, Exception):  # after Ctrl-C nobody waits for another look
            self.recorder._guarded(self._at_end)()
            self._look(("run", "end"))

    def _at_end(self) -> None:
        """The trained model on the samples, whether or not a check asks for it: the report shows it."""
        self.case.lacks("end")

    @property
    def _trace(self) -> Trace:
        assert self.case.trace is not None
        return self.case.trace

    def _stepped(self) -> None:
        """After a step that was looked into: what can be said by now."""
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


class Recorder:
    """Writes a run into a trace by hooks; `attached` undoes them.

    ``entrances`` are modules whose calls count as passes of the model, where loops call them instead of the model.
    """

    def __init__(
        self,
        setup: Setup,
        trace: Trace,
        stepped: Callable[[], None],
        faults: list[str],
        entrances: Sequence[nn.Module] = (),
    ) -> None:
        self.entrances = (setup.model, *entrances)
        self.depth = 0
        self.setup, self.trace, self.stepped, self.faults = setup, trace, stepped, faults
        self.begun = time.perf_counter()
        named = list(setup.core.named_parameters())
        self.names = {id(each): name for name, each in named}
        self.parameters = dict(named)
        self.pending: list[tuple[int, bool, Tensor | None]] = []  # passes with a graph since the last backward
        self.usual: int | None = None  # such passes that a step has
        self.backwards = 0
        self.kept = False
        self.loss: Tensor | float = math.nan
        self.marks: dict[int, tuple[int, int]] = {}  # of some parameters: gradient and its version after a step
        self.backs: dict[int, tuple[int, int]] = {}  # the same after a backward
        self.some: list[int] = []
        self.skipped = self.again = self.inside = 0
        self.root: Tensor | None = None  # the last loss, held so that its memory stays its own
        self.stepping = False  # inside an optimizer's step, where a closure may run backward
        self.heard = False  # whether the backward under way is of this model
        self.scaled = False  # whether a gradient scaler multiplies the loss
        self.scale = 1.0
        self.probe: Probe | None = None
        self.next_probe = 0
        self.held: dict[str, Tensor] = {}
        self.evaluation: Evaluation | None = None

    @contextmanager
    def attached(self) -> Any:
        """Inside, the run is written down; afterwards every hook is gone."""
        hooked = [each for each in self.setup.optimizers if isinstance(each, torch.optim.Optimizer)]
        with ExitStack() as stack:
            for handle in (
                *(
                    each.register_forward_pre_hook(self._guarded(self._before_forward), with_kwargs=True)
                    for each in self.entrances
                ),
                *(
                    each.register_forward_hook(self._guarded(self._after_forward), always_call=True)
                    for each in self.entrances
                ),
                *(each.register_step_pre_hook(self._guarded(self._before_step)) for each in hooked),
                *(each.register_step_post_hook(self._guarded(self._after_step)) for each in hooked),
            ):
                stack.callback(handle.remove)
            stack.enter_context(_listening(self))
            yield self

    def close(self) -> None:
        """The last bookkeeping, once the hooks are gone."""
        self.trace.elapsed = time.perf_counter() - self.begun
        if self.pending:
            self._evaluated(self.pending)
        self.pending = []
        now = {id(each): name for name, each in self.setup.core.named_parameters()}
        self.trace.changed = now != self.names
        self.held = {}

    def begin_step(self) -> None:
        """For trainers whose passes no hook sees: a step begins, with its pass in training mode."""
        self._guarded(self._begun)()

    def end_step(self) -> None:
        """The same step is over."""
        self._guarded(self._after_step)(None)

    def _begun(self) -> None:
        self.trace.passes += 1
        self.pending = [(0, True, None)]
        if self.probe is None and self._due():
            self.probe = Probe(len(self.trace.steps))
            self.held = {name: each.detach().clone() for name, each in self.parameters.items()}

    def _guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """A hook that never raises into somebody's training, and whose time is counted."""

        def hook(*args: Any, **kwargs: Any) -> None:
            begun = time.perf_counter()
            try:
                call(*args, **kwargs)
            except Exception as error:
                if len(self.faults) < 20:
                    self.faults.append(f"{call.__name__}: {short(error)}")
            self.trace.seconds += time.perf_counter() - begun

        return hook

    # passes forward

    def _before_forward(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.depth += 1
        if self.depth > 1:
            return
        self.trace.passes += 1
        given = next((each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)), None)
        count = 0 if given is None or given.dim() == 0 else len(given)
        if torch.is_grad_enabled():
            first = None if given is None else given[:KEPT_INPUTS].detach()
            self.pending.append((count, model.training, first))
            if len(self.pending) > 64:  # a long test with gradients: the first passes are evaluations by now
                self._evaluated(self.pending[:32])
                self.pending = self.pending[32:]
            if self.probe is None and self._due():
                self.probe = Probe(len(self.trace.steps))
                self._modes(self.probe, given)
            return
        self._count_evaluation(count, model.training, given, graph=False)

    def _after_forward(self, _model: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        self.depth = max(0, self.depth - 1)
        if self.depth or torch.is_grad_enabled() or self.evaluation is None or self.evaluation.passes > COUNTED:
            return
        if output is None:  # the pass raised
            return
        try:
            scores = first_tensor(output)
        except Unreadable:
            return
        if scores.dim() == 2 and 1 < scores.shape[1] <= 10_000:
            for each, n in enumerate(torch.bincount(scores.argmax(1)).tolist()):
                if n:
                    self.evaluation.predicted[each] = self.evaluation.predicted.get(each, 0) + n

    def _count_evaluation(self, count: int, training: bool, given: Tensor | None, *, graph: bool) -> None:
        at = len(self.trace.steps)
        if self.evaluation is None or self.evaluation.step != at:
            self.evaluation = Evaluation(at)
            self.trace.evaluations.append(self.evaluation)
        one = self.evaluation
        one.training = (one.training * one.passes + training) / (one.passes + 1)
        one.graphs = (one.graphs * one.passes + graph) / (one.passes + 1)
        one.passes += 1
        one.samples += count
        if one.first is None and given is not None and given.dim() > 0:
            one.first = given[:KEPT_INPUTS].detach().cpu().clone()

    def _evaluated(self, passes: list[tuple[int, bool, Tensor | None]]) -> None:
        for count, training, first in passes:
            self._count_evaluation(count, training, first, graph=True)

    def _due(self) -> bool:
        step, trace = len(self.trace.steps), self.trace
        if step < self.next_probe:
            return False
        elapsed = time.perf_counter() - self.begun
        return len(trace.probes) < SURE_PROBES or trace.seconds < SHARE * elapsed

    def _modes(self, probe: Probe, given: Tensor | None) -> None:
        norms = [each for each in self.setup.core.modules() if isinstance(each, _NormBase)]
        drops = [each for each in self.setup.core.modules() if isinstance(each, _DropoutNd) and each.p > 0]
        probe.modes = (
            sum(each.training for each in norms) / len(norms) if norms else None,
            sum(each.training for each in drops) / len(drops) if drops else None,
        )
        if given is not None and torch.is_autocast_enabled(given.device.type):
            probe.half = str(torch.get_autocast_dtype(given.device.type)).partition(".")[2]
        counted = [int(each.num_batches_tracked) for each in norms if each.num_batches_tracked is not None]
        probe.tracked = max(counted, default=None)
        if given is not None and given.is_floating_point() and given.numel() > 1:
            value = given.detach()
            probe.inputs = (float(value.mean()), float(value.float().std()))
            probe.shape = tuple(given.shape)

    # passes back

    def before_backward(self, loss: Tensor) -> None:
        """A backward from ``loss`` is about to begin."""
        self.inside += self.stepping
        self.heard = bool(self.pending) or self.probe is not None or self.backwards > 0
        if not self.heard:
            return  # of another model
        first = self.backwards == 0
        if first:
            self._settle()
            self.kept = bool(self.marks) and all(self._untouched(each) for each in self.marks)
        elif self.backs and not self.stepping and all(self._cleared(each) for each in self.backs):
            self.skipped, self.backwards = self.skipped + 1, 0
            self.trace.skipped += 1
        self.trace.backwards += 1
        self.again += not first and self.root is not None and self.root.data_ptr() == loss.data_ptr()
        self.root = loss.detach()
        factor = _factor(loss)
        if self.probe is not None or self.trace.backwards <= SURE_PROBES:  # asking a GPU for its value costs time
            self.scale = _scale(factor)
            self.scaled = self.scale > 1
        value = loss.detach() if loss.numel() == 1 else math.nan
        self.loss = value / factor if self.scaled and factor is not None else value
        if self.probe is not None and (first or self.probe.graph is None):
            graph = read_graph(loss)
            self.probe.graph = graph
            if graph is not None and graph.target is not None and graph.logits is not None:
                self._count_right(self.probe, graph.logits, graph.target)

    def _settle(self) -> None:
        """Passes with a graph that this backward is not of were a test that forgot `torch.no_grad`."""
        count = len(self.pending)
        self.usual = count if self.usual is None else min(self.usual, count) or count
        if self.usual and count > self.usual:
            self._evaluated(self.pending[: count - self.usual])
            self.pending = self.pending[count - self.usual :]

    def _count_right(self, probe: Probe, logits: Tensor, target: Tensor) -> None:
        if logits.dim() == 2 and target.dim() == 1 and not target.is_floating_point() and len(logits) == len(target):
            named = logits.argmax(1)
            probe.accuracy = float((named == target).float().mean())
            probe.predicted = tuple(torch.bincount(named, minlength=logits.shape[1]).tolist())

    def after_backward(self) -> None:
        """A backward is over."""
        if not self.heard:
            return
        self.backwards += 1
        self.backs = {key: (id(grad), grad._version) for key in self._some() if (grad := self._grad(key)) is not None}
        if self.probe is not None:
            self.probe.before, self.probe.scale = self._total() / self.scale, self.scale
            if self.probe.half == "float16":
                self.probe.zeros = self._zeros()

    def _grad(self, key: int) -> Tensor | None:
        return self.parameters[self.names[key]].grad

    def _some(self) -> list[int]:
        """Keys of four to seven parameters that have a gradient; the same as long as they have."""
        if not self.some or any(self._grad(key) is None for key in self.some):
            found = [key for key in self.names if self._grad(key) is not None]
            self.some = found[:: max(1, len(found) // 4)]
        return self.some

    def _cleared(self, key: int) -> bool:
        """Whether a gradient that a backward left is gone, or was set to 0, before the next one."""
        grad = self._grad(key)
        return grad is None or ((id(grad), grad._version) != self.backs[key] and not bool(grad.any()))

    def _zeros(self) -> float:
        found = [each.grad for each in self.parameters.values() if each.grad is not None and not each.grad.is_sparse]
        count = sum(each.numel() for each in found)
        return sum(int((each == 0).sum()) for each in found) / count if count else 0.0

    def _total(self) -> float:
        found = [each.grad for each in self.parameters.values() if each.grad is not None and not each.grad.is_sparse]
        return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(found)))) if found else 0.0

    def _untouched(self, key: int) -> bool:
        parameter = self.parameters[self.names[key]]
        grad, mark = parameter.grad, self.marks[key]
        return grad is not None and (id(grad), grad._version) == mark

    # steps

    def _before_step(self, _optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self.stepping = True
        if self.probe is None and self._due() and (args or kwargs.get("closure")):
            self.probe = Probe(len(self.trace.steps))  # a closure: passes forward and back come within the step
        if self.probe is None:
            return
        self.held = {name: each.detach().clone() for name, each in self.parameters.items()}
        if not args and not kwargs.get("closure"):
            self._gradients(self.probe)

    def _gradients(self, probe: Probe) -> None:
        """Gradients as the optimizer takes them."""
        with torch.no_grad():
            found = {name: each for name, each in self.parameters.items() if each.grad is not None}
            norms = (
                torch._foreach_norm([each.grad for each in found.values() if each.grad is not None]) if found else []
            )
            known = dict(zip(found, (float(each) for each in norms), strict=True))
            probe.gradients = {name: known.get(name) for name in self.parameters}
            probe.finite = all(math.isfinite(each) for each in known.values())
            probe.after = math.sqrt(sum(each**2 for each in known.values()))

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.stepping = False
        step = len(self.trace.steps)
        count, training = (self.pending[-1][0], self.pending[-1][1]) if self.pending else (0, self.setup.model.training)
        every = self.setup.optimizers
        self.trace.steps.append(
            Step(
                number=step,
                loss=self.loss,
                rates=tuple(float(group["lr"]) for each in every for group in each.param_groups if "lr" in group),
                batch=count,
                backwards=self.backwards,
                training=training,
                kept=self.kept,
                second=time.perf_counter() - self.begun,
                optimizer=next((index for index, each in enumerate(every) if each is optimizer), 0),
                skipped=self.skipped,
                again=self.again,
                inside=self.inside,
                passes=len(self.pending),
            )
        )
        self.pending, self.backwards, self.kept = [], 0, False
        self.marks = {key: (id(grad), grad._version) for key in self._some() if (grad := self._grad(key)) is not None}
        self.backs, self.root, self.skipped, self.again, self.inside = {}, None, 0, 0, 0
        if self.probe is not None:
            self._finish(self.probe)

    def _finish(self, probe: Probe) -> None:
        if not probe.gradients:
            self._gradients(probe)
        with torch.no_grad():
            names = list(self.held)
            olds = [self.held[name] for name in names]
            news = [self.parameters[name].detach() for name in names]
            if names:
                weights = torch._foreach_norm(olds)
                updates = torch._foreach_norm(torch._foreach_sub(news, olds))
                probe.weights = dict(zip(names, (float(each) for each in weights), strict=True))
                probe.updates = dict(zip(names, (float(each) for each in updates), strict=True))
        self.held, self.probe = {}, None
        self.trace.probes.append(probe)
        done = len(self.trace.steps)
        self.next_probe = done if done < 4 else max(done + 1, int(done * GROWTH))
        self.stepped()


def _factor(loss: Tensor) -> Tensor | None:
    """The single number that a loss was multiplied by last, as a tensor, where there is one."""
    node = loss.grad_fn
    if node is None or not str(node.name()).startswith("MulBackward"):
        return None
    for name in ("_saved_other", "_saved_self"):
        factor = getattr(node, name, None)
        if isinstance(factor, Tensor) and factor.dim() <= 1 and factor.numel() == 1 and not factor.requires_grad:
            return factor if factor.dtype is not torch.float64 else None  # a number of Python's is no scaler's
    return None


def _scale(factor: Tensor | None) -> float:
    """The factor of a gradient scaler: a power of two of at least 8; 1 where it is none."""
    value = 1.0 if factor is None else float(factor)
    return value if value >= 8 and math.isfinite(value) and math.log2(value).is_integer() else 1.0


_LISTENERS: list[weakref.ref[Recorder]] = []
_ORIGINAL: list[Callable[..., Any]] = []


@contextmanager
def _listening(recorder: Recorder) -> Any:
    """Inside, the recorder hears of every backward. ``Tensor.backward`` and all that is built on it come through here.

    Blocks may overlap in any order: torch's own function comes back when the last of them ends.
    """
    mine = weakref.ref(recorder)
    if not _LISTENERS:
        _ORIGINAL.append(torch.autograd.backward)
        torch.autograd.backward = _heard
    _LISTENERS.append(mine)
    try:
        yield
    finally:
        _LISTENERS.remove(mine)
        if not _LISTENERS:
            torch.autograd.backward = _ORIGINAL.pop()


def _heard(tensors: Any, *args: Any, **kwargs: Any) -> Any:
    """Torch's backward, with those who listen told before and after."""
    loss = tensors[0] if isinstance(tensors, (tuple, list)) and tensors else tensors
    there = [each for ref in _LISTENERS if (each := ref()) is not None]
    for each in there:
        if isinstance(loss, Tensor):
            each._guarded(each.before_backward)(loss)
    result = _ORIGINAL[0](tensors, *args, **kwargs)
    for each in there:
        each._guarded(each.after_backward)()
    return result
