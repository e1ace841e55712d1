"""Planted faults of the model's wiring: outputs, connections, frozen and shared layers, dropout, batch norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


class Then(nn.Module):
    """The plan's model with a function after it."""

    def __init__(self, model: nn.Module, after: object) -> None:
        super().__init__()
        self.model, self.after = model, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.model(x))  # type: ignore[no-any-return,operator]


def then(plan: Plan, after: object) -> None:
    """Puts a function after the plan's model."""
    plan.model = Then(plan.model, after)


def _without_last(plan: Plan) -> None:
    inner = plan.model.model if isinstance(plan.model, Then) else plan.model[0]  # type: ignore[index]
    assert isinstance(inner, nn.Module)
    plan.model = inner


def size(plan: Plan) -> tuple[int, int, int]:
    """Channels, side and classes of a plan."""
    return plan.x.shape[1], plan.x.shape[2], int(plan.y.max()) + 1


@fault("softmax-before-loss", before=True, mend=_without_last)
def softmax_before_loss(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model, nn.Softmax(dim=1))


def _plain_loss(plan: Plan) -> None:
    plan.loss_fn = nn.CrossEntropyLoss()


@fault("softmax-in-loss", "softmax-before-loss", before=True, mend=_plain_loss)
def softmax_in_loss(plan: Plan) -> None:
    plan.loss_fn = lambda output, y: F.cross_entropy(F.softmax(output, 1), y, label_smoothing=0.1)


@fault("sigmoid-before-loss", before=True, mend=_without_last)
def sigmoid_before_loss(plan: Plan) -> None:
    then(plan, torch.sigmoid)


@fault("sigmoid-before-bce", "sigmoid-before-loss", before=True, mend=_without_last)
def sigmoid_before_bce(plan: Plan) -> None:
    classes = size(plan)[2]
    plan.model = nn.Sequential(plan.model, nn.Sigmoid())
    plan.loss_fn = lambda output, y: F.binary_cross_entropy_with_logits(output, F.one_hot(y, classes).float())


@fault("nll-on-scores", "log-missing", before=True, mend=_plain_loss)
def nll_on_scores(plan: Plan) -> None:
    plan.loss_fn = nn.NLLLoss()


def _log_softmax(plan: Plan) -> None:
    _without_last(plan)
    plan.model = nn.Sequential(plan.model, nn.LogSoftmax(1))


@fault("nll-on-probabilities", "log-missing", before=True, mend=_log_softmax)
def nll_on_probabilities(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model, nn.Softmax(1))
    plan.loss_fn = nn.NLLLoss()


@fault("relu-last", "output-clipped", before=True, mend=_without_last)
def relu_last(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model, nn.ReLU())


@fault("tanh-last", "output-clipped", before=True, mend=_without_last)
def tanh_last(plan: Plan) -> None:
    then(plan, torch.tanh)


def _over_the_classes(plan: Plan) -> None:
    assert isinstance(plan.model, nn.Sequential)
    plan.model[-1] = nn.LogSoftmax(dim=1)


@fault("softmax-axis", before=True, mend=_over_the_classes)
def softmax_axis(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model, nn.LogSoftmax(dim=0))
    plan.loss_fn = nn.NLLLoss()


