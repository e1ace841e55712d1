"""What excites units of a trained net, projected back to photographs by three rules of the rectifier."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from striate.core.image import encode_png
from striate.inside.attribution.unit_map import Back, UnitMap, unit_map
from striate.nets.net import Net
from striate.synthesis.sheet import contact_sheet

from .breaking import photographs, trained
from .claims import Computed, claim, holds

SITE, UNITS, PHOTOGRAPHS = "features.7", (3, 17, 40, 99, 130, 200), 24  # SqueezeNet's fifth fire module
RULES: tuple[Back, ...] = ("gradient", "deconvnet", "guided_backprop")


def guided_deconv() -> Computed:
    """The photograph that excites each unit most, and its maximum sent back by gradient, deconvnet and both at once."""
    net = trained("squeezenet1_0", "guided-deconv")
    images = photographs(PHOTOGRAPHS, "guided-deconv").images()
    with torch.no_grad(), net.look(read=[SITE]) as look:
        peaks = torch.cat([look(part)[SITE].amax((2, 3)) for part in torch.split(images, 8)])
    double = net.with_module(copy.deepcopy(net.module).double()).double().eval()
    side = _side(net, (images.shape[2], images.shape[3]))
    gaps, shown, outside = [], [], 0
    for unit in UNITS:
        image = images[peaks[:, unit].argmax()][None]
        made = {rule: unit_map(double, image.double(), site=SITE, unit=unit, method=rule) for rule in RULES}
        for rule, found in made.items():
            right = _slowly(double, image.double(), unit=unit, rule=rule)
            gaps.append(float((found.values.double() - right).abs().max() / right.abs().max()))
        top, left = _corner(made["gradient"], image, side)
        window = (..., slice(top, top + side), slice(left, left + side))
        shown += [image[window], *(_drawn(made[rule].values[window]) for rule in RULES)]
        outside += sum(
            int(found.values.count_nonzero() - found.values[window].count_nonzero()) for found in made.values()
        )
    rows = torch.cat([torch.cat(shown[place :: len(RULES) + 1]) for place in range(len(RULES) + 1)])
    return Computed(
        (
            claim("largest difference from a slow implementation, of the signal's scale", max(gaps), 0, tolerance=1e-5),
            holds(f"no signal leaves the {side} x {side} pixels that the unit sees", outside == 0),
        ),
        encode_png(contact_sheet(rows, across=len(UNITS))),
    )


def _side(net: Net, size: tuple[int, int]) -> int:
    trace = net.trace(size)
    site = next(each for each in trace.sites if each.name == trace.aliases.get(SITE, SITE))
    assert site.field is not None
    return min(site.field[0].size, *size)


def _corner(found: UnitMap, image: Tensor, side: int) -> tuple[int, int]:
    """The upper left corner of a window inside the image that holds the whole signal."""
    there = found.values[0].abs().amax(0) > 0
    tops, lefts = (there.any(1 - axis).nonzero().squeeze(1) for axis in range(2))
    height, width = image.shape[2:]
    return min(int(tops[0]), height - side), min(int(lefts[0]), width - side)


def _drawn(values: Tensor) -> Tensor:
    return (0.5 + values / (2 * values.abs().max())).clamp(0, 1)


def _slowly(net: Net, image: Tensor, *, unit: int, rule: str) -> Tensor:
    """The same by modules: the net cut behind the site, every ReLU replaced by one with the rule's backward."""
    features = copy.deepcopy(net.module.get_submodule("features"))
    assert isinstance(features, nn.Sequential)
    cut = features[: int(SITE.rpartition(".")[2]) + 1]
    for parent in list(cut.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(parent, name, _Slow(rule))
    leaf = image.clone().requires_grad_()
    assert net.mean is not None
    assert net.std is not None
    maps = cut((leaf - net.mean) / net.std)[0, unit]
    place = int(maps.argmax())
    return torch.autograd.grad(maps.flatten()[place], leaf)[0]


class _Slow(nn.Module):
    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, x: Tensor) -> Tensor:
        """max(x, 0), with a hook that does to the gradient what the rule says."""
        if self.rule == "gradient":
            return torch.where(x > 0, x, 0.0)
        y = (
            torch.where(x > 0, x, 0.0)
            if self.rule == "guided_backprop"
            else x + (torch.where(x > 0, x, 0.0) - x).detach()
        )
        y.register_hook(lambda grad: torch.where(grad > 0, grad, 0.0))  # type: ignore[no-untyped-call]
        return y
