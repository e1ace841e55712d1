"""Codes: what comes into a net's head, for every image, kept on disk so that a second run has them at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.storage import write_bytes
from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.nets.head import find_head, reading_head
from striate.nets.net import Net

LIMIT = 2 << 30  # bytes of all kept codes together
VERSION = 1  # of the form in which they are kept


@dataclass(frozen=True)
class Codes:
    """Codes (N, D) float32 with labels (N,), in the order of the split, and whether they were found on disk."""

    values: Tensor
    labels: Tensor
    found: bool = False

    def take(self, rows: Tensor) -> Codes:
        """Some of them."""
        return Codes(self.values[rows], self.labels[rows], self.found)


def cache_folder() -> Path:
    """Where codes are kept: ``STRIATE_CACHE/features``, else ``~/.cache/striate/features``."""
    named = os.environ.get("STRIATE_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "striate") / "features"


def head_codes(
    net: Net,
    data: Dataset,
    *,
    batch: int = 32,
    workers: int = 0,
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> Codes:
    """The input of the net's head for every image: one forward pass an image, or none where they are kept.

    Kept under the net's fingerprint, the head's path, and the data's fingerprint (which holds geometry, channels and
    ids). The oldest are deleted where all together are larger than 2 GiB. A folder that cannot be written keeps
    nothing, and says so.

    Args:
        net: Left as found.
        data: Images as the net takes them.
        batch: Images a pass.
        workers: Processes that decode images.
        folder: Where codes are kept; None takes `cache_folder`.
        progress: Where to show progress.

    Raises:
        StriateError: The net has no head, or gives codes that are not finite.
    """
    head = find_head(net)
    words = f"{VERSION} {net.fingerprint()} {head.path} {data.fingerprint()}"
    key = hashlib.sha256(words.encode()).hexdigest()[:32]
    path = (folder or cache_folder()) / f"{key}.safetensors"
    kept = _read(path, len(data), head.width)
    if kept is not None:
        return Codes(kept, data.labels, found=True)
    parts: list[Tensor] = []
    device = next((each.device for each in net.parameters()), torch.device("cpu"))
    with progress.task(f"codes of {data.split}", len(data)) as step, reading_head(net, head) as met:
        for _, images, _ in batches(data, batch, workers=workers):
            net(images.to(device).contiguous(memory_format=torch.channels_last))
            parts.append(met.pop().cpu())
            step(len(images))
    values = torch.cat(parts) if parts else torch.zeros(0, head.width)
    if not bool(values.isfinite().all()):
        raise StriateError(f"{net.name} gives codes that are not finite", hint="look for NaN in its weights")
    if len(values) == len(data):  # files that turned out broken are left out, and such codes are not kept
        _keep(path, values, progress.say)
        return Codes(values, data.labels)
    raise StriateError(
        f"{len(data) - len(values)} images of {data.name}, {data.split}, cannot be read", hint="--skip-broken"
    )


def flat_codes(data: Dataset, make: Callable[[Tensor], Tensor], *, batch: int = 64) -> Codes:
    """Codes by any function of images (n, C, H, W), such as the pixels themselves."""
    parts = [make(images).flatten(1) for _, images, _ in batches(data, batch)]
    return Codes(torch.cat(parts).float(), data.labels)


def _read(path: Path, count: int, width: int) -> Tensor | None:
    try:
        values = load_file(path)["codes"]
    except (OSError, SafetensorError, KeyError):
        return None
    if values.shape != (count, width):
        return None
    path.touch()  # what is used last is deleted last
    return values


def _keep(path: Path, values: Tensor, say: Callable[[str], None]) -> None:
    try:
        write_bytes(path, save({"codes": values.contiguous()}))
        files = sorted(path.parent.glob("*.safetensors"), key=lambda each: each.stat().st_mtime)
        sizes = [each.stat().st_size for each in files]
        total = sum(sizes)
        for old, size in zip(files[:-1], sizes[:-1], strict=True):
            if total <= LIMIT:
                break
            old.unlink(missing_ok=True)
            total -= size
        say(f"codes are kept in {path.parent}, {total / 1e6:.1f} MB in all of at most {LIMIT / 1e9:.1f} GB")
    except (StriateError, OSError) as error:
        say(f"codes are not kept: {error}")
