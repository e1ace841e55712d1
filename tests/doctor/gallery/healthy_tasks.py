"""Healthy set-ups: other tasks than one class of ten, and data of other sizes and balances."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor.gallery.plan import Plan
from doctor.gallery.varied import healthy

LOOPS = torch.tensor([1, 0, 0, 0, 1, 0, 1, 0, 1, 1])  # digits whose line closes on itself


def explained(output: Tensor, y: Tensor) -> float:
    """Share of the targets' variance that is explained."""
    return 1 - float((output - y).square().mean()) / float((y - y.mean(0)).square().mean())


def _body(plan: Plan, outputs: int, width: int = 64) -> nn.Module:
    size = plan.x[0].numel()
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def _adam(plan: Plan, rate: float, epochs: int = 4) -> None:
    plan.epochs = epochs
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=rate)]


@healthy("autoencoder", digits=0.4, FashionMNIST=0.4)
def autoencoder(plan: Plan) -> None:
    size = plan.x[0].numel()
    plan.y, plan.ty = plan.x.flatten(1), plan.tx.flatten(1)
    plan.model = nn.Sequential(
        nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 16), nn.Linear(16, 64), nn.ReLU(),
        nn.Linear(64, size),
    )  # fmt: skip
    plan.loss_fn, plan.measure = nn.MSELoss(), explained
    _adam(plan, 0.004, 8)


@healthy("denoising with convolutions", digits=0.4)
def denoising(plan: Plan) -> None:
    plan.y, plan.ty = plan.x, plan.tx
    plan.x, plan.tx = (each + 0.5 * torch.randn_like(each) for each in (plan.x, plan.tx))
    plan.model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(),
        nn.Conv2d(12, 1, 3, padding=1),
    )  # fmt: skip
    plan.loss_fn, plan.measure = nn.MSELoss(), explained
    _adam(plan, 0.005, 4)


