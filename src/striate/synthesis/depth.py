"""Layers of a net from the image to its output: how deep each is, how far its units are apart, which ones to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from striate.core.errors import StriateError
from striate.nets.look import plan
from striate.nets.net import Net
from striate.nets.ops import names
from striate.nets.site import Site
from striate.nets.stages import spread
from striate.nets.trace import Trace

ENOUGH = 8  # so many layers show how a net goes; with fewer, one looks a level deeper into its modules
MOST = 12
_FOLLOWS = names(  # a norm or an activation belongs to what it follows
    "batch_norm layer_norm group_norm instance_norm relu relu6 gelu silu sigmoid tanh hardtanh hardswish leaky_relu "
    "elu selu celu mish prelu softplus hardsigmoid"
)
_MOVES = names("dropout flatten reshape view permute transpose squeeze unsqueeze")  # the same numbers


@dataclass(frozen=True)
class Layer:
    """A layer of a net on images of one size.

    Attributes:
        name: As asked for: a site, a module path, ``"output"``.
        depth: Share of the executed operations up to here, above 0, at most 1.
        stride: Input pixels from one unit to the next; the image's mean side where there is one place alone.
    """

    name: str
    depth: float
    stride: float


def layers_of(net: Net, size: tuple[int, int], asked: Sequence[str]) -> list[Layer]:
    """The layers of these names in the order in which they run, each once; the one name ``all`` is `through`'s.

    Raises:
        UnknownNameError: A name is no site; the nearest are named.
        StriateError: No name, a net without one tensor for its output.
    """
    trace = net.trace(size)
    wanted = through(trace) if tuple(asked) == ("all",) else list(dict.fromkeys(asked))
    if not wanted:
        raise StriateError(
            "no layer", accepted="sites, module paths, output, or all", hint=f"striate summary {net.name}"
        )
    if "input" in wanted:
        raise StriateError("the layer input is the image itself", accepted="a layer behind it")
    plan(trace, read=wanted, edits={}, rules={}, stop=False, net=net.name)
    return sorted((_layer(trace, name, size) for name in wanted), key=lambda layer: layer.depth)


def through(trace: Trace) -> list[str]:
    """About eight to twelve layers spread over a net's depth, the last of them ``"output"``.

    The parts of the net at the shallowest level of its modules that has eight of them at least (else at the level that
    has most), each by its last operation. A norm or an activation stands for the part that it follows, what only moves
    numbers is left out. Of more than twelve, twelve at even steps, the first and the output among them.
    """
    deepest = max((site.module.count(".") + 1 for site in trace.sites), default=1)
    found: list[Site] = []
    for level in range(1, deepest + 1):
        parts = _parts(trace, level)
        if len(parts) > len(found):
            found = parts
        if len(found) >= ENOUGH:
            break
    paths = {site: path for path, site in sorted(trace.aliases.items(), key=lambda each: -len(each[0]))}
    shown = [paths.get(site.name, site.name) for site in found]
    if trace.shape is None:
        return spread(shown, MOST)
    if found and math.prod(found[-1].shape) == math.prod(trace.shape):
        shown.pop()
    return [*spread(shown, MOST - 1), "output"]


def _parts(trace: Trace, level: int) -> list[Site]:
    """The last operation of each part at a level of the modules, in order."""
    parts: list[list[Site]] = []
    before = ""
    for site in trace.sites:
        path = site.module.split(".")
        own = ".".join(path[:level]) if site.module and len(path) >= level else site.name
        if own != before:
            parts.append([])
        parts[-1].append(site)
        before = own
    ends: list[Site] = []
    for part in parts:
        follows = all(site.op in _FOLLOWS for site in part) and ends and part[0].inputs[:1] == (ends[-1].name,)
        if follows:
            ends[-1] = part[-1]
        elif any(site.op not in _MOVES for site in part):
            ends.append(part[-1])
    return ends


def _layer(trace: Trace, name: str, size: tuple[int, int]) -> Layer:
    if name == "output":
        if trace.shape is None:
            raise StriateError("the output of this net is no single tensor", accepted="one of its layers")
        return Layer(name, 1.0, _stride(trace.shape, size))
    site = trace.aliases.get(name, name)
    place = trace.order[site]
    return Layer(name, (place + 1) / len(trace.sites), _stride(trace.sites[place].shape, size))


def _stride(shape: tuple[int, ...], size: tuple[int, int]) -> float:
    """Maps (C, H, W) have H * W places, tokens (L, C) have L, a vector has one."""
    places = math.prod(shape[1:]) if len(shape) > 2 else shape[0] if len(shape) == 2 else 1
    return math.sqrt(math.prod(size) / places)
