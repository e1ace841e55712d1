"""What a kind of synthesis is asked for: the net, the options with the kind's defaults, pictures read from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striate.core.classes import class_number
from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry, read_header, read_image
from striate.nets.net import Net
from striate.synthesis.watch import Watch
from striate.verbs.options import words
from striate.verbs.painting import files
from striate.verbs.session import Session

USUAL = 224  # short side of pictures for a net that takes any size and says none


@dataclass(frozen=True)
class Ask:
    """One call of `synthesize`."""

    run: Session
    kind: str
    net: Net
    options: Mapping[str, Any]
    watch: Watch

    def __getitem__(self, name: str) -> Any:
        return self.options[name]

    @property
    def seed(self) -> int:
        """Seed of every draw."""
        return int(self.run["seed"])

    @property
    def memory(self) -> int:
        """Bytes beside the net."""
        return int(self.run["memory"])

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) asked for, or the net's own."""
        side = self["size"]
        return self.net.a_size((side, side) if side else None)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers asked for."""
        return words(str(self["layer"]))

    def classes(self, *, default: int = 10) -> list[int]:
        """Numbers of the classes that were asked for; where none were, the first ``default``."""
        given = self["target"]
        names = words(given) if isinstance(given, str) else given
        if not names:
            return list(range(min(default, len(self.net.classes))))
        return [class_number(name, self.net.classes) for name in names]

    def pictures(self, option: str, *, side: int | None = None) -> tuple[list[str], list[Tensor]]:
        """Stems and pixels (C, H, W) of the files of an option, each at its own aspect where the net takes any size.

        Such a net gets them with the shorter side at ``side``, else at ``--size``, else at that of the net's geometry,
        else at 224. A net of one size gets them by its own geometry.
        """
        paths = [Path(each) for each in files(self[option])]
        if not paths:
            raise StriateError(f"{option} names no file", accepted="the path of an image file")
        return [path.stem for path in paths], [self.read(path, side=side) for path in paths]

    def alike(self, option: str) -> tuple[list[str], Tensor]:
        """Stems and pixels (N, C, H, W) of the files of an option; where their sizes differ, the middle square of each.

        A side of the squares is the shorter side of the pictures.
        """
        names, found = self.pictures(option)
        if len({tuple(each.shape) for each in found}) > 1:
            side = min(min(each.shape[-2:]) for each in found)
            found = [Geometry((side, side)).apply(each) for each in found]
        return names, torch.stack(found)

    def picture(self, option: str) -> tuple[str, Tensor]:
        """Stem and pixels of the one file of an option."""
        names, found = self.pictures(option)
        if len(found) != 1:
            raise StriateError(f"{option} names {len(found)} files", accepted=f"one, for {self.kind}")
        return names[0], found[0]

    def read(self, path: Path, *, side: int | None = None) -> Tensor:
        """Pixels (C, H, W) of a file as `pictures` gives them."""
        if not path.is_file():
            raise ImageError(f"{path} does not exist", accepted="the path of an image file")
        header = read_header(path)
        geometry = self._geometry(header.height, header.width, side=side, name=path.name)
        return read_image(path, channels=self.net.channels, geometry=geometry)

    def fitted(self, image: Tensor) -> Tensor:
        """An image (C, h, w) brought to size as `pictures` does."""
        return self._geometry(image.shape[-2], image.shape[-1], side=None, name="the picture").apply(image)

    def _geometry(self, height: int, width: int, *, side: int | None, name: str) -> Geometry:
        net = self.net
        if net.size is not None:
            return net.geometry or Geometry(net.size)
        side = side or self["size"] or (min(net.geometry.size) if net.geometry else USUAL)
        share = side / min(height, width)
        size = (max(side, round(height * share)), max(side, round(width * share)))
        if min(size) < net.least_size:
            raise ImageError(f"{name} at {size[1]}x{size[0]} pixels", accepted=f"at least {net.least_size} a side")
        return Geometry(size, crop="none")
