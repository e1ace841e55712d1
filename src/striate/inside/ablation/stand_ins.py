"""What stands in the place of what is switched off: nothing, the mean over the data, or another image's values."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.inside.attribution.chunks import fast_layout
from striate.nets.net import Net
from striate.nets.site import Site

from .branches import unit_axis
from .payload import How


class StandIns:
    """Values of a site for images of the data.

    ``zero``: 0. ``mean``: the unit's mean over all images and places; one pass an image up to the site, made once.
    ``resample``: the site's values on another image of the data, the same one for all units; which, is drawn by seed
    and image id; one pass an image up to the site.
    """

    def __init__(self, net: Net, data: Dataset, site: Site, *, how: How, seed: int, count: int) -> None:
        if how not in get_args(How):
            raise StriateError(f"how is {how!r}", accepted=", ".join(get_args(How)))
        if how == "resample" and len(data) < 2:
            raise StriateError("resample has no other image to draw from", accepted="at least 2 images")
        self.net, self.data, self.site, self.how, self.count = net, data, site, how, count
        self.others = self._drawn(seed) if how == "resample" else torch.empty(0)
        self.means = self._means() if how == "mean" else torch.zeros(1)

    def __call__(self, rows: Tensor) -> Tensor:
        """(n or 1, ...) for these rows of the data."""
        if self.how == "resample":
            return self._values(self.others[rows])
        return self.means.view(1, *[1] * len(self.site.shape)) if self.how == "zero" else self.means

    def _drawn(self, seed: int) -> Tensor:
        """For each image the row of another one."""
        drawn = Rng(seed, "ablation/resample").integers(self.data.ids, high=len(self.data) - 1)
        rows = torch.arange(len(self.data))
        return drawn + (drawn >= rows).long()

    def _values(self, rows: Tensor) -> Tensor:
        like = next(self.net.parameters(), torch.zeros(()))
        images = fast_layout(self.data.images(rows).to(like.device))
        with torch.no_grad(), self.net.look(read=[self.site.name]) as look:
            return look(images)[self.site.name]

    def _means(self) -> Tensor:
        dims = len(self.site.shape) + 1
        axis = unit_axis(dims)
        total = torch.zeros(self.site.shape[axis - 1], dtype=torch.float64)
        for rows in torch.split(torch.arange(len(self.data)), self.count):
            values = self._values(rows).double()
            total += (
                values.mean([at for at in range(1, dims) if at != axis]).sum(0).cpu()
                if dims > 2
                else values.sum(0).cpu()
            )
        shape = [1] * dims
        shape[axis] = -1
        return (total / len(self.data)).float().view(shape)
