"""What is to be said of images that were made: whether others see in them what their maker sees."""

from __future__ import annotations

from striate.core.finding import Evidence, Finding
from striate.core.number import Number
from striate.nets.net import Net

from .payload import Synthesis

MEANT = {  # kinds whose images are to be seen as something else, and why
    "fool": "That is what a fooling image is for.",
    "dream": "That is what a dream is for: read it as what this net finds in the picture.",
    "style": "The style hides what the picture shows; more --content shows more of it.",
    "texture": "A texture has the surface of its picture, not what stands in it.",
}


def synthesis_findings(result: Synthesis, *, maker: Net) -> tuple[Finding, ...]:
    """Images that only their maker recognises, and images that the maker itself loses after 8 bits."""
    found = []
    lost = [one for one in result.images if one.probability is not None and one.predicted != one.index]
    if lost:
        names = ", ".join(one.target for one in lost[:5])
        found.append(
            Finding(
                "synthesis/lost",
                "synthesis",
                "warning",
                1.0,
                f"{maker.name} itself does not see the target in {len(lost)} of {len(result.images)} images: {names}.",
                (Evidence("probability of the target", Number(lost[0].probability), lost[0].picture),),
                "More steps, another preset, or a larger image.",
            )
        )
    judge = result.judge
    asked = [k for k, meant in enumerate(judge.wanted) if meant is not None] if judge else []
    if judge is None or not asked:
        return tuple(found)
    alone = [k for k in asked if judge.predicted[k] != judge.wanted[k]]
    if alone:
        shown = result.images[alone[0]]
        found.append(
            Finding(
                "synthesis/only-maker",
                "synthesis",
                "note" if result.kind in MEANT else "warning",
                1.0,
                f"{judge.net} sees something else in {len(alone)} of {len(asked)} images: in {shown.target}, "
                f"{judge.sees[alone[0]]}.",
                (Evidence("share that the judge recognises", judge.agrees, shown.picture),),
                MEANT.get(
                    result.kind, "Read these images as what this net responds to, not as what the thing looks like."
                ),
            )
        )
    return tuple(found)
