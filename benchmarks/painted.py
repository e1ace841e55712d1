"""Whether another net sees the class in images painted for one: part ``painted`` of the proofs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

KEPT = Path(__file__).parents[1] / "proofs"
JUDGE, JUDGE_SEED, EPOCHS = "striate/resnet20", 7, 3
SEEDS = 10
STEPS = 128


def classes_painted() -> dict[str, Any]:
    """Class images of `shapes`, ten classes and ten seeds, by preset: how often a net of another family agrees."""
    import striate
    from striate.data.load import load_data
    from striate.measure.table import predict
    from striate.metrics.intervals import wilson
    from striate.nets.load import load_net
    from striate.synthesis.judge import seen_by
    from striate.synthesis.visualise import class_images

    folder = KEPT / "painted-judge"
    striate.train("shapes", net=JUDGE, epochs=EPOCHS, out=folder, seed=JUDGE_SEED, resume=folder.exists(), quiet=True)
    maker, judge = load_net("striate/small"), load_net(folder)
    data = load_data("shapes").limit(2000)
    accuracy = float(predict(judge, data).correct.double().mean())
    classes = list(range(len(maker.classes)))
    meant = torch.tensor(classes)
    rows = []
    for name, preset in _presets():
        own = right = 0
        for seed in range(SEEDS):
            made = class_images(maker, classes, steps=STEPS, seed=seed, size=(32, 32), preset=preset)
            rounded = (255 * made.images).round() / 255
            own += int((seen_by(maker, rounded)[1] == meant).sum())
            right += int((seen_by(judge, rounded)[1] == meant).sum())
        count = SEEDS * len(classes)
        agrees = wilson(right, count)
        rows.append(
            {
                "preset": name,
                "images": count,
                "maker sees the class": own / count,
                "judge agrees": agrees.value,
                "low": agrees.low,
                "high": agrees.high,
                "judge": f"{JUDGE}, seed {JUDGE_SEED}, {EPOCHS} epochs",
                "judge's accuracy": accuracy,
            }
        )
    return {"rows": rows}


def _presets() -> Iterator[tuple[str, Any]]:
    """The presets, and plain ascent: the same search over pixels without views or penalties."""
    from striate.synthesis.presets import PRESETS, Preset

    yield from PRESETS.items()
    yield "plain ascent", Preset(jitter=0.0, smoothness=(0.0,))
