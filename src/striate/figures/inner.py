"""Units and layers of nets: what units follow by depth, and what a net loses that had to learn without layers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from torch import nn

from striate.core.errors import StriateError
from striate.core.image import Geometry
from striate.data.load import load_splits
from striate.data.source import data_roots
from striate.inside.ablation.removal import retrain_without
from striate.inside.meaning.labels import label_units
from striate.inside.meaning.table import layers_of
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.catalog import RECIPES
from striate.training.init import he_normal, seeded

from .claims import Computed, claim, holds
from .draw import curves

CAMVID = "camvid/camvid_subset.zip"
DEPTHS = ("features.1", "features.3", "features.5", "features.8", "features.12")  # of SqueezeNet 1.0
DETECTOR = 0.04  # intersection over union from which Bau et al. call a unit a detector
SHARES, OBJECTS = [4.2, 3.1, 1.2, 1.0, 4.9], [1, 1, 1, 1, 4]  # as measured on the 62 training scenes
REMOVED = (("fc7",), ("fc6", "fc7"), ("conv3", "conv4"), ("conv3", "conv4", "fc6", "fc7"))
TRAINED_ON, EPOCHS = 12_000, 6


def unit_labels() -> Computed:
    """Units of SqueezeNet, trained on ImageNet, that detect one of CamVid's eleven classes, layer by layer."""
    data = next((root / CAMVID for root in data_roots() if (root / CAMVID).is_file()), None)
    if data is None:
        raise StriateError(
            "unit-labels needs street scenes with masks", accepted=f"{CAMVID} in the folder STRIATE_DATA"
        )
    try:
        net = load_net("torchvision/squeezenet1_0")
    except StriateError as error:
        raise StriateError(
            f"unit-labels needs a net that knows ImageNet ({error})",
            accepted="squeezenet1_0.safetensors in the folder STRIATE_WEIGHTS",
        ) from error
    train = load_splits(data).train.resized(net.geometry or Geometry((224, 224)))
    labels = label_units(net, train, DEPTHS)
    rows = layers_of(labels, least=DETECTOR)
    shares = [100 * float(row.labelled) for row in rows]
    objects = [row.unique[row.kinds.index("object")] for row in rows]
    return Computed(
        (
            claim(
                "% of units that detect an object, from the first layers to the last",
                [round(each, 1) for each in shares],
                SHARES,
                tolerance=2.0,
                note="the first layer's detectors all follow one class; the share alone does not rise steadily",
            ),
            claim("different classes that have a detector", objects, OBJECTS, tolerance=1.0),
            holds("the last layer detects more of the classes than any before it", objects[-1] > max(objects[:-1])),
        ),
        curves(
            "Classes of street scenes that have a detector in SqueezeNet",
            {"of eleven classes": (list(range(1, len(objects) + 1)), objects)},
            x_label="layer, from the first to the last",
            y_label="classes with a detector",
        ),
    )  # fmt: skip


def drop_layers() -> Computed:
    """A small AlexNet on FashionMNIST, trained again without layers from the same start."""
    try:
        splits = load_splits("FashionMNIST", download=False)
    except StriateError as error:
        raise StriateError(
            f"drop-layers needs FashionMNIST ({error})", accepted="FashionMNIST in the folder STRIATE_DATA"
        ) from error
    splits = replace(splits, train=splits.train.limit(TRAINED_ON))
    usual = RECIPES.load("momentum")
    recipe = replace(
        usual, name=f"momentum at a tenth of its rate, {EPOCHS} epochs", states="", epochs=EPOCHS,
        optimizer=replace(usual.optimizer, rate=usual.optimizer.rate / 10),
    )  # fmt: skip
    whole, *rest = retrain_without(small_alexnet(), splits, REMOVED, recipe=recipe).variants
    rises = [100 * (float(row.test) - float(whole.test)) for row in rest]
    alone, both = rises[:-1], rises[-1]
    return Computed(
        (
            claim(
                "weights of the variants: whole, without fc7, fc6 and fc7, conv3 and conv4, all of these",
                [row.parameters for row in (whole, *rest)],
                [parameters_without(*removed) for removed in ((), *REMOVED)],
            ),
            holds("losing all costs more than twice what any costs alone", both > 2 * max(*alone, 0.0)),
        )
    )


def small_alexnet() -> Net:
    """Krizhevsky's order of layers at the size of 28 x 28 grey pixels: five convolutions, three linear layers."""
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(1, 16, 5, padding=2), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(16, 32, 3, padding=1), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(2),
        "conv3": nn.Conv2d(32, 48, 3, padding=1), "relu3": nn.ReLU(),
        "conv4": nn.Conv2d(48, 48, 3, padding=1), "relu4": nn.ReLU(),
        "conv5": nn.Conv2d(48, 32, 3, padding=1), "relu5": nn.ReLU(), "pool5": nn.MaxPool2d(2),
        "flat": nn.Flatten(), "fc6": nn.Linear(288, 128), "relu6": nn.ReLU(), "drop6": nn.Dropout(),
        "fc7": nn.Linear(128, 128), "relu7": nn.ReLU(), "drop7": nn.Dropout(), "fc8": nn.Linear(128, 10),
    }  # fmt: skip
    module = nn.Sequential(OrderedDict(parts))
    with seeded(0, "drop-layers"):
        he_normal(module)
    return Net(module, classes=10, size=28, channels=1, mean=0.286, std=0.353, name="small AlexNet")


def parameters_without(*removed: str) -> int:
    """Its weights and biases by hand: each layer has its outputs, and the places of its kernel."""
    order = (
        ("conv1", 16, 25), ("conv2", 32, 9), ("conv3", 48, 9), ("conv4", 48, 9), ("conv5", 32, 9),
        ("fc6", 128, 1), ("fc7", 128, 1), ("fc8", 10, 1),
    )  # fmt: skip
    total, width = 0, 1
    for name, after, kernel in order:
        if name == "fc6":
            width *= 9  # 3 x 3 places are left
        if name in removed:
            continue
        total += width * after * kernel + after
        width = after
    return total
