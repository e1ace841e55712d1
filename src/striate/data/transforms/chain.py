"""Transforms one after the other; what moves pixels in a row resamples them once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from striate.core.rng import Rng

from .affine import Rotation, Scale, Shear
from .motion import Motion
from .transform import Parameters, Shape, Transform, size_of
from .warp import Perspective
from .window import RandomFlip, ResizedCrop

_MERGED = (Rotation, Scale, Shear, Perspective, ResizedCrop, RandomFlip)  # homographies; flips mix no pixels but join
_MIXING = (Rotation, Scale, Shear, Perspective, ResizedCrop)


@dataclass(frozen=True)
class Chain(Transform):
    """Transforms one after the other; two of a kind draw apart.

    Neighbours that are homographies and fill alike become one, so that pixels are mixed once: what leaves the image in
    the first and comes back in the second is not lost. Shifts by whole pixels mix nothing and stay by themselves.
    """

    parts: tuple[Transform, ...]

    @property
    def words(self) -> str:
        """What they do."""
        return ", ".join(part.words for part in self.parts)

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """The parameters of all, their names after the number of the transform: ``"0/angle"``."""
        return {
            f"{place}/{name}": value
            for place, part in enumerate(self.parts)
            for name, value in part.draw(ids, rng.child(str(place)), step=step, shape=shape).items()
        }

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Through all of them."""
        for places in self._runs():
            if len(places) == 1:
                part = self.parts[places[0]]
                images = part.apply(images, self._own(parameters, places[0]))
            else:
                images = self._joined(places, parameters, size_of(images)).sample(images)
        return images

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Those of all, neighbours joined as the pixels see them."""
        found: list[Motion] = []
        for places in self._runs():
            if len(places) == 1:
                found += self.parts[places[0]].motions(self._own(parameters, places[0]), size)
            else:
                found.append(self._joined(places, parameters, size))
        return tuple(found)

    def _own(self, parameters: Parameters, place: int) -> Parameters:
        head = f"{place}/"
        return {name.removeprefix(head): value for name, value in parameters.items() if name.startswith(head)}

    def _joined(self, places: Sequence[int], parameters: Parameters, size: tuple[int, int]) -> Motion:
        first, *others = (
            motion for place in places for motion in self.parts[place].motions(self._own(parameters, place), size)
        )
        fills = [motion.fill for place, motion in zip(places, (first, *others), strict=True) if self._mixes(place)]
        joined = Motion(first.matrices, size, fill=fills[0])
        for motion in others:
            joined = joined.before(motion)
        return joined

    def _mixes(self, place: int) -> bool:
        return isinstance(self.parts[place], _MIXING)

    def _runs(self) -> Iterator[list[int]]:
        """Numbers of transforms that go together; a run without two that mix pixels is taken apart."""
        run: list[int] = []
        fills: set[str] = set()
        for place, part in enumerate(self.parts):
            fill = {str(getattr(part, "fill", "edge"))} if self._mixes(place) else set()
            if run and (not isinstance(part, _MERGED) or len(fills | fill) > 1):
                yield from self._split(run)
                run, fills = [], set()
            if isinstance(part, _MERGED):
                run.append(place)
                fills |= fill
            else:
                yield [place]
        yield from self._split(run)

    def _split(self, run: list[int]) -> Iterator[list[int]]:
        if sum(map(self._mixes, run)) > 1:
            yield run
        else:
            yield from ([place] for place in run)


def transformed(images: Tensor, ids: Tensor, transforms: Sequence[Transform], *, seed: int, step: int = 0) -> Tensor:
    """The images after every transform in turn, each with draws of its own."""
    for number, transform in enumerate(transforms):
        images = transform(images, ids, Rng(seed, f"transform {number}"), step=step)
    return images
