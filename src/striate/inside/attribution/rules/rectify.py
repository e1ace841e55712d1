"""Rules of rectifiers: what of the signal goes back through a ReLU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.site import Site

from .way import RECTIFIERS


def rectified(site: Site, inputs: Sequence[Tensor], output: Tensor) -> int:
    """Which of the inputs the output is the rectified one of: ``max(x, 0)``, or ``min(max(x, 0), 6)``.

    Raises:
        StriateError: None; a clamp at other bounds is no rectifier.
    """
    for place, each in enumerate(inputs):
        if each.shape == output.shape and (site.op == "relu" or _is_rectified(each, output)):
            return place
    raise StriateError(
        f"{site.name} ({site.op}) is no rectifier: its output is neither max(x, 0) nor min(max(x, 0), 6)",
        hint="gradient, occlusion",
    )


def _is_rectified(before: Tensor, after: Tensor) -> bool:
    low = before.detach().clamp(min=0)
    return bool((after == low).all()) or bool((after == low.clamp(max=6)).all())


class Rectify:
    """The signal that goes back through a rectifier: its positive part, and with ``gated`` only where x let it pass.

    Attributes:
        passed: The rectifiers that the signal went through.
    """

    def __init__(self, *, gated: bool) -> None:
        self.gated = gated
        self.passed: set[str] = set()

    def refuses(self, site: Site) -> str | None:
        """Nothing but rectifiers."""
        return None if site.op in RECTIFIERS else "the rule is defined at rectifiers alone"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """``R_l = [f_l > 0] [R_l+1 > 0] R_l+1`` where gated, ``R_l = [R_l+1 > 0] R_l+1`` where not."""
        place = rectified(site, inputs, output)
        self.passed.add(site.name)
        back = grad.clamp(min=0)
        if self.gated:
            back = torch.autograd.grad(output, inputs[place], back, retain_graph=True)[0]
        return [back if each == place else None for each in range(len(inputs))]

    def cut(self, name: str, signal: Tensor) -> None:
        """Leaves the positive part of the signal that comes out of the gate of this rectifier, in place."""
        self.passed.add(name)
        signal.clamp_(min=0)
