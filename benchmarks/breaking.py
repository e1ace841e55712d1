"""Attacks beside their peers: same nets, images, radius and steps; results, CPU seconds, passes.

    python benchmarks/run.py breaking        writes benchmarks/breaking.md

with STRIATE_DATA, STRIATE_WEIGHTS and STRIATE_PEERS set. Two nets of 53,830 weights for FashionMNIST, one trained
plainly, one against attacks; the first 200 test images; Linf 0.1. Peers take turns with ours in one process, in CPU
seconds of two threads. STRIATE_PEERS is a folder with checkouts of fra31/auto-attack, jeromerony/adversarial-library,
which are on no package index; without it those rows are left out. `--only pgd,cw` runs a part; `--rounds N` the rounds
of attacks that take seconds (those of minutes run once).

"Over bare" is the CPU time over that of the passes counted, in the fastest batch and memory format that we know here.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import platform
import statistics
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timing import cpu_seconds, median_interval
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.attack_fashion import MEAN, STD, fashion_net, fashion_test
from striate.attacks.run import attack
from striate.nets.net import Net

COUNT, RADIUS = 200, 0.1
NETS = ("fmnist_plain", "fmnist_robust")
ROUNDS = 3
TARGET = Path(__file__).with_suffix(".md")


class Pixels(nn.Module):
    """A net of normalised images as a plain module of pixels, for peers, which counts what passes it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.forward_passes, self.backward_passes = module, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        self.forward_passes += len(x)
        output: Tensor = self.module((x - MEAN) / STD)
        if output.requires_grad:
            output.register_hook(self._went_back)  # type: ignore[no-untyped-call]
        return output

    def _went_back(self, grad: Tensor) -> None:
        self.backward_passes += len(grad)


@dataclass(frozen=True)
class Subject:
    """One net with the images: ours and the peers' form of it."""

    name: str
    net: Net
    module: Pixels
    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Entry:
    """One attack of one library."""

    attack: str
    library: str
    run: Callable[[Subject], Tensor]
    slow: bool = False
    bounded: bool = True


def ours(method: str, **options: object) -> Callable[[Subject], Tensor]:
    """Our attack, its passes written into the subject's counter."""

    def run(subject: Subject) -> Tensor:
        found = attack(subject.net, subject.images, subject.labels, method=method, **options)  # type: ignore[arg-type]
        subject.module.forward_passes += found.passes["forward"]
        subject.module.backward_passes += found.passes["backward"]
        return found.images

    return run


def torchattacks_of(name: str, **options: object) -> Callable[[Subject], Tensor]:
    """An attack of torchattacks."""

    def run(subject: Subject) -> Tensor:
        package: Any = importlib.import_module("torchattacks")
        found: Tensor = getattr(package, name)(subject.module, **options)(subject.images, subject.labels)
        return found.detach()

    return run


def foolbox_of(name: str, **options: object) -> Callable[[Subject], Tensor]:
    """An attack of foolbox."""

    def run(subject: Subject) -> Tensor:
        foolbox: Any = importlib.import_module("foolbox")
        model = foolbox.PyTorchModel(subject.module, bounds=(0, 1), device="cpu")
        settings = {key: value for key, value in options.items() if key != "epsilon"}
        radius = options.get("epsilon", RADIUS)
        _, found, _ = getattr(foolbox.attacks, name)(**settings)(model, subject.images, subject.labels, epsilons=radius)
        images: Tensor = found.detach()
        return images

    return run


def art_of(name: str, **options: object) -> Callable[[Subject], Tensor]:
    """An attack of the Adversarial Robustness Toolbox."""

    def run(subject: Subject) -> Tensor:
        evasion: Any = importlib.import_module("art.attacks.evasion")
        classifiers: Any = importlib.import_module("art.estimators.classification")
        model = classifiers.PyTorchClassifier(
            subject.module, nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu"
        )
        made = getattr(evasion, name)(model, batch_size=COUNT, **options)
        return torch.from_numpy(made.generate(subject.images.numpy(), subject.labels.numpy()))

    return run


def adv_lib_of(path: str, name: str, **options: object) -> Callable[[Subject], Tensor]:
    """An attack of adversarial-library."""

    def run(subject: Subject) -> Tensor:
        function = getattr(importlib.import_module(f"adv_lib.attacks.{path}"), name)
        found: Tensor = function(subject.module, subject.images, subject.labels, **options)
        return found.detach()

    return run


