"""Healthy set-ups that resemble a fault: two backwards a step, losses below zero, gradients skipped, weights tied."""

from __future__ import annotations

from math import cos, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor.gallery.healthy_loops import trained
from doctor.gallery.healthy_nets import Residual, Transformer, residual_net
from doctor.gallery.healthy_tasks import explained
from doctor.gallery.plan import Plan
from doctor.gallery.varied import healthy

schedules = torch.optim.lr_scheduler


def _adam(plan: Plan, rate: float, epochs: int = 4) -> None:
    plan.epochs = epochs
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=rate)]


def _size(plan: Plan) -> tuple[int, int, int]:
    return plan.x.shape[1], plan.x.shape[2], int(plan.y.max()) + 1


def _scaled(plan: Plan, low: float, high: float) -> None:
    """Pixels brought to lie between two numbers."""
    least, most = plan.x.min(), plan.x.max()
    plan.x, plan.tx = (low + (high - low) * (each - least) / (most - least) for each in (plan.x, plan.tx))
    plan.tx = plan.tx.clamp(low, high)


# loops


@healthy("float16, scaler begins too high", "mlp", digits=0.8)
def scaler_too_high(plan: Plan) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**22)

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        with torch.autocast("cpu", torch.float16):
            loss = plan.loss_fn(plan.model(x), y)
        scaler.scale(loss).backward()
        scaler.step(plan.optimizers[0])
        scaler.update()

    plan.turn, plan.epochs = turn, 6


@healthy("a backward for each of two losses", "mlp", digits=0.8)
def two_backwards(plan: Plan) -> None:
    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        plan.backward(plan, plan.loss_fn(plan.model(x), y))
        clean = plan.model(x + 0.05 * torch.randn_like(x)).log_softmax(1)
        plan.backward(plan, 0.1 * F.kl_div(clean, plan.model(x).softmax(1).detach(), reduction="batchmean"))
        plan.step(plan)

    plan.turn = turn


@healthy("sharpness-aware", "mlp", digits=0.8)
def sharpness_aware(plan: Plan) -> None:
    """Foret et al. 2021: a step uphill, the gradient there, back, and a step along it."""

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        plan.backward(plan, plan.loss_fn(plan.model(x), y))
        weights = [each for each in plan.model.parameters() if each.grad is not None]
        norm = torch.stack([each.grad.norm() for each in weights]).norm()
        with torch.no_grad():
            moves = [0.05 * each.grad / norm for each in weights]
            torch._foreach_add_(weights, moves)
        plan.clear(plan)
        plan.backward(plan, plan.loss_fn(plan.model(x), y))
        with torch.no_grad():
            torch._foreach_sub_(weights, moves)
        plan.step(plan)

    plan.turn, plan.epochs = turn, 6
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)]


@healthy("transformer's recipe", "cnn", digits=0.6)
def transformer_recipe(plan: Plan) -> None:
    """AdamW with betas of .9 and .95, decay of .1, warm-up and cosine, the gradient's norm clipped to 1."""
    plan.model = Transformer(*_size(plan))
    plan.make_optimizers = lambda model: [
        torch.optim.AdamW(model.parameters(), lr=0.004, betas=(0.9, 0.95), weight_decay=0.1)
    ]
    plan.make_scheduler = lambda each, steps: schedules.LambdaLR(
        each, lambda step: min((step + 1) / 10, 0.5 + 0.5 * cos(pi * step / steps))
    )
    plan.before_step = lambda plan: nn.utils.clip_grad_norm_(plan.model.parameters(), 1.0) and None
    plan.epochs = 8


