from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.datasets import CIFAR10

from striate.core.errors import StriateError
from striate.nets.catalog import list_models
from striate.nets.load import load_net
from striate.nets.own import OWN

# Source: He et al. 2016, table 6 (rounded there), and by hand.
COUNTS = {
    "small": 169_954,
    "small+pool=max": 169_954,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "lenet5": 61_706,
    "lenet5_1998": 60_000,
    "lenet5_1998+end=linear": 60_850,
    "lenet1": 2_578,
    "alexnet": 62_378_344,
    "alexnet+groups=2": 60_965_224,
    "zfnet": 62_357_608,
    "vgg_a": 132_863_336,
    "vgg_b": 133_047_848,
    "vgg_c": 133_638_952,
    "vgg_d": 138_357_544,
    "vgg_e": 143_667_240,
    "nin": 7_595_176,
    "nin_cifar": 966_986,
    "allconv": 1_369_738,
    "googlenet": 6_998_552,
    "googlenet+auxiliary=yes": 6_998_552 + 3_188_840 + 3_190_888,
    "mobilenet1": 4_231_976,
    "linear": 7_850,
    "mlp": 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10,
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_are_those_of_the_papers(name: str) -> None:
    with torch.device("meta"):
        net = load_net(f"striate/{name}", weights=False)
    assert sum(each.numel() for each in net.parameters()) == COUNTS[name]


def test_the_catalogue_says_the_parameters_of_the_default_build() -> None:
    said = {row.name: row.parameters for row in list_models() if row.source == "striate"}
    assert set(said) == {f"striate/{name}" for name in OWN}
    for name, count in said.items():
        with torch.device("meta"):
            net = load_net(name, weights=False)
        assert sum(each.numel() for each in net.parameters()) == count, name


@pytest.mark.parametrize("size", [8, 15, 16, 28, 31, 32, 47, 48, 64, 96])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_takes_8_to_96_px_and_stays_under_a_megabyte(size: int, channels: int) -> None:
    net = load_net("striate/small", weights=False, channels=channels, size=size, classes=7)
    assert net(torch.rand(2, channels, size, size)).shape == (2, 7)
    assert sum(each.numel() for each in net.parameters()) < 250_000
    assert sum(site.macs for site in net.sites(size)) < 25_000_000


def test_small_pooled_is_stage1_at_every_place_then_the_largest_of_two_by_two() -> None:
    plain, pooled = (
        load_net(name, weights=False, size=30).eval() for name in ("striate/small", "striate/small+pool=max")
    )
    pooled.load_state_dict(plain.state_dict())
    x = torch.rand(2, 24, 15, 15)
    given, made = plain.module.stage1, pooled.module.stage1(x)
    given.conv.stride = (1, 1)
    padded = torch.nn.functional.pad(given(x), (0, 1, 0, 1), value=float("-inf"))
    expected = padded.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    assert made.shape == (2, 48, 8, 8)
    assert torch.equal(made, expected)


def test_small_refuses_another_pooling() -> None:
    with pytest.raises(StriateError, match="pool=mean of striate/small"):
        load_net("striate/small+pool=mean", weights=False)


def test_small_takes_images_that_are_not_square() -> None:
    net = load_net("striate/small", weights=False, size=(24, 40))
    assert net(torch.rand(2, 3, 24, 40)).shape == (2, 10)


@pytest.mark.parametrize(("name", "size"), [("small", 7), ("small", 97), ("lenet5", 11), ("resnet20", 7)])
def test_a_size_that_a_net_is_not_meant_for_is_refused(name: str, size: int) -> None:
    with pytest.raises(StriateError, match=rf"striate/{name} for images of {size} x {size}"):
        load_net(f"striate/{name}", weights=False, size=size)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 1), (28, 3), (12, 1), (64, 3)])
def test_lenet_adapts_to_other_sizes_and_channels(size: int, channels: int) -> None:
    net = load_net("striate/lenet5", weights=False, size=size, channels=channels)
    assert net(torch.rand(2, channels, size, size)).shape == (2, 10)


def test_mnist_gets_lenet_the_same_weights_as_32_px() -> None:
    assert sum(p.numel() for p in load_net("striate/lenet5", weights=False, size=28).parameters()) == 61_706


def test_a_row_of_linear_is_the_template_of_a_class() -> None:
    net = load_net("striate/linear.random")
    images = torch.rand(2, 1, 28, 28)
    weight, bias = net.module.linear.weight, net.module.linear.bias
    wanted = ((images - 0.5) / 0.25).flatten(1) @ weight.T + bias
    torch.testing.assert_close(net(images), wanted)


@pytest.mark.parametrize(("weights", "right"), [("cifar10_resnet20", 854), ("cifar10_resnet32", 867)])
def test_published_cifar_weights_get_the_published_images_right(
    weights: str, right: int, data_root: Path, weights_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda _: True)  # the local copy is a part of the data set
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(CIFAR10, "_load_meta", lambda _: None)
    data = CIFAR10(data_root / "CIFAR10", train=False)
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).float() / 255
    net = load_net(f"striate/{weights.removeprefix('cifar10_')}.{weights}", weights_root=weights_root)
    with torch.no_grad():
        found = torch.cat([net(chunk).argmax(1) for chunk in images.split(233)])
    assert len(images) == 932
    assert int((found == torch.tensor(data.targets)).sum()) == right
