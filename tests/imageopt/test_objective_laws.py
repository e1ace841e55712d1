"""What holds for every objective and every canvas: per image, the same again, told in words, no gradient to the net."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng
from striate.imageopt.canvas import (
    CPPN,
    Canvas,
    ChosenPixels,
    Delta,
    Fourier,
    Grey,
    Latent,
    Patch,
    Pixels,
    Placement,
    TanhBox,
)
from striate.imageopt.found import Found
from striate.imageopt.objective import (
    Objective,
    alpha_norm,
    channel,
    code_distance,
    code_of,
    cosine,
    cross_entropy,
    direction,
    distance,
    diversity,
    dlr,
    dot,
    gram_distance,
    gram_of,
    layer_energy,
    log_odds,
    log_probability,
    logit,
    margin,
    over_layers,
    patch_distance,
    patches_of,
    pixel_range,
    squared_distance,
    total_variation,
    unit,
    weighted_distance,
)
from striate.imageopt.region import Box
from striate.imageopt.search.adam import Adam
from striate.imageopt.solve import solve
from striate.nets.load import load_net
from striate.nets.net import Net

SITES = {"striate/small": ("stem.norm", "stage1.norm"), "striate/lenet5": ("conv1", "conv2")}


def a_net(name: str = "striate/lenet5", dtype: torch.dtype = torch.float32) -> Net:
    return load_net(f"{name}.random").to(dtype)


def images(net: Net, count: int) -> Tensor:
    draw = torch.Generator().manual_seed(2)
    height, width = net.a_size(net.size or 32)
    like = next(net.parameters())
    return torch.rand(count, net.channels, height, width, generator=draw, dtype=torch.float64).float().to(like)


def objectives(net: Net, x: Tensor) -> dict[str, Callable[[], Objective]]:
    """Every objective; targets have one row an image of ``x``."""
    early, late = SITES[net.name]
    shifted = x.flip(-1).roll(3, -2)
    with torch.no_grad():
        codes = code_of(net, shifted, [early, late])
    labels = torch.arange(len(x)) % 3
    parts = x.mean(1)  # shares of the places, another for each image
    return {
        "logit": lambda: logit(labels),
        "log probability": lambda: log_probability(labels),
        "cross-entropy": lambda: -cross_entropy(labels),
        "log-odds": lambda: log_odds(labels),
        "margin": lambda: margin(labels),
        "dlr": lambda: dlr(labels),
        "targeted dlr": lambda: dlr(labels, (labels + 1) % 3),
        "unit": lambda: unit(late, labels),
        "channel": lambda: channel(late, labels),
        "energy": lambda: layer_energy(late),
        "direction": lambda: direction(early, torch.linspace(-1, 1, codes[early].shape[1])),
        "cosine": lambda: cosine(late, codes[late]),
        "dot": lambda: dot(late, codes[late], power=1),
        "code": lambda: -code_distance(late, codes[late]),
        "normalised code": lambda: -code_distance(late, codes[late], normalised=True),
        "gram": lambda: -gram_distance(early, gram_of(codes[early])),
        "guided gram": lambda: -gram_distance(early, gram_of(codes[early], parts), parts),
        "patches": lambda: -patch_distance(late, patches_of(codes[late][:1], size=2), size=2),
        "layers": lambda: over_layers({early: 1.0, late: 0.5}, layer_energy),
        "variation": lambda: -total_variation(1.5),
        "alpha": lambda: -alpha_norm(),
        "range": lambda: -pixel_range(0.2, 0.8),
        "distance": lambda: -distance(shifted),
        "squared distance": lambda: -squared_distance(shifted),
        "weighted distance": lambda: -weighted_distance(shifted, parts[:, None]),
    }


OBJECTIVES = (
    "logit", "log probability", "cross-entropy", "log-odds", "margin", "dlr", "targeted dlr", "unit", "channel",
    "energy", "direction", "cosine", "dot", "code", "normalised code", "gram", "guided gram", "patches", "layers",
    "variation", "alpha", "range", "distance", "squared distance", "weighted distance",
)  # fmt: skip


def canvases(x: Tensor, ids: Tensor, rows: list[int]) -> dict[str, Callable[[], Canvas]]:
    """Every canvas, for some rows of the images."""
    size, own = (x.shape[-2], x.shape[-1]), x[rows]
    placed = Placement().draw(ids[rows], Rng(0, "law"), patch=(8, 8), image=size)

    def latent() -> Canvas:
        torch.manual_seed(0)
        made = [torch.nn.Linear(5, x[0].numel()), torch.nn.Sigmoid(), torch.nn.Unflatten(1, tuple(x.shape[1:]))]
        return Latent(torch.nn.Sequential(*made).to(x), (5,))

    return {
        "pixels": Pixels,
        "tanh": TanhBox,
        "delta": lambda: Delta(own),
        "patch": lambda: Patch(own, torch.ones(8, 8).to(x), placed),
        "chosen": lambda: ChosenPixels(own, 4),
        "bilinear": lambda: ChosenPixels(own, 4, rounded=False),
        "fourier": lambda: Fourier(size),
        "grey": lambda: Grey(Pixels(), x.shape[1]),
        "cppn": lambda: CPPN(x.shape[1], size, width=6, depth=2),
        "latent": latent,
    }


CANVASES = ("pixels", "tanh", "delta", "patch", "chosen", "bilinear", "fourier", "grey", "cppn", "latent")
IDS = torch.tensor([11, 5, 8, 2])


def raised(
    net: Net, x: Tensor, rows: list[int], *, objective: Objective, canvas: Canvas, steps: int = 3, rate: float = 0.02
) -> Found:
    return solve(
        net, objective, start=x[rows], search=Adam(rate), steps=steps, canvas=canvas, within=Box(), ids=IDS[rows]
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_scores_an_image_the_same_whatever_stands_beside_it(name: str, dtype: torch.dtype) -> None:
    net = a_net(dtype=dtype)
    x = images(net, 4)
    objective, tolerance = objectives(net, x)[name](), 1e-5 if dtype == torch.float32 else 1e-12

    def answers(rows: list[int]) -> tuple[Tensor, Tensor]:
        leaf = x[rows].clone().requires_grad_()
        with net.look(read=objective.sites) as look:
            score = objective(look(leaf, torch.tensor(rows)))
            return score.detach(), torch.autograd.grad(score.sum(), leaf)[0]

    score, grad = answers([0, 1, 2, 3])
    assert score.shape == (4,)
    assert bool(score.isfinite().all() & grad.isfinite().all())
    assert float(grad.abs().max()) > 0
    assert objective.per_image
    for rows in ([2], [3, 1], [3, 2, 1, 0]):
        part, slope = answers(rows)
        assert float((part - score[rows]).abs().max()) <= tolerance * max(1.0, float(score.abs().max()))
        assert float((slope - grad[rows]).abs().max()) <= tolerance * max(1.0, float(grad.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CANVASES)
def test_a_canvas_treats_an_image_the_same_whatever_stands_beside_it_and_again(name: str, dtype: torch.dtype) -> None:
    net = a_net(dtype=dtype)
    x = images(net, 4)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12

    def run(rows: list[int]) -> Found:
        labels = torch.tensor([0, 1, 2, 0])[rows]
        return raised(net, x, rows, objective=logit(labels), canvas=canvases(x, IDS, rows)[name]())

    whole, again = run([0, 1, 2, 3]), run([0, 1, 2, 3])
    assert torch.equal(whole.images, again.images)
    for rows in ([2], [3, 1, 0, 2]):
        part = run(rows)
        scale = max(1.0, float(whole.scores.abs().max()))
        assert float((part.scores - whole.scores[rows]).abs().max()) <= tolerance * scale
        assert float((part.history - whole.history[:, rows]).abs().max()) <= tolerance * scale


@pytest.mark.parametrize("model", list(SITES))
@pytest.mark.parametrize("name", CANVASES)
def test_adam_raises_an_objective_on_every_canvas(name: str, model: str) -> None:
    net = a_net(model)
    x = images(net, 2)
    canvas = canvases(x, IDS, [0, 1])[name]()
    energy = layer_energy(SITES[model][1])
    found = raised(net, x, [0, 1], objective=energy, canvas=canvas, steps=6)
    assert bool((found.history[1:].amax(0) > found.history[0]).all())
    assert float(found.images.min()) >= 0
    assert float(found.images.max()) <= 1
    assert found.origin["canvas"] == canvas.words != ""
    assert all(each.grad is None and each.requires_grad for each in net.parameters())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_adam_raises_every_objective_on_striate_small(name: str) -> None:
    net = a_net("striate/small")
    x = images(net, 2)
    objective = objectives(net, x)[name]()
    found = raised(net, x, [0, 1], objective=objective, canvas=Pixels(), rate=0.002)
    assert bool((found.history[-1] > found.history[0]).all())
    assert found.origin["objective"] == str(objective) != ""
    assert str(objective).isprintable()
    assert "object at" not in str(objective)
    assert all(each.grad is None for each in net.parameters())


@pytest.mark.parametrize("name", ["energy", "gram", "layers", "variation"])
def test_a_pass_runs_no_module_behind_the_deepest_site(name: str) -> None:
    net = a_net()
    x = images(net, 2)
    objective = objectives(net, x)[name]()
    order = [site.name for site in net.sites()]
    deepest = max((order.index(site) for site in objective.sites), default=-1)
    ran: list[str] = []
    for path, module in net.module.named_modules():
        if not list(module.children()):
            module.register_forward_pre_hook(lambda *_, path=path: ran.append(path))
    raised(net, x, [0, 1], objective=objective, canvas=Pixels(), steps=1)
    assert all(order.index(path) <= deepest for path in ran if path in order) or not objective.sites
    assert not objective.sites or order[deepest] in ran


def test_diversity_drives_images_apart_and_refuses_to_be_cut_into_chunks() -> None:
    net = a_net()
    x = images(net, 1).expand(3, -1, -1, -1) + 0.01 * images(net, 3)
    x = x.clamp(0, 1)
    objective = diversity(SITES["striate/lenet5"][0], 3)
    found = raised(net, x, [0, 1, 2], objective=objective, canvas=Pixels(), steps=6)
    assert float(found.history[-1].mean()) > float(found.history[0].mean())
    with pytest.raises(StriateError, match="diversity of 3 images in a pass of 1"):
        solve(net, objective, start=x, search=Adam(0.02), steps=1, memory=1)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_the_scores_of_images_kept_from_several_steps_are_those_of_all_of_them_together(rate: float) -> None:
    net, site = a_net(), SITES["striate/lenet5"][0]
    goals = torch.tensor([0.0, 0.3, 0.5, 1.0]).view(4, 1, 1, 1)
    x, objective = images(net, 4), 0.1 * diversity(site, 4) - squared_distance(goals)
    found = raised(net, x, [0, 1, 2, 3], objective=objective, canvas=Pixels(), steps=9, rate=rate)
    assert len(set(found.history.argmax(0).tolist())) > 1
    with net.look(read=[site]) as look, torch.no_grad():
        torch.testing.assert_close(found.scores, objective(look(found.images)))


def test_a_site_or_unit_that_is_not_there_is_told_at_the_start() -> None:
    net = a_net()
    x, (early, late) = images(net, 1), SITES["striate/lenet5"]
    with pytest.raises(UnknownNameError, match=rf"unknown site '{early}x'; accepted: nearest are .*{early}"):
        raised(net, x, [0], objective=layer_energy(f"{early}x"), canvas=Pixels())
    with pytest.raises(UnknownNameError, match=r"it has \d+ channels"):
        raised(net, x, [0], objective=channel(late, 5000), canvas=Pixels())
