"""One pass through a net with sites read, edited, or given another backward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError, UnknownNameError

from .interception import Call, Interception, paths_of
from .ops import first_tensor, grad_inputs, out_of_place, replace_tensors, written_in_place
from .site import Site
from .trace import Trace


class Edit(Protocol):
    """Changes the output of a site: gives what the net goes on with, of the same shape."""

    def __call__(self, site: Site, output: Tensor, rows: Tensor, /) -> Tensor:
        """The changed output; ``rows`` says which of all images these are."""
        ...


class Rule(Protocol):
    """Takes the place of an operation's backward."""

    def refuses(self, site: Site) -> str | None:
        """Why the rule cannot apply to this site, or None."""
        ...

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """Gradients by ``inputs``, in their order; those left off or None count as zero.

        ``inputs`` are the floating tensors that the operation took in (the activation, then weight and bias, but no
        buffers of the net), ``output`` is what it gave, and autograd knows how: inside a rule
        ``torch.autograd.grad(output, inputs, grad, retain_graph=True, allow_unused=True)`` is the true gradient.
        """
        ...


class Seen:
    """What one pass showed: the images, the output, and the sites that were read, by ``seen[site]``."""

    def __init__(
        self, images: Tensor, output: Any, rows: Tensor, values: Mapping[str, Tensor], *, stopped: str = ""
    ) -> None:
        self.images, self.rows = images, rows
        self._output, self._values, self._stopped = output, values, stopped

    @property
    def output(self) -> Any:
        """The net's output; a pass that stopped earlier has none and raises."""
        if self._stopped:
            raise StriateError(
                f"the pass stopped at {self._stopped!r}, the deepest site that was asked for, before the net's output",
                hint='read "output" too, or look with stop=False',
            )
        return self._output

    def __getitem__(self, site: str) -> Tensor:
        """The output of a site that was read, as the net went on with it; autograd knows where it comes from."""
        if site == "input":
            return self.images
        if site == "output":
            output = self.output
            assert isinstance(output, Tensor)
            return output
        if site not in self._values:
            raise UnknownNameError("site that was read", site, [*self._values, "input", "output"])
        return self._values[site]

    def __contains__(self, site: object) -> bool:
        return site in self._values or site == "input" or (site == "output" and not self._stopped)


@dataclass(frozen=True)
class Plan:
    """What a look does at which site, all names checked against a trace."""

    trace: Trace
    sites: Mapping[str, Site]
    read: Mapping[str, tuple[str, ...]]  # site to the names under which it was asked for
    edits: Mapping[str, Edit]
    rules: Mapping[str, Rule]
    last: str  # the site to stop at, or "" to go on to the output


def plan(
    trace: Trace, *, read: Iterable[str], edits: Mapping[str, Edit], rules: Mapping[str, Rule], stop: bool, net: str
) -> Plan:
    """Checks the names and finds the deepest site that is read.

    Raises:
        UnknownNameError: A name is no site of the net; the nearest are named, and how many there are.
        StriateError: A rule refuses a site.
    """
    sites = {site.name: site for site in trace.sites}

    def resolve(name: str, *, alias: bool = True) -> str:
        if name in sites or name in ("input", "output"):
            return name
        if alias and name in trace.aliases:
            return trace.aliases[name]
        raise UnknownNameError(
            "site", name, [*sites, *trace.aliases], hint=f"striate summary {net or 'NET'} lists all {len(sites)} sites"
        )

    asked: dict[str, list[str]] = {}
    for name in read:
        asked.setdefault(resolve(name), []).append(name)
    for name, rule in rules.items():
        site = sites.get(resolve(name, alias=False))
        reason = "it is no operation" if site is None else rule.refuses(site)
        if reason:
            raise StriateError(f"site {name!r}{f' ({site.op})' if site else ''}: {reason}")
    inner = [name for name in asked if name in sites]
    last = max(inner, key=trace.order.__getitem__) if inner and stop and "output" not in asked else ""
    return Plan(
        trace,
        sites,
        {name: tuple(names) for name, names in asked.items()},
        {resolve(name): edit for name, edit in edits.items()},
        dict(rules),
        last,
    )


class _Stop(BaseException):
    """Leaves the net at the deepest site; not an Exception, so that nothing inside the net catches it."""


def run(module: nn.Module, pixels: Tensor, rows: Tensor, todo: Plan) -> tuple[Any, dict[str, Tensor], str]:
    """One pass of ``module`` on normalised ``pixels``: output, what was read, and where it stopped ("" at the end)."""
    passing = _Passing(todo, rows, frozenset(id(each) for each in module.buffers()))
    stopped = ""
    output: Any = None
    try:
        with Interception(paths_of(module), passing.answer):
            output = module(pixels)
    except _Stop:
        stopped = todo.last
    output = replace_tensors(output, passing.current) if passing.swaps else output
    missing = [name for name in todo.read if name in todo.sites and name not in passing.values]
    if missing:
        raise StriateError(f"the net did not run {missing[0]!r} on these images, though it did on a zero image")
    values = {name: passing.values[site] for site, names in todo.read.items() if site in todo.sites for name in names}
    values.update({site: passing.values[site] for site in todo.read if site in todo.sites})
    return output, values, stopped


