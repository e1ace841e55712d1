"""What an evaluation gives to say, most serious first."""

from __future__ import annotations

from collections.abc import Callable

from striate.core.finding import Evidence, Finding, ranked
from striate.core.number import Number
from striate.metrics.confusion import kappa
from striate.metrics.intervals import wilson
from striate.metrics.significance import binomial_tail

from .case import ALPHA, Case, counted, of_images, percent, sureness
from .doubts import class_confidence, costly_threshold, suspect_labels, weak_slices
from .payload import Evaluation
from .weaknesses import SHOWN, confidence, confused_pairs, weak_classes

HALF_WIDTH = 0.05  # an accuracy known no better than this is called rough


def evaluation_findings(evaluation: Evaluation, *, net: str, data: str) -> tuple[Finding, ...]:
    """What stands out in an evaluation, most serious first; nothing where nothing does.

    Each check speaks of something that is not there in at most one healthy evaluation of 200. ``net`` and ``data``
    are the names that the commands are written with.
    """
    case = Case(evaluation, net, data)
    if case.n == 0:
        return ()
    broken = [finding for check in BREAKS for finding in check(case)]
    # where the whole is broken, what its parts look like says nothing more
    fine: list[Finding] = [] if broken else [finding for check in CHECKS for finding in check(case)]
    return ranked([*broken, *fine, *(finding for check in REMARKS for finding in check(case))])


def permuted_labels(case: Case) -> list[Finding]:
    """Most images of each of several classes are called one and the same other class: names stand in another order."""
    rows = case.present
    called = {row: int(case.matrix[row].argmax()) for row in rows}
    moved = [row for row in rows if called[row] != row]
    if len(moved) < 2 or len(set(called.values())) < len(rows) or sorted(moved) != sorted(called[r] for r in moved):
        return []
    matched = sum(int(case.matrix[row, called[row]]) for row in moved)
    n, right = sum(case.support[row] for row in moved), sum(case.hits[row] for row in moved)
    chance = binomial_tail(matched, n, 0.5)
    if chance >= ALPHA or matched <= 2 * right:
        return []
    first = moved[0]
    whole = wilson(case.right - right + matched, case.n)
    share = int(case.matrix[first, called[first]]) / case.support[first]
    return [
        Finding(
            id="permuted-labels/classes",
            check="permuted-labels",
            severity="error",
            sure=sureness(chance),
            seen=f"{len(moved)} classes look renamed: {percent(share)} of {case.name(first)} are called "
            f"{case.name(called[first])}; with the names exchanged {percent(whole)} would be right and not "
            f"{percent(case.evaluation.accuracy)}.",
            evidence=(
                Evidence("accuracy with the names exchanged", whole),
                Evidence("accuracy as it stands", case.evaluation.accuracy),
                *(Evidence(f"{case.name(row)} is called {case.name(called[row])}") for row in moved[:SHOWN]),
            ),
            mend="Number the classes of the data as the net's training data did (a folder of classes counts in "
            "alphabetical order).",
            command=case.command("evaluate", "--split", "train"),
        )
    ]


def one_answer(case: Case) -> list[Finding]:
    """One class is predicted for every image, though the images are of several."""
    answers = [row for row, count in enumerate(case.predicted) if count]
    if len(answers) != 1 or len(case.present) < 2:
        return []
    accuracy = case.evaluation.accuracy
    return [
        Finding(
            id=f"one-answer/{case.name(answers[0])}",
            check="one-answer",
            severity="error",
            sure=1.0,
            seen=f"All {case.n:,} images are called {case.name(answers[0])}, though they are of {len(case.present)} "
            f"classes; {percent(accuracy)} are right.",
            evidence=(Evidence("images of one answer", counted(case.n, case.n)), Evidence("accuracy", accuracy)),
            mend="Check that pixels reach the net as it was trained (range, normalisation, channels) and that the "
            "training loss fell at all.",
            command=case.command("evaluate", "--split", "train"),
        )
    ]


def at_chance(case: Case) -> list[Finding]:
    """The net is right no more often than always naming the most frequent class, and its answers tell nothing."""
    most = max(case.support) / case.n
    chance = binomial_tail(case.right, case.n, most)
    # few images can hide a good net: then only a rough number is reported
    if len(case.present) < 2 or chance < 0.01 or case.n < 30 or one_answer(case):
        return []
    agreement = kappa(case.matrix)
    if agreement.low is None or agreement.low > 0:  # rare classes can be found at no gain in accuracy
        return []
    accuracy = case.evaluation.accuracy
    return [
        Finding(
            id="at-chance/accuracy",
            check="at-chance",
            severity="error",
            sure=0.99,
            seen=f"{percent(accuracy)} of {case.n:,} images are right, no more than by always naming the most frequent "
            f"class ({percent(most)}).",
            evidence=(
                Evidence("accuracy", accuracy),
                Evidence("always the most frequent class", case.evaluation.chance),
            ),
            mend="See whether the net knows its training images: if not, it has not learnt; if it does, they are "
            "too few to learn the classes from, or the two splits differ in preprocessing or labels.",
            command=case.command("evaluate", "--split", "train"),
        )
    ]


