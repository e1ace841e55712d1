"""The gallery, each case once: every planted fault is named, every healthy set-up learns and stays without a warning.

Proofs of the same over data sets, nets and seeds: ``make proofs PART=doctor``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from doctor.gallery.faults import Fault, all_faults, planted
from doctor.gallery.healthy import HEALTHY
from doctor.gallery.plan import Plan, diagnosed
from doctor.gallery.varied import Healthy
from striate.doctor.registry import all_checks
from striate.doctor.watch import Watch

WITHOUT_FILES = ("digits", "shapes")
OF_RUNS = (
    "run-diverged", "unlearnt", "by-heart", "run-stopped", "loss-jumps", "loss-crawls", "dev-loss-rises",
    "still-better", "nothing-new",
)  # fmt: skip
SYMPTOMS = ("loss-at-start", "capacity", "diverged", "no-progress", "plateau", "loss-spikes")
DECLARED = ("mode-collapse", "discriminator-too-strong", "codes-collapsed")
NOTES = (
    "channels-alike", "inputs-not-normalised", "bias-before-norm", "too-large", "weights-in-half", "steps-too-few",
    "too-good", "gradient-noise", "weight-decay-on-everything",
)  # fmt: skip
NOT_PLANTED: dict[str, str] = {
    **dict.fromkeys(OF_RUNS, "they read epochs of `striate train`; see test_runs.py"),
    **dict.fromkeys(SYMPTOMS, "a symptom: the fault that brings it about takes its finding in"),
    **dict.fromkeys(DECLARED, "needs parts of a setup that no plan has; see test_beyond.py"),
    **dict.fromkeys(("leak-same-items", "future-in-sight"), "needs files, subsets or sequences; see test_sight.py"),
    **dict.fromkeys(NOTES, "only ever a note: nothing is broken by it"),
}
"""Checks that no fault of the gallery is planted for, with the reason."""


FLAGGED: dict[str, str] = {}
"""Healthy set-ups that are known to be flagged, with the reason; each is a fault of ours."""


def _ran(plan: Plan) -> Watch:
    """The plan run under the doctor's eyes, which must not have failed itself."""
    doctor: Watch = diagnosed(plan)
    failed = [f"{each.name}: {each.why}" for each in doctor.result.checks_run if each.state == "failed"]
    assert not failed, f"checks raised: {'; '.join(failed)}"
    assert not doctor.faults, f"watching went wrong: {'; '.join(doctor.faults)}"
    return doctor


def _said(doctor: Watch) -> str:
    lines = [f"  {each.severity} {each.check}: {each.seen} (over {len(each.folded)})" for each in doctor.findings]
    return "\n".join(lines) or "  nothing"


@pytest.mark.parametrize("fault", all_faults(), ids=lambda each: each.name)
def test_the_fault_is_among_the_first_two_findings(fault: Fault, request: pytest.FixtureRequest) -> None:
    data = next((each for each in fault.data if each in WITHOUT_FILES), fault.data[0])
    if data not in WITHOUT_FILES:
        request.getfixturevalue("data_root")
    net = "mlp" if "mlp" in fault.nets else fault.nets[0]
    doctor = _ran(planted(fault, data, net, 0))
    found = [each for each in doctor.findings[:2] if each.check in fault.finds]
    assert found, f"{fault.name} on {data}, {net}: {' or '.join(fault.finds)} expected, seen was\n{_said(doctor)}"
    if fault.before:
        phases = {each.name: each.phase for each in all_checks()}
        early = [each for each in found if phases[each.check] in ("data", "start")]
        assert early, f"{fault.name} must be found before the first step; seen was\n{_said(doctor)}"


@pytest.mark.parametrize("setup", [each for each in HEALTHY if each.data in WITHOUT_FILES], ids=lambda each: each.title)
def test_the_healthy_setup_learns_and_no_warning_is_raised(setup: Healthy) -> None:
    plan = setup.plan(0)
    doctor = _ran(plan)
    assert plan.accuracy >= setup.level, f"{setup.title} reaches {plan.accuracy:.3f}: no example of a healthy set-up"
    serious = [each for each in doctor.findings if each.severity != "note"]
    if setup.title in FLAGGED and serious:
        pytest.skip(FLAGGED[setup.title])
    assert not serious, f"{setup.title} learns ({plan.accuracy:.3f}), yet seen was\n{_said(doctor)}"


def test_every_check_has_a_fault_that_is_planted_for_it() -> None:
    wanted = {each.name for each in all_checks()} - set(NOT_PLANTED)
    without = wanted - {name for fault in all_faults() for name in fault.finds}
    assert not without, f"no planted fault has these in its `finds`: {', '.join(sorted(without))}"


def test_exceptions_are_checks_that_nothing_is_planted_for() -> None:
    named = {name for fault in all_faults() for name in fault.finds}
    assert set(NOT_PLANTED) <= {each.name for each in all_checks()} - named
    assert all(NOT_PLANTED.values())


def test_every_check_that_a_fault_names_exists() -> None:
    known = {each.name for each in all_checks()}
    unknown = {name for fault in all_faults() for name in fault.finds} - known
    assert not unknown, f"no such checks: {', '.join(sorted(unknown))}"


@pytest.mark.parametrize(
    "names", [[f.name for f in all_faults()], [h.title for h in HEALTHY]], ids=["faults", "healthy"]
)
def test_names_are_unique(names: list[str]) -> None:
    assert not [name for name, count in Counter(names).items() if count > 1]


def test_there_are_34_healthy_setups_without_counting_data_sets() -> None:
    assert len({each.name for each in HEALTHY}) >= 34


def test_all_faults_of_the_folder_are_listed() -> None:
    """A family's file that nobody named in FAMILIES would be left out silently."""
    from doctor.gallery.faults import FAMILIES

    folder = Path(__file__).parent / "gallery"
    assert {each.stem for each in folder.glob("planted_*.py")} == {f"planted_{each}" for each in FAMILIES}
