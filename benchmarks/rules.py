"""Write the table of docs/attribution.md: which methods by rules work on which nets, and how well they add up.

Every net has random weights and batch statistics of random images, so nothing is downloaded. Run from the top folder.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.inside.attribution import METHODS
from striate.nets.load import load_net
from striate.nets.net import Net

PAGE = Path(__file__).parents[1] / "docs" / "attribution.md"
BEGIN, END = "<!-- table of rules: benchmarks/rules.py -->", "<!-- end of the table -->"
FAMILIES = (
    "vgg11 resnet18 googlenet inception_v3 densenet121 squeezenet1_0 mobilenet_v2 shufflenet_v2_x0_5 mnasnet0_5 "
    "regnet_x_400mf regnet_y_400mf mobilenet_v3_small efficientnet_b0 convnext_tiny vit_b_16 swin_t"
)
GROUPS = {
    "`guided_backprop` `deconvnet` `guided_grad_cam`": ("guided_backprop", "deconvnet", "guided_grad_cam"),
    "`lrp`, `lrp_epsilon` `_gamma` `_z_plus` `_alpha_beta`": tuple(name for name in METHODS if name.startswith("lrp")),
    "`deep_lift`": ("deep_lift",),
}


def alive(name: str) -> tuple[Net, torch.Tensor]:
    """A net whose signals keep their size, and one image."""
    net = load_net(f"torchvision/{name}.random").eval()
    side = 224 if name in ("vit_b_16", "swin_t") else 96
    draw = torch.Generator().manual_seed(0)
    for each in net.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight, generator=draw)
        if isinstance(each, nn.BatchNorm2d):
            each.train()
            each.momentum = 1.0
    with torch.no_grad():
        net(torch.rand(2, 3, side, side, generator=draw))
    return net.eval(), torch.rand(1, 3, side, side, generator=draw)


def cell(net: Net, image: torch.Tensor, methods: tuple[str, ...]) -> tuple[str, str]:
    """What stands in the table, and why the methods refuse, if they do."""
    with torch.no_grad():
        target = net(image).argmax(1)
    residuals = []
    for method in methods:
        try:
            check = METHODS.load(method)(net, image, target, memory=1 << 30, progress=SILENT).checks[0]
        except StriateError as error:
            return "refused", error.given.split(" is ", 1)[1].split(":")[0]
        if not check.holds:
            return f"{method} fails", ""
        residuals.append(check.residual.value or 0.0)
    return ("works" if methods[0] == "guided_backprop" else f"{max(residuals):.0e}"), ""


def rows() -> Iterator[str]:
    """The table, line by line."""
    yield f"| net | {' | '.join(GROUPS)} | refused because of |"
    yield "|---|---|---|---|---|"
    for name in FAMILIES.split():
        net, image = alive(name)
        cells = [cell(net, image, methods) for methods in GROUPS.values()]
        why = ", ".join(dict.fromkeys(reason for _, reason in cells if reason))
        yield f"| `{name}` | {' | '.join(text for text, _ in cells)} | {why} |"
        print(name, cells, file=sys.stderr)


def main() -> None:
    """Compute and write."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    table = "\n".join(rows())
    PAGE.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
