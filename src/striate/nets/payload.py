"""What `summary` gives: every executed operation of a net, and its totals."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """Theoretical receptive field of a site on one axis, in input pixels: size, stride, centre of unit 0."""

    size: int
    stride: float
    offset: float


@dataclass(frozen=True)
class SiteRow:
    """One executed operation.

    Attributes:
        name: Name of the site, ``layer1.0.relu#1`` for the second run of a module.
        op: What it computes: ``conv2d``, ``relu``, ``add``...
        shape: Shape of its output without the batch: (C, H, W) or (features,).
        parameters: Parameters that first appear here (a shared one counts once in a net).
        macs: Multiply-adds for one image.
        receptive_field: (height, width), or None where every pixel or no single window counts.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: tuple[Field, Field] | None = None


@dataclass(frozen=True)
class Totals:
    """Totals of a net: parameters (shared ones once), buffers, multiply-adds and activations for one image."""

    parameters: int
    trainable: int
    buffers: int
    macs: int
    activations: int


@dataclass(frozen=True)
class Summary:
    """A net as it executes on one image of ``size``."""

    name: str
    size: tuple[int, int]
    channels: int
    sites: tuple[SiteRow, ...]
    totals: Totals
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Summaries:
    """Several nets side by side."""

    nets: tuple[Summary, ...] = field(default=())
