"""One pass through the front of a net, many through its end: each with other units of a site switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from striate.nets.interception import Call, Interception, paths_of
from striate.nets.net import Net
from striate.nets.ops import first_tensor, written_in_place
from striate.nets.passes import count_forward
from striate.nets.site import Site
from striate.nets.stages import passed_by_all
from striate.nets.undisturbed import undisturbed

Units = tuple[int, ...]  # () stands for the whole site


class Branches:
    """Logits of a net with units of one site replaced, several sets of units in one pass.

    The net forks at the last site, at or before the one that is edited, that everything later depends on the image
    through: what comes before is computed once for all sets, what comes behind once for each. Where a net does not
    bear that (it notes the number of images before the fork) it forks at the image. Each set counts as one pass.

    Args:
        net: The net.
        images: Two or more of its images, to try the fork on.
        site: The site.
    """

    def __init__(self, net: Net, images: Tensor, site: Site) -> None:
        self.net, self.site = net, site
        self.trace = net.trace((images.shape[-2], images.shape[-1]))
        self.fork = _fork(self.trace.sites, site)
        if self.fork and not self._bears(images[:2]):
            self.fork = ""

    def logits(self, images: Tensor, sets: Sequence[Units], stand_in: Tensor) -> Tensor:
        """Logits (sets, n, K); ``stand_in`` (n or 1, ...) has the values of the site that take the units' places."""
        count = len(images)

        def edit(output: Tensor) -> Tensor:
            changed = output.clone()
            for place, units in enumerate(sets):
                rows = slice(place * count, (place + 1) * count)
                changed[rows] = replaced(changed[rows], units, stand_in.to(output))
            return changed

        with undisturbed(self.net), torch.no_grad():
            if self.fork:
                found = self._forked(images, len(sets), edit)
            else:
                many = images.repeat(len(sets), 1, 1, 1)
                with self.net.look(edits={self.site.name: lambda _site, output, _rows: edit(output)}) as look:
                    found = self.net.as_logits(look(many).output)
        return found.view(len(sets), count, -1)

    def _forked(self, images: Tensor, copies: int, edit: Any) -> Tensor:
        def answer(call: Call) -> Any:
            name = self.trace.names.get(call.key, "")
            target = written_in_place(call.func, call.args, call.kwargs)
            output = call()
            made = first_tensor(output)
            if made is None or name not in (self.fork, self.site.name):
                return output
            if name == self.fork:
                made = made.repeat(copies, *[1] * (made.dim() - 1))
                if made.dim() == 4:
                    made = made.contiguous(memory_format=torch.channels_last)
                count_forward(made[len(images) :])
            if name == self.site.name:
                made = edit(made)
                if target is not None and target.shape == made.shape:  # who holds on to what was written over sees it
                    made = target.copy_(made)
            return made

        with Interception(paths_of(self.net.module), answer):
            return self.net.logits(images)

    def _bears(self, images: Tensor) -> bool:
        """Whether two copies of the images come out of the fork as they would alone."""
        with undisturbed(self.net), torch.no_grad():
            alone = self.net.logits(images)
            try:
                both = self._forked(images, 2, lambda output: output)
            except (RuntimeError, ValueError):
                return False
        if both.shape[0] != 2 * len(alone):
            return False
        return bool((both - alone.repeat(2, 1)).abs().max() <= 1e-4 * alone.abs().max().clamp_min(1e-6))


def replaced(output: Tensor, units: Units, stand_in: Tensor) -> Tensor:
    """The output (n, ...) with other values for these units; all of them for ()."""
    full = stand_in.expand_as(output)
    if not units:
        return full
    axis = unit_axis(output.dim())
    index = torch.tensor(units, device=output.device)
    return output.clone().index_copy_(axis, index, full.index_select(axis, index))


def unit_axis(dims: int) -> int:
    """Where the units of a site lie: channels of maps (n, C, h, w), features (n, F), the last axis of tokens."""
    return 2 if dims == 3 else 1


def _fork(sites: Sequence[Site], site: Site) -> str:
    narrow = passed_by_all(tuple(sites))
    names = [each.name for each in sites]
    before = [place for place in range(names.index(site.name) + 1) if narrow[place]]
    return names[before[-1]] if before else ""