@healthy("cosine with restarts", "mlp", digits=0.8)
def restarts(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)]
    plan.make_scheduler = lambda each, steps: schedules.CosineAnnealingWarmRestarts(each, max(1, steps // 3))
    plan.epochs = 6


@healthy("rates that go up and down", "mlp", digits=0.8)
def cyclic(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)]
    plan.make_scheduler = lambda each, steps: schedules.CyclicLR(each, 0.01, 0.1, step_size_up=10)
    plan.epochs = 5


@healthy("weights averaged from the third epoch", "mlp", digits=0.8)
def averaged_late(plan: Plan) -> None:
    plan.average, plan.epochs = torch.optim.swa_utils.AveragedModel(plan.model), 6

    def update(plan: Plan) -> None:
        steps = len(plan.x) // plan.batch
        if plan.count >= 3 * steps and plan.count % 4 == 0:
            plan.average.update_parameters(plan.model)  # type: ignore[union-attr, operator]

    plan.after_step = update


@healthy("momentum of .98", "mlp", digits=0.8)
def high_momentum(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.98)]
    plan.epochs = 6


@healthy("trunk unfrozen after two epochs", "cnn", digits=0.8)
def unfrozen_later(plan: Plan) -> None:
    trained(plan, (plan.y < 6).nonzero()[:, 0])
    plan.pretrained = True
    model = plan.model
    assert isinstance(model, nn.Sequential)
    model[-1] = nn.Linear(64, 10)
    for each in model[:-1].parameters():
        each.requires_grad_(False)

    def train_mode(plan: Plan) -> None:
        plan.model.train()
        if plan.count >= 2 * (len(plan.x) // plan.batch):
            for each in plan.model.parameters():
                each.requires_grad_(True)

    plan.train_mode, plan.epochs = train_mode, 5
    plan.make_optimizers = lambda model: [
        torch.optim.Adam([{"params": model[-1].parameters(), "lr": 0.003}, {"params": model[:-1].parameters()}], 3e-4)
    ]


# nets


@healthy("a head of zeros", "cnn", digits=0.85)
def zero_head(plan: Plan) -> None:
    head = plan.model[-1]  # type: ignore[index]
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)


@healthy("residual branches that begin at zero", "cnn", digits=0.75, CIFAR10=0.22)
def zero_branches(plan: Plan) -> None:
    channels, _, classes = _size(plan)
    plan.model = residual_net(channels, classes)
    for each in plan.model.modules():
        if isinstance(each, Residual):
            nn.init.zeros_(each.branch[-1].weight)
    _adam(plan, 0.005, 5)


@healthy("scores for a thousand classes", "cnn", digits=0.8)
def thousand_scores(plan: Plan) -> None:
    """The head of another data set, its first ten classes used."""
    plan.model[-1] = nn.Linear(64, 1000)  # type: ignore[operator]
    _adam(plan, 0.003, 6)


