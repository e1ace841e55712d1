"""A classifier hardened against attacks: the same task, but for what its step learns from and what dev is judged by."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import RunError, StriateError
from striate.data.dataset import Splits
from striate.nets.net import Net
from striate.training.engine import Precision
from striate.training.losses import Loss, cross_entropy
from striate.training.payload import Choice
from striate.training.prepare import build_task
from striate.training.recipe import Recipe
from striate.training.task import Batch, Classification, Task, Update

from .ascent import Near, ball_about, climbed, mode_of, random_point
from .certifying import Certifying
from .spec import Hardening

JUDGED = 1000  # images of dev that are attacked after each epoch: a pass costs as much as one of training
JUDGE_STEPS, JUDGE_STEP = 5, 0.4
_PRECISIONS: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_NOISE = 1e-3  # where the difference between clean and attacked is first looked at: at 0 it has no gradient


@dataclass(frozen=True, eq=False)
class Judged:
    """What the nets say of clean images, and of the attacked ones among them.

    Attributes:
        clean: Logits (n, K) of the images as they are.
        places: Which of them were attacked (m,).
        attacked: Logits (m, K) of those under attack.
    """

    clean: Tensor
    places: Tensor
    attacked: Tensor


class Hardened:
    """A classifier that learns from what an attack within the radius makes of each batch.

    pgd, fast: the loss of the attacked images alone. trades: the loss of the clean ones plus beta times the divergence
    (KL) of what is said of the attacked from what is said of the clean. free: the batch several times, each with one
    step of the weights and one of the images by the gradients of the same backward pass.

    On dev a part of the images (about a thousand, the same in every epoch, spread over the split) is attacked by five
    steps of PGD; the epoch is chosen by the share that stays right. That share is an upper bound, as every attack's.

    Args:
        task: The classifier.
        how: Against what, and how.
        dev: Images of the dev split.
        precision: Of the passes of the attack within.

    Source: Madry et al. 2018, section 2.1 (pgd); Wong et al. 2020, algorithm 3 (fast); Zhang et al. 2019, equation 5
    and algorithm 1 (trades); Shafahi et al. 2019, algorithm 1 (free). We differ: the attack within runs with
    BatchNorm and dropout in eval mode, unless ``how.inner`` is ``train`` as in the authors' code; trades passes
    clean and attacked images as one batch; free begins each batch at a random point of the ball, not where the
    batch before left off, so that a run that is gone on with needs nothing but its weights.
    """

    labelled = True
    choice = Choice("robust_accuracy")
    figures: tuple[str, ...] = ("loss", "accuracy", "robust_accuracy")

    nets: MutableMapping[str, nn.Module]

    def __init__(self, task: Classification, how: Hardening, *, dev: int, precision: Precision = "float32") -> None:
        if how.scheme not in _STEPS:
            raise StriateError(f"the hardening {how.scheme} attacks no images", accepted=", ".join(_STEPS))
        self.task, self.how = task, how
        self.nets = task.nets  # one mapping: the loop puts what Fabric makes of the nets into it
        self._net, self._precision = task.nets["net"], _PRECISIONS[precision]
        self.name = task.name
        self.about: Mapping[str, str] = {**task.about, "hardening": how.words}
        self._every = max(1, dev // JUDGED)

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """One batch by the scheme.

        ``accuracy`` is that of the images the scheme passed in training mode: clean ones for trades, else attacked
        ones, so that it equals ``robust_accuracy``.
        """
        return _STEPS[self.how.scheme](self, batch, update)

    def predict(self, batch: Batch) -> Judged:
        """Logits of the images as they are, and of a part of them under attack (no random start)."""
        clean = self.task.predict(batch)
        places = ((batch.rows % self._every) == 0).nonzero().squeeze(1).to(clean.device)
        wanted = batch.labels[places]
        right = clean[places].argmax(1) == (wanted.argmax(1) if wanted.dim() == 2 else wanted)
        attacked = clean[places].clone()
        going = places[right]  # what is wrong as it is needs no attack
        if len(going):
            part = Batch(batch.images[going], batch.labels[going], batch.ids, batch.rows)
            region = ball_about(part.images, self.how.radius, self.how.norm)
            with torch.enable_grad():
                images = self._climbed(part, part.images, region, steps=JUDGE_STEPS, step=JUDGE_STEP)
            attacked[right] = self._logits(images)
        return Judged(clean, places, attacked)

    def judge(self, prediction: Judged, batch: Batch) -> Mapping[str, Tensor]:
        """Loss and accuracy of every image; robust accuracy of those that were attacked."""
        under = Batch(batch.images, batch.labels[prediction.places], batch.ids, batch.rows)
        robust = self.task.judge(prediction.attacked, under)["accuracy"]
        return {**self.task.judge(prediction.clean, batch), "robust_accuracy": robust}

    def attacked(self, batch: Batch) -> Tensor:
        """What the scheme's attack makes of a batch: each image strictly within the radius."""
        how = self.how
        assert how.steps is not None
        assert how.step is not None
        region = ball_about(batch.images, how.radius, how.norm)
        with mode_of(self.nets, training=how.inner == "train"):
            if how.scheme != "trades":
                return self._climbed(batch, random_point(region), region, steps=how.steps, step=how.step)
            with torch.no_grad():
                said = self._logits(batch.images).log_softmax(1)
            start = batch.images + _NOISE * torch.randn_like(batch.images)
            return self._climbed(batch, start, region, steps=how.steps, step=how.step, said=said)

    def _climbed(
        self, batch: Batch, start: Tensor, region: Near, *, steps: int, step: float, said: Tensor | None = None
    ) -> Tensor:
        def loss(images: Tensor) -> Tensor:
            logits = self._logits(images)
            return cross_entropy(logits, batch.labels) if said is None else divergence(said, logits.log_softmax(1))

        return climbed(loss, start, region, steps=steps, step=step * self.how.radius)

    def _logits(self, images: Tensor) -> Tensor:
        # by the net itself: around what Fabric made of it, every backward pass would have to be one of the weights
        assert isinstance(self._net, Net)
        with torch.autocast(images.device.type, self._precision, enabled=self._precision is not torch.float32):
            return self._net.logits(images).float()


