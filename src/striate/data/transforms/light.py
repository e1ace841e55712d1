"""Light and colour: brightness, contrast, saturation, hue, grey, colour cast, and colour along the main axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import to_channels
from striate.core.rng import Rng

from .transform import Parameters, Shape, Transform, check_range, check_share, per_image

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

_CHUNK = 256  # images read at a time while covariances are summed


def _either_way(rng: Rng, name: str, ids: Tensor, most: float, step: int) -> Parameters:
    return {"by": rng.child(name).uniform(ids, step=step, low=-1.0, high=1.0) * most}


@dataclass(frozen=True)
class Brightness(Transform):
    """Every value times 1 + a draw of up to ``most`` either way."""

    most: float = 0.4

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"brightness changed by up to {self.most:.0%}"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``by`` (n,)."""
        del shape
        return _either_way(rng, "brightness", ids, self.most, step)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, brighter or darker."""
        return brightened(images, parameters["by"])


@dataclass(frozen=True)
class Contrast(Transform):
    """Distance from the image's mean grey times 1 + a draw of up to ``most`` either way."""

    most: float = 0.4

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"contrast changed by up to {self.most:.0%}"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``by`` (n,)."""
        del shape
        return _either_way(rng, "contrast", ids, self.most, step)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, with more or less contrast."""
        return contrasted(images, parameters["by"])


@dataclass(frozen=True)
class Saturation(Transform):
    """Distance of each pixel from its own grey times 1 + a draw of up to ``most`` either way; grey images stay."""

    most: float = 0.4

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"saturation changed by up to {self.most:.0%}"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``by`` (n,)."""
        del shape
        return _either_way(rng, "saturation", ids, self.most, step)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, more or less colourful."""
        return saturated(images, parameters["by"])


@dataclass(frozen=True)
class Hue(Transform):
    """Every colour turned on the wheel by a draw of up to ``most`` turns either way; grey images stay."""

    most: float = 0.1

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 0.5)

    @property
    def words(self) -> str:
        """What it does."""
        return f"hue turned by up to {360 * self.most:g} degrees"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``by`` (n,) in turns."""
        del shape
        return _either_way(rng, "hue", ids, self.most, step)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images in other hues, with saturation and value (of HSV) as they were."""
        return hue_turned(images, parameters["by"])


@dataclass(frozen=True)
class Grey(Transform):
    """Colour taken away, in a share of the images (ITU-R BT.601)."""

    share: float = 0.2

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def words(self) -> str:
        """What it does."""
        return f"colour taken away in {self.share:.0%} of the images"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``grey`` (n,) bool."""
        del shape
        return {"grey": rng.child("grey").uniform(ids, step=step) < self.share}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, some of them grey."""
        chosen = parameters["grey"].to(images.device)[:, None, None, None]
        return torch.where(chosen, greyed(images), images)


@dataclass(frozen=True)
class ColourCast(Transform):
    """Each channel times 1 + its own draw of up to ``most`` either way, as under light of another colour."""

    most: float = 0.3

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"each channel changed by up to {self.most:.0%}"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``by`` (n, C)."""
        return {"by": rng.child("colour_cast").uniform(ids, (shape[0],), step=step, low=-1.0, high=1.0) * self.most}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images under coloured light."""
        return brightened(images, parameters["by"])


