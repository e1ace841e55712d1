"""Planted faults of what inputs hold: their numbers, their scale, their axes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


def _without_norms(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.Identity())
    return module


def _pixels(plan: Plan, most: float = 1.0) -> None:
    """Inputs as they were before they were normalised: from 0 to ``most``."""
    low, high = plan.x.min(), plan.x.max()
    plan.x, plan.tx = (plan.x - low) / (high - low) * most, ((plan.tx - low) / (high - low)).clamp(0, 1) * most


def _normalise(plan: Plan) -> None:
    mean, std = plan.x.mean((0, 2, 3), keepdim=True), plan.x.std((0, 2, 3), keepdim=True)
    plan.x, plan.tx = (plan.x - mean) / std, (plan.tx - mean) / std


def _first_channels(plan: Plan, channels: int) -> None:
    """The first convolution anew, for another number of channels."""
    old = plan.model[0]  # type: ignore[index]
    if isinstance(old, nn.Conv2d):
        plan.model[0] = nn.Conv2d(channels, old.out_channels, 3, padding=1, bias=False)  # type: ignore[operator]


def _drop_broken(plan: Plan) -> None:
    kept = plan.x.flatten(1).isfinite().all(1)
    plan.x, plan.y = plan.x[kept], plan.y[kept]


@fault("a-few-not-finite", "inputs-not-finite", before=True, mend=_drop_broken)
def a_few_not_finite(plan: Plan) -> None:
    plan.x = plan.x.clone()
    plan.x[::40, :, 3] = float("nan")


@fault("divided-by-no-deviation", "inputs-not-finite", data=("digits",), before=True)
def divided_by_no_deviation(plan: Plan) -> None:
    """Each pixel by its own deviation; those of the edge never change."""
    mean, std = plan.x.mean(0), plan.x.std(0)
    std[:, 0] = 0
    plan.x, plan.tx = (plan.x - plan.x.mean(0)) / std, (plan.tx - mean) / std


@fault("one-image-for-all", "inputs-constant", before=True)
def one_image_for_all(plan: Plan) -> None:
    plan.x = plan.x[:1].expand_as(plan.x).clone()


@fault("a-channel-lost", "inputs-constant", data=("CIFAR10",), before=True)
def a_channel_lost(plan: Plan) -> None:
    plan.x, plan.tx = plan.x.clone(), plan.tx.clone()
    plan.x[:, 2], plan.tx[:, 2] = 0, 0


@fault("failed-reads", "inputs-constant", before=True)
def failed_reads(plan: Plan) -> None:
    plan.x = plan.x.clone()
    plan.x[torch.rand(len(plan.x)) < 0.25] = 0


@fault("pixels-to-255", "input-scale", before=True, mend=_normalise)
def pixels_to_255(plan: Plan) -> None:
    _pixels(plan, 255.0)
    _without_norms(plan.model)


@fault("normalised-then-255", "input-scale", before=True, nets=("mlp",), mend=_normalise)
def normalised_then_255(plan: Plan) -> None:
    """The mean and deviation of [0, 1] taken from 0 to 255."""
    _pixels(plan, 255.0)
    plan.x, plan.tx = (plan.x - 0.13) / 0.31, (plan.tx - 0.13) / 0.31


@fault("far-from-zero", "input-scale", before=True, mend=_normalise)
def far_from_zero(plan: Plan) -> None:
    plan.x, plan.tx = 5 + 0.2 * plan.x, 5 + 0.2 * plan.tx
    _without_norms(plan.model)


@fault("decoded-twice", "inputs-decoded-twice", before=True, mend=_normalise)
def decoded_twice(plan: Plan) -> None:
    _pixels(plan, 1 / 255)


@fault("decoded-twice-normalised", "inputs-decoded-twice", before=True, mend=_normalise)
def decoded_twice_normalised(plan: Plan) -> None:
    _pixels(plan, 1 / 255)
    plan.x, plan.tx = (plan.x - 0.4) / 0.3, (plan.tx - 0.4) / 0.3


@fault("statistics-of-bytes", "inputs-decoded-twice", data=("FashionMNIST", "CIFAR10"), before=True, mend=_normalise)
def statistics_of_bytes(plan: Plan) -> None:
    _pixels(plan)
    plan.x, plan.tx = (plan.x - 123.7) / 58.4, (plan.tx - 123.7) / 58.4


@fault("bytes-as-they-are", "input-type")
def bytes_as_they_are(plan: Plan) -> None:
    """The loop itself would stop with an error, so it makes no step."""
    _pixels(plan, 255.0)
    plan.x, plan.tx = plan.x.to(torch.uint8), plan.tx.to(torch.uint8)
    plan.epochs = 0


@fault("changed-in-place", "inputs-changed-in-place", before=True)
def changed_in_place(plan: Plan) -> None:
    _pixels(plan)

    def normalise(x: Tensor) -> Tensor:
        return x.sub_(0.3).div_(0.3)

    plan.change = normalise
    plan.tx = (plan.tx - 0.3) / 0.3


@fault("two-ranges", "inputs-range-mixed", before=True, nets=("mlp",))
def two_ranges(plan: Plan) -> None:
    """Images were divided by 255 where their largest value was above 128."""
    _pixels(plan, 1.0)
    kept = torch.rand(len(plan.x)) < 0.15
    plan.x = torch.where(kept[:, None, None, None], plan.x * 255, plan.x)


@fault("channels-last", "inputs-channels-last", data=("CIFAR10",), nets=("cnn",), before=True)
def channels_last(plan: Plan) -> None:
    """The first convolution was given as many channels as the error message asked for."""
    plan.x, plan.tx = plan.x.permute(0, 2, 3, 1).contiguous(), plan.tx.permute(0, 2, 3, 1).contiguous()
    side = plan.x.shape[1]
    plan.model = nn.Sequential(
        nn.Conv2d(side, 12, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(192, 10)
    )


@fault("channels-last-grey", "inputs-channels-last", data=("digits",), nets=("cnn",), before=True)
def channels_last_grey(plan: Plan) -> None:
    plan.x, plan.tx = plan.x.permute(0, 2, 3, 1).contiguous(), plan.tx.permute(0, 2, 3, 1).contiguous()
    side = plan.x.shape[1]
    plan.model = nn.Sequential(
        nn.Conv2d(side, 12, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(192, 10)
    )


def _read_right(plan: Plan) -> None:
    n, c, h, w = plan.x.shape
    plan.x = plan.x.reshape(n, h, w, c).permute(0, 3, 1, 2)
    plan.tx = plan.tx.reshape(len(plan.tx), h, w, c).permute(0, 3, 1, 2)


def _scramble(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).contiguous().reshape(x.shape)


@fault("reshaped", "inputs-scrambled", data=("CIFAR10",), nets=("cnn",), before=True, mend=_read_right)
def reshaped(plan: Plan) -> None:
    plan.x, plan.tx = _scramble(plan.x), _scramble(plan.tx)


@fault("reshaped-grey", "inputs-scrambled", nets=("cnn",), before=True, mend=_read_right)
def reshaped_grey(plan: Plan) -> None:
    plan.x = _scramble(plan.x.expand(-1, 3, -1, -1))
    plan.tx = _scramble(plan.tx.expand(-1, 3, -1, -1))
    _first_channels(plan, 3)


@fault("side-for-side", "inputs-scrambled", nets=("cnn",), before=True)
def side_for_side(plan: Plan) -> None:
    """Pictures that are not square, reshaped to (W, H)."""
    n, m = len(plan.x), len(plan.tx)
    plan.x, plan.tx = plan.x[..., 2:-2, :].contiguous(), plan.tx[..., 2:-2, :].contiguous()
    c, h, w = plan.x.shape[1:]
    plan.x, plan.tx = plan.x.reshape(n, c, w, h), plan.tx.reshape(m, c, w, h)
    plan.model = nn.Sequential(
        nn.Conv2d(c, 12, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(192, 10)
    )


@fault("made-small-first", "pictures-without-detail", data=("FashionMNIST", "CIFAR10"), before=True)
def made_small_first(plan: Plan) -> None:
    side = plan.x.shape[2:]
    plan.x = interpolate(adaptive_avg_pool2d(plan.x, 4), side, mode="bilinear", align_corners=False)
    plan.tx = interpolate(adaptive_avg_pool2d(plan.tx, 4), side, mode="bilinear", align_corners=False)


@fault("whole-division", "inputs-of-two-values", data=("CIFAR10",), before=True)
def whole_division(plan: Plan) -> None:
    _pixels(plan, 2.0)
    plan.x, plan.tx = plan.x.floor().clamp(0, 1), plan.tx.floor().clamp(0, 1)
