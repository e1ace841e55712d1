from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from oracles.nets_fields import macs_of_convolution, pixels_of_unit
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.payload import Field
from striate.nets.site import Site


def _sites(module: nn.Module, size: int | tuple[int, int] = 16, channels: int | None = None) -> dict[str, Site]:
    return {site.name: site for site in Net(module, channels=channels).sites(size)}


WINDOW = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2))


@given(st.lists(WINDOW, min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_receptive_fields_hold_exactly_the_pixels_that_a_unit_takes_in(chain: list[tuple[int, int, int, int]]) -> None:
    layers = [nn.Conv2d(1, 1, kernel, stride, padding, dilation) for kernel, stride, dilation, padding in chain]
    sites = Net(nn.Sequential(*layers), channels=1).sites((240, 240))
    field = sites[-1].field
    assert field is not None
    for unit in (0, 3):
        pixels = pixels_of_unit(chain, unit)
        centre = field[0].offset + unit * field[0].stride
        assert (centre - (field[0].size - 1) / 2, centre + (field[0].size - 1) / 2) == (min(pixels), max(pixels))
    assert field[0] == field[1]


def test_receptive_fields_of_alexnet_are_those_in_the_literature() -> None:
    # Kernels of Krizhevsky et al. 2012; sizes as in Araujo et al. 2019 for pool5, the others by their equation 2.
    layers = {
        "conv1": nn.Conv2d(3, 8, 11, 4, 2),
        "pool1": nn.MaxPool2d(3, 2),
        "conv2": nn.Conv2d(8, 8, 5, padding=2),
        "pool2": nn.MaxPool2d(3, 2),
        "conv3": nn.Conv2d(8, 8, 3, padding=1),
        "conv4": nn.Conv2d(8, 8, 3, padding=1),
        "conv5": nn.Conv2d(8, 8, 3, padding=1),
        "pool5": nn.MaxPool2d(3, 2),
    }
    net = nn.Sequential()
    for name, layer in layers.items():
        net.append(layer) if not name else net.add_module(name, layer)
    sizes = {site.name: site.field[0].size for site in Net(net).sites(224) if site.field}
    assert sizes == {
        "conv1": 11,
        "pool1": 19,
        "conv2": 51,
        "pool2": 67,
        "conv3": 99,
        "conv4": 131,
        "conv5": 163,
        "pool5": 195,
    }


def test_height_and_width_are_kept_apart() -> None:
    (site,) = _sites(nn.Conv2d(1, 1, (3, 5), (1, 2), (1, 0), (2, 1))).values()
    assert site.window is not None
    assert (site.window.kernel, site.window.stride, site.window.dilation) == ((3, 5), (1, 2), (2, 1))
    assert site.window.padding == ((1, 1), (0, 0))
    assert site.field == (Field(5, 1.0, 1.0), Field(5, 2.0, 2.0))


class _Branches(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.narrow, self.wide = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:  # noqa: PLR0911
        one, two = self.narrow(x), self.wide(x)
        if self.kind == "add":
            return one + two
        if self.kind == "cat":
            return torch.cat([one, two], 1)
        if self.kind == "shuffle":
            n, c, h, w = two.shape
            return two.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        if self.kind == "last":
            return F.layer_norm(two.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2)
        if self.kind == "shortcut":
            return F.pad(two[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        if self.kind == "gate":
            return two * two.mean((2, 3), keepdim=True).sigmoid()
        if self.kind == "group":
            return F.group_norm(two, 2)
        if self.kind == "up":
            return F.interpolate(F.max_pool2d(two, 2), scale_factor=2)
        if self.kind == "softmax":
            return two.softmax(1)
        return two.flatten(2)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("add", Field(5, 1.0, 0.0)),
        ("cat", Field(5, 1.0, 0.0)),
        ("shuffle", Field(5, 1.0, 0.0)),
        ("last", Field(5, 1.0, 0.0)),
        ("shortcut", Field(5, 2.0, 0.0)),
        ("up", Field(6, 1.0, 0.0)),
        ("softmax", Field(5, 1.0, 0.0)),
        ("gate", None),
        ("group", None),
        ("flatten", None),
    ],
)
def test_receptive_fields_through_branches_and_moves(kind: str, field: Field | None) -> None:
    site = Net(_Branches(kind)).sites(16)[-1]
    assert site.field == (None if field is None else (field, field))


def test_nothing_outside_a_receptive_field_has_a_gradient_and_its_corners_do() -> None:
    torch.manual_seed(0)
    net = load_net("striate/resnet20.random")
    images = torch.rand(1, 3, 48, 48, requires_grad=True)
    site = next(each for each in net.sites(48) if each.name == "layer2.0.conv2")
    assert site.field is not None
    with net.look(read=[site.name]) as see:
        see(images)[site.name][0, :, 12, 12].sum().backward()
    rows = (images.grad[0].abs().sum((0, 2)) > 0).nonzero().flatten()
    centre = site.field[0].offset + 12 * site.field[0].stride
    half = (site.field[0].size - 1) / 2
    assert (int(rows.min()), int(rows.max())) == (centre - half, centre + half)


def test_pooling_to_one_unit_takes_in_everything_and_pooling_that_divides_is_a_window() -> None:
    assert _sites(nn.AdaptiveAvgPool2d(1), 8, 3)[("adaptive_avg_pool2d")].field is None
    site = _sites(nn.AdaptiveAvgPool2d(4), 8, 3)["adaptive_avg_pool2d"]
    assert site.field == (Field(2, 2.0, 0.5), Field(2, 2.0, 0.5))
    assert _sites(nn.AdaptiveAvgPool2d(3), 8, 3)["adaptive_avg_pool2d"].field is None


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "groups"), [(3, 1, 1, 1), (5, 2, 0, 1), (3, 2, 1, 2), (3, 1, 0, 4), (1, 1, 0, 1)]
)
def test_multiply_adds_of_convolutions_are_those_of_their_loops(
    kernel: int, stride: int, padding: int, groups: int
) -> None:
    layer = nn.Conv2d(4, 8, kernel, stride, padding, groups=groups)
    (site,) = _sites(layer, (9, 7)).values()
    assert site.macs == macs_of_convolution(
        (9, 7), (4, 8), kernel=kernel, stride=stride, padding=padding, groups=groups
    )


class _Products(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)  # (1, 16, 3)
        if self.kind == "matmul":
            return tokens @ tokens.transpose(1, 2)
        if self.kind == "bmm":
            return torch.bmm(tokens, tokens.transpose(1, 2))
        if self.kind == "einsum":
            return torch.einsum("nic,njc->nij", tokens, tokens)
        return F.scaled_dot_product_attention(tokens, tokens, tokens)


@pytest.mark.parametrize(
    ("kind", "macs"), [("matmul", 16 * 16 * 3), ("bmm", 768), ("einsum", 768), ("attention", 2 * 768)]
)
def test_multiply_adds_of_products(kind: str, macs: int) -> None:
    assert sum(site.macs for site in Net(_Products(kind), channels=3).sites(4)) == macs


def test_transposed_convolutions_cost_as_much_as_the_convolution_they_turn_around() -> None:
    (up,) = _sites(nn.ConvTranspose2d(4, 6, 4, 2, 1), 8, 4).values()
    (down,) = _sites(nn.Conv2d(6, 4, 4, 2, 1), 16, 6).values()
    assert up.macs == down.macs


# Parameters by hand and equal to the papers; multiply-adds as torchvision publishes them with its weights (`_ops`).
PUBLISHED = {
    "alexnet": (61_100_840, 0.714),
    "mnasnet0_5": (2_218_512, 0.104),
    "resnet18": (11_689_512, 1.814),
    "resnet50": (25_557_032, 4.089),
    "googlenet": (6_624_904, 1.498),
    "mobilenet_v2": (3_504_872, 0.301),
    "squeezenet1_0": (1_248_424, 0.819),
    "densenet121": (7_978_856, 2.834),
    "efficientnet_b0": (5_288_548, 0.386),
}


@pytest.mark.parametrize("arch", PUBLISHED)
def test_parameters_and_multiply_adds_are_the_published_ones(arch: str) -> None:
    net = load_net(f"torchvision/{arch}", weights=False)
    sites = net.sites()
    parameters, giga = PUBLISHED[arch]
    assert sum(site.parameters for site in sites) == parameters
    assert sum(each.numel() for each in net.parameters()) == parameters
    assert round(sum(site.macs for site in sites) / 1e9, 3) == giga


def test_shared_parameters_count_once_where_they_first_appear() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.tied = nn.Conv2d(3, 3, 3, padding=1)
            self.tied.weight = self.conv.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.tied(self.conv(self.conv(x)))

    sites = _sites(Shared())
    assert {name: site.parameters for name, site in sites.items()} == {"conv": 84, "conv#1": 0, "tied": 3}


def test_parameters_that_are_computed_first_count_where_they_are_used() -> None:
    module = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 5, 3)))
    sites = _sites(module)
    assert [(site.op, site.parameters) for site in sites.values()] == [("conv2d", 5 * 27 + 5 + 5)]


