"""The doctor put to the proof, on the gallery of the tests: parts ``doctor``, ``doctor-mends``, ``doctor-peers``.

A case is a planted fault or a healthy set-up on one data set, net and seed. Cases run in two processes, one a core;
each leaves a line in ``cases.jsonl`` of the part's folder, so that an interrupted run goes on where it stopped (delete
the folder to begin anew). Whether an interval holds is asked of the share of cases; those of one fault differ by data,
net and seed, so that it speaks of such cases, not of any training.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import multiprocessing
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP / "tests"))

SEEDS = range(5)
PROCESSES = 2
FIRST = 2  # findings among which the fault must be
MEND_SEEDS = range(3)
PEERS_SEED = 0
PEERS_FAULTS, PEERS_HEALTHY = 3, 6  # each third fault and each sixth healthy set-up: some peers take many seconds

Row = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One case: ``kind`` is ``fault`` or ``healthy``; a healthy set-up's ``net`` is its base's."""

    kind: str
    name: str
    data: str
    net: str
    seed: int

    @property
    def key(self) -> str:
        """Unique among all."""
        return "|".join(map(str, asdict(self).values()))

    def plan(self) -> Any:
        """A fresh plan of the case, the same one each time."""
        from doctor.gallery.faults import all_faults, planted
        from doctor.gallery.healthy import HEALTHY

        if self.kind == "fault":
            return planted(
                next(each for each in all_faults() if each.name == self.name), self.data, self.net, self.seed
            )
        wanted = (self.name, self.data, self.net)
        return next(each for each in HEALTHY if (each.name, each.data, each.net) == wanted).plan(self.seed)


def items(seeds: Iterable[int]) -> list[Item]:
    """Every fault on its data sets and nets, every healthy set-up; each with each seed."""
    from doctor.gallery.faults import all_faults
    from doctor.gallery.healthy import HEALTHY

    seeds = tuple(seeds)
    faults = [
        Item("fault", each.name, data, net, seed)
        for each in all_faults()
        for data in each.data
        for net in each.nets
        for seed in seeds
    ]
    return faults + [Item("healthy", each.name, each.data, each.net, seed) for each in HEALTHY for seed in seeds]


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")


def mapped(call: Callable[[Item], Row], given: Sequence[Item], kept: Path) -> list[Row]:
    """``call`` of every item, those that ``kept`` holds read from there; rows in the order of the items."""
    kept.mkdir(parents=True, exist_ok=True)
    place = kept / "cases.jsonl"
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    done: dict[str, Row] = {}
    for each in lines:
        with contextlib.suppress(json.JSONDecodeError):  # a line that an interruption cut
            row = json.loads(each)
            done[row["key"]] = row
    left = [each for each in given if each.key not in done]
    begun = time.monotonic()
    context = multiprocessing.get_context("spawn")
    if lines and not place.read_text(encoding="utf-8").endswith("\n"):
        lines.append("")
        place.write_text("\n".join(lines), encoding="utf-8")
    with (
        place.open("a", encoding="utf-8") as written,
        ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=_one_thread) as pool,
    ):
        waiting = {pool.submit(call, each): each for each in left}
        for number, future in enumerate(as_completed(waiting), 1):
            row = {"key": waiting[future].key, **future.result()}
            done[row["key"]] = row
            written.write(json.dumps(row) + "\n")
            written.flush()
            if number % 50 == 0 or number == len(left):
                rest = (time.monotonic() - begun) / number * (len(left) - number)
                print(f"{number:,} of {len(left):,} cases, {rest / 60:.0f} minutes left", flush=True)
    return [done[each.key] for each in given]


# what the doctor says


def told(item: Item) -> Row:
    """Findings of one case, the first first, and what the run reached."""
    from doctor.gallery.plan import diagnosed

    begun = time.process_time()
    plan = item.plan()
    doctor = diagnosed(plan)
    return {
        "findings": [[each.check, each.severity] for each in doctor.findings],
        "failed": [each.name for each in doctor.result.checks_run if each.state == "failed"] + doctor.faults,
        "accuracy": plan.accuracy if math.isfinite(plan.accuracy) else None,
        "seconds": round(time.process_time() - begun, 3),
    }


