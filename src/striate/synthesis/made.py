"""From what a method painted to what is reported: rounded to 8 bits, looked at again, judged, saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from striate.core.image import encode_png, enlarge, from_bytes, to_bytes
from striate.imageopt.objective import Objective
from striate.imageopt.score import scores_of
from striate.imageopt.view import Chain, Jitter, Rotation, Scale, View
from striate.nets.net import Net

from .judge import Meant, judged_by, seen_by
from .payload import Measured, Painted, Synthesis

SIDE = 128  # pixels of a picture at least; smaller images are enlarged by a whole factor
DRAWS = 8  # fresh views of each image


@dataclass(frozen=True, eq=False)
class Made:
    """What a method painted.

    Attributes:
        images: (N, C, H, W) in [0, 1].
        stems: File names of the images, without ending; each once.
        targets: What each was made for, in words.
        words: What was raised, in words.
        scores: (N,), of the returned images.
        history: (steps + 1, N); NaN where a row had left.
        steps: Of the search.
        seed: Of the start.
        seeds: Where they differ, the seed of each.
        objective: For looking again at the images rounded to 8 bits, row k for image k; None does not.
        steady: Whether the objective is meant to hold under small shifts, scales and turns.
        classes: The maker's class that each was made for, or None; empty means none for all.
        numbers: Class or unit of each, where it is not that of ``classes``.
        sources: Pictures to show beside, by stem.
        source: For each image the stem of the picture it was made from, or ""; empty means none for all.
        tables: What else was measured.
        films: Films, by file name.
        notes: What has to be said about them.
        cites: Keys of the papers.
        conclude: What the method adds to the report once its images are rounded and judged; None adds nothing.
    """

    images: Tensor
    stems: tuple[str, ...]
    targets: tuple[str, ...]
    words: str
    scores: Tensor
    history: Tensor
    steps: int
    seed: int = 0
    seeds: tuple[int, ...] = ()
    objective: Objective | None = None
    steady: bool = True
    classes: tuple[int | None, ...] = ()
    numbers: tuple[int | None, ...] = ()
    sources: Mapping[str, Tensor] = field(default_factory=dict)
    source: tuple[str, ...] = ()
    tables: tuple[Measured, ...] = ()
    films: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    conclude: Callable[[Synthesis], Synthesis] | None = None

    @property
    def meant(self) -> tuple[int | None, ...]:
        """The class of each image, or None."""
        return self.classes or (None,) * len(self.images)

    @property
    def made_from(self) -> tuple[str, ...]:
        """The stem of the picture that each was made from, or ""."""
        return self.source or ("",) * len(self.images)


def fresh_view(side: int) -> View:
    """Small shifts (a sixteenth of the side), scales (.95 to 1.05) and turns (3 degrees) that no search is given."""
    return Chain((Jitter(max(1, side // 16)), Scale(0.95, 1.05, fill="edge"), Rotation(3.0, fill="edge")))


def told(
    made: Made, net: Net, *, kind: str, judge: Net | None = None, memory: int = 1 << 30
) -> tuple[Synthesis, dict[str, bytes]]:
    """What is reported of painted images, with their pictures.

    All that is said of them is said of the images rounded to 8 bits, as they are saved, but for ``score``, which is
    that of the search's own result. Cost: a forward pass an image for the class, one for the objective, eight under
    fresh views, one by the judge.
    """
    rounded = from_bytes(to_bytes(made.images))
    again = None if made.objective is None else scores_of(net, made.objective, rounded, memory=memory)
    fresh = _fresh(made, net, rounded, memory)
    probability, predicted = (None, None) if net.outputs == "other" else seen_by(net, rounded, memory=memory)
    numbers, names = made.numbers or made.meant, net.classes
    images = []
    for k, (stem, target, meant) in enumerate(zip(made.stems, made.targets, made.meant, strict=True)):
        seen = None if predicted is None else int(predicted[k])
        images.append(
            Painted(
                target=target,
                index=numbers[k],
                picture=f"{stem}.png",
                score=float(made.scores[k]),
                probability=None if probability is None or meant is None else float(probability[k, meant]),
                predicted=seen,
                seed=made.seeds[k] if made.seeds else made.seed,
                rounded=None if again is None else float(again[k]),
                fresh=None if fresh is None else float(fresh[k]),
                sees="" if seen is None else names[seen] if seen < len(names) else str(seen),
                source=f"{made.made_from[k]}.png" if made.made_from[k] else "",
            )
        )
    result = Synthesis(
        kind=kind,
        objective=made.words,
        steps=made.steps,
        images=tuple(images),
        scores=tuple(map(float, made.scores)),
        judge=None if judge is None else judged_by(judge, rounded, _meant(made, rounded), maker=net, memory=memory),
        history=tuple(_filled(each) for each in made.history.T.tolist()),
        tables=made.tables,
        films=tuple(made.films),
        notes=made.notes,
    )
    if made.conclude is not None:
        result = made.conclude(result)
    saved = dict(zip(made.stems, rounded, strict=True)) | dict(made.sources)
    return result, {**{f"{stem}.png": encode_png(enlarge(image, SIDE)) for stem, image in saved.items()}, **made.films}


def _fresh(made: Made, net: Net, rounded: Tensor, memory: int) -> Tensor | None:
    if made.objective is None or not made.steady or not made.objective.per_image:
        return None
    view = fresh_view(min(rounded.shape[-2:]))
    return scores_of(net, made.objective, rounded, view=view, draws=DRAWS, seed=made.seed + 1, memory=memory)


def _meant(made: Made, rounded: Tensor) -> list[Meant]:
    """For each image the class that it was made for, or the picture that it was made from."""
    return [
        meant if meant is not None else from_bytes(to_bytes(made.sources[stem])).to(rounded) if stem else None
        for meant, stem in zip(made.meant, made.made_from, strict=True)
    ]


def _filled(scores: Sequence[float]) -> tuple[float, ...]:
    """Scores step by step; where there is none (the row had left, or was no number) the last one before."""
    kept: list[float] = []
    for score in scores:
        known = math.isfinite(score)
        if known or kept:
            kept.append(score if known else kept[-1])
    return tuple(kept)
