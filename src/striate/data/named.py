"""Builders of the named data sets: each gives its three splits for a `Request`."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry, to_bytes
from striate.core.storage import write_with

from .catalog import DATASETS
from .dataset import Dataset, Splits
from .files import Remote, fetch, md5_of, missing, read_idx, read_plain_pickle
from .outlines import CLASSES
from .shapes import BLOCK, SIDES, ShapesStore, labels_of
from .source import Request
from .splits import three_ways, with_dev

_SHAPES = {"train": (20_000, 0), "dev": (2_000, BLOCK), "test": (5_000, 2 * BLOCK)}  # count, first index
_SHAPES_ACCEPTED = "shapes, shapes:64, shapes:96, and options such as shapes:32:objects=3:train=50000"
_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_PHOTOGRAPHS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_WHOLE = {"MNIST": (60_000, 10_000), "FashionMNIST": (60_000, 10_000), "CIFAR10": (50_000, 10_000)}
_CIFAR = "cifar-10-batches-py"
_CIFAR_MD5 = {  # as the authors' page and torchvision state them
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def shapes(request: Request) -> Splits:
    """Drawn shapes; options after colons: the side in pixels, ``objects=1..4``, ``train=``, ``dev=``, ``test=`` counts.

    The splits are disjoint ranges of indices, so test images are never seen in training, whatever the counts.
    """
    side, numbers = SIDES[0], {"objects": 1, **{split: count for split, (count, _) in _SHAPES.items()}}
    for option in request.options:
        key, equals, value = option.partition("=")
        if not (value or key).isdigit() or (equals and key not in numbers):
            raise StriateError(f"shapes with option {option!r}", accepted=_SHAPES_ACCEPTED)
        if equals:
            numbers[key] = int(value)
        else:
            side = int(key)
    store = ShapesStore(request.seed, side, numbers["objects"])
    parts = {}
    for split, (_, first) in _SHAPES.items():
        if not 1 <= numbers[split] <= BLOCK:
            raise StriateError(f"shapes with {split}={numbers[split]}", accepted="1 to 1,000,000,000 images")
        ids = torch.arange(numbers[split]) + first
        parts[split] = Dataset(
            request.name, split, CLASSES, labels_of(store.rng, ids), ids, store, ids, 3,
            licence=DATASETS["shapes"].licence, layout=f"drawn by rule, {side}x{side}",
        )  # fmt: skip
    counts = "/".join(f"{numbers[split]:,}" for split in _SHAPES)
    many = f", {numbers['objects']} objects a picture" if numbers["objects"] > 1 else ""
    said = f"shapes drawn by rule: {len(CLASSES)} classes, {side}x{side}{many}, {counts} images, seed {request.seed}"
    return Splits(parts["train"], parts["dev"], parts["test"], said)


def digits(request: Request) -> Splits:
    """The 1,797 scans that come with scikit-learn, 8x8 in 17 grey levels, enlarged to 28x28; split 60/20/20."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = to_bytes(torch.from_numpy(bunch.images).to(torch.float32)[:, None] / 16.0)
    data = Dataset.of(
        pixels, torch.from_numpy(bunch.target), classes=_DIGITS, name=request.bare().name, split="all",
        cites=DATASETS["digits"].cites, licence=DATASETS["digits"].licence, layout="scikit-learn",
    )  # fmt: skip
    enlarged = data.resized(Geometry((28, 28), crop="none", interpolation="bicubic"))
    said = f"digits of scikit-learn: 10 classes, {len(data):,} images of 8x8 at 28x28"
    return three_ways(enlarged, seed=request.seed, said=said, division=request.division)


def mnist(request: Request) -> Splits:
    """MNIST as torchvision keeps it, ``MNIST/raw/*-ubyte`` (plain or .gz) under a data root."""
    return _idx(request, _DIGITS)


def fashion_mnist(request: Request) -> Splits:
    """FashionMNIST as torchvision keeps it, ``FashionMNIST/raw/*-ubyte`` (plain or .gz) under a data root."""
    return _idx(request, _CLOTHES)


def cifar10(request: Request) -> Splits:
    """CIFAR-10 as torchvision keeps it, ``cifar-10-batches-py`` under a data root or its folder ``CIFAR10``."""
    name = request.bare().name
    folder = next(
        (place for place in _cifar_places(request) if any((place / file).is_file() for file in _CIFAR_MD5)), None
    )
    if folder is None:
        if not request.download:
            raise missing(request, [f"{name}/{_CIFAR}", _CIFAR], ["data_batch_1"])
        folder = _fetch_cifar(request)
    train = [_cifar_batch(folder / file, request) for file in list(_CIFAR_MD5)[:-1]]
    test = [_cifar_batch(folder / "test_batch", request)]
    return _train_and_test(request, _PHOTOGRAPHS, _joined(train, 3, 32), _joined(test, 3, 32))


Part = tuple[Tensor, Tensor]  # images and labels


