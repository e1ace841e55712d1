"""Predictions, made once per image and passed on."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.ranks import ranks
from striate.metrics.losses import cross_entropy

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.nets.net import Net

Precision = Literal["float32", "float64", "bfloat16", "float16"]
# On a CPU a pass is fastest while its largest activations stay near the caches: 4 images of 3 x 224 x 224.
CPU_VALUES = 4 * 3 * 224 * 224
CPU_IMAGES = 512
GPU_IMAGES = 2048
SLICE = 1 << 22  # logits that are worked on at once


@dataclass(frozen=True, eq=False)
class Table:
    """What a net says of every image of one split. Made by `predict`; passed on so that nothing predicts twice.

    Attributes:
        logits: Shape (N, K), float32 (float64 where the passes were).
        labels: Shape (N,), int64.
        ids: Stable id of each image, shape (N,), int64.
        rows: Row of each image in the split, shape (N,), int64.
        names: Names of the classes, the data's.
        key: Hash of net, data, geometry and precision: equal keys, equal tables.
        net_names: Names the net has for its outputs; empty where it has only numbers.
    """

    logits: Tensor
    labels: Tensor
    ids: Tensor
    rows: Tensor
    names: tuple[str, ...]
    key: str
    net_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.logits.shape != (n, len(self.names)) or len(self.ids) != n or len(self.rows) != n:
            raise StriateError(
                f"logits of shape {tuple(self.logits.shape)} for {n} labels and {len(self.names)} classes",
                accepted="(N, K), and N labels, ids and rows",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Sequence[int] | Tensor) -> Table:
        """The predictions of some rows, in the order given."""
        at = torch.as_tensor(rows, dtype=torch.int64)
        return replace(self, logits=self.logits[at], labels=self.labels[at], ids=self.ids[at], rows=self.rows[at])

    @cached_property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, shape (N, K), in their precision."""
        return torch.softmax(self.logits, 1)

    @cached_property
    def predicted(self) -> Tensor:
        """The class with the highest logit, shape (N,); the first of equal ones."""
        return self.logits.argmax(1)

    @cached_property
    def correct(self) -> Tensor:
        """Whether the prediction is the label, shape (N,), bool."""
        return self.predicted == self.labels

    @cached_property
    def confidence(self) -> Tensor:
        """Probability of the predicted class, shape (N,), float64."""
        return torch.cat(
            [torch.softmax(self.logits[part].to(torch.float64), 1).amax(1) for part in in_slices(self.logits)]
        )

    @cached_property
    def losses(self) -> Tensor:
        """Cross-entropy of each image in nats, shape (N,), float64."""
        return torch.cat([cross_entropy(self.logits[part], self.labels[part]) for part in in_slices(self.logits)])


