"""Feed: the batches of an epoch, whose order and random changes depend on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from striate.core.rng import Rng
from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.data.transforms import TRANSFORMS, Mixer, RandomCrop, RandomFlip, Transform, transformed

from .recipe import Augment
from .task import Batch

MemoryFormat = Literal["channels_last", "contiguous"]
FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
_NONE = Augment()


@dataclass(frozen=True)
class Feed:
    """Batches of one split.

    Attributes:
        data: The split.
        batch: Images a batch.
        seed: Seed of order and changes.
        device: Where the batches go.
        memory_format: Layout of the images in memory.
        workers: Processes that decode images of data that do not fit in memory.
        augment: Changes of the training images.
    """

    data: Dataset
    batch: int
    seed: int
    device: torch.device
    memory_format: MemoryFormat = "channels_last"
    workers: int = 0
    augment: Augment = _NONE

    @property
    def steps(self) -> int:
        """Batches of a training epoch: full ones only, or one with everything there is."""
        return max(len(self.data) // self.batch, 1)

    def shuffled(self, epoch: int) -> Iterator[Batch]:
        """Full batches in an order of this epoch, changed at random; each image's draws hang on (seed, id, epoch).

        With a mixer the labels are rows of shares (n, K).
        """
        order = Rng(self.seed, "train/order").permutation(len(self.data), step=epoch)
        yield from self._batches(order[: self.steps * self.batch], epoch=epoch)

    def plain(self) -> Iterator[Batch]:
        """Every image once, in the split's own order, unchanged."""
        return self._batches(None)

    def _batches(self, order: torch.Tensor | None, *, epoch: int | None = None) -> Iterator[Batch]:
        layout, changes = FORMATS[self.memory_format], transforms(self.augment)
        mixer: Mixer | None = TRANSFORMS.load(self.augment.mixer) if self.augment.mixer else None
        for rows, images, labels in batches(self.data, self.batch, order=order, workers=self.workers):
            ids = self.data.ids[rows]
            placed, wanted = images.to(self.device), labels
            if epoch is not None:
                placed = transformed(placed, ids, changes, seed=self.seed, step=epoch)
                if mixer is not None:
                    shares = F.one_hot(labels, len(self.data.classes))
                    placed, wanted = mixer(placed, shares, ids, Rng(self.seed, "train/mixer"), step=epoch)
            yield Batch(placed.contiguous(memory_format=layout), wanted.to(self.device), ids, rows)


def transforms(how: Augment) -> tuple[Transform, ...]:
    """The operations that ``how`` stands for."""
    shift: tuple[Transform, ...] = (RandomCrop(how.shift, "reflect"),) if how.shift else ()
    mirror: tuple[Transform, ...] = (RandomFlip(how.mirror),) if how.mirror else ()
    named: tuple[Transform, ...] = tuple(TRANSFORMS.load(name) for name in how.transforms)
    return shift + mirror + named