def faults_found(kept: Path, seeds: Iterable[int] = SEEDS, only: Sequence[str] = ()) -> dict[str, Any]:
    """Each fault: share of its cases in which it is among the first two findings; healthy set-ups: share flagged."""
    from doctor.gallery.faults import all_faults

    given = [each for each in items(seeds) if not only or each.name in only]
    rows = list(zip(given, mapped(told, given, kept), strict=True))
    out, confusion, everywhere = [], {}, [0, 0]
    for fault in all_faults():
        own = [row for item, row in rows if item.kind == "fault" and item.name == fault.name]
        if not own:
            continue
        hits = sum(any(name in fault.finds for name, _ in row["findings"][:FIRST]) for row in own)
        firsts = Counter(row["findings"][0][0] if row["findings"] else "nothing" for row in own)
        others = Counter(name for row in own for name, _ in row["findings"][:FIRST] if name not in fault.finds)
        confusion[fault.name] = dict(firsts.most_common())
        everywhere = [everywhere[0] + hits, everywhere[1] + len(own)]
        out.append(_line(fault.name, hits, len(own), _most(firsts), _most(others)))
    healthy = [(item, row) for item, row in rows if item.kind == "healthy"]
    flags = {item: [name for name, severity in row["findings"] if severity != "note"] for item, row in healthy}
    summary = [_line("all faults", everywhere[0], everywhere[1], "", "")] if out else []
    if healthy:
        names = Counter(name for each in flags.values() for name in set(each))
        counted = len({(item.name, item.data, item.net) for item, _ in healthy})
        flagged = sum(map(bool, flags.values()))
        summary.append(_line(f"{counted} healthy set-ups: any warning", flagged, len(healthy), _most(names), ""))
    for name in sorted({item.name for item, each in flags.items() if each}):
        raised = [each for item, each in flags.items() if item.name == name]
        seen = Counter(one for each in raised for one in set(each))
        summary.append(_line(f"healthy: {name}", sum(map(bool, raised)), len(raised), _most(seen), ""))
    return {
        "rows": [*out, *summary],
        "confusion": confusion,
        "failed": {item.key: row["failed"] for item, row in rows if row["failed"]},
        "case_seconds": round(sum(row["seconds"] for _, row in rows), 1),
    }


def _line(name: str, hits: int, n: int, first: str, other: str) -> Row:
    from striate.metrics.intervals import wilson

    share = wilson(hits, n, of="cases")
    return {
        "planted": name,
        "found": hits,
        "of": n,
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "first finding": first,
        "most frequent other": other,
    }


def _most(names: Counter[str]) -> str:
    """The most frequent with its count; empty of nothing."""
    return "".join(f"{name} ({count})" for name, count in names.most_common(1))


# what its advice does


def mended(item: Item) -> Row:
    """What a healthy plan reaches, the same with the fault, and that one after the finding's advice."""
    from doctor.gallery.bases import base
    from doctor.gallery.faults import all_faults

    fault = next(each for each in all_faults() if each.name == item.name)
    assert fault.mend is not None
    healthy = base(item.data, item.net, item.seed)
    repaired = item.plan()
    repaired = fault.mend(repaired) or repaired
    return {
        "images": len(healthy.ty),
        "healthy": reached(healthy),
        "faulty": reached(item.plan()),
        "mended": reached(repaired),
    }


def reached(plan: Any) -> float | None:
    """What a plan's own test says after its run; None where it raises or knows no such number."""
    plan.ready()
    try:
        plan.fit(*plan.loaders())
    except Exception:  # a fault may break the run: that is what it reaches
        return None
    return float(plan.accuracy) if math.isfinite(plan.accuracy) else None


def faults_mended(kept: Path, seeds: Iterable[int] = MEND_SEEDS, only: Sequence[str] = ()) -> dict[str, Any]:
    """Accuracies, means over seeds, by fault; settings whose mended mean is not below the healthy one's interval.

    "-" stands where a run stops with an error, and where its task has no accuracy, as that of measured values.

    The interval is Wilson's of the healthy mean over the test images; a setting is a data set and a net.
    """
    from doctor.gallery.faults import all_faults
    from striate.metrics.intervals import wilson_bounds

    with_mend = {each.name for each in all_faults() if each.mend is not None}
    given = [
        each
        for each in items(seeds)
        if each.kind == "fault" and each.name in with_mend and (not only or each.name in only)
    ]
    found = list(zip(given, mapped(mended, given, kept), strict=True))
    rows = []
    for name in dict.fromkeys(each.name for each in given):
        own = [(item, row) for item, row in found if item.name == name]
        settings = list(dict.fromkeys((item.data, item.net) for item, _ in own))
        good = 0
        for setting in settings:
            of_it = [row for item, row in own if (item.data, item.net) == setting]
            n, healthy, repaired = of_it[0]["images"], _mean(of_it, "healthy"), _mean(of_it, "mended")
            good += healthy is not None and repaired is not None and repaired >= wilson_bounds(healthy * n, n)[0]
        kinds = ("healthy", "faulty", "mended")
        means = {kind: _mean([row for _, row in own], kind) for kind in kinds}
        rows.append(
            {
                "planted": name,
                **{kind: "-" if mean is None else round(mean, 4) for kind, mean in means.items()},
                "settings": len(settings),
                "settings mended": good,
                "runs": len(own),
            }
        )
    return {"rows": rows}


def _mean(rows: Sequence[Row], kind: str) -> float | None:
    """Mean of what the runs reached; None where one of them stopped."""
    values = [row[kind] for row in rows]
    return None if None in values else fmean(values)


# what others say


