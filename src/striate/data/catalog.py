"""The data sets that have a name, described without loading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .dataset import Splits
    from .source import Request

Builder = Callable[["Request"], "Splits"]

DATASETS: Registry[Any] = Registry(
    "data set",
    {
        "shapes": Entry(
            "striate.data.named:shapes",
            "ten outlines drawn by rule in any colour, texture, place and light; no files needed",
            (),
            "Apache-2.0",
        ),
        "digits": Entry(
            "striate.data.named:digits",
            "handwritten digits that come with scikit-learn, 8x8 enlarged to 28x28",
            ("alpaydin1998optical",),
            "CC BY 4.0",
        ),
        "MNIST": Entry("striate.data.named:mnist", "handwritten digits", ("lecun1998gradient",), "CC BY-SA 3.0"),
        "FashionMNIST": Entry(
            "striate.data.named:fashion_mnist", "pictures of clothes from a shop", ("xiao2017fashion",), "MIT"
        ),
        "CIFAR10": Entry(
            "striate.data.named:cifar10",
            "photographs of animals and vehicles",
            ("krizhevsky2009learning",),
            "none declared (research use is customary)",
        ),
    },
    hint="striate datasets lists them; a folder or FILE.py:function will do too (./NAME for a folder)",
)


@dataclass(frozen=True)
class DatasetRow:
    """One line of ``striate datasets``; ``detail`` holds classes, images, size, and where it is looked for."""

    name: str
    summary: str
    source: str
    licence: str
    cites: tuple[str, ...]
    detail: Mapping[str, str] = field(default_factory=dict)


_FACTS = {  # source; classes; images for train, dev, test; pixels; folder under the root, its telling file
    "shapes": ("drawn", 10, "20,000 / 2,000 / 5,000", "32x32 (64, 96), 3 channels", None),
    "digits": ("scikit-learn", 10, "1,078 / 360 / 359", "28x28, 1 channel", None),
    "MNIST": ("torchvision", 10, "54,000 / 6,000 / 10,000", "28x28, 1 channel", ("MNIST/raw/train-images-idx3-ubyte",)),
    "FashionMNIST": (
        "torchvision", 10, "54,000 / 6,000 / 10,000", "28x28, 1 channel",
        ("FashionMNIST/raw/train-images-idx3-ubyte",),
    ),
    "CIFAR10": (
        "torchvision", 10, "45,000 / 5,000 / 10,000", "32x32, 3 channels",
        ("cifar-10-batches-py/data_batch_1", "CIFAR10/cifar-10-batches-py/data_batch_1"),
    ),
}  # fmt: skip


def list_datasets(root: Path | None = None) -> tuple[DatasetRow, ...]:
    """Every named data set, with its counts and whether it is on this machine; nothing is read or downloaded."""
    from .source import data_roots

    rows = []
    for name, entry in DATASETS.items():
        source, classes, images, pixels, files = _FACTS[name]
        detail = {"classes": str(classes), "train / dev / test": images, "pixels": pixels}
        if files is None:
            detail["here"] = "yes, needs no files"
        else:
            found = any(_there(place / file) for place in data_roots(root) for file in files)
            detail["here"] = "yes" if found else "no, downloaded when asked for"
            detail["looked for as"] = str(Path(files[0]).parent)
        rows.append(DatasetRow(name, entry.summary, source, entry.licence, entry.cites, detail))
    return tuple(rows)


def _there(path: Path) -> bool:
    return path.is_file() or path.with_name(f"{path.name}.gz").is_file()
