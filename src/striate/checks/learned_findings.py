"""What the learners give to say: labels that look wrong, labels that mean nothing, splits that differ."""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding, Severity
from striate.core.number import Number

from .case import Noticed, counted, listed
from .shift import Shift
from .suspects import Suspects
from .twosample import Difference

MANY = 0.1  # share of wrong labels from which nothing should be trained on them
PICTURED = 24
PLAIN = 0.65  # area under the ROC curve from which two splits are plainly two things
_PAIRS = 5
_CHANCE_N, _CHANCE_GAP = 500, 0.05  # images, and accuracy above naming one class, for labels to be called meaningless


def suspect_findings(found: Suspects, *, data: str, classes: tuple[str, ...]) -> list[Noticed]:
    """What to say of the labels; nothing where hard images explain what the nets disagree with.

    Images are counted through the splits, as ``found.rows`` are. ``data`` is the name that commands are written with.
    """
    if found.noise.value is None:
        return []
    if not found.informed:
        return _meaningless(found, data)
    if found.established:
        return [_noisy(found, data, classes)]
    return [*_by_class(found, data, classes), *_few(found, data)]


def shift_findings(found: Shift, *, data: str, first: int = 0) -> list[Noticed]:
    """What to say of two splits that differ; ``first`` is the image that row 0 of the second one is counted as."""
    return [*_shifted(found, data, first), *_other_shares(found, data)]


def _noisy(found: Suspects, data: str, classes: tuple[str, ...]) -> Noticed:
    noise = found.noise
    severity: Severity = "error" if (noise.low or 0.0) >= MANY else "warning"
    return _suspected(
        found,
        Finding(
            id=f"label-noise/{data}",
            check="label-noise",
            severity=severity,
            sure=0.95,
            seen=f"About {_percent(noise)} of the labels look wrong ({_percent(noise.low)} to {_percent(noise.high)}): "
            f"so many of the images that small nets are surest of, without having seen them, carry another label. "
            f"{found.count:,} labels are more likely wrong than right.",
            evidence=(
                Evidence("share of wrong labels", noise),
                Evidence("labels more likely wrong than right", counted(found.count, len(found.quality))),
                Evidence("share of labels that the nets dispute, hard images among them", found.disputed),
                *_pairs(found, classes),
            ),
            mend="Look at the suspects and correct or drop them; the cleaned list suggests labels. Begin with those of "
            "test: every figure is measured by them.",
            command=_command(data),
        ),
    )


def _by_class(found: Suspects, data: str, classes: tuple[str, ...]) -> list[Noticed]:
    if not found.classes:
        return []
    names = [classes[each] for each in found.classes]
    return [
        _suspected(
            found,
            Finding(
                id=f"label-noise/{names[0] if len(names) == 1 else 'classes'}",
                check="label-noise",
                severity="warning",
                sure=0.95,
                seen=f"Images of {listed(names)} often carry another label, more often than hard images explain; "
                f"{found.count:,} labels of all are more likely wrong than right.",
                evidence=(
                    Evidence("labels more likely wrong than right", counted(found.count, len(found.quality))),
                    *_pairs(found, classes, among=found.classes),
                ),
                mend="Look at the suspects, and at how these classes are told apart where labels are given.",
                command=_command(data),
            ),
        )
    ]


def _few(found: Suspects, data: str) -> list[Noticed]:
    if not found.count or found.classes:
        return []
    names = [f"{one.name} ({one.label_name}, looks like {one.suggested_name})" for one in found.suspects]
    quality = [one.quality for one in found.suspects]
    sure = 1.0 - sum(quality) / max(len(quality), 1)
    one = found.count == 1
    return [
        _suspected(
            found,
            Finding(
                id=f"label-suspects/{data}",
                check="label-suspects",
                severity="note",
                sure=min(sure, 0.99),
                seen=f"{found.count:,} {'label looks' if one else 'labels look'} wrong: {listed(names, 3)}. "
                "More wrong labels than these may hide among images that are hard.",
                evidence=(
                    Evidence("labels more likely wrong than right", counted(found.count, len(found.quality))),
                    Evidence("share of other labels among the images the nets are surest of", found.noise),
                ),
                mend="Look at them, and correct those that are wrong; the cleaned list suggests labels.",
                command=_command(data),
            ),
        )
    ]


