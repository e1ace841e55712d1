"""Runs in several processes: ``python ranks_rig.py FOLDER`` prints what came of each as JSON.

torch is imported once; every process is a forked child that is told its place as torchrun tells it.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import nn

from striate.core.errors import StriateError
from striate.data.dataset import Splits
from striate.nets.net import Net
from striate.training import loop
from training.tiny import RECIPE as FOUR
from training.tiny import tiny_split, tiny_splits

RECIPE = replace(FOUR, epochs=2)


def net_of(norm: Callable[[int], nn.Module]) -> Net:
    """8 x 8 pixels, two convolutions, each with what ``norm`` gives, and a linear layer; no dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), norm(6), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), norm(6), nn.ReLU(),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, 3),
        )  # fmt: skip
    return Net(module, mean=0.4, std=0.3, classes=3, name="tiny", size=(8, 8))


def run(count: int, work: Callable[[int], None]) -> list[str]:
    """``work(number)`` in so many processes; gives what each said, or the signal that ended it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children, ends = [], []
    for number in range(count):
        back, forth = os.pipe()
        child = os.fork()
        if not child:
            words = "done"
            try:
                os.fsync = lambda handle: None
                os.environ |= {
                    "TORCHELASTIC_RUN_ID": "rig", "RANK": str(number), "WORLD_SIZE": str(count),
                    "LOCAL_RANK": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
                }  # fmt: skip
                work(number)
            except StriateError as error:
                words = f"{type(error).__name__}: {error}"
            except BaseException as error:
                words = f"unexpected {type(error).__name__}: {error}"
            os.write(forth, words.encode())
            os._exit(0)
        os.close(forth)
        children.append((child, back))
    for child, back in children:
        with os.fdopen(back) as stream:
            words = stream.read()
        _, status = os.waitpid(child, 0)
        ends.append(f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else words)
    return ends


def fit(out: Path, norm: Callable[[int], nn.Module] = nn.BatchNorm2d, **changes: object) -> Callable[[int], None]:
    """A run of a small net."""
    given = {"recipe": RECIPE, "seed": 3, "threads": 1, **changes}
    splits = given.pop("splits", None) or tiny_splits()

    def work(number: int) -> None:
        del number
        loop.fit(net_of(norm), splits, out=out, **given)

    return work


def killed_in(work: Callable[[int], None], epoch: int) -> Callable[[int], None]:
    """The same, but process 1 is gone when it has learnt so many epochs."""

    def dying(number: int) -> None:
        judge, count = loop.evaluate, [0]

        def evaluate(*args: object) -> dict[str, float]:
            count[0] += 1
            if number == 1 and count[0] == epoch:
                os.kill(os.getpid(), signal.SIGKILL)
            return judge(*args)

        loop.evaluate = evaluate
        work(number)

    return dying


def content(out: Path) -> dict[str, object]:
    """The history without its seconds, the last weights, what is said of the run."""
    with (out / "metrics.csv").open() as lines:
        rows = [{key: float(value) for key, value in row.items() if key != "seconds"} for row in csv.DictReader(lines)]
    nets = torch.load(out / "checkpoints/last.pt", weights_only=True)["nets"]["net"]
    record = json.loads((out / "run.json").read_text())
    return {
        "rows": rows, "weights": {name: value.double().flatten().tolist() for name, value in nets.items()},
        "state": record["state"], "why": record["why"], "processes": record["processes"],
    }  # fmt: skip


def main(folder: Path) -> None:
    """One process and two, with and without BatchNorm; a death; other numbers of processes; ranks that disagree."""
    told: dict[str, object] = {}
    for name, norm, changes in (
        ("batchnorm", nn.BatchNorm2d, {}),
        ("plain", lambda width: nn.GroupNorm(2, width), {}),
        ("mixed", nn.BatchNorm2d, {"recipe": replace(RECIPE, augment=replace(RECIPE.augment, mixer="mixup"))}),
    ):
        for count in (1, 2):
            out = folder / f"{name}-{count}"
            told[out.name] = {"ends": run(count, fit(out, norm, **changes)), **content(out)}
    out = folder / "killed"
    told["killed"] = {"ends": run(2, killed_in(fit(out, recipe=replace(RECIPE, epochs=3)), 2)), **content(out)}
    told["resumed"] = {"ends": run(1, fit(out, recipe=replace(RECIPE, epochs=3), resume=True)), **content(out)}
    other = folder / "other"
    run(1, fit(other, recipe=replace(RECIPE, epochs=3)))
    told["whole"] = content(other)
    told["three"] = run(3, fit(folder / "three"))
    odd = folder / "odd"

    def disagreeing(number: int) -> None:
        train = tiny_split("train", 70, seed=9 if number else 1)
        fit(odd, splits=Splits(train, tiny_split("dev", 30, seed=2), tiny_split("test", 30, seed=3), "bars"))(number)

    told["disagree"] = run(2, disagreeing)
    told["odd is there"] = odd.exists()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
