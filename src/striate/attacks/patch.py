"""Adversarial patches: one picture that makes a net see a class wherever it lies in an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge
from striate.core.number import Number
from striate.core.pdf import picture_page
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.imageopt.canvas import Patch, Placement
from striate.imageopt.goal import classified_as
from striate.imageopt.objective import log_probability
from striate.imageopt.search.adam import Adam
from striate.imageopt.shared import FoundShared, solve_shared
from striate.imageopt.view import Chain, View, print_and_photograph
from striate.metrics.intervals import wilson
from striate.nets.net import Net
from striate.nets.passes import counting
from striate.nets.undisturbed import undisturbed

from .album import SHOWN, SIDE
from .check import check_classes, check_table
from .judging import divided, groups, predicted_by, rounded, survival, survivors, tenths
from .payload_shared import Judged, Patched
from .printing import non_printability

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table

AREA = 0.1  # of the image, at most
STEPS = 200
BATCH = 16
DEGREES = 22.5  # either way
SMALLEST = 0.5  # of the largest area: the smallest that a patch is shown at
CENTIMETRES = 10.0  # width of the printed patch
PICTURE, PAGE = "patch.png", "patch.pdf"
OWN = "attack/patch"


def placement_of(area: float, image: tuple[int, int]) -> Placement:
    """Square patches of half of ``area`` (a share of the image) to all of it, turned by up to 22.5 degrees.

    Raises:
        StriateError: The area is not above 0, or such a square does not fit the image.

    Source: Brown et al. 2017, section 2 (random place, turn and size); the ranges are ours.
    """
    least = min(image)
    high = math.sqrt(area * image[0] * image[1]) / least if area > 0 else 0.0
    if not 0 < high <= 1:
        most = least / max(image)
        raise StriateError(f"area is {area:g}", accepted=f"above 0, up to {most:.3g}: a share of the image")
    return Placement(high * math.sqrt(SMALLEST), high, DEGREES)


def camera() -> Chain:
    """The view of the print as a camera takes it, which never enlarges what it sees: the area stays what it is."""
    return print_and_photograph(turn=0.0, scale=(0.9, 1.0))


def patch(
    net: Net,
    images: Tensor,
    target: int,
    *,
    area: float = AREA,
    steps: int = STEPS,
    batch: int = BATCH,
    rate: float = 0.05,
    view: View | None = None,
    seed: int = 0,
    ids: Tensor | None = None,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> FoundShared:
    """A square patch that makes the net see ``target`` wherever, however turned and however large it is in an image.

    Adam, falling, ascends the mean log-probability of the target over ``batch`` images a step, each with the patch at
    a random place, turn and size, under the view of a print that is photographed. Costs ``steps * batch`` forward and
    backward passes, and a forward pass an image.

    Args:
        net: Fooled.
        images: What it is pasted into, (N, C, H, W) in [0, 1]; none should show the target.
        target: Class to be seen.
        area: Of the patch, as a share of the image: at most, and at least half of it.
        steps: Of the search.
        batch: Images of a step, without return until all had their turn.
        rate: Of Adam, in units of [0, 1] pixels.
        view: What images with the patch are seen under; by default `camera`.
        seed: Seed of places and views.
        ids: Ids (N,) of the images.
        memory: Bytes beside the net that a chunk may take.
        progress: How the work is shown.

    Source: Brown et al. 2017, equation 1; the views of a print: Athalye et al. 2018.
    """
    size = (int(images.shape[-2]), int(images.shape[-1]))
    keys = image_ids(images) if ids is None else ids
    places = _Places(placement_of(area, size), size, Rng(seed, OWN))
    return solve_shared(
        net,
        log_probability(target),
        images=images,
        canvas=lambda asked: places.canvas(images, keys, asked),
        search=Adam(rate, falling=True),
        steps=steps,
        view=camera() if view is None else view,
        goal=classified_as(target),
        batch=batch,
        seed=seed,
        ids=keys,
        memory=memory,
        progress=progress,
        label="patch",
    )


@dataclass(frozen=True)
class _Places:
    """Where patches lie in images of a size."""

    placement: Placement
    size: tuple[int, int]
    rng: Rng

    @property
    def side(self) -> int:
        """Pixels of a side of the patch: as many as it covers where it is largest."""
        return max(2, math.ceil(self.placement.high * min(self.size)))

    def canvas(self, images: Tensor, ids: Tensor, step: int) -> Patch:
        """The images with room for the patch where this step puts it."""
        square = (self.side, self.side)
        maps = self.placement.draw(ids, self.rng, patch=square, image=self.size, step=step)
        return Patch(images, torch.ones(square), maps, shared=True)


def patch_data(
    net: Net,
    data: Dataset,
    table: Table,
    *,
    target: int,
    area: float = AREA,
    fit: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Patched, dict[str, bytes]]:
    """A patch fitted on the first images of a split, judged on the others at places and under views it never saw.

    Images of the target class, or seen as it unchanged, are not left out of the judged ones: the rate without patch
    says how many there are. What is judged is the patch as its file holds it, in 8 bits.

    Args:
        net: Fooled.
        data: The split.
        table: What the net says of it unchanged, from `predict`.
        target: Class to be seen.
        area: Of the patch, as a share of the image, at most.
        fit: How many of the first images it is fitted on; by default two thirds, or what fits the memory.
        steps: Of the search.
        seed: Seed of every random draw.
        memory: Bytes beside the net.
        progress: How the work is shown.

    Raises:
        StriateError: Something does not fit; the message says what was given and what is taken.
    """
    check_table(data, table)
    check_classes(table.logits.shape[1], table.labels, target)
    size = data.size or net.a_size()
    places = _Places(placement_of(area, size), size, Rng(seed, OWN).child("judged"))
    first, rest = divided(data, size, fit, memory)
    rest = rest[table.labels[rest] != target]
    first = first[table.labels[first] != target]
    if len(rest) == 0 or len(first) == 0:
        raise StriateError(f"target is {target}, the class of every image", accepted="one that others can be taken for")
    with counting() as passes, undisturbed(net):
        found = patch(
            net, data.images(first), target, area=area, steps=steps or STEPS, seed=seed, ids=table.ids[first],
            memory=memory, progress=progress,
        )  # fmt: skip
        judge = _Judge(net, data, table, target, places, rounded(found.z), memory)
        results = [judge(rows, images) for rows, images in groups(data, rest, size, memory)]
    judged = tuple(one for each in results for one in each.listed)
    album = _album(found.z, table.names[target] if target < len(table.names) else str(target), places)
    shown = _shown(judged)
    for each in results:
        album |= {f"{row}-patched.png": png for row, png in each.pictures.items() if row in shown}
    return _payload(
        table, judged, results, target=target, area=area, fitted=len(first), album=album, found=found,
        places=places, passes={"forward": passes.forward, "backward": passes.backward},
    ), album  # fmt: skip


@dataclass(frozen=True)
class _Results:
    """What was learnt of some images: each, how many are seen as the target without, which noise harms."""

    listed: list[Judged]
    unpatched: int
    control: int
    control_right: int
    pictures: dict[int, bytes]


@dataclass(frozen=True, eq=False)
class _Judge:
    """Looks at images that the patch was not fitted on."""

    net: Net
    data: Dataset
    table: Table
    target: int
    places: _Places
    z: Tensor
    memory: int

    def __call__(self, rows: Tensor, images: Tensor) -> _Results:
        table, every, ids = self.table, torch.arange(len(rows)), self.table.ids[rows]
        view, rng = camera(), self.places.rng.child("view")
        canvas = self.places.canvas(images, ids, 0)
        pasted = canvas.paint(self.z, every)
        says = self._says(pasted)
        seen = self._says(view(self.places.canvas(images, ids, 1).paint(self.z, every), ids, rng))
        without = self._says(view(images, ids, rng))
        noise = self.places.rng.child("control").uniform(torch.zeros(1, dtype=torch.int64), self.z.shape[1:])
        control = self._says(canvas.paint(noise.to(images), every))
        at = (says == self.target).nonzero().squeeze(1)
        bits, jpeg = survivors(self.net, pasted, at, lambda now: now == self.target, self.memory)
        listed = [
            Judged(
                row=int(table.rows[row]),
                name=self.data.name_of(row),
                label=int(table.labels[row]),
                clean=int(table.predicted[row]),
                predicted=int(says[k]),
                success=bool(says[k] == self.target),
                survives_8bit=bits.get(k),
                survives_jpeg=jpeg.get(k),
                seen=int(seen[k]),
            )
            for k, row in enumerate(rows.tolist())
        ]
        shown = _shown(listed)
        pictures = {one.row: encode_png(enlarge(pasted[k], SIDE)) for k, one in enumerate(listed) if one.row in shown}
        right = int((control == table.labels[rows]).sum())
        return _Results(
            listed, int((without == self.target).sum()), int((control == self.target).sum()), right, pictures
        )

    def _says(self, images: Tensor) -> Tensor:
        return predicted_by(self.net, images, self.memory)


def _shown(listed: tuple[Judged, ...] | list[Judged]) -> set[int]:
    """Rows of a few images that are shown: those that succeeded if any did."""
    good = [one.row for one in listed if one.success] or [one.row for one in listed]
    return set(good[:SHOWN])


def _album(z: Tensor, name: str, places: _Places) -> dict[str, bytes]:
    """The patch as a picture, pixel for pixel, and as a page to be printed."""
    words = (
        f"Patch to be seen as {name}. Printed at 100 % it is {CENTIMETRES:g} cm wide.",
        "Cut along the marks. It is made to cover up to "
        f"{places.placement.high**2 * min(places.size) / max(places.size):.0%} of a picture, upright or nearly so.",
    )
    page = picture_page(z[0], width=CENTIMETRES, words=words)
    return {PICTURE: encode_png(z[0]), PAGE: page}


def _payload(
    table: Table,
    judged: tuple[Judged, ...],
    results: list[_Results],
    *,
    target: int,
    area: float,
    fitted: int,
    album: dict[str, bytes],
    found: FoundShared,
    places: _Places,
    passes: dict[str, int],
) -> Patched:
    n, hit = len(judged), [one for one in judged if one.success]
    count: Callable[[str], Number] = lambda name: wilson(sum(getattr(each, name) for each in results), n)  # noqa: E731
    score = non_printability(rounded(found.z)[0]) if found.z.shape[1] == 3 else None
    return Patched(
        method="patch",
        target=target,
        area=area,
        n=n,
        fitted=fitted,
        clean_accuracy=wilson(sum(one.clean == one.label for one in judged), n),
        robust_accuracy=wilson(sum(one.predicted == one.label for one in judged), n),
        success_rate=wilson(len(hit), n),
        seen_rate=wilson(sum(one.seen == target for one in judged), n),
        unpatched_rate=count("unpatched"),
        control_rate=count("control"),
        control_accuracy=count("control_right"),
        survives_8bit=survival([one.survives_8bit for one in hit]),
        survives_jpeg=survival([one.survives_jpeg for one in hit]),
        non_printability=None if score is None else score[0],
        colour_distance=None if score is None else score[1],
        per_image=tuple(
            replace(one, picture=f"{one.row}-patched.png") if f"{one.row}-patched.png" in album else one
            for one in judged
        ),
        passes=passes,
        placement=places.placement.words,
        view=camera().words,
        history=tenths(found.history),
        names=table.names,
        patch=PICTURE,
        page=PAGE,
        centimetres=CENTIMETRES,
    )
