"""How sure nets are of fooling images, and whether independent nets are fooled too: part ``fool`` of the proofs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from striate.data.load import load_splits
from striate.metrics.intervals import wilson
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.deception import CONFIDENT, DOUBT
from striate.synthesis.fool import fooling_images
from striate.synthesis.made import told
from striate.training.loop import fit
from striate.training.recipe import Augment
from striate.training.recipes import QUICK

SEEDS = 3
PLAIN = replace(
    QUICK,
    name="plain",
    samples=60_000,
    label_smoothing=0.0,
    augment=Augment(),
    optimizer=replace(QUICK.optimizer, rate=0.05),
)


@dataclass(frozen=True)
class Pair:
    """A net to fool, one to ask, their names, the classes, and how many seeds."""

    maker: str
    judge: str
    net: Net
    other: Net
    targets: range
    seeds: int


def fooled(kept: Path) -> dict[str, Any]:
    """One row for each net, judge and way; trained nets are kept in ``kept``."""
    lenet, small = (_trained(name, seed, kept) for name, seed in (("lenet5", 0), ("small", 1)))
    shallow, deep = (load_net(f"striate/resnet{depth}.cifar10") for depth in (20, 32))
    weights = Path(os.environ["STRIATE_WEIGHTS"])
    squeezenet, mobilenet = (
        load_net(f"torchvision/{name}@{weights / name}.safetensors") for name in ("squeezenet1_0", "mobilenet_v2")
    )
    pairs = (
        Pair("LeNet-5, MNIST", "small", lenet, small, range(10), SEEDS),
        Pair("ResNet-20, CIFAR-10", "ResNet-32 (same family)", shallow, deep, range(10), SEEDS),
        Pair("SqueezeNet 1.0", "MobileNetV2", squeezenet, mobilenet, range(0, 1000, 20), 1),
    )
    starts = ("gradient", "gradient_grey", "gradient_zero")
    rows = [_row(pair, way) for pair in pairs for way in starts]
    return {"rows": [*rows, *(_row(pair, way) for pair in pairs[:2] for way in ("direct", "cppn"))]}


def _trained(name: str, seed: int, kept: Path) -> Net:
    folder = kept / f"fool-{name}"
    fit(f"striate/{name}", load_splits("MNIST"), out=folder, recipe=PLAIN, seed=seed, resume=folder.exists())
    return load_net(str(folder))


def _row(pair: Pair, way: str) -> dict[str, Any]:
    own: list[float] = []
    theirs: list[float] = []
    same, steps = 0, 0
    for seed in range(1 if way in {"gradient_grey", "gradient_zero"} else pair.seeds):
        made = fooling_images(pair.net, list(pair.targets), way=way, seed=seed)
        result, _ = told(replace(made, steady=False), pair.net, kind="fool", judge=pair.other)
        assert result.judge is not None
        for k, image in enumerate(result.images):
            own.append(image.probability or 0.0)
            theirs.append(result.judge.probability[k])
            same += int(own[-1] > CONFIDENT and result.judge.predicted[k] == result.judge.wanted[k])
        steps = max(steps, made.steps)
    fooling = [k for k, sure in enumerate(own) if sure > CONFIDENT]
    doubted = sum(theirs[k] < DOUBT for k in fooling)
    return {
        "maker": pair.maker,
        "judge": pair.judge,
        "way": way,
        "images": len(own),
        "steps at most": steps,
        "above .99": _share(len(fooling), len(own)),
        "of these, judge below .2": _share(doubted, len(fooling)),
        "judge sees the class": _share(same, len(fooling)),
    }


def _share(count: int, whole: int) -> str:
    number = wilson(count, whole)
    if number.value is None:
        return "none"
    return f"{number.value:.2f} ({number.low:.2f} to {number.high:.2f})"
