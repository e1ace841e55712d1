"""Residual, dense, separable and attentive nets: what they cost, and what a shortcut guarantees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.nets.load import load_net

from .blocks import Residual, densenet, efficientnet_of, resnet, unit
from .claims import SAME, Computed, claim, holds
from .layers import count, on_meta, parameters, total_macs

IMAGE = (3, 224, 224)


def residual_identity() -> Computed:
    """With all its weights zero a residual block passes on what came in, as that is never negative."""

    def block(width: int) -> Residual:
        body = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        return Residual(body, width, width, 1).double()

    zero = block(8)
    for each in zero.parameters():
        nn.init.zeros_(each)
    x = torch.randn(16, 8, 6, 6, dtype=torch.float64)
    before = x.relu()
    shallow, head = block(8), nn.Linear(8, 3).double()
    labels = torch.arange(16) % 3
    with torch.no_grad():
        same = (zero(before) - before).abs().max()
        cut = (zero(x) - x).abs().max()

        def loss(*blocks: nn.Module) -> Tensor:
            return F.cross_entropy(head(nn.Sequential(*blocks)(x).mean((2, 3))), labels)

        deeper = loss(shallow, zero, zero, zero) - loss(shallow)
    return Computed(
        (
            claim("largest difference of a(l+2) from a(l)", same, 0.0, says=SAME, tolerance=0.0),
            claim("change of the loss by three more such blocks", deeper, 0.0, tolerance=0.0),
            holds("where a(l) may be negative it is cut off", float(cut) > 1),
        )
    )


def block_costs() -> Computed:
    """Three blocks of about the same number of weights, without biases."""

    def convs(*steps: tuple[int, int, int, int]) -> int:
        return parameters([nn.Conv2d(i, o, k, groups=g, bias=False) for i, o, k, g in steps])

    found = {
        "two 3x3 on 64": convs((64, 64, 3, 1), (64, 64, 3, 1)),
        "256 to 64 and back": convs((256, 64, 1, 1), (64, 64, 3, 1), (64, 256, 1, 1)),
        "32 paths of 4": convs((256, 128, 1, 1), (128, 128, 3, 32), (128, 256, 1, 1)),
    }
    paths = 32 * convs((256, 4, 1, 1), (4, 4, 3, 1), (4, 256, 1, 1))
    return Computed(
        (
            claim(", ".join(found), list(found.values()), [73_728, 69_632, 70_144], says="same complexity"),
            claim("32 paths written one by one", paths, 70_144),
        )
    )


def cifar_resnet_params() -> Computed:
    """Residual nets for 32x32 images: 6n + 2 layers, 16, 32, 64 channels, shortcuts without parameters."""
    depths = (20, 32, 44, 56, 110)
    nets = [load_net(f"striate/resnet{depth}", weights=False) for depth in depths]
    layers = [sum(site.macs > 0 for site in net.sites((32, 32))) for net in nets]
    right = [269_722, 464_154, 658_586, 853_018, 1_727_962]
    return Computed(
        (
            claim("parameters of 20, 32, 44, 56, 110", [parameters(net.module) for net in nets], right),
            claim("layers with weights", layers, list(depths)),
        )
    )


MOBILE = ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)) + (
    ((512, 512, 1),) * 5 + ((512, 1024, 2), (1024, 1024, 1))
)  # channels in and out, stride of the depthwise layer


def _mobilenet(*, separable: bool = True) -> nn.Module:
    layers: list[nn.Module] = [unit(3, 32, 3, stride=2)]
    for inputs, outputs, stride in MOBILE:
        if separable:
            layers += [unit(inputs, inputs, 3, stride=stride, groups=inputs), unit(inputs, outputs, 1)]
        else:
            layers.append(unit(inputs, outputs, 3, stride=stride))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))


def mobilenet_table() -> Computed:
    """MobileNet as its table means it, and the same net with full convolutions."""
    net, full = on_meta(_mobilenet), on_meta(lambda: _mobilenet(separable=False))
    layers = count(net, IMAGE)
    points = {name for name, each in net.named_modules() if isinstance(each, nn.Conv2d) and each.kernel_size == (1, 1)}
    work = sum(layer.macs for layer in layers)
    share = sum(layer.macs for layer in layers if layer.name in points) / work
    side = layers[-5].shape[-1]
    note = "the table prints stride 2 for the last depthwise layer, a misprint of the paper's: its sizes need 1"
    return Computed(
        (
            claim("side of the last map", side, 7, note=note),
            claim("parameters", parameters(net), 4_231_976),
            claim("multiply-adds", work, 568_740_352),
            claim("share of 1x1 convolutions in them", 100 * share, 94.9, says=SAME, tolerance=0.05),
            claim("parameters with full convolutions", parameters(full), 29_294_088),
            claim("multiply-adds with full convolutions", total_macs(full, IMAGE), 4_867_293_184),
        )
    )


def cbam_table() -> Computed:
    """Parameters of eight nets: plain, with squeeze-and-excitation, with CBAM; and the plain nets' work."""
    nets = {
        "ResNet-18": {"depths": (2, 2, 2, 2), "bottleneck": False},
        "ResNet-34": {"depths": (3, 4, 6, 3), "bottleneck": False},
        "ResNet-50": {"depths": (3, 4, 6, 3)},
        "ResNet-101": {"depths": (3, 4, 23, 3)},
        "WideResNet-18 1.5": {"depths": (2, 2, 2, 2), "bottleneck": False, "widen": 1.5},
        "WideResNet-18 2": {"depths": (2, 2, 2, 2), "bottleneck": False, "widen": 2.0},
        "ResNeXt-50": {"depths": (3, 4, 6, 3), "groups": 32, "width": 4},
        "ResNeXt-101": {"depths": (3, 4, 23, 3), "groups": 32, "width": 4},
    }
    right = {
        "": [11.69, 21.80, 25.56, 44.55, 25.88, 45.62, 25.03, 44.18],
        "SE": [11.78, 21.96, 28.09, 49.33, 26.07, 45.97, 27.56, 48.96],
        "CBAM": [11.78, 21.96, 28.09, 49.33, 26.08, 45.97, 27.56, 48.96],
    }
    claims = []
    for kind, millions in right.items():
        found = [parameters(on_meta(lambda a=a, k=kind: resnet(kind=k, **a))) / 1e6 for a in nets.values()]  # type: ignore[misc]
        what = f"million parameters {f'with {kind}' if kind else 'of ' + ', '.join(nets)}"
        claims.append(claim(what, found, millions, says=SAME, tolerance=0.0051))
    work = [total_macs(on_meta(lambda a=a: resnet(**a)), IMAGE) / 1e9 for a in nets.values()]  # type: ignore[misc]
    bare = parameters(on_meta(lambda: resnet((3, 4, 6, 3), kind="SE without biases"))) / 1e6
    one = parameters(on_meta(lambda: resnet((1, 0, 0, 0), kind="CBAM"))) - parameters(
        on_meta(lambda: resnet((1, 0, 0, 0), kind="SE"))
    )
    gigas = [1.814, 3.664, 3.858, 7.570, 3.866, 6.696, 3.768, 7.508]
    note = "the lecture draws a 1x1 window for CBAM's map; it is 7x7 (Woo et al. 2018, 3), hence 98 + 2"
    return Computed(
        (
            *claims,
            claim("billion multiply-adds of the plain nets", work, gigas, says=SAME, tolerance=0.0051),
            claim("ResNet-50 with the slide's SE, without biases", bare, 28.07, tolerance=0.0051),
            claim("parameters that CBAM adds to SE in a block", one, 100, note=note),
        )
    )


