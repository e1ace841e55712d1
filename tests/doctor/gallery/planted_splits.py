"""Planted faults of splits, loaders and augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from doctor.gallery.faults import fault
from doctor.gallery.plan import Items, Plan


def _split_anew(plan: Plan) -> None:
    """Test inputs that stand in training are taken out."""
    same = (plan.tx.flatten(1)[:, None, ::7] == plan.x.flatten(1)[None, :, ::7]).all(2).any(1)
    plan.tx, plan.ty = plan.tx[~same], plan.ty[~same]


@fault("leak-exact", before=True, mend=_split_anew)
def leak_exact(plan: Plan) -> None:
    """A tenth of the training images were copied into the test folder."""
    plan.tx = torch.cat((plan.tx, plan.x[:150]))
    plan.ty = torch.cat((plan.ty, plan.y[:150]))


@fault("leak-by-oversampling", "leak-exact", before=True, mend=_split_anew)
def leak_by_oversampling(plan: Plan) -> None:
    """A class was doubled before the data were split."""
    x, y = torch.cat((plan.x, plan.tx)), torch.cat((plan.y, plan.ty))
    more = (y < 4).nonzero().flatten()
    x, y = torch.cat((x, x[more])), torch.cat((y, y[more]))
    order, n = torch.randperm(len(x)), len(plan.x)
    plan.x, plan.y, plan.tx, plan.ty = x[order[:n]], y[order[:n]], x[order[n:]], y[order[n:]]


@fault("leak-near", before=True)
def leak_near(plan: Plan) -> None:
    """The data were augmented, a little noise and another brightness, and split afterwards."""
    copies = plan.x[:120]
    copies = copies * (0.9 + 0.2 * torch.rand(len(copies), 1, 1, 1)) + 0.02 * torch.randn_like(copies)
    plan.tx, plan.ty = torch.cat((plan.tx, copies)), torch.cat((plan.ty, plan.y[:120]))


@fault("leak-mirrored", "leak-near", before=True)
def leak_mirrored(plan: Plan) -> None:
    """Mirrored copies were added before the data were split."""
    plan.tx, plan.ty = torch.cat((plan.tx, plan.x[:120].flip(3))), torch.cat((plan.ty, plan.y[:120]))


def _as_training(plan: Plan) -> None:
    """Test inputs brought to mean 0 and deviation 1, as those of training are."""
    plan.tx = (plan.tx - plan.tx.mean()) / plan.tx.std()


@fault("test-not-normalised", "preprocessing-differs", before=True, mend=_as_training)
def test_not_normalised(plan: Plan) -> None:
    low, high = plan.tx.min(), plan.tx.max()
    plan.tx = (plan.tx - low) / (high - low)


@fault("test-in-bytes", "preprocessing-differs", before=True)
def test_in_bytes(plan: Plan) -> None:
    """ToTensor divides by 255 in training; the test reads the array."""
    low, high = plan.x.min(), plan.x.max()
    plan.x, plan.tx = (plan.x - low) / (high - low), (plan.tx - low) / (high - low) * 255


@fault("test-transposed", "preprocessing-differs", before=True)
def test_transposed(plan: Plan) -> None:
    """The test's file holds columns before rows."""
    plan.tx = plan.tx.transpose(2, 3).contiguous()


@fault("test-inverted", "preprocessing-differs", before=True)
def test_inverted(plan: Plan) -> None:
    """Black on white in the one, white on black in the other."""
    plan.tx = plan.x.max() + plan.x.min() - plan.tx


@fault("channel-order", data=("CIFAR10",), before=True)
def channel_order(plan: Plan) -> None:
    """The test is read by OpenCV."""
    plan.tx = plan.tx.flip(1)


@fault("split-by-class", "train-test-shift", "missing-classes", before=True)
def train_test_shift(plan: Plan) -> None:
    """The split goes by class, as sorted folders that are cut at a row do."""
    x, y = torch.cat((plan.x, plan.tx)), torch.cat((plan.y, plan.ty))
    order, n = (y + 0.3 * torch.rand(len(y))).argsort(), len(plan.x)
    plan.x, plan.y, plan.tx, plan.ty = x[order[:n]], y[order[:n]], x[order[n:]], y[order[n:]]


@fault("statistics-from-test", before=True)
def statistics_from_test(plan: Plan) -> None:
    """Both were normalised in one array, then split: scikit-learn's scaler before train_test_split."""
    plan.tx = plan.tx * 1.1 + 0.1
    both = torch.cat((plan.x, plan.tx))
    mean, std = both.mean(), both.std()
    plan.x, plan.tx = (plan.x - mean) / std, (plan.tx - mean) / std


@fault("test-by-its-own-statistics", "statistics-from-test", before=True)
def test_by_its_own_statistics(plan: Plan) -> None:
    plan.tx = (plan.tx - plan.tx.mean((0, 2, 3), keepdim=True)) / plan.tx.std((0, 2, 3), keepdim=True)


def _shuffle(plan: Plan) -> None:
    plan.shuffle = True


