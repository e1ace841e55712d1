"""What it costs to follow units: the pass of `top_patches` over the bare forward pass, in CPU time.

Run: STRIATE_WEIGHTS=... STRIATE_DATA=... PYTHONPATH=src python benchmarks/units.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.data.division import Division
from striate.data.load import load_data
from striate.inside.units.layers import unit_layers
from striate.inside.units.patches import top_patches
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed
from striate.verbs.session import as_taken

REPEATS = 2
PHOTOGRAPHS = Path("imagenet-sample", "imagenet_sample300.zip")


def main() -> None:
    """Prints a table: images, layers, CPU seconds bare and followed, their ratio (least of the repeats)."""
    torch.set_num_threads(1)
    net = load_net("torchvision/squeezenet1_0")
    path = Path(os.environ.get("STRIATE_DATA", ".")) / PHOTOGRAPHS
    data = as_taken(load_data(path, division=Division(shares=(0, 0, 1))), net)
    pixels = data.pixels()
    five = [layer.name for layer in unit_layers(net, (224, 224))]
    every = [site.name for site in net.sites() if site.op == "relu"]
    print("| images | layers | bare, CPU s | followed, CPU s | ratio |\n|---|---|---|---|---|")
    for times in (1, 3):
        moved = torch.cat([pixels.roll((9 * k, 17 * k), (2, 3)) for k in range(times)])
        images = Dataset.of(moved, [0] * len(moved))
        for words, names in (("five", five), (f"all {len(every)} ReLUs", every)):
            # One after the other, so that what else the machine does falls on both alike.
            pairs = [(_seconds(_bare, net, images), _seconds(top_patches, net, images, names)) for _ in range(REPEATS)]
            bare, followed = (min(each[part] for each in pairs) for part in (0, 1))
            print(f"| {len(images)} | {words} | {bare:.2f} | {followed:.2f} | {followed / bare:.2f} |", flush=True)


def _seconds(work: Callable[..., object], *given: object) -> float:
    began = time.process_time()
    work(*given)
    return time.process_time() - began


def _bare(net: Net, data: Dataset) -> None:
    with undisturbed(net), torch.no_grad():
        for _, images, _ in batches(data, 8):
            net(images.contiguous(memory_format=torch.channels_last))


if __name__ == "__main__":
    main()
