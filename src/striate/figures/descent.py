"""Gradient descent: what scaling, momentum and adaptive rates do to its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from striate.training.descent.surfaces import valley as bowl

from .claims import SAME, Computed, claim, holds
from .draw import curves

Rule = Callable[[Tensor, Tensor, dict[str, Tensor], int], Tensor]  # weights, gradient, memory, step from 1 -> weights


def walk(loss: Callable[[Tensor], Tensor], start: Sequence[float], rule: Rule, steps: int) -> list[Tensor]:
    """The weights after every step of a rule, the start first."""
    weights, memory = torch.tensor(start, dtype=torch.float64), dict[str, Tensor]()
    path = [weights]
    for step in range(1, steps + 1):
        gradient = torch.func.grad(loss)(weights)
        weights = rule(weights, gradient, memory, step)
        path.append(weights)
    return path


def sgd(rate: float, *, momentum: float = 0.0, fresh: float = 1.0, nesterov: bool = False) -> Rule:
    """Steps w - rate v with v = momentum v + fresh g. Nesterov looks one step of v ahead."""

    def step(w: Tensor, g: Tensor, memory: dict[str, Tensor], _: int) -> Tensor:
        memory["v"] = momentum * memory.get("v", torch.zeros_like(w)) + fresh * g
        return w - rate * (g + momentum * memory["v"] if nesterov else memory["v"])

    return step


def adagrad(rate: float) -> Rule:
    """Divide by the root of the sum of all squares (Duchi et al. 2011)."""

    def step(w: Tensor, g: Tensor, memory: dict[str, Tensor], _: int) -> Tensor:
        memory["s"] = memory.get("s", torch.zeros_like(w)) + g**2
        return w - rate * g / (memory["s"].sqrt() + 1e-10)

    return step


def rmsprop(rate: float, decay: float = 0.9) -> Rule:
    """Divide by the root of a moving mean of squares (Tieleman & Hinton 2012)."""

    def step(w: Tensor, g: Tensor, memory: dict[str, Tensor], _: int) -> Tensor:
        memory["s"] = decay * memory.get("s", torch.zeros_like(w)) + (1 - decay) * g**2
        return w - rate * g / (memory["s"].sqrt() + 1e-8)

    return step


def adam(rate: float, first: float = 0.9, second: float = 0.999, *, corrected: bool = True) -> Rule:
    """Moving mean over root of moving mean square, both freed of their start at zero (Kingma & Ba 2015)."""

    def step(w: Tensor, g: Tensor, memory: dict[str, Tensor], t: int) -> Tensor:
        memory["m"] = first * memory.get("m", torch.zeros_like(w)) + (1 - first) * g
        memory["v"] = second * memory.get("v", torch.zeros_like(w)) + (1 - second) * g**2
        m, v = memory["m"], memory["v"]
        if corrected:
            m, v = m / (1 - first**t), v / (1 - second**t)
        return w - rate * m / (v.sqrt() + 1e-8)

    return step


def feature_scaling() -> Computed:
    """The worse the directions' curvatures differ, the more steps the best fixed rate needs."""
    paths: dict[int, list[float]] = {}
    for curvature in (1, 25, 100):
        scale = torch.tensor([1.0, curvature], dtype=torch.float64)

        def loss(w: Tensor, scale: Tensor = scale) -> Tensor:
            return (scale * w**2).sum() / 2

        path = walk(loss, [1, 1], sgd(2 / (1 + curvature)), 450)
        losses = [float(loss(w)) for w in path]
        paths[curvature] = losses[: next(i for i, value in enumerate(losses) if value < 1e-6) + 1]
    steps = [len(losses) - 1 for losses in paths.values()]
    picture = curves(
        "Features on one scale: one step; curvatures 1 to 100: hundreds",
        {f"1 : {c}": (range(len(found)), [max(v, 1e-7) for v in found]) for c, found in paths.items()},
        x_label="steps",
        y_label="loss",
        log_y=True,
    )
    return Computed((claim("steps to a loss of 1e-6 for curvatures 1:1, 1:25, 1:100", steps, [1, 103, 444]),), picture)


