"""A network that is asked for by name, as the sources get it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from striate.core.errors import StriateError

from .site import Pair


@dataclass(frozen=True)
class Request:
    """A network that is asked for.

    Attributes:
        source: Which source: ``striate``, ``torchvision``, ``timm``.
        arch: Architecture.
        tag: Name of its weights, ``"random"``, or "" for the default ones.
        file: File of weights to take, or None.
        weights: Load weights at all; without, the architecture starts from what torch's own generator draws.
        folder: Where named weights are looked for before anything is downloaded.
        classes: Names of the classes, or None for those of the weights.
        channels: Channels of an image, or None for those of the weights.
        size: Size of an image, or None for that of the weights.
        seed: Seed of random weights.
        options: What is asked for otherwise than the architecture has it, by name: ``+width=0.5+norm=group``.
    """

    source: str
    arch: str
    tag: str
    file: Path | None
    weights: bool
    folder: Path
    classes: tuple[str, ...] | None
    channels: int | None
    size: Pair | None
    seed: int
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``SOURCE/ARCH.WEIGHTS`` as it was asked for."""
        tag = f".{self.tag}" if self.tag else ""
        return f"{self.plain}{tag}{f'@{self.file.name}' if self.file else ''}"

    @property
    def plain(self) -> str:
        """``SOURCE/ARCH``, with its options."""
        return f"{self.source}/{self.arch}{''.join(f'+{key}={value}' for key, value in self.options.items())}"

    @property
    def fresh(self) -> bool:
        """No weights are to be loaded."""
        return not self.weights or (self.tag == "random" and self.file is None)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """While the architecture is built: weights drawn from ``seed``, and torch's generator left as it was.

        An architecture without weights that is not asked for as random draws from torch's generator, as training
        wants it.
        """
        if not self.weights and self.tag != "random":
            yield
            return
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            yield

    def check_classes(self, count: int) -> None:
        """Raises where classes were asked for that the weights do not have."""
        if self.classes is not None and len(self.classes) != count:
            raise StriateError(
                f"{len(self.classes)} classes for the weights of {self.name}, which have {count}",
                hint=f"{self.plain}.random, or a new head: striate transfer {self.name} DATA",
            )

    def check_channels(self, channels: int) -> None:
        """Raises where channels were asked for that the weights do not take."""
        if self.channels is not None and self.channels != channels:
            raise StriateError(
                f"{self.channels} channels for {self.name}, which takes {channels}",
                hint=f"images with {channels} channels, or {self.plain}.random",
            )


def parse_arch(text: str) -> tuple[str, dict[str, str], str]:
    """Architecture, options and name of weights of ``ARCH``, ``ARCH.WEIGHTS``, ``ARCH+KEY=VALUE+KEY=VALUE.WEIGHTS``.

    Raises:
        StriateError: An option has no value, or is given twice.

    >>> parse_arch("resnet20+width=0.5+norm=group.random")
    ('resnet20', {'width': '0.5', 'norm': 'group'}, 'random')
    """
    arch, plus, rest = text.partition("+")
    if not plus:
        arch, _, tag = text.partition(".")
        return arch, {}, tag
    # a value may hold a point, so the name of weights is what follows the last one and begins with a letter
    found = re.fullmatch(r"(.*?)(?:\.([A-Za-z_][\w-]*))?", rest)
    given, tag = (found[1], found[2] or "") if found else (rest, "")
    options: dict[str, str] = {}
    for each in given.split("+"):
        key, _, value = each.partition("=")
        if not key or not value:
            raise StriateError(f"option {each!r} of {arch}", accepted="KEY=VALUE", hint=f"{arch}+activation=gelu")
        if key in options:
            raise StriateError(f"option {key} of {arch} is given twice", accepted="once")
        options[key] = value
    return arch, options, tag