def never_predicted(case: Case) -> list[Finding]:
    """Classes with images that are never the answer, though at the net's usual recall some would be."""
    found = []
    usual = case.right / case.n
    missing = [row for row in case.present if case.predicted[row] == 0 and (1 - usual) ** case.support[row] < ALPHA]
    for row in missing[:SHOWN]:
        others = case.matrix[row]
        partner = int(others.argmax())
        more = (Evidence(f"{len(missing) - SHOWN} more classes are never predicted"),) if len(missing) > SHOWN else ()
        found.append(
            Finding(
                id=f"never-predicted/{case.name(row)}",
                check="never-predicted",
                severity="error",
                sure=1.0,
                seen=f"None of {case.n:,} images is called {case.name(row)}, though {case.support[row]:,} are; "
                f"{percent(int(others[partner]) / case.support[row])} of them are called {case.name(partner)}.",
                evidence=(
                    Evidence(f"images of {case.name(row)}", counted(case.support[row], case.n)),
                    Evidence(f"called {case.name(partner)}", wilson(int(others[partner]), case.support[row])),
                    *more,
                ),
                mend="See whether the training images hold this class, under this name and number.",
                command=case.command("evaluate", "--split", "train"),
            )
        )
    return found


def absent_classes(case: Case) -> list[Finding]:
    """Classes of which the split has no image: nothing can be said of them."""
    absent = [row for row, count in enumerate(case.support) if count == 0]
    if not absent:
        return []
    names = ", ".join(case.name(row) for row in absent[:SHOWN]) + (", ..." if len(absent) > SHOWN else "")
    calls = sum(case.predicted[row] for row in absent)
    return [
        Finding(
            id="absent-class/classes",
            check="absent-class",
            severity="note",
            sure=1.0,
            seen=f"{len(absent)} of {len(case.support)} classes have no image here ({names}), so nothing is known of "
            f"them; {of_images(calls, 'was', 'were')} called one of them.",
            evidence=(Evidence("images called a class that is absent", wilson(calls, case.n)),),
            mend="Measure on images that hold every class.",
            command=case.command("evaluate"),
        )
    ]


def few_images(case: Case) -> list[Finding]:
    """The accuracy is known only roughly."""
    accuracy = case.evaluation.accuracy
    if accuracy.low is None or accuracy.high is None or accuracy.high - accuracy.low <= 2 * HALF_WIDTH:
        return []
    return [
        Finding(
            id="few-images/accuracy",
            check="few-images",
            severity="note",
            sure=1.0,
            seen=f"{of_images(case.n, 'fixes', 'fix')} the accuracy no better than between {percent(accuracy.low)} and "
            f"{percent(accuracy.high)}.",
            evidence=(Evidence("accuracy", accuracy), Evidence("images", counted(case.n, case.n))),
            mend="Measure on more images before small differences are believed.",
            command=case.command("evaluate"),
        )
    ]


def other_names(case: Case) -> list[Finding]:
    """Net and data have different names for the same class numbers."""
    ours, theirs = case.evaluation.net_names, case.evaluation.names
    plain = [[name.casefold().replace("_", " ") for name in names] for names in (ours, theirs)]
    if not ours or len(ours) != len(theirs):
        return []
    differ = [row for row in range(len(theirs)) if plain[0][row] != plain[1][row]]
    if not differ or all(name.isdigit() for name in theirs):
        return []
    first = differ[0]
    return [
        Finding(
            id="class-names/net",
            check="class-names",
            severity="warning" if len(differ) == len(theirs) else "note",
            sure=1.0,
            seen=f"{len(differ)} of {len(theirs)} classes have other names in the net than in the data: class {first} "
            f"is {ours[first]!r} there and {theirs[first]!r} here.",
            evidence=(
                Evidence("classes with two names", Number(float(len(differ)), n=len(theirs), why="counted")),
                *(Evidence(f"class {row}: {ours[row]!r} and {theirs[row]!r}") for row in differ[:SHOWN]),
            ),
            mend="If these are the same classes nothing is wrong; if not, every figure here compares unlike things.",
            command=case.command("evaluate", "--split", "train"),
        )
    ]


Check = Callable[[Case], list[Finding]]
BREAKS: tuple[Check, ...] = (permuted_labels, one_answer, at_chance)
CHECKS: tuple[Check, ...] = (
    never_predicted,
    weak_classes,
    weak_slices,
    confused_pairs,
    confidence,
    class_confidence,
    suspect_labels,
    costly_threshold,
)
REMARKS: tuple[Check, ...] = (absent_classes, few_images, other_names)
