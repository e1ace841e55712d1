"""Graphs of expressions agree with autograd, of nets with what the net executes; drawings overlap nothing."""

from __future__ import annotations

import math
import re

import pytest
import torch

import striate as st
from striate.nets.gradients.blocks import fold_net, with_signals
from striate.nets.gradients.expression import RULES, evaluate
from striate.nets.gradients.payload import Graph
from striate.nets.load import load_net
from striate.page.graph import draw

EXPRESSIONS = [
    ("a*b+c", {"a": 3.0, "b": 2.0, "c": -4.0}),
    ("sigmoid(w0*x0+w1*x1+w2)", {"w0": 2.0, "w1": -3.0, "w2": -3.0, "x0": -1.0, "x1": -2.0}),
    ("(1+2*x^2)*(x^3-x)^2/(sqrt(x+5*x^2)*(4*x)^1.5)+sqrt(1+2*x)/(x+sqrt(1+x^2))", {"x": 2.0}),
    ("max(x, y)*min(x, z) - tanh(-z)/exp(y)", {"x": 1.5, "y": 0.3, "z": -0.8}),
    ("x*x*x + log(x) + square(sin(x)) + cos(x) + relu(x) + abs(-x)", {"x": 0.7}),
]


@pytest.mark.parametrize(("text", "at"), EXPRESSIONS)
def test_gradients_of_expressions_are_those_of_autograd(text: str, at: dict[str, float]) -> None:
    leaves = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in at.items()}
    names = {
        name: getattr(torch, name) for name in ("sigmoid", "tanh", "exp", "log", "sqrt", "square", "sin", "cos", "abs")
    }
    names |= {"relu": torch.relu, "max": torch.maximum, "min": torch.minimum}
    output = eval(text.replace("^", "**"), {"__builtins__": {}}, {**names, **leaves})
    output.backward()
    gates = evaluate(text, at)
    assert gates[-1].value == pytest.approx(float(output.detach()), rel=1e-12)
    assert gates[-1].grad == 1.0
    found = {gate.name: gate.grad for gate in gates if gate.op == "leaf"}
    assert found == pytest.approx({name: float(leaf.grad) for name, leaf in leaves.items()}, rel=1e-10)


def test_every_function_has_the_slope_that_differences_give() -> None:
    for op, rule in RULES.items():
        at = (0.6, 1.7)[: 2 if op in {"+", "-", "*", "/", "**", "max", "min"} else 1]
        value, local = rule(*at)
        for place, slope in enumerate(local):
            moved = [[each + sign * 1e-6 * (index == place) for index, each in enumerate(at)] for sign in (1, -1)]
            assert slope == pytest.approx((rule(*moved[0])[0] - rule(*moved[1])[0]) / 2e-6, abs=1e-6), op
        assert math.isfinite(value)


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("a +", {"a": 1}, "cannot read"),
        ("a + b", {"a": 1}, "b has no value"),
        ("a", {"a": 1, "b": 2}, "a value for b"),
        ("__import__('os')", {}, "holds"),
        ("a.b", {"a": 1}, "holds"),
        ("log(a)", {"a": -1}, "no value"),
        ("sqrt(a)", {"a": 0}, "no value or no slope"),
        ("1/a", {"a": 0}, "no value"),
        ("max(a)", {"a": 0}, "max of 1"),
        ("9**9**9**9", {}, "no value"),
    ],
)
def test_what_is_no_expression_is_said_so(text: str, at: dict[str, float], said: str) -> None:
    with pytest.raises(st.StriateError, match=re.escape(said)):
        evaluate(text, at)


@pytest.mark.parametrize("name", ["striate/resnet8", "striate/lenet5", "striate/vit_tiny", "torchvision/googlenet"])
@pytest.mark.parametrize("depth", [1, 2, None])
def test_boxes_partition_the_operations_of_a_net(name: str, depth: int | None) -> None:
    net = load_net(name, weights=False)
    size = 64 if "googlenet" in name else None
    boxes = fold_net(net, size=size, depth=depth)
    sites = net.sites(size)
    assert sum(each.sites for each in boxes) == len(sites)
    assert sum(each.parameters for each in boxes) == sum(each.parameters for each in sites)
    assert sum(each.macs for each in boxes) == sum(each.macs for each in sites)
    assert all(-1 <= place < index for index, each in enumerate(boxes) for place in each.inputs)
    assert boxes[-1].shape == sites[-1].shape


def test_a_residual_block_is_one_box_or_two_ways() -> None:
    net = load_net("striate/resnet8.random")
    assert [each.name for each in fold_net(net, depth=1)] == [
        "conv1",
        "bn1",
        "relu",
        "layer1",
        "layer2",
        "layer3",
        "mean",
        "linear",
    ]
    inner = fold_net(net, depth=3)
    assert any(len(each.inputs) == 2 for each in inner)


def test_signals_are_those_of_the_passes() -> None:
    net = load_net("striate/lenet5.random")
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    boxes = with_signals(net, fold_net(net), images)
    with net.look(read=["conv2"]) as see:
        value = see(images)["conv2"].detach()
    conv2 = next(each for each in boxes if each.name == "conv2")
    assert conv2.mean == pytest.approx(float(value.mean()), rel=1e-5)
    assert conv2.std == pytest.approx(float(value.std(correction=0)), rel=1e-5)
    probabilities = net(images).detach().softmax(1)
    grad = probabilities - torch.nn.functional.one_hot(probabilities.argmax(1), 10)
    assert boxes[-1].grad_std == pytest.approx(float(grad.std(correction=0)), rel=1e-5)


@pytest.mark.parametrize("name", ["striate/resnet20", "torchvision/googlenet", "striate/vit_tiny"])
def test_no_two_boxes_of_a_drawing_overlap(name: str) -> None:
    drawn = str(draw(Graph(name, blocks=fold_net(load_net(name, weights=False), depth=3))))
    found = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" rx="4"', drawn)
    boxes = [tuple(map(float, each)) for each in found]
    assert len(boxes) > 10
    for index, (x, y, width, height) in enumerate(boxes):
        for a, b, broad, tall in boxes[:index]:
            assert x >= a + broad or a >= x + width or y >= b + tall or b >= y + height


def test_the_drawing_escapes_what_it_is_given() -> None:
    drawn = str(draw(Graph("a<b", gates=evaluate("a", {"a": 1}))))
    assert "a<b" not in drawn
    assert "a&lt;b" in drawn


def test_options_of_the_other_kind_are_refused() -> None:
    with pytest.raises(st.StriateError, match="for an expression"):
        st.graph("x", at={"x": 1}, depth=2, quiet=True)
    with pytest.raises(st.StriateError, match="for a net"):
        st.graph("striate/lenet5", at={"x": 1}, quiet=True)
