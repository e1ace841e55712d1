"""A decoder of a layer's code: a net that paints the image of which a frozen net would say this."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.imageopt.objective import Objective, code_distance, squared_distance
from striate.nets.net import Net
from striate.nets.weights import fit_weights
from striate.training.init import seeded
from striate.training.payload import BY_LOSS
from striate.training.task import Batch, Update

from .components import principal
from .frozen import Frozen
from .learnt import read_learnt

FEW = 2_000  # training images whose codes are measured
COMPONENTS = 128  # principal components of them that are kept
_ROOM = 1 << 28  # bytes of codes in memory at once
_CHUNK = 256  # of them in one pass
REACH = 3.0  # standard deviations on both sides of the mean that codes are kept within
_NOTED = ("mean", "std", "least", "most", "components", "spreads")
_LEAST = 1e-3  # of the largest deviation: units that hardly ever speak are not blown up


class Decoder(nn.Module):
    """Codes (n, *shape) of a site to images (n, C, H, W) in [0, 1].

    Codes are standardised unit by unit, brought to maps by a convolution (or, where they are vectors, a linear layer),
    and doubled in size by nearest neighbours, two convolutions after each, until they are images; then a sigmoid.

    Args:
        shape: Of one code: (F,) or (C, H, W).
        channels: Of the images.
        size: (H, W) of the images.
        width: Channels of the first maps; halved at each doubling, at least 16.

    Attributes:
        mean: Of each unit of the code over training images.
        std: Standard deviation.
        least: Smallest value seen.
        most: Largest.
        components: Directions in which codes vary most, (K, D).
        spreads: Standard deviation along each, (K,).

    Source: Dosovitskiy & Brox 2016, "Inverting visual representations with convolutional networks", section 3.1 and
    table 1 (five up-convolutions, leaky ReLU of slope 0.2); batch normalisation is ours.
    """

    mean: Tensor
    std: Tensor
    least: Tensor
    most: Tensor
    components: Tensor
    spreads: Tensor

    def __init__(
        self, shape: tuple[int, ...], *, channels: int, size: tuple[int, int], width: int = 64, components: int = 0
    ) -> None:
        super().__init__()
        if len(shape) not in {1, 3}:
            raise StriateError(f"a code of shape {shape}", accepted="a vector (F,) or maps (C, H, W)")
        self.name, self.shape, self.size = "decoder", shape, size
        sizes = _doublings(shape[1:] if len(shape) == 3 else None, size)
        inner = sizes[0]
        self.first: nn.Module = (
            nn.Sequential(nn.Conv2d(shape[0], width, 3, padding=1), _leaky(width))
            if len(shape) == 3
            else nn.Sequential(
                nn.Linear(shape[0], width * inner[0] * inner[1]), nn.Unflatten(1, (width, *inner)), _leaky(width)
            )
        )
        self.sizes, here = sizes[1:], width
        stages = []
        for _ in self.sizes:
            there = max(16, here // 2)
            stages.append(_Stage(here, there))
            here = there
        self.stages = nn.ModuleList(stages)
        self.last = nn.Conv2d(here, channels, 3, padding=1)
        for name, value in (("mean", 0.0), ("std", 1.0), ("least", -torch.inf), ("most", torch.inf)):
            self.register_buffer(name, torch.full(shape, value))
        self.register_buffer("components", torch.zeros(components, math.prod(shape)))
        self.register_buffer("spreads", torch.ones(components))

    def forward(self, codes: Tensor) -> Tensor:
        """The images of codes."""
        return self.paint((codes - self.mean) / self.std)

    def paint(self, standard: Tensor) -> Tensor:
        """The images of standardised codes."""
        value = self.first(standard)
        for stage, size in zip(self.stages, self.sizes, strict=True):
            value = stage(F.interpolate(value, size=size, mode="nearest"))
        painted: Tensor = self.last(value)
        return painted.sigmoid()


class _Stage(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            _leaky(outputs),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            _leaky(outputs),
        )


def _leaky(width: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(width), nn.LeakyReLU(0.2))


def _doublings(start: tuple[int, ...] | None, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes from that of the code (of vectors an eighth of the image) to that of the image, doubling at most.

    Raises:
        StriateError: The code is larger than the image.
    """
    if start is None:
        return [(-(-size[0] // part), -(-size[1] // part)) for part in (8, 4, 2, 1)]
    if start[0] > size[0] or start[1] > size[1]:
        raise StriateError(f"maps of {start[0]} x {start[1]} for images of {size[0]} x {size[1]}")
    sizes = [size]
    while sizes[0][0] > start[0] or sizes[0][1] > start[1]:
        sizes.insert(0, (max(start[0], -(-sizes[0][0] // 2)), max(start[1], -(-sizes[0][1] // 2))))
    return sizes


class Decoding:
    """The task of learning to paint images from what a frozen net says of them at one site.

    Figures: ``loss`` is ``pixels + code``; ``pixels`` is the mean squared difference from the image as a share of the
    variance of training pixels, ``code`` the squared distance between the painted image's code and the given one as a
    share of that of training codes from their mean (1 is what a grey code would give).

    Args:
        against: The encoder; it is not changed.
        site: Whose codes are decoded.
        train: What the codes are measured on: at most `FEW` images.
        decoder: Any module from codes to images; by default a `Decoder`, in which what was measured is noted.
        width: Of that decoder.
        code: Weight of the code.
        seed: Of the decoder's starting weights.

    Source: Dosovitskiy & Brox 2016, "Generating images with perceptual similarity metrics based on deep networks",
    equation 1, whose third part, an adversarial loss that brings back fine texture, is left out: ours stay smooth.
    """

    nets: MutableMapping[str, nn.Module]
    name = "decode"
    figures: tuple[str, ...] = ("loss", "pixels", "code")
    choice = BY_LOSS
    labelled = False
    about: Mapping[str, str]

    def __init__(
        self,
        against: Net,
        site: str,
        train: Dataset,
        *,
        decoder: nn.Module | None = None,
        width: int = 64,
        code: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.against, self.site, self.weight = Frozen(against), site, code
        known = measured(self.against, site, train, seed=seed)
        self.spreads = {"pixels": known.pixels, "code": known.variance}
        if decoder is None:
            assert train.size is not None  # a split without one size was refused when it was measured
            with seeded(seed, "train/init"):
                decoder = Decoder(tuple(known.mean.shape), channels=train.channels, size=train.size, width=width)
            known.note(decoder)
        self.nets = {"decoder": decoder}
        self.about = {
            **self.against.about,
            "layer": site,
            "code": repr(code),
            "shape": json.dumps(list(known.mean.shape)),
            "channels": str(train.channels),
            "size": json.dumps(list(train.size or ())),
            "width": str(width),
            "components": str(len(known.spreads)),
        }

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """One step on pixels and code."""
        figures = self.judge(self.predict(batch), batch)
        update(figures["loss"].mean(), "decoder")
        return {name: value.detach() for name, value in figures.items()}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The painted images, and the codes that they were painted from."""
        codes = self.against.codes(batch.images, self.site)
        return self.nets["decoder"](codes), codes

    def judge(self, prediction: tuple[Tensor, Tensor], batch: Batch) -> Mapping[str, Tensor]:
        """The loss and its two parts, unweighted."""
        painted, codes = prediction
        seen = self.against.seen(painted, [self.site])
        terms: Mapping[str, Objective] = {
            "pixels": squared_distance(batch.images),
            "code": code_distance(self.site, codes),
        }
        parts = {name: term(seen) / self.spreads[name] for name, term in terms.items()}
        return {"loss": parts["pixels"] + self.weight * parts["code"], **parts}


@dataclass(frozen=True, eq=False)
class Measure:
    """What was measured of codes, unit by unit and along their principal components.

    Attributes:
        mean: Of each unit.
        std: Standard deviation of each; of units that hardly ever speak a thousandth of the largest.
        least: Smallest value of each.
        most: Largest.
        components: Orthonormal directions of most variance, (K, D).
        spreads: Standard deviation along each, (K,).
        variance: Of all units together.
        pixels: Variance of all pixels together.
    """

    mean: Tensor
    std: Tensor
    least: Tensor
    most: Tensor
    components: Tensor
    spreads: Tensor
    variance: float
    pixels: float

    def note(self, decoder: Decoder) -> None:
        """Put it into the buffers of a decoder."""
        for name in _NOTED:
            setattr(decoder, name, getattr(self, name).clone())


def measured(against: Frozen, site: str, train: Dataset, *, seed: int = 0) -> Measure:
    """Statistics of the codes of at most `FEW` training images, drawn by seed; one forward pass each.

    Raises:
        StriateError: The site says the same of every image.
    """
    rows = Rng(seed, "decode/measured").permutation(len(train))[:FEW]
    most = max(_CHUNK, _ROOM // (4 * against.codes(train.images(rows[:1]), site).numel()))
    codes, sums, squares = [], torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for part in torch.split(rows[:most], _CHUNK):
        images = train.images(part)
        codes.append(against.codes(images, site).clone())
        sums, squares = sums + images.double().sum(0), squares + images.double().square().sum(0)
    known = torch.cat(codes)
    deviation = known.double().std(0, correction=0)
    if not float(deviation.max()) > 0:
        raise StriateError(f"{site!r} says the same of every training image", accepted="a site that tells them apart")
    flat = known.flatten(1)
    _, components, spreads = principal(flat, min(COMPONENTS, len(flat) - 1, flat.shape[1]), at_most=True)
    pixels = (squares / len(known) - (sums / len(known)) ** 2).clamp_min(0).sum()
    return Measure(
        mean=known.double().mean(0).float(),
        std=deviation.clamp_min(_LEAST * float(deviation.max())).float(),
        least=known.amin(0),
        most=known.amax(0),
        components=components,
        spreads=spreads,
        variance=float(deviation.square().sum()),
        pixels=float(pixels) or 1.0,
    )


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoder that was learnt, with what its codes are.

    Attributes:
        decoder: Codes (n, *shape) to images (n, C, H, W) in [0, 1]; in eval mode.
        shape: Of one code.
        least: Smallest value of each unit: the mean less three deviations, but no less than was seen in training.
        most: Largest, likewise.
        channels: Of the images.
        size: (H, W) of the images.
        site: Whose codes they are.
        against: Name of the encoder.
        fingerprint: Of the encoder.

    Source: bounds as in Nguyen et al. 2016, section 2 ("clipped to [0, 3 standard deviations]"); the lower one is ours,
    for codes that are no output of a ReLU.
    """

    decoder: Decoder
    shape: tuple[int, ...]
    least: Tensor
    most: Tensor
    channels: int
    size: tuple[int, int]
    site: str
    against: str
    fingerprint: str


def load_decoder(run: str | Path) -> Decoded:
    """The decoder of a run of the task ``decode``.

    Raises:
        StriateError: There is no such run, or it learnt something else.
    """
    content = read_learnt(run, Decoding.name)
    said = content.metadata
    shape = tuple(int(each) for each in json.loads(said["shape"]))
    height, width = json.loads(said["size"])
    channels = int(said["channels"])
    decoder = Decoder(
        shape, channels=channels, size=(height, width), width=int(said["width"]), components=int(said["components"])
    )
    fit_weights(decoder, content, name="a decoder")
    return Decoded(
        decoder=decoder.eval(),
        shape=shape,
        least=torch.maximum(decoder.least, decoder.mean - REACH * decoder.std),
        most=torch.minimum(decoder.most, decoder.mean + REACH * decoder.std),
        channels=channels,
        size=(height, width),
        site=said["layer"],
        against=said["against"],
        fingerprint=said["against_hash"],
    )
