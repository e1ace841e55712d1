"""Feed: the batches of an epoch, whose order and random changes depend on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from striate.core.errors import StriateError
from striate.core.ranks import ALONE, Ranks
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
    """Batches of one split; of several ranks each takes its share of every batch.

    Attributes:
        data: The split.
        batch: Images a batch, of all ranks together.
        seed: Seed of order and changes.
        device: Where the batches go.
        memory_format: Layout of the images in memory.
        workers: Processes that decode images of data that do not fit in memory.
        augment: Changes of the training images.
        ranks: The processes that share each batch.
    """

    data: Dataset
    batch: int
    seed: int
    device: torch.device
    memory_format: MemoryFormat = "channels_last"
    workers: int = 0
    augment: Augment = _NONE
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise StriateError(f"workers is {self.workers}", accepted="a whole number of at least 0")

    @property
    def steps(self) -> int:
        """Batches of a training epoch: full ones only, or one with everything there is."""
        return max(len(self.data) // self.batch, 1)

    def shuffled(self, epoch: int) -> Iterator[Batch]:
        """Full batches in an order of this epoch, changed at random; each image's draws hang on (seed, id, epoch).

        With a mixer the labels are rows of shares (n, K). Ranks meet the batches that one process would meet, each its
        own part of them.
        """
        order = Rng(self.seed, "train/order").permutation(len(self.data), step=epoch)[: self.steps * self.batch]
        if not self.augment.mixer:  # partners come from the whole batch: there every rank makes all of it
            order = order.view(self.steps, -1)[:, self.part].reshape(-1)
        yield from self._batches(order, len(order) // self.steps, epoch=epoch)

    @property
    def part(self) -> slice:
        """The part of a training batch that is this rank's."""
        return self.ranks.share_of(min(self.batch, len(self.data)))

    def _own(self, batch: Batch) -> Batch:
        images, labels, ids, rows = (each[self.part] for each in (batch.images, batch.labels, batch.ids, batch.rows))
        return Batch(images, labels, ids, rows)

    def plain(self) -> Iterator[Batch]:
        """Every image once, in the split's own order, unchanged; ranks take turns by whole batches."""
        if self.ranks.count == 1:
            return self._batches(None, self.batch)
        mine = torch.split(torch.arange(len(self.data)), self.batch)[self.ranks.number :: self.ranks.count]
        return self._batches(torch.cat(mine), self.batch) if mine else iter(())

    def _batches(self, order: torch.Tensor | None, size: int, *, epoch: int | None = None) -> Iterator[Batch]:
        layout, changes = FORMATS[self.memory_format], transforms(self.augment)
        mixer: Mixer | None = TRANSFORMS.load(self.augment.mixer) if self.augment.mixer else None
        for rows, images, labels in batches(self.data, size, order=order, workers=self.workers):
            ids = self.data.ids[rows]
            placed, wanted = images.to(self.device), labels
            if epoch is not None:
                placed = transformed(placed, ids, changes, seed=self.seed, step=epoch)
                if mixer is not None:
                    shares = F.one_hot(labels, len(self.data.classes))
                    placed, wanted = mixer(placed, shares, ids, Rng(self.seed, "train/mixer"), step=epoch)
            made = Batch(placed.contiguous(memory_format=layout), wanted.to(self.device), ids, rows)
            yield self._own(made) if epoch is not None and mixer is not None else made


def transforms(how: Augment) -> tuple[Transform, ...]:
    """The operations that ``how`` stands for."""
    shift: tuple[Transform, ...] = (RandomCrop(how.shift, "reflect"),) if how.shift else ()
    mirror: tuple[Transform, ...] = (RandomFlip(how.mirror),) if how.mirror else ()
    named: tuple[Transform, ...] = tuple(TRANSFORMS.load(name) for name in how.transforms)
    return shift + mirror + named
