"""What every attribution method takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from striate.core.progress import Progress
    from striate.inside.payload import MapCheck
    from striate.nets.net import Net


@dataclass(frozen=True)
class Maps:
    """Maps of N images by one method.

    Attributes:
        values: Raw values in the net's input pixels, (N, H, W) or (N, C, H, W), float32, on the CPU.
        units: What one unit of a value means.
        signed: Whether what is drawn has negative values (`heatmap.plane` says what is drawn).
        checks: The method's own check, one for each image.
        layer: Site that was looked at, or empty.
        share: Share of the pixels that the colour scale holds; the rest have the colour of its end.
    """

    values: Tensor
    units: str
    signed: bool
    checks: tuple[MapCheck, ...]
    layer: str = ""
    share: float = 1.0


class Method(Protocol):
    """Images (N, C, H, W) and one target class for each (N,) to their maps.

    The net is left bit for bit as found. An image's map depends on no other image of the batch. Options of a method are
    keywords with defaults; `explain` passes each option to the methods that have it.
    """

    def __call__(
        self, net: Net, images: Tensor, targets: Tensor, *, memory: int, progress: Progress, **options: object
    ) -> Maps:
        """The maps, in the order of the images."""
        ...
