"""CPU time of looking inside, beside the bare net's passes that it needs and beside peers.

    python benchmarks/looking.py [--only METHOD,METHOD] [--nets NET,NET] [--rounds N] [--write]

Each method is timed in turn with the passes that it cannot do without, in one process, in CPU time: forward and
backward to the pixels alone (down to the layer for Grad-CAM), forward alone for measures of faithfulness. The bare
passes run at the batch of 1, 2, 4, 8 and the memory format that were fastest, with weights in that format and freed
memory kept. "Over bare" is the median of the rounds' ratios and the order statistics that hold it with at least 95 %
(of fewer than six rounds the range, which holds it with less: of three with 75 %); a first round, in which nets are
recorded and caches fill, does not count. Images are noise of 224 x 224. Each method's results go into looking.json as
soon as they are there; ``--write`` makes looking.md of them and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import looking_peers as peers
import torch
from timing import cpu_seconds, median_interval
from torch import Tensor, nn

from striate.core.allocator import memory_kept
from striate.inside.attribution import METHODS
from striate.inside.faithfulness import MEASURES
from striate.nets.layout import laid_out
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

HERE = Path(__file__).parent
RESULTS, TARGET = HERE / "looking.json", HERE / "looking.md"
NETS = ("torchvision/squeezenet1_0", "torchvision/resnet18.random")
LAYERS = {"squeezenet1_0": "features.12", "resnet18": "layer4"}
ROUNDS, MANY, POINTS, STEPS = 7, 8, 50, 32
BACK, LAYER, FORWARD = "to the pixels", "to the layer", "forward"


@dataclass(frozen=True)
class Subject:
    """One net with images, classes and maps to judge; how its passes are fastest, with a backward and without."""

    net: Net
    images: Tensor
    targets: Tensor
    maps: Tensor
    plain: nn.Module
    best: dict[str, tuple[int, torch.memory_format]]

    @property
    def layer(self) -> str:
        """Where Grad-CAM looks: the module whose output is the last with extent."""
        return LAYERS[self.net.name.split("/")[-1].split(".")[0]]

    def some(self, count: int) -> tuple[Tensor, Tensor]:
        """The first images and their targets."""
        return self.images[:count], self.targets[:count]

    def normalised(self, images: Tensor) -> Tensor:
        """What the module takes."""
        assert self.net.mean is not None
        assert self.net.std is not None
        return (images - self.net.mean) / self.net.std


@dataclass(frozen=True)
class Part:
    """One method: who is timed at it, on how many images, and the passes that each image needs at least."""

    runs: dict[str, peers.Work]
    passes: str = BACK
    count: int = MANY
    points: int = 1
    asked: float | None = None


def ours(method: str, **options: Any) -> peers.Work:
    """Our method on the first images."""
    return lambda subject, count: METHODS.load(method)(subject.net, *subject.some(count), **options)


def judged(measure: str, **options: Any) -> peers.Work:
    """Our measure of one map of each of the first images."""

    def run(subject: Any, count: int) -> object:
        images, targets = subject.some(count)
        return MEASURES.load(measure)(subject.net, images, targets, subject.maps[:count], **options)

    return run


def both(method: str, **options: Any) -> dict[str, peers.Work]:
    """Ours without the check that costs passes, and with it."""
    return {"striate": ours(method, check=False, **options), "striate, with its check": ours(method, **options)}


SMOOTH: dict[str, Any] = {"noisy": True, "nt_samples": POINTS, "nt_samples_batch_size": 8, "stdevs": 0.15, "abs": False}
PARTS = {
    "gradient": Part(both("gradient") | {"captum": peers.captum("Saliency")}, asked=1.1),
    "gradient_x_input": Part(both("gradient_x_input") | {"captum": peers.captum("InputXGradient")}, asked=1.1),
    "guided_backprop": Part(
        {"striate": ours("guided_backprop"), "captum": peers.captum("GuidedBackprop")}, asked=1.1
    ),
    "deconvnet": Part({"striate": ours("deconvnet"), "captum": peers.captum("Deconvolution")}, asked=1.1),
    "grad_cam": Part(
        both("grad_cam") | {"captum": peers.captum_cam, "grad-cam": peers.grad_cam, "torchcam": peers.torchcam},
        LAYER, asked=1.15,
    ),
    "integrated_gradients": Part(
        both("integrated_gradients", steps=POINTS)
        | {"captum": peers.captum("IntegratedGradients", n_steps=POINTS, internal_batch_size=8)},
        count=1, points=POINTS, asked=1.15,
    ),
    "smooth_grad": Part(
        {"striate": ours("smooth_grad", samples=POINTS), "captum": peers.captum("Saliency", **SMOOTH)},
        count=1, points=POINTS, asked=1.15,
    ),
    "lrp_epsilon": Part(both("lrp_epsilon") | {"zennit": peers.zennit("epsilon")}, asked=1.25),
    "lrp_gamma": Part(both("lrp_gamma") | {"zennit": peers.zennit("gamma")}, asked=1.8),
    "lrp_alpha_beta": Part(both("lrp_alpha_beta") | {"zennit": peers.zennit("alpha_beta")}, asked=2.8),
    "deep_lift": Part({"striate": ours("deep_lift"), "captum": peers.captum("DeepLift")}),
    "deletion": Part(
        {"striate": judged("deletion", steps=STEPS), "quantus, pixel flipping": peers.quantus(STEPS)},
        FORWARD, count=2, points=STEPS + 1, asked=1.2,
    ),
    "insertion": Part({"striate": judged("insertion", steps=STEPS)}, FORWARD, count=2, points=STEPS + 1, asked=1.2),
    "pixel_flipping": Part(
        {"striate": judged("pixel_flipping", steps=STEPS)}, FORWARD, count=2, points=STEPS + 1, asked=1.2
    ),
}  # fmt: skip


def main() -> int:
    """Measure some parts, or write the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default=",".join(PARTS), help="methods, with commas between")
    options.add_argument("--nets", default=",".join(NETS))
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--ours", action="store_true", help="without peers")
    options.add_argument("--write", action="store_true", help="only write the page from what is there")
    given = options.parse_args()
    torch.set_num_threads(1)
    if not given.write:
        for name in given.nets.split(","):
            subject = subject_of(load_net(name).eval())
            print(name, {way: (batch, str(layout)) for way, (batch, layout) in subject.best.items()}, flush=True)
            for method in given.only.split(","):
                keep(name, method, measured(subject, PARTS[method], given.rounds, alone=given.ours))
    TARGET.write_text(page(json.loads(RESULTS.read_text())))
    return 0


