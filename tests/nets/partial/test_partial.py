"""Partial recomputation equals the full one: families of nets, random small nets, inner sites, what falls back."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng
from striate.nets.fold import folded
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.partial.partial import Partial, Replay
from striate.nets.passes import counting

# Side of the image.
FAMILIES = {
    "vgg11": 40,
    "resnet18": 64,
    "resnet50": 48,
    "googlenet": 64,
    "inception_v3": 75,
    "densenet": 48,
    "squeezenet1_0": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "shufflenet_v2_x0_5": 64,
    "mnasnet0_5": 64,
    "regnet_x_400mf": 48,
    "regnet_y_400mf": 48,
    "efficientnet_b0": 48,
    "convnext": 64,
    "striate/lenet5": 32,
    "striate/resnet20": 32,
    "striate/small": 32,
}


def built(name):
    """An architecture with seven classes; the largest made shorter or thinner."""
    from torchvision import models

    if name == "vgg11":
        thin = [each if each == "M" else each // 4 for each in models.vgg.cfgs["A"]]
        features = models.vgg.make_layers(thin, batch_norm=False)
        head = (nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(128 * 49, 16), nn.ReLU(), nn.Dropout())
        return nn.Sequential(features, *head, nn.Linear(16, 7))
    if name == "resnet50":
        return models.ResNet(models.resnet.Bottleneck, [1, 2, 1, 1], num_classes=7)
    if name == "densenet":
        return models.DenseNet(8, (2, 2, 1, 1), 16, num_classes=7)
    if name == "convnext":
        blocks = [models.convnext.CNBlockConfig(16, 32, 1), models.convnext.CNBlockConfig(32, None, 1)]
        return models.ConvNeXt(blocks, num_classes=7, stochastic_depth_prob=0.0)
    options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return getattr(models, name)(weights=None, num_classes=7, **options)


def family(name, dtype=torch.float64):
    if name.startswith("striate/"):
        return load_net(f"{name}.random").to(dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = built(name).eval()
        for each in module.modules():
            if isinstance(each, nn.Conv2d):
                nn.init.kaiming_normal_(each.weight)
    return Net(module.to(dtype), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), name=name)


def picture(side, channels=3, dtype=torch.float64):
    return Rng(0, "picture").uniform(torch.arange(1), (channels, side, side))[0].to(dtype)


def by_full_passes(net, image, tops, lefts, pixels):
    copies = image.expand(len(tops), *image.shape).clone()
    height, width = pixels.shape[-2:]
    for copy, top, left, filling in zip(copies, tops, lefts, pixels.expand(len(tops), *pixels.shape[-3:]), strict=True):
        copy[:, top : top + height, left : left + width] = filling
    with torch.no_grad():
        return net(copies)


def gap(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def corners_and_middle(side, patch):
    starts = sorted({0, (side - patch) // 2 + 1, side - patch})
    places = [(top, left) for top in starts for left in starts][::3]
    return [top for top, _ in places], [left for _, left in places]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_what_full_passes_give(name):
    net, side = family(name), FAMILIES[name]
    image = picture(side, net.channels)
    replay = Replay(net, image)
    assert not replay.reason
    part = Partial(replay, image, whole_at=0.9)
    tops, lefts = corners_and_middle(side, 9)
    fill = torch.tensor([0.1, 0.9, 0.5], dtype=torch.float64)[: net.channels, None, None].expand(-1, 9, 9)
    assert gap(part.outputs(tops, lefts, pixels=fill), by_full_passes(net, image, tops, lefts, fill)) < 1e-10
    assert part.cost(tops, lefts, (9, 9)) < 1


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "squeezenet1_0", "mobilenet_v2"])
def test_in_float32_with_normalisation_folded_they_agree_to_rounding(name):
    net, side = family(name, torch.float32), FAMILIES[name]
    image = picture(side, dtype=torch.float32)
    quick = folded(net, (side, side)) or net
    tops, lefts = corners_and_middle(side, 8)
    fill = torch.full((3, 8, 8), 0.5)
    found = Partial(Replay(quick, image), image).outputs(tops, lefts, pixels=fill)
    assert gap(found, by_full_passes(net, image, tops, lefts, fill)) < 1e-5


@pytest.mark.parametrize("patch", [1, 5, 31, 32])
def test_patches_of_one_pixel_and_of_the_whole_image(patch):
    net = family("resnet18")
    image = picture(32)
    starts = sorted({0, (32 - patch) // 2, 32 - patch})
    tops, lefts = starts, starts[::-1]
    pixels = Rng(1, "patches").uniform(torch.arange(len(tops)), (3, patch, patch)).double()
    found = Partial(Replay(net, image), image).outputs(tops, lefts, pixels=pixels)
    assert gap(found, by_full_passes(net, image, tops, lefts, pixels)) < 1e-10


class Micro(nn.Module):
    """A random net of windows of all kinds; the numbers are drawn from ``seed``."""

    def __init__(self, seed):
        super().__init__()
        self.draw = torch.Generator().manual_seed(seed)
        self.steps = [self.step() for _ in range(4)]
        weights = [step[1]["weight"] for step in self.steps if "weight" in step[1]]
        self.weights = nn.ParameterList(weights)

    def pick(self, *choices):
        return choices[int(torch.randint(len(choices), (), generator=self.draw))]

    def step(self):
        kernel = (self.pick(1, 2, 3, 5), self.pick(1, 2, 3))
        padding = tuple(self.pick(0, each // 2) for each in kernel)
        stride = (self.pick(1, 1, 2, 3), self.pick(1, 2))
        kind = self.pick("conv", "conv", "max", "average", "pad", "both")
        options = {"stride": stride, "padding": padding}
        if kind in ("conv", "both"):
            groups = self.pick(1, 2, 4)
            weight = torch.randn(4, 4 // groups, *kernel, generator=self.draw, dtype=torch.float64)
            options |= {"weight": weight, "groups": groups, "dilation": (self.pick(1, 2), self.pick(1, 3))}
            if kind == "both":
                options |= {"stride": 1, "padding": "same"}
        elif kind == "pad":
            options = {"pad": tuple(self.pick(0, 1, 3) for _ in range(4))}
        else:
            options |= {"kernel_size": kernel, "ceil_mode": self.pick(True, False)}
            if kind == "average":
                options |= {"count_include_pad": self.pick(True, False)}
        return kind, options

    def forward(self, images):
        maps = torch.cat([images, images[:, :1] * 2], 1)
        for kind, options in self.steps:
            if kind == "conv":
                maps = F.conv2d(maps, **options).tanh()
            elif kind == "both":
                maps = maps + torch.relu(F.conv2d(maps, **options))
            elif kind == "max":
                maps = F.max_pool2d(maps, **options)
            elif kind == "average":
                maps = F.avg_pool2d(maps, **options)
            else:
                maps = F.pad(maps, **options)
        return maps.flatten(1)


@pytest.mark.filterwarnings("ignore:Using padding=.same.")
@pytest.mark.parametrize("seed", range(24))
def test_random_windows_at_every_place(seed):
    module = Micro(seed)
    net = Net(module.eval(), channels=3)
    image = torch.rand(3, 41, 37, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    patch = (module.pick(1, 3, 4), module.pick(1, 2, 6))
    tops = [0, 0, 5, 11, 18, 23, 41 - patch[0]]
    lefts = [0, 37 - patch[1], 7, 11, 3, 20, 37 - patch[1]]
    fill = torch.rand(len(tops), 3, *patch, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    replay = Replay(net, image)
    assert not replay.reason
    part = Partial(replay, image, whole_at=1.01)
    assert gap(part.outputs(tops, lefts, pixels=fill), by_full_passes(net, image, tops, lefts, fill)) < 1e-12
    assert part.cost(tops, lefts, patch) < 0.9 or not replay.program.macs


class Views(nn.Module):
    """Chunks, shuffles, channel norms, gates from the whole map, sizes of the batch among the arguments."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.mix = nn.Linear(8, 8)
        self.last = nn.Conv2d(8, 8, 3, padding=1)
        self.token = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, images):
        one, two = self.first(images).chunk(2, dim=1)
        two = two + one
        maps = torch.cat([one, F.relu(two, inplace=True)], 1)
        count, channels, height, width = maps.shape
        maps = maps.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(count, -1, height, width)
        maps = maps + self.mix(self.norm(maps.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        maps = self.last(maps).softmax(1) * torch.unsqueeze(maps[:, 0], 1) - maps.mean(1, keepdim=True)
        gated = maps * torch.sigmoid(maps.mean((2, 3), keepdim=True))
        tokens = torch.cat([self.token.expand(count, -1, -1), gated.flatten(2).transpose(1, 2)], 1)
        return tokens.sum(1)


def views():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Net(Views().double().eval(), channels=3)


def test_views_channel_operations_and_gates():
    image, tops, lefts = picture(20), [0, 3, 16], [2, 16, 9]
    fill = torch.zeros(3, 4, 4, dtype=torch.float64)
    replay = Replay(views(), image)
    assert not replay.reason
    found = Partial(replay, image).outputs(tops, lefts, pixels=fill)
    assert gap(found, by_full_passes(replay.net, image, tops, lefts, fill)) < 1e-12
    kinds = {node.op: part.kind for node, part in zip(replay.program.nodes, replay.parts, strict=True)}
    assert kinds["layer_norm"] == kinds["linear"] == kinds["view"] == "local"
    assert kinds["flatten"] == "whole"


class Deciding(nn.Module):
    def forward(self, images):
        return images.mean((2, 3)) if images.mean() > 0.5 else images.amax((2, 3))


class Writing(nn.Module):
    def forward(self, images):
        maps = images * 2
        maps[:, :, 2:4] = 0
        return maps.mean((2, 3))


class Overwriting(nn.Module):
    def forward(self, images):
        maps = images * 2
        flat = maps.flatten(2)
        maps.relu_()
        return flat.mean(2)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Deciding(), "depends on the numbers"),
        (Writing(), "writes into part"),
        (Overwriting(), "overwritten through another view"),
    ],
)
def test_a_net_that_cannot_be_run_in_part_is_computed_in_full_and_says_why(module, said):
    net, image = Net(module, channels=3), picture(12)
    replay = Replay(net, image)
    assert said in replay.reason
    part, fill = Partial(replay, image), torch.zeros(3, 4, 4, dtype=torch.float64)
    assert part.cost([0, 8], [0, 8], (4, 4)) == 1.0
    with counting() as passes:
        found = part.outputs([0, 8], [0, 8], pixels=fill)
    assert passes.forward == 2
    alone = torch.cat([by_full_passes(net, image, [at], [at], fill) for at in (0, 8)])
    assert gap(found, alone) < 1e-12 or isinstance(module, Deciding)
    with pytest.raises(StriateError, match="cannot be run in part"):
        next(part.changed("mean", [0], [0], pixels=fill))