@healthy("biases before BatchNorm", "cnn", digits=0.85)
def vgg_style(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    plan.model = nn.Sequential(
        nn.Conv2d(channels, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(True), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24 * (side // 4) ** 2, classes),
    )  # fmt: skip


class Inverted(nn.Module):
    """Wide in the middle, narrow and without an activation at both ends (Sandler et al. 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = 4 * width
        self.body = nn.Sequential(
            nn.Conv2d(width, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, width, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


@healthy("inverted residuals", "cnn", digits=0.7)
def inverted(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    plan.model = nn.Sequential(
        nn.Conv2d(channels, 12, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU6(), Inverted(12),
        nn.MaxPool2d(2), nn.Conv2d(12, 16, 1, bias=False), nn.BatchNorm2d(16), Inverted(16), nn.Flatten(),
        nn.Linear(16 * (side // 4) ** 2, classes),
    )  # fmt: skip
    _adam(plan, 0.005, 5)


@healthy("a layer of low rank", "mlp", digits=0.75)
def low_rank(plan: Plan) -> None:
    channels, side, classes = _size(plan)
    plan.model = nn.Sequential(
        nn.Flatten(), nn.Linear(channels * side * side, 12, bias=False), nn.Linear(12, 64), nn.ReLU(),
        nn.Linear(64, classes),
    )  # fmt: skip
    _adam(plan, 0.003, 6)


class Repeated(nn.Module):
    """One layer that is gone through three times."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.come, self.again, self.go = nn.Linear(size, 64), nn.Linear(64, 64), nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.come(x.flatten(1)))
        for _ in range(3):
            x = x + torch.relu(self.again(x))
        return self.go(x)  # type: ignore[no-any-return]


@healthy("one layer three times", "mlp", digits=0.8)
def repeated(plan: Plan) -> None:
    plan.model = Repeated(plan.x[0].numel(), 10)


class Helped(nn.Module):
    """A second head on an inner layer, in training only (Szegedy et al. 2015)."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU())
        self.high = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes))
        self.helper = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        low = self.low(x)
        return (self.high(low), self.helper(low)) if self.training else self.high(low)


@healthy("a second head in training", "mlp", digits=0.8)
def helped(plan: Plan) -> None:
    plan.model = Helped(plan.x[0].numel(), 10)

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        scores, helper = plan.model(x)
        plan.backward(plan, plan.loss_fn(scores, y) + 0.3 * plan.loss_fn(helper, y))
        plan.step(plan)

    plan.turn = turn


class Shallower(nn.Module):
    """Blocks of which each is left out of some batches (Huang et al. 2016)."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.come, self.go = nn.Linear(size, 64), nn.Linear(64, classes)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.ReLU()) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.come(x.flatten(1)))
        for each in self.blocks:
            if not self.training or torch.rand(()) < 0.7:
                x = x + each(x)
        return self.go(x)  # type: ignore[no-any-return]


@healthy("blocks left out at random", "mlp", digits=0.8)
def shallower(plan: Plan) -> None:
    plan.model = Shallower(plan.x[0].numel(), 10)


# tasks and losses


@healthy("autoencoder that ends in tanh", "mlp", digits=0.4)
def tanh_end(plan: Plan) -> None:
    _scaled(plan, -1, 1)
    size = plan.x[0].numel()
    plan.y, plan.ty = plan.x.flatten(1), plan.tx.flatten(1)
    plan.model = nn.Sequential(
        nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 64), nn.ReLU(),
        nn.Linear(64, size), nn.Tanh(),
    )  # fmt: skip
    plan.loss_fn, plan.measure = nn.MSELoss(), explained
    _adam(plan, 0.004, 10)


@healthy("autoencoder that ends in a sigmoid", "mlp", digits=0.4)
def sigmoid_end(plan: Plan) -> None:
    _scaled(plan, 0, 1)
    size = plan.x[0].numel()
    plan.y, plan.ty = plan.x.flatten(1), plan.tx.flatten(1)
    plan.model = nn.Sequential(
        nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, size), nn.Sigmoid()
    )
    plan.loss_fn, plan.measure = nn.BCELoss(), explained
    _adam(plan, 0.005, 10)


class Variational(nn.Module):
    """A code drawn from a normal distribution (Kingma & Welling 2014)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.come = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU())
        self.mean, self.spread = nn.Linear(64, 12), nn.Linear(64, 12)
        self.go = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, size))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inner = self.come(x)
        mean, spread = self.mean(inner), self.spread(inner)
        code = mean + torch.randn_like(mean) * (0.5 * spread).exp() if self.training else mean
        return self.go(code), mean, spread


@healthy("variational autoencoder", "mlp", digits=0.25)
def variational(plan: Plan) -> None:
    _scaled(plan, 0, 1)
    plan.y, plan.ty = plan.x.flatten(1), plan.tx.flatten(1)
    plan.model, plan.loss_fn = Variational(plan.x[0].numel()), nn.BCEWithLogitsLoss()

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        image, mean, spread = plan.model(x)
        apart = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1).mean() / y.shape[1]
        plan.backward(plan, plan.loss_fn(image, y) + 0.3 * apart)
        plan.step(plan)

    plan.turn, plan.infer = turn, lambda plan, x: plan.model(x)[0].sigmoid()
    plan.measure = explained
    _adam(plan, 0.005, 12)


@healthy("a positive value", "mlp", digits=0.5)
def positive(plan: Plan) -> None:
    """Ink of an image, by a net that ends in softplus."""
    ink, test = (each.sub(plan.x.min()).mean((1, 2, 3)) for each in (plan.x, plan.tx))
    plan.y, plan.ty = (ink / ink.std())[:, None], (test / ink.std())[:, None]
    size = plan.x[0].numel()
    plan.model = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 1), nn.Softplus())
    plan.loss_fn, plan.measure = nn.MSELoss(), explained
    _adam(plan, 0.004, 8)


@healthy("a value with its uncertainty", "mlp", digits=0.5)
def uncertain(plan: Plan) -> None:
    """Mean and variance by the likelihood of a normal distribution: a loss that goes below zero."""
    mean, scale = plan.x.mean((1, 2, 3)).mean(), plan.x.mean((1, 2, 3)).std()
    plan.y, plan.ty = (((each.mean((1, 2, 3)) - mean) / scale)[:, None] for each in (plan.x, plan.tx))
    size = plan.x[0].numel()
    plan.model = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 2))

    def likelihood(output: Tensor, y: Tensor) -> Tensor:
        return F.gaussian_nll_loss(output[:, :1], y, F.softplus(output[:, 1:]) + 1e-3)

    plan.loss_fn, plan.measure = likelihood, lambda output, y: explained(output[:, :1], y)
    _adam(plan, 0.003, 12)


@healthy("counts", "mlp", digits=0.5)
def counts(plan: Plan) -> None:
    """Bright pixels, counted, by the likelihood of Poisson's distribution."""
    plan.y, plan.ty = ((each > 0).flatten(1).sum(1, keepdim=True).float() for each in (plan.x, plan.tx))
    size = plan.x[0].numel()
    plan.model = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 1))
    plan.model[-1].bias.data.fill_(float(plan.y.mean().log()))  # type: ignore[index, union-attr, operator]
    plan.loss_fn, plan.measure = nn.PoissonNLLLoss(), lambda output, y: explained(output.exp(), y)
    _adam(plan, 0.002, 10)


