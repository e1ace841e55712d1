"""Every own network beside a linear classifier: part ``architectures`` of the proofs.

Each is trained on the first images of MNIST, narrow where its paper's width is too much for a minute, and must beat
softmax regression that saw the same images for 20 epochs, on the first 4,000 test images. Single rows:
``python benchmarks/architectures.py NAME...``; each is kept in ``proofs/architectures/NAME.json`` and passed over once
it is there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.measure.table import predict
from striate.metrics.intervals import wilson
from striate.metrics.paired import mcnemar
from striate.nets.load import load_net
from striate.nets.own import OWN
from striate.training.loop import fit
from striate.training.recipe import AdamW, Recipe
from striate.training.schedules import Schedule

BATCH, SEED, LINEAR_EPOCHS, TESTED = 64, 0, 20, 4_000


@dataclass(frozen=True)
class Setting:
    """How one row is made: options of the net, data, first images of its training split, side, epochs, peak rate.

    A net for ImageNet takes no image of 28 pixels, and a deep one is quicker on 16: ``side`` says to which size they
    are brought, for the linear classifier too.
    """

    options: str = ""
    data: str = "MNIST"
    images: int = 4_000
    side: int = 28
    epochs: int = 2
    rate: float = 2e-3

    @property
    def recipe(self) -> Recipe:
        """AdamW without decay down one cycle; starting weights as the net draws them."""
        return Recipe(
            name=f"adamw {self.rate:g}",
            optimizer=AdamW(rate=self.rate, weight_decay=0.0),
            schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
            epochs=self.epochs,
            batch=BATCH,
        )

    @property
    def said(self) -> str:
        """The setting in words, without the options."""
        side = "" if self.side == 28 else f" at {self.side} px"
        return f"{self.data}, {self.images:,} images{side}, {self.epochs} epochs, {self.recipe.name}"


SETTINGS: dict[str, Setting] = {  # the others as they are built, under the settings above
    "mlp": Setting(epochs=5),
    "hog": Setting(epochs=20, rate=2e-2),
    "filters": Setting(epochs=15, rate=5e-3),
    "lenet1": Setting(epochs=5, rate=1e-2),
    "lenet5_1998": Setting(epochs=4, rate=5e-3),
    "alexnet": Setting("+width=0.08+stem=small", rate=1e-3, epochs=3),
    "zfnet": Setting("+width=0.12+stem=small", rate=1e-3, epochs=6),
    "vgg_a": Setting("+width=0.1+stem=small", rate=1e-3, epochs=5),
    "vgg_e": Setting("+width=0.1+stem=small", rate=1e-3, epochs=8),
    "nin": Setting("+width=0.12+stem=small+norm=batch", side=16, epochs=3, rate=5e-3),
    "nin_cifar": Setting("+width=0.25+norm=batch", side=16, epochs=4, rate=5e-3),
    "allconv": Setting("+width=0.25", side=16, epochs=8),
    "googlenet": Setting("+width=0.2+auxiliary=yes", epochs=8),
    "mobilenet1": Setting("+width=0.25+stem=small", epochs=5, rate=5e-3),
    "neocognitron": Setting("+planes=64", side=16, epochs=4, rate=2e-2),
    "vit_tiny": Setting(side=16, epochs=5),
    "cell": Setting(side=16, epochs=2),
    "stages": Setting(epochs=6, rate=1e-2),
    "resnet8": Setting(epochs=3, rate=5e-3),
    "resnet20": Setting("+width=8"),
    "resnet32": Setting("+width=8", epochs=3, rate=5e-3),
    "preact_resnet20": Setting("+width=8", epochs=3, rate=5e-3),
    **{f"{kind}_resnet20": Setting("+width=8", side=16, epochs=3, rate=5e-3) for kind in ("se", "cbam")},
    "plain20": Setting("+width=8", epochs=4, rate=5e-3),
    **{f"{kind}56": Setting("+width=4", side=16, epochs=3, rate=5e-3) for kind in ("resnet", "preact_resnet")},
    "plain56": Setting("+width=4", side=16, epochs=5, rate=5e-3),
    "wrn40_1": Setting("+width=4", side=16, epochs=3, rate=5e-3),
    "wrn40_4": Setting("+width=2", side=16, rate=5e-3),
    "wrn16_8": Setting("+width=1", side=16, epochs=3, rate=5e-3),
    "resnext29_8x64d": Setting("+width=1+stem=8", side=16, epochs=3, rate=5e-3),
    "densenet40_12": Setting("+growth=2", side=16, rate=1e-2),
    "densenet_bc100_12": Setting("+growth=2", side=16, rate=1e-2),
    "plain18": Setting("+width=16", side=64),
    "plain34": Setting("+width=16", side=32, epochs=7),
    **{f"{kind}_resnet18": Setting("+width=16", side=64) for kind in ("se", "cbam")},
    **{f"{kind}_resnet50": Setting("+width=8", side=32, epochs=4, rate=5e-3) for kind in ("se", "cbam")},
    "efficientnet_b0": Setting("+width=0.25", side=32, epochs=8, rate=5e-3),
}
LEFT_OUT: dict[str, str] = {  # one builder makes a family, so what follows differs from a row in numbers alone
    **{f"vgg_{column}": "vgg_a and vgg_e, of the same builder, have fewer and more layers" for column in "bcd"},
    **dict.fromkeys(("resnet44", "resnet110"), "resnet32 and resnet56 are of the same builder"),
    **dict.fromkeys(("plain32", "plain44"), "plain20 and plain56 are of the same builder"),
    **{
        f"preact_resnet{depth}": "preact_resnet20 and preact_resnet56 are of the same builder"
        for depth in (32, 44, 110, 164, 1001)
    },
    "wrn28_10": "wrn16_8 and wrn40_4 are of the same builder",
    "densenet100_12": "densenet40_12 is of the same builder",
    "densenet_bc190_40": "densenet_bc100_12 is of the same builder",
    **{f"efficientnet_b{size}": "efficientnet_b0 is of the same builder" for size in range(1, 8)},
}
ROWS = tuple(name for name in OWN if name != "linear" and name not in LEFT_OUT)


def splits_of(setting: Setting) -> Splits:
    """The first images to learn from, 500 to choose the epoch by, 4,000 test images."""
    splits = load_splits(setting.data, size=None if setting.side == 28 else setting.side)
    train, dev = splits.train.limit(setting.images), splits.dev.limit(500)
    return replace(splits, train=train, dev=dev, test=splits.test.limit(TESTED))


def row(name: str, kept: Path) -> dict[str, Any]:
    """What one network reaches, with softmax regression on the same split; kept in ``kept/NAME.json``."""
    place = kept / f"{name}.json"
    if place.is_file():
        done: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return done
    setting = SETTINGS.get(name, Setting())
    splits = splits_of(setting)
    right, seconds, net = trained(f"striate/{name}{setting.options}", setting, splits, kept)
    plain = replace(setting, epochs=LINEAR_EPOCHS, rate=2e-3)
    beside, _, _ = trained("striate/linear", plain, splits, kept)
    accuracy, linear = (wilson(int(each.sum()), len(each)) for each in (right, beside))
    gain = mcnemar(right, beside).difference
    done = {
        "net": f"{name}{setting.options}",
        "weights": sum(each.numel() for each in net.parameters()),
        "data": setting.said,
        "test accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "linear": linear.value,
        "gain at least": gain.low,
        "beats linear": gain.low is not None and gain.low > 0,
        "CPU seconds": round(seconds, 1),
    }
    kept.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(done, indent=1), encoding="utf-8")
    return done


def trained(name: str, setting: Setting, splits: Splits, kept: Path) -> tuple[torch.Tensor, float, torch.nn.Module]:
    """Which test images it gets right, the CPU seconds of training, and the net."""
    told = f"{setting.data}-{setting.images}-{setting.side}-{setting.epochs}-{setting.rate:g}"
    folder = kept / "runs" / f"{name.replace('/', '-')}-{told}"
    begun = time.process_time()
    resume = (folder / "run.json").is_file()
    fit(name, splits, out=folder, recipe=setting.recipe, seed=SEED, resume=resume)
    seconds, net = time.process_time() - begun, load_net(folder)
    return predict(net, splits.test).correct, seconds, net


def beside_linear(kept: Path) -> dict[str, Any]:
    """The rows of all own networks."""
    rows = []
    for name in ROWS:
        rows.append(row(name, kept / "architectures"))
        print(json.dumps(rows[-1]), flush=True)
    return {"rows": rows}


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ROWS:
        found = row(wanted, Path(os.environ.get("STRIATE_PROOFS", "proofs")) / "architectures")
        print(json.dumps(found), flush=True)
