"""Arrays of numpy: one ``.npz`` with images and labels, or ``images.npy`` and ``labels.npy`` side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import as_images

from ..annotations import VOID, Annotations
from ..dataset import Dataset, Splits
from ..source import Request
from ..splits import three_ways
from ..tree import Listing, Tree
from .folder import divided
from .recognise import Layout
from .vocabulary import GROUPS, SPLITS

IMAGES = ("x", "images", "image", "data", "imgs", "pixels")
LABELS = ("y", "labels", "label", "targets", "target", "classes_of_images")
NAMES = ("classes", "class_names", "names", "label_names")
MASKS = ("masks", "mask", "regions", "segmentation")
_ACCEPTED = "arrays x and y (or images and labels), or x_train, y_train, x_test, y_test"
Array = np.ndarray[Any, Any]


def is_arrays(tree: Tree, listing: Listing) -> bool:
    """Whether the tree holds one ``.npz``, or ``.npy`` files of which one is called as images are, and no more."""
    del tree
    packed = [name for name in listing.top_files if name.lower().endswith(".npz")]
    loose = [name for name in listing.top_files if name.lower().endswith(".npy")]
    named = any(_role(_stem(name))[0] == "images" for name in loose)
    return not listing.folders and ((len(packed) == 1 and not loose) or (named and not packed))


def read_arrays(tree: Tree, listing: Listing, request: Request) -> Splits:
    """Splits of the arrays in a tree; see `read_array_file`."""
    packed = [name for name in listing.top_files if name.lower().endswith(".npz")]
    if packed:
        return read_array_file(tree, packed[0], request)
    loose = [name for name in listing.top_files if name.lower().endswith(".npy")]
    arrays = {_stem(name): _loaded(tree.read(name), name) for name in loose}
    return _splits(arrays, tree.name, f"numpy arrays {', '.join(loose)}", request)


def read_array_file(tree: Tree, name: str, request: Request) -> Splits:
    """Splits of one ``.npz`` or ``.npy``.

    Images may lie as (N, H, W), (N, H, W, C) or (N, C, H, W), bytes or floats in [0, 1]; labels are whole numbers or
    words, one an image (classes) or a table of 0 and 1 (tags); masks (N, H, W) hold the class of each pixel. Names of
    classes, groups, and further arrays of N values (attributes) are taken where they are there. Nothing is unpickled.

    Raises:
        StriateError: No images among the arrays, or arrays that do not fit each other.
    """
    data = tree.read(name)
    if name.lower().endswith(".npy"):
        return _splits({"images": _loaded(data, name)}, _stem(name), f"numpy array {name}", request)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as packed:
            arrays = {key: packed[key] for key in packed.files}
    except Exception as error:  # a damaged archive raises nearly anything
        raise StriateError(f"{name} cannot be read: {error}", accepted="an .npz without pickled objects") from error
    return _splits(arrays, _stem(name), f"numpy arrays in {name}", request)


def _loaded(data: bytes, name: str) -> Array:
    try:
        array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:
        raise StriateError(f"{name} cannot be read: {error}", accepted="an .npy without pickled objects") from error
    return array


def _splits(arrays: Mapping[str, Array], name: str, layout: str, request: Request) -> Splits:
    parts: dict[str, dict[str, Array]] = {}
    others: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        role, part = _role(key)
        (parts if role else others).setdefault(part, {})[role or key] = array
    shared = parts.pop("", {}) if len(parts) > 1 else {}
    found: dict[str, Dataset] = {}
    for part, given in parts.items():
        whole = {**({"names": shared["names"]} if "names" in shared else {}), **given}
        if "images" not in whole:
            continue
        found[part] = _dataset(whole, others.get(part, {}), name, part or "all", layout)
    if not found:
        raise StriateError(f"{name} holds the arrays {', '.join(arrays) or '(none)'}", accepted=_ACCEPTED)
    _same_classes(found, name)
    first = next(iter(found.values()))
    total = sum(map(len, found.values()))
    kinds = {"classes": "classes", "tags": "labels, any number an image", "regions": "classes of pixels"}
    what = f"{len(first.classes)} {kinds[first.task]}" if first.task in kinds else "no labels"
    said = f"{layout}: {what}, {total:,} images"
    if set(found) == {""}:
        return three_ways(found[""], seed=request.seed, said=said, division=request.division)
    return divided(found, said, request.seed, request.division)


def _dataset(given: Mapping[str, Array], others: Mapping[str, Array], name: str, part: str, layout: str) -> Dataset:
    images = as_images(given["images"])
    count = len(images)
    for role, array in given.items():
        if role not in {"images", "names"} and len(array) != count:
            raise StriateError(f"{name} has {count:,} images and {len(array):,} {role}", accepted="as many of each")
    extra = {key: array for key, array in others.items() if array.ndim == 1 and len(array) == count}
    notes = _notes(given, extra, count)
    names = tuple(str(one) for one in given["names"].tolist()) if "names" in given else None
    base = Dataset.of(
        images, torch.zeros(count, dtype=torch.int64), classes=("",), name=name, split=part, layout=layout, notes=notes
    )
    if "labels" in given:
        return _labelled(base, given["labels"], names, name)
    if "masks" in given:
        highest = int(np.where(given["masks"] == VOID, 0, given["masks"]).max(initial=0))
        classes = names or tuple(str(number) for number in range(highest + 1))
        return _replaced(base, classes=classes, task="regions")
    return _replaced(base, classes=(), task="none")


def _labelled(base: Dataset, labels: Array, names: tuple[str, ...] | None, name: str) -> Dataset:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        if not np.isin(labels, (0, 1)).all():
            raise StriateError(f"{name} has labels of shape {labels.shape}", accepted="0 and 1 for each label")
        tags = torch.from_numpy(labels.astype(bool))
        if bool((tags.sum(1) == 1).all()):  # one-hot: one label an image after all
            labels = labels.argmax(1)
        else:
            classes = names or tuple(str(number) for number in range(tags.shape[1]))
            return _replaced(base, classes=classes, task="tags", tags=tags)
    if labels.ndim != 1:
        raise StriateError(f"{name} has labels of shape {labels.shape}", accepted="(N,) or (N, K)")
    if labels.dtype.kind in "US":
        words = [str(one) for one in labels.tolist()]
        classes = tuple(sorted(set(words)))
        place = {word: number for number, word in enumerate(classes)}
        return _replaced(base, classes=classes, labels=torch.tensor([place[word] for word in words]))
    if labels.dtype.kind not in "iub":
        raise StriateError(f"{name} has labels of type {labels.dtype}", accepted="whole numbers or words")
    numbers = torch.from_numpy(labels.astype(np.int64))
    lowest, highest = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, -1)
    classes = names or tuple(str(number) for number in range(highest + 1))
    if lowest < 0 or highest >= len(classes):
        raise StriateError(f"{name} has labels from {lowest} to {highest}", accepted=f"0 to {len(classes) - 1}")
    return _replaced(base, classes=classes, labels=numbers)


def _notes(given: Mapping[str, Array], extra: Mapping[str, Array], count: int) -> tuple[Annotations, ...] | None:
    if not extra and not {"groups", "masks"} & set(given):
        return None
    groups = given.get("groups")
    masks = given.get("masks")
    return tuple(
        Annotations(
            regions=None if masks is None else _regions(masks[row]),
            group="" if groups is None else str(groups[row]),
            attributes=MappingProxyType({key: _value(array[row]) for key, array in extra.items()}),
        )
        for row in range(count)
    )


def _regions(mask: Array) -> Tensor:
    whole = mask.ndim == 2 and mask.dtype.kind in "iub"
    if not whole or (mask.size and not 0 <= int(mask.min()) <= int(mask.max()) <= VOID):
        raise StriateError(f"a mask of shape {mask.shape}, {mask.dtype}", accepted=f"(H, W), classes from 0 to {VOID}")
    return torch.from_numpy(mask.astype(np.uint8))


def _value(one: Any) -> str | float:
    return float(one) if np.issubdtype(type(one), np.number) or isinstance(one, np.bool_) else str(one)


def _replaced(base: Dataset, **changes: Any) -> Dataset:
    if "labels" not in changes:
        changes["labels"] = torch.full((len(base),), -1, dtype=torch.int64)
    return replace(base, **changes)


def _same_classes(found: Mapping[str, Dataset], name: str) -> None:
    classes = {data.classes for data in found.values()}
    if len(classes) == 1:
        return
    raise StriateError(
        f"the parts of {name} have {' and '.join(str(len(each)) for each in sorted(classes, key=len))} classes",
        accepted="the same classes in each, or an array class_names",
    )


def _role(key: str) -> tuple[str, str]:
    """What an array is, and of which part: ``"x_train"`` is (``"images"``, ``"train"``); ("", part) for another."""
    words = [word for word in key.lower().replace("-", "_").split("_") if word]
    part = next((SPLITS[word] for word in words if word in SPLITS), "")
    bare = "_".join(word for word in words if word not in SPLITS)
    for role, names in (("images", IMAGES), ("labels", LABELS), ("names", NAMES), ("groups", GROUPS), ("masks", MASKS)):
        if bare in names:
            return role, part
    return "", part


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rsplit(".", 1)[0]


ARRAYS = Layout(is_arrays, read_arrays)
