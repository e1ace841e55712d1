"""Style transfer for films: each frame begins as its predecessor moved along the flow, and keeps to it where it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.film import encode_film
from striate.core.progress import SILENT
from striate.imageopt.found import Found
from striate.imageopt.objective import weighted_distance
from striate.imageopt.problem import Search
from striate.imageopt.score import scores_of
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .colour import recoloured
from .flow import CITES as FLOW_CITES
from .flow import Flow, dense_flow, visible, warped, warped_errors
from .made import Made
from .payload import Measured
from .style import CITES as STYLE_CITES
from .style import COLOUR_CITES, CONTENT, Colours, canvas_of, check_colours, check_pictures, in_colours, search_named
from .style_losses import Losses, Weights, style_losses
from .watch import Watch

CITES = ("ruder2016artistic", *STYLE_CITES, *FLOW_CITES)
STEADY = 20.0  # weight of the mean squared difference from the frames before
BACK = (1, 2, 4)  # so many frames back are held to


def style_film(
    net: Net,
    frames: Tensor,
    styles: Sequence[Tensor],
    *,
    content: float = CONTENT,
    steady: float = STEADY,
    back: Sequence[int] = BACK,
    flow: Flow | None = None,
    layers: Weights = (),
    content_layers: Weights = (),
    colours: Colours = "style",
    search: str | Search = "lbfgs",
    steps: int = 150,
    later: int | None = None,
    rate: float = 12.0,
    names: Sequence[str] = (),
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """A film (T, C, H, W) in the style of other pictures (C, h, w), without the flicker of single frames.

    Each frame lowers ``S + content * C + steady * D``, S and C those of `style_images`, D the mean squared difference
    from earlier painted frames, moved along the flow, where they can still be seen. It begins as the last one, moved.
    Cost: about 1.1 ``steps`` passes for the first frame, 1.1 ``later`` and five more forward for each other one.

    Args:
        net: Whose layers are read.
        frames: In [0, 1], in order, of one shot.
        styles: One or more, blended in equal parts.
        content: Weight of the content, at least 0.
        steady: Weight of the difference from earlier frames, at least 0; with 0 only the start is theirs.
        back: How many frames back those are that a frame is held to.
        flow: Gives the flow from frame a to frame b, as `flow.dense_flow` does, by which it is estimated without.
        layers: Sites of the style, as `style_images` takes them.
        content_layers: Sites of the content.
        colours: As `style_images` takes them; styles are fitted to the first frame.
        search: ``"lbfgs"``, ``"adam"``, or a search.
        steps: Of the search for the first frame, at least 1.
        later: For each later one; by default a third of ``steps``.
        rate: Frames a second of the film that is written.
        names: File stems of the frames.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: Frames or styles do not fit the net; no OpenCV and no flow.

    Source: Ruder et al. 2016, sections 4.1 to 4.3, with J = {1, 2, 4}. Their several passes forwards and backwards
    (section 4.4) are not done.
    """
    check_pictures(net, frames, styles, content=content)
    check_colours(colours, net)
    if steady < 0 or any(each < 1 for each in back):
        raise StriateError(f"steady is {steady:g}, back {list(back)}", accepted="at least 0, and numbers from 1 on")
    shown, given = in_colours(frames, styles, colours, first=True)
    film = _Film(shown, flow or (lambda one, two: dense_flow(frames[one], frames[two])), tuple(sorted(set(back))))
    paces = (steps, later or max(1, steps // 3))
    paint = _Painter(net, content, steady, search_named(search), paces, colours == "content", memory, watch)
    told: list[tuple[Losses, Found]] = []
    for k in range(len(frames)):
        losses = style_losses(net, shown[k : k + 1], given, layers=layers, content_layers=content_layers, memory=memory)
        told.append((losses, paint(losses, film, [found.images[0] for _, found in told])))
    images = torch.cat([found.images for _, found in told])
    final = recoloured(images, frames) if colours == "content" else images
    stems = tuple(names) or tuple(f"frame-{k:04d}" for k in range(len(frames)))
    ending, data = encode_film(list(final), rate=min(rate, 50.0))
    return Made(
        images=final,
        stems=tuple(f"style-{name}" for name in stems),
        targets=tuple(f"{name} in another style" for name in stems),
        words=f"{told[0][0].words(content, len(styles))} - {steady:g} * difference from frames before along the flow",
        scores=torch.cat([found.scores for _, found in told]),
        history=_histories([found for _, found in told]),
        steps=steps,
        tables=(_table(net, told, images=final, film=film, stems=stems, memory=memory),),
        films={f"style.{ending}": data},
        notes=tuple(dict.fromkeys(note for _, found in told for note in found.notes)),
        cites=(*CITES, *(COLOUR_CITES if colours != "style" else ())),
    )


@dataclass(frozen=True)
class _Painter:
    """How a frame is painted; ``steps`` for the first one and for later ones."""

    net: Net
    content: float
    steady: float
    search: Search
    steps: tuple[int, int]
    grey: bool
    memory: int
    watch: Watch | None

    def __call__(self, losses: Losses, film: _Film, painted: Sequence[Tensor]) -> Found:
        """The next frame after those that are painted."""
        frame = len(painted)
        objective, start = losses.total(self.content), film.frames[frame][None]
        if frame:
            start = film.start(painted)[None]
            held, where = film.held(painted)
            if self.steady:
                objective = objective - self.steady * weighted_distance(held[None], where[None])
        return solve(
            self.net,
            objective,
            start=start,
            search=self.search,
            steps=self.steps[frame > 0],
            canvas=canvas_of(start, grey=self.grey),
            memory=self.memory,
            progress=SILENT if self.watch is None else self.watch.progress,
            label=f"frame {frame + 1} of {len(film.frames)}",
            callback=self.watch,
        )


class _Film:
    """Frames with their flows: what earlier painted frames say of the next one."""

    def __init__(self, frames: Tensor, flow: Flow, back: tuple[int, ...]) -> None:
        self.frames, self.flow, self.back = frames, lru_cache(maxsize=16)(flow), back

    def seen(self, frame: int, before: int = 1) -> Tensor:
        """Where a frame shows what an earlier one showed, (1, H, W)."""
        return visible(self.flow(frame - before, frame), self.flow(frame, frame - before))

    def start(self, painted: Sequence[Tensor]) -> Tensor:
        """The last painted frame moved along the flow; what came into view begins as what hid it."""
        frame = len(painted)
        return warped(painted[-1], self.flow(frame, frame - 1))

    def held(self, painted: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What the next frame is held to (C, H, W) and where (1, H, W): the nearest frame back that shows the place.

        Source: Ruder et al. 2016, section 4.3. Their masks do not overlap, so that their sum of terms is one term.
        """
        frame, goal = len(painted), torch.zeros_like(painted[-1])
        free = torch.ones_like(goal[:1])
        for before in self.back:
            if before <= frame:
                own = free * self.seen(frame, before)
                goal = goal + own * warped(painted[frame - before], self.flow(frame, frame - before))
                free = free - own
        return goal, 1.0 - free


def _histories(found: Sequence[Found]) -> Tensor:
    """Histories of one row each as columns, (steps + 1, T); NaN where a frame had fewer steps."""
    longest = max(len(each.history) for each in found)
    table = found[0].history.new_full((longest, len(found)), torch.nan)
    for column, each in enumerate(found):
        table[: len(each.history), column] = each.history[:, 0]
    return table


def _table(
    net: Net, told: Sequence[tuple[Losses, Found]], *, images: Tensor, film: _Film, stems: Sequence[str], memory: int
) -> Measured:
    errors = [None, *warped_errors(images, film.flow, film.seen).tolist()]
    rows = []
    for stem, (losses, found), error in zip(stems, told, errors, strict=True):
        own = [float(scores_of(net, each, found.images, memory=memory)[0]) for each in (losses.style, losses.content)]
        rows.append((stem, *own, error))
    return Measured(
        title="Losses of the painted frames, and how far each is from its predecessor along the flow",
        columns=("frame", "style, share of the content's", "content, share of style's", "mean squared difference"),
        rows=tuple(rows),
    )