def test_what_an_inner_site_changes_lies_in_its_tiles():
    net, image = family("squeezenet1_0"), picture(64)
    replay = Replay(net, image)
    part, fill = Partial(replay, image, whole_at=0.9), torch.zeros(3, 11, 11, dtype=torch.float64)
    tops, lefts = [0, 20, 53, 30], [5, 20, 53, 0]
    for site in ("features.0", "features.3.expand3x3", "features.6"):
        with net.look(read=[site]) as see:
            clean = see(image[None])[site]
            copies = image.expand(4, *image.shape).clone()
            for copy, top, left in zip(copies, tops, lefts, strict=True):
                copy[:, top : top + 11, left : left + 11] = 0
            expected = see(copies)[site]
        made = clean.expand_as(expected).clone()
        for which, changed in part.changed(site, tops, lefts, pixels=fill):
            height, width = changed.data.shape[-2:]
            assert height * width < clean.shape[-2] * clean.shape[-1]
            for place, data, top, left in zip(which, changed.data, changed.tops, changed.lefts, strict=True):
                made[place, :, top : top + height, left : left + width] = data
        assert gap(made, expected) < 1e-12


def test_positions_are_told_back_in_their_order_whatever_the_memory():
    net, image = family("squeezenet1_0"), picture(48)
    draw = torch.Generator().manual_seed(0)
    tops, lefts = torch.randint(0, 43, (2, 90), generator=draw).tolist()
    fill = torch.rand(90, 3, 6, 6, generator=draw, dtype=torch.float64)
    replay = Replay(net, image)
    whole = Partial(replay, image).outputs(tops, lefts, pixels=fill)
    small = Partial(replay, image, memory=1).outputs(tops[:5], lefts[:5], pixels=fill[:5])
    assert gap(whole, by_full_passes(net, image, tops, lefts, fill)) < 1e-10
    assert gap(small, whole[:5]) < 1e-10