@fault("not-shuffled", before=True, mend=_shuffle)
def not_shuffled(plan: Plan) -> None:
    """Folders of classes, one after the other, and a loader without shuffle."""
    order = plan.y.argsort(stable=True)
    plan.x, plan.y, plan.shuffle = plan.x[order], plan.y[order], False


@fault("no-batch", before=True)
def no_batch(plan: Plan) -> None:
    plan.batch, plan.drop_last = 2_048, True


def _smaller(plan: Plan) -> None:
    plan.batch = 64


@fault("batch-too-large", before=True, mend=_smaller)
def batch_too_large(plan: Plan) -> None:
    plan.batch = len(plan.x)


def _without_change(plan: Plan) -> None:
    plan.change = None


@fault("noise-too-strong", "augmentation-destroys-label", before=True, mend=_without_change)
def noise_too_strong(plan: Plan) -> None:
    """Noise of five deviations: meant for bytes, added to normalised images."""
    plan.change = lambda x: x + 5.0 * torch.randn_like(x)


@fault("all-but-erased", "augmentation-destroys-label", before=True, mend=_without_change)
def all_but_erased(plan: Plan) -> None:
    """A small crop anywhere in the image, the rest erased."""

    def small(x: Tensor) -> Tensor:
        top, left = (int(torch.randint(x.shape[1] - 3, ())) for _ in range(2))
        kept = torch.full_like(x, float(plan.x.min()))
        kept[:, top : top + 3, left : left + 3] = x[:, top : top + 3, left : left + 3]
        return kept

    plan.change = small


@fault("turned-anyhow", "augmentation-destroys-label", data=("digits",), before=True, mend=_without_change)
def turned_anyhow(plan: Plan) -> None:
    """Flips and turns by right angles, as for photographs from above."""
    plan.change = lambda x: x.rot90(int(torch.randint(4, ())), (1, 2)).flip(1 if torch.rand(()) < 0.5 else 2)


def _plain_test(plan: Plan) -> None:
    plan.test_change = None


@fault("augmentation-in-test", before=True, mend=_plain_test)
def augmentation_in_test(plan: Plan) -> None:
    """One transform for both data sets."""
    plan.change = plan.test_change = _shifted


def _shifted(x: Tensor) -> Tensor:
    """Moved by at most one pixel, mirrored half the time."""
    moves = [int(torch.randint(-1, 2, ())) for _ in range(2)]
    x = x.roll(moves, (1, 2))
    return x.flip(2) if torch.rand(()) < 0.5 else x


def _noisy_by_numpy(x: Tensor) -> Tensor:
    return x + 0.1 * torch.from_numpy(np.random.randn(*x.shape)).float()


def _own_seeds(plan: Plan) -> None:
    plan.worker_init = lambda number: np.random.seed(torch.initial_seed() % 2**32)


@fault("workers-alike", before=True, mend=_own_seeds)
def workers_alike(plan: Plan) -> None:
    """Reproducible, as a forum advised."""
    plan.change, plan.worker_init = _noisy_by_numpy, lambda number: np.random.seed(42)


def _no_seed(plan: Plan) -> None:
    plan.change = _shifted


@fault("seed-in-getitem", "augmentation-repeats", before=True, mend=_no_seed)
def seed_in_getitem(plan: Plan) -> None:
    """Each sample seeds the generator first."""

    def seeded(x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return _shifted(x)

    plan.change = seeded


class Cached(Items):
    """Samples that are kept once they were drawn."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.cache: dict[int, tuple[Tensor, Tensor]] = {}

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        if row not in self.cache:
            self.cache[row] = super().__getitem__(row)
        return self.cache[row]


@fault("augmented-once", "augmentation-repeats", before=True)
def augmented_once(plan: Plan) -> None:
    """A cache behind the transform instead of before it."""
    plan.train_set = lambda: Cached(plan.x, plan.y, _shifted)  # type: ignore[method-assign]


def _cropped(plan: Plan) -> None:
    """The border that carries the mark is cut off and filled."""
    for each in (plan.x, plan.tx):
        each[:, :, 0] = each[:, :, 1]


@fault("stamped-by-class", "label-in-input", before=True, mend=_cropped)
def stamped_by_class(plan: Plan) -> None:
    """Each folder's images carry a mark in the top row, where its scanner put it."""
    plan.x, plan.tx = plan.x.clone(), plan.tx.clone()
    for x, y in ((plan.x, plan.y), (plan.tx, plan.ty)):
        x[torch.arange(len(x)), 0, 0, y] = float(x.max()) + 0.5


@fault("label-left-in-a-pixel", "label-in-input", before=True, mend=_cropped)
def label_left_in_a_pixel(plan: Plan) -> None:
    """A table with the label in its first column was reshaped into images."""
    plan.x, plan.tx = plan.x.clone(), plan.tx.clone()
    for x, y in ((plan.x, plan.y), (plan.tx, plan.ty)):
        x[:, 0, 0, 0] = y / 10


@fault("another-camera", "train-test-shift", before=True)
def another_camera(plan: Plan) -> None:
    """The test images were taken out of focus."""
    plan.tx = 0.5 * plan.tx + 0.5 * torch.nn.functional.avg_pool2d(plan.tx, 3, stride=1, padding=1)
