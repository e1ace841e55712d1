"""Healthy set-ups: nets of every family that is common for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from doctor.gallery.plan import Plan
from doctor.gallery.varied import Vary, healthy


def _size(plan: Plan) -> tuple[int, int, int]:
    """Channels, side, classes."""
    return plan.x.shape[1], plan.x.shape[2], int(plan.y.max()) + 1


def _adam(plan: Plan, rate: float, epochs: int = 4) -> None:
    plan.epochs = epochs
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=rate)]


@healthy("softmax regression", digits=0.8, FashionMNIST=0.6)
def softmax_regression(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    plan.model = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, classes))
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)]


def _mlp_of(made: type[nn.Module], depth: int, rate: float, epochs: int, norm: bool = False) -> Vary:
    def vary(plan: Plan) -> None:
        channels, side, classes = _size(plan)
        layers: list[nn.Module] = [nn.Flatten()]
        width = channels * side * side
        for _ in range(depth):
            layers += [nn.Linear(width, 64), *([nn.LayerNorm(64)] if norm else []), made()]
            width = 64
        plan.model = nn.Sequential(*layers, nn.Linear(width, classes))
        _adam(plan, rate, epochs)

    return vary


tanh = healthy("tanh", digits=0.8, FashionMNIST=0.6)(_mlp_of(nn.Tanh, 2, 0.002, 4))
sigmoid = healthy("sigmoid", digits=0.75, FashionMNIST=0.55)(_mlp_of(nn.Sigmoid, 1, 0.01, 6))
gelu = healthy("gelu", digits=0.8)(_mlp_of(nn.GELU, 2, 0.002, 4))
leaky = healthy("leaky relu", digits=0.8)(_mlp_of(nn.LeakyReLU, 2, 0.002, 4))
elu = healthy("elu", digits=0.8)(_mlp_of(nn.ELU, 2, 0.002, 4))
deep = healthy("five layers with LayerNorm", digits=0.8)(_mlp_of(nn.ReLU, 5, 0.003, 5, norm=True))
shallow = healthy("one hidden layer", digits=0.8)(_mlp_of(nn.ReLU, 1, 0.003, 5))


@healthy("wide layer of 512", digits=0.8)
def wide(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    plan.model = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 512), nn.ReLU(), nn.Linear(512, classes))
    _adam(plan, 0.001)


@healthy("cnn without BatchNorm", digits=0.8, FashionMNIST=0.55, CIFAR10=0.22)
def plain_cnn(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    plan.model = nn.Sequential(
        nn.Conv2d(channels, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24 * (side // 4) ** 2, classes),
    )  # fmt: skip
    _adam(plan, 0.004, 5)


@healthy("LeNet", digits=0.75, FashionMNIST=0.5)
def lenet(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    left = ((side - 2) // 2 - 2) // 2
    plan.model = nn.Sequential(
        nn.Conv2d(channels, 6, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16 * left * left, 60), nn.Tanh(), nn.Linear(60, 42), nn.Tanh(), nn.Linear(42, classes),
    )  # fmt: skip
    _adam(plan, 0.004, 6)


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int, norm: type[nn.Module] | None) -> None:
        super().__init__()

        def normed() -> nn.Module:
            return nn.BatchNorm2d(width) if norm is None else norm(4, width)

        self.branch = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), normed(), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), normed(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branch(x))


def residual_net(channels: int, classes: int, *, width: int = 16, norm: type[nn.Module] | None = None) -> nn.Module:
    """A stem at half the side, two residual blocks, a mean over places, one linear layer."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width) if norm is None else norm(4, width),
        nn.ReLU(), Residual(width, norm), nn.MaxPool2d(2), Residual(width, norm),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes),
    )  # fmt: skip


@healthy("ResNet", "cnn", digits=0.75, FashionMNIST=0.55, CIFAR10=0.22, shapes=0.25)
def resnet(plan: Plan) -> None:
    channels, _, classes = _size(plan)
    plan.model = residual_net(channels, classes)
    _adam(plan, 0.005, 12 if plan.x.shape[1:] == (3, 16, 16) else 5)


@healthy("ResNet with GroupNorm", "cnn", digits=0.75, FashionMNIST=0.5)
def group_norm(plan: Plan) -> None:
    channels, _, classes = _size(plan)
    plan.model = residual_net(channels, classes, norm=nn.GroupNorm)
    _adam(plan, 0.005, 6)