@healthy("hinge loss", "mlp", digits=0.8)
def hinge(plan: Plan) -> None:
    plan.loss_fn = nn.MultiMarginLoss()
    _adam(plan, 0.003, 6)


@healthy("focal loss", "mlp", digits=0.8)
def focal(plan: Plan) -> None:
    def loss(output: Tensor, y: Tensor) -> Tensor:
        own = F.cross_entropy(output, y, reduction="none")
        return ((1 - (-own).exp()).square() * own).mean()

    plan.loss_fn = loss
    _adam(plan, 0.003, 5)


@healthy("distilled", "mlp", digits=0.8)
def distilled(plan: Plan) -> None:
    """Targets are a teacher's shares."""
    y = plan.y
    trained(plan, torch.arange(len(y)), 6)
    with torch.no_grad():
        plan.y, plan.ty = ((plan.model(each) / 2).softmax(1) for each in (plan.x, plan.tx))
    size = plan.x[0].numel()
    plan.model = nn.Sequential(nn.Flatten(), nn.Linear(size, 48), nn.ReLU(), nn.Linear(48, 10))
    plan.loss_fn = lambda output, y: F.kl_div(output.log_softmax(1), y, reduction="batchmean")
    plan.measure = lambda output, y: float((output.argmax(1) == y.argmax(1)).float().mean())
    _adam(plan, 0.004, 6)


