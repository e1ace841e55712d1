"""CPU time of looking inside, beside the bare model's passes and beside peers.

    python benchmarks/looking.py [--only METHOD,METHOD] [--nets NET,NET] [--rounds N] [--threads N]

Every method is timed in turn with the passes that it needs, in the same process: forward and backward for the input's
gradient alone (down to the layer for Grad-CAM), at the batch of 1, 2, 4, 8 and the memory format that were fastest
for the net. "Over bare" is the median over the rounds of the ratio of the two, with the order statistics that hold it
with at least 95 %. Images are 8 of noise at 224 x 224 for the gradients and Grad-CAM, one for the methods of 50 points.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timing import cpu_seconds, median_interval
from torch import Tensor, nn

from striate.core.allocator import memory_kept
from striate.inside.attribution import METHODS
from striate.nets.layout import laid_out
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

TARGET = Path(__file__).with_name("looking.md")
NETS = ("torchvision/squeezenet1_0", "torchvision/resnet18.random")
LAYERS = {"squeezenet1_0": "features.12", "resnet18": "layer4"}
ROUNDS, POINTS = 7, 50
FORMATS = (torch.channels_last, torch.contiguous_format)


@dataclass(frozen=True)
class Subject:
    """One net with images: ours, and the module behind its normalisation as peers take it."""

    net: Net
    images: Tensor
    targets: Tensor
    batch: int
    layout: torch.memory_format

    @property
    def layer(self) -> str:
        """Where Grad-CAM looks."""
        return LAYERS[self.net.name.split("/")[-1].split(".")[0]]

    def some(self, count: int) -> tuple[Tensor, Tensor]:
        """The first images and their targets."""
        return self.images[:count], self.targets[:count]


@dataclass(frozen=True)
class Entry:
    """One method of one library, the images that it explains and the passes that each needs."""

    method: str
    library: str
    run: Callable[[Subject], object]
    count: int
    points: int = 1


def ours(method: str, count: int, **options: Any) -> Callable[[Subject], object]:
    """Our method on the first images."""

    def run(subject: Subject) -> object:
        images, targets = subject.some(count)
        return METHODS.load(method)(subject.net, images, targets, **options)

    return run


def captum_of(name: str, count: int, *, noisy: bool = False, **options: object) -> Callable[[Subject], object]:
    """A method of captum, on the net with its normalisation."""

    def run(subject: Subject) -> object:
        attr: Any = importlib.import_module("captum.attr")
        images, targets = subject.some(count)
        method = getattr(attr, name)(subject.net)
        method = attr.NoiseTunnel(method) if noisy else method
        return method.attribute(images.clone().requires_grad_(), target=targets, **options)

    return run


def captum_cam(subject: Subject) -> object:
    """Captum's Grad-CAM."""
    attr: Any = importlib.import_module("captum.attr")
    images, targets = subject.some(8)
    layer = subject.net.module.get_submodule(subject.layer)
    return attr.LayerGradCam(subject.net, layer).attribute(images, target=targets)


def grad_cam_of(subject: Subject) -> object:
    """Grad-CAM of pytorch-grad-cam."""
    package: Any = importlib.import_module("pytorch_grad_cam")
    outputs: Any = importlib.import_module("pytorch_grad_cam.utils.model_targets")
    images, targets = subject.some(8)
    wanted = [outputs.ClassifierOutputTarget(int(each)) for each in targets]
    with package.GradCAM(subject.net, [subject.net.module.get_submodule(subject.layer)]) as cam:
        return cam(input_tensor=images, targets=wanted)


def torchcam_of(subject: Subject) -> object:
    """Torchcam's Grad-CAM."""
    package: Any = importlib.import_module("torchcam.methods")
    images, targets = subject.some(8)
    with package.GradCAM(subject.net, subject.net.module.get_submodule(subject.layer)) as cam:
        scores = subject.net(images.clone().requires_grad_())
        return cam(targets.tolist(), scores)


ENTRIES = (
    Entry("gradient", "striate", ours("gradient", 8, check=False), 8),
    Entry("gradient", "striate, with its check", ours("gradient", 8), 8),
    Entry("gradient", "captum", captum_of("Saliency", 8), 8),
    Entry("gradient_x_input", "striate", ours("gradient_x_input", 8, check=False), 8),
    Entry("gradient_x_input", "striate, with its check", ours("gradient_x_input", 8), 8),
    Entry("gradient_x_input", "captum", captum_of("InputXGradient", 8), 8),
    Entry("grad_cam", "striate", ours("grad_cam", 8, check=False), 8),
    Entry("grad_cam", "striate, with its check", ours("grad_cam", 8), 8),
    Entry("grad_cam", "captum", captum_cam, 8),
    Entry("grad_cam", "grad-cam", grad_cam_of, 8),
    Entry("grad_cam", "torchcam", torchcam_of, 8),
    Entry("integrated_gradients", "striate", ours("integrated_gradients", 1, steps=POINTS, check=False), 1, POINTS),
    Entry("integrated_gradients", "striate, with its check", ours("integrated_gradients", 1, steps=POINTS), 1, POINTS),
    Entry("integrated_gradients", "captum", captum_of("IntegratedGradients", 1, n_steps=POINTS), 1, POINTS),
    Entry("smooth_grad", "striate", ours("smooth_grad", 1, samples=POINTS), 1, POINTS),
    Entry(
        "smooth_grad", "captum", captum_of("Saliency", 1, noisy=True, nt_samples=POINTS, stdevs=0.15, abs=False),
        1, POINTS,
    ),
)  # fmt: skip


