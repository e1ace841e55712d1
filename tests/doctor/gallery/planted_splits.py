"""Planted faults of splits, loaders and augmentation."""

from __future__ import annotations

import torch

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


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


@fault("train-test-shift", before=True)
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
