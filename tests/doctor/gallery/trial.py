"""Tries faults and healthy plans by hand: ``python tests/doctor/gallery/trial.py [NAME ...] [--seeds N]``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from doctor.gallery.faults import all_faults, planted
from doctor.gallery.healthy import HEALTHY
from doctor.gallery.plan import diagnosed


def main() -> None:
    """A line a case: right or not, the first three findings, CPU seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="faults, a family's prefix of them, or 'healthy'")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", default="")
    given = parser.parse_args()
    right = total = 0
    for fault in all_faults():
        if given.names and fault.name not in given.names:
            continue
        for data in fault.data:
            for net in fault.nets if given.data in ("", data) else ():
                for seed in range(given.seeds):
                    begun = time.process_time()
                    doctor = diagnosed(planted(fault, data, net, seed))
                    first = [f"{each.check}({each.severity[0]})" for each in doctor.findings[:3]]
                    good = any(each.check in fault.finds for each in doctor.findings[:2])
                    right, total = right + good, total + 1
                    spent = time.process_time() - begun
                    broken = [f"{r.name}: {r.why}" for r in doctor.result.checks_run if r.state == "failed"]
                    print(
                        "ok  " if good else "MISS",
                        fault.name,
                        data,
                        net,
                        seed,
                        first,
                        f"{spent:.1f}s",
                        *broken,
                        *doctor.faults,
                    )
    print(f"{right} of {total} faults found")
    flagged = total = 0
    for each in HEALTHY if not given.names or "healthy" in given.names else ():
        for seed in range(given.seeds):
            plan = each.plan(seed)
            doctor = diagnosed(plan)
            serious = [f"{one.check}: {one.seen}" for one in doctor.findings if one.severity != "note"]
            broken = [f"{r.name}: {r.why}" for r in doctor.result.checks_run if r.state == "failed"]
            flagged, total = flagged + bool(serious), total + 1
            print(
                "FLAG" if serious else "ok  ",
                each.name,
                each.data,
                each.net,
                f"{plan.accuracy:.1%}",
                *serious,
                *broken,
                *doctor.faults,
            )
    print(f"{flagged} of {total} healthy set-ups flagged")


if __name__ == "__main__":
    main()
