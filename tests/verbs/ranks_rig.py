"""Verbs in one process and in two: ``python ranks_rig.py FOLDER`` prints what differs in their reports as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import striate as st
from training.ranks_rig import run

CALLS: dict[str, Callable[[Path], object]] = {
    "evaluate": lambda out: st.evaluate("striate/small", "shapes", limit=150, batch=16, out=out, quiet=True),
    "attack": lambda out: st.attack("striate/small", "shapes", limit=40, steps=3, radii=(0.01,), out=out, quiet=True),
    "methods": lambda out: st.units("striate/small", "shapes", limit=20, out=out, quiet=True),
}


def differences(one: object, other: object, place: str = "") -> Iterator[str]:
    """Where two results differ by more than the last bits of a number."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from differences(mine, theirs, f"{place}[{number}]")
    elif isinstance(one, float) and isinstance(other, float):
        if abs(one - other) > 1e-6 * max(abs(one), 1.0):
            yield place
    elif one != other:
        yield place


def main(folder: Path) -> None:
    """Each verb by one process and by two, in folders of their own."""
    told: dict[str, object] = {}
    for verb, call in CALLS.items():
        reports = []
        for count in (1, 2):
            out = folder / f"{verb}-{count}"
            told[out.name] = run(count, lambda number, call=call, out=out: call(out))
            path = out / "report.json"
            reports.append(json.loads(path.read_text()) if path.exists() else {})
        told[verb] = sorted(differences(reports[0].get("result"), reports[1].get("result")))
        told[f"{verb} there"] = [bool(each) for each in reports]
        told[f"{verb} passes"] = [each.get("cost", {}).get("forward") for each in reports]
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
