"""From a case to its findings: the checks in their order, what became of each, causes before what follows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from striate.core.finding import Evidence, Finding
from striate.core.image import encode_webp, enlarge
from striate.core.number import Number
from striate.metrics.intervals import wilson

from .case import Case
from .check import Check, Phase, folded
from .payload import CheckRun, Diagnosis, LayerRow, Series
from .registry import all_checks
from .start import short

BINS = 24
POINTS = 200  # of a series
SERIES = 6  # parameters whose update ratios are kept


class Findings:
    """What the checks of some phases saw in a case; later phases add to it.

    Attributes:
        runs: What became of each check, by its name.
        album: Pictures that findings speak of, name to bytes.
    """

    def __init__(self) -> None:
        self.runs: dict[str, CheckRun] = {}
        self.album: dict[str, bytes] = {}
        self._found: dict[str, list[tuple[Check, Finding]]] = {}

    def look(self, case: Case, phases: Iterable[Phase], *, pictures: bool = True) -> list[Finding]:
        """Run the checks of ``phases``; those that ran before are asked anew. Gives findings not there before."""
        before = {finding.id for _, finding in self.flat()}
        wanted = set(phases)
        for each in all_checks():
            if each.phase in wanted:
                self._ask(each, case, pictures)
        return [finding for _, finding in self.flat() if finding.id not in before]

    def _ask(self, each: Check, case: Case, pictures: bool) -> None:
        begun = time.perf_counter()
        reason = next((why for need in each.needs if (why := case.lacks(need))), "")
        self._found[each.name] = []
        if reason:
            self.runs[each.name] = CheckRun(each.name, each.family, "not run", reason)
            return
        try:
            for number, seen in enumerate(each.look(case, each.limits)):
                finding = _clean(each.finding(seen))
                if seen.images is not None and pictures:
                    key = f"{each.name}-{number}.webp"
                    self.album[key] = sheet(seen.images[1])
                    finding = replace(finding, evidence=(*finding.evidence, Evidence(seen.images[0], picture=key)))
                self._found[each.name].append((each, finding))
        except Exception as error:  # a check that fails must never take somebody's training down
            self.runs[each.name] = CheckRun(each.name, each.family, "failed", short(error))
            return
        state = "found" if self._found[each.name] else "silent"
        self.runs[each.name] = CheckRun(each.name, each.family, state, "", round(time.perf_counter() - begun, 4))  # type: ignore[arg-type]

    def recall(self, run: CheckRun, found: Iterable[Finding]) -> None:
        """Take what a check saw at another time, as it was kept, in place of what it sees now."""
        each = next((each for each in all_checks() if each.name == run.name), None)
        if each is not None:
            self.runs[run.name] = run
            self._found[run.name] = [(each, finding) for finding in found if finding.check == run.name]

    def flat(self) -> list[tuple[Check, Finding]]:
        """Every finding with its check, in the order of the checks."""
        return [pair for each in all_checks() for pair in self._found.get(each.name, ())]

    def ordered(self) -> list[Finding]:
        """The findings, causes first, with what follows folded under them."""
        return folded(self.flat())


def _clean(finding: Finding) -> Finding:
    """Numbers that are not finite become words: JSON has none."""
    evidence = tuple(
        replace(each, number=Number(None, why=str(each.number.value)))
        if each.number is not None and each.number.value is not None and not math.isfinite(each.number.value)
        else each
        for each in finding.evidence
    )
    return replace(finding, evidence=evidence)


def sheet(images: Tensor, *, most: int = 16) -> bytes:
    """A strip of inputs (n, C, H, W) as a picture, each stretched over its own range; the first three channels."""
    shown = torch.nan_to_num(images[:most].float().cpu())
    low = shown.flatten(1).amin(1)[:, None, None, None]
    high = shown.flatten(1).amax(1)[:, None, None, None]
    shown = (shown - low) / (high - low).clamp(min=1e-12)
    shown = shown[:, :3] if shown.shape[1] >= 3 else shown[:, :1]
    shown = torch.nn.functional.pad(shown, (1, 1, 1, 1), value=1.0)
    return encode_webp(enlarge(torch.cat(tuple(shown), dim=2), 64))


def diagnosis(case: Case, findings: Findings, *, setup: str = "", around: float = 0.0) -> Diagnosis:
    """The payload of a case; ``around`` are the seconds that the looks before and after the run took."""
    trace, start, end = case.trace, case.__dict__.get("start"), case.__dict__.get("end")
    listed = findings.ordered()
    serious = [each for each in listed if each.severity != "note"]
    steps = len(trace.steps) if trace is not None else 0
    return Diagnosis(
        setup=setup,
        verdict=verdict(serious, steps),
        checks_run=tuple(
            replace(findings.runs[each.name], what=each.what) for each in all_checks() if each.name in findings.runs
        ),
        steps=steps,
        seconds=round(around + (0.0 if trace is None else trace.seconds), 4),
        share=None if trace is None or not trace.elapsed else trace.seconds / max(trace.elapsed - trace.seconds, 1e-9),
        start_loss=None if start is None or start.loss is None or not math.isfinite(start.loss) else start.loss,
        train=None if end is None or end.train.right is None else wilson(end.train.right, end.train.n),
        test=None if end is None or end.test is None or end.test.right is None else wilson(end.test.right, end.test.n),
        layers=() if start is None else tuple(_row(each) for each in start.layers),
        loss=None if trace is None or not steps else _series("loss", range(steps), trace.losses()),
        rate=None if trace is None or not steps else _series("learning rate", range(steps), trace.rates()),
        ratios=() if trace is None else _ratios(case),
        error="" if trace is None else trace.error,
    )


def verdict(serious: Sequence[Finding], steps: int, *, epochs: int = 0) -> str:
    """One sentence: what is wrong first, or that nothing was found."""
    done = f"{epochs:,} epoch{'' if epochs == 1 else 's'} read"
    looked = f"{steps:,} steps watched" if steps else done if epochs else "before the first step"
    if not serious:
        return f"Nothing wrong was found ({looked})."
    more = f", and {len(serious) - 1} more" if len(serious) > 1 else ""
    return f"{serious[0].seen.rstrip('.')} ({looked}{more})."


def _series(name: str, steps: Sequence[int], values: Sequence[float]) -> Series:
    every = max(1, len(values) // POINTS)
    kept = [(s, v) for s, v in list(zip(steps, values, strict=True))[::every] if math.isfinite(v)]
    return Series(name, tuple(s for s, _ in kept), tuple(float(f"{v:.5g}") for _, v in kept))


def _ratios(case: Case) -> tuple[Series, ...]:
    trace = case.trace
    assert trace is not None
    sizes = {name: each.numel() for name, each in case.model.named_parameters() if each.dim() > 1}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:SERIES]
    out = []
    for name in (each for each in sizes if each in largest):
        points = [(probe.step, probe.ratios()[name]) for probe in trace.probes if name in probe.ratios()]
        if points:
            out.append(_series(name, [s for s, _ in points], [v for _, v in points]))
    return tuple(out)


def _row(each: object) -> LayerRow:
    from .start import Layer

    assert isinstance(each, Layer)
    values = each.values[each.values.isfinite()]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    counts = torch.histc(values, BINS, low, high).tolist() if len(values) and high > low else []
    finite = {name: value if math.isfinite(value) else 0.0 for name, value in (("mean", each.mean), ("std", each.std))}
    return LayerRow(
        name=each.name,
        kind=type(each.module).__name__,
        shape=each.shape[1:],
        mean=finite["mean"],
        std=finite["std"],
        zeros=each.zeros,
        dead=each.dead,
        grad=each.grad if each.grad is None or math.isfinite(each.grad) else None,
        counts=tuple(int(one) for one in counts),
        low=low,
        high=high,
    )