def optimiser_steps() -> Computed:
    """Two steps of three adaptive rules on (x^2 + 25 y^2)/2 from (10, 1): both directions move alike."""
    rules = {"AdaGrad": adagrad(0.1), "RMSProp": rmsprop(0.1), "Adam": adam(0.1)}
    torchs: dict[str, Callable[[Tensor], torch.optim.Optimizer]] = {
        "AdaGrad": lambda w: torch.optim.Adagrad([w], lr=0.1),
        "RMSProp": lambda w: torch.optim.RMSprop([w], lr=0.1, alpha=0.9),
        "Adam": lambda w: torch.optim.Adam([w], lr=0.1),
    }
    right = {
        "AdaGrad": [[9.9, 0.9], [9.8296, 0.8331]],
        "RMSProp": [[9.6838, 0.6838], [9.4579, 0.4989]],
        "Adam": [[9.9, 0.9], [9.8, 0.8004]],
    }
    note = (
        "the lecture subtracts from nothing (W = -...), counts t from 0, overwrites m and v; Kingma & Ba 2015, alg. 1"
    )
    claims, gaps = [], []
    for name, rule in rules.items():
        path = walk(bowl, [10, 1], rule, 20)
        claims.append(
            claim(f"{name}: steps 1, 2", path[1:3], right[name], tolerance=1e-4, note=note if name == "Adam" else "")
        )
        weights = torch.tensor([10.0, 1.0], dtype=torch.float64, requires_grad=True)
        optimiser = torchs[name](weights)
        for _ in range(20):
            optimiser.zero_grad()
            torch.autograd.backward(bowl(weights))
            optimiser.step()
        gaps.append(float((weights.detach() - path[-1]).abs().max()))
    raw = walk(bowl, [10, 1], adam(0.1, corrected=False), 1)[1]
    return Computed(
        (
            *claims,
            claim("first step of uncorrected Adam, in rates", (10 - raw[0]) / 0.1, 3.1623, tolerance=1e-4),
            claim("largest difference from torch's after 20 steps", max(gaps), 0.0, tolerance=1e-6),
        )
    )


def momentum_forms() -> Computed:
    """Two ways to write momentum: with (1 - b) before the gradient, or without and a rate (1 - b) times as large."""
    weighted = walk(bowl, [10, 1], sgd(0.7, momentum=0.9, fresh=0.1), 20)
    plain = walk(bowl, [10, 1], sgd(0.07, momentum=0.9), 20)
    right = [1.894568, 0.299968]
    note = "one lecture takes the previous gradient alone; momentum takes the previous step (Polyak 1964)"
    return Computed(
        (
            claim("after 20 steps with (1 - b), rate .7", weighted[-1], right, note=note),
            claim("after 20 steps without, rate .07", plain[-1], right),
        )
    )


def optimiser_race() -> Computed:
    """Six rules leave a saddle and run down a long valley."""
    rules = {
        "SGD": sgd(0.03),
        "momentum": sgd(0.03, momentum=0.9),
        "Nesterov": sgd(0.03, momentum=0.9, nesterov=True),
        "AdaGrad": adagrad(0.1),
        "RMSProp": rmsprop(0.03),
        "Adam": adam(0.03),
    }
    saddle = {name: walk(lambda w: w[0] ** 2 - w[1] ** 2, [1, 1e-3], rule, 200) for name, rule in rules.items()}
    left = {name: next((i for i, w in enumerate(path) if abs(w[1]) > 1), 999) for name, path in saddle.items()}
    valley = {name: walk(bowl, [10, 1], rule, 200) for name, rule in rules.items()}
    last = max(left, key=lambda name: left[name])
    note = f"steps until |y| > 1: {', '.join(f'{name} {steps}' for name, steps in left.items())}"
    picture = curves(
        f"{last} leaves the saddle last",
        {
            name: (range(left[name] + 1), [abs(float(w[1])) for w in path[: left[name] + 1]])
            for name, path in saddle.items()
        },
        x_label="steps",
        y_label="distance from the saddle",
    )
    falling = all(float(bowl(path[-1])) < float(bowl(path[0])) for path in valley.values())
    return Computed(
        (claim("last to leave the saddle", last, "SGD", note=note), holds("all six come down the valley", falling)),
        picture,
    )