@healthy("depthwise and pointwise", "cnn", digits=0.75, FashionMNIST=0.5)
def separable(plan: Plan) -> None:
    channels, side, classes = _size(plan)

    def block(come: int, go: int) -> list[nn.Module]:
        return [
            nn.Conv2d(come, come, 3, padding=1, groups=come, bias=False), nn.BatchNorm2d(come), nn.ReLU6(),
            nn.Conv2d(come, go, 1, bias=False), nn.BatchNorm2d(go), nn.ReLU6(),
        ]  # fmt: skip

    plan.model = nn.Sequential(
        nn.Conv2d(channels, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
        *block(16, 24), nn.MaxPool2d(2), *block(24, 32), nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, classes),
    )  # fmt: skip
    _adam(plan, 0.005, 5)


class Transformer(nn.Module):
    """Sixteen patches of four by four as tokens, a class token, positions, two blocks of attention."""

    def __init__(self, channels: int, side: int, classes: int, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, width, 4, (side - 4) // 3)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, 17, width))
        self.blocks = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True),
            2, enable_nested_tensor=False,
        )  # fmt: skip
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.token.expand(len(x), -1, -1), tokens), 1) + self.places
        return self.head(self.norm(self.blocks(tokens)[:, 0]))  # type: ignore[no-any-return]


@healthy("vision transformer", "cnn", digits=0.7, CIFAR10=0.2)
def transformer(plan: Plan) -> None:
    plan.model = Transformer(*_size(plan))
    _adam(plan, 0.003, 8 if plan.x.shape[1] == 1 else 5)


class Mixer(nn.Module):
    """Tokens mixed among each other by a linear layer over places, then each by itself."""

    def __init__(self, channels: int, side: int, classes: int, width: int = 32) -> None:
        super().__init__()
        places = (side // 2) ** 2
        self.embed = nn.Conv2d(channels, width, 2, 2)
        self.across = nn.Sequential(nn.LayerNorm(places), nn.Linear(places, 64), nn.GELU(), nn.Linear(64, places))
        self.within = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2)
        x = x + self.across(x)
        x = x.transpose(1, 2)
        return self.head((x + self.within(x)).mean(1))  # type: ignore[no-any-return]


@healthy("mixer", "cnn", digits=0.75)
def mixer(plan: Plan) -> None:
    plan.model = Mixer(*_size(plan))
    _adam(plan, 0.004, 6)


class Rows(nn.Module):
    """A recurrent net that reads an image row by row."""

    def __init__(self, made: type[nn.GRU] | type[nn.LSTM], channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.net, self.head = made(channels * side, 48, batch_first=True), nn.Linear(48, classes)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(1, 2).flatten(2)
        return self.head(self.net(rows)[0][:, -1])  # type: ignore[no-any-return]


@healthy("GRU over rows", "cnn", digits=0.7, FashionMNIST=0.5)
def gru(plan: Plan) -> None:
    plan.model = Rows(nn.GRU, *_size(plan))
    _adam(plan, 0.006, 6)


@healthy("LSTM over rows", "cnn", digits=0.7)
def lstm(plan: Plan) -> None:
    plan.model = Rows(nn.LSTM, *_size(plan))
    _adam(plan, 0.008, 7)


@healthy("weight norm and squeeze-excitation", "cnn", digits=0.8)
def excited(plan: Plan) -> None:
    channels, side, classes = _size(plan)

    class Excite(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Sequential(nn.Linear(16, 4), nn.SiLU(), nn.Linear(4, 16), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            return x * self.gate(x.mean((2, 3)))[:, :, None, None]  # type: ignore[no-any-return]

    plan.model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(channels, 16, 3, padding=1)), nn.SiLU(), Excite(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * (side // 2) ** 2, classes),
    )  # fmt: skip
    _adam(plan, 0.004, 5)


@healthy("InstanceNorm and PReLU", "cnn", digits=0.8)
def instance_norm(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    plan.model = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.InstanceNorm2d(16, affine=True), nn.PReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.PReLU(), nn.Flatten(), nn.Linear(16 * (side // 2) ** 2, classes),
    )  # fmt: skip
    _adam(plan, 0.003)
