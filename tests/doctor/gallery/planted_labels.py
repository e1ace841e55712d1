"""Planted faults of labels, and of targets against outputs and loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


def _ends_in(plan: Plan, *last: nn.Module) -> None:
    """The model with other layers for its last."""
    assert isinstance(plan.model, nn.Sequential)
    plan.model = nn.Sequential(*list(plan.model)[:-1], *last)


def _width(plan: Plan) -> int:
    return 64


@fault("labels-shuffled", before=True)
def labels_shuffled(plan: Plan) -> None:
    plan.y = plan.y[torch.randperm(len(plan.y))]


@fault("inputs-sorted-alone", "labels-shuffled", before=True)
def inputs_sorted_alone(plan: Plan) -> None:
    """Files sorted by name, labels in the order of the table."""
    plan.x = plan.x[plan.x.mean((1, 2, 3)).argsort()]


@fault("labels-shuffled-colour", "labels-shuffled", data=("CIFAR10",), before=True)
def labels_shuffled_colour(plan: Plan) -> None:
    plan.y = plan.y[torch.randperm(len(plan.y))]


@fault("test-labels-shuffled", "labels-shuffled", before=True)
def test_labels_shuffled(plan: Plan) -> None:
    plan.ty = plan.ty[torch.randperm(len(plan.ty))]


def _back(plan: Plan) -> None:
    plan.y = plan.y.roll(-1)


@fault("labels-shifted-rows", data=("digits", "FashionMNIST", "CIFAR10"), before=True, mend=_back)
def labels_shifted_rows(plan: Plan) -> None:
    """The table's header was read as its first row."""
    plan.y = plan.y.roll(1)


@fault("labels-shifted-in-batch", "labels-shifted-rows", before=True)
def labels_shifted_in_batch(plan: Plan) -> None:
    def collate(drawn: list[Any]) -> tuple[Tensor, Tensor]:
        return torch.stack([x for x, _ in drawn]), torch.stack([drawn[at - 2][1] for at in range(len(drawn))])

    plan.collate = collate


@fault("labels-shifted-classes", data=("digits", "FashionMNIST", "CIFAR10"), before=True)
def labels_shifted_classes(plan: Plan) -> None:
    plan.ty = (plan.ty + 1) % 10


@fault("classes-in-other-order", "labels-shifted-classes", before=True)
def classes_in_other_order(plan: Plan) -> None:
    """Names of classes in the order of a set."""
    plan.ty = torch.tensor([3, 1, 0, 2, 4, 7, 6, 9, 8, 5])[plan.ty]


@fault("label-noise", before=True)
def label_noise(plan: Plan) -> None:
    wrong = torch.rand(len(plan.y)) < 0.22
    plan.y = torch.where(wrong, torch.randint(10, plan.y.shape), plan.y)


@fault("label-noise-heavy", "label-noise", before=True)
def label_noise_heavy(plan: Plan) -> None:
    wrong = torch.rand(len(plan.y)) < 0.45
    plan.y = torch.where(wrong, torch.randint(10, plan.y.shape), plan.y)


@fault("sorted-then-cut", "missing-classes", before=True)
def sorted_then_cut(plan: Plan) -> None:
    order = plan.y.argsort()[: int(len(plan.y) * 0.75)]
    plan.x, plan.y = plan.x[order], plan.y[order]


@fault("class-filtered", "missing-classes", before=True)
def class_filtered(plan: Plan) -> None:
    """``if label:`` drops class 0."""
    plan.x, plan.y = plan.x[plan.y > 0], plan.y[plan.y > 0]
    plan.tx, plan.ty = plan.tx[plan.ty != 0], plan.ty[plan.ty != 0]
    plan.y, plan.ty = plan.y % 9 + (plan.y % 9 == 4) * 5, plan.ty % 9 + (plan.ty % 9 == 4) * 5
    _ends_in(plan, nn.Linear(_width(plan), 10))


@fault("class-imbalance", before=True)
def class_imbalance(plan: Plan) -> None:
    keep = plan.y < 3
    for each in range(3, 10):
        keep[(plan.y == each).nonzero().flatten()[:4]] = True
    plan.x, plan.y = plan.x[keep].repeat(3, 1, 1, 1), plan.y[keep].repeat(3)
    plan.epochs = 2


@fault("labels-constant", before=True)
def labels_constant(plan: Plan) -> None:
    plan.y = torch.full_like(plan.y, 4)


@fault("labels-from-one", "labels-out-of-range", before=True)
def labels_from_one(plan: Plan) -> None:
    """The loop itself would stop with an error, so it makes no step."""
    plan.y, plan.ty, plan.epochs = plan.y + 1, plan.ty + 1, 0


@fault("labels-minus-one", "labels-out-of-range", before=True)
def labels_minus_one(plan: Plan) -> None:
    plan.y = torch.where(torch.rand(len(plan.y)) < 0.1, -1, plan.y)
    plan.epochs = 0


@fault("labels-one-hot", "labels-of-wrong-form", before=True)
def labels_one_hot(plan: Plan) -> None:
    plan.y, plan.ty = nn.functional.one_hot(plan.y, 10), nn.functional.one_hot(plan.ty, 10)
    plan.epochs = 0


@fault("labels-in-a-column", "labels-of-wrong-form", before=True)
def labels_in_a_column(plan: Plan) -> None:
    plan.y, plan.ty, plan.epochs = plan.y[:, None], plan.ty[:, None], 0


