from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.nets.load import load_net, save_weights
from striate.nets.net import Net
from striate.nets.own import OWN
from striate.nets.own.efficientnet import SCALES, STAGES, compound, scaled_depth, scaled_width
from striate.nets.own.layers.gates import ConvolutionalAttention, SqueezeExcite

# Source: the papers' tables (rounded there), and by hand; of ImageNet's for 1000 classes.
COUNTS = {
    "preact_resnet20": 269_722,
    "preact_resnet110": 1_727_962,
    "preact_resnet164": 1_703_258,
    "preact_resnet1001": 10_327_706,
    "wrn40_1": 563_930,
    "wrn40_4": 8_949_210,
    "wrn16_8": 10_961_370,
    "wrn28_10": 36_479_194,
    "densenet40_12": 1_019_722,
    "densenet100_12": 6_979_642,
    "densenet_bc100_12": 769_162,
    "densenet_bc190_40": 25_624_430,
    "resnext29_8x64d": 34_426_698,
    "se_resnet20": 269_722 + sum(3 * (2 * c * 4 + 4 + c) for c in (16, 32, 64)),
    "plain18": 11_689_512 - (64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)),
    "plain34": 21_797_672 - (64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)),
    "se_resnet18": 11_689_512 + sum(2 * (2 * c * (c // 16) + c // 16 + c) for c in (64, 128, 256, 512)),
    "se_resnet50": 28_088_024,
    "cbam_resnet18": 11_778_592 + 8 * (98 + 2),
    "cbam_resnet50": 28_088_024 + 16 * (98 + 2),
    "efficientnet_b0": 5_288_548,
    "efficientnet_b7": 66_347_960,
}
LARGE = ("plain", "se_resnet18", "se_resnet50", "cbam_resnet18", "cbam_resnet50", "efficientnet")
SMALL = (
    "preact_resnet20+width=4",
    "preact_resnet164+width=2",
    "wrn40_1+width=4",
    "wrn16_8+width=1+dropout=0.3",
    "densenet40_12+growth=2",
    "densenet_bc100_12+growth=2+dropout=0.2",
    "resnext29_8x64d+cardinality=2+width=4+stem=4",
    "plain18+width=8",
    "se_resnet18+width=8",
    "se_resnet20+width=4",
    "se_resnet50+width=4",
    "cbam_resnet20+width=4",
    "cbam_resnet20+width=4+order=spatial_first",
    "cbam_resnet50+width=4+order=parallel",
    "efficientnet_b0+width=0.25",
    "resnet8+width=4+stochastic_depth=0.3",
    "vit_tiny+stochastic_depth=0.1",
)


def made(name: str) -> Net:
    torch.manual_seed(0)
    return load_net(f"striate/{name}", weights=False, size=32, channels=1, classes=5)


@pytest.mark.parametrize("name", COUNTS)
def test_weights_are_as_many_as_in_the_papers(name: str) -> None:
    with torch.device("meta"):
        module = OWN.load(name)(1000 if name.startswith(LARGE) else 10, 3, (32, 32)).module
    assert sum(each.numel() for each in module.parameters()) == COUNTS[name]


@pytest.mark.parametrize("name", SMALL)
def test_a_net_has_sites_judges_images_one_by_one_learns_and_loads_back(name: str, tmp_path: Path) -> None:
    net = made(name)
    images, labels = torch.rand(8, 1, 32, 32), torch.arange(8) % 5
    with torch.no_grad():
        whole = net(images)
        alone = torch.cat([net(each[None]) for each in images])
        torch.testing.assert_close(alone, whole, atol=1e-5 * float(whole.abs().max()), rtol=1e-4)
    sites = net.sites((32, 32))
    assert sum(site.parameters for site in sites) == sum(each.numel() for each in net.parameters())
    again = load_net(save_weights(net, tmp_path / "net.safetensors"))
    with torch.no_grad():
        torch.testing.assert_close(again(images), whole)
    net.double().train()
    losses = []
    for _ in range(2):
        torch.manual_seed(1)  # the same units left out both times
        loss = nn.functional.cross_entropy(net(images.double()), labels)
        slopes = torch.autograd.grad(loss, list(net.parameters()))
        length = torch.stack([each.norm() for each in slopes]).norm()
        with torch.no_grad():
            for each, slope in zip(net.parameters(), slopes, strict=True):
                each.sub_(1e-4 * slope / length)
        losses.append(float(loss.detach()))
    assert losses[1] < losses[0]


def test_layers_with_weights_are_as_many_as_the_name_says() -> None:
    for name, depth in (("preact_resnet20", 20), ("densenet40_12+growth=2", 40), ("plain18+width=4", 18)):
        assert sum(site.macs > 0 for site in made(name).sites((32, 32))) == depth, name


def test_a_preact_block_of_zero_weights_passes_its_input_on() -> None:
    block = made("preact_resnet20+width=4").module.get_submodule("layer1.1")
    for each in block.parameters():
        nn.init.zeros_(each)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x), x)


