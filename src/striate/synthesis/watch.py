"""Watching images form: a bar, a picture now and then, frames for a film."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from striate.core.image import to_bytes
from striate.core.progress import SILENT, Progress
from striate.imageopt.solve import Moment


@dataclass
class Watch:
    """Whoever looks on while images are painted; it is the callback of `solve`.

    Attributes:
        progress: How the work is shown.
        show: Given the images (N, C, H, W) as they stand, at most once in ``every`` seconds.
        every: Seconds.
        film: Every so many steps a frame is kept, of all images; 0 keeps none.
        frames: What was kept, uint8 (N, C, H, W) each; methods that step from picture to picture add their own.
    """

    progress: Progress = SILENT
    show: Callable[[Tensor], None] | None = None
    every: float = 2.0
    film: int = 0
    frames: list[Tensor] = field(default_factory=list)
    _shown: float = field(default_factory=time.monotonic)

    def __call__(self, moment: Moment) -> None:
        """Look at a moment of the search."""
        if self.film and moment.step % self.film == 0:
            self.frames.append(to_bytes(moment.paint()).cpu())
        if self.due:
            self.look(moment.paint())

    @property
    def due(self) -> bool:
        """Whether it is time to look again; painting for nobody costs."""
        return self.show is not None and time.monotonic() - self._shown >= self.every

    def look(self, images: Tensor) -> None:
        """Show these images now."""
        if self.show is not None:
            self.show(images.detach())
            self._shown = time.monotonic()