def hardened(
    subject: str | Path | nn.Module | Task,
    splits: Splits,
    how: Hardening,
    *,
    recipe: Recipe,
    seed: int = 0,
    weights_root: Path | None = None,
    precision: Precision = "float32",
) -> Hardened | Certifying:
    """The task of training ``subject``, hardened; `fit` takes it in the place of the subject.

    Raises:
        RunError: Net and data do not fit, or the task is none of classification.
    """
    if how.scheme in ("trades", "ibp") and (recipe.loss != Loss() or recipe.class_weights != "none"):
        raise RunError(
            f"hardening by {how.scheme}, which is made of cross-entropies, with the loss {recipe.loss.name} and class "
            f"weights {recipe.class_weights}",
            accepted="a recipe of plain cross-entropy",
        )
    if how.scheme == "free" and recipe.optimizer.name == "lbfgs":
        raise RunError("hardening by free, whose images move with each gradient, with the optimizer lbfgs")
    task = build_task(subject, splits, recipe=recipe, seed=seed, weights_root=weights_root)
    if not isinstance(task, Classification):
        raise RunError(f"the task {task.name!r} is to be hardened", accepted="a classifier")
    if how.scheme == "ibp":
        return Certifying(task, how)
    return Hardened(task, how, dev=len(splits.dev), precision=precision)


def _learn_attacked(task: Hardened, batch: Batch, update: Update) -> Mapping[str, Tensor]:
    return _both(task.task.step(replace(batch, images=task.attacked(batch)), update))


def _learn_trades(task: Hardened, batch: Batch, update: Update) -> Mapping[str, Tensor]:
    assert task.how.beta is not None
    images = torch.cat([batch.images, task.attacked(batch)])
    clean, attacked = task.task.predict(replace(batch, images=images)).float().chunk(2)
    plain = cross_entropy(clean, batch.labels, smoothing=task.task.label_smoothing)
    losses = plain + task.how.beta * divergence(clean.log_softmax(1), attacked.log_softmax(1))
    update(losses.mean(), "net")
    right, kept = (task.task.judge(each.detach(), batch)["accuracy"] for each in (clean, attacked))
    return {"loss": losses.detach(), "accuracy": right, "robust_accuracy": kept}


def _learn_free(task: Hardened, batch: Batch, update: Update) -> Mapping[str, Tensor]:
    how = task.how
    assert how.replays is not None
    assert how.step is not None
    region = ball_about(batch.images, how.radius, how.norm)
    images, figures = random_point(region), {}
    rows = torch.arange(len(images), device=images.device)
    for _ in range(how.replays):
        images = images.detach().requires_grad_(True)
        figures = dict(task.task.step(replace(batch, images=images), update))
        assert images.grad is not None  # the backward pass of the weights gives it too
        images = region.project(images.detach() + how.step * how.radius * region.steepest(images.grad, rows), rows)
    return _both(figures)


def _both(figures: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {**figures, "robust_accuracy": figures["accuracy"]}


def divergence(said: Tensor, other: Tensor) -> Tensor:
    """KL(said || other) in nats, (n,), of log-probabilities (n, K)."""
    return F.kl_div(other, said, reduction="none", log_target=True).sum(1)


_STEPS = {"pgd": _learn_attacked, "fast": _learn_attacked, "trades": _learn_trades, "free": _learn_free}
