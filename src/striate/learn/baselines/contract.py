"""What a feature and a classifier are: the contract of every baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from striate.core.progress import Step

if TYPE_CHECKING:
    from striate.data.dataset import Dataset


class Features(Protocol):
    """Numbers that describe an image; the same for an image whatever stands beside it.

    Attributes:
        width: How many numbers.
        said: What they are, with the sizes that were chosen for these images.
    """

    width: int
    said: str

    def __call__(self, images: Tensor) -> Tensor:
        """Codes (N, width) float32 of images (N, C, H, W) in [0, 1]."""
        ...


class Maker(Protocol):
    """Makes features; what has to be fitted is fitted on training images alone."""

    def __call__(self, train: Dataset, *, seed: int, memory: int, step: Step) -> Features:
        """The features for images of this kind; ``step(0)`` is called now and then, to say that it goes on."""
        ...


class Candidates(Protocol):
    """One kind of classifier, fitted with each of its settings; the dev split chooses among them.

    Attributes:
        settings: Each setting in words, the simplest first: of equally good ones that is taken.
    """

    settings: tuple[str, ...]

    def __call__(self, codes: Tensor) -> Tensor:
        """Classes (settings, N) that each setting gives to codes (N, width)."""
        ...


class Fit(Protocol):
    """Fits a kind of classifier to codes (N, width) with labels (N,)."""

    def __call__(self, codes: Tensor, labels: Tensor, *, classes: int, seed: int, step: Step) -> Candidates:
        """One fitted classifier for each setting; ``step(0)`` is called now and then, to say that it goes on."""
        ...
