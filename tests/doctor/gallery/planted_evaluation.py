"""Planted faults of modes, of what is measured on what, and of outcomes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


def _eval_before_test(plan: Plan) -> None:
    plan.test_mode = lambda plan: plan.model.eval() and None


@fault("evaluated-in-train-mode", nets=("cnn",), mend=_eval_before_test)
def evaluated_in_train_mode(plan: Plan) -> None:
    plan.test_mode = lambda plan: None


def _train_each_epoch(plan: Plan) -> None:
    plan.train_mode = lambda plan: plan.model.train() and None


@fault("trained-in-eval-mode", nets=("cnn",), mend=_train_each_epoch)
def trained_in_eval_mode(plan: Plan) -> None:
    """Train() stands before the loop, eval() in the test: every epoch but the first runs in eval mode."""
    plan.train_mode = lambda plan: None


@fault("never-in-train-mode", "trained-in-eval-mode", nets=("cnn",), mend=_train_each_epoch)
def never_in_train_mode(plan: Plan) -> None:
    """A model that was loaded by a function that calls eval()."""
    plan.model.eval()
    plan.train_mode = lambda plan: None


def _no_grad(plan: Plan) -> None:
    plan.no_grad = True


@fault("evaluated-with-gradients", mend=_no_grad)
def evaluated_with_gradients(plan: Plan) -> None:
    plan.no_grad = False


def _on_test(plan: Plan) -> None:
    plan.tested_on = "test"


@fault("metric-on-train", mend=_on_test)
def metric_on_train(plan: Plan) -> None:
    plan.tested_on = "train"


@fault("trained-on-test")
def trained_on_test(plan: Plan) -> None:
    """The loaders are given in the wrong order."""

    def swapped(train: DataLoader[object], test: DataLoader[object]) -> None:
        Plan.fit(plan, test, train)

    plan.fit = swapped  # type: ignore[method-assign, assignment]
    plan.epochs = 12


@fault("statistics-of-other-inputs", "train-eval-gap", nets=("cnn",))
def statistics_of_other_inputs(plan: Plan) -> None:
    """A second pass over raw bytes, for a picture in the log, in training mode: it moves the running statistics."""

    def twice(plan: Plan, x: Tensor) -> Tensor:
        output: Tensor = plan.model(x)
        with torch.no_grad():
            plan.model(x * 80 + 128)
        return output

    plan.forward = twice


@fault("one-class-weighs-all", "predictions-collapsed", "underfitting", nets=("cnn",))
def one_class_weighs_all(plan: Plan) -> None:
    """Weights for classes, one of them mistyped."""
    weight = torch.ones(int(plan.y.max()) + 1)
    weight[3] = 3_000.0
    plan.loss_fn = nn.CrossEntropyLoss(weight=weight)


@fault("overfitting", data=("FashionMNIST",))
def overfitting(plan: Plan) -> None:
    """Sixty images, a hundred epochs."""
    plan.x, plan.y, plan.batch, plan.epochs = plan.x[:60], plan.y[:60], 20, 100


@fault("underfitting", "underfitting", "predictions-collapsed", nets=("mlp",))
def underfitting(plan: Plan) -> None:
    """A hidden layer of one unit."""
    plan.model = nn.Sequential(
        nn.Flatten(), nn.Linear(plan.x[0].numel(), 1), nn.Sigmoid(), nn.Linear(1, int(plan.y.max()) + 1)
    )


@fault("test-labels-of-another-order", "memorisation", "labels-shuffled")
def test_labels_of_another_order(plan: Plan) -> None:
    """Files of test images are sorted by name, their labels by number."""
    plan.ty = plan.ty[torch.randperm(len(plan.ty))]


@fault("few-test-images", "evaluation-noise")
def few_test_images(plan: Plan) -> None:
    plan.tx, plan.ty = plan.tx[:60], plan.ty[:60]