def _idx(request: Request, classes: tuple[str, ...]) -> Splits:
    name = request.bare().name
    stems = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    folders = [root / name / "raw" for root in request.roots]
    there = [[stem for stem in stems if _plain_or_packed(folder / stem) is not None] for folder in folders]
    best = max(range(len(folders)), key=lambda number: (len(there[number]), -number))
    folder = folders[best]
    if len(there[best]) < len(stems) and not (request.partial and there[best]):
        absent = [stem for stem in stems if stem not in there[best]]
        if not request.download:
            error = missing(request, [f"{name}/raw"], absent)
            raise error if not there[best] else _cut(f"{folder} lacks {', '.join(absent)}", "all four files")
        folder = folders[0]
        remotes = _idx_remotes(name)
        for stem in stems:
            if _plain_or_packed(folder / stem) is None:
                fetch(request, remotes[f"{stem}.gz"], folder / f"{stem}.gz")
    return _train_and_test(request, classes, _idx_part(folder, "train", request), _idx_part(folder, "t10k", request))


def _idx_part(folder: Path, part: str, request: Request) -> Part:
    images = _plain_or_packed(folder / f"{part}-images-idx3-ubyte")
    labels = _plain_or_packed(folder / f"{part}-labels-idx1-ubyte")
    if images is None or labels is None:  # only a partial copy comes here without one of them
        return torch.empty((0, 1, 28, 28), dtype=torch.uint8), torch.empty(0, dtype=torch.int64)
    pixels, numbers = read_idx(images, partial=request.partial), read_idx(labels, partial=request.partial)
    if pixels.dim() != 3 or numbers.dim() != 1:
        raise StriateError(f"{images.parent} holds arrays of shape {tuple(pixels.shape)}, {tuple(numbers.shape)}")
    count = min(len(pixels), len(numbers))
    if len(pixels) != len(numbers) and not request.partial:
        raise _cut(f"{images} holds {len(pixels):,} images and {len(numbers):,} labels", "as many of each")
    return pixels[:count, None], numbers[:count].to(torch.int64)


def _plain_or_packed(path: Path) -> Path | None:
    packed = path.with_name(f"{path.name}.gz")
    return path if path.is_file() else packed if packed.is_file() else None


def _idx_remotes(name: str) -> dict[str, Remote]:
    from torchvision import datasets

    kind = getattr(datasets, name)
    return {file: Remote(tuple(f"{mirror}{file}" for mirror in kind.mirrors), md5) for file, md5 in kind.resources}


def _cifar_places(request: Request) -> list[Path]:
    return [place for root in request.roots for place in (root / "CIFAR10" / _CIFAR, root / _CIFAR)]


def _fetch_cifar(request: Request) -> Path:
    from torchvision.datasets import CIFAR10

    target = request.roots[0] / "CIFAR10" / str(CIFAR10.filename)
    fetch(request, Remote((CIFAR10.url,), CIFAR10.tgz_md5), target)
    folder = target.parent / _CIFAR
    with tarfile.open(target) as archive:
        for file in _CIFAR_MD5:  # by name: nothing else in the archive is written anywhere
            stream = archive.extractfile(f"{_CIFAR}/{file}")
            if stream is None:
                raise StriateError(f"{target} lacks {file}", hint="delete it, and it is downloaded again")
            write_with(folder / file, lambda out, stream=stream: shutil.copyfileobj(stream, out))  # type: ignore[misc]
    target.unlink()
    return folder


def _cifar_batch(path: Path, request: Request) -> Part | None:
    if not path.is_file():
        if request.partial:
            return None
        raise _cut(f"{path.parent} lacks {path.name}", "six batches of 10,000 images")
    held = read_plain_pickle(path)
    data, labels = held.get("data"), held.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise StriateError(f"{path} holds no array 'data' of bytes", accepted="shape (N, 3072)")
    if not isinstance(labels, list) or len(labels) != len(data):
        raise StriateError(f"{path} holds {len(data):,} images and {len(labels or ()):,} labels")
    if not request.partial:
        if len(data) != 10_000:
            raise _cut(f"{path} holds {len(data):,} images", "10,000")
        if (md5 := md5_of(path)) != _CIFAR_MD5[path.name]:
            raise _cut(f"{path} has md5 {md5}", _CIFAR_MD5[path.name])
    return torch.from_numpy(data.reshape(-1, 3, 32, 32).copy()), torch.tensor(labels, dtype=torch.int64)


def _joined(parts: list[Part | None], channels: int, side: int) -> Part:
    there = [part for part in parts if part is not None]
    if not there:
        return torch.empty((0, channels, side, side), dtype=torch.uint8), torch.empty(0, dtype=torch.int64)
    return torch.cat([images for images, _ in there]), torch.cat([labels for _, labels in there])


def _train_and_test(request: Request, classes: tuple[str, ...], train: Part, test: Part) -> Splits:
    name, full = request.name, _WHOLE[request.name]
    found = (len(train[0]), len(test[0]))
    if found != full and not request.partial:
        raise _cut(f"{name} holds {found[0]:,} training and {found[1]:,} test images", f"{full[0]:,} and {full[1]:,}")
    entry = DATASETS[name]
    whole = []
    for split, (images, labels), first in (("train", train, 0), ("test", test, full[0])):
        data = Dataset.of(
            images, labels, classes=classes, name=name, split=split, ids=torch.arange(len(labels)) + first,
            cites=entry.cites, licence=entry.licence, layout=f"{name} as torchvision keeps it",
        )  # fmt: skip
        whole.append(data)
    part = "" if found == full else f", a part of {full[0]:,} and {full[1]:,}"
    return with_dev(
        *whole, seed=request.seed, said=f"{name}: {len(classes)} classes, {found[0]:,} and {found[1]:,} images{part}"
    )


def _cut(given: str, accepted: str) -> StriateError:
    return StriateError(given, accepted=accepted, hint="partial=True (--partial) takes the part that is there")
