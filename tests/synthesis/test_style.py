from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles import imageopt_objectives as slow
from oracles.synthesis_style import guided_gram
from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.core.image import to_channels
from striate.imageopt.objective import code_of, gram_distance, gram_of
from striate.imageopt.score import scores_of
from striate.imageopt.search.lbfgs import LBFGS
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.synthesis.made import Made, told
from striate.synthesis.style import CITES, COLOUR_CITES, MASK_CITES, style_images
from striate.synthesis.style_losses import style_losses


def net(channels: int = 3, size: int | None = None) -> Net:
    """Two convolutions of fixed random weights; the sites of style are "1" and "3"."""
    parts = [nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU()]
    module = nn.Sequential(*parts, nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    generator = torch.Generator().manual_seed(3)
    for each in module.parameters():
        each.data = 0.5 * torch.randn(each.shape, generator=generator)
    return Net(module, classes=4, channels=channels, size=size)


def pictures(count: int, channels: int = 3, side: int = 16, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 5, 5, generator=generator)
    return nn.functional.interpolate(coarse, size=(side, side + 4), mode="bilinear").clamp(0, 1)


def test_losses_are_those_of_gatys_and_shares_of_the_sources_own() -> None:
    model = net().double()
    content, style = pictures(1).double(), pictures(1, side=20, seed=1)[0].double()
    painted = pictures(1, seed=2).double()
    losses = style_losses(model, content, [style], layers={"1": 3.0, "3": 1.0}, content_layers=["3"])
    codes = [code_of(model, each, ["1", "3"]) for each in (painted, content, style[None])]
    arrays = [{site: code[site][0].numpy() for site in code} for code in codes]

    def far(one: dict[str, np.ndarray], site: str) -> float:
        a, b = slow.gram(one[site]), slow.gram(arrays[2][site])
        return float(((a - b) ** 2).sum() / (4 * len(a) ** 2))

    plain = 0.75 * far(arrays[0], "1") + 0.25 * far(arrays[0], "3")
    assert float(scores_of(model, losses.style_sum, painted)[0]) == pytest.approx(plain)
    share = 0.75 * far(arrays[0], "1") / far(arrays[1], "1") + 0.25 * far(arrays[0], "3") / far(arrays[1], "3")
    assert float(scores_of(model, losses.style, painted)[0]) == pytest.approx(share)
    squared = float(((arrays[0]["3"] - arrays[1]["3"]) ** 2).sum())
    assert float(scores_of(model, losses.content_sum, painted)[0]) == pytest.approx(squared / 2)
    assert float(losses.sources[0][0]) == pytest.approx(0.75 * far(arrays[1], "1") + 0.25 * far(arrays[1], "3"))
    own = float(scores_of(model, losses.content, painted)[0])
    assert float(scores_of(model, losses.total(0.4), painted)[0]) == pytest.approx(-share - 0.4 * own)


def test_each_source_is_at_one_and_at_zero() -> None:
    model, content, style = net(), pictures(1), pictures(1, seed=1)
    losses = style_losses(model, content, [style[0]])
    for objective, one, zero in ((losses.style, content, style), (losses.content, style, content)):
        assert float(scores_of(model, objective, one)[0]) == pytest.approx(1, abs=1e-5)
        assert float(scores_of(model, objective, zero)[0]) == pytest.approx(0, abs=1e-5)


def test_a_guided_gram_matrix_is_that_of_gatys_2017() -> None:
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    grams = gram_of(maps, shares)
    for row in range(2):
        np.testing.assert_allclose(grams[row], guided_gram(maps[row].numpy(), np.sqrt(shares[row].numpy())))


def test_a_mask_of_the_whole_picture_is_no_mask_and_a_half_is_the_half_alone() -> None:
    maps = torch.randn(1, 3, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole, left = torch.ones(1, 8, 12), torch.zeros(1, 8, 12)
    left[..., :6] = 1
    torch.testing.assert_close(gram_of(maps, whole), gram_of(maps))
    torch.testing.assert_close(gram_of(maps, left), gram_of(maps[..., :3]))
    torch.testing.assert_close(gram_of(maps, 1 - left), gram_of(maps[..., 3:]))
    model, content, style = net(), pictures(1), pictures(1, seed=1)[0]
    plain = style_images(model, content, [style], steps=8)
    masked = style_images(model, content, [style], steps=8, masks=[torch.ones(16, 20)])
    torch.testing.assert_close(masked.images, plain.images, atol=1e-3, rtol=0)
    assert set(MASK_CITES) <= set(masked.cites)


def test_each_region_takes_its_own_style() -> None:
    model = net()
    content, dark, light = torch.full((1, 3, 16, 20), 0.5), torch.full((3, 16, 16), 0.1), torch.full((3, 16, 16), 0.9)
    left = torch.zeros(16, 20)
    left[:, :10] = 1
    image = style_images(model, content, [dark, light], masks=[left, 1 - left], content=0.0, steps=40).images[0]
    assert float(image[:, 2:-2, 2:8].mean()) < 0.3
    assert float(image[:, 2:-2, 12:-2].mean()) > 0.7


def test_two_styles_are_blended_by_their_weights() -> None:
    model = net()
    content, styles = torch.full((1, 3, 16, 20), 0.5), [torch.full((3, 16, 16), 0.2), torch.full((3, 16, 16), 0.8)]
    means = []
    for share in (0.05, 0.5, 0.95):
        made = style_images(model, content, styles, style_weights=(1 - share, share), content=0.0, steps=30)
        means.append(float(made.images.mean()))
    assert means[0] < means[1] < means[2]


def test_three_weights_of_the_content_trade_it_for_style() -> None:
    model, content, style = net(), pictures(1), pictures(1, seed=1)[0]
    rows = [
        style_images(model, content, [style], content=weight, steps=40).tables[0].rows[0] for weight in (0.01, 0.3, 10)
    ]
    assert all(one[3] < two[3] for one, two in pairwise(rows))
    assert all(one[4] > two[4] for one, two in pairwise(rows))


def test_the_loss_falls_and_adam_comes_near_l_bfgs() -> None:
    model, content, style = net(), pictures(1), pictures(1, seed=1)[0]
    found = {name: style_images(model, content, [style], search=name, steps=60) for name in ("lbfgs", "adam")}
    for made in found.values():
        assert float(made.history[0, 0]) == pytest.approx(-1, abs=1e-2)
        assert float(made.scores[0]) > -0.3
    assert -0.1 < float(found["adam"].scores[0]) < float(found["lbfgs"].scores[0])
    assert float(found["lbfgs"].scores[0]) == pytest.approx(float(torch.nan_to_num(found["lbfgs"].history, -9).max()))


def test_a_picture_is_the_same_alone_or_in_a_batch_and_again() -> None:
    model, contents, style = net().double(), pictures(3).double(), pictures(1, seed=1)[0].double()
    together = style_images(model, contents, [style], steps=5)
    alone = style_images(model, contents[1:2], [style], steps=5)
    again = style_images(model, contents, [style], steps=5)
    torch.testing.assert_close(together.images[1:2], alone.images, atol=1e-9, rtol=0)
    assert torch.equal(together.images, again.images)
    assert float(together.scores[1]) == pytest.approx(float(alone.scores[0]), rel=1e-9)


def test_kept_colours_are_the_contents_in_the_luminance_that_was_painted() -> None:
    model, contents, style = net(), pictures(2), pictures(1, seed=1)[0]
    made = style_images(model, contents, [style], colours="content", steps=6)
    own, given = (each - to_channels(each, 1) for each in (made.images, contents))
    cross = (own * given).sum(1).square() - own.square().sum(1) * given.square().sum(1)
    assert float(cross.abs().max()) < 1e-5  # the same hue everywhere
    assert made.words.startswith("luminance: ")
    assert set(COLOUR_CITES) <= set(made.cites)
    alone = style_images(model, contents[1:], [style], colours="content", steps=6)
    torch.testing.assert_close(made.images[1:], alone.images, atol=1e-5, rtol=0)
    matched = style_images(model, contents, [style], colours="matched", steps=6, content=0.0)
    assert not torch.equal(matched.images, made.images)


def test_what_is_told_names_the_sources_and_the_net_is_left_as_it_was() -> None:
    model = net().train()
    before = [each.clone() for each in model.parameters()]
    made = style_images(model, pictures(1), [pictures(1, seed=1)[0]], steps=2, names=["cat"])
    result, album = told(made, model, kind="style", judge=None)
    assert set(album) == {"style-cat.png", "cat.png", "of-style-0.png"}
    assert result.images[0].source == "cat.png"
    assert result.tables[0].rows[1][3:] == (1.0, 0.0)
    assert result.images[0].rounded == pytest.approx(result.images[0].score, abs=0.05)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(each.grad is None for each in model.parameters())
    assert "content at 3; each as a share of the sources' own" in result.objective
    assert all(cite(key).bibtex for key in (*CITES, *COLOUR_CITES, *MASK_CITES))
    assert METHODS.load("style") is style_images


def test_a_net_of_one_channel_and_one_size_is_served() -> None:
    made = style_images(load_net("striate/lenet5.random"), torch.rand(1, 1, 32, 32), [torch.rand(1, 32, 32)], steps=3)
    assert made.images.shape == (1, 1, 32, 32)


def painted(**options: object) -> Made:
    given = {"contents": pictures(1), "styles": [pictures(1, seed=1)[0]], "steps": 1, **options}
    return style_images(net(), given.pop("contents"), given.pop("styles"), **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"styles": []}, "no style; accepted: at least one"),
        ({"styles": [torch.rand(1, 8, 8)]}, r"style 0 of shape \(1, 8, 8\); accepted: \(3, h, w\)"),
        ({"content": -1.0}, "content is -1"),
        ({"style_weights": (1.0, 2.0)}, "style_weights are .* for 1 styles"),
        ({"style_weights": (0.0,)}, "style_weights are"),
        ({"masks": [torch.ones(16, 20)] * 2}, "2 masks for 1 styles; accepted: one mask a style"),
        ({"masks": [torch.ones(16, 16)]}, "mask 0 of shape .* of the content picture's size"),
        ({"masks": [torch.ones(2, 16, 20)]}, "mask 0 of shape"),
        ({"masks": [torch.zeros(16, 20)]}, "mask 0 is empty"),
        ({"masks": [2 * torch.ones(16, 20)]}, "values out of"),
        ({"layers": {"1": -1.0}}, "weights of layers are"),
        ({"steps": 0}, "steps is 0"),
        ({"contents": torch.zeros(1, 3, 16, 20), "styles": [torch.zeros(3, 8, 8)], "layers": ("dead",)}, "dead"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(StriateError, match=message):
        painted(**options)


def test_unknown_layers_searches_and_colours_are_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown site '11'"):
        painted(layers=("11",))
    with pytest.raises(UnknownNameError, match="search"):
        painted(search="lbgfs")
    with pytest.raises(UnknownNameError, match="colours"):
        painted(colours="keep")
    with pytest.raises(StriateError, match="sees 1 channel"):
        style_images(net(1), pictures(1, 1), [pictures(1, 1)[0]], colours="content")
    small = Net(net().module, channels=3, least_size=8)
    with pytest.raises(StriateError, match="style 0 of 4 x 8 pixels; accepted: at least 8"):
        style_images(small, pictures(1), [torch.rand(3, 4, 8)])


def test_a_site_that_is_silent_for_both_is_refused() -> None:
    silent = net()
    silent.module[0].bias.data.fill_(-100.0)
    with pytest.raises(StriateError, match="'1' says nothing of the pictures"):
        style_images(silent, pictures(1), [pictures(1)[0]], layers=("1",))


def test_shares_that_are_empty_or_of_vectors_are_refused() -> None:
    with pytest.raises(StriateError, match="region of image 0 is empty"):
        gram_of(torch.ones(1, 2, 3, 3), torch.zeros(1, 3, 3))
    with pytest.raises(StriateError, match="shares of shape"):
        gram_of(torch.ones(1, 4), torch.ones(1, 3, 3))
    assert "in a region" in gram_distance("x", torch.ones(1, 2, 2), torch.ones(1, 3, 3)).words
    assert LBFGS(tolerance=0.0).tolerance == 0
