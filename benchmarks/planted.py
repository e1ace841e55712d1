"""Copies planted among real photographs, and what is called a copy in FashionMNIST: part ``check`` of the proofs."""

from __future__ import annotations

import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from striate.checks.copies import Found, Pictures, find_copies
from striate.checks.scan import scan, small_side
from striate.core.image import to_bytes
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits

KINDS = ("saved anew", "resized", "cut", "cut, resized, saved anew")
SAME = 7.0  # grey levels by which the pixels of the object may differ on average; the nearest other image has 28


def copies_found() -> dict[str, Any]:
    """Recall and precision by kind of copy on 300 photographs, and the share that is wrong on FashionMNIST."""
    root = Path(os.environ["STRIATE_DATA"])
    photographs = load_splits(root / "imagenet-sample" / "imagenet_sample300.zip")
    originals = [_picture(part, row) for part in photographs for row in range(len(part))]
    rows = [_planted(originals, kind) for kind in KINDS]
    return {"rows": [*rows, _fashion(root)]}


def _planted(originals: list[Image.Image], kind: str) -> dict[str, Any]:
    lots = Rng(0, kind).uniform(torch.arange(len(originals)), (6,)).tolist()
    with tempfile.TemporaryDirectory() as folder:
        for number, (image, lot) in enumerate(zip(originals, lots, strict=True)):
            for name, one in (("original", image), ("copy", _damaged(image, kind, lot))):
                (Path(folder) / name).mkdir(exist_ok=True)
                one.save(Path(folder) / name / f"{number}.png")
        begun = time.process_time()
        splits = load_splits(folder)
        found, names = _copies(splits)
    groups = [{Path(names[image]).stem for image in group.images} for group in found.groups]
    right = sum(len(group) == 1 for group in groups)
    return {
        "data": f"300 photographs, {kind}",
        "planted": len(originals),
        "found": right,
        "recall": right / len(originals),
        "groups": len(groups),
        "wrong": len(groups) - right,
        "CPU seconds": round(time.process_time() - begun, 1),
    }


def _fashion(root: Path) -> dict[str, Any]:
    begun = time.process_time()
    splits = load_splits("FashionMNIST", root=root)
    found, _ = _copies(splits)
    pixels = torch.cat([part.read(torch.arange(len(part))) for part in splits])[:, 0].to(torch.float32)
    wrong = sum(
        any(_differ(pixels[group.images[0]], pixels[image]) > SAME for image in group.images[1:])
        for group in found.groups
    )
    return {
        "data": "FashionMNIST, 70,000 images as they are",
        "planted": 0,
        "found": len(found.groups) - wrong,
        "recall": "-",
        "groups": len(found.groups),
        "wrong": wrong,
        "CPU seconds": round(time.process_time() - begun, 1),
    }


def _differ(first: Tensor, second: Tensor) -> float:
    """Mean absolute difference over the object, once the contrast of the second is fitted."""
    object_ = (first > 0) | (second > 0)
    gain = (first * second).sum() / second.square().sum()
    return float((first - gain * second).abs()[object_].mean())


def _copies(splits: Splits) -> tuple[Found, list[str]]:
    scans = [scan(part, side=small_side(splits)) for part in splits]
    colours = [each.colours for each in scans if each.colours is not None]
    pictures = Pictures(torch.cat([each.small for each in scans]), torch.cat(colours) if colours else None)
    names = [each.data.name_of(row) for each in scans for row in range(len(each.data))]
    return find_copies([digest for each in scans for digest in each.digests], pictures), names


def _picture(part: Dataset, row: int) -> Image.Image:
    pixels = to_bytes(part.store.read(part.places[[row]], 3, None)[0] / 255)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _damaged(image: Image.Image, kind: str, lot: list[float]) -> Image.Image:
    """Cut to 80-100 % of each side, resized by .3 to 2, saved as JPEG of quality 30 to 90."""
    width, height = image.size
    if "cut" in kind:
        across, down = 0.8 + 0.2 * lot[0], 0.8 + 0.2 * lot[1]
        left, top = lot[2] * (1 - across) * width, lot[3] * (1 - down) * height
        image = image.crop((round(left), round(top), round(left + across * width), round(top + down * height)))
    if "resized" in kind:
        share = 0.3 * (2 / 0.3) ** lot[4]
        image = image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.BICUBIC)
    if "saved" in kind:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=30 + round(60 * lot[5]))
        image = Image.open(io.BytesIO(stream.getvalue())).convert("RGB")
    return image
