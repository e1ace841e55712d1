"""Eleven common reasons why a network does not work, each planted in a run on FashionMNIST; what the doctor says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.finding import Finding
from striate.data.load import load_splits
from striate.doctor.watch import watch

from .claims import Computed, holds
from .draw import BLUE, FAINT, GREEN, RED, line, svg, text

IMAGES, TESTED = 2_000, 1_000
FIRST = 2  # findings among which the fault must be named
SIDE = 28


@dataclass(eq=False)
class Run:
    """One training: 28 x 28 images of mean 0 and deviation 1, cross-entropy, Adam, five passes over 2,000 images.

    Attributes:
        x: Training images (n, 1, 28, 28).
        y: Their classes (n,).
        tx: Test images.
        ty: Their classes.
        model: What is trained.
        rate: Learning rate.
        batch: Images a step.
        epochs: Passes.
    """

    x: Tensor
    y: Tensor
    tx: Tensor
    ty: Tensor
    model: nn.Module
    rate: float = 0.002
    batch: int = 64
    epochs: int = 5


@dataclass(frozen=True)
class Planted:
    """A fault.

    Attributes:
        name: In words, as a reader of the list looks for it.
        done: What is done to the run.
        finds: Checks of which each names it.
        spoil: Does it.
    """

    name: str
    done: str
    finds: tuple[str, ...]
    spoil: Callable[[Run], None] = field(repr=False)


def mlp(*, hidden: tuple[int, ...] = (128, 64), activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between."""
    widths = (SIDE * SIDE, *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for come, go in pairwise(widths):
        layers += [nn.Linear(come, go), activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def cnn() -> nn.Sequential:
    """Two convolutions with BatchNorm, a pool after each."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24 * 49, 10),
    )  # fmt: skip


def _not_normalised(run: Run) -> None:
    run.x, run.tx = run.x * 90 + 73, run.tx * 90 + 73  # bytes again


def _not_checked(run: Run) -> None:
    run.rate = 1e-5  # by which it learns nothing but how rare the class is
    run.x, run.y = _rare(run.x, run.y)
    run.tx, run.ty = _rare(run.tx, run.ty)


def _rare(images: Tensor, labels: Tensor, *, rare: int = 8) -> tuple[Tensor, Tensor]:
    """One class, of which a sixth is kept, against all others."""
    kept = (labels != rare) | (torch.arange(len(labels)) % 6 == 0)
    return images[kept], (labels[kept] == rare).long()


def _not_preprocessed(run: Run) -> None:
    for each in (run.x, run.tx):
        each[:, :, :, SIDE // 2 :] *= 1_000


def _not_regularised(run: Run) -> None:
    run.x, run.y, run.epochs, run.batch = run.x[:150], run.y[:150], 60, 30
    run.model = mlp(hidden=(512, 512))


def _batch_too_large(run: Run) -> None:
    run.batch = IMAGES


def _rate_wrong(run: Run) -> None:
    run.rate = 3.0


def _last_activation(run: Run) -> None:
    run.model = nn.Sequential(run.model, nn.ReLU())


def _gradients_bad(run: Run) -> None:
    run.model = mlp(hidden=(64,) * 7, activation=nn.Sigmoid)


@torch.no_grad()
def _weights_wrong(run: Run) -> None:
    for each in run.model.modules():
        if isinstance(each, nn.Linear):
            each.weight.zero_()
            each.bias.zero_()


def _too_deep(run: Run) -> None:
    run.model = mlp(hidden=(64,) * 30)


def _hidden_wrong(run: Run) -> None:
    run.model = mlp(hidden=(128, 1))


def _as_is(_run: Run) -> None:
    """Nothing is changed."""


def _cnn(run: Run) -> None:
    run.model = cnn()


def _wide(run: Run) -> None:
    run.model, run.batch, run.epochs, run.rate = cnn(), 256, 8, 0.004


ELEVEN = (
    Planted(
        "data not normalised", "bytes from 0 to 255 as they come", ("inputs-not-normalised", "input-scale"),
        _not_normalised,
    ),
    Planted(
        "results not checked", "one class of 2 % against the rest: 98 % right by never naming it",
        ("class-imbalance", "predictions-collapsed"), _not_checked,
    ),
    Planted(
        "data not preprocessed", "one half of each image in units a thousand times smaller",
        ("inputs-range-mixed", "input-scale"), _not_preprocessed,
    ),
    Planted(
        "no regularisation", "150 images, 60 passes, two layers of 512", ("overfitting", "memorisation"),
        _not_regularised,
    ),
    Planted("batch too large", "all 2,000 images in one", ("batch-too-large", "full-batch"), _batch_too_large),
    Planted("wrong learning rate", "3, under Adam", ("rate-too-high",), _rate_wrong),
    Planted("wrong last activation", "ReLU on the scores", ("output-clipped",), _last_activation),
    Planted(
        "bad gradients", "seven layers of sigmoids",
        ("gradients-vanishing", "activations-vanishing", "saturated"), _gradients_bad,
    ),
    Planted("wrong starting weights", "all zero", ("start-symmetric",), _weights_wrong),
    Planted(
        "too deep", "thirty layers without norm or shortcut", ("activations-vanishing", "gradients-vanishing"),
        _too_deep,
    ),
    Planted("wrong number of hidden units", "one before the ten scores", ("too-small",), _hidden_wrong),
)  # fmt: skip
HEALTHY: dict[str, Callable[[Run], None]] = {
    "healthy mlp": _as_is,
    "healthy cnn": _cnn,
    "healthy cnn, batch 256": _wide,
}


def eleven_faults() -> Computed:
    """Each of Holden's eleven reasons planted in a run of its own: all are named, and healthy runs get no warning.

    Instances are ours. What is not checked is a share of right answers that one class reaches alone; what is not
    preprocessed is a part of the input in another unit; bad gradients are those that fade through sigmoids. Named is a
    fault that is among the first two findings. About 30 CPU seconds.

    Source: Holden 2017, the list.
    """
    train, test = _images()
    seed = torch.initial_seed()
    rows: list[tuple[str, str, str, float, bool]] = []
    for fault in ELEVEN:
        found, right = diagnosed(run_of(train, test, fault.spoil, seed=seed))
        named = next((each.check for each in found[:FIRST] if each.check in fault.finds), "")
        said = named or (found[0].check if found else "nothing")
        rows.append((fault.name, fault.done, said, right, bool(named)))
    for name, vary in HEALTHY.items():
        found, right = diagnosed(run_of(train, test, vary, seed=seed))
        warned = [each.check for each in found if each.severity != "note"]
        rows.append((name, "", warned[0] if warned else "nothing", right, not warned))
    faults, healthy = rows[: len(ELEVEN)], rows[len(ELEVEN) :]
    return Computed(
        (
            *(holds(f"{name} ({done}): named by {said}", good) for name, done, said, _, good in faults),
            *(holds(f"{name}: no warning, {right:.1%} right", good) for name, _, _, right, good in healthy),
            holds("healthy runs learn: at least 70 % right", all(right >= 0.7 for _, _, _, right, _ in healthy)),
        ),
        _table(rows),
    )


def run_of(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], change: Callable[[Run], None], *, seed: int
) -> Run:
    """A fresh run on copies, changed."""
    torch.manual_seed(seed)
    mean, deviation = train[0].mean(), train[0].std()
    run = Run((train[0] - mean) / deviation, train[1].clone(), (test[0] - mean) / deviation, test[1].clone(), mlp())
    change(run)
    return run


def diagnosed(run: Run) -> tuple[tuple[Finding, ...], float]:
    """What the doctor finds in a run, and the share of test images that it ends with; trains as a plain loop does."""
    optimizer, loss_fn = torch.optim.Adam(run.model.parameters(), lr=run.rate), nn.CrossEntropyLoss()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(run.x, run.y), batch_size=run.batch, shuffle=True
    )
    right = 0.0
    with watch(run.model, optimizer, loss_fn, train=loader, test=(run.tx, run.ty), quiet=True) as doctor:
        for _ in range(run.epochs):
            run.model.train()
            for images, labels in loader:
                optimizer.zero_grad()
                torch.autograd.backward(loss_fn(run.model(images), labels))
                optimizer.step()
            run.model.eval()
            with torch.no_grad():
                right = float((run.model(run.tx).argmax(1) == run.ty).float().mean())
    return doctor.findings, right


def _images() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    try:
        splits = load_splits("FashionMNIST", download=False)
    except StriateError as error:
        raise StriateError(
            f"eleven-faults needs FashionMNIST ({error})", accepted="FashionMNIST in the folder STRIATE_DATA"
        ) from error
    train, test = splits.train.limit(IMAGES), splits.test.limit(TESTED)
    return (train.images(), train.labels), (test.images(), test.labels)


def _table(rows: list[tuple[str, str, str, float, bool]]) -> str:
    """A line a run: what is wrong with it, what the doctor names first, what it reaches."""
    body = [
        text(12, 52, "planted", fill=FAINT),
        text(250, 52, "how", fill=FAINT),
        text(690, 52, "named", fill=FAINT),
        text(948, 52, "right", anchor="end", fill=FAINT),
    ]
    for place, (name, done, said, right, good) in enumerate(rows):
        y = 76 + 24 * place + (12 if not done else 0)
        colour = RED if not good else GREEN if not done else BLUE
        body += [
            text(12, y, name, weight=600), text(250, y, done), text(690, y, said, fill=colour, weight=600),
            text(948, y, f"{right:.0%}", anchor="end"), line(12, y + 7, 948, y + 7, stroke="#e4e4e4"),
        ]  # fmt: skip
    named = sum(good for *_, good in rows[: len(ELEVEN)])
    return svg(
        960,
        100 + 24 * len(rows),
        f"{named} of 11 planted faults are named",
        "".join(body),
        says="; ".join(f"{name}: {said}" for name, _, said, _, _ in rows),
    )