def _meaningless(found: Suspects, data: str) -> list[Noticed]:
    accuracy, n = found.accuracy, len(found.quality)
    if accuracy.high is None or n < _CHANCE_N or accuracy.high > found.most_frequent + _CHANCE_GAP:
        return []
    return [
        Noticed(
            Finding(
                id=f"labels-at-chance/{data}",
                check="labels-at-chance",
                severity="warning",
                sure=0.9,
                seen=f"Small nets learn nothing from these labels: {_percent(accuracy)} of {n:,} images that they had "
                f"not seen are right, and always naming the most frequent class gives {_percent(found.most_frequent)}.",
                evidence=(
                    Evidence("accuracy on unseen images", accuracy),
                    Evidence("share of the most frequent class", Number(found.most_frequent, n=n, why="counted")),
                ),
                mend="See whether each label belongs to its image: lists in another order than the files are the usual "
                "cause. If they do, the task is too hard for a small net, and this says nothing.",
                command=_command(data),
            )
        )
    ]


def _suspected(found: Suspects, finding: Finding) -> Noticed:
    shown = found.suspects[:PICTURED]
    facts = tuple(
        f"{one.label_name}, looks like {one.suggested_name} (chance that the label is right: {one.quality:.2f})"
        for one in shown
    )
    return Noticed(finding, tuple((row,) for row in found.rows[:PICTURED]), facts)


def _pairs(found: Suspects, classes: tuple[str, ...], among: tuple[int, ...] | None = None) -> tuple[Evidence, ...]:
    pairs = [pair for pair in found.pairs if among is None or pair.true in among]
    pairs.sort(key=lambda pair: -(pair.share.low or 0.0))
    return tuple(
        Evidence(f"surely {classes[pair.true]}, labelled {classes[pair.label]}", pair.share)
        for pair in pairs[:_PAIRS]
        if pair.share.value
    )


def _shifted(found: Shift, data: str, first: int) -> list[Noticed]:
    if not found.shifted or found.auc.value is None:
        return []
    train, other = found.splits
    plain = found.auc.value >= PLAIN
    words = "; ".join(_difference(each, train, other) for each in found.differences[:3])
    where = f": {words}" if words else ", though no single property gives them away"
    return [
        Noticed(
            Finding(
                id=f"shift/{train}+{other}",
                check="shift",
                severity="warning" if plain else "note",
                sure=1.0 - float(found.p),
                seen=f"{other.capitalize()} images are {'plainly ' if plain else ''}unlike {train} images of the same "
                f"class: a linear classifier orders {_percent(found.auc)} of pairs rightly (50 %: not at all){where}.",
                evidence=(
                    Evidence("area under the ROC curve of the classifier", found.auc),
                    Evidence("chance of this if both were one", found.p),
                    *(
                        Evidence(f"{_difference(each, train, other)}; deviations", each.effect)
                        for each in found.differences[:8]
                    ),
                ),
                mend=f"See how {other} came about: another camera, file format, resizing or source. Mix the sources "
                "before they are divided, or expect figures of the one to say little of the other.",
                command=_command(data),
            ),
            tuple((first + row,) for row in found.unlike),
        )
    ]


def _difference(each: Difference, train: str, other: str) -> str:
    return f"{each.what} {each.other:.3g} in {other}, {each.train:.3g} in {train}"


def _other_shares(found: Shift, data: str) -> list[Noticed]:
    if not found.class_shifted:
        return []
    train, other = found.splits
    words = [
        f"{each.name} {_percent(each.train)} of {train}, {_percent(each.other)} of {other}" for each in found.classes
    ]
    return [
        Noticed(
            Finding(
                id=f"class-shift/{train}+{other}",
                check="class-shift",
                severity="warning" if float(found.class_distance) >= MANY else "note",
                sure=min(0.9999, 1.0 - float(found.class_p)),
                seen=f"Classes have other shares in {other} than in {train}: {listed(words, 3)}; "
                f"{_percent(found.class_distance)} of the images would have to change class.",
                evidence=(
                    Evidence("difference of the class shares (total variation)", found.class_distance),
                    Evidence("chance of this if both were one", found.class_p),
                    *(Evidence(each) for each in words),
                ),
                mend="If the shares of the field are those of neither, weigh figures by class; if data were divided at "
                "random, see why they differ.",
                command=_command(data),
            )
        )
    ]


def _command(data: str) -> str:
    return shlex.join(["striate", "check", data, "--out", "checked"])


def _percent(value: float | Number | None) -> str:
    return "unknown" if value is None else f"{100 * float(value):.1f} %"
