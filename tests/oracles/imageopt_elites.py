"""MAP-Elites, one child after the other in plain Python, from what was bred and how each child scored."""

from __future__ import annotations

from collections.abc import Sequence


def archive_of(
    generations: Sequence[Sequence[tuple[object, Sequence[float]]]], niches: int
) -> list[list[tuple[object, float]]]:
    """The archive after each generation: for each niche the best child ever seen there, and its score.

    A generation is a list of (child, its score in each niche). Equal scores leave the earlier holder.
    """
    held: list[tuple[object, float]] = [(None, float("-inf"))] * niches
    after = []
    for generation in generations:
        for child, scores in generation:
            for niche in range(niches):
                if scores[niche] > held[niche][1]:
                    held[niche] = (child, scores[niche])
        after.append(list(held))
    return after
