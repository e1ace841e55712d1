from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracles.train_rules import bfgs, quintic, rule_steps
from striate.core.errors import StriateError, UnknownNameError
from striate.training.catalog import OPTIMIZERS
from striate.training.optim import build_optimizer, set_rate
from striate.training.optimizers.muon import hidden_matrices, orthogonalised
from striate.training.optimizers.specs import (
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Lbfgs,
    Lion,
    Muon,
    RmsProp,
    Sgd,
)
from striate.training.request import changed, load_optimizer

RATES = [0.05, 0.1, 0.2, 0.1, 0.05, 0.3, 0.02, 0.1, 0.1, 0.01]
START, CURVES = [1.5, -2.0, 0.3, 4.0], [1.0, 25.0, 0.2, 3.0]


def tensor64(values):
    return torch.tensor(values, dtype=torch.float64)


def bowl(w):
    """Gradient of the sum of c/2 (x - 1)^2: a quadratic whose least point is not 0."""
    return [c * (x - 1.0) for c, x in zip(CURVES, w, strict=True)]


def walked(spec, gradient=bowl, rates=RATES, start=START):
    """Weights (steps, n) of one linear layer of n weights under the optimizer, in float64."""
    net = nn.Linear(len(start), 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([start], dtype=torch.float64))
    optimizer, path = build_optimizer(spec, net), []
    for rate in rates:
        set_rate(optimizer, rate)
        net.weight.grad = torch.tensor([gradient(net.weight[0].tolist())], dtype=torch.float64)
        optimizer.step()
        path.append(net.weight[0].tolist())
    return path


CASES = [
    (Sgd(1.0, 0.0, nesterov=False, weight_decay=0.0), "sgd", {}),
    (Sgd(1.0, 0.9, nesterov=False, weight_decay=0.1), "sum", {"plain": 0.1}),
    (Sgd(1.0, 0.8, nesterov=True, weight_decay=0.1, decay="decoupled"), "sum ahead", {"b1": 0.8, "decoupled": 0.1}),
    (Sgd(1.0, 0.9, nesterov=False, weight_decay=0.1, form="mean"), "mean", {"plain": 0.1}),
    (
        Sgd(1.0, 0.9, nesterov=False, weight_decay=0.1, form="mean", decay="decoupled"),
        "mean",
        {"decoupled": 0.1},
    ),
    (Sgd(1.0, 0.9, nesterov=False, weight_decay=0.1, form="inside"), "inside", {"plain": 0.1}),
    (Sgd(1.0, 0.7, nesterov=True, weight_decay=0.0, form="inside"), "inside ahead", {"b1": 0.7}),
    (Adagrad(1.0, epsilon=1e-3, weight_decay=0.1), "adagrad", {"eps": 1e-3, "plain": 0.1}),
    (Adagrad(1.0, weight_decay=0.1, decay="decoupled"), "adagrad", {"eps": 1e-10, "decoupled": 0.1}),
    (Adadelta(1.0, weight_decay=0.1), "adadelta", {"b1": 0.95, "eps": 1e-6, "plain": 0.1}),
    (RmsProp(1.0, epsilon=1e-3, weight_decay=0.1), "rmsprop", {"b2": 0.9, "eps": 1e-3, "plain": 0.1}),
    (Adam(1.0, 0.8, 0.95, epsilon=1e-3, weight_decay=0.1), "adam", {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "plain": 0.1}),
    (AdamW(1.0, weight_decay=0.1), "adam", {"decoupled": 0.1}),
    (Lion(1.0, weight_decay=0.1), "lion", {"b2": 0.99, "decoupled": 0.1}),
]


@pytest.mark.parametrize(("spec", "rule", "numbers"), CASES, ids=lambda each: str(getattr(each, "name", each)))
def test_every_optimizer_takes_its_papers_steps_on_a_quadratic(spec, rule, numbers):
    expected = rule_steps(rule, START, bowl, RATES, **numbers)
    assert torch.allclose(tensor64(walked(spec)), tensor64(expected), rtol=1e-9, atol=1e-12)


