"""Transforms of whole batches against torchvision v2 image by image: CPU time of both in alternating rounds."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
import torchvision
from timing import cpu_seconds, median_interval
from torch import Tensor
from torchvision.transforms import v2

from striate.data.transforms import (
    Blur,
    Brightness,
    Chain,
    Contrast,
    Hue,
    Perspective,
    RandAugment,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    ResizedCrop,
    Rotation,
    Saturation,
    Transform,
    TrivialAugment,
    transformed,
)

SIZES = ((32, 128), (224, 16))  # side in pixels, images a batch
_BILINEAR = v2.InterpolationMode.BILINEAR


def pairs(side: int) -> dict[str, tuple[tuple[Transform, ...], Callable[[Tensor], Tensor]]]:
    """Ours and theirs of each kind, with the same numbers."""
    jitter = Chain((Brightness(0.4), Contrast(0.4), Saturation(0.4), Hue(0.1)))
    crop = v2.RandomCrop(side, padding=4, padding_mode="reflect")
    return {
        "crop + flip": ((RandomCrop(4), RandomFlip()), v2.Compose([crop, v2.RandomHorizontalFlip()])),
        "resized crop": ((ResizedCrop(),), v2.RandomResizedCrop(side, antialias=False)),
        "rotation": ((Rotation(30.0),), v2.RandomRotation(30.0, interpolation=_BILINEAR)),
        "perspective": ((Perspective(0.5),), v2.RandomPerspective(0.5, p=1.0, interpolation=_BILINEAR)),
        "colour jitter": ((jitter,), v2.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        "blur": ((Blur(2.0),), v2.GaussianBlur(2 * round(side * 0.05) + 1, (0.1, 2.0))),
        "random erasing": ((RandomErasing(),), v2.RandomErasing(0.5, (0.02, 0.4), (0.3, 3.3), value="random")),
        "RandAugment": ((RandAugment(magnitude=3.0),), v2.RandAugment(2, 9, interpolation=_BILINEAR)),
        "TrivialAugment": ((TrivialAugment(),), v2.TrivialAugmentWide(interpolation=_BILINEAR)),
    }


def rows(side: int, batch: int, rounds: int, made: torch.Generator) -> list[str]:
    """One line of the table for each kind, at one size."""
    images, ids = torch.rand(batch, 3, side, side, generator=made), torch.arange(batch)
    found = []
    for name, (ours, theirs) in pairs(side).items():
        mine: list[float] = []
        peer: list[float] = []
        for step in range(rounds + 1):

            def run(step: int = step, ours: tuple[Transform, ...] = ours) -> None:
                transformed(images, ids, ours, seed=0, step=step)

            def run_peer(theirs: Callable[[Tensor], Tensor] = theirs) -> None:
                torch.stack([theirs(image) for image in images])

            for work, seen in ((run, mine), (run_peer, peer))[:: 1 if step % 2 else -1]:
                seen.append(cpu_seconds(work))
        mine, peer = mine[1:], peer[1:]  # the first round warms up
        median, low, high = median_interval([b / a for a, b in zip(mine, peer, strict=True)])
        cells = [f"{1e3 * statistics.median(each) / batch:.4f}" for each in (mine, peer)]
        found.append(f"| {name} | {cells[0]} | {cells[1]} | {median:.2f} | {low:.2f} to {high:.2f} |")
    return found


def main() -> None:
    """Time both, write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=21)
    rounds = options.parse_args().rounds
    torch.manual_seed(0)  # torchvision draws from torch's own generator
    made = torch.Generator().manual_seed(0)
    lines = [
        "# Transforms of batches against torchvision v2, image by image",
        "",
        f"`python benchmarks/augment.py`, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}, torchvision "
        f"{torchvision.__version__.split('+')[0]}. CPU time of all threads, float32 images in colour, {rounds} "
        f"alternating rounds; load of the machine {os.getloadavg()[0]:.1f}. Ours draws by the id of each image, so "
        "that it changes alike in any batch; torchvision draws from one global generator.",
    ]
    for side, batch in SIZES:
        lines += [
            "",
            f"{batch} images of {side} x {side}:",
            "",
            "| | ours, ms an image | torchvision, ms an image | torchvision over ours | 95 % interval |",
            "|---|---|---|---|---|",
            *rows(side, batch, rounds, made),
        ]
    text = "\n".join(lines) + "\n"
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
