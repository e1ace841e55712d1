"""Healthy set-ups: loops with averages, accumulation, mixed precision, transfer, augmentation, other containers."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from doctor.gallery.healthy_nets import residual_net
from doctor.gallery.plan import Plan
from doctor.gallery.varied import healthy


def _adam(plan: Plan, rate: float, epochs: int = 4) -> None:
    plan.epochs = epochs
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=rate)]


def trained(plan: Plan, rows: Tensor, epochs: int = 4) -> None:
    """Train the plan's model on some rows, as somebody did before."""
    optimizer = torch.optim.Adam(plan.model.parameters(), lr=0.003)
    x, y = plan.x[rows], plan.y[rows]
    plan.model.train()
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(plan.model(x[part]), y[part]).backward()
            optimizer.step()
    optimizer.zero_grad(set_to_none=True)


@healthy("label smoothing", "mlp", digits=0.8, FashionMNIST=0.6)
def label_smoothing(plan: Plan) -> None:
    plan.loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)


@healthy("mixup", "cnn", digits=0.8, FashionMNIST=0.55)
def mixup(plan: Plan) -> None:
    draw = torch.distributions.Beta(0.4, 0.4)

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        share, order = float(draw.sample()), torch.randperm(len(x))
        plan.clear(plan)
        output = plan.model(share * x + (1 - share) * x[order])
        loss = share * plan.loss_fn(output, y) + (1 - share) * plan.loss_fn(output, y[order])
        plan.backward(plan, loss)
        plan.step(plan)

    plan.turn, plan.epochs = turn, 6


@healthy("half dropped out", "mlp", digits=0.8, FashionMNIST=0.55)
def dropout(plan: Plan) -> None:
    size = plan.x[0].numel()
    plan.model = nn.Sequential(
        nn.Flatten(), nn.Linear(size, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 128), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(128, int(plan.y.max()) + 1),
    )  # fmt: skip
    _adam(plan, 0.003, 6)


@healthy("weight decay", "cnn", digits=0.85, FashionMNIST=0.6)
def weight_decay(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)]


@healthy("clipped", "cnn", digits=0.85, FashionMNIST=0.6)
def clipped(plan: Plan) -> None:
    plan.before_step = lambda plan: nn.utils.clip_grad_norm_(plan.model.parameters(), 5.0) and None


def _averaged(plan: Plan) -> None:
    """A running mean of the weights, and the test by it."""
    plan.average = torch.optim.swa_utils.AveragedModel(
        plan.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )

    def update(plan: Plan) -> None:
        assert isinstance(plan.average, torch.optim.swa_utils.AveragedModel)
        plan.average.update_parameters(plan.model)

    def infer(plan: Plan, x: Tensor) -> Tensor:
        assert plan.average is not None
        plan.average.eval()
        return plan.average(x)  # type: ignore[no-any-return]

    plan.after_step, plan.infer, plan.epochs = update, infer, 6


@healthy("running mean of the weights", "mlp", digits=0.75)
def running_mean(plan: Plan) -> None:
    _averaged(plan)


@healthy("running mean of weights and statistics", "cnn", digits=0.8)
def running_mean_cnn(plan: Plan) -> None:
    plan.average = torch.optim.swa_utils.AveragedModel(
        plan.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
    )

    def update(plan: Plan) -> None:
        assert isinstance(plan.average, torch.optim.swa_utils.AveragedModel)
        plan.average.update_parameters(plan.model)

    plan.after_step = update


@healthy("accumulated over four", "cnn", digits=0.8, FashionMNIST=0.6)
def accumulated(plan: Plan) -> None:
    plan.batch, plan.epochs = 16, 4

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.backward(plan, plan.loss_fn(plan.forward(plan, x), y) / 4)
        if plan.count % 4 == 3:
            plan.step(plan)
            plan.clear(plan)

    plan.turn = turn


@healthy("frozen trunk, new head", "cnn", digits=0.7)
def frozen_trunk(plan: Plan) -> None:
    """The trunk learnt the first five digits; the head learns all ten."""
    model = plan.model
    assert isinstance(model, nn.Sequential)
    trained(plan, (plan.y < 5).nonzero()[:, 0])
    for each in model[:-4].parameters():
        each.requires_grad_(False)
    model[-4], model[-1] = nn.Linear(model[-4].in_features, 64), nn.Linear(64, 10)
    plan.pretrained, plan.epochs = True, 5
    plan.make_optimizers = lambda made: [
        torch.optim.Adam([each for each in made.parameters() if each.requires_grad], lr=0.003)
    ]

    def train_mode(plan: Plan) -> None:
        plan.model.train()
        for each in plan.model.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.eval()

    plan.train_mode = train_mode


