"""Optimizers as frozen values: names, numbers, what they do in a line. Written in JSON they are told by ``name``.

``rate`` is the peak learning rate; a schedule gives each step its share of it. ``weight_decay`` acts on what has more
than one axis, and leaves alone biases, scales and shifts of normalisation, unless ``decay_all``. ``decay`` says how it
acts: ``plain`` adds ``weight_decay * w`` to the gradient (L2), ``decoupled`` takes ``rate * weight_decay * w`` off the
weights before the step, apart from the gradient (Loshchilov & Hutter 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from striate.core.errors import StriateError

Decay = Literal["plain", "decoupled"]


@dataclass(frozen=True)
class _Checked:
    """What all of them refuse: rates that are no numbers above 0, shares outside [0, 1), negative decay."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in ("rate", "other_rate"):
                if not (math.isfinite(value) and value > 0):
                    said = "the learning rate" if each.name == "rate" else each.name
                    raise StriateError(f"{said} is {value}", accepted="a number above 0")
            elif each.name in ("momentum", "second_momentum"):
                if not 0.0 <= value < 1.0:
                    raise StriateError(f"{each.name} is {value}", accepted="a number from 0 to below 1")
            elif each.name in ("history", "iterations"):
                if value < 1:
                    raise StriateError(f"{each.name} is {value}", accepted="a whole number of at least 1")
            elif each.type == "float" and not (math.isfinite(value) and value >= 0):
                raise StriateError(f"{each.name} is {value}", accepted="a number of at least 0")


@dataclass(frozen=True)
class Sgd(_Checked):
    """Stochastic gradient descent, with momentum, with Nesterov's momentum.

    ``form`` is how momentum is written: ``sum``: v = b v + g, w = w - rate v; ``mean``: v = b v + (1 - b) g,
    w = w - rate v (so its rate is 1 / (1 - b) times as large for the same steps); ``inside``: v = b v + rate g,
    w = w - v (differs from ``sum`` where the rate changes). v begins at 0.

    Source: Polyak 1964, equation 9 (momentum); Nesterov's as Sutskever et al. 2013, section 2, where the weights that
    are kept are those looked ahead to: w = w - rate (g + b v).
    """

    rate: float
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    decay_all: bool = False
    name: Literal["sgd"] = "sgd"
    form: Literal["sum", "mean", "inside"] = "sum"
    decay: Decay = "plain"


@dataclass(frozen=True)
class AdamW(_Checked):
    """Adam with bias correction and decoupled weight decay.

    Source: Loshchilov & Hutter 2019, algorithm 2, with the decay multiplied by the rate.
    """

    rate: float
    momentum: float = 0.9
    second_momentum: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.05
    decay_all: bool = False
    name: Literal["adamw"] = "adamw"


@dataclass(frozen=True)
class Adam(_Checked):
    """Moving mean of gradients over the root of that of their squares, both corrected; decay is L2 in the gradient.

    Source: Kingma & Ba 2015, algorithm 1.
    """

    rate: float
    momentum: float = 0.9
    second_momentum: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decay_all: bool = False
    name: Literal["adam"] = "adam"


@dataclass(frozen=True)
class Adagrad(_Checked):
    """The gradient over the root of the sum of all its squares so far.

    Source: Duchi et al. 2011, section 1.1, the diagonal form.
    """

    rate: float
    epsilon: float = 1e-10
    weight_decay: float = 0.0
    decay_all: bool = False
    name: Literal["adagrad"] = "adagrad"
    decay: Decay = "plain"


@dataclass(frozen=True)
class Adadelta(_Checked):
    """The gradient times the root mean square of past steps over that of past gradients; ``momentum`` is the means'.

    Source: Zeiler 2012, algorithm 1. His has no rate; here it multiplies the step, 1 being his.
    """

    rate: float
    momentum: float = 0.95
    epsilon: float = 1e-6
    weight_decay: float = 0.0
    decay_all: bool = False
    name: Literal["adadelta"] = "adadelta"
    decay: Decay = "plain"


@dataclass(frozen=True)
class RmsProp(_Checked):
    """The gradient over the root of the moving mean of its squares, uncorrected; momentum on top where it is above 0.

    Source: Tieleman & Hinton 2012, lecture 6.5; epsilon is added to the root.
    """

    rate: float
    second_momentum: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decay_all: bool = False
    name: Literal["rmsprop"] = "rmsprop"
    decay: Decay = "plain"


@dataclass(frozen=True)
class Lion(_Checked):
    """Steps of the size of the rate in each weight, by the sign of a mean; decoupled decay (see `lion`)."""

    rate: float
    momentum: float = 0.9
    second_momentum: float = 0.99
    weight_decay: float = 0.1
    decay_all: bool = False
    name: Literal["lion"] = "lion"


@dataclass(frozen=True)
class Muon(_Checked):
    """Momentum of hidden matrices made orthogonal, AdamW at ``other_rate`` for the rest (see `muon`).

    A net of one layer has no hidden matrix: all of it is the rest.
    """

    rate: float
    momentum: float = 0.95
    nesterov: bool = True
    iterations: int = 5
    other_rate: float = 1e-3
    weight_decay: float = 0.0
    decay_all: bool = False
    name: Literal["muon"] = "muon"


@dataclass(frozen=True)
class Lbfgs(_Checked):
    """Quasi-Newton steps from the last ``history`` changes of the gradient, several a batch.

    A batch is evaluated again within its step (at most ``iterations`` steps, about 1.25 evaluations each): meant for
    batches of all the data. With ``line_search`` each step fulfils the strong Wolfe conditions; without, it is the
    rate times the direction. Weight decay is part of the loss that it sees. Dropout would draw anew at each evaluation.

    Source: Liu & Nocedal 1989, algorithm 2.1; line search Nocedal & Wright 2006, algorithms 3.5 and 3.6.
    """

    rate: float = 1.0
    history: int = 10
    iterations: int = 20
    line_search: bool = True
    weight_decay: float = 0.0
    decay_all: bool = False
    name: Literal["lbfgs"] = "lbfgs"


Optimizer = Sgd | AdamW | Adam | Adagrad | Adadelta | RmsProp | Lion | Muon | Lbfgs

# what a name alone stands for
SGD = Sgd(0.3, momentum=0.0, nesterov=False)
MOMENTUM = Sgd(0.1, momentum=0.9, nesterov=False)
NESTEROV = Sgd(0.2, momentum=0.9, nesterov=True)
ADAGRAD = Adagrad(0.02)
ADADELTA = Adadelta(1.0)
RMSPROP = RmsProp(1e-3)
ADAM = Adam(3e-3)
ADAMW = AdamW(3e-3)
LION = Lion(5e-4)
MUON = Muon(0.02)
LBFGS = Lbfgs()