def random_net(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
        return net, torch.randn(12, 5, dtype=torch.float64), torch.arange(12) % 3


def flat(net):
    return torch.cat([each.detach().reshape(-1) for each in net.parameters()]).tolist()


@pytest.mark.parametrize(("spec", "rule", "numbers"), CASES, ids=lambda each: str(getattr(each, "name", each)))
def test_every_optimizer_takes_its_papers_steps_on_a_net_and_spares_biases(spec, rule, numbers):
    net, x, y = random_net()
    ndims = [each.ndim for each in net.parameters() for _ in range(each.numel())]
    start, optimizer = flat(net), build_optimizer(replace(spec, rate=0.05), net)

    def gradient(w):  # by a copy of the net, whose weights are set
        twin, *_ = random_net()
        torch.nn.utils.vector_to_parameters(torch.tensor(w, dtype=torch.float64), twin.parameters())
        grads = torch.autograd.grad(F.cross_entropy(twin(x), y), list(twin.parameters()))
        return torch.cat([each.reshape(-1) for each in grads]).tolist()

    for rate in RATES:
        set_rate(optimizer, rate)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    spared = {**numbers, "plain": 0.0, "decoupled": 0.0}
    # decayed and spared weights live in one net: the rule walks them together, each with its own decay
    w, decays = start, [numbers if ndim > 1 else spared for ndim in ndims]
    paths = _walk_apart(rule, w, gradient, decays)
    assert flat(net) == pytest.approx(paths, rel=1e-7, abs=1e-9)


def _walk_apart(rule, start, gradient, decays):
    """The rule with decay for some weights only: step by step, from the gradients along the path of both kinds."""
    history, w = [], list(start)
    for step in range(1, len(RATES) + 1):
        history.append(gradient(w))
        w = []
        for index, numbers in enumerate(decays):
            known = iter([[each[index]] for each in history])
            w.append(rule_steps(rule, [start[index]], lambda _, k=known: next(k), RATES[:step], **numbers)[-1][0])
    return w


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_muon_makes_matrices_orthogonal_by_the_quintic(shape):
    made = torch.Generator().manual_seed(0)
    matrix = torch.randn(*shape, dtype=torch.float64, generator=made)
    found = orthogonalised(matrix)
    assert torch.allclose(found, torch.tensor(quintic(matrix.tolist(), 5), dtype=torch.float64), rtol=1e-9)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_muon_moves_hidden_matrices_by_it_and_the_rest_as_adamw_does():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 2), nn.Flatten(), nn.Linear(16, 3)).double()
    assert [tuple(each.shape) for each in hidden_matrices(net)] == [(4, 1, 2, 2)]
    spec = Muon(0.1, momentum=0.9, other_rate=0.02, weight_decay=0.1)
    optimizer = build_optimizer(spec, net)
    filters, head, bias = (net[0].weight, net[2].weight, net[2].bias)
    f, expected_head, expected_bias = filters.detach().reshape(4, 4), [], []
    starts = [head.detach().reshape(-1).tolist(), bias.detach().tolist()]
    mean, grads = torch.zeros(4, 4, dtype=torch.float64), []
    x, y = torch.linspace(0, 1, 54, dtype=torch.float64).reshape(6, 1, 3, 3).sin(), torch.arange(6) % 3
    for share in (1.0, 0.5, 0.25):
        set_rate(optimizer, 0.1 * share)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        g = filters.grad.reshape(4, 4).clone()
        grads.append([head.grad.reshape(-1).tolist(), bias.grad.tolist()])
        mean = 0.9 * mean + 0.1 * g
        turned = torch.tensor(quintic((0.1 * g + 0.9 * mean).tolist(), 5), dtype=torch.float64)
        f = f * (1 - 0.1 * share * 0.1) - 0.1 * share * turned
        optimizer.step()
    rates = [0.02, 0.01, 0.005]
    for place, decay, wanted in ((0, 0.1, expected_head), (1, 0.0, expected_bias)):
        known = iter([each[place] for each in grads])
        wanted.extend(rule_steps("adam", starts[place], lambda _, k=known: next(k), rates, decoupled=decay)[-1])
    assert torch.allclose(filters.detach().reshape(4, 4), f, rtol=1e-9)
    assert head.detach().reshape(-1).tolist() == pytest.approx(expected_head, rel=1e-9)
    assert bias.tolist() == pytest.approx(expected_bias, rel=1e-9)


