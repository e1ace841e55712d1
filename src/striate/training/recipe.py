"""Recipe: how a net is trained, as one frozen value that a run saves as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from striate.core.errors import StriateError
from striate.data.transforms import is_mixer

from .averages import Averaging
from .losses import SHARED, Loss
from .optimizers.specs import Adam, AdamW, Lbfgs, Optimizer, Sgd
from .schedules import Schedule
from .schemes import INITS

__all__ = ["Adam", "AdamW", "Augment", "Averaging", "Lbfgs", "Loss", "Optimizer", "Recipe", "Schedule", "Sgd"]


@dataclass(frozen=True)
class Augment:
    """Random changes of training images; zero, or no name, means that this one is not made.

    They are made in this order: shift, mirror, the named transforms, the mixer. All but the mixer change an image alike
    whatever its batch; a mixer's partners come from the batch (see `striate.data.transforms.mixers`).

    Attributes:
        mirror: Probability that left and right change places.
        shift: Most pixels by which an image moves on each axis; what that uncovers is filled by reflection.
        transforms: Names of transforms (`striate methods` lists them), each with its usual numbers.
        mixer: Name of one that mixes two images and their labels, or "".

    Raises:
        StriateError: A number is out of its range, or a name is none of a transform or of a mixer.
    """

    mirror: float = 0.0
    shift: int = 0
    transforms: tuple[str, ...] = ()
    mixer: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.mirror <= 1.0 or self.shift < 0:
            raise StriateError(f"augment is {self}", accepted="a probability for mirror, at least 0 pixels for shift")
        for name in self.transforms:
            if is_mixer(name):
                raise StriateError(f"{name} mixes two images", accepted="at most one such, as the mixer")
        if self.mixer and not is_mixer(self.mixer):
            raise StriateError(f"{self.mixer} does not mix images", accepted="mixup, cutmix")

    def named(self, names: tuple[str, ...]) -> Augment:
        """The same with these transforms, of which one may be a mixer, in place of those that it has.

        Raises:
            UnknownNameError: A name is no transform's; the message holds the nearest ones.
            StriateError: Two of them mix images.
        """
        mixers = [name for name in names if is_mixer(name)]
        if len(mixers) > 1:
            raise StriateError(f"{' and '.join(mixers)} both mix images", accepted="one of them")
        plain = tuple(name for name in names if name not in mixers)
        return replace(self, transforms=plain, mixer=mixers[0] if mixers else "")


@dataclass(frozen=True)
class Recipe:
    """How a net is trained; a variation is ``dataclasses.replace(recipe, epochs=3)``.

    Attributes:
        name: Its name; a variation should get one of its own.
        states: What it reaches, on what, at what cost.
        optimizer: One of `striate.training.optimizers.specs`, with the peak learning rate.
        schedule: Course of the learning rate over all steps.
        init: Starting weights of a net that starts from scratch: ``built`` (as its layers draw them), or the name of
            another scheme (`striate.training.schemes.INITS`).
        samples: Budget: how many images a run sees in all; the epochs follow from the size of the training split.
        most: Most epochs that the budget is spent on, however few the images.
        epochs: Passes over the training split; None lets the budget decide.
        batch: Images a step. The remainder of an epoch that does not fill a batch is left out of that epoch.
        label_smoothing: Share of the target spread evenly over all classes.
        augment: Random changes of the training images.
        preprocess: What a net that starts from scratch takes from its pixels first (`striate.data.preprocess`).
        loss: What a classifier learns by.
        class_weights: ``balanced`` weighs each image by the rarity of its class (`losses.balanced_weights`).
        l1: Weight of the sum of |w|, by a proximal step after each step of the optimizer: rate * l1 nearer to 0.
        l2: Weight of half the sum of w^2, added to the loss; with ``l1`` an elastic net. Both act on what weight decay
            acts on, and are not part of the loss that is reported.
        average: Mean of the weights that dev judges and the run folder keeps, in place of the weights themselves.
        patience: Epochs without a new best on dev after which the run ends; None goes on to the last.
        clip_norm: Largest norm of a net's gradient, all weights together; longer ones are scaled down to it.
        clip_value: Largest size of a single number of the gradient; cut off before the norm is taken.
        accumulate: Parts that a batch is passed in, one after another, to save memory.

    Raises:
        StriateError: A number is out of its range, or two parts do not go together; the message names them.
    """

    name: str
    optimizer: Optimizer
    schedule: Schedule = field(default_factory=lambda: Schedule("one_cycle"))
    init: str = "built"
    samples: int = 240_000
    most: int = 60
    epochs: int | None = None
    batch: int = 128
    label_smoothing: float = 0.0
    augment: Augment = field(default_factory=Augment)
    preprocess: Literal["mean_std", "channel_mean", "mean_image", "min_max"] = "mean_std"
    states: str = ""
    loss: Loss = field(default_factory=Loss)
    class_weights: Literal["none", "balanced"] = "none"
    l1: float = 0.0
    l2: float = 0.0
    average: Averaging | None = None
    patience: int | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1

    def __post_init__(self) -> None:
        whole = "a whole number of at least 1"
        for name, value in (
            ("epochs", self.epochs),
            ("batch", self.batch),
            ("samples", self.samples),
            ("most", self.most),
            ("patience", self.patience),
            ("accumulate", self.accumulate),
        ):
            if value is not None and value < 1:
                raise StriateError(f"{name} is {value}", accepted=whole)
        INITS[self.init]  # an unknown name is told with the nearest ones
        if not 0.0 <= self.label_smoothing < 1.0:
            raise StriateError(f"label_smoothing is {self.label_smoothing}", accepted="a number from 0 to below 1")
        for name, number in (("l1", self.l1), ("l2", self.l2)):
            if not 0.0 <= number < float("inf"):
                raise StriateError(f"{name} is {number}", accepted="a number of at least 0")
        for name, bound in (("clip_norm", self.clip_norm), ("clip_value", self.clip_value)):
            if bound is not None and not 0.0 < bound < float("inf"):
                raise StriateError(f"{name} is {bound}", accepted="a number above 0")
        self._check_together()

    def _check_together(self) -> None:
        """Refuses parts that do not go together."""
        if self.loss.name not in SHARED:
            if self.label_smoothing:
                raise StriateError(
                    f"label smoothing {self.label_smoothing} with the loss {self.loss.name}, which knows one label an "
                    "image",
                    accepted=f"label smoothing 0, or one of the losses {', '.join(SHARED)}",
                )
            if self.augment.mixer:
                raise StriateError(
                    f"{self.augment.mixer} mixes labels and the loss {self.loss.name} knows one label an image",
                    accepted=f"no such transform, or one of the losses {', '.join(SHARED)}",
                )
        if isinstance(self.optimizer, Lbfgs):
            against = {
                "l1": self.l1, "clip_norm": self.clip_norm, "clip_value": self.clip_value,
                "accumulate": self.accumulate - 1,
            }  # fmt: skip
            for name, value in against.items():
                if value:
                    raise StriateError(
                        f"{name} with the optimizer lbfgs, whose line search needs the gradient of the loss as it is",
                        accepted="any other optimizer",
                    )

    def epochs_on(self, count: int) -> int:
        """Passes over a training split of ``count`` images: ``epochs``, or as many as the budget pays for, at least 1.

        >>> Recipe("mine", Sgd(0.1), samples=240_000).epochs_on(55_000)
        4
        """
        return self.epochs or min(max(1, round(self.samples / max(count, 1))), self.most)