def test_a_dense_layer_keeps_what_it_takes_before_what_it_makes() -> None:
    layer = made("densenet40_12+growth=3").module.get_submodule("1.0")
    x = torch.randn(2, 16, 5, 5)
    assert layer(x).shape == (2, 19, 5, 5)
    assert torch.equal(layer(x)[:, :16], x)


def test_a_grouped_convolution_is_the_sum_of_its_paths() -> None:
    """Source: Xie et al. 2017, figure 3: aggregated transformations and grouped convolutions are one."""
    torch.manual_seed(0)
    narrow, middle, broad = nn.Conv2d(8, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=3), nn.Conv2d(6, 8, 1, bias=False)
    x = torch.randn(2, 8, 5, 5)
    paths = []
    for path in range(3):
        own = slice(2 * path, 2 * path + 2)
        inner = nn.functional.conv2d(x, narrow.weight[own], narrow.bias[own] if narrow.bias is not None else None)
        assert middle.bias is not None
        inner = nn.functional.conv2d(inner, middle.weight[own], middle.bias[own], padding=1)
        paths.append(nn.functional.conv2d(inner, broad.weight[:, own]))
    torch.testing.assert_close(broad(middle(narrow(x))), torch.stack(paths).sum(0))


def test_squeeze_and_excitation_weighs_channels_by_their_means() -> None:
    """Source: Hu et al. 2018, equations 2 to 4."""
    torch.manual_seed(0)
    gate, x = SqueezeExcite(32), torch.randn(3, 32, 4, 5)
    first, second = gate.excite[0], gate.excite[2]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    assert first.bias is not None
    assert second.bias is not None
    means = x.mean((2, 3))
    hidden = (means @ first.weight[:, :, 0, 0].T + first.bias).clamp(min=0)
    factors = 1 / (1 + torch.exp(-(hidden @ second.weight[:, :, 0, 0].T + second.bias)))
    torch.testing.assert_close(gate(x), x * factors[:, :, None, None])


def test_orders_of_convolutional_attention_are_what_they_say() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 16, 9, 9)
    nets = {order: ConvolutionalAttention(16, order=order) for order in ("channel_first", "spatial_first", "parallel")}
    for net in nets.values():
        net.eval().load_state_dict(nets["parallel"].state_dict())
    channel, spatial = nets["parallel"].channel, nets["parallel"].spatial
    weighed = x * channel(x)
    torch.testing.assert_close(nets["channel_first"](x), weighed * spatial(weighed))
    torch.testing.assert_close(nets["spatial_first"](x), x * spatial(x) * channel(x * spatial(x)))
    torch.testing.assert_close(nets["parallel"](x), x * channel(x) * spatial(x))
    with pytest.raises(StriateError, match="order of the gates is 'last'"):
        ConvolutionalAttention(16, order="last")


def test_compound_scaling_gives_the_published_widths_and_depths() -> None:
    """Source: Tan & Le 2019, equation 3 and table 1; widths and depths of B0, B4 and B7 as in their code."""
    depth, width, size = compound(1)
    assert depth * width**2 * size**2 == pytest.approx(1.92027)
    assert [scaled_width(row[1], 1.0) for row in STAGES] == [16, 24, 40, 80, 112, 192, 320]
    assert [scaled_width(row[1], SCALES["b4"].width) for row in STAGES] == [24, 32, 56, 112, 160, 272, 448]
    assert [scaled_width(row[1], SCALES["b7"].width) for row in STAGES] == [32, 48, 80, 160, 224, 384, 640]
    assert [scaled_depth(row[2], SCALES["b4"].depth) for row in STAGES] == [2, 4, 4, 6, 6, 8, 2]
    assert [scaled_depth(row[2], SCALES["b7"].depth) for row in STAGES] == [4, 7, 7, 10, 10, 13, 4]


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("wrn40_1", 7, "striate/wrn40_1 for images of 7 x 7"),
        ("densenet40_12", 4, "striate/densenet40_12 for images of 4 x 4"),
        ("plain18", 16, "striate/plain18 for images of 16 x 16"),
        ("efficientnet_b0", 16, "striate/efficientnet_b0 for images of 16 x 16"),
        ("wrn40_1+width=0", 32, "width of striate/wrn40_1 is 0"),
        ("cbam_resnet20+order=last", 32, "order of the gates is 'last'"),
        ("resnext29_8x64d+width=wide", 32, "width=wide of striate/resnext29_8x64d"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, size: int, message: str) -> None:
    with pytest.raises(StriateError, match=message):
        load_net(f"striate/{name}", weights=False, size=size)
