"""What painting costs over the passes it needs, ours and lucent's: same nets, channels, images, steps, transforms.

    python benchmarks/run.py painting        writes benchmarks/painting.md

The bare passes run forward to the channel's layer and back to the pixels, for as many images as the search has steps
times images, in the batch and memory format that are fastest here. Ours and lucent paint the same channel on a Fourier
canvas with Adam. All three alternate in one process, in CPU seconds. Ours is timed whole: the check of the start, every
step, and the verdict with its passes on what is returned. Peak memory is measured in a process of its own for each.
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from timing import cpu_seconds, median_interval
from torch import nn

from striate.imageopt.canvas import Fourier
from striate.imageopt.objective import channel
from striate.imageopt.search.adam import Adam
from striate.imageopt.solve import Moment, solve
from striate.imageopt.view import Chain, Jitter, Rotation, Scale, View
from striate.nets.load import load_net
from striate.nets.net import Net

SIDE, IMAGES, STEPS, CHANNEL = 224, 4, 32, 7
ROUNDS, BATCHES = 5, (1, 2, 4)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WHO = ("bare", "ours", "lucent")
Form = tuple[int, torch.memory_format]


@dataclass(frozen=True)
class Case:
    """A net cut behind the layer that is looked at, so that what lies beyond costs nobody anything.

    Attributes:
        net: By name.
        layer: The path of the layer.
        cut: How many of the parts in order it takes to come there.
        shaken: Whether each step sees the image shifted, scaled and turned.
    """

    net: str
    layer: str
    cut: int
    shaken: bool

    def parts(self) -> nn.Sequential:
        """The module up to the layer, in eval mode, without gradients of its own."""
        torch.manual_seed(0)
        module = load_net(f"torchvision/{self.net}.random").module
        chain = module.get_submodule("features") if self.net.startswith("squeezenet") else module
        kept = nn.Sequential(*list(chain.children())[: self.cut]).eval()
        return kept.requires_grad_(False)

    @property
    def site(self) -> str:
        """The layer in the cut net."""
        return str(self.cut - 1)

    @property
    def words(self) -> str:
        """The row of the table."""
        seen = "shifted by up to 8 px, scaled by .9 to 1.1, turned by up to 10 degrees" if self.shaken else "as it is"
        return f"{self.net}, `{self.layer}`, {seen}"


CASES = (
    Case("squeezenet1_0", "features.12", 13, False),
    Case("squeezenet1_0", "features.12", 13, True),
    Case("resnet18", "layer4", 8, True),
)


def ours(module: nn.Module, case: Case, steps: int) -> Callable[[], float]:
    """`solve` with Adam on the Fourier canvas; gives the CPU seconds up to its last step."""
    net = Net(module, mean=MEAN, std=STD, channels=3, size=SIDE, outputs="other", classes=2, name="cut")
    start = (0.5 + 0.01 * torch.randn(IMAGES, 3, SIDE, SIDE)).clamp(0, 1)
    view: View | None = Chain((Jitter(8), Scale(0.9, 1.1), Rotation(10.0))) if case.shaken else None

    def work() -> float:
        begun, last = time.process_time(), [0.0]

        def noted(_: Moment) -> None:
            last[0] = time.process_time()

        solve(
            net, channel(case.site, CHANNEL), start=start, search=Adam(0.05), steps=steps,
            canvas=Fourier((SIDE, SIDE)), view=view, callback=noted,
        )  # fmt: skip
        return last[0] - begun

    return work


def lucents(module: nn.Module, case: Case, steps: int) -> Callable[[], object]:
    """lucent's `render_vis` with its Adam on its Fourier canvas."""
    from lucent.optvis import objectives, param, render, transform

    def work() -> object:
        shaken = [
            transform.jitter(16),
            transform.random_scale([0.9 + k / 50 for k in range(11)]),
            transform.random_rotate(list(range(-10, 11))),
        ]
        return render.render_vis(
            module, objectives.channel(case.site, CHANNEL), lambda: param.image(SIDE, batch=IMAGES),
            optimizer=lambda params: torch.optim.Adam(params, lr=0.05), transforms=shaken if case.shaken else [],
            thresholds=(steps,), progress=False, show_image=False,
        )  # fmt: skip

    return work