@healthy("fine-tuned at a small rate", "cnn", digits=0.85, FashionMNIST=0.6)
def fine_tuned(plan: Plan) -> None:
    half = len(plan.y) // 2
    trained(plan, torch.arange(half))
    plan.x, plan.y = plan.x[half:], plan.y[half:]
    plan.pretrained = True
    _adam(plan, 0.0002, 4)


@healthy("bfloat16 by autocast", "cnn", digits=0.8)
def bfloat16(plan: Plan) -> None:
    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        with torch.autocast("cpu", torch.bfloat16):
            loss = plan.loss_fn(plan.model(x), y)
        plan.backward(plan, loss)
        plan.step(plan)

    plan.turn = turn


@healthy("float16 with a scaler", "mlp", digits=0.8)
def float16(plan: Plan) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.clear(plan)
        with torch.autocast("cpu", torch.float16):
            loss = plan.loss_fn(plan.model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(plan.optimizers[0])
        nn.utils.clip_grad_norm_(plan.model.parameters(), 5.0)
        scaler.step(plan.optimizers[0])
        scaler.update()

    plan.turn = turn


@healthy("flips and shifts", "cnn", FashionMNIST=0.55, CIFAR10=0.22)
def flips(plan: Plan) -> None:
    def change(x: Tensor) -> Tensor:
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
        top, left = int(torch.randint(3, ())), int(torch.randint(3, ()))
        return F.pad(x, (1, 1, 1, 1), value=float(x.min()))[:, top : top + x.shape[1], left : left + x.shape[2]]

    plan.change = change


@healthy("noise and shifts", "cnn", digits=0.8)
def noise(plan: Plan) -> None:
    def change(x: Tensor) -> Tensor:
        return x.roll(int(torch.randint(-1, 2, ())), -1) + 0.2 * torch.randn_like(x)

    plan.change, plan.epochs = change, 5


@healthy("pixels in [0, 1]", "mlp", digits=0.75, FashionMNIST=0.55)
def pixels(plan: Plan) -> None:
    low, high = plan.x.min(), plan.x.max()
    plan.x, plan.tx = (plan.x - low) / (high - low), (plan.tx - low) / (high - low)
    _adam(plan, 0.003, 6)


@healthy("pixels in [-1, 1]", "cnn", FashionMNIST=0.6, CIFAR10=0.25)
def half(plan: Plan) -> None:
    low, high = plan.x.min(), plan.x.max()
    plan.x, plan.tx = (2 * (each - low) / (high - low) - 1 for each in (plan.x, plan.tx))


@healthy("bytes, scaled within the model", "cnn", digits=0.8)
def bytes_within(plan: Plan) -> None:
    low, high = plan.x.min(), plan.x.max()
    plan.x, plan.tx = (((each - low) / (high - low) * 255).round().to(torch.uint8) for each in (plan.x, plan.tx))

    class Scale(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float().div(255).sub(0.3).div(0.35)

    plan.model = nn.Sequential(Scale(), plan.model)


@healthy("float64", "mlp", digits=0.8)
def float64(plan: Plan) -> None:
    plan.x, plan.tx, plan.model = plan.x.double(), plan.tx.double(), plan.model.double()


@healthy("batches of 8", "cnn", digits=0.85)
def small_batches(plan: Plan) -> None:
    plan.batch, plan.epochs = 8, 2
    _adam(plan, 0.001, 2)


@healthy("batches of 256", "mlp", digits=0.8, FashionMNIST=0.6)
def large_batches(plan: Plan) -> None:
    plan.batch, plan.drop_last = 256, False
    _adam(plan, 0.005, 12)


@healthy("functions for losses and layers", "cnn", digits=0.8, FashionMNIST=0.6)
def functional(plan: Plan) -> None:
    channels, side = plan.x.shape[1], plan.x.shape[2]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(channels, 12, 3, padding=1), nn.Conv2d(12, 24, 3, padding=1)
            self.fc1, self.fc2 = nn.Linear(24 * (side // 4) ** 2, 64), nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = F.dropout(F.relu(self.fc1(x.flatten(1))), 0.2, training=self.training)
            return F.log_softmax(self.fc2(x), dim=1)

    plan.model, plan.loss_fn = Net(), F.nll_loss
    _adam(plan, 0.003, 5)


@healthy("a model that returns a dict", "cnn", digits=0.85)
def dict_out(plan: Plan) -> None:
    class Net(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            logits = self.inner(x)
            return {"probabilities": logits.softmax(1).detach(), "logits": logits}

    plan.model = Net(plan.model)
    plan.forward = plan.infer = lambda plan, x: plan.model(x)["logits"]


@healthy("batches and outputs by name", "cnn", digits=0.85)
def named(plan: Plan) -> None:
    class Net(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *, pixel_values: Tensor) -> dict[str, Tensor]:
            return {"logits": self.inner(pixel_values)}

    def collate(items: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        return {
            "pixel_values": torch.stack([each for each, _ in items]),
            "labels": torch.stack([each for _, each in items]),
        }

    def unpack(batch: Any) -> Any:
        return batch["pixel_values"], batch["labels"]

    plan.model, plan.collate, plan.unpack = Net(plan.model), collate, unpack
    plan.forward = plan.infer = lambda plan, x: plan.model(pixel_values=x)["logits"]


@healthy("checkpointed blocks", "cnn", digits=0.6)
def checkpointed(plan: Plan) -> None:
    class Net(nn.Module):
        def __init__(self, inner: nn.Sequential) -> None:
            super().__init__()
            self.stem, self.body = inner[:3], inner[3:]

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return checkpoint(self.body, x, use_reentrant=False)  # type: ignore[no-any-return]

    inner = residual_net(plan.x.shape[1], 10, norm=nn.GroupNorm)
    assert isinstance(inner, nn.Sequential)
    plan.model = Net(inner)
    _adam(plan, 0.005, 5)


@healthy("rows in an order drawn once", "mlp", digits=0.8)
def drawn_once(plan: Plan) -> None:
    order = torch.randperm(len(plan.y))
    plan.x, plan.y, plan.shuffle = plan.x[order], plan.y[order], False


@healthy("the last batch kept", "cnn", digits=0.85)
def last_kept(plan: Plan) -> None:
    plan.drop_last = False


@healthy("weights for classes", "mlp", digits=0.7)
def weighted(plan: Plan) -> None:
    keep = torch.rand(len(plan.y)) < torch.where(plan.y < 5, 1.0, 0.35)
    plan.x, plan.y, plan.epochs = plan.x[keep], plan.y[keep], 8
    share = plan.y.bincount(minlength=10).float()
    plan.loss_fn = nn.CrossEntropyLoss(weight=share.mean() / share)


@healthy("loss summed, rate divided", "mlp", digits=0.8)
def summed(plan: Plan) -> None:
    plan.loss_fn = nn.CrossEntropyLoss(reduction="sum")
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05 / 64, momentum=0.9)]


@healthy("a test before the first step", "mlp", digits=0.8)
def tested_first(plan: Plan) -> None:
    first = plan.train_mode

    def train_mode(plan: Plan) -> None:
        if plan.count == 0:
            plan.model.eval()
            with torch.no_grad():
                plan.model(plan.tx[:128])
        first(plan)

    plan.train_mode = train_mode


@healthy("gathered batches left over, tested by the mean", "mlp", digits=0.6)
def left_over(plan: Plan) -> None:
    _averaged(plan)
    plan.batch, plan.epochs = 16, 5
    update = plan.after_step
    gathered = 3 if plan.epochs * (len(plan.x) // 16) % 4 == 0 else 4

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        plan.backward(plan, plan.loss_fn(plan.forward(plan, x), y) / gathered)
        if plan.count % gathered == gathered - 1:
            plan.step(plan)
            plan.clear(plan)
            update(plan)

    plan.turn = turn


@healthy("inputs made harder by their gradients", "mlp", digits=0.75)
def adversarial(plan: Plan) -> None:
    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        x = x.clone().requires_grad_()
        plan.backward(plan, plan.loss_fn(plan.forward(plan, x), y))
        assert x.grad is not None
        harder = (x + 0.05 * x.grad.sign()).detach()
        plan.clear(plan)
        plan.backward(plan, plan.loss_fn(plan.forward(plan, harder), y))
        plan.step(plan)

    plan.turn = turn


@healthy("another net trained through it", "cnn", digits=0.75)
def opponent(plan: Plan) -> None:
    other = nn.Sequential(nn.Conv2d(plan.x.shape[1], 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, plan.x.shape[1], 1))
    theirs = torch.optim.Adam(other.parameters(), lr=0.001)

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        changed = x + 0.1 * torch.tanh(other(x))
        plan.clear(plan)
        plan.backward(plan, plan.loss_fn(plan.forward(plan, x), y))
        plan.backward(plan, plan.loss_fn(plan.forward(plan, changed.detach()), y))
        plan.step(plan)
        theirs.zero_grad()
        (-plan.loss_fn(plan.model(changed), y)).backward()
        theirs.step()

    plan.turn = turn


@healthy("a head trained on a trunk that is not frozen", "cnn", digits=0.5)
def head_only(plan: Plan) -> None:
    trained(plan, plan.y % 2 == 0)
    head = next(each for each in reversed(list(plan.model.modules())) if isinstance(each, nn.Linear))
    head.reset_parameters()
    plan.make_optimizers = lambda model: [torch.optim.Adam(head.parameters(), lr=0.01)]
    plan.pretrained = True