def main() -> int:
    """Run and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="methods, with commas between")
    options.add_argument("--nets", default=",".join(NETS))
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    rows = []
    for name in given.nets.split(","):
        subject = _subject(load_net(name).eval())
        print(f"{name}: bare passes at batch {subject.batch}, {subject.layout}", flush=True)
        for method in dict.fromkeys(entry.method for entry in ENTRIES):
            if not given.only or method in given.only.split(","):
                rows += _measured(subject, [entry for entry in ENTRIES if entry.method == method], given.rounds)
    _write(rows, given.threads, complete=not given.only)
    return 0


def _measured(subject: Subject, group: list[Entry], rounds: int) -> list[tuple[str, ...]]:
    """Rows of the table: the bare passes and each library turn by turn."""
    times: dict[str, list[float]] = {entry.library: [] for entry in group}
    bare: list[float] = []
    first = group[0]
    site = subject.layer if first.method == "grad_cam" else ""
    for turn in range(rounds + 1):  # the first round warms up
        with undisturbed(subject.net):
            spent = cpu_seconds(partial(_passes, subject, first.count * first.points, site))
        if turn:
            bare.append(spent)
        for entry in group:
            spent = cpu_seconds(partial(entry.run, subject))
            if turn:
                times[entry.library].append(spent)
    rows: list[tuple[str, ...]] = []
    for entry in group:
        ratios = [mine / base for mine, base in zip(times[entry.library], bare, strict=True)]
        middle, low, high = median_interval(ratios)
        rows.append((
            subject.net.name, entry.method, entry.library, f"{entry.count} x {entry.points}",
            f"{1e3 * statistics.median(times[entry.library]) / entry.count:.0f}",
            f"{1e3 * statistics.median(bare) / entry.count:.0f}", f"{middle:.2f} [{low:.2f}, {high:.2f}]",
        ))  # fmt: skip
        print(" | ".join(rows[-1]), flush=True)
    return rows


def _passes(subject: Subject, count: int, site: str = "") -> None:
    """So many forward passes and backward passes to the input alone, or to the output of a module."""
    with memory_kept(), laid_out(subject.net, subject.layout):
        for begin in range(0, count, subject.batch):
            rows = torch.arange(begin, min(begin + subject.batch, count)) % len(subject.images)
            leaf = subject.images[rows].contiguous(memory_format=subject.layout)
            _backward(subject.net, leaf, subject.targets[rows], site)


def _backward(net: Net, images: Tensor, targets: Tensor, site: str) -> None:
    if not site:
        leaf = images.requires_grad_()
        torch.autograd.grad(net(leaf).gather(1, targets[:, None]).sum(), leaf)
        return
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = net.module.get_submodule(site).register_forward_hook(keep)
    try:
        torch.autograd.grad(net(images).gather(1, targets[:, None]).sum(), kept[0])
    finally:
        handle.remove()


def _subject(net: Net) -> Subject:
    """The net with images of noise, at the batch and format at which a bare pass is cheapest."""
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 224, 224, generator=draw)
    with torch.no_grad():
        targets = net(images).argmax(1)
    best: tuple[float, int, torch.memory_format] = (math.inf, 1, torch.channels_last)
    with undisturbed(net):
        for layout in FORMATS:
            for batch in (1, 2, 4, 8):
                subject = Subject(net, images, targets, batch, layout)
                _passes(subject, 8)
                spent = min(cpu_seconds(partial(_passes, subject, 8)) for _ in range(2))
                best = min(best, (spent, batch, layout), key=lambda each: each[0])
    return Subject(net, images, targets, best[1], best[2])


def _write(rows: list[tuple[str, ...]], threads: int, *, complete: bool) -> None:
    head = ("net", "method", "library", "images x passes", "CPU ms an image", "bare ms", "over bare")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    lines = [
        "# Looking inside, beside bare passes and peers",
        "",
        (__doc__ or "").split("\n\n", 2)[2].strip(),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, threads {threads}{load}, "
        f"torch {torch.__version__}." + ("" if complete else " A part of the methods."),
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]
    TARGET.write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
