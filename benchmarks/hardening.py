"""Nets that withstand attacks and nets that are certified: parts ``harden`` and ``certify`` of the proofs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from sturdy import sturdy
from torch import Tensor

import striate
from striate.attacks.bounds.propagation import certified
from striate.attacks.catalog import METHODS
from striate.attacks.run import attack
from striate.data.load import load_splits
from striate.metrics.intervals import wilson
from striate.nets.load import load_net
from striate.nets.net import Net

FIRST = 1000  # test images that are attacked
RADIUS = 0.1
TRAINED_RADIUS = 0.105  # a little further than what is asked: a trade of clean accuracy, of which there is enough
DIGITS = (0.1, 0.05)  # radii at which digits are certified
PGD: dict[str, Any] = {"method": "pgd", "steps": 50, "restarts": 2}


def hardened_fashion(kept: Path) -> dict[str, Any]:
    """A small net against PGD of two steps on FashionMNIST, Linf 0.1: clean and robust accuracy, cost of training.

    AutoAttack judges where there is one among the methods, beside PGD.
    """
    run = kept / "hardened"
    spent = _timed(
        run,
        "FashionMNIST",
        net=f"{Path(__file__).parent / 'sturdy.py'}:sturdy",
        harden="pgd",
        radius=TRAINED_RADIUS,
        attack_steps=2,
        epochs=15,
        precision="bfloat16",
        threads=1,
    )
    net, (images, labels) = sturdy(), _test_images("FashionMNIST")
    net.module.load_state_dict(load_file(run / "weights.safetensors"))
    net.eval()
    rows = [_row("clean, all test images", _right(net, images, labels), spent)]
    images, labels = images[:FIRST], labels[:FIRST]
    rows.append(_row(f"clean, first {FIRST:,}", _right(net, images, labels), spent))
    judges: list[tuple[str, dict[str, Any]]] = [("PGD, 50 steps, 2 restarts", PGD)]
    if "auto" in METHODS:
        judges.append(("AutoAttack", {"method": "auto"}))
    for name, options in judges:
        found = attack(net, images, labels, radius=RADIUS, **options)
        rows.append(_row(f"{name}, Linf {RADIUS:g}, first {FIRST:,}", ~found.success, spent))
    return {"rows": rows}


def certified_digits(kept: Path) -> dict[str, Any]:
    """LeNet-5 on MNIST by interval bound propagation at Linf 0.1: what intervals certify, and what PGD leaves."""
    rows = []
    images, labels = _test_images("MNIST")
    few = (images[:FIRST], labels[:FIRST])
    for name, options in (("ibp", {"harden": "ibp", "radius": RADIUS}), ("plain", {"recipe": "certified"})):
        run = kept / f"certified-{name}"
        spent = _timed(run, "MNIST", net="striate/lenet5", epochs=5, threads=1, **options)
        net = load_net(run)
        for radius in DIGITS:
            left = ~attack(net, *few, radius=radius, **PGD).success
            share = _row("", certified(net, images, labels, radius), spent)
            rows.append(
                {
                    "training": f"{name}, Linf {radius:g}",
                    "clean": _right(net, images, labels).double().mean().item(),
                    "certified": share["accuracy"],
                    "low": share["low"],
                    "high": share["high"],
                    "images": len(images),
                    f"PGD leaves of the first {FIRST:,}": left.double().mean().item(),
                    "CPU seconds of training": spent,
                }
            )
    return {"rows": rows}


def _timed(run: Path, data: str, **options: Any) -> float:
    """CPU seconds of training a run; they are kept beside it, for when it is complete already."""
    place, begun = run.with_suffix(".seconds.json"), time.process_time()
    if not place.exists():
        striate.train(data, out=run, overwrite=True, quiet=True, **options)
        place.write_text(json.dumps(round(time.process_time() - begun, 1)), encoding="utf-8")
    return float(json.loads(place.read_text(encoding="utf-8")))


def _test_images(data: str) -> tuple[Tensor, Tensor]:
    test = load_splits(data).test
    return test.images(), test.labels.long()


@torch.no_grad()
def _right(net: Net, images: Tensor, labels: Tensor) -> Tensor:
    return torch.cat([net(each).argmax(1) for each in torch.split(images, 500)]) == labels


def _row(what: str, right: Tensor, seconds: float) -> dict[str, Any]:
    share = wilson(int(right.sum()), len(right))
    return {
        "measured": what,
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "images": len(right),
        "CPU seconds of training": seconds,
    }
