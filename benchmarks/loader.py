"""A folder of JPEG files to batches, against torchvision; and a folder of a million names.

    python benchmarks/loader.py              writes benchmarks/loader.md (needs STRIATE_DATA)
    python benchmarks/loader.py --million    writes benchmarks/million.md (makes a million names in a temporary folder)

Both loaders read the same files in the same order, bring the short side to 256 pixels, cut out the middle 224 x 224
and give float32 batches; their pixels are compared first, bit for bit. Rounds alternate; nothing is kept in memory
between them. CPU time is that of the process and its workers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from timing import median_interval

HERE = Path(__file__).parent
ROUNDS, BATCH, WORKERS = 15, 32, (0, 1, 2)
NAMES, CLASSES = 1_000_000, 1000
SECONDS, BYTES = 10.0, 1 << 30
CHILD = """
import resource, sys, time
begun = time.perf_counter()
from striate.data.batches import batches
from striate.data.load import load_splits
ready = time.perf_counter()
splits = load_splits(sys.argv[1])
loaded = time.perf_counter()
rows, images, labels = next(batches(splits.train, 64))
done = time.perf_counter()
used = resource.getrusage(resource.RUSAGE_SELF)
print({"import": ready - begun, "load": loaded - ready, "first batch": done - loaded, "whole": done - begun,
       "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024, "said": splits.said,
       "images": sum(map(len, splits))})
"""


def unpacked(folder: Path) -> dict[str, Path]:
    """The JPEG files of the ImageNet sample as class folders: as they are, and at the size usual in ImageNet."""
    from PIL import Image

    archive = Path(os.environ["STRIATE_DATA"]) / "imagenet-sample" / "imagenet_sample300.zip"
    places = {"short side 256, as handed out": folder / "small", "500 x 375, as most of ImageNet": folder / "large"}
    with zipfile.ZipFile(archive) as members:
        names = sorted(name for name in members.namelist() if name.lower().endswith((".jpg", ".jpeg")))
        for number, name in enumerate(names):
            data = members.read(name)
            for place in places.values():
                (place / f"class{number % 10}").mkdir(parents=True, exist_ok=True)
            inside = Path(f"class{number % 10}") / f"{number:03d}.jpg"
            (folder / "small" / inside).write_bytes(data)
            with Image.open(folder / "small" / inside) as picture:
                picture.convert("RGB").resize((500, 375)).save(folder / "large" / inside, quality=90)
    return places


def loaders(folder: Path, workers: int) -> tuple[Callable[[], Iterable[Any]], Callable[[], Iterable[Any]]]:
    """One pass of ours and one of torchvision's; each gives (images, labels)."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from striate.core.image import Geometry
    from striate.data import dataset
    from striate.data.batches import batches
    from striate.data.layouts.folder import gathered
    from striate.data.source import Request
    from striate.data.tree import open_tree

    dataset.FITS = 0  # else the second round would find everything in memory
    tree = open_tree(folder)
    listed = [(name, name.split("/")[0]) for name in tree.files().names]
    data = gathered(tree, listed, Request(str(folder), ()), split="all", layout="folder of classes")
    data = data.resized(Geometry((224, 224), resize=256))
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    peer = ImageFolder(str(folder), transforms.Compose(steps))
    return (
        lambda: ((images, labels) for _, images, labels in batches(data, BATCH, workers=workers)),
        lambda: DataLoader(peer, BATCH, num_workers=workers),
    )