class PlanCase:
    """An item as the case that `doctor_peers.ask` takes."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.now = item.plan()
        self.batch: int = self.now.batch
        self.loss_fn = self.now.loss_fn
        self.train = (self.now.x, self.now.y)
        self.test = (self.now.tx, self.now.ty)

    def model(self) -> Any:
        """A fresh model, the same one each time."""
        self.now = self.item.plan()
        return self.now.model

    def optimizer(self, model: Any) -> Any:
        """The first that the plan makes for it."""
        assert model is self.now.model
        return self.now.ready().optimizers[0]

    def run(self, model: Any, optimizer: Any, before_step: Any = None, after_backward: Any = None) -> None:
        """The plan's own loop, with both calls put into it."""
        plan = self.now
        assert model is plan.model
        assert optimizer is plan.optimizers[0]
        turn, backward = plan.turn, plan.backward

        def heard_turn(plan: Any, x: Any, y: Any) -> None:
            if before_step:
                before_step(plan.count, x, y)
            turn(plan, x, y)

        def heard_backward(plan: Any, loss: Any) -> None:
            backward(plan, loss)
            if after_backward:
                after_backward(plan.count, loss.detach())

        plan.turn, plan.backward = heard_turn, heard_backward
        try:
            plan.fit(*plan.loaders())
        finally:
            plan.turn, plan.backward = turn, backward


def others_told(item: Item) -> Row:
    """Messages of each peer on one case, numbers in them blotted out, and of ours."""
    from doctor_peers import MEASURED, PEERS, ask, severe

    row: Row = {}
    for name in PEERS:
        with contextlib.redirect_stderr(io.StringIO()):
            answer = ask(name, PlanCase(item), seed=item.seed)
        row[name] = {
            "severe": sorted({MEASURED.sub("#", each) for each in severe(answer.messages)}),
            "raised": answer.raised,
            "seconds": round(answer.seconds, 2),
        }
    ours = told(item)
    row["striate"] = {
        "severe": sorted({name for name, severity in ours["findings"] if severity != "note"}),
        "raised": "",
        "seconds": ours["seconds"],
    }
    return row


def peers_beside(kept: Path, only: Sequence[str] = ()) -> dict[str, Any]:
    """By package: faults with a warning at all, with one that the healthy twin does not get, healthy set-ups flagged.

    One seed; each third fault on the last of its data sets and nets, each sixth healthy set-up once. A twin is the base
    on the same data and net. Nobody reads whether a message of a peer names the fault, so a peer's count is its best
    case; ours counts any warning likewise. Peers are asked as `doctor_peers` asks them.
    """
    from doctor.gallery.faults import all_faults
    from doctor.gallery.healthy import HEALTHY

    _need_peers()
    chosen = all_faults()[::PEERS_FAULTS]
    faults = [Item("fault", each.name, each.data[-1], each.nets[-1], PEERS_SEED) for each in chosen]
    once = {each.name: each for each in HEALTHY}
    healthy = [
        Item("healthy", each.name, each.data, each.net, PEERS_SEED) for each in list(once.values())[::PEERS_HEALTHY]
    ]
    faults, healthy = ([each for each in some if not only or each.name in only] for some in (faults, healthy))
    twins = {(each.data, each.net): Item("healthy", "adam", each.data, each.net, PEERS_SEED) for each in faults}
    given = list(dict.fromkeys([*faults, *healthy, *twins.values()]))
    found = dict(zip(given, mapped(others_told, given, kept), strict=True))
    packages = [each for each in next(iter(found.values())) if each != "key"]
    rows = []
    for package in packages:

        def said(item: Item, package: str = package) -> set[str]:
            return set(found[item][package]["severe"])

        new = [each for each in faults if said(each) - said(twins[each.data, each.net])]
        rows.append(
            {
                "package": package,
                "faults": len(faults),
                "with any warning": sum(bool(said(each)) for each in faults),
                "with one that the healthy twin does not get": len(new),
                "healthy set-ups": len(healthy),
                "healthy with a warning": sum(bool(said(each)) for each in healthy),
                "raised": sum(bool(found[each][package]["raised"]) for each in [*faults, *healthy]),
                "CPU seconds a case": round(fmean(found[each][package]["seconds"] for each in given), 2),
            }
        )
    return {"rows": rows}


def _need_peers() -> None:
    import importlib.util

    names = ("torchtest2", "guardtower", "torchdiag", "torchmortem", "training_doctor", "torch_audit")
    if lacking := [each for each in names if importlib.util.find_spec(each) is None]:
        raise SystemExit(
            f"{', '.join(lacking)} are not installed here: make bench, then "
            ".venv-bench/bin/python benchmarks/proofs.py doctor-peers"
        )


def main() -> int:
    """Two faults and two healthy set-ups of each part, into a folder: ``diagnosed.py FOLDER``."""
    folder = Path(sys.argv[1])
    few = os.environ.get("ONLY", "softmax-before-loss,labels-shuffled,adam,softmax regression").split(",")
    for name, part in (("doctor", faults_found), ("doctor-mends", faults_mended)):
        print(json.dumps(part(folder / name, seeds=(0,), only=few), indent=1))
    if "peers" in sys.argv:
        print(json.dumps(peers_beside(folder / "doctor-peers", only=few), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