def lr_schedules() -> Computed:
    """Four ways to lower the learning rate."""
    start, k = 0.1, 0.1
    schedules: dict[str, Callable[[float], float]] = {
        "exponential": lambda t: start * math.exp(-k * t),
        "1/t": lambda t: start / (1 + k * t),
        "halved every 5": lambda t: start * 0.5 ** (t // 5),
        "times .9": lambda t: start * 0.9**t,
    }
    found = {name: [rate(10), rate(20)] for name, rate in schedules.items()}
    weight = torch.zeros(1, requires_grad=True)
    torchs = []
    for make in (
        lambda o: torch.optim.lr_scheduler.StepLR(o, 5, 0.5),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    ):
        optimiser = torch.optim.SGD([weight], lr=start)
        scheduler = make(optimiser)
        for _ in range(20):
            optimiser.step()
            scheduler.step()
        torchs.append(optimiser.param_groups[0]["lr"])
    epochs = [i / 2 for i in range(41)]
    return Computed(
        (
            claim("exponential, t = 10, 20", found["exponential"], [0.036788, 0.013534]),
            claim("1/t, t = 10, 20", found["1/t"], [0.05, 0.033333]),
            claim("halved every 5, t = 10, 20", found["halved every 5"], [0.025, 0.00625]),
            claim("times .9, t = 20", found["times .9"][1], 0.012158),
            claim("torch's StepLR, ExponentialLR at 20", torchs, [0.00625, 0.012158]),
        ),
        curves(
            "Learning rates over twenty epochs",
            {name: (epochs, [rate(t) for t in epochs]) for name, rate in schedules.items()},
            x_label="epoch",
            y_label="rate",
        ),
    )


def moving(values: Sequence[float], beta: float) -> list[float]:
    """Exponentially weighted average from zero: v = beta v + (1 - beta) x, after every value."""
    found, v = [], 0.0
    for value in values:
        v = beta * v + (1 - beta) * value
        found.append(v)
    return found


def ewa_window() -> Computed:
    """An average with beta looks back over about 1/(1 - beta) values, after which a value weighs 1/e as much."""
    windows = [1 / (1 - beta) for beta in (0.9, 0.98)]
    weights = [beta ** round(1 / (1 - beta)) for beta in (0.9, 0.98)]
    sums = [moving([1.0] * 10, 0.9)[-1], 1 - 0.9**10]
    return Computed(
        (
            claim("1/(1 - b) for b = .9, .98", windows, [10, 50], says=SAME),
            claim("b^(1/(1 - b))", weights, [0.348678, 0.364170], says="1/e = .367879"),
            claim("sum of 10 coefficients, less 1 - b^10", sums[0] - sums[1], 0.0, tolerance=1e-12),
        )
    )


def ewa_bias() -> Computed:
    """The average starts at zero and is too low at first; dividing by 1 - b^t mends that."""
    values = [10.0, 12, 11, 13, 12]
    raw = moving(values, 0.9)
    corrected = [v / (1 - 0.9**t) for t, v in enumerate(raw, 1)]
    steps = [1, 2, 3, 4, 5]
    return Computed(
        (
            claim("average", raw, [1, 2.1, 2.99, 3.991, 4.7919]),
            claim("corrected", corrected, [10, 11.0526, 11.0332, 11.6051, 11.7015], tolerance=5e-5),
        ),
        curves(
            "Correction frees the average of its start at zero",
            {"values": (steps, values), "average": (steps, raw), "corrected": (steps, corrected)},
            x_label="step",
            y_label="value",
            size=(520, 320),
        ),
    )
