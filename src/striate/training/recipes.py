"""The recipes themselves."""

from __future__ import annotations

from .optimizers.specs import Muon
from .recipe import AdamW, Augment, Recipe, Sgd
from .schedules import Schedule

QUICK = Recipe(
    name="quick",
    states=(
        "striate/small on FashionMNIST in bfloat16, one thread of a busy machine, three seeds: 92.2 to 92.5 % of the "
        "10,000 test images in 53 to 55 CPU seconds"
    ),
    optimizer=Muon(rate=0.08, other_rate=0.01, weight_decay=0.05),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    samples=240_000,
    batch=256,
    label_smoothing=0.05,
    augment=Augment(mirror=0.5),
)

THOROUGH = Recipe(
    name="thorough",
    states=(
        "striate/small+pool=max on FashionMNIST in bfloat16, one thread of a busy machine, two seeds: 92.9 and 93.1 % "
        "of the 10,000 test images in 170 and 146 CPU seconds"
    ),
    optimizer=Muon(rate=0.08, other_rate=0.01, weight_decay=0.05),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    samples=500_000,
    batch=256,
    label_smoothing=0.05,
    augment=Augment(mirror=0.5),
)
DIGITS = Recipe(
    name="digits",
    states=(
        "striate/small on MNIST in bfloat16, one thread of a busy machine, three seeds: 99.4 to 99.5 % of the 10,000 "
        "test images in 28 to 31 CPU seconds"
    ),
    optimizer=Muon(rate=0.08, other_rate=0.01, weight_decay=0.05),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    samples=110_000,
    batch=256,
    label_smoothing=0.05,
    augment=Augment(shift=1),  # a mirrored digit is none
)
MOMENTUM = Recipe(
    name="momentum",
    states=(
        "striate/small, one thread, three seeds: 97.0 to 97.6 % on 5,000 fresh images of `shapes` in about 80 CPU "
        "seconds; 91.5 to 91.9 % on the 10,000 test images of FashionMNIST in about 50"
    ),
    optimizer=Sgd(rate=0.2, momentum=0.9, nesterov=True, weight_decay=5e-4),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    samples=240_000,
    batch=128,
    label_smoothing=0.05,
    augment=Augment(mirror=0.5),
)
LINEAR = Recipe(
    name="linear",
    states=(
        "striate/linear on FashionMNIST, one thread, seed 0: 84.3 % of the 10,000 test images after nine epochs and "
        "7 CPU seconds"
    ),
    optimizer=Sgd(rate=0.02, momentum=0.9, nesterov=True, weight_decay=0.0),
    schedule=Schedule("one_cycle", {"warm": 0.1, "start": 0.1, "end": 0.0}),
    samples=480_000,
    batch=128,
)
ADAM = Recipe(
    name="adam",
    states=(
        "striate/lenet5, two epochs on 10,000 images of FashionMNIST, one thread, seed 0: 75.9 % of the 10,000 test "
        "images, 3 CPU seconds; its whole budget is not measured yet"
    ),
    optimizer=AdamW(rate=2e-3, weight_decay=0.05),
    schedule=Schedule("cosine", {"warm": 0.1}),
    samples=240_000,
    batch=128,
    label_smoothing=0.05,
    augment=Augment(mirror=0.5),
    clip_norm=5.0,
)
FINETUNE = Recipe(
    name="finetune",
    states=(
        "striate/small after two epochs of momentum on 10,000 images of FashionMNIST, one thread, seed 0: from 84.8 to "
        "85.6 % of the 10,000 test images in six epochs on the same 10,000 and 25 CPU seconds"
    ),
    optimizer=Sgd(rate=2e-3, momentum=0.9, nesterov=True, weight_decay=1e-4),
    schedule=Schedule("cosine", {"warm": 0.1}),
    samples=60_000,
    most=20,
    batch=64,
    label_smoothing=0.05,
    augment=Augment(mirror=0.5),
)

ROBUST = Recipe(
    name="robust",
    states=(
        "striate/small on FashionMNIST against PGD of two steps, Linf 0.1, bfloat16, 25 epochs and 667 CPU seconds: "
        "87.2 % on the 10,000 test images, 77.6 % of the first 1,000 under PGD of 50 steps with two restarts"
    ),
    optimizer=Sgd(rate=0.2, momentum=0.9, nesterov=True, weight_decay=5e-4),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    samples=1_350_000,
    batch=128,
    label_smoothing=0.05,
    augment=Augment(mirror=0.5),
)
CERTIFIED = Recipe(
    name="certified",
    states=(
        "striate/lenet5 on MNIST by intervals, Linf 0.1, 5 epochs and 88 CPU seconds: of the 10,000 test images 96.4 % "
        "right, 88.3 % certified"
    ),
    optimizer=AdamW(rate=2e-3, weight_decay=0.0),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    samples=1_000_000,
    batch=128,
)
STYLE = Recipe(
    name="style",
    optimizer=AdamW(rate=3e-3, weight_decay=0.0),
    schedule=Schedule("one_cycle", {"warm": 0.1, "start": 0.1, "end": 0.02}),
    samples=12_000,
    most=200,
    batch=4,
    augment=Augment(mirror=0.5, shift=8),
    states=(
        "a painter against SqueezeNet at 96 px, taught on 180 photographs in 476 CPU seconds: on ten that it never saw "
        "its loss is 54 % above that of 300 steps of L-BFGS on each, which begin at 3.7 times that"
    ),
)
DECODE = Recipe(
    name="decode",
    optimizer=AdamW(rate=3e-3, weight_decay=0.0),
    schedule=Schedule("one_cycle", {"warm": 0.1, "start": 0.1, "end": 0.0}),
    samples=120_000,
    batch=32,
    states=(
        "a decoder of stage3.relu of striate/small, on `shapes`: of class images among what it paints another net "
        "recognises 90 % (74 to 97, 30 images), free in their pixels 80 %"
    ),
)