def test_muon_on_a_net_of_one_layer_is_adamw_at_the_other_rate():
    one, other = nn.Linear(4, 3), nn.Linear(4, 3)
    other.load_state_dict(one.state_dict())
    optimizers = [
        build_optimizer(Muon(0.1, other_rate=0.01, weight_decay=0.1), one),
        build_optimizer(AdamW(0.01, weight_decay=0.1), other),
    ]
    for step in range(3):
        for net, optimizer in zip((one, other), optimizers, strict=True):
            optimizer.zero_grad()
            net(torch.full((2, 4), 1.0 + step)).square().sum().backward()
            optimizer.step()
    assert torch.allclose(one.weight, other.weight, atol=1e-6)
    assert torch.allclose(one.bias, other.bias, atol=1e-6)


def asked(spec, evaluations):
    """Where L-BFGS ends on the quadratic in one step, its evaluations counted."""
    net = nn.Linear(4, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([START], dtype=torch.float64))
    optimizer = build_optimizer(spec, net)

    def closure():
        optimizer.zero_grad()
        loss = (tensor64(CURVES) * (net.weight - 1).square()).sum() / 2
        loss.backward()
        evaluations.append(loss.item())
        return loss

    optimizer.step(closure)
    return net.weight[0].tolist()


def test_lbfgs_without_its_search_takes_the_steps_of_the_dense_matrix():
    found = asked(Lbfgs(0.5, history=3, iterations=10, line_search=False), [])
    assert found == pytest.approx(bfgs(START, bowl, steps=10, rate=0.5, history=3)[-1], rel=1e-6)


def test_lbfgs_with_its_search_finds_the_least_point_and_never_rises():
    losses = []
    assert asked(Lbfgs(iterations=30), losses) == pytest.approx([1.0] * 4, abs=1e-5)
    assert losses[-1] < 1e-10 < losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_gives_an_optimizer_whose_numbers_can_be_changed(name):
    spec = load_optimizer(f"{name}+rate=0.5+weight_decay=0.25")
    assert (spec.rate, spec.weight_decay) == (0.5, 0.25)
    assert replace(OPTIMIZERS.load(name), rate=0.5, weight_decay=0.25) == spec


def test_options_are_read_by_their_kind():
    assert load_optimizer("momentum+form=mean+decay_all=yes").form == "mean"
    assert load_optimizer("lbfgs+history=3+line_search=no") == Lbfgs(history=3, line_search=False)
    assert math.isclose(load_optimizer("adam+rate=1e-3").rate, 0.001)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sgd(0.0), "learning rate is 0.0"),
        (lambda: AdamW(float("nan")), "learning rate is nan"),
        (lambda: Adam(0.1, momentum=1.0), "momentum is 1.0"),
        (lambda: Sgd(0.1, weight_decay=-1.0), "weight_decay is -1.0"),
        (lambda: Lbfgs(history=0), "history is 0"),
        (lambda: load_optimizer("adam+form=mean"), "'form'"),
        (lambda: load_optimizer("sgd+form=outside"), "sum, mean, inside"),
        (lambda: load_optimizer("sgd+nesterov=1"), "yes or no"),
        (lambda: load_optimizer("lbfgs+history=x"), "a whole number"),
        (lambda: load_optimizer("adam+rate"), "KEY=VALUE"),
        (lambda: load_optimizer("adam+rate=1+rate=2"), "twice"),
        (lambda: changed(Adagrad(0.1), "momentum", 0.9), "momentum 0.9 with the optimizer adagrad"),
    ],
)
def test_what_no_optimizer_takes_is_named(make, words):
    with pytest.raises(StriateError, match=words):
        make()


def test_an_unknown_optimizer_gives_the_nearest():
    with pytest.raises(UnknownNameError, match="adamw"):
        load_optimizer("adamv")