def dense_links() -> Computed:
    """Each layer of a dense block sees all layers before it."""
    layers, grown = 5, 4
    links = len([(before, after) for after in range(layers + 1) for before in range(after)])
    net = on_meta(lambda: densenet((6, 12, 24, 16), 32))
    small = on_meta(lambda: densenet((layers,), grown))
    seen = [each.in_channels for each in small.modules() if isinstance(each, nn.Conv2d) and each.kernel_size == (1, 1)]
    return Computed(
        (
            claim("links of 5 layers", links, 15),
            claim("channels that layers 1 to 5 see, k0 = 8, k = 4", seen, [8, 12, 16, 20, 24]),
            claim("parameters of DenseNet-121", parameters(net), 7_978_856),
        )
    )


def efficientnet() -> Computed:
    """EfficientNet's scaling: deeper by 1.2, wider by 1.1, larger by 1.15 doubles the work."""
    alpha, beta, gamma = 1.2, 1.1, 1.15
    product, slide = (alpha * beta**2 * g**2 for g in (gamma, 1.1))
    base = on_meta(lambda: efficientnet_of(1.0, 1.0))
    largest = on_meta(lambda: efficientnet_of(2.0, 3.1))
    note = "the lecture prints gamma 1.1; 1.15, and B1 to B7 use rounded factors of their own (Tan & Le 2019, 3.3)"
    return Computed(
        (
            claim("alpha beta^2 gamma^2", product, 1.9203, says=round(slide, 4), tolerance=5e-5, note=note),
            claim("parameters of B0", parameters(base), 5_288_548),
            claim("billion multiply-adds of B0", total_macs(base, IMAGE) / 1e9, 0.386, tolerance=0.0005),
            claim("parameters of B7", parameters(largest), 66_347_960),
        )
    )