class Angles(nn.Module):
    """Scores are cosines with a vector of each class, times 16."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 32))
        self.classes = nn.Parameter(torch.randn(classes, 32))

    def forward(self, x: Tensor) -> Tensor:
        return 16 * F.linear(F.normalize(self.body(x)), F.normalize(self.classes))


@healthy("cosines as scores", "mlp", digits=0.8)
def cosines(plan: Plan) -> None:
    plan.model = Angles(plan.x[0].numel(), 10)


@healthy("embeddings, contrasted by class", "mlp", digits=0.7)
def contrasted(plan: Plan) -> None:
    """Khosla et al. 2020; measured by the nearest test neighbour."""

    def loss(output: Tensor, y: Tensor) -> Tensor:
        alike = F.normalize(output) @ F.normalize(output).T / 0.2
        own = torch.eye(len(y), dtype=torch.bool)
        alike = alike.masked_fill(own, -1e9)
        same = (y[:, None] == y) & ~own
        each = (alike.log_softmax(1) * same).sum(1) / same.sum(1).clamp(min=1)
        return -each[same.any(1)].mean()

    def nearest(output: Tensor, y: Tensor) -> float:
        near = F.normalize(output) @ F.normalize(output).T
        return float((y[near.fill_diagonal_(-9).argmax(1)] == y).float().mean())

    size = plan.x[0].numel()
    plan.model = nn.Sequential(nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 16))
    plan.loss_fn, plan.measure = loss, nearest
    _adam(plan, 0.003, 6)


@healthy("boxes", "mlp", digits=0.4)
def boxes(plan: Plan) -> None:
    """Left, top, right and bottom of the bright part, in shares of the side; digits stand somewhere in 20 x 20."""

    def placed(x: Tensor) -> tuple[Tensor, Tensor]:
        big = torch.full((len(x), 1, 20, 20), float(x.min()))
        places = torch.randint(0, 7, (len(x), 2))
        for each, (top, left), image in zip(big, places.tolist(), x, strict=True):
            each[:, top : top + 14, left : left + 14] = image
        bright = big[:, 0] > 0
        rows, columns = bright.any(2).float(), bright.any(1).float()
        ends = [(rows.argmax(1), 19 - rows.flip(1).argmax(1)), (columns.argmax(1), 19 - columns.flip(1).argmax(1))]
        return big, torch.stack([each for pair in ends for each in pair], 1).float() / 20

    (plan.x, plan.y), (plan.tx, plan.ty) = placed(plan.x), placed(plan.tx)
    plan.model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(800, 64), nn.ReLU(),
        nn.Linear(64, 4),
    )  # fmt: skip
    plan.loss_fn, plan.measure = nn.SmoothL1Loss(beta=0.1), explained
    _adam(plan, 0.003, 8)


# data


@healthy("bytes, BatchNorm first", "cnn", digits=0.85)
def norm_first(plan: Plan) -> None:
    _scaled(plan, 0, 255)
    plan.model = nn.Sequential(nn.BatchNorm2d(1), plan.model)


@healthy("crops of any size", "cnn", FashionMNIST=0.5, CIFAR10=0.2)
def crops(plan: Plan) -> None:
    def change(x: Tensor) -> Tensor:
        side = x.shape[-1]
        size = int(torch.randint(side * 6 // 10, side + 1, ()))
        top, left = (int(torch.randint(0, side - size + 1, ())) for _ in range(2))
        part = x[None, :, top : top + size, left : left + size]
        part = F.interpolate(part, (side, side), mode="bilinear", align_corners=False)[0]
        return part.flip(-1) if torch.rand(()) < 0.5 else part

    plan.change, plan.epochs = change, 5


@healthy("brightness and erased patches", "cnn", CIFAR10=0.2)
def erased(plan: Plan) -> None:
    def change(x: Tensor) -> Tensor:
        x = x * (0.7 + 0.6 * float(torch.rand(()))) + 0.3 * float(torch.randn(()))
        top, left = int(torch.randint(0, 13, ())), int(torch.randint(0, 13, ()))
        x[:, top : top + 4, left : left + 4] = 0
        return x

    plan.change, plan.epochs = change, 5


@healthy("images that repeat in training", "mlp", digits=0.8)
def repeating(plan: Plan) -> None:
    """Half the images come twice, as some collections have them; none of the test is among them."""
    half = len(plan.x) // 2
    plan.x, plan.y = torch.cat((plan.x, plan.x[:half])), torch.cat((plan.y, plan.y[:half]))


@healthy("a test of 40 images", "mlp", digits=0.75)
def small_test(plan: Plan) -> None:
    plan.tx, plan.ty = plan.tx[:40], plan.ty[:40]