def official(kind: str, **options: object) -> Callable[[Subject], Tensor]:
    """The official AutoAttack, or its Square alone."""

    def run(subject: Subject) -> Tensor:
        if kind == "auto":
            package: Any = importlib.import_module("autoattack")
            whole = package.AutoAttack(
                subject.module, norm="Linf", eps=RADIUS, version="standard", device="cpu", verbose=False
            )
            found: Tensor = whole.run_standard_evaluation(subject.images, subject.labels, bs=COUNT)
            return found
        module: Any = importlib.import_module("autoattack.square")
        square = module.SquareAttack(subject.module, norm="Linf", eps=RADIUS, device="cpu", verbose=False, **options)
        result: Tensor = square.perturb(subject.images, subject.labels)
        return result

    return run


ENTRIES = (
    Entry("fgsm", "striate", ours("fgsm", radius=RADIUS)),
    Entry("fgsm", "torchattacks", torchattacks_of("FGSM", eps=RADIUS)),
    Entry("fgsm", "foolbox", foolbox_of("LinfFastGradientAttack")),
    Entry("pgd", "striate", ours("pgd", radius=RADIUS, steps=40)),
    Entry("pgd", "torchattacks", torchattacks_of("PGD", eps=RADIUS, alpha=RADIUS / 4, steps=40)),
    Entry("pgd", "foolbox", foolbox_of("LinfPGD", rel_stepsize=0.25, steps=40)),
    Entry(
        "pgd", "art",
        art_of("ProjectedGradientDescentPyTorch", eps=RADIUS, eps_step=RADIUS / 4, max_iter=40, verbose=False),
    ),
    Entry("pgd", "adv-lib", adv_lib_of("projected_gradient_descent", "pgd_linf", ε=RADIUS, steps=40)),
    Entry("deepfool", "striate", ours("deepfool", norm=2), bounded=False),
    Entry("deepfool", "adv-lib", adv_lib_of("deepfool", "df", steps=100, norm=2), bounded=False),
    Entry("deepfool", "foolbox", foolbox_of("L2DeepFoolAttack", epsilon=None, steps=50), bounded=False),
    Entry("cw", "striate", ours("cw", norm=2), slow=True, bounded=False),
    Entry(
        "cw", "adv-lib",
        adv_lib_of(
            "carlini_wagner", "carlini_wagner_l2", binary_search_steps=5, max_iterations=100, learning_rate=0.1,
            initial_const=0.1,
        ),
        slow=True, bounded=False,
    ),
    Entry("square", "striate", ours("square", radius=RADIUS, steps=1000)),
    Entry("square", "official", official("square", n_queries=1000)),
    Entry("auto", "striate", ours("auto", radius=RADIUS), slow=True),
    Entry("auto", "official", official("auto"), slow=True),
)  # fmt: skip


def main() -> int:
    """Run and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="attacks, with commas between")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    given = options.parse_args()
    torch.set_num_threads(2)
    _peers()
    wanted = [
        each
        for each in dict.fromkeys(entry.attack for entry in ENTRIES)
        if each in (given.only.split(",") if given.only else [each])
    ]
    rows = []
    for name in NETS:
        subject = _subject(name)
        bare = _bare(subject)
        for what in wanted:
            group = [entry for entry in ENTRIES if entry.attack == what and _there(entry)]
            rows += _measured(subject, group, bare, given.rounds)
    _write(rows, complete=not given.only)
    return 0


def _measured(subject: Subject, group: list[Entry], bare: tuple[float, float], rounds: int) -> list[tuple[str, ...]]:
    """Rows of the table: ours and the peers' turn by turn."""
    times: dict[str, list[float]] = {entry.library: [] for entry in group}
    found: dict[str, Tensor] = {}
    passes: dict[str, tuple[int, int]] = {}
    for _ in range(1 if any(entry.slow for entry in group) else rounds):
        for entry in group:
            subject.module.forward_passes = subject.module.backward_passes = 0
            kept: list[Tensor] = []
            times[entry.library].append(cpu_seconds(partial(_kept, entry, subject, kept)))
            found[entry.library] = kept[0]
            passes[entry.library] = (subject.module.forward_passes, subject.module.backward_passes)
    best = min(
        (statistics.median(times[entry.library]) for entry in group if entry.library != "striate"), default=math.nan
    )
    rows = []
    for entry in group:
        mine = times[entry.library]
        middle, low, high = median_interval(mine) if len(mine) > 1 else (mine[0], mine[0], mine[0])
        forward, backward = passes[entry.library]
        needed = (forward - backward) * bare[0] + backward * bare[1]
        rows.append((
            subject.name, entry.attack, entry.library, *_judged(subject, entry, found[entry.library]),
            f"{middle:.2f} [{low:.2f}, {high:.2f}]", f"{forward:,}", f"{backward:,}", f"{middle / needed:.2f}",
            f"{middle / best:.3f}" if entry.library == "striate" else "",
        ))  # fmt: skip
        print(" | ".join(rows[-1]), flush=True)
    return rows


