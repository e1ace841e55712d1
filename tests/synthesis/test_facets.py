"""Facets of a class, and caricatures."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.data.load import load_data
from striate.imageopt.objective import code_of
from striate.imageopt.score import scores_of
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.caricature import caricatures, exaggeration
from striate.synthesis.catalog import METHODS
from striate.synthesis.facets import clusters_of, facet_images, last_input
from striate.synthesis.made import told
from striate.synthesis.presets import PRESETS


class Lines(nn.Module):
    """Class 0 is a line, lying or standing, at any place; class 1 is none."""

    def __init__(self) -> None:
        super().__init__()
        lines = torch.zeros(2, 1, 5, 5)
        lines[0, 0, 2, :], lines[1, 0, :, 2] = 1.0, 1.0
        self.conv = nn.Conv2d(1, 2, 5, bias=False)
        self.conv.weight.data = lines - lines.mean((1, 2, 3), keepdim=True)
        self.pool, self.flat, self.read = nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(2, 2)
        self.read.weight.data = torch.tensor([[4.0, 4.0], [-4.0, -4.0]])
        self.read.bias.data = torch.tensor([-3.0, 3.0])

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.flat(self.pool(self.conv(x - 0.5))))


def lines(lying: int, standing: int) -> tuple[Tensor, Tensor]:
    """Pictures of lines at two places each, in a fixed disorder, and which of them lie."""
    generator = torch.Generator().manual_seed(0)
    images = 0.05 * torch.rand(lying + standing, 1, 12, 12, generator=generator)
    for k in range(lying):
        images[k, 0, 4 + k % 2, 2:10] = 0.9
    for k in range(standing):
        images[lying + k, 0, 2:10, 7 + k % 2] = 0.9
    order = torch.randperm(lying + standing, generator=generator)
    return images[order], order < lying


def test_two_planted_kinds_of_a_class_are_found_and_painted() -> None:
    net = Net(Lines(), channels=1, size=12, classes=("line", "none"))
    images, lie = lines(24, 12)
    code = code_of(net, images, "flat")["flat"]
    found = clusters_of(code, 2, nearest=6)
    assert torch.equal(found.member == 0, lie)  # the larger one comes first
    assert [len(each) for each in found.nearest] == [6, 6]
    made = facet_images(net, 0, images, count=2, steps=40)
    assert [row[1] for row in made.tables[0].rows] == [24, 12]
    said = code_of(net, made.images, "flat")["flat"]
    assert float(said[0, 0]) > 1.5 * float(said[0, 1])
    assert float(said[1, 1]) > 1.5 * float(said[1, 0])
    assert set(made.sources) == {"mean-0", "mean-1"}
    result, album = told(made, net, kind="facets")
    assert all(each.predicted == 0 and each.probability > 0.9 for each in result.images)
    assert {"facet-0.png", "mean-0.png"} <= set(album)


@pytest.mark.parametrize("seed", range(4))
def test_the_pictures_nearest_to_the_middle_of_their_cluster_are_found(seed: int) -> None:
    """Three heaps of 20, 12 and 7 codes on a plane, the middle of each its mean."""
    draw = torch.Generator().manual_seed(seed)
    heaps = [torch.randn(count, 2, generator=draw) + 20 * torch.randn(2, generator=draw) for count in (12, 20, 7)]
    codes = torch.cat(heaps)
    found = clusters_of(codes, 3, nearest=4, seed=seed)
    heap = torch.arange(3).repeat_interleave(torch.tensor([12, 20, 7]))
    for cluster, own in enumerate((1, 0, 2)):
        rows = (heap == own).nonzero().squeeze(1)
        assert torch.equal((found.member == cluster).nonzero().squeeze(1), rows)
        away = (codes[rows] - codes[rows].mean(0)).norm(dim=1)
        assert found.nearest[cluster].tolist() == rows[away.argsort()[:4]].tolist()


def test_facets_are_the_same_again_and_differ_by_seed_only_in_their_views() -> None:
    net = Net(Lines(), channels=1, size=12, classes=("line", "none"))
    images, _ = lines(10, 8)
    one, again = (facet_images(net, 0, images, count=2, steps=4) for _ in range(2))
    assert torch.equal(one.images, again.images)
    other = facet_images(net, 0, images, count=2, steps=4, seed=1)
    assert not torch.equal(one.images, other.images)
    assert torch.equal(torch.stack(list(one.sources.values())), torch.stack(list(other.sources.values())))


def test_classes_are_read_from_what_goes_into_the_last_weights() -> None:
    assert last_input(load_net("striate/small"), (32, 32)) == "flatten"
    with pytest.raises(StriateError, match="linear reads its classes from the image"):
        last_input(Net(nn.Sequential(nn.Conv2d(1, 2, 5)), channels=1, size=5, name="linear"), (5, 5))


def test_facets_that_cannot_be_are_refused() -> None:
    net = Net(Lines(), channels=1, size=12, classes=("line", "none"))
    images, _ = lines(2, 1)
    with pytest.raises(StriateError, match="3 pictures for 4 facets"):
        facet_images(net, 0, images, count=4)
    with pytest.raises(StriateError, match="target is 2; accepted: 0 to 1"):
        facet_images(net, 2, images)
    with pytest.raises(UnknownNameError, match="unknown site 'fla'"):
        facet_images(net, 0, images, layer="fla", count=2)


def test_on_a_linear_layer_a_caricature_ends_at_w_over_two_lambda() -> None:
    """Without the cosine the score is <F x, c> / ||c||^2, whose gradient F'c is the same everywhere."""
    torch.manual_seed(0)
    net = Net(nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.Flatten(), nn.Linear(108, 2)), channels=1, size=8)
    picture = torch.rand(1, 8, 8)
    weight = net.module[0].weight.detach()
    made = caricatures(net, "0", {"leaf": picture}, power=0.0, steps=80, preset="simonyan")
    code = nn.functional.conv2d(picture[None], weight)
    back = nn.functional.conv_transpose2d(code, weight)
    length = PRESETS["simonyan"].contrast * math.sqrt(64)
    torch.testing.assert_close(made.images, 0.5 + length * back / back.square().sum().sqrt(), atol=1e-3, rtol=0)
    said = nn.functional.conv2d(made.images, weight)
    assert float(made.scores[0]) == pytest.approx(float((said * code).sum() / code.square().sum()), rel=1e-4)


