"""Gradients: by differences, by hand through a graph of gates, and by autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .claims import SAME, Computed, claim, holds
from .draw import curves


def _leaf(*values: float) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]


def _gradients(output: Tensor, leaves: list[Tensor]) -> list[float]:
    return [float(each) for each in torch.autograd.grad(output, leaves)]


def numerical_gradient() -> Computed:
    """One weight moves by h; the slope is the change of the loss over h."""
    h, before, after = 0.0001, 1.2345, {"w0": 1.2331, "w1": 1.2345}
    found = [(after[weight] - before) / h for weight in ("w0", "w1")]
    note = "the lecture divides wrongly, and its last slide moves two weights at once; (1.2331 - 1.2345) / .0001 = -14"
    return Computed((claim("dL/dw0, dL/dw1", found, [-14, 0], says=[23.5, 0], tolerance=1e-6, note=note),))


def gradient_check() -> Computed:
    """Autograd against central differences, for every weight of a small MLP in float64."""
    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x, y = torch.randn(8, 6, dtype=torch.float64), torch.arange(8) % 3
    weights = torch.cat([each.detach().flatten() for each in net.parameters()])

    def loss(vector: Tensor) -> Tensor:
        named, start = {}, 0
        for name, each in net.named_parameters():
            named[name] = vector[start : start + each.numel()].view_as(each)
            start += each.numel()
        return nn.functional.cross_entropy(torch.func.functional_call(net, named, (x,)), y)

    exact = torch.func.grad(loss)(weights)

    units = torch.eye(len(weights), dtype=torch.float64)

    def worst(h: float) -> float:
        found = torch.stack([(loss(weights + h * e) - loss(weights - h * e)) / (2 * h) for e in units])
        return float(((found - exact).abs() / (found.abs() + exact.abs()).clamp(min=1e-8)).max())

    steps = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]
    errors = [worst(h) for h in steps]
    fall = errors[1] / errors[2]
    picture = curves(
        "The error of central differences falls as h squared",
        {"error": ([-1.0, -2.0, -3.0, -4.0, -5.0], errors)},
        x_label="log10 h",
        y_label="largest relative difference",
        log_y=True,
    )
    return Computed(
        (
            holds("largest relative difference at h = 1e-5 is below 1e-6", errors[-1] < 1e-6),
            claim("error at h = .01 over error at .001", fall, 100, tolerance=5),
        ),
        picture,
    )


def graph_abc() -> Computed:
    """The function ab + c, backwards through a multiply gate and an add gate."""
    leaves = _leaf(3, 2, -4)
    a, b, c = leaves
    product = a * b
    f = product + c
    note = "the lecture prints the chain rule as df/da = df/db db/dz; it is df/dx = df/dz dz/dx"
    return Computed(
        (
            claim("f at 3, 2, -4", f.detach(), 2),
            claim("df/d(ab), df/da, df/db, df/dc", _gradients(f, [product, *leaves]), [1, 2, 3, 1], note=note),
        )
    )


def graph_xy() -> Computed:
    """The function xy: each gradient is the other's value."""
    x, y = _leaf(4, -3)
    f = x * y
    return Computed(
        (
            claim("f at 4, -3", f.detach(), -12, says=SAME),
            claim("df/dx, df/dy", _gradients(f, [x, y]), [-3, 4], says=SAME),
        )
    )


def graph_xyz() -> Computed:
    """The function (x + y) z."""
    leaves = _leaf(-2, 5, -4)
    x, y, z = leaves
    f = (x + y) * z
    return Computed(
        (claim("f at -2, 5, -4", f.detach(), -12), claim("df/dx, df/dy, df/dz", _gradients(f, leaves), [-4, -4, 3]))
    )


def graph_neuron() -> Computed:
    """A sigmoid neuron: the gradient of its weighted sum is s (1 - s), shared out by inputs and weights."""
    weights, inputs = _leaf(2, -3, -3), _leaf(-1, -2)
    w0, w1, w2 = weights
    x0, x1 = inputs
    output = torch.sigmoid(w0 * x0 + w1 * x1 + w2)
    found = _gradients(output, weights + inputs)
    return Computed(
        (
            claim("output", output.detach(), 0.731059),
            claim("gradient of the weights", found[:3], [-0.196612, -0.393224, 0.196612]),
            claim("gradient of the inputs", found[3:], [0.393224, -0.589836]),
        )
    )


def graph_gates() -> Computed:
    """What three gates do to the gradient that comes back: add copies, multiply swaps the inputs, max routes."""
    back = 2.0
    gates: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], list[float]]] = {
        "add copies the gradient to both inputs": (torch.add, [back, back]),
        "multiply gives each input the other's value": (torch.mul, [back * -4.0, back * 3.0]),
        "max sends it all to the larger input": (torch.maximum, [back, 0.0]),
    }
    claims = []
    for what, (gate, right) in gates.items():
        leaves = _leaf(3, -4)
        found = torch.autograd.grad(gate(*leaves), leaves, grad_outputs=torch.tensor(back, dtype=torch.float64))
        claims.append(claim(f"{what}: inputs 3 and -4, gradient 2", torch.stack(found), right))
    return Computed(tuple(claims))


def long_derivative() -> Computed:
    """A derivative that nobody wants to take by hand, and that backpropagation does not mind."""
    (x,) = _leaf(2)
    top = (1 + 2 * x**2) * (x**3 - x) ** 2
    f = top / (torch.sqrt(x + 5 * x**2) * (4 * x) ** 1.5) + torch.sqrt(1 + 2 * x) / (x + torch.sqrt(1 + x**2))
    return Computed(
        (claim("f(2)", f.detach(), 3.580666), claim("f'(2)", _gradients(f, [x])[0], 10.030095, tolerance=1e-6))
    )


def layer_backward() -> Computed:
    """One neuron with squared error: dL/dw = 2 (s - y) s (1 - s) a."""
    w, a, b, y = _leaf(0.5, 1, 0, 1)
    loss = (torch.sigmoid(w * a + b) - y) ** 2
    s = torch.sigmoid(w * a + b).detach()
    chain = 2 * (s - y.detach()) * s * (1 - s) * a.detach()
    return Computed(
        (claim("dL/dw by autograd", _gradients(loss, [w])[0], -0.177447), claim("by the chain rule", chain, -0.177447))
    )


def mlp_shapes() -> Computed:
    """A 3-4-1 network: matrices map a layer's columns to the next layer's."""
    first, second = nn.Linear(3, 4), nn.Linear(4, 1)
    a1 = first.weight @ torch.ones(3, 1) + first.bias[:, None]
    a2 = second.weight @ a1 + second.bias[:, None]
    parameters = sum(each.numel() for layer in (first, second) for each in layer.parameters())
    note = "the lecture gives a2 once as (4, 1) and once as (1, 1); layer 2 has one unit"
    return Computed(
        (
            claim("W1, W2", [list(first.weight.shape), list(second.weight.shape)], [[4, 3], [1, 4]], says=SAME),
            claim("a1, a2", [list(a1.shape), list(a2.shape)], [[4, 1], [1, 1]], says=[[4, 1], [4, 1]], note=note),
            claim("parameters", parameters, 21),
        )
    )