@dataclass(frozen=True)
class ColourPCA(Transform):
    """A colour added to all pixels: along each main axis of colour its variance times a normal draw.

    Attributes:
        spread: Standard deviation of the draws.
        variances: Eigenvalues of the covariance of colours in [0, 1].
        axes: Eigenvectors, one a row, as channels.
        source: Whose they are.

    Source: Krizhevsky, Sutskever & Hinton 2012, section 4.1: ``[p1, p2, p3][a1 l1, a2 l2, a3 l3]^T``, spread .1. The
    paper does not say in which units; as in later code pixels lie in [0, 1] here. By default the numbers for ImageNet
    that were published with fb.resnet.torch (2016); `ColourPCA.of` measures those of other training data.
    """

    spread: float = 0.1
    variances: tuple[float, ...] = (0.2175, 0.0188, 0.0045)
    axes: tuple[tuple[float, ...], ...] = (
        (-0.5675, -0.5808, -0.5836),
        (0.7192, -0.0045, -0.6948),
        (0.4009, -0.8140, 0.4203),
    )
    source: str = "ImageNet"

    def __post_init__(self) -> None:
        check_range("spread", self.spread, 0.0, math.inf)
        if len(self.axes) != len(self.variances) or any(len(axis) != len(self.variances) for axis in self.axes):
            raise StriateError(f"{len(self.axes)} axes for {len(self.variances)} variances", accepted="as many of each")

    @classmethod
    def of(cls, train: Dataset, *, spread: float = 0.1) -> ColourPCA:
        """With the axes of a training split: exact sums over all its pixels, in one pass.

        Raises:
            StriateError: The split is not ``train`` or is empty.
        """
        from striate.data.stats import check_training

        check_training(train)
        total = torch.zeros(train.channels, dtype=torch.int64)
        products = torch.zeros(train.channels, train.channels, dtype=torch.int64)
        count = 0
        for start in range(0, len(train), _CHUNK):
            pixels = train.read(torch.arange(start, min(start + _CHUNK, len(train)))).to(torch.int64)
            flat = pixels.transpose(0, 1).flatten(1)
            total += flat.sum(1)
            products += (flat[:, None] * flat[None]).sum(-1)
            count += flat.shape[1]
        mean = total.double() / count
        covariance = (products.double() / count - mean[:, None] * mean) / 255.0**2
        values, vectors = torch.linalg.eigh(covariance)
        order = values.argsort(descending=True)
        return cls(
            spread,
            tuple(values[order].clamp_min(0.0).tolist()),
            tuple(tuple(axis) for axis in vectors.T[order].tolist()),
            train.name,
        )

    @property
    def words(self) -> str:
        """What it does."""
        return f"a colour added along the main axes of {self.source}, spread {self.spread:g}"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``colour`` (n, C): what is added."""
        if shape[0] != len(self.axes):
            raise StriateError(
                f"colour axes of {self.source} have {len(self.axes)} channels, the images {shape[0]}",
                accepted="images in colour",
            )
        draws = rng.child("colour_pca").normal(ids, (len(self.axes),), step=step) * self.spread
        return {"colour": (draws * torch.tensor(self.variances)) @ torch.tensor(self.axes)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images with the colour added."""
        return (images + per_image(parameters["colour"], images)).clamp(0.0, 1.0)


def brightened(images: Tensor, by: Tensor) -> Tensor:
    """Every value times 1 + ``by``, (n,) or (n, C)."""
    return (images * (1.0 + per_image(by, images))).clamp(0.0, 1.0)


def contrasted(images: Tensor, by: Tensor) -> Tensor:
    """Distances from the mean of the grey image times 1 + ``by`` (n,)."""
    mean = to_channels(images, 1).mean((1, 2, 3), keepdim=True)
    return (images + per_image(by, images) * (images - mean)).clamp(0.0, 1.0)


def saturated(images: Tensor, by: Tensor) -> Tensor:
    """Distances from each pixel's grey times 1 + ``by`` (n,)."""
    return (images + per_image(by, images) * (images - greyed(images))).clamp(0.0, 1.0)


def greyed(images: Tensor) -> Tensor:
    """Grey images with as many channels as there were."""
    return to_channels(to_channels(images, 1), images.shape[1])


def hue_turned(images: Tensor, by: Tensor) -> Tensor:
    """Hue (of HSV) plus ``by`` (n,) turns.

    Each channel of a colour is ``value - chroma * clamp(min(k, 4 - k), 0, 1)`` with ``k = (n + 6 hue) mod 6`` and n 5,
    3, 1 for red, green and blue.

    Source: Smith 1978, "Color gamut transform pairs"; the closed form back is that of the CSS Color Module.
    """
    if images.shape[1] == 1:
        return images
    value, chief = images.max(1)
    chroma = value - images.min(1).values
    red, green, blue = images.unbind(1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    sixths = torch.stack([(green - blue) / safe, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe], 1)
    hue = sixths.gather(1, chief[:, None])[:, 0] + 6.0 * per_image(by, value)
    turned = []
    for offset in (5.0, 3.0, 1.0):
        place = torch.remainder(offset + hue, 6.0)
        turned.append(value - chroma * torch.minimum(place, 4.0 - place).clamp(0.0, 1.0))
    return torch.stack(turned, 1).clamp(0.0, 1.0)


BRIGHTENED = Brightness()
CONTRASTED = Contrast()
SATURATED = Saturation()
HUE_TURNED = Hue()
GREYED = Grey()
CAST = ColourCast()
ALONG_AXES = ColourPCA()
