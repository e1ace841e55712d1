"""What training knows by name: recipes, optimizers, schedules, losses, regularisers and averages; none of it loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from torch import Tensor

    from .optimizers.specs import Optimizer
    from .recipe import Recipe

RECIPES: Registry[Recipe] = Registry(
    "recipe",
    {
        "quick": Entry(
            "striate.training.recipes:QUICK",
            "a small net on small images in about a minute: Muon, one cycle, label smoothing, mirrored images",
            ("jordan2024muon", "loshchilov2019decoupled", "smith2018super", "szegedy2016rethinking"),
        ),
        "thorough": Entry(
            "striate.training.recipes:THOROUGH",
            "as quick, nearly three times the images",
            ("jordan2024muon", "loshchilov2019decoupled", "smith2018super", "szegedy2016rethinking"),
        ),
        "digits": Entry(
            "striate.training.recipes:DIGITS",
            "digits and letters, which a mirror makes others: as quick with half the images, shifted by a pixel",
            ("jordan2024muon", "loshchilov2019decoupled", "smith2018super", "szegedy2016rethinking"),
        ),
        "momentum": Entry(
            "striate.training.recipes:MOMENTUM",
            "what most papers train by: Nesterov's momentum, one cycle, label smoothing, mirrored images",
            ("smith2018super", "sutskever2013importance", "szegedy2016rethinking"),
        ),
        "linear": Entry(
            "striate.training.recipes:LINEAR",
            "softmax regression, and nets without hidden layers: SGD at a falling rate, no random changes",
            ("robbins1951stochastic", "smith2018super"),
        ),
        "adam": Entry(
            "striate.training.recipes:ADAM",
            "where no rate is known: AdamW, cosine with warm-up, clipped gradients",
            ("loshchilov2019decoupled", "loshchilov2017sgdr", "pascanu2013difficulty"),
        ),
        "finetune": Entry(
            "striate.training.recipes:FINETUNE",
            "a net that has weights already: SGD at a hundredth of the usual rate, cosine with warm-up",
            ("sutskever2013importance", "loshchilov2017sgdr"),
        ),
        "robust": Entry(
            "striate.training.recipes:ROBUST",
            "against attacks (--harden): as quick, with six times the images",
            ("smith2018super", "szegedy2016rethinking"),
        ),
        "certified": Entry(
            "striate.training.recipes:CERTIFIED",
            "against interval bounds (--harden ibp): AdamW without decay, one cycle, images as they are",
            ("loshchilov2019decoupled", "smith2018super"),
        ),
        "style": Entry(
            "striate.training.recipes:STYLE",
            "a painter in one style (task style): AdamW without decay, one cycle, batches of 4, mirrored and shifted",
            ("loshchilov2019decoupled", "smith2018super"),
        ),
        "decode": Entry(
            "striate.training.recipes:DECODE",
            "a decoder of a layer's code (task decode): AdamW without decay, one cycle, batches of 32",
            ("loshchilov2019decoupled", "smith2018super"),
        ),
    },
    hint="striate methods lists them; FILE.py:function, FILE.json and a run folder will do too",
)

_SPECS = "striate.training.optimizers.specs"
OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    {
        "sgd": Entry(f"{_SPECS}:SGD", "w - rate g: gradient descent, no momentum", ("robbins1951stochastic",)),
        "momentum": Entry(
            f"{_SPECS}:MOMENTUM", "v = b v + g, w - rate v; +form=mean with (1 - b) g, +form=inside with rate g",
            ("polyak1964some",),
        ),
        "nesterov": Entry(
            f"{_SPECS}:NESTEROV", "momentum that looks ahead: w - rate (g + b v)",
            ("sutskever2013importance", "nesterov1983method"),
        ),
        "adagrad": Entry(f"{_SPECS}:ADAGRAD", "g over the root of the sum of g^2", ("duchi2011adaptive",)),
        "adadelta": Entry(
            f"{_SPECS}:ADADELTA", "g times the root mean square of past steps over that of past gradients",
            ("zeiler2012adadelta",),
        ),
        "rmsprop": Entry(f"{_SPECS}:RMSPROP", "g over the root of the moving mean of g^2", ("tieleman2012rmsprop",)),
        "adam": Entry(
            f"{_SPECS}:ADAM", "mean of g over root of mean of g^2, both corrected; decay as L2", ("kingma2015adam",)
        ),
        "adamw": Entry(f"{_SPECS}:ADAMW", "Adam with decoupled decay", ("loshchilov2019decoupled",)),
        "lion": Entry(f"{_SPECS}:LION", "rate times the sign of a mean of g; decoupled decay", ("chen2023symbolic",)),
        "muon": Entry(
            f"{_SPECS}:MUON", "momentum of hidden matrices made orthogonal; AdamW for the rest", ("jordan2024muon",)
        ),
        "lbfgs": Entry(
            f"{_SPECS}:LBFGS", "quasi-Newton, several evaluations a batch: for batches of all the data",
            ("liu1989limited", "nocedal2006numerical"),
        ),
    },
)  # fmt: skip

_SHAPES = "striate.training.schedules"
SCHEDULES: Registry[Callable[..., float]] = Registry(
    "schedule",
    {
        "constant": Entry(f"{_SHAPES}:constant", "1", ("robbins1951stochastic",)),
        "step": Entry(f"{_SHAPES}:step_decay", "times factor after every share of the run", ("he2016deep",)),
        "exponential": Entry(f"{_SHAPES}:exponential", "end^past", ()),
        "inverse_time": Entry(f"{_SHAPES}:inverse_time", "1 / (1 + k t)", ("robbins1951stochastic",)),
        "polynomial": Entry(f"{_SHAPES}:polynomial", "end + (1 - end) (1 - past)^power", ()),
        "cosine": Entry(f"{_SHAPES}:cosine", "half a cosine", ("loshchilov2017sgdr", "goyal2017accurate")),
        "cosine_restarts": Entry(f"{_SHAPES}:cosine_restarts", "several half cosines", ("loshchilov2017sgdr",)),
        "one_cycle": Entry(f"{_SHAPES}:one_cycle", "up in a line, down in a line", ("smith2018super",)),
        "plateau": Entry(f"{_SHAPES}:plateau", "times factor when dev gets no better", ("krizhevsky2012imagenet",)),
    },
)  # fmt: skip

_LOSSES = "striate.training.losses"
LOSSES: Registry[Callable[..., Tensor]] = Registry(
    "loss",
    {
        "cross_entropy": Entry(f"{_LOSSES}:cross_entropy", "-log p of the label", ("szegedy2016rethinking",)),
        "hinge": Entry(f"{_LOSSES}:hinge", "sum of max(0, 1 + s_j - s_y) over wrong j", ("weston1999support",)),
        "squared_hinge": Entry(
            f"{_LOSSES}:squared_hinge", "the same, each term squared", ("weston1999support", "tang2013deep")
        ),
        "squared_error": Entry(f"{_LOSSES}:squared_error", "sum of (s_k - p_k)^2, p one-hot", ("hui2021evaluation",)),
        "focal": Entry(f"{_LOSSES}:focal", "-alpha (1 - p)^gamma log p", ("lin2017focal",)),
    },
)  # fmt: skip

_AVERAGES = "striate.training.averages"
AVERAGES: Registry[object] = Registry(
    "average",
    {
        "ema": Entry(
            f"{_AVERAGES}:Ema", "moving mean of the weights over steps, free of its start (--ema)",
            ("polyak1992acceleration",),
        ),
        "swa": Entry(
            f"{_AVERAGES}:Swa", "plain mean of the weights at the ends of the last epochs (--swa)",
            ("izmailov2018averaging",),
        ),
    },
)  # fmt: skip
