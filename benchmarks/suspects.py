"""Labels that look wrong: planted in FashionMNIST, and in data whose labels are as good as they are.

    STRIATE_DATA=FOLDER python benchmarks/suspects.py        writes benchmarks/suspects.md
    ... python benchmarks/suspects.py --limit 6000           a smaller run, which writes nothing

The nets learn from the noisy labels themselves, and judge only images that they have not seen. Wrong labels are planted
in 5 % of the 60,000 training images, drawn by lot: *uniform*, another class by lot; *confusable*, the class that the
image's own class is most often taken for by such nets on the labels as they are (printed with the result).
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from striate.checks.confident import SCORES, confident_joint, pruned
from striate.checks.folds import OutOfSample, out_of_sample
from striate.checks.suspects import Suspects, joined, judged
from striate.core.progress import Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits
from striate.metrics.ranking import auc
from striate.metrics.temperature import fit_temperature

SHARE = 0.05
CLEAN = ("MNIST", "shapes", "digits")


@dataclass(frozen=True)
class Result:
    """One run: what was planted, what was found, what it cost."""

    name: str
    planted: str
    data: Dataset
    wrong: Tensor
    found: Suspects
    guessed: OutOfSample
    seconds: float


def images(name: str, root: str, limit: int | None, *, test: bool) -> Dataset:
    """All images of a named data set as one split."""
    splits = load_splits(name, root=root)
    parts = splits if test else Splits(splits.train, splits.dev, splits.test.take([]))
    return joined(parts)[0].limit(limit)


def run(name: str, planted: str, data: Dataset, wrong: Tensor) -> Result:
    """Judge the labels; CPU seconds of all threads."""
    begun = time.process_time()
    guessed = out_of_sample(data, progress=Progress())
    found = judged(data, (data,), guessed)
    return Result(name, planted, data, wrong, found, guessed, time.process_time() - begun)


def probabilities(result: Result) -> Tensor:
    """Calibrated by the temperature, as `judged` calibrates them."""
    fitted = fit_temperature(result.guessed.logits, result.data.labels).value.value
    return (result.guessed.logits.to(torch.float64) / (fitted or 1.0)).softmax(1)


def confused(result: Result) -> Tensor:
    """For each class the one it is most often taken for."""
    classes = len(result.data.classes)
    called = result.guessed.logits.argmax(1)
    table = torch.bincount(result.data.labels * classes + called, minlength=classes * classes)
    return table.reshape(classes, classes).fill_diagonal_(0).argmax(1)


def with_wrong(data: Dataset, rule: Tensor | None) -> tuple[Dataset, Tensor]:
    """The data with labels planted by lot, or by the rule; and which ones."""
    rng = Rng(0, "planted")
    wrong = torch.zeros(len(data), dtype=torch.bool)
    wrong[rng.permutation(len(data))[: round(SHARE * len(data))]] = True
    classes = len(data.classes)
    moved = (data.labels + rng.integers(data.ids, low=1, high=classes)) % classes
    moved = moved if rule is None else rule[data.labels]
    return replace(data, labels=torch.where(wrong, moved, data.labels)), wrong


def row(result: Result) -> str:
    """A line of the table."""
    found, wrong = result.found, result.wrong
    noise = (
        f"{100 * float(found.noise):.2f} % ({100 * (found.noise.low or 0):.2f} to {100 * (found.noise.high or 0):.2f})"
    )
    told = "yes" if found.established else "no"
    suspects = f"{found.count:,}"
    if bool(wrong.any()):
        doubtful = found.quality < 0.5
        hits = int((doubtful & wrong).sum())
        of_them, of_planted = hits / max(int(doubtful.sum()), 1), hits / int(wrong.sum())
        suspects += f"; {100 * of_them:.0f} % of them planted, {100 * of_planted:.0f} % of the planted"
    return (
        f"| {result.name}, {len(result.data):,} | {result.planted} | {100 * float(found.accuracy):.1f} % | {noise} | "
        f"{told} | {100 * float(found.disputed):.1f} % | {suspects} | {result.seconds:.0f} |"
    )


def areas(result: Result) -> str:
    """Areas under the curve of every score as a detector of the planted labels."""
    p = probabilities(result)
    scores = {"chance that the label is right": result.found.quality}
    scores |= {name: score(p, result.data.labels) for name, score in SCORES.items()}
    rows = []
    for name, score in scores.items():
        number = auc(-score, result.wrong)
        rows.append(f"| {result.planted} | {name} | {float(number):.4f} ({number.low:.4f} to {number.high:.4f}) |")
    cut = pruned(confident_joint(p, result.data.labels), p, result.data.labels)
    hits = int(result.wrong[cut].sum())
    rows.append(
        f"| {result.planted} | pruned by class and noise rate: {len(cut):,} | {100 * hits / max(len(cut), 1):.0f} % of "
        f"them planted, {100 * hits / int(result.wrong.sum()):.0f} % of the planted |"
    )
    return "\n".join(rows)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    given.add_argument("--limit", type=int, default=None)
    given.add_argument("--root", default=os.environ.get("STRIATE_DATA", "data"))
    options = given.parse_args()
    torch.set_num_threads(1)
    clean = images("FashionMNIST", options.root, options.limit, test=False)
    none = torch.zeros(len(clean), dtype=torch.bool)
    first = run("FashionMNIST", "nothing", clean, none)
    rule = confused(first)
    results = [first]
    for planted, how in (("5 % uniform", None), ("5 % confusable", rule)):
        results.append(run("FashionMNIST", planted, *with_wrong(clean, how)))
        print(row(results[-1]), areas(results[-1]), sep="\n", flush=True)
    for name in CLEAN:
        data = images(name, options.root, options.limit, test=True)
        results.append(run(name, "nothing", data, torch.zeros(len(data), dtype=torch.bool)))
        print(row(results[-1]), flush=True)
    names = clean.classes
    pairs = ", ".join(f"{names[each]} to {names[int(other)]}" for each, other in enumerate(rule))
    head = (
        "images", "planted", "nets right on unseen images", "share of wrong labels, from anchors",
        "told from hard images", "disputed (confident joint)", "suspects", "CPU s",
    )  # fmt: skip
    text = f"""# Labels that look wrong

`python benchmarks/suspects.py`, {datetime.now(UTC):%Y-%m-%d}, torch {torch.__version__}, one thread. Seed 0, defaults:
{first.found.said}.

| {" | ".join(head)} |
|---|---|---|---|---|---|---|---|
{chr(10).join(row(each) for each in results)}

Detectors of the planted labels, area under the ROC curve with its 95 % interval (wanted: above .95 for uniform,
above .85 for confusable):

| planted | score | area |
|---|---|---|
{areas(results[1])}
{areas(results[2])}

Confusable: {pairs}.
"""
    print(text)
    if options.limit is None:
        (Path(__file__).parent / "suspects.md").write_text(text)


if __name__ == "__main__":
    main()
