from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.core.cite import cite
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.objective import log_probability
from striate.imageopt.score import scores_of
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.synthesis.fool import RATE, SURE, WAYS, fooling_images
from striate.synthesis.made import told
from striate.synthesis.payload import Synthesis

NAMES = ("one", "two", "three", "four")


def linear(strength: float = 3.0, seed: int = 0, classes: int = 4, side: int = 6, name: str = "maker") -> Net:
    """A softmax of linear scores, weights of size .5 to 1 times the strength, of random signs."""
    generator = torch.Generator().manual_seed(seed)
    sizes = 0.5 + 0.5 * torch.rand(classes, side * side, generator=generator)
    signs = torch.randint(0, 2, sizes.shape, generator=generator) * 2 - 1
    layer = nn.Linear(side * side, classes)
    layer.weight.data, layer.bias.data = strength * sizes * signs, torch.zeros(classes)
    return Net(nn.Sequential(nn.Flatten(), layer), classes=NAMES[:classes], channels=1, size=side, name=name)


def reported(net: Net, targets: list[int], judge: Net | None = None, **options: object) -> Synthesis:
    return told(fooling_images(net, targets, **options), net, kind="fool", judge=judge)[0]


def test_on_a_linear_net_gradient_ascent_goes_along_the_weights_to_the_corner_of_the_box() -> None:
    net = linear(0.01, classes=2)
    weight = net.module[1].weight.data
    weight[1] = -weight[0]
    slopes = torch.stack([weight[0], weight[1]])
    for way in ("gradient", "gradient_grey", "gradient_zero"):
        start = fooling_images(net, [0, 1], way=way, steps=1).images.flatten(1)
        few = fooling_images(net, [0, 1], way=way, steps=21).images.flatten(1)
        step = RATE * 6 * slopes / slopes.norm(dim=1, keepdim=True)
        inside = (few > 0) & (few < 1) & (start > 0) & (start < 1)
        assert int(inside.sum()) > 8
        torch.testing.assert_close((few - start)[inside], (20 * step)[inside], atol=2e-5, rtol=0)
        last = fooling_images(net, [0, 1], way=way, steps=450).images.flatten(1)
        assert torch.equal(last, (slopes > 0).float())


def test_starts_are_noise_in_bytes_mid_grey_and_black() -> None:
    net = linear(1e-6)
    step = RATE * 6
    for way, middle in (("gradient_grey", 0.5), ("gradient_zero", 0.0)):
        assert float((fooling_images(net, [1], way=way, steps=1).images - middle).norm()) <= step + 1e-6
    noise = fooling_images(net, [0, 1], way="gradient", steps=1).images
    drawn = Rng(0, "synthesis/fool").integers(torch.tensor([0, 1]), (1, 6, 6), high=256) / 255
    assert float((noise - drawn).flatten(1).norm(dim=1).max()) <= step + 1e-6


@pytest.mark.parametrize("way", ["gradient", "direct", "cppn"])
def test_the_net_is_sure_of_every_class_and_images_stay_in_the_box(way: str) -> None:
    net = linear()
    made = fooling_images(net, [0, 1, 2, 3], way=way, steps=120)
    assert float(made.images.min()) >= 0
    assert float(made.images.max()) <= 1
    result, _ = told(made, net, kind="fool")
    assert all(one.probability > 0.99 for one in result.images)
    assert [one.sees for one in result.images] == list(NAMES)
    assert made.steps < 120, "it goes on although every class is sure"
    sure = torch.sigmoid(made.scores) if way == "gradient" else made.scores.exp()
    assert bool((sure >= SURE - 1e-6).all())
    assert from_json(to_json(result), Synthesis) == result


@pytest.mark.parametrize("way", ["direct", "cppn"])
def test_evolved_scores_never_fall_and_are_those_of_the_images(way: str) -> None:
    net = linear(0.5)
    made = fooling_images(net, [2, 0], way=way, steps=15, children=5)
    assert made.history.shape == (16, 2)
    assert bool((made.history.diff(dim=0) >= -1e-6).all())
    again = scores_of(net, log_probability(torch.tensor([2, 0])), made.images)
    torch.testing.assert_close(made.scores, again)
    torch.testing.assert_close(made.history[-1], again)