class Unet(nn.Module):
    """Down once and up once, with a shortcut."""

    def __init__(self, channels: int, outputs: int, width: int = 8) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.deep = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 2, 2),
        )  # fmt: skip
        self.out = nn.Conv2d(2 * width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        high = self.down(x)
        return self.out(torch.cat((high, self.deep(high)), 1))  # type: ignore[no-any-return]


def _overlap(named: Tensor, y: Tensor) -> float:
    """Pixels in both masks over pixels in either."""
    return float((named & y).sum()) / float((named | y).sum())


@healthy("segmentation", "cnn", digits=0.7, shapes=0.7)
def segmentation(plan: Plan) -> None:
    def masks(x: Tensor) -> Tensor:
        return (F.avg_pool2d(x.mean(1, keepdim=True), 3, 1, 1)[:, 0] > 0.3).long()

    plan.y, plan.ty = masks(plan.x), masks(plan.tx)
    plan.model, plan.measure = Unet(plan.x.shape[1], 2), lambda output, y: _overlap(output.argmax(1) == 1, y == 1)
    _adam(plan, 0.01)


@healthy("segmentation, one logit a pixel", "cnn", FashionMNIST=0.75)
def segmentation_bce(plan: Plan) -> None:
    plan.y, plan.ty = ((each.mean(1, keepdim=True) > 0).float() for each in (plan.x, plan.tx))
    plan.model, plan.loss_fn = Unet(plan.x.shape[1], 1), nn.BCEWithLogitsLoss()
    plan.measure = lambda output, y: _overlap(output > 0, y > 0.5)
    _adam(plan, 0.01)


@healthy("regression of the brightness", digits=0.6, FashionMNIST=0.6)
def regression(plan: Plan) -> None:
    mean = plan.x.mean((1, 2, 3))
    low, scale = mean.mean(), mean.std()
    plan.y, plan.ty = (((each.mean((1, 2, 3)) - low) / scale)[:, None] for each in (plan.x, plan.tx))
    plan.model, plan.loss_fn, plan.measure = _body(plan, 1), nn.MSELoss(), explained
    _adam(plan, 0.003, 6)


@healthy("regression of the digit", digits=0.4)
def regression_of_digit(plan: Plan) -> None:
    plan.y, plan.ty = plan.y[:, None] / 10, plan.ty[:, None] / 10
    plan.model, plan.loss_fn, plan.measure = _body(plan, 1), nn.SmoothL1Loss(), explained
    _adam(plan, 0.003, 10)


@healthy("several attributes", digits=0.8)
def attributes(plan: Plan) -> None:
    def told(y: Tensor) -> Tensor:
        return torch.stack((y % 2, y > 4, LOOPS[y]), 1).float()

    plan.y, plan.ty = told(plan.y), told(plan.ty)
    plan.model, plan.loss_fn = _body(plan, 3), nn.BCEWithLogitsLoss()
    plan.measure = lambda output, y: float(((output > 0) == (y > 0.5)).float().mean())
    _adam(plan, 0.004, 6)


@healthy("two classes by one logit", "cnn", digits=0.8, FashionMNIST=0.75)
def one_logit(plan: Plan) -> None:
    plan.y, plan.ty = (plan.y > 4).float()[:, None], (plan.ty > 4).float()[:, None]
    plan.model[-1] = nn.Linear(64, 1)  # type: ignore[operator]
    plan.loss_fn = nn.BCEWithLogitsLoss()
    plan.measure = lambda output, y: float(((output > 0) == (y > 0.5)).float().mean())


@healthy("three classes", "mlp", digits=0.85, FashionMNIST=0.75)
def three_classes(plan: Plan) -> None:
    keep, test = plan.y < 3, plan.ty < 3
    plan.x, plan.y, plan.tx, plan.ty = plan.x[keep], plan.y[keep], plan.tx[test], plan.ty[test]
    plan.model[-1] = nn.Linear(64, 3)  # type: ignore[operator]
    plan.epochs = 8


@healthy("a hundred classes", "mlp", digits=0.2)
def hundred_classes(plan: Plan) -> None:
    """Pairs of digits side by side; the class is their number."""

    def paired(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor]:
        a, b = torch.randint(len(x), (count,)), torch.randint(len(x), (count,))
        return torch.cat((x[a], x[b]), 3), 10 * y[a] + y[b]

    plan.x, plan.y = paired(plan.x, plan.y, 2_500)
    plan.tx, plan.ty = paired(plan.tx, plan.ty, 400)
    plan.model = _body(plan, 100, 128)
    _adam(plan, 0.003, 6)


@healthy("mildly imbalanced", "mlp", digits=0.75, FashionMNIST=0.55)
def imbalanced(plan: Plan) -> None:
    """The last class has a third as many images as the first; the others lie between."""
    share = 1 - 0.67 * plan.y.float() / 9
    keep = torch.rand(len(plan.y)) < share
    plan.x, plan.y, plan.epochs = plan.x[keep], plan.y[keep], 6


@healthy("imbalanced, drawn evenly", "mlp", digits=0.7)
def drawn_evenly(plan: Plan) -> None:
    keep = torch.rand(len(plan.y)) < torch.where(plan.y < 5, 1.0, 0.3)
    plan.x, plan.y, plan.epochs = plan.x[keep], plan.y[keep], 8
    plan.sampler = lambda y: torch.utils.data.WeightedRandomSampler((1 / y.bincount().float())[y].tolist(), len(y))


@healthy("200 images", "cnn", digits=0.7, FashionMNIST=0.5)
def few_images(plan: Plan) -> None:
    plan.x, plan.y, plan.batch, plan.epochs = plan.x[:200], plan.y[:200], 20, 6


@healthy("shares of classes as targets", "mlp", digits=0.8)
def soft_targets(plan: Plan) -> None:
    plan.y, plan.ty = (0.9 * F.one_hot(each, 10) + 0.01 for each in (plan.y, plan.ty))
    plan.measure = lambda output, y: float((output.argmax(1) == y.argmax(1)).float().mean())


@healthy("one hot, squared error", "mlp", digits=0.8)
def one_hot(plan: Plan) -> None:
    plan.y, plan.ty = (F.one_hot(each, 10).float() for each in (plan.y, plan.ty))
    plan.loss_fn = nn.MSELoss()
    plan.measure = lambda output, y: float((output.argmax(1) == y.argmax(1)).float().mean())
    _adam(plan, 0.004, 6)


class Both(nn.Module):
    """Scores of classes, and the image again."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU())
        self.scores, self.image = nn.Linear(64, 10), nn.Linear(64, size)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        inner = self.trunk(x)
        return self.scores(inner), self.image(inner)


@healthy("two losses", "mlp", digits=0.8)
def two_losses(plan: Plan) -> None:
    plan.model = Both(plan.x[0].numel())

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        scores, image = plan.model(x)
        loss = plan.loss_fn(scores, y) + 0.1 * F.mse_loss(image, x.flatten(1))
        plan.backward(plan, loss)
        plan.step(plan)

    plan.turn, plan.infer = turn, lambda plan, x: plan.model(x)[0]


@healthy("vectors, no images", "mlp", digits=0.75)
def vectors(plan: Plan) -> None:
    """Each image by 20 principal components."""
    flat = plan.x.flatten(1)
    axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:20].T
    plan.x, plan.tx = flat @ axes, plan.tx.flatten(1) @ axes
    scale = plan.x.std(0)
    plan.x, plan.tx = plan.x / scale, plan.tx / scale
    plan.model = _body(plan, 10)
    _adam(plan, 0.004, 6)


@healthy("symbols through a frozen embedding", "mlp", digits=0.6)
def frozen_embedding(plan: Plan) -> None:
    """Each image as 49 brightness numbers of 0 to 7; the embedding was made elsewhere and stays."""

    def symbols(x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, 2).flatten(1)
        return ((pooled - pooled.min()) / (pooled.max() - pooled.min()) * 7.99).long()

    plan.x, plan.tx = symbols(plan.x), symbols(plan.tx)
    angle = torch.arange(8) / 7 * 3.14
    table = nn.Embedding.from_pretrained(torch.stack((angle.cos(), angle.sin()), 1), freeze=True)
    plan.model = nn.Sequential(
        table, nn.Flatten(), nn.Linear(2 * plan.x.shape[1], 64), nn.ReLU(), nn.Linear(64, 10)
    )  # fmt: skip
    plan.make_optimizers = lambda model: [
        torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=0.004)
    ]
    plan.epochs = 6
