"""Write docs/doctor.md from the doctor's checks: symptom, cause, how it is seen, how it is mended. `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from striate.doctor.check import NEEDS, SYMPTOMS, Check
from striate.doctor.registry import all_checks

PLACE = Path(__file__).parent / "doctor.md"
PHASES = {
    "data": "data, before training",
    "start": "model, before the first step",
    "run": "while it trains",
    "end": "after training",
}
HEAD = """# My network does not learn

Made by `make docs` from the checks; do not edit by hand.

The doctor says why, how sure it is, and which line mends it. There are four ways in.

**Around your own loop**, whatever framework it is of; not a line of it changes, and training stays bit for bit the same:

```python
import torch
import striate

torch.manual_seed(0)
y = torch.arange(240) % 3
x = torch.randn(240, 8) + 3 * torch.nn.functional.one_hot(y, 8)
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
optimizer, loss_fn = torch.optim.SGD(model.parameters(), lr=0.1), torch.nn.CrossEntropyLoss()

with striate.watch(model, optimizer, loss_fn, train=(x, y)) as doctor:
    for _ in range(30):
        loss_fn(model(x), y).backward()  # and where are the gradients of the step before?
        optimizer.step()

print(doctor)
```

Errors are said while it trains; `doctor.findings` holds all of it. `striate.preflight(model, optimizer, loss_fn, train=...)` looks before the
first step alone.

**From the command line**, on a function of a file that gives your parts (its code is run, with all your rights):

```console
$ striate diagnose train.py:setup --out striate-diagnosis    # setup() returns striate.Setup(model, optimizer, loss_fn, train=..., step=...)
$ striate diagnose --list                                    # every check: what it needs, its limits, its cost, its source
```

A `Setup` with a `loop` (called without arguments) or a `step` (called with batches of `train`) is watched while it trains, `--steps N` steps
long; without either it is looked at before training. A tuple `(model, optimizer, loss_fn, train, test)` or a dict of these will do too.

**In a trainer of others**, a line to make it and a line to pass it (each needs its own package only):

```python
from striate.doctor.callbacks.lightning import Doctor    # Trainer(callbacks=[doctor])
from striate.doctor.callbacks.huggingface import Doctor  # Trainer(..., callbacks=[doctor])
from striate.doctor.callbacks.keras import Doctor        # model.fit(x, y, callbacks=[doctor]), KERAS_BACKEND=torch

doctor = Doctor()                                        # Keras is told the data: Doctor(train=(x, y), test=(tx, ty))
```

**On runs and recipes of Striate**: `striate train` carries the doctor, and a run folder can be asked later:

```console
$ striate diagnose quick --data FashionMNIST --net striate/small    # the recipe's first 100 steps, watched; nothing is kept
$ striate diagnose runs/first                                       # epochs, data, the net as it began and as it was kept
```

A finding is an `error` (learning or its result is broken), a `warning` (harmed), or a `note`. What follows from a cause is folded under it, so
that the first line is the one to mend first. A check that lacks something is listed as not run, with the reason; one that keeps silent has seen
nothing in what it looked at, which proves nothing of the rest.
"""


def doctor_page() -> str:
    """The whole page."""
    checks = all_checks()
    parts = [HEAD, "## What do you see?\n", *_contents(checks), ""]
    for key, words in SYMPTOMS.items():
        own = [each for each in checks if each.symptom == key]
        if own:
            parts += [f"## {words}\n", *(line for each in own for line in _check(each))]
    return "\n".join(parts).rstrip() + "\n"


def _contents(checks: tuple[Check, ...]) -> Iterator[str]:
    for key, words in SYMPTOMS.items():
        own = [each for each in checks if each.symptom == key]
        if own:
            anchor = "".join(sign for sign in words.lower().replace(" ", "-") if sign.isalnum() or sign == "-")
            yield f"- [{words}](#{anchor}): {len(own)} causes"


def _check(each: Check) -> Iterator[str]:
    yield f"### {each.what[0].upper()}{each.what[1:]}\n"
    yield f"`{each.name}`: {each.why}.\n"
    limits = "; ".join(f"{one.name}: {one.value:g} ({one.source})" for one in each.thresholds)
    needs = ", ".join(NEEDS[need] for need in each.needs)
    yield f"- Seen: {PHASES[each.phase]}, from {needs}." + (f" Limit: {limits}." if limits else "")
    yield f"- Mend: {each.mend}"
    if each.else_:
        yield f"- It could also be: {'; '.join(each.else_)}."
    if each.source:
        yield f"- Source: {each.source}."
    yield ""
    if each.code:
        yield (
            f"```python\n{each.code}\n```\n"
            if not each.code.startswith("striate ")
            else f"```console\n$ {each.code}\n```\n"
        )


if __name__ == "__main__":
    PLACE.write_text(doctor_page(), encoding="utf-8")
    print(f"wrote {PLACE.name}")  # noqa: T201
    sys.exit(0)
