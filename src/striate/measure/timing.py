"""How long nets take and how much they keep: passes timed in turns, activations reckoned from what is executed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.metrics.intervals import LEVEL
from striate.metrics.significance import binomial_tail

from .compared import Timing

if TYPE_CHECKING:
    from striate.nets.net import Net

ROUNDS = 15
LEAST = 0.01  # seconds of one measurement: shorter passes are repeated
MOST = 0.25  # seconds of a pass up to which larger batches are tried
BATCHES = (2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, eq=False)
class _Bench:
    """A net, images it is timed on, and how often a pass is repeated."""

    net: Net
    images: Tensor
    repeats: int

    def milliseconds(self) -> float:
        """Time per image of one measurement."""
        begun = time.perf_counter()
        for _ in range(self.repeats):
            self.net(self.images)
        _wait(self.images)
        return 1000 * (time.perf_counter() - begun) / self.repeats / len(self.images)


def time_nets(
    nets: Sequence[Net], images: Sequence[Tensor], *, memory: int, rounds: int = ROUNDS, progress: Progress = SILENT
) -> list[tuple[Timing, Timing]]:
    """Milliseconds an image of each net: at one image a pass, and at the batch that is fastest.

    The nets take turns, so that what else the machine does falls on all; each figure is the median over the rounds with
    the interval of its order statistics. Passes are repeated until they take 10 ms, batches grow while a pass takes at
    most 0.25 s and fits the memory.

    Args:
        nets: On the device on which they are timed.
        images: For each net the images (n, C, H, W) it is timed on; no batch is larger than n.
        memory: Bytes beside the net.
        rounds: Measurements of each figure.
        progress: How progress is shown.
    """
    from striate.nets.undisturbed import undisturbed

    with ExitStack() as stack:
        for net in nets:
            stack.enter_context(undisturbed(net))
        stack.enter_context(torch.inference_mode())
        benches = [_benches(net, each, memory) for net, each in zip(nets, images, strict=True)]
        taken: list[tuple[list[float], list[float]]] = [([], []) for _ in nets]
        with progress.task("time", rounds * len(nets), unit="rounds") as step:
            for turn in range(rounds):
                for place in range(len(nets)):
                    row = (turn + place) % len(nets)
                    for kept, bench in zip(taken[row], benches[row], strict=True):
                        kept.append(bench.milliseconds())
                    step()
    return [
        (Timing(1, median(single)), Timing(len(bench[1].images), median(best)))
        for (single, best), bench in zip(taken, benches, strict=True)
    ]


def median(values: Sequence[float], *, level: float = LEVEL) -> Number:
    """The median with the narrowest interval of two order statistics that covers it at least this often.

    Source: Conover 1999, "Practical nonparametric statistics", section 3.2.
    """
    n, rising = len(values), sorted(values)
    if n == 0:
        return Number(None, n=0, why="nothing was measured")
    middle = (rising[(n - 1) // 2] + rising[n // 2]) / 2
    # how many values may be cut at each end: the median lies below the k-th smallest with the tail of a fair coin
    cut = -1
    while cut + 1 < n / 2 and 2 * binomial_tail(n - cut - 1, n, 0.5) <= 1 - level:
        cut += 1
    why = f"median of {n} rounds"
    if cut < 0:
        return Number(middle, n=n, why=f"{why}; too few for an interval")
    return Number(middle, rising[cut], rising[n - 1 - cut], n, f"{why}, interval by order statistics")


def peak_bytes(net: Net, size: tuple[int, int] | None) -> int:
    """Bytes of the outputs that are alive at once, for one image: each until the last operation that takes it in.

    What a kernel needs inside is not in it, and in-place operations count as if they made a new output.
    """
    found = net.trace(size)
    height, width = net.a_size(size)
    bytes_of = {"input": 4 * net.channels * height * width, **found.bytes_of}
    last = {name: place for place, site in enumerate(found.sites) for name in site.inputs}
    alive, peak = bytes_of["input"], 0
    for place, site in enumerate(found.sites):
        alive += bytes_of[site.name]
        peak = max(peak, alive)
        alive -= sum(bytes_of[name] for name in dict.fromkeys(site.inputs) if last[name] == place)
        if site.name not in last and place < len(found.sites) - 1:  # an output that nothing takes in
            alive -= bytes_of[site.name]
    return peak


def _benches(net: Net, images: Tensor, memory: int) -> tuple[_Bench, _Bench]:
    """At one image, and at the fastest batch, found by one pass each."""
    fits = min(len(images), net.batch_size((int(images.shape[2]), int(images.shape[3])), memory=memory))
    single = _Bench(net, images[:1], 1)
    single.milliseconds()  # the first pass also prepares what later ones reuse
    best, least = single, single.milliseconds()
    repeats = max(1, round(1000 * LEAST / max(least, 1e-6)))
    for batch in BATCHES:
        if batch > fits:
            break
        bench = _Bench(net, images[:batch], 1)
        bench.milliseconds()
        found = bench.milliseconds()
        if found < least:
            best, least = bench, found
        if found * batch > 1000 * MOST:
            break
    often = max(1, round(1000 * LEAST / max(least * len(best.images), 1e-6)))
    return _Bench(net, single.images, repeats), _Bench(net, best.images, often)


def _wait(images: Tensor) -> None:
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
