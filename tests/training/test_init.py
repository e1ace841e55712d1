from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import striate as st
from oracles.training_init import fourth_moment, lsuv, variance
from striate.core.cite import citations
from striate.core.errors import RunError, UnknownNameError
from striate.training.init import (
    he_normal,
    initialise,
    matrices,
    scale_to_unit_variance,
    seeded,
    set_prior,
    untouched,
)
from striate.training.recipe import Recipe, Sgd
from striate.training.schemes import INITS, NEED_IMAGES

DRAWN = ("xavier_normal", "xavier_uniform", "he_normal", "he_uniform", "sparse", "normal_01")


def drawn(seed, name="a", step=0):
    with seeded(seed, name, step=step):
        return torch.rand(4).tolist()


def test_draws_hang_on_seed_name_and_step_alone():
    torch.manual_seed(1)
    first = drawn(0)
    torch.manual_seed(2)
    assert drawn(0) == first
    assert len({tuple(drawn(*each)) for each in [(0,), (1,), (0, "b"), (0, "a", 1)]}) == 4


def test_the_global_generator_goes_on_as_if_nothing_had_been():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn(0)
    assert torch.equal(torch.rand(3), expected)


def layers():
    return nn.Sequential(
        nn.Conv2d(16, 64, 3), nn.Linear(300, 400), nn.Conv2d(32, 96, 3, groups=2), nn.ConvTranspose2d(24, 60, 3)
    )


FANS = ((16 * 9, 64 * 9), (300, 400), (16 * 9, 48 * 9), (24 * 9, 60 * 9))


@pytest.mark.parametrize("scheme", DRAWN)
def test_weights_have_the_variance_of_their_papers(scheme):
    net = layers()
    initialise(net, scheme, seed=0)
    for layer, (inward, outward) in zip(net, FANS, strict=True):
        count = layer.weight.numel()
        share = layer.weight.double().pow(2).mean().item() / variance(scheme, inward, outward)
        assert abs(share - 1) < 5 * math.sqrt((fourth_moment(scheme, inward) - 1) / count)
        assert abs(layer.weight.double().mean().item()) < 5 * math.sqrt(variance(scheme, inward, outward) / count)
        assert not layer.bias.any()
    if scheme.endswith("uniform"):
        assert net[1].weight.abs().max() <= math.sqrt(3 * variance(scheme, *FANS[1]))


@pytest.mark.parametrize("scheme", ["orthogonal", "delta_orthogonal"])
def test_rows_are_orthonormal_or_columns_where_there_are_more_rows(scheme):
    net = nn.Sequential(nn.Conv2d(24, 16, 3), nn.Linear(10, 40), nn.Conv2d(8, 12, 1, groups=2))
    initialise(net, scheme, seed=3)
    for each in matrices(net):
        weight = each.weight.double().sum((2, 3)) if scheme == "delta_orthogonal" and each.weight.dim() == 4 else None
        flat = each.weight.double().flatten(1) if weight is None else weight
        product = flat @ flat.T if len(flat) <= flat.shape[1] else flat.T @ flat
        assert torch.allclose(product, torch.eye(len(product), dtype=torch.float64), atol=1e-6)
    if scheme == "delta_orthogonal":
        assert int((net[0].weight != 0).any(0).any(0).sum()) == 1


def test_lsuv_gives_every_layer_variance_one_and_the_weights_of_repeated_passes():
    net = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 25), nn.ReLU(), nn.Linear(25, 10))
    rows = 3 + 2 * torch.randn(200, 20, generator=torch.Generator().manual_seed(0))
    initialise(net, "orthogonal", seed=4)
    expected = lsuv([net[at].weight.detach().numpy() for at in (0, 2, 4)], rows.numpy())
    initialise(net, "lsuv", seed=4, images=rows)
    for at, right in zip((0, 2, 4), expected, strict=True):
        assert torch.allclose(net[at].weight.double(), torch.from_numpy(right), rtol=1e-5, atol=1e-7)
        assert abs(net[: at + 1](rows).std().item() - 1) < 1e-4
    assert not net[0]._forward_hooks


def test_lsuv_leaves_batch_statistics_as_they_were_and_scales_each_layer_once():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    before = net[1].running_mean.clone()
    done = scale_to_unit_variance(net, torch.rand(16, 3, 8, 8))
    assert done == ("0", "4")
    assert torch.equal(net[1].running_mean, before)
    assert net.training


@pytest.mark.parametrize("scheme", [name for name in INITS if name != "built"])
@pytest.mark.parametrize("name", ["striate/small.random", "striate/vit_tiny.random"])
def test_every_scheme_hangs_on_the_seed_alone_and_leaves_torchs_generator(scheme, name):
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) if scheme in NEED_IMAGES else None
    prints = []
    for build, seed in ((0, 5), (1, 5), (0, 6)):
        # what no scheme fills, such as positions, bears on how far images scale the others
        net = st.load_net(name, seed=0 if images is not None else build, size=32)
        kept = {path: net.get_parameter(path).clone() for path in untouched(net)}
        torch.manual_seed(build)
        state = torch.get_rng_state()
        initialise(net, scheme, seed=seed, images=images)
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(net.get_parameter(path), value) for path, value in kept.items())
        prints.append([each.weight.clone() for each in matrices(net)])
    assert all(torch.equal(a, b) for a, b in zip(prints[0], prints[1], strict=True))
    same = all(torch.equal(a, b) for a, b in zip(prints[0], prints[2], strict=True))
    assert same == (scheme in {"zeros", "constant"})


def test_norms_start_at_one_and_fixed_weights_stay():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Embedding(5, 4), nn.Linear(4, 4))
    net[3].requires_grad_(False)
    fixed, table = net[3].weight.clone(), net[2].weight.clone()
    nn.init.zeros_(net[1].weight)
    he_normal(net)
    assert torch.equal(net[1].weight, torch.ones(4))
    assert torch.equal(net[3].weight, fixed)
    assert torch.equal(net[2].weight, table)
    assert untouched(net) == ("2.weight", "3.weight", "3.bias")


def test_a_prior_starts_at_the_entropy_of_the_classes():
    net = nn.Sequential(nn.Linear(6, 3))
    initialise(net, "zeros", seed=0)
    assert set_prior(net, [80, 15, 5])
    shares = torch.tensor([0.8, 0.15, 0.05])
    assert torch.allclose(net(torch.rand(1, 6)).softmax(1)[0], shares)
    assert not set_prior(net, [1, 2])


def test_unknown_schemes_and_missing_images_are_told():
    with pytest.raises(UnknownNameError, match="he_normal"):
        Recipe("mine", Sgd(0.1), init="he_norml")
    with pytest.raises(RunError, match="images"):
        initialise(layers(), "lsuv", seed=0)


def test_every_scheme_names_its_papers():
    assert {key for name in INITS for key in INITS[name].cites} <= set(citations())


def test_a_recipe_starts_from_any_scheme(tmp_path):
    from dataclasses import replace

    from striate.training.loop import fit

    splits = st.load_splits("digits")
    few = replace(splits, train=splits.train.limit(64), dev=splits.dev.limit(20))
    recipe = Recipe("mine", Sgd(0.05), init="lsuv", epochs=1, batch=32)
    fit("striate/mlp", few, out=tmp_path / "run", recipe=recipe)
    assert fit("striate/mlp", few, out=tmp_path / "run", recipe=recipe, resume=True).epochs == 1