def measured(subject: Subject, part: Part, rounds: int, *, alone: bool = False) -> dict[str, Any]:
    """CPU seconds of the bare passes and of each run, round by round in alternation."""
    bare: list[float] = []
    runs = {name: run for name, run in part.runs.items() if not alone or name.startswith("striate")}
    times: dict[str, list[float]] = {name: [] for name in runs}
    failed: dict[str, str] = {}
    for turn in range(rounds + 1):
        spent = cpu_seconds(partial(passes, subject, part.count * part.points, part.passes))
        bare += [spent] if turn else []
        for name, run in runs.items():
            if name in failed:
                continue
            try:
                spent = cpu_seconds(partial(run, subject, part.count))
            except Exception as error:  # a peer that cannot do this net is told of
                failed[name] = f"{type(error).__name__}: {error}"[:200]
                continue
            times[name] += [spent] if turn else []
    told = {name: each for name, each in times.items() if name not in failed}
    for name, each in told.items():
        middle, low, high = over(each, bare)
        print(f"  {name}: {middle:.2f} [{low:.2f}, {high:.2f}]", flush=True)
    for name, words in failed.items():
        print(f"  {name}: {words}", flush=True)
    batch, layout = subject.best[part.passes]
    return {
        "bare": bare, "times": told, "failed": failed, "images": part.count, "points": part.points,
        "batch": batch, "layout": str(layout).removeprefix("torch."), "passes": part.passes,
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", "load": round(os.getloadavg()[0], 1), "torch": torch.__version__,
    }  # fmt: skip


def over(times: list[float], bare: list[float]) -> tuple[float, float, float]:
    """The median of the rounds' ratios, and its interval."""
    return median_interval([mine / base for mine, base in zip(times, bare, strict=True)])


def passes(subject: Subject, count: int, way: str) -> None:
    """So many forward passes, with backward passes to the input alone or to the output of a module where asked."""
    batch, layout = subject.best[way]
    with memory_kept(), undisturbed(subject.net), laid_out(subject.net, layout):
        for begin in range(0, count, batch):
            rows = torch.arange(begin, min(begin + batch, count)) % len(subject.images)
            images = subject.images[rows].contiguous(memory_format=layout)
            if way == FORWARD:
                with torch.no_grad():
                    subject.net(images)
            else:
                _backward(subject, images, subject.targets[rows], subject.layer if way == LAYER else "")


