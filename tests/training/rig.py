"""Kills runs and resumes them: ``python rig.py FOLDER`` prints what came of it as JSON.

torch is imported once; every run is a forked child, killed by SIGKILL either from outside after a share of the time
that a whole run takes, or by itself in the middle of writing its k-th file (before it is moved into place, or after).
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from striate.core.rng import Rng
from striate.training.averages import Ema
from striate.training.loop import fit
from striate.training.schedules import Schedule
from training.tiny import RECIPE as FOUR
from training.tiny import bits, tiny_net, tiny_splits

MOMENTS = 10
RECIPE = replace(
    FOUR,
    epochs=8,
    schedule=Schedule("plateau", {"patience": 0, "factor": 0.5}),
    average=Ema(0.9),
    clip_norm=1.0,
    patience=7,
    l1=1e-4,
)
WRITES = 2 * RECIPE.epochs + 3  # and one more for each epoch that is the best so far


def kill_at_write(number: int, *, moved: bool) -> None:
    """From now on this process dies at its ``number``-th write: with the file half there, or just moved into place."""
    original, count = Path.replace, [0]

    def moving(path: Path, target: Path) -> Path:
        count[0] += 1
        if count[0] == number and not moved:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(path, target)
        if count[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Path.replace = moving


def run(out: Path, *, resume: bool, write: tuple[int, bool] | None = None) -> int:
    """A child that runs to its end, or to its death by the ``write`` that is given; gives its process number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.fsync = lambda handle: None  # a kill does not pull the plug: what was written is there
        if write:
            kill_at_write(write[0], moved=write[1])
        fit(tiny_net(), tiny_splits(), out=out, recipe=RECIPE, seed=3, resume=resume, threads=1)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int) -> str:
    """How a child ended: ``done``, ``killed``, ``failed``."""
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else "failed" if status else "done"


def killed_after(out: Path, seconds: float) -> str:
    """A run that is killed from outside after so many seconds, or sooner where it is quicker than that."""
    for _ in range(8):
        child = run(out, resume=False)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        if ended(child) == "killed":
            return "killed"
        shutil.rmtree(out)
        seconds *= 0.7
    return "done"


def content(out: Path) -> dict[str, object]:
    """All that must be equal: the bytes of the weights, the tensors of the checkpoint, metrics without seconds."""
    checkpoint = torch.load(out / "checkpoints/last.pt", weights_only=True)
    with (out / "metrics.csv").open() as lines:
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(lines)]
    tensors = {name: value.numpy().tobytes() for name, value in checkpoint["nets"]["net"].items()}
    momenta = [each["momentum_buffer"].numpy().tobytes() for each in checkpoint["optimizers"]["net"]["state"].values()]
    means = {name: value.numpy().tobytes() for name, value in checkpoint["average"]["weights"]["net"].items()}
    state = json.loads((out / "run.json").read_text())["state"]
    return {"weights": bits(out), "last": tensors, "momenta": momenta, "means": means, "rows": rows, "state": state}


def main(folder: Path) -> None:
    """One whole run, then runs killed at random moments and in random writes, each resumed and compared with it."""
    for name in ("first", "whole"):  # the first meets cold caches
        begun = time.perf_counter()
        assert ended(run(folder / name, resume=False)) == "done"
    whole, expected = time.perf_counter() - begun, content(folder / "whole")
    rng, results, each = Rng(0, "kill"), [], torch.arange(MOMENTS)
    shares = ((each + rng.uniform(each)) / MOMENTS).tolist()  # at random, one in each tenth of a run
    writes = (1 + (each + rng.uniform(each, step=1)) * WRITES / MOMENTS).long().tolist()
    plans = [("moment", share, None) for share in shares]
    plans += [("write", number, (number, index % 2 == 0)) for index, number in enumerate(writes)]
    for index, (kind, where, write) in enumerate(plans):
        out = folder / f"{index}"
        how = killed_after(out, where * whole) if write is None else ended(run(out, resume=False, write=write))
        left = sorted(path.name for path in out.rglob("*")) if out.exists() else []
        again = ended(run(out, resume=(out / "run.json").exists()))
        same = [name for name, value in content(out).items() if value != expected[name]] if again == "done" else ["all"]
        stray = [path.name for path in out.rglob(".*") if path.name != ".lock"]
        results.append(
            {"kind": kind, "where": where, "first": how, "left": left, "again": again, "differs": same, "stray": stray}
        )
    sys.stdout.write(json.dumps({"seconds": whole, "results": results}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
