"""The small learners that look at data: a net trained in seconds, and a linear probe where images are few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.image import Geometry
from striate.core.progress import SILENT, Progress
from striate.data.batches import batches
from striate.data.dataset import FITS, Dataset
from striate.data.stats import channel_statistics
from striate.nets.net import Net
from striate.nets.own.small import small
from striate.training.engine import build_fabric, set_up
from striate.training.events import Events, State
from striate.training.feed import Feed
from striate.training.init import seeded
from striate.training.loop import learn
from striate.training.recipe import Augment, Recipe, Sgd
from striate.training.schedules import Schedule
from striate.training.task import Classification

SIDES = (64, 32)  # pixels that larger images are brought to: the first where the split then fits into memory
LEAST, GREATEST = 8, 64  # sides of images that are taken as they are
MOST_EPOCHS = 12  # beyond it the small net learns wrong labels by heart
CELLS = 8  # a side of the grid of mean colours that the probe looks at
_RIDGE = 1e-2
_CHUNK = 512
Tick = Callable[[int], None]
Rows = tuple[Tensor, Tensor]  # rows that could be read, and their logits (n, K) float32
Learner = Callable[[Dataset, Tick], Rows]


@dataclass(frozen=True)
class Effort:
    """What the nets of one fold cost: epochs, batch, and the images that they learn from, counted at each meeting."""

    epochs: int
    batch: int
    learnt: int

    @classmethod
    def on(cls, count: int, budget: int) -> Effort:
        """For ``count`` images to learn from and a budget of image passes; a budget below ``count`` leaves some out."""
        batch = 128 if count >= 2048 else 64 if count >= 1024 else 32
        epochs = max(1, min(MOST_EPOCHS, round(budget / max(count, 1))))
        batch = min(batch, count)
        whole = min(count, max(budget, batch)) if epochs == 1 else count
        return cls(epochs, batch, epochs * max(whole // batch, 1) * batch)


def brought_small(data: Dataset, *, among: int | None = None, progress: Progress = SILENT, workers: int = 0) -> Dataset:
    """The same data in a size that the small net is quick on, read once where they fit into memory.

    Images between `LEAST` and `GREATEST` pixels stay as they are. Others are brought to a square whatever their
    aspect, so that nothing is cut off: to the larger of `SIDES` where ``among`` images of it fit into memory.
    """
    side = small_side(data, len(data) if among is None else among)
    if side is not None:
        data = data.resized(Geometry((side, side), crop="none"))
    if data.in_memory and not data.at_hand(torch.arange(len(data))):
        with progress.task("read images", len(data)) as step:
            for rows, _, _ in batches(data, 256, workers=workers):
                step(len(rows))
    return data


def small_side(data: Dataset, count: int) -> int | None:
    """The side that so many images are brought to; None where they stay as they are."""
    size = data.size
    if size is not None and min(size) >= LEAST and max(size) <= GREATEST:
        return None
    large, little = SIDES
    if size is not None and max(size) <= little:
        return little
    return large if count * data.channels * large * large <= FITS else little


def train_net(train: Dataset, *, effort: Effort, seed: int, tick: Tick, workers: int = 0) -> Learner:
    """A small net that has learnt from these images alone; what it gives is called with images, and gives logits.

    Cross-entropy without smoothing, so that a label that the net thinks impossible can be told; one cycle of the
    learning rate; no mirroring, for digits and letters change their class by it. ``tick`` counts images.
    """
    size = train.size
    assert size is not None
    mean, std = channel_statistics(train, any_split=True)
    with seeded(seed, "checks/net"):
        module = small(len(train.classes), train.channels, size).module
    net = Net(module, mean=mean, std=std, classes=train.classes, channels=train.channels, name="striate/small")
    recipe = Recipe(
        name="checks",
        optimizer=Sgd(rate=0.2 * effort.batch / 128),
        schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
        epochs=effort.epochs,
        batch=effort.batch,
        augment=Augment(),
    )
    fabric = build_fabric("cpu", "float32", "channels_last")
    events = Events()
    feed = Feed(train, effort.batch, seed, fabric.device, "channels_last", workers, recipe.augment)
    task = Classification(net)

    def met(state: State) -> None:
        tick(state.batch)

    with (
        set_up(fabric, task, recipe, epochs=effort.epochs, feed=feed, memory_format="channels_last") as state,
        events.attached(step=met),
    ):
        for epoch in range(effort.epochs):
            state.epoch = epoch
            learn(state, recipe, feed, events, fabric)
    net.eval()

    @torch.no_grad()
    def predict(held: Dataset, tick: Tick) -> Rows:
        where, logits = [], [torch.zeros(0, len(held.classes))]
        for rows, images, _ in batches(held, _CHUNK, workers=workers):
            where.append(rows)
            logits.append(net(images.contiguous(memory_format=torch.channels_last)))
            tick(len(rows))
        return _joined(where), torch.cat(logits)

    return predict


def train_probe(train: Dataset, *, effort: Effort, seed: int, tick: Tick, workers: int = 0) -> Learner:
    """The same by multinomial logistic regression on a grid of mean colours; nothing in it is random.

    What a net cannot learn from a hundred images, this can: it has few weights, and a penalty on them.
    """
    del effort, seed
    x, rows = grid_features(train, workers=workers)
    mean, std = x.mean(0), x.std(0, correction=0)
    std = torch.where(std > 1e-6, std, 1.0)
    weights = logistic((x - mean) / std, train.labels[rows], len(train.classes), ridge=_RIDGE)
    tick(len(rows))

    def predict(held: Dataset, tick: Tick) -> Rows:
        z, there = grid_features(held, workers=workers)
        tick(len(there))
        return there, (_with_one((z - mean) / std) @ weights).to(torch.float32)

    return predict


def grid_features(data: Dataset, *, workers: int = 0) -> tuple[Tensor, Tensor]:
    """Mean colour of each cell of an 8 x 8 grid, (n, 64 C) float64, and the rows that could be read."""
    cells, where = [torch.zeros(0, CELLS * CELLS * data.channels, dtype=torch.float64)], []
    for rows, images, _ in batches(data, _CHUNK, workers=workers):
        cells.append(F.adaptive_avg_pool2d(images, CELLS).flatten(1).to(torch.float64))
        where.append(rows)
    return torch.cat(cells), _joined(where)


def logistic(x: Tensor, y: Tensor, classes: int, *, ridge: float) -> Tensor:
    """Weights (D + 1, K) of least penalised cross-entropy, by L-BFGS from zero in float64; the intercept comes last.

    The penalty is ``ridge`` / 2 times the sum of squares, without the intercept's.
    """
    inputs = _with_one(x)
    weights = torch.zeros(inputs.shape[1], classes, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        value = F.cross_entropy(inputs @ weights, y) + 0.5 * ridge * weights[:-1].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach()


def _joined(rows: list[Tensor]) -> Tensor:
    return torch.cat([torch.zeros(0, dtype=torch.int64), *rows])


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)


def sampled(data: Dataset, rows: Tensor, most: int, order: Tensor) -> Dataset:
    """These rows, or ``most`` of them by the order; named as training images."""
    chosen = rows if len(rows) <= most else rows[order[:most]].sort().values
    return replace(data.take(chosen), split="train")
