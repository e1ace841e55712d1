"""What the recipes reach: `python benchmarks/recipes.py [ROW ...] [--seeds 3]`.

Each row trains a net by a recipe with `striate.train`, one thread, and evaluates it on all test images with
`striate.evaluate`. CPU seconds are those of the process while it trains: reading the data, dev after each epoch and
the files of the run are among them, evaluation is not. What is measured is added to a JSON file, from which the table
is written; a seed that is there already is passed over.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOUND = Path(__file__).with_suffix(".json")
TABLE = Path(__file__).with_suffix(".md")
SMALL, BF16 = "striate/small", "bfloat16"
ROWS: dict[str, dict[str, Any]] = {
    "quick": {"recipe": "quick", "data": "FashionMNIST", "net": SMALL, "precision": BF16},
    "quick-float32": {"recipe": "quick", "data": "FashionMNIST", "net": SMALL},
    "thorough": {"recipe": "thorough", "data": "FashionMNIST", "net": f"{SMALL}+pool=max", "precision": BF16},
    "digits": {"recipe": "digits", "data": "MNIST", "net": SMALL, "precision": BF16},
    "adam": {"recipe": "adam", "data": "FashionMNIST", "net": SMALL, "precision": BF16},
    "linear": {"recipe": "linear", "data": "FashionMNIST", "net": "striate/linear"},
}


def measure(row: str, seed: int) -> dict[str, Any]:
    """One seed of a row: accuracy on the test images with its interval, and the CPU seconds of training."""
    import torch

    import striate

    torch.set_num_threads(1)
    what = dict(ROWS[row])
    data = what.pop("data")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = striate.train(data, out=Path(folder) / "run", seed=seed, quiet=True, **what).result
        spent = time.process_time() - begun
        found = striate.evaluate(Path(folder) / "run", data, out=Path(folder) / "page", quiet=True, quick=True).result
    accuracy: Any = found.accuracy  # type: ignore[union-attr]
    return {
        "row": row, "seed": seed, "epochs": len(run.history), "accuracy": accuracy.value, "low": accuracy.low,
        "high": accuracy.high, "images": accuracy.n, "CPU seconds": round(spent, 1),
        "day": datetime.now(UTC).date().isoformat(), "torch": torch.__version__, "machine": platform.machine(),
    }  # fmt: skip


def table(found: list[dict[str, Any]]) -> str:
    """The page: a line of each row, seed by seed."""
    lines = [
        "# What the recipes reach",
        "",
        f"Command: `python benchmarks/recipes.py`, {max(each['day'] for each in found)}, torch {found[0]['torch']}, "
        f"{found[0]['machine']}, one thread,",
        "on a machine of 2 cores that others used too. CPU seconds are those of the process while it trains, with the",
        "reading of the data and dev after each epoch. Accuracy on all test images, which chose nothing; its Wilson",
        "interval on 10,000 images at 93 % is half a point to either side.",
        "",
        "| recipe | net, data, precision | epochs | seeds | test accuracy, % | CPU seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row, what in ROWS.items():
        mine = sorted((each for each in found if each["row"] == row), key=lambda each: int(each["seed"]))
        if mine:
            seeds, right, spent = (
                ", ".join(text)
                for text in zip(
                    *(
                        (str(each["seed"]), f"{100 * each['accuracy']:.2f}", f"{each['CPU seconds']:.0f}")
                        for each in mine
                    ),
                    strict=True,
                )
            )
            where = f"`{what['net']}`, {what['data']}, {what.get('precision', 'float32')}"
            lines.append(f"| `{what['recipe']}` | {where} | {mine[0]['epochs']} | {seeds} | {right} | {spent} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is asked for, write file and table after each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rows", nargs="*", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--file", type=Path, default=FOUND)
    asked = parser.parse_args()
    for row in asked.rows or ROWS:
        for seed in range(asked.seeds):
            found = json.loads(asked.file.read_text()) if asked.file.exists() else []
            if any((each["row"], each["seed"]) == (row, seed) for each in found):
                continue
            made = measure(row, seed)
            found = json.loads(asked.file.read_text()) if asked.file.exists() else []
            found.append(made)
            print(f"{row} seed {seed}: {made['accuracy']:.2%}, {made['CPU seconds']} CPU seconds", flush=True)
            asked.file.write_text(json.dumps(found, indent=1) + "\n")
            if asked.file == FOUND:
                TABLE.write_text(table(found))


if __name__ == "__main__":
    main()