def test_a_picture_scores_1_as_its_own_caricature_and_the_caricature_more() -> None:
    net = load_net("striate/small")
    pictures = dict(zip("ab", load_data("shapes:train=500").images([3, 8]), strict=True))
    codes = code_of(net, torch.stack(list(pictures.values())), "stage1.relu")["stage1.relu"]
    own = scores_of(net, exaggeration("stage1.relu", codes), torch.stack(list(pictures.values())))
    torch.testing.assert_close(own, torch.ones(2))
    made = caricatures(net, "stage1.relu", pictures, steps=60)
    for score, (_, share, cosine) in zip(made.scores.tolist(), made.tables[0].rows, strict=True):
        assert share > 1
        assert score == pytest.approx(share * cosine**4, rel=1e-3)
    alone = caricatures(net, "stage1.relu", {"b": pictures["b"]}, steps=60)
    torch.testing.assert_close(alone.images, made.images[1:], atol=1e-3, rtol=0)
    assert made.source == ("a", "b")


def test_caricatures_that_cannot_be_are_refused() -> None:
    net = load_net("striate/small")
    with pytest.raises(StriateError, match="no pictures"):
        caricatures(net, "stage1.relu", {})
    with pytest.raises(StriateError, match="pictures of 2 sizes"):
        caricatures(net, "stage1.relu", {"a": torch.rand(3, 32, 32), "b": torch.rand(3, 32, 40)})
    with pytest.raises(UnknownNameError, match="unknown site 'stag'"):
        caricatures(net, "stag", {"a": torch.rand(3, 32, 32)})

    class Bright(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(1, 1, 3), nn.ReLU()
            self.conv.weight.data, self.conv.bias.data = torch.ones(1, 1, 3, 3), torch.tensor([-4.0])

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(self.conv(x)).flatten(1)

    with pytest.raises(StriateError, match="'relu' says nothing of night"):
        caricatures(Net(Bright(), channels=1, size=8), "relu", {"night": torch.zeros(1, 8, 8)})


def test_methods_are_there_and_cited() -> None:
    for kind, method in (("facets", facet_images), ("caricature", caricatures)):
        assert METHODS.load(kind) is method
        assert all(cite(key).bibtex for key in METHODS[kind].cites)
