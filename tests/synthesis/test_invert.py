"""Inversion: exact where a code can be inverted, a ridge where it is regularised, worse with depth on a real net."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles.synthesis_inversion import regulariser, ridge
from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.data.load import load_data
from striate.imageopt.objective import Objective
from striate.imageopt.problem import Search
from striate.imageopt.score import scores_of
from striate.metrics.rank_correlation import rank_correlation
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.synthesis.depth import Layer, layers_of
from striate.synthesis.inverse import ADAM, CITES, EXACT, SEARCHES, Inversion, image_of
from striate.synthesis.invert import invert
from striate.synthesis.made import told
from striate.synthesis.natural import Natural

BARE = replace(EXACT, natural=None)


def linear(matrix: np.ndarray, side: int) -> Net:
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False).double()
    layer.weight.data = torch.from_numpy(matrix)
    return Net(nn.Sequential(nn.Flatten(), layer), channels=1, size=side, classes=matrix.shape[0])


def matrix(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def picture(count: int = 1, side: int = 6, seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(0.2, 0.8, (count, 1, side, side)))


def table(made: object, place: int = 0) -> dict[str, list[object]]:
    measured = made.tables[place]
    return dict(zip(measured.columns, map(list, zip(*measured.rows, strict=True)), strict=True))


@pytest.mark.parametrize("orthonormal", [True, False])
def test_the_inverse_of_an_invertible_layer_is_the_picture(orthonormal: bool) -> None:
    square = np.linalg.qr(matrix(36, 36))[0]
    net, x = linear(square if orthonormal else square * np.linspace(0.5, 2, 36), 6), picture(2)
    made = invert(net, x, ["1"], steps=120, way=BARE)
    assert float((made.images - x).abs().max()) < 1e-6
    errors = table(made)
    assert errors["code error (%)"][0] < 0.5  # 8 bits
    assert errors["pixel error (RMSE)"][0] == pytest.approx(1 / 255 / np.sqrt(12), rel=0.3)


@pytest.mark.parametrize("smoothness", [0.0, 3.0])
def test_with_squared_penalties_the_inverse_is_the_ridge_of_the_normal_equations(smoothness: float) -> None:
    natural = Natural(alpha=2, bound=2.0)
    way = replace(EXACT, natural=natural, smoothness=(smoothness,) * 3)
    fewer, x = matrix(20, 36), picture()
    net = linear(fewer, 6)
    made = invert(net, x, ["1"], steps=200, way=way)
    code = fewer @ x.numpy().reshape(-1)
    sigma = 0.226 * 6
    wanted = ridge(fewer, code, (1, 6, 6), mu=1 / (36 * 2.0**2), nu=smoothness / sigma**2)
    assert float(np.abs(made.images[0].numpy() - wanted).max()) < 1e-6
    assert np.abs(wanted - x[0].numpy()).max() > 0.05  # the penalty shows


def test_the_normalisation_is_that_of_the_paper_computed_by_hand() -> None:
    natural = Natural()
    shape = (3, 224, 224)
    assert natural.sigma(shape) == pytest.approx(0.226 * np.sqrt(150_528))
    assert natural.sigma(shape) == pytest.approx(87.684, abs=1e-3)
    assert natural.range_weight(shape) == pytest.approx(87.684**6 / (50_176 * (128 / 255) ** 6), rel=1e-4)
    assert natural.smoothness(0.01, shape) == pytest.approx(87.684**2 / (50_176 * (0.01 * 128 / 255) ** 2), rel=1e-4)


@pytest.mark.parametrize(("alpha", "beta"), [(6.0, 2.0), (2.0, 1.0), (3.0, 1.5)])
def test_the_regulariser_is_the_loop_over_pixels(alpha: float, beta: float) -> None:
    image = torch.from_numpy(np.random.default_rng(3).uniform(0, 1, (1, 3, 5, 4)))
    natural = Natural(alpha=alpha, beta=beta)
    net = Net(nn.Sequential(nn.Flatten(), nn.Linear(60, 2).double()), channels=3, size=(5, 4))
    penalty: Objective = natural.penalty(5.0, (3, 5, 4))
    wanted = regulariser(image[0].numpy(), alpha=alpha, beta=beta, bound=128 / 255, value=0.226, smoothness=5.0)
    assert float(scores_of(net, penalty, image)[0]) == pytest.approx(wanted, rel=1e-10)


def test_the_objective_is_minus_equation_5() -> None:
    fewer, x, other = matrix(4, 30), picture(1, 6), picture(1, 6, seed=9)
    net = linear(np.hstack([fewer, fewer[:, :6]]), 6)
    (layer,) = layers_of(net, (6, 6), ["1"])
    code = net(x).detach()
    score = scores_of(net, EXACT.objective(layer, code, (1, 6, 6)), other)
    distance = float((net(other).detach() - code).square().sum() / code.square().sum())
    wanted = distance + regulariser(other[0].numpy(), alpha=6, beta=2, bound=128 / 255, value=0.226, smoothness=50.0)
    assert float(score[0]) == pytest.approx(-wanted, rel=1e-10)


def test_weights_and_rates_go_by_thirds_of_the_depth_and_shifts_by_the_stride() -> None:
    layers = [Layer("a", 0.3, 2.0), Layer("b", 0.6, 16.0), Layer("c", 0.61, 224.0)]
    assert [ADAM.smoothness_at(layer) for layer in layers] == [0.05, 0.5, 1.5]
    assert [EXACT.smoothness_at(layer) for layer in layers] == [0.5, 5.0, 50.0]
    assert [ADAM.search(layer).rate for layer in layers] == [0.2, 0.2, 0.1]
    assert [ADAM.shift(layer, 224) for layer in layers] == [0, 4, 16]
    assert [EXACT.shift(layer, 224) for layer in layers] == [0, 0, 0]


def test_the_last_steps_are_small_and_still() -> None:
    asked: list[float] = []

    class Recording(Inversion):
        def search(self, layer: Layer, share: float = 1.0) -> Search:
            asked.append(share)
            return super().search(layer, share)

    net, x = load_net("striate/small"), torch.rand(1, 3, 32, 32)
    made = invert(net, x, ["stage2"], steps=20, way=Recording())
    assert asked == [1.0, 0.125]
    assert made.history.shape == (21, 1)
    invert(net, x, ["stage2"], steps=20, way=Recording(jitter=0.0))
    assert asked[2:] == [1.0]  # nothing shifts, nothing settles


def test_on_a_trained_net_the_pixel_error_rises_with_depth() -> None:
    net = load_net("striate/small")
    made = invert(net, load_data("shapes", split="test").limit(2).images(), ["all"], steps=30)
    errors = table(made)
    assert errors["layer"] == ["stem", "stage1", "stage2", "stage3", "pool", "output"]
    assert rank_correlation(errors["depth (%)"], errors["pixel error (RMSE)"]) >= 0.8
    assert errors["pixel error (RMSE)"][0] < 0.7 * errors["pixel error (RMSE)"][-1]
    assert "rise together at" in made.tables[0].title
    assert made.history.shape == (31, 12)
    assert bool((made.history[-1] > made.history[0]).all())


def test_an_inverse_is_the_same_alone_or_among_others_and_differs_by_its_seed() -> None:
    net, images = load_net("striate/small"), load_data("shapes", split="test").limit(2).images()
    both = invert(net, images, ["stage1", "stage3"], count=2, steps=6, seed=4, names=["a", "b"])
    assert both.stems[:4] == ("a-stage1-0", "a-stage1-1", "a-stage3-0", "a-stage3-1")
    alone = invert(net, images[1:], ["stage3"], steps=6, seed=5)
    assert float((both.images[7] - alone.images[0]).abs().max()) < 1e-5
    assert both.seeds[7] == 5
    first = invert(net, images[1:], ["stage3"], steps=6, seed=4)
    assert float((both.images[6] - first.images[0]).abs().max()) < 1e-5
    again = invert(net, images[1:], ["stage3"], steps=6, seed=5)
    assert torch.equal(again.images, alone.images)
    assert not torch.equal(both.images[6], both.images[7])


def test_several_inverses_agree_where_the_code_holds_the_picture_and_spread_where_it_does_not() -> None:
    keeps, loses = np.eye(36), np.ones((1, 36)) / 36
    x = picture()
    same = table(invert(linear(keeps, 6), x, ["1"], count=3, steps=60, way=replace(BARE, noise=0.1)))
    apart = table(invert(linear(loses, 6), x, ["1"], count=3, steps=60, way=replace(BARE, noise=0.1)))
    assert same["spread"][0] < 0.002
    assert 0.05 < apart["spread"][0] < 0.12  # the start's noise stays: only the mean is known
    assert apart["code error (%)"][0] < 1


def test_the_report_holds_the_original_the_strip_and_what_the_judge_sees() -> None:
    net, images = load_net("striate/small"), load_data("shapes", split="test").limit(1).images()
    made = invert(net, images, ["stem", "output"], steps=4, names=["shape"])
    judge = load_net("striate/small.random")
    result, album = told(made, net, kind="invert", judge=judge)
    assert {"shape.png", "shape-layers.png", "shape-stem.png", "shape-output.png"} == set(album)
    assert [one.source for one in result.images] == ["shape.png"] * 2
    assert len(set(result.judge.wanted)) == 1
    assert result.judge.wanted[0] is not None
    assert made.tables[1].columns[-1] == "the net sees"


def test_the_net_is_left_as_it_was() -> None:
    net = load_net("striate/small").train()
    before = net.fingerprint()
    invert(net, torch.rand(1, 3, 32, 32), ["stage1"], steps=2)
    assert net.training
    assert net.fingerprint() == before
    assert all(each.grad is None for each in net.parameters())


def test_searches_are_named_and_their_sources_known() -> None:
    assert SEARCHES == {"adam": ADAM, "lbfgs": EXACT}
    assert all(cite(key).bibtex for key in CITES)
    assert METHODS.load("invert") is invert


def test_what_cannot_be_inverted_is_refused() -> None:
    net, x = load_net("striate/small"), torch.rand(1, 3, 32, 32)
    with pytest.raises(UnknownNameError, match=r"unknown site 'stge1'.*stage1"):
        invert(net, x, ["stge1"])
    with pytest.raises(StriateError, match="steps is 0"):
        invert(net, x, ["stage1"], steps=0)
    with pytest.raises(StriateError, match="count is 0"):
        invert(net, x, ["stage1"], count=0)
    with pytest.raises(StriateError, match="1 names for 2 pictures"):
        invert(net, torch.rand(2, 3, 32, 32), ["stage1"], names=["a"])
    with pytest.raises(StriateError, match="no pictures"):
        invert(net, x[:0], ["stage1"])
    with pytest.raises(StriateError, match="takes 4 channels"):
        invert(Net(nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten()), classes=2, size=3), torch.rand(1, 4, 3, 3))
    with pytest.raises(StriateError, match=r"images of 16 x 16 .*32, 32"):
        invert(load_net("striate/lenet5.random"), torch.rand(1, 1, 16, 16))


def test_a_dead_layer_is_named_before_any_search() -> None:
    class Dead(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.relu(x - 9).flatten(1)

    with pytest.raises(StriateError, match="code of image 0 at 'relu' is zero throughout: the layer is dead"):
        invert(Net(Dead(), channels=1, size=6, classes=36), torch.rand(1, 1, 6, 6), ["relu"])

    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x - 9).log().flatten(1)

    with pytest.raises(StriateError, match="is not finite"):
        invert(Net(Broken(), channels=1, size=6, classes=36), torch.rand(1, 1, 6, 6), ["log"])


def test_a_layer_that_lets_no_gradient_through_is_refused() -> None:
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach().flatten(1) * 2

    net = Net(Cut(), name="cut", channels=1, size=6, classes=36)
    (layer,) = layers_of(net, (6, 6), ["mul"])
    with pytest.raises(StriateError, match="no gradient of cut at 'mul' reaches its image"):
        image_of(net, layer, torch.ones(1, 36), start=torch.full((1, 1, 6, 6), 0.5), steps=3, way=BARE)