def test_passes_are_counted_by_multiply_adds():
    net, image = family("squeezenet1_0"), picture(64)
    replay = Replay(net, image)
    fill = torch.zeros(3, 8, 8, dtype=torch.float64)
    with counting() as passes:
        part = Partial(replay, image)
        part.outputs([0] * 10, list(range(10)), pixels=fill)
    cost = part.cost([0] * 10, list(range(10)), (8, 8))
    assert cost < 0.9
    assert passes.forward == 1 + -int(-10 * cost // 1)


def test_a_mean_image_is_subtracted_where_the_patch_lies():
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 144, 3)).double()
    image = picture(12)
    net = Net(module.eval(), mean=picture(12).float() / 2)
    fill = torch.full((3, 3, 3), 0.5, dtype=torch.float64)
    found = Partial(Replay(net, image), image).outputs([0, 4, 9], [9, 2, 0], pixels=fill)
    assert gap(found, by_full_passes(net, image, [0, 4, 9], [9, 2, 0], fill)) < 1e-12


def test_rectangles_outside_and_unknown_sites_are_said():
    image = picture(20)
    part, fill = Partial(Replay(views(), image), image), torch.zeros(3, 4, 4, dtype=torch.float64)
    with pytest.raises(StriateError, match=r"4 x 4 at \(17, 0\)"):
        part.outputs([17], [0], pixels=fill)
    with pytest.raises(UnknownNameError):
        next(part.changed("firs", [0], [0], pixels=fill))


def test_the_net_and_the_image_are_left_as_found():
    net, image = family("resnet18"), picture(32)
    net.train()
    before, pixels = {name: each.clone() for name, each in net.state_dict().items()}, image.clone()
    part = Partial(Replay(net, image), image)
    part.outputs([0], [0], pixels=torch.zeros(3, 5, 5, dtype=torch.float64))
    assert net.training
    assert image.equal(pixels)
    assert all(each.equal(before[name]) for name, each in net.state_dict().items())