class HandNorm(nn.Module):
    """A normalisation by hand, over the batch whatever the mode."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (x.std(0) + 1e-5)


def _layer_norm(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model[0], nn.LayerNorm(size(plan)[2]))  # type: ignore[index]


@fault("norm-over-batch", "samples-mix", before=True, mend=_layer_norm)
def norm_over_batch(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model, HandNorm())


class Tokens(nn.Module):
    """Patches, attention over them, a mean; ``batch_first`` and how patches become tokens may be got wrong."""

    def __init__(self, plan: Plan, *, batch_first: bool = True, cut: bool = False, width: int = 24) -> None:
        super().__init__()
        channels, side, classes = size(plan)
        self.cut, self.patch = cut, nn.Conv2d(channels, width, 2, stride=2)
        self.place = nn.Parameter(torch.randn(1, (side // 2) ** 2, width) * 0.02)
        self.norm, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=batch_first)
        self.mlp = nn.Sequential(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x)
        count, places = x.shape[1], x.shape[2] * x.shape[3]
        x = x.reshape(len(x), places, count) if self.cut else x.flatten(2).transpose(1, 2)
        x = self.norm(x + self.place)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = x + self.mlp(x)
        return self.head(self.last(x).mean(1))  # type: ignore[no-any-return]


def _tokens(plan: Plan) -> None:
    plan.model = Tokens(plan)


@fault("attention-over-batch", "samples-mix", before=True, mend=_tokens, nets=("mlp",))
def attention_over_batch(plan: Plan) -> None:
    plan.model = Tokens(plan, batch_first=False)


@fault("tokens-by-reshape", "reshape-for-transpose", before=True, mend=_tokens, nets=("mlp",))
def tokens_by_reshape(plan: Plan) -> None:
    plan.model = Tokens(plan, cut=True)


class Listed(nn.Module):
    """Layers in a list."""

    def __init__(self, plan: Plan, *, plain: bool) -> None:
        super().__init__()
        self.plan_layers = list(plan.model) if plain else nn.ModuleList(plan.model)  # type: ignore[arg-type]
        self.head = nn.Linear(size(plan)[2], size(plan)[2])

    def forward(self, x: Tensor) -> Tensor:
        for each in self.plan_layers:
            x = each(x)
        return self.head(F.relu(x))  # type: ignore[no-any-return]


def _module_list(plan: Plan) -> None:
    plan.model.plan_layers = nn.ModuleList(plan.model.plan_layers)  # type: ignore[assignment,arg-type]


@fault("layers-in-list", "layers-unregistered", before=True, mend=_module_list)
def layers_in_list(plan: Plan) -> None:
    plan.model = Listed(plan, plain=True)


class MadeAnew(nn.Module):
    """A layer that is made in forward."""

    def __init__(self, model: nn.Module, classes: int) -> None:
        super().__init__()
        self.model, self.classes = model, classes

    def forward(self, x: Tensor) -> Tensor:
        return nn.Linear(self.classes, self.classes)(F.relu(self.model(x)))  # type: ignore[no-any-return]


@fault("layer-made-in-forward", "layers-unregistered", before=True)
def layer_made_in_forward(plan: Plan) -> None:
    plan.model = MadeAnew(plan.model, size(plan)[2])


class Cut(nn.Module):
    """A trunk and a head with something between."""

    def __init__(self, plan: Plan, between: object, *, grad: bool = True) -> None:
        super().__init__()
        layers = list(plan.model)  # type: ignore[arg-type]
        self.trunk, self.head = nn.Sequential(*layers[:-1]), layers[-1]
        self.between, self.grad = between, grad

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.grad and torch.is_grad_enabled()):
            x = self.trunk(x)
        return self.head(self.between(x))  # type: ignore[no-any-return,operator]


def _uncut(plan: Plan) -> None:
    plan.model.between = nn.Identity()
    plan.model.grad = True  # type: ignore[assignment]


@fault("detached", "output-detached", before=True, mend=_uncut)
def detached(plan: Plan) -> None:
    plan.model = Cut(plan, lambda x: x.detach())


@fault("no-grad-trunk", "output-detached", before=True, mend=_uncut)
def no_grad_trunk(plan: Plan) -> None:
    plan.model = Cut(plan, nn.Identity(), grad=False)


@fault("through-numpy", "output-detached", before=True, mend=_uncut)
def through_numpy(plan: Plan) -> None:
    plan.model = Cut(plan, lambda x: torch.tensor(x.detach().numpy()))


class Skipped(nn.Module):
    """A model with a layer that forward forgets."""

    def __init__(self, plan: Plan, *, used: bool) -> None:
        super().__init__()
        layers, width = list(plan.model), 64  # type: ignore[arg-type]
        self.trunk, self.head = nn.Sequential(*layers[:-1]), layers[-1]
        self.extra, self.used = nn.Linear(width, width), used

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk(x)
        return self.head(F.relu(self.extra(x)) if self.used else x)  # type: ignore[no-any-return]


def _use(plan: Plan) -> None:
    plan.model.used = True  # type: ignore[assignment]


@fault("layer-forgotten", "parameters-unused", before=True, mend=_use)
def layer_forgotten(plan: Plan) -> None:
    plan.model = Skipped(plan, used=False)


def _thaw(plan: Plan) -> None:
    plan.model.requires_grad_(True)


@fault("head-frozen", "frozen", before=True, mend=_thaw)
def head_frozen(plan: Plan) -> None:
    plan.model[-1].requires_grad_(False)  # type: ignore[index,union-attr,operator]


@fault("random-trunk-frozen", "frozen", before=True, mend=_thaw)
def random_trunk_frozen(plan: Plan) -> None:
    for each in list(plan.model)[:-1]:  # type: ignore[arg-type]
        each.requires_grad_(False)


def _copies(plan: Plan) -> None:
    block = [nn.Linear(64, 64), nn.ReLU()]
    _repeated(plan, [nn.Sequential(*block), nn.Sequential(nn.Linear(64, 64), nn.ReLU())])


def _repeated(plan: Plan, blocks: list[nn.Module]) -> None:
    layers = [each for each in plan.model if not getattr(each, "planted", False)]  # type: ignore[union-attr]
    for each in blocks:
        each.planted = True  # type: ignore[assignment]
    plan.model = nn.Sequential(*layers[:-1], *blocks, layers[-1])


@fault("same-block-thrice", "shared-by-accident", before=True, mend=_copies)
def same_block_thrice(plan: Plan) -> None:
    _repeated(plan, [nn.Sequential(nn.Linear(64, 64), nn.ReLU())] * 3)


class OneNorm(nn.Module):
    """Two convolutions that share a batch norm."""

    def __init__(self, plan: Plan, *, shared: bool) -> None:
        super().__init__()
        channels, side, classes = size(plan)
        self.one, self.two = nn.Conv2d(channels, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.bn2 = self.bn if shared else nn.BatchNorm2d(16)
        self.head = nn.Linear(16 * (side // 4) ** 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn(self.one(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.two(x))), 2)
        return self.head(x.flatten(1))  # type: ignore[no-any-return]


def _two_norms(plan: Plan) -> None:
    plan.model.bn2 = nn.BatchNorm2d(16)


@fault("one-batchnorm-twice", "shared-by-accident", before=True, mend=_two_norms, nets=("cnn",))
def one_batchnorm_twice(plan: Plan) -> None:
    plan.model = OneNorm(plan, shared=True)


@fault("activations-missing", "activation-missing", before=True)
def activations_missing(plan: Plan) -> None:
    plan.model = nn.Sequential(*[each for each in plan.model if not isinstance(each, nn.ReLU | nn.MaxPool2d)])  # type: ignore[union-attr]
    if any(isinstance(each, nn.Conv2d) for each in plan.model):
        channels, side, classes = size(plan)
        plan.model = nn.Sequential(
            nn.Conv2d(channels, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.Conv2d(12, 24, 3, 2, 1), nn.Flatten(),
            nn.Linear(24 * ((side + 3) // 4) ** 2, classes),
        )  # fmt: skip


@fault("one-activation-missing", "activation-missing", before=True)
def one_activation_missing(plan: Plan) -> None:
    layers = list(plan.model)  # type: ignore[arg-type]
    last = max(at for at, each in enumerate(layers) if isinstance(each, nn.ReLU))
    plan.model = nn.Sequential(*[each for at, each in enumerate(layers) if at != last])


def _less_dropout(plan: Plan) -> None:
    for each in plan.model.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.1


@fault("dropout-high", before=True, mend=_less_dropout)
def dropout_high(plan: Plan) -> None:
    layers = list(plan.model)  # type: ignore[arg-type]
    plan.model = nn.Sequential(*layers[:-1], nn.Dropout(0.9), layers[-1])


@fault("dropout-last", before=True, mend=_without_last)
def dropout_last(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model, nn.Dropout(0.5))


@fault("functional-dropout", "dropout-always-on", before=True)
def functional_dropout(plan: Plan) -> None:
    layers = list(plan.model)  # type: ignore[arg-type]
    plan.model = nn.Sequential(Then(nn.Sequential(*layers[:-1]), lambda x: F.dropout(x, 0.5)), layers[-1])


@fault("head-of-imagenet", "output-width", before=True)
def head_of_imagenet(plan: Plan) -> None:
    plan.model[-1] = nn.Linear(64, 1000)  # type: ignore[index,operator]


def _larger_batch(plan: Plan) -> None:
    plan.batch = 32


@fault("batchnorm-of-two", "batchnorm-small-batch", before=True, nets=("cnn",), mend=_larger_batch)
def batchnorm_of_two(plan: Plan) -> None:
    plan.x, plan.y, plan.batch, plan.epochs = plan.x[:300], plan.y[:300], 2, 1


def _momentum(plan: Plan, value: float) -> None:
    for each in plan.model.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.momentum = value


@fault("batchnorm-momentum-zero", "batchnorm-momentum", before=True, nets=("cnn",), mend=lambda p: _momentum(p, 0.1))
def batchnorm_momentum_zero(plan: Plan) -> None:
    _momentum(plan, 0.0)


@fault("batchnorm-momentum-keras", "batchnorm-momentum", before=True, nets=("cnn",), mend=lambda p: _momentum(p, 0.01))
def batchnorm_momentum_keras(plan: Plan) -> None:
    _momentum(plan, 0.99)


class AlwaysEval(nn.BatchNorm2d):
    """A batch norm that does not listen to train()."""

    def train(self, mode: bool = True) -> AlwaysEval:
        return super().train(False)


def _swap_norms(plan: Plan, make: object) -> None:
    layers = [make(each.num_features) if isinstance(each, nn.BatchNorm2d) else each for each in plan.model]  # type: ignore[union-attr,operator]
    plan.model = nn.Sequential(*layers)


@fault("batchnorm-never-trains", "batchnorm-frozen", before=True, nets=("cnn",),
       mend=lambda p: _swap_norms(p, nn.BatchNorm2d))  # fmt: skip
def batchnorm_never_trains(plan: Plan) -> None:
    _swap_norms(plan, lambda width: AlwaysEval(width).train())


@fault("batchnorm-untracked", "batchnorm-frozen", before=True, nets=("cnn",),
       mend=lambda p: _swap_norms(p, nn.BatchNorm2d))  # fmt: skip
def batchnorm_untracked(plan: Plan) -> None:
    _swap_norms(plan, lambda width: nn.BatchNorm2d(width, track_running_stats=False))


@fault("field-small", before=True, nets=("cnn",), data=("FashionMNIST",))
def field_small(plan: Plan) -> None:
    channels, _, classes = size(plan)
    plan.model = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes),
    )  # fmt: skip