class _Passing:
    """Answers the calls of one pass.

    What was read must stay as it was, and stay on the way to the output, though the net may overwrite it in place. So
    an operation that would write into a tensor that is read, edited or ruled runs on a copy, and from then on the copy
    stands for the tensor wherever the net uses it again. Where the trace knows that the net writes through a view of
    what is read, the net goes on with a copy from the start.
    """

    def __init__(self, todo: Plan, rows: Tensor, buffers: frozenset[int]) -> None:
        self.todo, self.rows, self.buffers = todo, rows, buffers
        self.values: dict[str, Tensor] = {}
        self.swaps: dict[int, tuple[Tensor, Tensor]] = {}
        self.kept: dict[int, Tensor] = {}

    def current(self, tensor: Tensor) -> Tensor:
        while id(tensor) in self.swaps:
            tensor = self.swaps[id(tensor)][1]
        return tensor

    def answer(self, call: Call) -> Any:
        name = self.todo.trace.names.get(call.key, "")
        if self.swaps:
            args, kwargs = replace_tensors((call.args, call.kwargs), self.current)
            call = Call(call.func, args, kwargs, call.op, call.key)
        rule, edit = self.todo.rules.get(name), self.todo.edits.get(name)
        target = written_in_place(call.func, call.args, call.kwargs)
        copied = target is not None and (rule is not None or edit is not None or id(target) in self.kept)
        if target is not None:
            if rule is not None:
                target_copy = target  # a ruled operation makes its own copy
            elif copied:
                call, target_copy = _on_copy(call, target)
            else:
                self._save_from(target)
        output = call() if rule is None else self._ruled(call, self.todo.sites[name], rule)
        if edit is not None:
            output = self._edited(output, self.todo.sites[name], edit)
        if target is not None and copied:
            made = first_tensor(output)
            stands = target_copy if made is None else made
            if stands is not target:  # a dropout that is off gives what it took in
                self.swaps[id(target)] = (target, stands)
        return self._read(name, output) if name in self.todo.read else output

    def _read(self, name: str, output: Any) -> Any:
        value = first_tensor(output)
        assert value is not None
        self.values[name] = value
        self._keep(value)
        if name == self.todo.last:
            raise _Stop
        if name in self.todo.trace.written and isinstance(output, Tensor):
            self.swaps[id(value)] = (value, value.clone())
            return self.swaps[id(value)][1]
        return output

    def _keep(self, value: Tensor) -> None:
        self.kept[id(value)] = value

    def _save_from(self, target: Tensor) -> None:
        """Something else that shares memory with what was read is about to be written: keep the numbers."""
        if not self.kept:
            return
        place = target.untyped_storage().data_ptr()
        for name, value in self.values.items():
            if value.untyped_storage().data_ptr() == place:
                self.values[name] = value.clone()

    def _edited(self, output: Any, site: Site, edit: Edit) -> Any:
        before = first_tensor(output)
        assert before is not None
        after = edit(site, before, self.rows)
        if not isinstance(after, Tensor) or after.shape != before.shape:
            given = tuple(after.shape) if isinstance(after, Tensor) else type(after).__name__
            raise StriateError(f"the edit of {site.name!r} gave {given}", accepted=f"a tensor {tuple(before.shape)}")
        if after.dtype != before.dtype:
            after = after.to(before.dtype)
        return after if isinstance(output, Tensor) else type(output)((after, *output[1:]))

    def _ruled(self, call: Call, site: Site, rule: Rule) -> Any:
        inputs = [each for each in grad_inputs(call.args, call.kwargs) if id(each) not in self.buffers]
        output = _Ruled.apply(call, site, rule, *inputs)
        self._keep(output)
        return output


def _on_copy(call: Call, target: Tensor) -> tuple[Call, Tensor]:
    """The call with what it overwrites copied, or asked to overwrite nothing, which saves the copy."""
    asked = out_of_place(call.func, call.args, call.kwargs)
    if asked is not None:
        return Call(call.func, *asked, call.op, call.key), target
    copy = target.clone()
    args, kwargs = replace_tensors((call.args, call.kwargs), lambda each: copy if each is target else each)
    return Call(call.func, args, kwargs, call.op, call.key), copy


class _Ruled(torch.autograd.Function):
    """An operation whose forward is its own and whose backward is a rule's."""

    @staticmethod
    def forward(ctx: Any, call: Call, site: Site, rule: Rule, *inputs: Tensor) -> Tensor:
        """The operation on inputs of its own, whose graph the rule may use."""
        own = {id(each): each.detach().requires_grad_() for each in inputs}
        args, kwargs = replace_tensors((call.args, call.kwargs), lambda each: own.get(id(each), each))
        with torch.enable_grad():
            target = written_in_place(call.func, args, kwargs)
            asked = None if target is None else out_of_place(call.func, args, kwargs)
            if asked is not None:
                args, kwargs = asked
            elif target is not None:  # a leaf cannot be written into
                fresh = target.clone()
                args, kwargs = replace_tensors((args, kwargs), lambda each: fresh if each is target else each)
            output = call.func(*args, **kwargs)
        if not isinstance(output, Tensor):
            raise StriateError(f"site {site.name!r} ({site.op}) gives several tensors", accepted="one for a rule")
        ctx.site, ctx.rule, ctx.inputs, ctx.output = site, rule, tuple(own.values()), output
        return output.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """What the rule gives for the inputs."""
        given = list(ctx.rule(ctx.site, ctx.inputs, ctx.output, grad))
        if len(given) > len(ctx.inputs):
            raise StriateError(
                f"the rule at {ctx.site.name!r} gave {len(given)} gradients", accepted=f"at most {len(ctx.inputs)}"
            )
        for each, taken in zip(given, ctx.inputs, strict=False):
            if each is not None and each.shape != taken.shape:
                raise StriateError(
                    f"the rule at {ctx.site.name!r} gave a gradient {tuple(each.shape)}",
                    accepted=f"the shape of its input, {tuple(taken.shape)}",
                )
        return (None, None, None, *given, *[None] * (len(ctx.inputs) - len(given)))