def _backward(subject: Subject, images: Tensor, targets: Tensor, site: str) -> None:
    net, kept = subject.net, [images.requires_grad_(not site)]

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept[0] = output.detach().requires_grad_()
        return kept[0]

    handle = net.module.get_submodule(site).register_forward_hook(keep) if site else None
    try:
        torch.autograd.grad(net(images).gather(1, targets[:, None]).sum(), kept[0])
    finally:
        if handle is not None:
            handle.remove()


def subject_of(net: Net) -> Subject:
    """The net with images of noise, and the batch and format at which each kind of bare pass is cheapest."""
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(MANY, 3, 224, 224, generator=draw)
    maps = torch.rand(MANY, 224, 224, generator=draw)
    with torch.no_grad():
        targets = net(images).argmax(1)
    best: dict[str, tuple[int, torch.memory_format]] = {}
    for way in (BACK, LAYER, FORWARD):
        times: dict[tuple[int, torch.memory_format], float] = {}
        tried = [(batch, torch.channels_last) for batch in (1, 2, 4, 8)] + [(4, torch.contiguous_format)]
        for _ in range(2):
            for each in tried:
                trial = Subject(net, images, targets, maps, net, {way: each})
                times[each] = min(times.get(each, math.inf), cpu_seconds(partial(passes, trial, MANY, way)))
        best[way] = min(tried, key=times.__getitem__)
    return Subject(net, images, targets, maps, peers.Plain(net), best)


def keep(net: str, method: str, found: dict[str, Any]) -> None:
    """Puts one method's results beside the others."""
    print(f"{net} {method}: bare {statistics.median(found['bare']):.2f} s", flush=True)
    # Two processes may measure at once: the file is replaced as a whole, and read just before.
    there = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    there.setdefault(net, {})[method] = found
    fresh = RESULTS.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(there, indent=1, sort_keys=True) + "\n")
    fresh.replace(RESULTS)


def page(results: dict[str, Any]) -> str:
    """looking.md."""
    lines = ["# Looking inside, beside bare passes and peers", "", (__doc__ or "").split("\n\n", 2)[2].strip(), ""]
    days = sorted(found["when"] for methods in results.values() for found in methods.values())
    loads = [found["load"] for methods in results.values() for found in methods.values()]
    torches = sorted({found["torch"] for methods in results.values() for found in methods.values()})
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("captum", "grad-cam", "torchcam", "zennit", "quantus")
    )
    lines += [
        f"`.venv-bench/bin/python benchmarks/looking.py`, {days[0]} to {days[-1]} UTC: x86-64, 2 cores shared with "
        f"other work (load {min(loads)} to {max(loads)}), one thread; torch {', '.join(torches)}, {versions}.",
        "",
        'Methods whose check costs passes are told without it and "with its check"; what the others check costs none. '
        "Where the asked bound is kept by the median it is told so; the interval says how sure that is. Peers are in "
        "their own default layout and batch. The batch and layout of the bare passes are chosen by two short trials: a "
        "ratio below 1 says that another choice was faster, or tells of noise. Two nets were measured at once on a "
        "busy machine; ratios are uncertain by a tenth. Occlusion: [occluding.md](occluding.md).",
        "",
    ]
    for net in NETS:
        if net not in results:
            continue
        lines += [
            f"## {net}",
            "",
            "| method | library | images x passes | best bare batch | bare CPU ms an image | over bare | asked |",
            "|---|---|---|---|--:|---|---|",
        ]
        for method, part in PARTS.items():
            if method in results[net]:
                lines += _rows(method, part, results[net][method])
        lines.append("")
    return "\n".join(lines)


def _rows(method: str, part: Part, found: dict[str, Any]) -> list[str]:
    bare = f"{1e3 * statistics.median(found['bare']) / found['images']:.0f}"
    rows = []
    for name, times in found["times"].items():
        middle, low, high = over(times, found["bare"])
        asked = f"{part.asked:g}: {'kept' if middle <= part.asked else 'missed'}" if part.asked else ""
        shape = f"{found['images']} x {found['points']}, {found['passes']}"
        batch = f"{found['batch']}, {found['layout'].replace('_', ' ').replace(' format', '')}"
        rows.append(
            f"| {method} | {name} | {shape} | {batch} | {bare} | {middle:.2f} [{low:.2f}, {high:.2f}], "
            f"{len(times)} rounds | {asked if name == 'striate' else ''} |"
        )
    return rows + [f"| {method} | {name} | | | | {words} | |" for name, words in found["failed"].items()]


if __name__ == "__main__":
    sys.exit(main())
