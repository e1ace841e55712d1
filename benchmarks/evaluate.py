"""The passes of `evaluate` against bare passes of resnet18 at 224 in its best format and batch; the analysis."""

from __future__ import annotations

import copy
import os
import platform
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from timing import cpu_seconds, median_interval

from striate.data.dataset import Dataset
from striate.measure.analysis import analyse
from striate.measure.findings import evaluation_findings
from striate.measure.table import Table, predict
from striate.nets.load import load_net

IMAGES = 64
ROUNDS = 15
BATCHES = (1, 2, 4, 8, 16, 32)
TARGET = 1.15


def main() -> None:
    """Find the best bare form, then alternate it with `predict`; time the analysis; write the page."""
    names = tuple(f"class {row}" for row in range(1000))
    net = load_net("torchvision/resnet18.random", classes=names)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (IMAGES, 3, 224, 224), dtype=torch.uint8, generator=generator)
    data = Dataset.of(pixels, torch.arange(IMAGES), classes=names, name="noise")

    forms: dict[tuple[str, int], Callable[[], None]] = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        module = copy.deepcopy(net.module).eval().to(memory_format=layout)
        images = data.images().to(memory_format=layout)
        for size in BATCHES:
            name = "NHWC" if layout is torch.channels_last else "NCHW"

            def bare(module: torch.nn.Module = module, images: torch.Tensor = images, size: int = size) -> None:
                with torch.inference_mode():
                    for part in torch.split(images, size):
                        module(part)

            forms[name, size] = bare
    bare_times = {form: min(cpu_seconds(work) for _ in range(2)) for form, work in forms.items()}
    best = min(bare_times, key=lambda form: bare_times[form])

    def ours() -> Table:
        return predict(net, data)

    first = cpu_seconds(ours)  # builds the list of sites, which is kept
    ratios, bare_seen, ours_seen = [], [], []
    for number in range(ROUNDS):
        if number % 2:
            ours_seen.append(cpu_seconds(ours))
            bare_seen.append(cpu_seconds(forms[best]))
        else:
            bare_seen.append(cpu_seconds(forms[best]))
            ours_seen.append(cpu_seconds(ours))
        ratios.append(ours_seen[-1] / bare_seen[-1])
    median, low, high = median_interval(ratios)

    ten = tuple(f"class {row}" for row in range(10))
    logits = 4 * torch.randn(10_000, 10, generator=generator)
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator)[:, 0]
    small = Dataset.of(torch.zeros(10_000, 1, 1, 1), labels, classes=ten, name="drawn")
    rows = torch.arange(10_000)
    analysis = []
    for _ in range(9):
        table = Table(logits, labels, rows, rows, ten, "drawn")
        analysis.append(
            cpu_seconds(lambda table=table: evaluation_findings(analyse(table, small), net="net", data="data"))  # type: ignore[misc]
        )

    per_image = 1e3 / IMAGES
    lines = [
        "# The cost of evaluate",
        "",
        f"`python benchmarks/evaluate.py`, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}. CPU time of all threads; load of "
        f"the machine at the end {os.getloadavg()[0]:.1f} (other work raises every figure and its spread).",
        "",
        f"{IMAGES} images of 224 px in memory as bytes, torchvision's resnet18. Bare passes get floats that are ready "
        f"in their memory format; `predict` converts, normalises, checks every output and hashes net and data. "
        f"{ROUNDS} alternating rounds.",
        "",
        "| | CPU ms an image |",
        "|---|---|",
        f"| bare, best form ({best[0]}, batch {best[1]}) | {per_image * statistics.median(bare_seen):.2f} |",
        f"| `predict` | {per_image * statistics.median(ours_seen):.2f} |",
        f"| `predict`, first time on a net (lists its sites) | {per_image * first:.2f} |",
        "",
        f"**Ratio of the two, median of the rounds: {median:.3f}, interval {low:.3f} to {high:.3f}** "
        f"(target {TARGET}: {'met' if high <= TARGET else 'met by the median' if median <= TARGET else 'missed'}).",
        "",
        f"**Analysis and findings of 10,000 images of 10 classes: {statistics.median(analysis):.3f} CPU seconds** "
        "(target 3).",
        "",
        "Bare passes, CPU ms an image, best of two:",
        "",
        f"| | {' | '.join(f'batch {size}' for size in BATCHES)} |",
        f"|---|{'---|' * len(BATCHES)}",
    ]
    for name in ("NCHW", "NHWC"):
        cells = " | ".join(f"{per_image * bare_times[name, size]:.2f}" for size in BATCHES)
        lines.append(f"| {name} | {cells} |")
    text = "\n".join(lines) + "\n"
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