@fault("labels-as-floats", "labels-of-wrong-form", before=True)
def labels_as_floats(plan: Plan) -> None:
    plan.y, plan.ty, plan.epochs = plan.y.float(), plan.ty.float(), 0


@fault("softmax-over-one", before=True)
def softmax_over_one(plan: Plan) -> None:
    """Two classes, one output, and the cross-entropy for many."""
    plan.y, plan.ty = (plan.y > 4).float()[:, None], (plan.ty > 4).float()[:, None]
    _ends_in(plan, nn.Linear(_width(plan), 1))


def _zero_to_one(plan: Plan) -> None:
    plan.y, plan.ty = (plan.y + 1) / 2, (plan.ty + 1) / 2


@fault("signs-for-bce", "target-range", before=True, mend=_zero_to_one)
def signs_for_bce(plan: Plan) -> None:
    plan.y, plan.ty = (plan.y > 4).float()[:, None] * 2 - 1, (plan.ty > 4).float()[:, None] * 2 - 1
    plan.loss_fn = nn.BCEWithLogitsLoss()
    _ends_in(plan, nn.Linear(_width(plan), 1))


@fault("masks-to-255", "target-range", before=True)
def masks_to_255(plan: Plan) -> None:
    """Where the image is light, as a mask that was read from a PNG."""
    plan.y, plan.ty = (plan.x.mean(1).flatten(1) > 0.5).float() * 255, (plan.tx.mean(1).flatten(1) > 0.5).float() * 255
    plan.loss_fn = nn.BCEWithLogitsLoss()
    _ends_in(plan, nn.Linear(_width(plan), plan.y.shape[1]))


def _amounts(plan: Plan) -> None:
    """How much light is left, right, above and below: amounts near 0."""
    for name in ("x", "tx"):
        images = getattr(plan, name)
        half = images.shape[3] // 2
        sides = (images[..., :half], images[..., half:], images[..., :half, :], images[..., half:, :])
        setattr(plan, name.replace("x", "y"), torch.stack([each.mean((1, 2, 3)) for each in sides], 1))
    plan.loss_fn = nn.MSELoss()
    _ends_in(plan, nn.Linear(_width(plan), 4))


@fault("targets-in-thousands", "target-range", before=True)
def targets_in_thousands(plan: Plan) -> None:
    _amounts(plan)
    plan.y, plan.ty = 250_000 + 80_000 * plan.y, 250_000 + 80_000 * plan.ty


def _linear_end(plan: Plan) -> None:
    assert isinstance(plan.model, nn.Sequential)
    plan.model = plan.model[:-1]


@fault("sigmoid-for-amounts", "targets-out-of-reach", before=True, mend=_linear_end)
def sigmoid_for_amounts(plan: Plan) -> None:
    _amounts(plan)
    plan.model = nn.Sequential(*plan.model, nn.Sigmoid())  # type: ignore[misc]


@fault("sigmoid-decoder", "targets-out-of-reach", before=True, mend=_linear_end)
def sigmoid_decoder(plan: Plan) -> None:
    """An autoencoder that ends in a sigmoid, on normalised images."""
    plan.y, plan.ty = plan.x.flatten(1), plan.tx.flatten(1)
    plan.loss_fn = nn.MSELoss()
    _ends_in(plan, nn.Linear(_width(plan), plan.y.shape[1]), nn.Sigmoid())


@fault("relu-for-amounts", "targets-out-of-reach", before=True, mend=_linear_end)
def relu_for_amounts(plan: Plan) -> None:
    _amounts(plan)
    plan.model = nn.Sequential(*plan.model, nn.ReLU())  # type: ignore[misc]


def _columns(plan: Plan) -> None:
    plan.y, plan.ty = plan.y[:, None], plan.ty[:, None]


@fault("targets-broadcast", before=True, mend=_columns)
def targets_broadcast(plan: Plan) -> None:
    _amounts(plan)
    plan.y, plan.ty = plan.y[:, 0], plan.ty[:, 0]
    plan.loss_fn = lambda output, y: ((output - y) ** 2).mean()
    _ends_in(plan, nn.Linear(_width(plan), 1))


@fault("class-numbers-regressed", before=True)
def class_numbers_regressed(plan: Plan) -> None:
    plan.y, plan.ty = plan.y.float()[:, None], plan.ty.float()[:, None]
    plan.loss_fn = nn.MSELoss()
    _ends_in(plan, nn.Linear(_width(plan), 1))


@fault("targets-not-moved", "targets-are-inputs", nets=("mlp",), before=True)
def targets_not_moved(plan: Plan) -> None:
    """A row of each image as a line of symbols, each to be told from those before it, with itself as the targets."""

    def line(x: Tensor) -> Tensor:
        return torch.bucketize(x[:, 0, x.shape[2] // 2].contiguous(), torch.tensor([-0.7, -0.3, 0.3, 0.9]))

    plan.x, plan.tx = line(plan.x), line(plan.tx)
    plan.y, plan.ty = plan.x.clone(), plan.tx.clone()
    plan.model = nn.Sequential(nn.Embedding(5, 16), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 5))
    plan.loss_fn = lambda output, y: nn.functional.cross_entropy(output.flatten(0, 1), y.flatten())


@fault("class-ignored", before=True)
def class_ignored(plan: Plan) -> None:
    """The number that stands for padding elsewhere."""
    plan.loss_fn = nn.CrossEntropyLoss(ignore_index=3)
