"""Transfer by layer: first layers that learnt other classes, kept or learning on, below layers drawn anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.measure.table import predict
from striate.nets.head import replace_head
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.init import initialise
from striate.training.loop import fit
from striate.training.prepare import from_scratch
from striate.training.recipe import Recipe
from striate.training.recipes import QUICK
from striate.training.task import Batch, Classification, Task, Update

from .payload import ByLayer, LayerLine
from .policies import blocks_of
from .shots import over_draws

WAYS = ("BnB", "BnB+", "AnB", "AnB+")
MOST = 7  # cuts; of a net with more blocks as many, evenly spread
SHORT = replace(QUICK, name="quick, a quarter of its images", states="", samples=60_000, most=30)


class Joined(Classification):
    """A classifier whose first layers stay as they are, batch normalisation and dropout as in evaluation, or learn on.

    Args:
        net: What `join` gave.
        cut: How many blocks came from another net.
        frozen: Whether those stay.
        label_smoothing: Of the loss.
    """

    def __init__(self, net: Net, cut: int, *, frozen: bool, label_smoothing: float = 0.0) -> None:
        super().__init__(net, label_smoothing=label_smoothing)
        self.about: Mapping[str, str] = {"cut": str(cut), "first_layers": "kept" if frozen else "learn on"}
        later = behind(net, cut)
        self._still: list[nn.Module] = []
        if frozen:
            for path, each in net.module.named_modules():
                if not _within(path, later) and not list(each.children()):
                    self._still.append(each)
            for name, parameter in net.named_parameters():
                parameter.requires_grad_(_within(name.removeprefix("module."), later))

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """Cross-entropy; what stays runs as in evaluation."""
        for each in self._still:
            each.eval()
        return super().step(batch, update)


def join(base: Net, fresh: Net, cut: int) -> Net:
    """The first ``cut`` blocks of ``base``, with its normalisation, below the other blocks of ``fresh``."""
    made = replace_head(base, fresh.classes)
    later, new = behind(fresh, cut), fresh.state_dict()
    state = made.state_dict()
    made.load_state_dict(
        {key: new[key] if _within(key.removeprefix("module."), later) else value for key, value in state.items()}
    )
    return made


def behind(net: Net, cut: int) -> tuple[str, ...]:
    """Names of the blocks behind the cut, the head among them."""
    return tuple(name for name, _ in blocks_of(net))[cut:]


def cuts_of(net: Net) -> tuple[int, ...]:
    """Behind the first block to before the head, at most `MOST` of them."""
    last = len(blocks_of(net)) - 1
    if last < 1:
        raise StriateError(f"{net.name} has no layer before its last", accepted="a net of several layers")
    count = min(last, MOST)
    return tuple(sorted({1 + round(place * (last - 1) / max(count - 1, 1)) for place in range(count)}))


def halves(splits: Splits) -> tuple[Splits, Splits]:
    """The data of the first half of the classes, and of the others; of an odd number the second half has one more.

    Raises:
        StriateError: There are fewer than four classes.
    """
    count = len(splits.train.classes)
    if count < 4:
        raise StriateError(f"{splits.train.name} has {count} classes", accepted="at least four: two for each half")
    first, second = range(count // 2), range(count // 2, count)
    return _half(splits, first), _half(splits, second)


def _half(splits: Splits, classes: range) -> Splits:
    train, dev, test = (of_classes(part, classes) for part in splits)
    return replace(splits, train=train, dev=dev, test=test)


def of_classes(data: Dataset, classes: range) -> Dataset:
    """The images of a run of classes, which are then 0, 1, 2..."""
    rows = ((data.labels >= classes.start) & (data.labels < classes.stop)).nonzero()[:, 0]
    taken = data.take(rows)
    names = data.classes[classes.start : classes.stop]
    return replace(
        taken, name=f"{data.name}, {names[0]} to {names[-1]}", labels=taken.labels - classes.start, classes=names,
        numbers=(),
    )  # fmt: skip


def measure_layers(
    arch: str,
    splits: Splits,
    *,
    out: Path,
    seeds: Sequence[int] = (0, 1, 2),
    recipe: Recipe = SHORT,
    device: str = "cpu",
    workers: int = 0,
    progress: Progress = SILENT,
) -> ByLayer:
    """Accuracy on the classes B by the number n of first layers that came from a net of A, or of B.

    For each seed nets are trained on A and on B. ``AnB`` keeps the first n layers of the former, frozen, and trains new
    ones behind them on B: where it falls below B, layers are specific to A. ``BnB`` does so with the net of B itself:
    where it falls, layers had grown together that new ones do not find again. With ``+`` the first layers learn on.
    Every run lies in a folder of its own under ``out`` and is not trained again where it is complete.

    Cost: 2 + 4 L' trainings a seed, L' being the number of cuts.

    Args:
        arch: ``SOURCE/ARCH``, trained from drawn weights.
        splits: Labelled images of at least four classes; A are the first half, B the others.
        out: Folder of the runs.
        seeds: Of weights and orders, at least one.
        recipe: Of every run.
        device: Where.
        workers: Processes that decode.
        progress: How progress is shown.

    Raises:
        StriateError: The net has weights already, or one layer alone; there are too few classes.

    Source: Yosinski, Clune, Bengio & Lipson 2014, sections 2 and 4. Ours: halves by the order of the classes, not
    drawn; batch normalisation of kept layers stays as it was learnt; blocks of a net where the paper has layers.
    """
    if not from_scratch(arch):
        raise StriateError(f"{arch} by layer", accepted="a net that is trained from drawn weights: SOURCE/ARCH")
    first, second = halves(splits)
    cuts = cuts_of(_fresh(arch, second.train, recipe, seed=0))
    found: dict[str, list[list[float]]] = {way: [[] for _ in cuts] for way in WAYS}
    bases: dict[str, list[float]] = {"A": [], "B": []}
    epochs, train = 0, partial(_fit, recipe=recipe, device=device, workers=workers)
    with progress.task("transfer by layer", len(seeds) * (2 + len(WAYS) * len(cuts)), unit="nets") as step:
        for seed in seeds:
            place = out / f"seed{seed}"
            for name, part in (("A", first), ("B", second)):
                epochs = train(arch, part, place / name, seed=seed)
                bases[name].append(_accuracy(place / name, part.test))
                step(1)
            for at, cut in enumerate(cuts):
                # the same new layers for all ways at one cut: they differ in what lies before
                fresh = _fresh(arch, second.train, recipe, seed=Rng(seed, "transfer/behind").torch_seed(step=cut))
                for way in WAYS:
                    base = load_net(place / way[0])
                    task = Joined(
                        join(base, fresh, cut),
                        cut,
                        frozen=not way.endswith("+"),
                        label_smoothing=recipe.label_smoothing,
                    )
                    folder = place / f"{way[0]}{cut}{way[2:]}"
                    train(task, second, folder, seed=seed)
                    found[way][at].append(_accuracy(folder, second.test))
                    step(1)
    return ByLayer(
        net=arch, data=splits.train.name, run=str(out), first=first.train.classes, second=second.train.classes,
        layers=tuple(name for name, _ in blocks_of(_fresh(arch, second.train, recipe, seed=0))), cuts=cuts,
        seeds=tuple(seeds), images=(len(second.train), len(second.dev), len(second.test)), epochs=epochs,
        base=over_draws(bases["B"], share=True), base_first=over_draws(bases["A"], share=True),
        bases=tuple(bases["B"]), chance=max(second.test.counts()) / max(len(second.test), 1),
        lines=tuple(_line(way, rows, bases["B"]) for way, rows in found.items()),
    )  # fmt: skip


def _line(name: str, rows: Sequence[Sequence[float]], bases: Sequence[float]) -> LayerLine:
    gaps = [[a - b for a, b in zip(each, bases, strict=True)] for each in rows]
    shares = tuple(over_draws(each, share=True) for each in rows)
    return LayerLine(name, shares, tuple(map(over_draws, gaps)), tuple(map(tuple, rows)))


def _fit(
    subject: str | Task, splits: Splits, folder: Path, *, recipe: Recipe, seed: int, device: str, workers: int
) -> int:
    again = (folder / "run.json").is_file()
    run = fit(subject, splits, out=folder, recipe=recipe, seed=seed, resume=again, device=device, workers=workers)
    return run.epochs


def _accuracy(folder: Path, test: Dataset) -> float:
    return float(predict(load_net(folder), test).correct.double().mean())


def _fresh(arch: str, train: Dataset, recipe: Recipe, *, seed: int) -> Net:
    net = load_net(f"{arch}.random", classes=train.classes, channels=train.channels, size=train.size, seed=seed)
    initialise(net, recipe.init, seed=seed % (1 << 31))
    return net


def _within(path: str, blocks: Sequence[str]) -> bool:
    return any(path == block or path.startswith(f"{block}.") for block in blocks)
