"""What `synthesize` gives: images, how high they score, and who else agrees."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class Painted:
    """One image that was made.

    Attributes:
        target: What it was made for: a class name, a unit, a layer.
        index: Class or unit number, or None.
        picture: File relative to the out folder, or album key.
        score: Objective at the end, judged on the returned image.
        probability: The maker's probability of the target, or None where the target is no class.
        predicted: Class that the maker sees after rounding to 8 bits, or None.
        seed: Seed of its start.
        rounded: Objective after rounding to 8 bits, or None where it was not asked again.
        fresh: Mean objective after rounding, over small shifts, scales and turns that the search never saw; None where
            it is not meant to hold under them.
        sees: Name of the class that the maker sees, or "".
        source: Album key of the picture that it was made from, or "".
    """

    target: str
    index: int | None
    picture: str
    score: float
    probability: float | None
    predicted: int | None
    seed: int
    rounded: float | None = None
    fresh: float | None = None
    sees: str = ""
    source: str = ""


@dataclass(frozen=True)
class Judged:
    """What an independent net says of the images, after 8 bits.

    Attributes:
        net: Its name.
        predicted: Class that it sees in each.
        probability: Its probability of the class that was meant (``wanted``), or of the class that it sees where none
            was.
        agrees: Share of the images with a class that was meant in which it sees that class, Wilson's interval.
        sees: Name of the class that it sees in each.
        wanted: The class that was meant for each, in its own numbers: that of the target, or for an image that was made
            from another what it sees in that one; None where nothing was meant.
    """

    net: str
    predicted: tuple[int, ...]
    probability: tuple[float, ...]
    agrees: Number
    sees: tuple[str, ...] = ()
    wanted: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A small table that a method gives beside its images.

    Attributes:
        title: What it shows, a sentence.
        columns: Heads, units in them.
        rows: Texts and numbers; None where there is none.
        draw: Columns that a page draws over the rows.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[float | str | None, ...], ...]
    draw: tuple[str, ...] = ()


@dataclass(frozen=True)
class Synthesis:
    """Images made by changing pixels (or what stands for them) until a net says what is wanted.

    Attributes:
        kind: Kind of synthesis.
        objective: What was raised, in words.
        steps: Steps of the search.
        images: The images.
        scores: Their scores.
        judge: What another net says; None where none was given.
        history: Scores at the start and after each step, a list an image; where a row had left, its last.
        tables: What else was measured.
        films: Files of films.
        notes: What has to be said about them.
    """

    kind: str
    objective: str
    steps: int
    images: tuple[Painted, ...]
    scores: tuple[float, ...]
    judge: Judged | None
    history: tuple[tuple[float, ...], ...]
    tables: tuple[Measured, ...] = ()
    films: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