def bare(module: nn.Module, size: int, layout: torch.memory_format, passes: int) -> Callable[[], None]:
    """So many forward and backward passes of single images, in batches, and nothing else."""
    inside = copy.deepcopy(module).to(memory_format=layout)
    images = torch.rand(size, 3, SIDE, SIDE).to(memory_format=layout)

    def work() -> None:
        for _ in range(passes // size):
            leaf = images.detach().requires_grad_()
            torch.autograd.grad(inside(leaf)[:, CHANNEL].mean((1, 2)).sum(), leaf)

    return work


def best_form(module: nn.Module) -> Form:
    """The fastest batch and format, each run twice on a few passes after one to warm up."""
    forms = [(size, layout) for layout in (torch.contiguous_format, torch.channels_last) for size in BATCHES]
    works = {form: bare(module, *form, 2 * max(BATCHES)) for form in forms}
    for work in works.values():
        work()
    return min(works, key=lambda form: min(cpu_seconds(works[form]) for _ in range(2)))


def seconds_of(case: Case) -> tuple[Form, dict[str, list[float]]]:
    """CPU seconds of each in alternating rounds, after a short one of each."""
    module = case.parts()
    form = best_form(module)
    mine = ours(module, case, STEPS)
    works: dict[str, Callable[[], object]] = {
        "bare": bare(module, *form, IMAGES * STEPS),
        "ours": lambda: seen["steps"].append(mine()),
        "lucent": lucents(module, case, STEPS),
    }
    for warm in (ours(module, case, 1), lucents(module, case, 1)):
        warm()
    seen: dict[str, list[float]] = {who: [] for who in (*WHO, "steps")}
    for number in range(ROUNDS):
        for who in WHO[number % 3 :] + WHO[: number % 3]:
            seen[who].append(cpu_seconds(works[who]))
    return form, seen


def peak_of(who: str, case: Case) -> int:
    """Bytes by which a process of its own grew at most while it worked."""
    asked = [sys.executable, __file__, "--peak", who, str(CASES.index(case))]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def own_peak(who: str, case: Case) -> int:
    """What `peak_of` asks its process for: the peak less what was held once the net was loaded and all imported."""
    module = case.parts()
    if who == "lucent":
        import lucent.optvis.render  # noqa: F401
    with torch.no_grad():
        module(torch.zeros(1, 3, 64, 64))  # loads the libraries of convolution
    made: dict[str, Callable[[], Callable[[], object]]] = {
        "bare": lambda: bare(module, IMAGES, torch.channels_last, 4 * IMAGES)
    }
    make = made.get(who, lambda: (ours if who == "ours" else lucents)(module, case, 4))
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    held = _memory("VmRSS")
    make()()
    return _memory("VmHWM") - held


def _memory(name: str) -> int:
    """Bytes of this process by the kernel's count (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def page(rows: Sequence[str]) -> str:
    """The page of results."""
    return "\n".join(
        [
            "# The cost of painting",
            "",
            f"`python benchmarks/run.py painting`, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, "
            f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}, "
            f"torch-lucent 0.1.8. Load of the machine at the end {os.getloadavg()[0]:.1f}: on a shared one only the "
            "ratios of CPU time in alternating rounds mean anything.",
            "",
            f"Random weights; channel {CHANNEL} of a layer, the mean over its places; {IMAGES} images of {SIDE} px, "
            f"{STEPS} steps of Adam on a Fourier canvas. Nets are cut behind the layer. Bare: forward and backward "
            f"passes of {IMAGES * STEPS} images in the fastest batch and format. Ours: its steps with the start, and "
            "whole, with the verdict on what is returned (one or two forward passes an image, under views nine more), "
            "which a longer search has once too. The work of the transforms is in ours and lucent's, not in the bare. "
            f"Median of {ROUNDS} rounds with its interval. Memory: growth of a process of its own over 4 steps.",
            "",
            "| channel of | bare, CPU ms a pass (form) | ours, steps / bare | ours, whole / bare | lucent / bare | "
            "peak MB: bare | ours | lucent |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """All cases, written after each."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peak", nargs=2, metavar=("WHO", "CASE"), help="print the peak of one and end")
    asked = options.parse_args().peak
    random.seed(0)
    if asked:
        print(own_peak(asked[0], CASES[int(asked[1])]))
        return
    rows: list[str] = []
    for case in CASES:
        form, seen = seconds_of(case)
        shown = [[a / b for a, b in zip(seen[who], seen["bare"], strict=True)] for who in ("steps", "ours", "lucent")]
        cells = ["{:.2f} ({:.2f} to {:.2f})".format(*median_interval(ratios)) for ratios in shown]
        peaks = [f"{peak_of(who, case) / 1e6:.0f}" for who in WHO]
        each = 1e3 * statistics.median(seen["bare"]) / (IMAGES * STEPS)
        name = "NHWC" if form[1] is torch.channels_last else "NCHW"
        rows.append(f"| {case.words} | {each:.1f} ({name}, batch {form[0]}) | {' | '.join((*cells, *peaks))} |")
        print(rows[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
