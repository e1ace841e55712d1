"""The executed operations of a net on one zero image: names, order, shapes, windows, costs, receptive fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .costs import multiply_adds
from .interception import Call, Interception, Key, paths_of
from .ops import BOOKKEEPING, FORM_ONLY, first_tensor, tensors_in, written_in_place
from .reach import Reach, follow
from .site import WHOLE, Pair, Site


@dataclass(frozen=True)
class Trace:
    """How a net executes on one image.

    Attributes:
        sites: Every executed operation, in order.
        names: Name of the site for the key of a call; calls without a name are no sites.
        order: Place of a site in the execution.
        aliases: Path of a module with children to the site that makes its output: ``layer4`` to ``layer4.1.relu#1``.
        bytes_of: Bytes of a site's output for one image.
        written: Sites whose output is later overwritten in place through a view of it.
        shape: Shape of the net's output for one image, None where it is no tensor.
    """

    sites: tuple[Site, ...]
    names: Mapping[Key, str]
    order: Mapping[str, int]
    aliases: Mapping[str, str]
    bytes_of: Mapping[str, int]
    written: frozenset[str]
    shape: tuple[int, ...] | None


def trace(module: nn.Module, images: Tensor) -> Trace:
    """The trace of ``module`` on ``images`` (one, already normalised); the module must be in eval mode."""
    recorder = _Recorder(module, images)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), recorder.interception:
        output = module(images)
    return recorder.finish(output)


@dataclass
class _Source:
    """Where a tensor comes from: sites (by place, -1 is the image), parameters not yet counted, its reach."""

    sites: tuple[int, ...] = ()
    parameters: tuple[int, ...] = ()
    reach: Reach | None = None

    @property
    def image(self) -> bool:
        return bool(self.sites)


@dataclass
class _Record:
    key: Key
    site: Site
    inputs: tuple[int, ...]
    bytes: int


class _Recorder:
    def __init__(self, module: nn.Module, images: Tensor) -> None:
        self.interception = Interception(paths_of(module), self.answer, self.left)
        self.childless = {path for path, each in module.named_modules() if next(each.children(), None) is None}
        self.sizes = {id(each): each.numel() for each in module.parameters()}
        self.counted: set[int] = set()
        self.records: list[_Record] = []
        self.sources: dict[int, _Source] = {id(images): _Source(sites=(-1,), reach=Reach((WHOLE, WHOLE)))}
        self.kept: list[Any] = [images]  # ids stay unique as long as the tensors live
        self.exact: dict[int, int] = {}
        self.memory: dict[int, list[tuple[int, int]]] = {}  # storage to the ids of outputs in it, with their sites
        self.written: set[int] = set()
        self.whole: list[tuple[str, int]] = []

    def source(self, tensor: Tensor) -> _Source:
        if id(tensor) in self.sizes:
            return _Source(parameters=(id(tensor),))
        return self.sources.get(id(tensor), _Source())

    def answer(self, call: Call) -> Any:
        taken = [(tensor, self.source(tensor)) for tensor in tensors_in((call.args, call.kwargs))]
        forms = [tuple(tensor.shape) for tensor, _ in taken]
        self.note_writing(call)
        output = call()
        self.kept.append((call.args, output))
        known = [(tensor, source) for tensor, source in taken if source.image or source.parameters]
        if not known or call.op in FORM_ONLY:
            return output
        parameters = tuple(dict.fromkeys(each for _, source in known for each in source.parameters))
        sites = tuple(dict.fromkeys(each for _, source in known for each in source.sites))
        made = first_tensor(output)
        if call.op == "setitem":
            self.sources[id(call.args[0])] = _Source(sites, parameters, None)
        elif made is not None and not sites:
            self.sources[id(made)] = _Source(parameters=parameters)
        elif made is not None:
            changed = [tensor for (tensor, _), form in zip(taken, forms, strict=True) if tuple(tensor.shape) != form]
            inputs = [(tensor, source.reach) for tensor, source in known if source.image]
            step = follow(call.op, call.args, call.kwargs, made, inputs) if not changed else None
            reach = step.reach if step else None
            if call.op in BOOKKEEPING:
                for each in tensors_in(output):
                    self.sources[id(each)] = _Source(sites, parameters, reach)
            else:
                place = self.record(call, made, sites, parameters)
                self.records[place].site = replace(
                    self.records[place].site,
                    window=step.window if step else None,
                    field=reach.fields if reach else None,
                )
                for each in tensors_in(output):
                    self.sources[id(each)] = _Source((place,), (), reach)
                self.exact[id(made)] = place
                self.memory.setdefault(_storage(made), []).append((id(made), place))
        return output

    def note_writing(self, call: Call) -> None:
        target = written_in_place(call.func, call.args, call.kwargs)
        if target is not None:
            others = self.memory.get(_storage(target), [])
            self.written.update(place for identity, place in others if identity != id(target))

    def record(self, call: Call, made: Tensor, sites: tuple[int, ...], parameters: tuple[int, ...]) -> int:
        fresh = [each for each in parameters if each not in self.counted]
        self.counted.update(fresh)
        site = Site(
            name="",
            op=call.op,
            inputs=(),
            shape=tuple(made.shape[1:]),
            parameters=sum(self.sizes[each] for each in fresh),
            macs=multiply_adds(call.op, call.args, call.kwargs, made),
            module=call.key[0],
        )
        self.records.append(_Record(call.key, site, sites, made.numel() * made.element_size()))
        return len(self.records) - 1

    def left(self, module: nn.Module, path: str, run: int, output: Any) -> None:
        del module, run
        if path and path not in self.childless and isinstance(output, Tensor) and id(output) in self.exact:
            self.whole.append((path, self.exact[id(output)]))

    def finish(self, output: Any) -> Trace:
        last = {record.key[:2]: place for place, record in enumerate(self.records)}
        # The image and the output have these names already, so a module called "output" becomes "output#1".
        seen: Counter[str] = Counter({"input": 1, "output": 1})
        names: list[str] = []
        for place, record in enumerate(self.records):
            path, _, op, _ = record.key
            stands_for_module = path in self.childless and path and last[record.key[:2]] == place
            called = f"{path}.{op}".lstrip(".")
            # A function called in a module that has a child of that name: "relu()" beside the child "relu".
            functional = f"{called}()" if called in self.childless else called
            names.append(_numbered(path if stands_for_module else functional, seen))
        sites = tuple(
            replace(
                record.site,
                name=name,
                inputs=tuple("input" if each < 0 else names[each] for each in record.inputs),
            )
            for record, name in zip(self.records, names, strict=True)
        )
        taken = set(names) | {"input", "output"}
        runs: Counter[str] = Counter()
        aliases = {}
        for path, place in self.whole:
            alias = _numbered(path, runs)
            if alias not in taken:
                aliases[alias] = names[place]
        return Trace(
            sites=sites,
            names={record.key: name for record, name in zip(self.records, names, strict=True)},
            order={name: place for place, name in enumerate(names)},
            aliases=aliases,
            bytes_of={name: record.bytes for record, name in zip(self.records, names, strict=True)},
            written=frozenset(names[place] for place in self.written),
            shape=tuple(output.shape[1:]) if isinstance(output, Tensor) else None,
        )


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _numbered(base: str, seen: Counter[str]) -> str:
    count = seen[base]
    seen[base] += 1
    return f"{base}#{count}" if count else base


def zero_image(module: nn.Module, channels: int, size: Pair) -> Tensor:
    """One image of zeros on the device and in the precision of the module."""
    like = next((each for each in module.parameters() if each.is_floating_point()), torch.zeros(()))
    return torch.zeros(1, channels, *size, device=like.device, dtype=like.dtype)