def in_slices(logits: Tensor) -> Iterator[slice]:
    """Slices over the rows of a table, so that what is computed of it stays small; one empty slice for no rows."""
    rows = max(1, SLICE // max(1, logits.shape[1]))
    for start in range(0, max(1, len(logits)), rows):
        yield slice(start, start + rows)


def predict(
    net: Net,
    data: Dataset,
    *,
    batch: int | None = None,
    memory: int = 1 << 30,
    workers: int = 0,
    precision: Precision = "float32",
    device: str | torch.device | None = None,
    progress: Progress = SILENT,
) -> Table:
    """The net's logits for every image, one forward pass each; the net is left bit for bit as it was found.

    Images that do not fit in memory are decoded while the net computes. Passes run in the memory format that is
    fastest, channels last where there is a convolution. Alone or in any batch an image's logits agree within 1e-5 of
    their scale in float32 and 1e-12 in float64.

    Args:
        net: A classifier.
        data: One split, its images as the net takes them.
        batch: Images a pass; by default as many as are fastest and fit the memory.
        memory: Bytes beside the net.
        workers: Processes that decode, where the data are not in memory.
        precision: Arithmetic of the passes; float64 works on a copy of the net.
        device: Where to compute, by default where the net is; elsewhere works on a copy of it.
        progress: How progress is shown.

    Raises:
        StriateError: The data have no single labels, net and data do not fit each other, the net gives no class
            scores, or an output is not finite; the message names the image.

    >>> from striate.nets.load import load_net
    >>> from striate.data.load import load_data
    >>> predict(load_net("striate/small"), load_data("shapes").limit(20)).logits.shape
    torch.Size([20, 10])
    """
    data.classified()
    logits, rows = outputs_of(
        net, data, batch=batch, memory=memory, workers=workers, precision=precision, device=device, progress=progress
    )
    _check_scale(net, logits)
    return Table(
        logits=logits,
        labels=data.labels[rows].to(torch.int64),
        ids=data.ids[rows],
        rows=rows,
        names=tuple(data.classes),
        key=_key(net, data, precision),
        net_names=() if _numbered(net.classes) else tuple(net.classes),
    )


def outputs_of(
    net: Net,
    data: Dataset,
    *,
    batch: int | None = None,
    memory: int = 1 << 30,
    workers: int = 0,
    precision: Precision = "float32",
    device: str | torch.device | None = None,
    progress: Progress = SILENT,
) -> tuple[Tensor, Tensor]:
    """The net's logits (N, K) for every image, and the rows they are of; how, and what is refused, as in `predict`."""
    if batch is not None and batch < 1:
        raise StriateError(f"batch is {batch}", accepted="a whole number of at least 1")
    if len(data) == 0:
        raise StriateError(f"{data.name}, split {data.split}, has no images", hint="another split")
    _check_fit(net, data)
    place = torch.device(device) if device is not None else _device_of(net)
    working = net if place == _device_of(net) and precision != "float64" else copy.deepcopy(net).to(place)
    if precision == "float64":
        working = working.to(torch.float64)
    count = batch or _images_a_pass(net, data, memory, place)
    return _passes(working, data, count=count, workers=workers, precision=precision, place=place, progress=progress)


def _passes(
    net: Net,
    data: Dataset,
    *,
    count: int,
    workers: int,
    precision: Precision,
    place: torch.device,
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """Logits, and the rows they are of: all, but for files that were left out when they were met."""
    from striate.data.batches import batches
    from striate.nets.passes import count_elsewhere, counting
    from striate.nets.undisturbed import undisturbed

    layout = torch.channels_last if _has_convolution(net) else torch.contiguous_format
    stored = torch.float64 if precision == "float64" else torch.float32
    together = ranks()
    chunks = torch.split(torch.arange(len(data)), count)  # ranks take whole passes, so that each is as for one process
    order = torch.cat([torch.arange(0), *chunks[together.share_of(len(chunks))]])

    def pass_own() -> list[tuple[Tensor, Tensor]]:
        parts = []
        with undisturbed(net), progress.task("predict", len(order)) as step:
            for rows, images, _ in batches(data, count, order=order, workers=workers):
                with torch.inference_mode(), _arithmetic(precision, place):
                    logits = net.logits(images.to(place, stored, memory_format=layout)).to("cpu", stored)
                _check_logits(logits, rows, net, data)
                parts.append((logits, rows))
                step(len(rows))
        return parts

    with counting() as passes:
        parts = [each for own in together.each(pass_own) for each in own]
    count_elsewhere(passes, together)
    # made outside inference mode: what is handed out may take part in autograd
    return torch.cat([logits for logits, _ in parts]), torch.cat([rows for _, rows in parts])


def _arithmetic(precision: Precision, place: torch.device) -> AbstractContextManager[object]:
    if precision in {"bfloat16", "float16"}:
        return torch.autocast(place.type, torch.bfloat16 if precision == "bfloat16" else torch.float16)
    return nullcontext()


def _images_a_pass(net: Net, data: Dataset, memory: int, place: torch.device) -> int:
    height, width = data.size or net.a_size()
    fits = net.batch_size((height, width), memory=memory)
    if place.type != "cpu":
        return min(fits, GPU_IMAGES)
    return max(1, min(fits, CPU_IMAGES, CPU_VALUES // (net.channels * height * width)))


def check_images_fit(net: Net, data: Dataset) -> None:
    """Raises a `StriateError` where the images have not the channels or the size that the net takes."""
    if net.channels != data.channels:
        raise StriateError(
            f"{net.name} takes {net.channels} channels and {data.name} has {data.channels}",
            hint=f"data.as_channels({net.channels})",
        )
    if net.size is not None and data.size is not None and net.size != data.size:
        raise StriateError(
            f"{net.name} takes {net.size[0]} x {net.size[1]} and {data.name} has {data.size[0]} x {data.size[1]}",
            hint="data.resized(Geometry(net.size))",
        )


def _check_fit(net: Net, data: Dataset) -> None:
    check_images_fit(net, data)
    ours, theirs = (tuple(map(_plain, names)) for names in (net.classes, data.classes))
    if ours != theirs and not _numbered(net.classes) and len(set(ours)) == len(ours) and sorted(ours) == sorted(theirs):
        place = next(row for row, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other)
        raise StriateError(
            f"{net.name} and {data.name} have the same classes in another order: class {place} is "
            f"{net.classes[place]!r} for the net and {data.classes[place]!r} in the data",
            accepted="one order",
            hint="number the labels as the net does",
        )


def _check_logits(logits: Tensor, rows: Tensor, net: Net, data: Dataset) -> None:
    if logits.shape[1] != len(data.classes):
        raise StriateError(
            f"{net.name} gives {logits.shape[1]} classes{_some(net.classes)} and {data.name} has "
            f"{len(data.classes)}{_some(data.classes)}",
            accepted="a net that was trained on these classes",
            hint=f"striate train {data.name} --net NET",
        )
    finite = logits.isfinite().all(1)
    if not bool(finite.all()):
        first = int(rows[int((~finite).nonzero()[0])])
        value = "NaN" if bool(logits[~finite].isnan().any()) else "an infinite number"
        raise StriateError(
            f"{net.name} gives {value} for image {data.name_of(first)} (row {first})",
            accepted="finite outputs",
            hint="look for NaN in the weights, or for a pixel that is not finite",
        )


def _check_scale(net: Net, logits: Tensor) -> None:
    """Refuse probabilities that are declared to be logits: their softmax would hide every certainty."""
    if net.outputs != "logits" or logits.shape[1] < 2:
        return
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-4).all()):
        raise StriateError(
            f"every output of {net.name} sums to 1: these are probabilities, and its outputs are said to be logits",
            hint='Net(module, outputs="probabilities"), or leave out the last softmax',
        )


def _key(net: Net, data: Dataset, precision: str) -> str:
    words = (net.fingerprint(), net.outputs, data.fingerprint(), repr(data.geometry), precision)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _has_convolution(net: nn.Module) -> bool:
    return any(isinstance(each, nn.Conv2d) for each in net.modules())


def _device_of(net: nn.Module) -> torch.device:
    like = next(net.parameters(), next(net.buffers(), None))
    return torch.device("cpu") if like is None else like.device


def _numbered(names: Sequence[str]) -> bool:
    return list(names) == [str(number) for number in range(len(names))]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _some(names: Sequence[str]) -> str:
    if not names or _numbered(names):
        return ""
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
