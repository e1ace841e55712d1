"""Measures of faithfulness: a planted truth comes first, slow loops agree, and what cannot be measured is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from oracles import inside_faithfulness as slow
from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.core.number import Number
from striate.core.rng import Rng, image_ids
from striate.inside.faithfulness import MEASURES
from striate.inside.faithfulness.assess import assess
from striate.inside.faithfulness.controls import control_maps, edge_maps
from striate.inside.faithfulness.erasing import blurred
from striate.inside.faithfulness.imputation import impute
from striate.inside.faithfulness.ranking import winner_of
from striate.inside.faithfulness.scores import ranks
from striate.inside.payload import MeasureMean, MethodSummary
from striate.metrics.likeness import spearman, ssim
from striate.nets.net import Net
from striate.nets.passes import counting

TARGETS = torch.zeros(3, dtype=torch.int64)
PLACES = ((2, 3), (8, 7), (5, 1))


class Reader(nn.Module):
    """Reads a weighed sum of the pixels: logits (sum, 0)."""

    def __init__(self, weight, bias=0.0):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), bias

    def forward(self, images):
        read = (images * self.weight).sum((1, 2, 3)) + self.bias
        return torch.stack([read, torch.zeros_like(read)], 1)


@pytest.fixture
def planted(photos):
    """Nets that read a bright rectangle alone; each image has its own, so there is one net an image."""
    images, masks, nets = photos[:3].clone() * 0.5, torch.zeros(3, 16, 16, dtype=torch.bool), []
    for i, (top, left) in enumerate(PLACES):
        masks[i, top : top + 5, left : left + 6] = True
        images[i, :, masks[i]] = 0.9
        images[i, :, 14, 13:], images[i, :, 15, 13:] = 0.0, 1.0  # the sharpest edge lies elsewhere
        weight = masks[i].float().expand(3, -1, -1) * 6 / masks[i].sum()
        nets.append(Net(Reader(weight.clone(), -9.0), channels=3, classes=2))
    return nets, images, masks


@pytest.fixture(params=list(MEASURES))
def measure(request):
    return request.param


def score(measure, net, images, maps, **options):
    return MEASURES.load(measure)(net, images, torch.zeros(len(images), dtype=torch.int64), maps, **options)


def options_for(measure, masks, maps):
    if measure in ("pointing_game", "iou"):
        return {"masks": masks}
    return {"explainer": lambda *_: maps} if measure == "max_sensitivity" else {}


def test_a_planted_truth_is_better_than_noise_and_than_edges(measure, planted):
    luck = 0.0
    for i, net in enumerate(planted[0]):
        images, masks = planted[1][i : i + 1], planted[2][i : i + 1]
        maps = {"truth": masks.float(), **control_maps(images)}
        again = {
            "truth": lambda *_, masks=masks: masks.float(),
            "random": lambda moved, _: control_maps(moved)["random"],
            "edge": lambda moved, _: edge_maps(moved),
        }
        found = {}
        for name, each in maps.items():
            options = options_for(measure, masks, each)
            if "explainer" in options:
                options["explainer"] = again[name]
            scored = score(measure, net, images, each, **options)
            found[name] = float(scored.values) * (1 if scored.higher else -1)
        assert found["truth"] > found["edge"]
        luck += (found["random"] - found["truth"]) / 3
        assert found["truth"] > found["random"] or measure == "pointing_game"  # noise may point at it by luck
    assert luck < 0


def test_a_score_is_the_same_alone_in_a_batch_beside_other_maps_and_in_small_chunks(measure, net, photos):
    maps, masks = torch.rand(2, 4, 16, 16, generator=torch.Generator().manual_seed(3)), torch.rand(4, 16, 16) > 0.4
    both = score(measure, net, photos, maps[0], **options_for(measure, masks, maps[0] + 0.1)).values
    assert both.shape == (4,)
    for i in range(4):
        options = options_for(measure, masks[i : i + 1], maps[0, i : i + 1] + 0.1)
        alone = score(measure, net, photos[i : i + 1], maps[0, i : i + 1], memory=1, **options).values
        assert float(alone) == pytest.approx(float(both[i]), abs=1e-5)
    if measure != "max_sensitivity":
        stacked = score(measure, net, photos, maps, **options_for(measure, masks, None)).values
        assert stacked.shape == (2, 4)
        assert torch.allclose(stacked[0], both, atol=1e-5)


def test_the_net_and_torch_s_own_generator_are_left_alone(measure, net, photos):
    net.train()
    before, state = {k: v.clone() for k, v in net.state_dict().items()}, torch.get_rng_state()
    maps = photos.mean(1)
    score(measure, net, photos, maps, **options_for(measure, maps > 0.4, maps))
    assert net.training
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())
    assert torch.get_rng_state().equal(state)


def test_passes_are_those_that_the_docstrings_state(net, photos):
    maps = torch.rand(3, 4, 16, 16, generator=torch.Generator().manual_seed(5))
    stated = {
        "deletion": 3 * 15 + 2,
        "insertion": 3 * 15 + 2,
        "pixel_flipping": 3 * 16 + 1,
        "road": 3 * 9,
        "sensitivity_n": 4 * 32 + 1,
        "infidelity": 64 + 1,
    }
    for name, passes in stated.items():
        steps = {} if name in ("road", "sensitivity_n", "infidelity") else {"steps": 16}
        with counting() as count:
            score(name, net, photos, maps, **steps)
        assert (count.forward, count.backward) == (4 * passes, 0), name


@pytest.mark.parametrize(("name", "steps"), [("deletion", 7), ("insertion", 256), ("deletion", 10)])
def test_curves_equal_the_loop_one_group_of_pixels_at_a_time(name, steps, net, photos):
    net, image = net.double(), photos[:1].double()
    heat = torch.rand(1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    order = np.argsort(-heat.numpy().ravel())
    first, last = (image, torch.full_like(image, 0.5)) if name == "deletion" else (blurred(image), image)

    def probability(pixels):
        with torch.no_grad():
            return float(net.logits(torch.from_numpy(pixels)[None]).softmax(1)[0, 0])

    net.eval()
    curve = slow.deletion_curve(probability, first[0].numpy(), order, steps, last[0].numpy())
    expected = slow.trapezoid(curve, [round(256 * step / steps) / 256 for step in range(steps + 1)])
    assert float(score(name, net, image, heat, steps=steps).values) == pytest.approx(expected, abs=1e-9)


def test_the_blur_equals_the_sum_over_its_window():
    image = torch.rand(1, 2, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bell = np.exp(-0.5 * (np.arange(-4, 5) / 1.3) ** 2)
    window = np.outer(bell, bell) / bell.sum() ** 2
    wide = np.pad(image[0].numpy(), ((0, 0), (4, 4), (4, 4)), mode="edge")
    expected = [
        [[(wide[c, y : y + 9, x : x + 9] * window).sum() for x in range(8)] for y in range(9)] for c in range(2)
    ]
    assert np.allclose(blurred(image, 1.3)[0].numpy(), expected, atol=1e-12)


def test_pixel_flipping_equals_the_loop_over_regions(net, photos):
    image, heat = photos[:1], torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(2))
    noise = Rng(0, "faithfulness/flipping").uniform(image_ids(image), image.shape[1:])
    net.eval()

    def logit(pixels):
        with torch.no_grad():
            return float(net.logits(torch.from_numpy(pixels).float()[None])[0, 0])

    expected = slow.aopc(logit, image[0].numpy(), heat[0].double().numpy(), patch=3, steps=9, noise=noise[0].numpy())
    found = score("pixel_flipping", net, image, heat, steps=9, patch=3).values
    assert float(found) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_imputation_equals_a_dense_solve(share):
    draw = torch.Generator().manual_seed(4)
    images = torch.rand(2, 3, 11, 12, dtype=torch.float64, generator=draw)
    missing = torch.rand(2, 1, 11, 12, generator=draw) < share
    missing[1, 0, :8, :9] = True
    found = impute(images, missing, tolerance=1e-11)
    for i in range(2):
        expected = slow.imputed(images[i].numpy(), missing[i, 0].numpy())
        assert np.abs(found[i].numpy() - expected).max() < 1e-8
    assert impute(images, torch.ones_like(missing)).eq(0.5).all()
    assert impute(images, torch.zeros_like(missing)).equal(images)


def test_imputation_is_near_enough_at_its_own_tolerance():
    image = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(4))
    missing = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    missing[..., 2:18, 2:19] = True
    expected = slow.imputed(image[0].double().numpy(), missing[0, 0].numpy())
    assert np.abs(impute(image, missing)[0].numpy() - expected).max() < 0.02


@pytest.fixture
def linear():
    weight = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(9))
    return Net(Reader(weight), channels=3, classes=2)


@pytest.mark.parametrize("patch", [1, 3])
def test_of_a_linear_net_gradient_times_input_has_sensitivity_n_of_one(patch, linear, photos):
    weight = linear.module.weight.detach()
    exact = (weight * photos).sum(1)
    for maps in (exact, 7 * exact):
        found = score("sensitivity_n", linear, photos, maps, patch=patch, baseline=0.0).values
        assert (found - 1).abs().max() < 1e-4
    away = score("sensitivity_n", linear, photos, -exact, patch=patch, baseline=0.0).values
    assert (away + 1).abs().max() < 1e-4
    assert (score("sensitivity_n", linear, photos, torch.ones_like(exact), patch=1).values == 0).all()


def test_of_a_linear_net_the_exact_gradient_has_no_infidelity_and_a_false_one_its_expectation(linear, photos):
    weight = linear.module.weight.detach()
    exact = weight.sum(0).expand(4, -1, -1)
    assert score("infidelity", linear, photos, exact, scaled=False).values.max() < 1e-6
    assert score("infidelity", linear, photos, -3 * exact).values.max() < 1e-6
    nothing = score("infidelity", linear, photos, torch.zeros_like(exact), scaled=False, patch=1, samples=4000)
    expected = 0.1**2 * float(exact[0].square().sum())  # E (I . gradient)^2 of independent normal I
    assert nothing.values[0] == pytest.approx(expected, rel=0.1)
    assert (score("infidelity", linear, photos, torch.zeros_like(exact)).values == 1).all()


def test_max_sensitivity_is_the_largest_move_as_a_share_of_the_map(net, photos):
    def brightness(images, _):
        return images.mean(1)

    found = score("max_sensitivity", net, photos, photos.mean(1), explainer=brightness, radius=0.01).values
    size = photos.mean(1).flatten(1).norm(dim=1).double()
    assert (found > 0).all()
    assert (found <= 0.01 * 16 / size).all()


def test_pointing_counts_ties_and_a_tolerance(photos, net):
    masks, maps = torch.zeros(4, 16, 16, dtype=torch.bool), torch.zeros(4, 16, 16)
    masks[:, 4:6, 4:6] = True
    maps[0, 5, 5] = maps[1, 7, 5] = 1
    maps[2, 5, 5] = maps[2, 0, 0] = 1
    maps[3, 0, 0] = 1
    assert score("pointing_game", net, photos, maps, masks=masks).values.tolist() == [1, 0, 0.5, 0]
    assert score("pointing_game", net, photos, maps, masks=masks, tolerance=2).values.tolist() == [1, 1, 0.5, 0]


def test_iou_is_the_best_over_all_thresholds(net, photos):
    maps, masks = photos.mean(1), photos[:, 0] > 0.6
    expected = [slow.best_overlap(maps[i].numpy(), masks[i].numpy()) for i in range(4)]
    assert score("iou", net, photos, maps, masks=masks).values.tolist() == pytest.approx(expected, abs=1e-9)


def test_equal_values_come_in_an_order_that_belongs_to_the_image(photos):
    flat = torch.zeros(4, 16, 16)
    flat[:, 3, 5] = 1
    places = ranks(flat, photos)
    assert (places.sort(-1).values == torch.arange(256)).all()
    assert (places[:, 3 * 16 + 5] == 0).all()
    assert not places[0].equal(places[1])
    assert ranks(flat[1:2], photos[1:2])[0].equal(places[1])


def test_edges_of_a_step_are_where_it_is():
    image = torch.zeros(1, 1, 6, 6)
    image[..., 3:] = 1
    assert edge_maps(image)[0, 2].tolist() == [0, 0, 4, 4, 0, 0]


def test_likeness_equals_the_slow_count_and_is_one_of_a_map_with_itself(photos):
    one, other = (photos[i].mean(0).mul(20).round() for i in (0, 1))
    assert float(spearman(one, other)) == pytest.approx(slow.spearman(one.numpy(), other.numpy()), abs=1e-9)
    assert ssim(photos[:, 0], 3 * photos[:, 0]).tolist() == pytest.approx([1] * 4)
    assert (ssim(photos[:, 0], photos[:, 1]) < 0.9).all()
    assert float(spearman(one, torch.ones(16, 16))) == 0


@pytest.mark.parametrize("name", ["deletion", "insertion"])
def test_more_steps_than_pixels_are_refused(name, net, photos):
    with pytest.raises(StriateError, match=r"steps is 257.*1 to 256"):
        score(name, net, photos, photos.mean(1), steps=257)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("pointing_game", {}, "without masks"),
        ("iou", {"masks": torch.ones(4, 8, 8, dtype=torch.bool)}, r"\(4, 8, 8\).*\(4, 16, 16\)"),
        ("iou", {"masks": torch.zeros(4, 16, 16, dtype=torch.bool)}, "without any pixel"),
        ("max_sensitivity", {}, "without an explainer"),
        ("road", {"shares": (0.5, 1.0)}, "between 0 and 1"),
        ("deletion", {"baseline": "black"}, "'black'.*mean"),
        ("sensitivity_n", {"samples": 1}, "at least 2"),
        ("infidelity", {"noise": 0.0}, "above 0"),
        ("pixel_flipping", {"patch": 17}, "patch is 17"),
    ],
)
def test_what_cannot_be_measured_is_said_with_what_can(name, options, said, net, photos):
    with pytest.raises(StriateError, match=said):
        score(name, net, photos, photos.mean(1), **options)


def test_unknown_measures_and_maps_of_another_shape_are_refused(net, photos):
    with pytest.raises(UnknownNameError, match="deletion"):
        assess(net, photos, TARGETS, {"gradient": object()}, measures=["deletoin"])
    with pytest.raises(StriateError, match=r"\(4, 8, 16\).*\(4, 16, 16\)"):
        score("deletion", net, photos, torch.zeros(4, 8, 16))


def test_every_measure_has_a_summary_and_a_citation(measure):
    assert MEASURES[measure].summary
    assert [cite(key).bibtex for key in MEASURES[measure].cites]


@pytest.mark.parametrize(
    ("ranks", "images", "winner", "said"),
    [
        ((1.0, 2.0), 1, "", "one image does not decide it"),
        ((1.0, 2.0), 2, "", "2 images do not decide it"),
        ((1.0, 2.0), 9, "a", "ahead of b with 2.00"),
        ((1.5, 1.5), 9, "", "undecided"),
    ],
)
def test_a_winner_is_named_only_where_there_are_images_enough_and_ranks_lie_apart(ranks, images, winner, said):
    rows = [
        MethodSummary(name, (), Number(rank, n=images, why="the same on every image"), 0, 0, 0)
        for name, rank in zip("ab", ranks, strict=True)
    ]
    rows = [replace(row, means=(MeasureMean("deletion", *[row.rank] * 4, higher=False),)) for row in rows]
    found, words = winner_of(rows)
    assert (found, said in words) == (winner, True)
