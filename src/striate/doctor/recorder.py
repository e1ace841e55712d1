"""Recorder: writes a run into a `Trace` by hooks that only read, and are gone afterwards.

Hooked are the model's forward, the optimizers' steps and ``torch.autograd.backward``, so training goes bit for bit as
without. Most steps cost some microseconds of bookkeeping; some, ever rarer, are looked into (`Probe`), as long as that
takes less than ``SHARE`` of the time. Hooks that are needed for those steps alone are there for those steps alone.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.hooks import RemovableHandle

from .graph import read_graph
from .samples import Unreadable
from .setup import Setup
from .start import first_tensor, short
from .trace import Evaluation, Probe, Step, Trace

SHARE = 0.02  # of the time, from which on no further step is looked into
SURE_PROBES = 8  # steps that are looked into whatever they take
GROWTH = 1.3  # between one step that is looked into and the next, once they are rare
KEPT_INPUTS = 16  # samples of an evaluation's first batch that are kept
COUNTED = 16  # passes of an evaluation whose predictions are counted
TIMED = 16  # every so many steps the bookkeeping itself is timed
PENDING = 64  # passes with a graph that may come before one backward


class Pass(NamedTuple):
    """One pass forward with a graph: its mode, its samples, its inputs as long as they are there."""

    training: bool
    samples: int
    inputs: Callable[[], Tensor | None]


class Recorder:
    """Writes a run into a trace by hooks; `attached` undoes them.

    ``entrances`` are modules whose calls count as passes of the model, where loops call them instead of the model.
    ``stepped`` is called after each step that was looked into.
    """

    def __init__(
        self,
        setup: Setup,
        trace: Trace,
        stepped: Callable[[], None],
        faults: list[str],
        entrances: Sequence[nn.Module] = (),
    ) -> None:
        self.setup, self.trace, self.stepped, self.faults = setup, trace, stepped, faults
        if type(setup.core).forward is nn.Module.forward:  # a holder of nets, never called itself
            entrances = entrances or tuple(setup.core.children())
        self.entrances = (setup.model, *entrances)
        self.optimizers = setup.optimizers
        self.begun = time.perf_counter()
        self.timed, self.weight = True, 1  # a step that is timed stands for so many
        self.looked = 0.0  # seconds spent on steps that were looked into
        named = list(setup.core.named_parameters())
        self.names = {id(each): name for name, each in named}
        self.parameters = dict(named)
        self.depth = 0
        self.pending: list[Pass] = []  # passes with a graph since the last backward
        self.usual: int | None = None  # such passes that a step has
        self.backwards = 0
        self.kept = False
        self.loss: Tensor | float = math.nan
        self.some: list[nn.Parameter] = []  # whose gradients are looked at to see whether they were cleared
        self.marks: list[tuple[int, int]] = []  # their gradients and versions after a step
        self.backs: list[tuple[int, int]] = []  # the same after a backward
        self.skipped = self.again = self.inside = 0
        self.root: Tensor | None = None  # the last loss, held so that its memory stays its own
        self.stepping = False  # inside an optimizer's step, where a closure may run backward
        self.closures = False  # whether steps are given closures: then the hook before each step stays
        self.heard = False  # whether the backward under way is of this model
        self.scaled = False  # whether a gradient scaler multiplies the loss
        self.scale = 1.0
        self.probe: Probe | None = None
        self.next_probe = 0
        self.held: dict[str, Tensor] = {}
        self.evaluation: Evaluation | None = None
        self.before = self.guarded(self._before_backward)
        self.after = self.guarded(self._after_backward)
        self._armed: list[RemovableHandle] = []
        self._asked: RemovableHandle | None = None

    @contextmanager
    def attached(self) -> Iterator[Recorder]:
        """Inside, the run is written down; afterwards every hook is gone."""
        before, after = self.guarded(self._before_forward), self.guarded(self._after_forward)
        with ExitStack() as stack:
            for each in self.entrances:
                stack.callback(each.register_forward_pre_hook(before, with_kwargs=True).remove)
                if len(self.entrances) > 1:  # calls within calls must be counted
                    stack.callback(each.register_forward_hook(after, always_call=True).remove)
            for optimizer in self._hooked():
                stack.callback(optimizer.register_step_post_hook(self.guarded(self._after_step)).remove)
            stack.callback(self._disarm)
            stack.enter_context(_listening(self))
            self._arm()
            yield self

    def close(self) -> None:
        """The last bookkeeping, once the hooks are gone."""
        self.trace.elapsed = time.perf_counter() - self.begun
        trained = self.backwards * (self.usual or 1)  # passes of gradients that were gathered, and no step came
        if not self.trace.error:  # else these may be of the step that failed
            self._evaluated(self.pending[trained:])
        self.pending = []
        now = {id(each): name for name, each in self.setup.core.named_parameters()}
        self.trace.changed = now != self.names
        self.held = {}

    def begin_step(self) -> None:
        """For trainers whose passes no hook sees: a step begins, with its pass in training mode."""
        self.guarded(self._begun)()

    def end_step(self) -> None:
        """The same step is over."""
        self.guarded(self._after_step)(None)

    def _begun(self) -> None:
        self.trace.passes += 1
        self.pending = [Pass(True, 0, _nothing)]
        if self.probe is None and self._due():
            self.probe = Probe(len(self.trace.steps))
            self._hold()

    def guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """A hook that never raises into somebody's training; its time is counted, in some steps for all."""

        def hook(*args: Any, **kwargs: Any) -> None:
            if not self.timed:
                try:
                    call(*args, **kwargs)
                except Exception as error:
                    self._failed(call, error)
                return
            begun, probed, spent = time.perf_counter(), self.probe is not None, self.trace.seconds
            try:
                call(*args, **kwargs)
            except Exception as error:
                self._failed(call, error)
            took = time.perf_counter() - begun - (self.trace.seconds - spent)
            looking = probed or self.probe is not None
            self.looked += took if looking else 0.0
            self.trace.seconds += took if looking else took * self.weight

        return hook

    def _failed(self, call: Callable[..., None], error: Exception) -> None:
        if len(self.faults) < 20:
            self.faults.append(f"{getattr(call, '__name__', 'hook')}: {short(error)}")

    def _hooked(self) -> list[torch.optim.Optimizer]:
        return [each for each in self.optimizers if isinstance(each, torch.optim.Optimizer)]

    def _arm(self) -> None:
        """The hooks that the next step needs only if it is looked into."""
        if not self._armed and len(self.trace.steps) >= self.next_probe:
            hook = self.guarded(self._before_step)
            self._armed = [each.register_step_pre_hook(hook) for each in self._hooked()]

    def _disarm(self) -> None:
        for each in (*self._armed, *([self._asked] if self._asked else [])):
            each.remove()
        self._armed, self._asked = [], None

    # passes forward

    def _before_forward(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.depth += len(self.entrances) > 1
        if self.depth > 1:
            return
        self.trace.passes += 1
        given = args[0] if args else next(iter(kwargs.values()), None)
        if not isinstance(given, Tensor):
            given = next((each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)), None)
        if torch.is_grad_enabled():
            known = self.usual is not None and len(self.pending) >= self.usual
            self.pending.append(Pass(model.training, _count(given), _held(given, keep=known)))
            if len(self.pending) > PENDING:  # a long test with gradients: the first passes are evaluations by now
                self._evaluated(self.pending[: PENDING // 2])
                self.pending = self.pending[PENDING // 2 :]
            if self.probe is None and len(self.trace.steps) >= self.next_probe and self._due():
                self.probe = Probe(len(self.trace.steps))
                self._modes(self.probe, given)
            return
        self._count_evaluation(model.training, given, graph=False)
        if len(self.entrances) == 1:
            if self._asked is not None:
                self._asked.remove()
            counted = self.evaluation is not None and self.evaluation.passes <= COUNTED
            self._asked = model.register_forward_hook(self.guarded(self._after_forward)) if counted else None

    def _after_forward(self, _model: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        self.depth = max(0, self.depth - 1)
        if self._asked is not None:
            self._asked.remove()
            self._asked = None
        one = self.evaluation
        if self.depth or output is None or one is None or torch.is_grad_enabled() or one.passes > COUNTED:
            return
        try:
            scores = first_tensor(output)
        except Unreadable:
            return
        if scores.dim() == 2 and 1 < scores.shape[1] <= 10_000:
            for each, n in enumerate(torch.bincount(scores.argmax(1)).tolist()):
                if n:
                    one.predicted[each] = one.predicted.get(each, 0) + n

    def _count_evaluation(self, training: bool, given: Tensor | None, *, graph: bool, count: int = 0) -> None:
        at = len(self.trace.steps)
        if self.evaluation is None or self.evaluation.step != at:
            self.evaluation = Evaluation(at)
            self.trace.evaluations.append(self.evaluation)
        one = self.evaluation
        one.training = (one.training * one.passes + training) / (one.passes + 1)
        one.graphs = (one.graphs * one.passes + graph) / (one.passes + 1)
        one.passes += 1
        one.samples += count or _count(given)
        if one.first is None and given is not None and given.dim() > 0:
            one.first = given[:KEPT_INPUTS].detach().cpu().clone()
        if given is not None and given.dim() > 0:
            one.last = given[:KEPT_INPUTS].detach().clone()

    def _evaluated(self, passes: Sequence[Pass]) -> None:
        for training, count, inputs in passes:
            self._count_evaluation(training, inputs(), graph=True, count=count)

    def _due(self) -> bool:
        trace = self.trace
        if len(trace.steps) < self.next_probe:
            return False
        return len(trace.probes) < SURE_PROBES or self.looked < SHARE * (time.perf_counter() - self.begun)

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
        if given is not None and given.dim() > 0:
            probe.first = given[:KEPT_INPUTS].detach().clone()
        if given is not None and given.is_floating_point() and given.numel() > 1:
            value = given.detach()
            probe.inputs = (float(value.mean()), float(value.float().std()))
            probe.shape = tuple(given.shape)

    # passes back

    def _before_backward(self, loss: Tensor) -> None:
        self.heard = bool(self.pending) or self.probe is not None or self.backwards > 0
        if not self.heard:
            return  # of another model
        self.inside += self.stepping
        first = self.backwards == 0
        if first:
            self._settle()
            self.kept = bool(self.marks) and self._versions() == self.marks
        elif self.backs and not self.stepping and self._cleared():
            self.skipped, self.backwards = self.skipped + 1, 0
            self.kept = False  # what lay there went with it: the step will not take it
            self.trace.skipped += 1
        self.trace.backwards += 1
        self.again += not first and self.root is not None and self.root.data_ptr() == loss.data_ptr()
        self.root = value = loss.detach()
        self.loss = value if value.numel() == 1 else math.nan
        looked = self.probe is not None or self.trace.backwards <= SURE_PROBES
        if looked or self.scaled:
            factor = _factor(loss)
            if looked:  # asking a GPU for its value costs time
                self.scale = _scale(factor)
                self.scaled = self.scale > 1
            if self.scaled and factor is not None:
                self.loss = value / factor
        known = None if self.probe is None else self.probe.graph  # perhaps of another net's loss
        if self.probe is not None and (first or known is None or known.reached.isdisjoint(self.names)):
            graph = read_graph(loss)
            self.probe.graph = graph
            if graph is not None and graph.target is not None and graph.logits is not None:
                _count_right(self.probe, graph.logits, graph.target)

    def _settle(self) -> None:
        """Passes with a graph that this backward is not of were a test that forgot `torch.no_grad`."""
        count = len(self.pending)
        if len(self.optimizers) > 1:  # their steps may have unlike numbers of passes
            return
        self.usual = count if self.usual is None else min(self.usual, count) or count
        if self.usual and count > self.usual:
            self._evaluated(self.pending[: count - self.usual])
            self.pending = self.pending[count - self.usual :]

    def _after_backward(self) -> None:
        if not self.heard:
            return
        self.backwards += 1
        self.backs = self._versions()
        if self.probe is not None:
            self.probe.before, self.probe.scale = self._total() / self.scale, self.scale
            if self.probe.half == "float16":
                self.probe.zeros = self._zeros()

    def _versions(self) -> list[tuple[int, int]]:
        """Of up to three gradients, which they are and how often they were written; the same three while they last."""
        if not self.some or self.some[0].grad is None:
            held = {id(one) for each in self._hooked() for group in each.param_groups for one in group["params"]}
            there = [each for each in self.parameters.values() if each.grad is not None]
            found = [each for each in there if id(each) in held or not held]  # others are never stepped
            self.some = [found[at] for at in sorted({0, len(found) // 2, len(found) - 1})] if found else []
        return [(id(each.grad), each.grad._version) for each in self.some if each.grad is not None]

    def _cleared(self) -> bool:
        """Whether gradients that a backward left are gone, or were set to 0, before the next one."""
        grads = [each.grad for each in self.some]
        if all(each is None for each in grads):
            return True
        now = [(id(each), each._version) for each in grads if each is not None]
        return now != self.backs and not any(bool(each.any()) for each in grads if each is not None)

    def _gradients_there(self) -> list[Tensor]:
        return [each.grad for each in self.parameters.values() if each.grad is not None and not each.grad.is_sparse]

    def _zeros(self) -> float:
        found = self._gradients_there()
        count = sum(each.numel() for each in found)
        return sum(int((each == 0).sum()) for each in found) / count if count else 0.0

    def _total(self) -> float:
        found = self._gradients_there()
        return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(found)))) if found else 0.0

    # steps

    def _before_step(self, _optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        closure = bool(args or kwargs.get("closure"))  # passes forward and back come within the step
        self.stepping, self.closures = True, self.closures or closure
        if self.probe is None and closure and self._due():
            self.probe = Probe(len(self.trace.steps))
        if self.probe is None or self.held:
            return
        self._hold()
        if not closure:
            self._gradients(self.probe)

    def _hold(self) -> None:
        self.held = {name: each.detach().clone() for name, each in self.parameters.items()}

    def _gradients(self, probe: Probe) -> None:
        """Gradients as the optimizer takes them."""
        with torch.no_grad():
            found = {name: each.grad for name, each in self.parameters.items() if each.grad is not None}
            norms = torch._foreach_norm(list(found.values())) if found else []
            known = dict(zip(found, (float(each) for each in norms), strict=True))
            probe.gradients = {name: known.get(name) for name in self.parameters}
            probe.finite = all(math.isfinite(each) for each in known.values())
            probe.after = math.sqrt(sum(each**2 for each in known.values()))

    def _after_step(self, optimizer: torch.optim.Optimizer | None, *_: Any) -> None:
        self.stepping = False
        steps, pending, every = self.trace.steps, self.pending, self.optimizers
        training, batch, inputs = pending[-1] if pending else (self.setup.model.training, 0, _nothing)
        given = inputs()
        steps.append(
            Step(
                number=len(steps),
                loss=self.loss,
                rates=tuple([float(group["lr"]) for each in every for group in each.param_groups if "lr" in group]),
                batch=batch,
                backwards=self.backwards,
                training=training,
                kept=self.kept,
                second=time.perf_counter() - self.begun,
                optimizer=0 if len(every) < 2 else next((i for i, one in enumerate(every) if one is optimizer), 0),
                skipped=self.skipped,
                again=self.again,
                passes=len(pending),
                alike=len(pending) > 1 and given is not None and all(one.inputs() is given for one in pending),
                inside=self.inside,
            )
        )
        self.pending, self.backwards, self.kept = [], 0, False
        self.marks = self._versions()
        self.backs, self.root, self.skipped, self.again, self.inside = [], None, 0, 0, 0
        if self.probe is not None:
            self._finish(self.probe)
        elif len(steps) >= self.next_probe:
            self._arm()
        self.weight = TIMED if len(steps) >= TIMED and len(steps) % TIMED == 0 else 1
        self.timed = self.weight > 1 or len(steps) < TIMED or len(steps) >= self.next_probe

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
        if not self.closures:
            self._disarm()
        self._arm()
        self.stepped()


def _nothing() -> None:
    """Inputs that nobody knows."""


def _held(given: Tensor | None, *, keep: bool) -> Callable[[], Tensor | None]:
    """Inputs to be asked for later: some of them where they are kept, else as long as the loop itself holds them.

    To hold a batch for longer would take the memory that the loop's next batch is about to use again.
    """
    if given is None or given.dim() == 0:
        return _nothing
    if not keep:
        return weakref.ref(given)
    some = given[:KEPT_INPUTS].detach().clone()
    return lambda: some


def _count(given: Tensor | None) -> int:
    return 0 if given is None or given.dim() == 0 else len(given)


def _count_right(probe: Probe, logits: Tensor, target: Tensor) -> None:
    if logits.dim() == 2 and target.dim() == 1 and not target.is_floating_point() and len(logits) == len(target):
        named = logits.argmax(1)
        probe.accuracy = float((named == target).float().mean())
        probe.predicted = tuple(torch.bincount(named, minlength=logits.shape[1]).tolist())


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
def _listening(recorder: Recorder) -> Iterator[None]:
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
    if not isinstance(loss, Tensor):
        return _ORIGINAL[0](tensors, *args, **kwargs)
    there = [each for ref in _LISTENERS if (each := ref()) is not None]
    for each in there:
        each.before(loss)
    result = _ORIGINAL[0](tensors, *args, **kwargs)
    for each in there:
        each.after()
    return result
