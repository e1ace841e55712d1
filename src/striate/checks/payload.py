"""What `check` gives: what lies in each split, copies, leaks, suspect labels, and which images to keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from striate.core.number import Number
from striate.measure.payload import Suspect

Kind = Literal["exact", "near"]
LeakKind = Literal["copies", "group"]


@dataclass(frozen=True)
class SplitCounts:
    """What lies in one split.

    Attributes:
        split: ``"train"``, ``"dev"`` or ``"test"``.
        images: Images that can be read.
        broken: Files left out because they cannot be read.
        objects: Objects marked (boxes, masks or points), all images together; 0 where the data have none.
        empty: Images on which nothing is marked, where objects or tags are marked at all.
        classes: Images of each class, or which show it; for boxes the objects of each; in the order of the classes.
    """

    split: str
    images: int
    broken: int = 0
    objects: int = 0
    empty: int = 0
    classes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Counts:
    """What lies in the data, by split and class.

    Attributes:
        images: Images of all splits together.
        classes: Names of the classes.
        splits: Train, dev and test.
        imbalance: Largest over smallest class, among training images (all images, where there are none to train on).
        effective_classes: Number of equally large classes with the same entropy as the classes have.
    """

    images: int
    classes: tuple[str, ...]
    splits: tuple[SplitCounts, ...]
    imbalance: Number
    effective_classes: Number


@dataclass(frozen=True)
class Member:
    """One image among others: where it stands, what it is called, what its label is (-1 and "" without one)."""

    split: str
    row: int
    name: str
    label: int = -1
    label_name: str = ""


@dataclass(frozen=True)
class DuplicateGroup:
    """Images that show the same.

    Attributes:
        kind: ``"exact"``: every pixel is equal; ``"near"``: saved anew, resized, cut or touched up.
        members: Two or more, training images first; at most 50 are listed.
        count: How many there are.
        likeness: Correlation of the pixels once aligned, the least within the group; 1 for exact ones.
        splits: The splits that they lie in.
        labels: Whether they carry more than one label (or tags or objects that differ).
        picture: Key of the picture in the report's album that shows them side by side, or empty.
    """

    kind: Kind
    members: tuple[Member, ...]
    count: int
    likeness: float
    splits: tuple[str, ...]
    labels: bool
    picture: str = ""


@dataclass(frozen=True)
class Duplicates:
    """Copies, within and across the splits.

    Attributes:
        exact: Groups of equal pixels.
        near: Groups of near copies (which may hold exact ones too).
        images: Images that have a copy.
        surplus: Images that could go, so that one of each group stays.
        proposed: Pairs that the coarse search proposed, and the pixels were asked about.
        groups: The groups, those across splits first, then those with several labels; at most 500 are listed.
    """

    exact: int
    near: int
    images: int
    surplus: int
    proposed: int
    groups: tuple[DuplicateGroup, ...] = ()


@dataclass(frozen=True)
class Leak:
    """Something that lies on both sides of a division: what is measured on one side was seen on the other.

    Attributes:
        kind: ``"copies"`` of images, or a ``"group"`` (a person, a scene, a film) torn apart.
        what: The group's name, or the first image's.
        splits: The two splits, the one that is trained on first.
        images: Images of the second split that are touched.
        share: These as a share of the second split.
    """

    kind: LeakKind
    what: str
    splits: tuple[str, str]
    images: int
    share: float


@dataclass(frozen=True)
class Statistic:
    """One property of the images of one split: mean, deviation, extremes and three quantiles."""

    name: str
    split: str
    n: int
    mean: float
    deviation: float
    least: float
    low: float
    median: float
    high: float
    most: float


@dataclass(frozen=True)
class Removal:
    """An image that the cleaned list leaves out or gives another label, and why.

    ``suggested`` is the label to give it instead; empty where it should go.
    """

    split: str
    row: int
    name: str
    label: str
    reasons: tuple[str, ...]
    suggested: str = ""


@dataclass(frozen=True)
class Checked:
    """Data, checked.

    Attributes:
        data: Name of the data.
        layout: How they were recognised and divided, as one sentence.
        task: What is marked in them: ``classes``, ``tags``, ``boxes``, ``regions`` or ``none``.
        counts: What lies where.
        duplicates: Copies.
        leaks: What lies on both sides of a division.
        suspects: Labels that look wrong, the most suspect first.
        statistics: Properties of the images, by split.
        checks_run: Names of the checks that were made.
        kept: Images that the cleaned list keeps.
        removals: Images that it leaves out or gives another label; at most 1,000 are listed here, all in the CSV.
        left_out: What was not checked, and why.
        judged: How good the nets were that judged the labels, and what share they hold for wrong; "" where none did.
        doubtful: The labels that fit least beside the suspects: hard images or wrong labels.
        leaking: Images that are measured on one side of a division and were seen on the other, each counted once.
        shift: Area under the ROC curve of a classifier that tells training from test images; .5 where none can.
    """

    data: str
    layout: str
    task: str
    counts: Counts
    duplicates: Duplicates
    leaks: tuple[Leak, ...]
    suspects: tuple[Suspect, ...]
    statistics: tuple[Statistic, ...]
    checks_run: tuple[str, ...] = ()
    kept: int = 0
    removals: tuple[Removal, ...] = ()
    left_out: tuple[str, ...] = field(default=())
    judged: str = ""
    doubtful: tuple[Suspect, ...] = field(default=())
    leaking: int = 0
    shift: Number = field(default=Number(None, why="not measured"))