def test_sites_name_where_their_inputs_come_from() -> None:
    sites = _sites(_Branches("add"))
    assert sites["narrow"].inputs == ("input",)
    assert sites["add"].inputs == ("narrow", "wide")
    assert sites["add"].shape == (4, 16, 16)


def test_a_childless_module_that_runs_several_operations_stands_for_the_last() -> None:
    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x.permute(0, 2, 3, 1), (3,), self.weight).permute(0, 3, 1, 2)

    names = [site.name for site in Net(nn.Sequential(Norm(), Norm()), channels=3).sites(8)]
    assert names == ["0.permute", "0.layer_norm", "0", "1.permute", "1.layer_norm", "1"]


@pytest.mark.parametrize(
    ("relu", "op"),
    [
        (nn.ReLU(), "relu"),
        (nn.ReLU(inplace=True), "relu"),
        (nn.ReLU6(), "relu6"),
        (nn.ReLU6(inplace=True), "relu6"),
        (nn.Hardtanh(), "hardtanh"),
        (nn.LeakyReLU(), "leaky_relu"),
        (nn.SiLU(inplace=True), "silu"),
        (nn.GELU(), "gelu"),
    ],
)
def test_activations_are_called_by_their_plain_name(relu: nn.Module, op: str) -> None:
    assert [site.op for site in Net(nn.Sequential(nn.Conv2d(3, 3, 1), relu)).sites(4)] == ["conv2d", op]


