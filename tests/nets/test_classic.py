"""What the papers say of single layers."""

from __future__ import annotations

import pytest
import torch

from striate.core.errors import StriateError
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.own.alexnet import local_response
from striate.nets.own.building import scaled
from striate.nets.own.digits import CODES
from striate.nets.own.lenet_historic import LENET1_TABLE, LENET5_TABLE, CodeDistance, ScaledTanh, SubSample, TableConv
from striate.nets.site import Site


def _meta(name: str) -> Net:
    with torch.device("meta"):
        return load_net(f"striate/{name}", weights=False)


def _weights(net: Net) -> list[int]:
    return [count for layer in net.module if (count := sum(each.numel() for each in layer.parameters()))]


def test_lenet5_of_1998_has_the_weights_of_each_layer_that_the_paper_says() -> None:
    assert _weights(_meta("lenet5_1998")) == [156, 12, 1_516, 32, 48_120, 10_164]


@pytest.mark.parametrize(("name", "units", "wanted"), [("lenet5_1998", 84 * 10, 340_908), ("lenet1", 0, 98_442)])
def test_connections_are_those_of_the_papers(name: str, units: int, wanted: int) -> None:
    net = load_net(f"striate/{name}", weights=False)
    found = units  # of the codes
    for site in net.sites():
        places = site.shape[-1] * site.shape[-2] if len(site.shape) == 3 else 1
        if site.name.endswith(".mean"):
            found += 5 * places * site.shape[0]  # four pixels and a bias, whatever the number of weights
        elif site.parameters and not site.name.endswith(".scale"):
            found += site.parameters * places
    assert found == wanted


def test_the_tables_of_connections_have_as_many_as_the_papers_count() -> None:
    assert (len(LENET5_TABLE), sum(map(len, LENET5_TABLE))) == (16, 60)
    assert [len(row) for row in LENET5_TABLE] == [3] * 6 + [4] * 9 + [6]
    assert (len(LENET1_TABLE), sum(map(len, LENET1_TABLE))) == (12, 20)
    assert len(set(LENET5_TABLE)) == 16
    for table, maps in ((LENET5_TABLE, 6), (LENET1_TABLE, 4)):  # no map is seen more often than another
        assert {sum(each in row for row in table) for each in range(maps)} == {sum(map(len, table)) // maps}


def test_a_map_of_a_table_sees_its_own_maps_alone() -> None:
    layer, images = TableConv(LENET5_TABLE, 5), torch.rand(1, 6, 8, 8)
    with torch.no_grad():
        before = layer(images)
        images[:, 4] += 1.0
        moved = (layer(images) != before).flatten(2).any(2)[0]
    assert moved.tolist() == [4 in row for row in LENET5_TABLE]


def test_scaled_tanh_keeps_one_and_its_negative() -> None:
    found = ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0)


def test_sub_sampling_is_one_weight_and_one_bias_on_the_mean() -> None:
    layer, images = SubSample(2), torch.rand(3, 2, 6, 4)
    weight, bias = layer.get_parameter("scale.weight"), layer.get_parameter("scale.bias")
    wanted = images.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)) * weight.view(2, 1, 1) + bias.view(2, 1, 1)
    torch.testing.assert_close(layer(images), wanted)


def test_a_code_itself_has_logit_zero_and_every_other_less() -> None:
    logits = CodeDistance(CODES)(torch.tensor(CODES))
    assert torch.equal(logits.diagonal(), torch.zeros(10))
    assert float((logits - 1e9 * torch.eye(10)).max()) <= -4
    assert float(logits[0, 8]) == -4 * 3  # a nought is an eight without its bar


def test_codes_are_for_ten_classes() -> None:
    with pytest.raises(StriateError, match="lenet5_1998 for 7 classes"):
        load_net("striate/lenet5_1998", weights=False, classes=7)


def test_local_response_has_the_alpha_of_the_paper_not_an_fifth_of_it() -> None:
    found = local_response()(torch.arange(1.0, 8.0).view(1, 7, 1, 1)).flatten()
    # by hand: 1 / (2 + 1e-4 (1 + 4 + 9)) ** .75 and so on: five channels around each, fewer at the ends
    squares = [14, 30, 55, 90, 135, 126, 110]
    wanted = [value / (2 + 1e-4 * total) ** 0.75 for value, total in zip(range(1, 8), squares, strict=True)]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_googlenets_modules_have_the_weights_of_the_table() -> None:
    # weights without biases in thousands of 1024: the paper's table as counted again
    wanted = {"3a": 159.5, "3b": 379, "4a": 366.8, "4b": 438, "4c": 497.5, "4d": 590.5, "4e": 847, "5a": 1018}
    net = _meta("googlenet").module
    for name, thousands in {**wanted, "5b": 1409}.items():
        module = net.get_submodule(f"inception{name}")
        count = sum(each.numel() for each in module.parameters() if each.ndim == 4)
        assert round(count / 1024, 1) == pytest.approx(thousands, abs=0.5)


def test_auxiliary_heads_of_googlenet_stand_on_4_x_4_places() -> None:
    net = _meta("googlenet+auxiliary=yes").module
    assert [head.linear1.in_features for head in net.heads.values()] == [2048, 2048]


def test_zfnet_has_the_maps_of_the_paper() -> None:
    sites = {site.name: site.shape for site in _meta_sites("zfnet+width=0.01")}
    found = [sites[name][-1] for name in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")]
    assert found == [110, 55, 26, 13, 13, 6]


def _meta_sites(name: str) -> tuple[Site, ...]:
    return load_net(f"striate/{name}", weights=False).sites()


@pytest.mark.parametrize("name", ["alexnet", "zfnet", "nin", "vgg_d"])
def test_images_that_are_too_small_are_refused_with_the_least_size_and_the_way_out(name: str) -> None:
    with pytest.raises(StriateError, match=r"at least .* px") as caught:
        load_net(f"striate/{name}+width=0.01", weights=False, size=28, channels=1)
    least = int(caught.value.accepted.split()[2])
    assert load_net(f"striate/{name}+width=0.01", weights=False, size=least, classes=3).least_size == least
    with pytest.raises(StriateError, match="at least"):
        load_net(f"striate/{name}+width=0.01", weights=False, size=least - 1)
    assert "stem=small" in caught.value.hint
    net = load_net(f"striate/{name}+width=0.01+stem=small", weights=False, size=28, channels=1, classes=3)
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 3)


@pytest.mark.parametrize("name", ["alexnet+groups=3", "vgg_a+stem=large", "nin+width=0", "lenet5_1998+end=tree"])
def test_options_that_mean_nothing_are_refused(name: str) -> None:
    with pytest.raises(StriateError):
        load_net(f"striate/{name}", weights=False)


def test_mobilenets_width_is_the_papers_alpha() -> None:
    # Howard et al. 2017, table 6: 2.6, 1.3 and 0.5 million weights
    for width, millions in ((0.75, 2.6), (0.5, 1.3), (0.25, 0.5)):
        count = sum(each.numel() for each in _meta(f"mobilenet1+width={width}").parameters())
        assert round(count / 1e6, 1) == millions


def test_a_scaled_width_is_a_multiple_of_its_groups() -> None:
    assert [scaled(96, width, step=2) for width in (0.01, 0.1, 0.5, 1.0)] == [2, 10, 48, 96]