def test_the_tables_add_up_to_what_maker_and_judge_say() -> None:
    judge = linear(3.0, seed=8, name="judge")
    result = reported(linear(), [0, 1, 2, 3], judge, way="gradient")
    each, every = result.tables
    assert [row[0] for row in each.rows] == list(NAMES)
    assert [row[1] for row in each.rows] == [one.probability for one in result.images]
    assert [row[2] for row in each.rows] == list(result.judge.probability)
    assert [row[3] for row in each.rows] == list(result.judge.sees)
    assert all(row[4] >= 0 for row in each.rows)
    shares = {row[0]: row[1] for row in every.rows}
    doubt = [row[2] < 0.2 for row in each.rows]
    assert shares["own confidence above .99"] == 1
    assert shares["of these, judge's confidence in the class below .2"] == sum(doubt) / 4
    assert shares["of these, judge sees the class too"] == sum(row[3] == row[0] for row in each.rows) / 4
    mean = sum(row[2] for row in each.rows) / 4
    assert shares["of these, judge's mean confidence in the class"] == pytest.approx(mean)
    assert all(row[4] == 4 for row in every.rows)


def test_a_judge_that_is_fooled_too_is_told_apart_from_one_that_is_not() -> None:
    """A judge with the maker's weights, doubled, follows it; one with their negative sees the opposite."""
    follower, opposite = linear(6.0, name="follower"), linear(-3.0, name="opposite")
    for judge, followed in ((follower, 1.0), (opposite, 0.0)):
        shares = [row[1] for row in reported(linear(), [0, 1, 2], judge, way="gradient").tables[1].rows]
        assert shares[1:3] == [1 - followed, followed]


def test_what_was_not_reached_or_not_judged_is_said_and_null() -> None:
    result = reported(linear(0.01), [0, 1], way="direct", steps=3, children=4)
    assert any("0 of 2 classes were reached" in note and "3 steps" in note for note in result.notes)
    assert any("--judge" in note for note in result.notes)
    assert [row[2:] for row in result.tables[0].rows] == [(None, None, None)] * 2
    assert [row[1] for row in result.tables[1].rows] == [0, None, None, None]
    judged = reported(linear(0.01), [0, 1], linear(seed=3), way="gradient", steps=1)
    assert [row[1] for row in judged.tables[1].rows] == [0, None, None, None]


@pytest.mark.parametrize("way", sorted(WAYS))
def test_images_are_the_same_for_a_seed_and_the_net_is_left_as_it_was(way: str) -> None:
    net = linear(1.0).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one, same, other = (fooling_images(net, [0, 3], way=way, steps=5, seed=seed).images for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert torch.equal(one, other) == (way in {"gradient_grey", "gradient_zero"})
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(each.grad is None and each.requires_grad for each in net.parameters())


def test_by_gradient_an_image_is_the_same_alone_and_targets_choose_the_niches() -> None:
    net = linear(1.0)
    whole = fooling_images(net, [0, 1, 3], steps=20)
    alone = fooling_images(net, [3], steps=20)
    torch.testing.assert_close(alone.images[0], whole.images[2], atol=1e-5, rtol=0)
    evolved = fooling_images(net, [3, 1], way="direct", steps=2)
    assert evolved.stems == ("fool-3", "fool-1")
    assert evolved.targets == ("four", "two")


def test_a_net_without_gradient_is_refused_by_gradient_and_can_be_fooled_by_evolution() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = linear()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.detach())

    net = Net(Cut(), classes=NAMES, channels=1, size=6, name="cut")
    with pytest.raises(StriateError, match=r"no gradient of cut reaches its image.*--way direct"):
        fooling_images(net, [0, 1], steps=3)
    assert bool((fooling_images(net, [0, 1], way="direct", steps=60).scores > -0.01).all())


def test_methods_are_cited() -> None:
    assert all(cite(key).bibtex for way in WAYS.values() for key in way.cites)
    assert METHODS.load("fool") is fooling_images


def test_what_cannot_be_fooled_is_refused_with_its_value() -> None:
    net = linear()
    for options, message in (
        ({"way": "gradeint"}, "gradeint.*gradient"),
        ({"steps": 0}, "steps is 0"),
        ({"children": 0, "way": "direct"}, "children is 0"),
    ):
        with pytest.raises(StriateError, match=message):
            fooling_images(net, [0], **options)
    for targets, message in (([0, 4], "target is 4; accepted: 0 to 3"), ([], "no targets"), ([1, 1], "comes twice")):
        with pytest.raises(StriateError, match=message):
            fooling_images(net, targets)
    maps = Net(nn.Conv2d(1, 2, 3), channels=1, size=6, outputs="other", name="maps")
    with pytest.raises(StriateError, match="maps is no classifier"):
        fooling_images(maps, [0])
    with pytest.raises(StriateError, match="one has 1 classes"):
        one = nn.Sequential(nn.Flatten(), nn.Linear(36, 1))
        fooling_images(Net(one, classes=1, channels=1, size=6, name="one"), [0])