@pytest.mark.parametrize(
    "act",
    [
        F.relu,
        torch.relu,
        torch.relu_,
        Tensor.relu,
        Tensor.relu_,
        lambda x: F.relu(x, True),
        lambda x: F.relu(x, inplace=True),
        F.relu_,
    ],
)
def test_every_way_to_write_relu_is_one_site(act: object) -> None:
    class Acts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return act(x - 0.5)  # type: ignore[operator]

    assert [site.op for site in Net(nn.Sequential(Acts())).sites(4)] == ["sub", "relu"]


def test_tracing_leaves_the_random_generator_alone() -> None:
    net = load_net("striate/small.random")
    before = torch.get_rng_state()
    net.sites(20)
    assert torch.equal(before, torch.get_rng_state())


def test_a_window_of_tensorflow_padding_is_an_operation_of_its_own(tmp_path: Path) -> None:
    from striate.nets.zoo.same_padding import pad_as_tensorflow

    module = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1))
    pad_as_tensorflow(module)
    pad, conv = Net(module).sites((8, 9))
    assert (pad.name, conv.name, conv.shape) == ("0.pad", "0", (4, 4, 5))
    assert pad.window is not None
    assert pad.window.padding == ((0, 1), (1, 1))
    assert conv.field == (Field(3, 2.0, 1.0), Field(3, 2.0, 0.0))
    assert math.prod(conv.shape) * 27 == conv.macs


def test_attention_of_torch_is_one_site_with_the_costs_of_its_parts() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(12, 3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)  # 16 tokens of 12
            return self.attention(tokens, tokens, tokens)[0]

    net = Net(Attends(), channels=12)
    sites = {site.op: site for site in net.sites(4)}
    found = sites["multi_head_attention"]
    assert found.macs == 4 * 16 * 12 * 12 + 2 * 16 * 16 * 12
    assert found.parameters == sum(each.numel() for each in net.parameters())
    images = torch.rand(2, 12, 4, 4)
    with torch.no_grad(), net.look(read=[found.name, "output"]) as see:
        seen = see(images)
        torch.testing.assert_close(seen[found.name].transpose(0, 1), seen.output)
        torch.testing.assert_close(seen.output, net(images))