def _kept(entry: Entry, subject: Subject, kept: list[Tensor]) -> None:
    kept.append(entry.run(subject))


def _often(work: Callable[[], None]) -> None:
    for _ in range(5):
        work()


def _judged(subject: Subject, entry: Entry, images: Tensor) -> tuple[str, ...]:
    """Robust accuracy, median L2 of the fooled, strict violations, survivors of rounding."""
    with torch.no_grad():
        clean, now, rounded = (
            subject.module.module((each - MEAN) / STD).argmax(1) == subject.labels
            for each in (subject.images, images, (images * 255).round() / 255)
        )
    fooled = clean & ~now
    difference = (images.double() - subject.images.double()).flatten(1)
    over = int((difference.abs().amax(1) > RADIUS).sum()) if entry.bounded else None
    survive = float((fooled & ~rounded).sum() / max(1, int(fooled.sum())))
    length = float(difference[fooled].norm(dim=1).median()) if bool(fooled.any()) else math.nan
    left = float((clean & now).float().mean())
    return f"{left:.3f}", f"{length:.3f}", "" if over is None else str(over), f"{survive:.2f}"


def _bare(subject: Subject) -> tuple[float, float]:
    """CPU seconds of a forward pass and of a forward and backward pass of an image, in the faster memory format."""
    best = [math.inf, math.inf]
    for form in (torch.contiguous_format, torch.channels_last):
        module = fashion_net(subject.name, Path(os.environ["STRIATE_WEIGHTS"])).to(memory_format=form)
        module.requires_grad_(False)
        x = ((subject.images - MEAN) / STD).contiguous(memory_format=form)

        def forward(module: nn.Module = module, x: Tensor = x) -> None:
            with torch.no_grad():
                module(x)

        def both(module: nn.Module = module, x: Tensor = x) -> None:
            leaf = x.clone().requires_grad_()
            torch.autograd.grad(module(leaf).logsumexp(1).sum(), leaf)

        for place, work in enumerate((forward, both)):
            work()
            spent = min(cpu_seconds(partial(_often, work)) / 5 for _ in range(3))
            best[place] = min(best[place], spent / COUNT)
    return best[0], best[1]


def _subject(name: str) -> Subject:
    data, weights = (Path(os.environ[each]) for each in ("STRIATE_DATA", "STRIATE_WEIGHTS"))
    images, labels = fashion_test(COUNT, data)
    net = Net(fashion_net(name, weights), mean=MEAN, std=STD, size=28, channels=1, classes=10, name=name).eval()
    return Subject(name, net, Pixels(fashion_net(name, weights)).eval(), images, labels)


def _peers() -> None:
    """Checkouts on the path; adversarial-library wants visdom, which only draws, to be there."""
    folder = os.environ.get("STRIATE_PEERS")
    if folder:
        sys.path[:0] = [str(Path(folder) / each) for each in ("auto-attack", "adversarial-library")]
        sys.modules.setdefault("visdom", types.ModuleType("visdom"))


def _there(entry: Entry) -> bool:
    return entry.library not in {"official", "adv-lib"} or "STRIATE_PEERS" in os.environ


def _write(rows: list[tuple[str, ...]], *, complete: bool) -> None:
    head = (
        "net", "attack", "library", "robust accuracy", "median L2", "over the radius", "survive 8 bits", "CPU s",
        "forward", "backward", "over bare", "ours over the best peer",
    )  # fmt: skip
    lines = [
        "# Attacks beside their peers",
        "",
        (__doc__ or "").split("\n\n", 2)[2].strip(),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}."
        + ("" if complete else " A part of the attacks."),
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]
    TARGET.write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