def timed(run: Callable[[], Iterable[Any]]) -> tuple[float, float]:
    """Wall and CPU seconds of one pass."""
    before, begun = _cpu(), time.perf_counter()
    for _ in run():
        pass
    return time.perf_counter() - begun, _cpu() - before


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def compare() -> str:
    """The table of both loaders, and whether ours is as fast."""
    import torch

    torch.set_num_threads(1)
    rows, holds = [], True
    with tempfile.TemporaryDirectory() as temporary:
        for title, folder in unpacked(Path(temporary)).items():
            for workers in WORKERS:
                ours, theirs = loaders(folder, workers)
                for one, two in zip(ours(), theirs(), strict=True):
                    assert torch.equal(one[0], two[0]), "the pixels differ"
                    assert torch.equal(one[1], two[1]), "the labels differ"
                pairs = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
                cells = []
                for kind in (0, 1):
                    middle, low, high = median_interval([one[kind] / two[kind] for one, two in pairs])
                    holds = holds and (kind == 0 or middle <= 1)
                    cells.append(f"**{middle:.2f}** ({low:.2f} to {high:.2f})")
                seconds = [statistics.median(pair[who][1] for pair in pairs) for who in (0, 1)]
                rows.append(f"| {title} | {workers} | {seconds[0]:.3f} | {seconds[1]:.3f} | {cells[1]} | {cells[0]} |")
                print(rows[-1], flush=True)
    versions = f"torch {torch.__version__}, torchvision {_version('torchvision')}, Pillow {_version('pillow')}"
    return f"""# A folder of JPEG files to batches, against torchvision

Command: `python benchmarks/loader.py`, {datetime.now(UTC):%Y-%m-%d}. {versions}; {machine()}, one thread of torch.

300 photographs, resize 256, crop 224, batches of {BATCH}, float32; the pixels are the same bit for bit. Theirs is
`ImageFolder` with `Resize(256)`, `CenterCrop(224)`, `ToTensor()` in a `DataLoader`. {ROUNDS} rounds of each,
alternating, nothing kept between them; the median of the ratios ours : theirs and its 95 % interval (order statistics).

| files | workers | ours, CPU s | theirs, CPU s | ratio of CPU seconds | ratio of wall seconds |
|---|---|---|---|---|---|
{chr(10).join(rows)}

Wanted: ratios of CPU seconds of at most 1. {"It holds." if holds else "It does not hold."} Wall seconds depend on what
else the machine does. With memory enough (`FITS`) a second pass of ours decodes nothing; that is not measured here.
"""


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def machine() -> str:
    """The machine in words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def make_names(folder: Path) -> None:
    """Class folders of small pictures; in each all names but the first are links to it."""
    import torch

    from striate.core.image import encode_png

    for number in range(CLASSES):
        place = folder / f"class_{number:04d}"
        place.mkdir(parents=True)
        first = place / "img_000000.png"
        first.write_bytes(encode_png(torch.full((3, 8, 8), number / CLASSES)))
        for other in range(1, NAMES // CLASSES):
            os.link(first, place / f"img_{other:06d}.png")


def million() -> str:
    """How long it takes from nothing to the first batch of a million names, and in how much memory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "million"
        make_names(folder)
        runs, load = [], os.getloadavg()[0]
        for _ in range(3):
            ran = subprocess.run(
                [sys.executable, "-c", CHILD, str(folder)], capture_output=True, text=True, check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            runs.append(json.loads(ran.stdout.replace("'", '"')))
            print({name: round(value, 2) for name, value in runs[-1].items() if isinstance(value, float)}, flush=True)
    best = min(runs, key=lambda run: run["whole"])
    holds = best["whole"] <= SECONDS and max(run["peak"] for run in runs) <= BYTES
    verdict = "It holds" if holds else "It does not hold"
    columns = ("import", "load", "first batch", "whole", "cpu")
    lines = "\n".join(
        f"| {' | '.join(f'{run[column]:.2f}' for column in columns)} | {run['peak'] / 2**20:.0f} |" for run in runs
    )
    return f"""# A folder of a million names

Command: `python benchmarks/loader.py --million`, {datetime.now(UTC):%Y-%m-%d}. {machine()}.

{CLASSES:,} class folders with {NAMES // CLASSES:,} names each; from the first import to the first batch of 64, three
runs, each a process of its own. Said: "{best["said"]}".

| import, s | load, s | first batch, s | whole, s | CPU s | peak memory, MiB |
|---|---|---|---|---|---|
{lines}

Wanted: {SECONDS:.0f} seconds of the quickest run and {BYTES / 2**20:.0f} MiB of the largest. {verdict} in wall seconds,
with the machine at a load of {load:.1f}. Nearly all of it runs on one core: the CPU seconds are what it takes on a
machine with nothing else to do.
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--million", action="store_true", help="measure a folder of a million names instead")
    if options.parse_args().million:
        name, text = "million", million()
    elif "STRIATE_DATA" not in os.environ:
        print("loader: STRIATE_DATA does not say where the ImageNet sample lies; nothing is measured")
        return
    else:
        name, text = "loader", compare()
    (HERE / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
