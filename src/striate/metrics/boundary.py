"""Figures of outlines: whether the edges of regions lie where they should, which IoU of large regions hides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .image_intervals import drawn_figures, interval_over_images, over
from .segmentation import VOID, class_maps, counted_pixels

Matching = Literal["nearest", "one_to_one"]
_UNSEEN = "0/0: no outline of the class in labels or predictions"


@dataclass(frozen=True)
class Reach:
    """How far apart two edges may lie: in pixels, or as a share of the image's diagonal.

    >>> Reach(share=0.01).of(300, 400)
    5.0
    """

    pixels: float | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        given = [each for each in (self.pixels, self.share) if each is not None]
        if len(given) != 1 or not (math.isfinite(given[0]) and given[0] > 0):
            raise StriateError(
                f"a reach of pixels {self.pixels} and share {self.share}", accepted="one of the two, above 0"
            )

    def of(self, height: int, width: int) -> float:
        """The reach in pixels in an image of this size."""
        return self.pixels if self.pixels is not None else float(self.share or 0.0) * math.hypot(height, width)


CSURKA = Reach(share=0.0075)
CHENG = Reach(share=0.02)


@dataclass(frozen=True)
class ClassBoundary:
    """How well the outlines of one class are found.

    Attributes:
        f: Harmonic mean of an image's precision and recall, averaged over the images that have an outline of it.
        precision: Share of the predicted outline's pixels that lie near the true one, over the whole set.
        recall: Share of the true outline's pixels that lie near the predicted one, over the whole set.
        pooled_f: Harmonic mean of these two.
        images: In how many images it has an outline.
    """

    f: Number
    precision: Number
    recall: Number
    pooled_f: Number
    images: int


@dataclass(frozen=True)
class BoundaryFigures:
    """Boundary F over a set of images: the mean over classes of ``f`` and of ``pooled_f``, and each class."""

    mean_f: Number
    mean_pooled_f: Number
    classes: tuple[ClassBoundary, ...]


@dataclass(frozen=True)
class BoundaryIouFigures:
    """Boundary IoU over a set of images: its mean over classes, and that of each class."""

    mean_iou: Number
    classes: tuple[Number, ...]


def outline(mask: Tensor, counted: Tensor | None = None) -> Tensor:
    """Pixels of a mask (H, W) that have a neighbour above, below, left or right outside it.

    The frame of the image is no outline, and neither is an edge towards pixels that are not ``counted``.
    """
    inside = mask.to(torch.bool)
    outside = ~inside if counted is None else ~inside & counted
    near = torch.zeros_like(inside)
    near[1:] |= outside[:-1]
    near[:-1] |= outside[1:]
    near[:, 1:] |= outside[:, :-1]
    near[:, :-1] |= outside[:, 1:]
    return inside & near


def matched_pixels(
    predicted: Tensor, truth: Tensor, distance: float, *, matching: Matching = "nearest"
) -> tuple[int, int]:
    """How many pixels of the predicted outline have a partner in the true one within ``distance``, and conversely.

    With ``"nearest"`` any pixel within reach is a partner, and may serve many; with ``"one_to_one"`` as many pairs as
    possible are made, each pixel in one at most. Distances are exact, between pixel centres.
    """
    from scipy.sparse.csgraph import maximum_bipartite_matching
    from scipy.spatial import cKDTree

    ours, theirs = predicted.nonzero().numpy(), truth.nonzero().numpy()
    if len(ours) == 0 or len(theirs) == 0:
        return 0, 0
    bound = distance * (1 + 1e-12)  # sums of squares within it are told apart by more
    here, there = cKDTree(ours), cKDTree(theirs)
    if matching == "one_to_one":
        near = here.sparse_distance_matrix(there, bound, output_type="coo_matrix")
        near.data[:] = 1  # a distance of 0 is a pair too
        pairs = int((maximum_bipartite_matching(near.tocsr(), perm_type="column") >= 0).sum())
        return pairs, pairs
    to_theirs = there.query(ours, distance_upper_bound=bound)[0]  # infinite where none is below the bound
    to_ours = here.query(theirs, distance_upper_bound=bound)[0]
    return int((to_theirs < bound).sum()), int((to_ours < bound).sum())


@dataclass(frozen=True)
class BoundaryCounts:
    """Outline pixels counted class by class and image by image; every update gives a new value.

    Attributes:
        classes: How many classes there are.
        reach: How far apart matching pixels may lie.
        void: The label that is left out, or None.
        matching: As in `matched_pixels`.
        parts: For each update (n, K, 4) int64: predicted pixels matched and in all, true pixels matched and in all.
    """

    classes: int
    reach: Reach = CSURKA
    void: int | None = VOID
    matching: Matching = "nearest"
    parts: tuple[Tensor, ...] = ()

    @property
    def counts(self) -> Tensor:
        """The counts of all images, shape (images, K, 4)."""
        return torch.cat([torch.zeros(0, self.classes, 4, dtype=torch.int64), *self.parts])

    def update(self, labels: Tensor, predicted: Tensor) -> BoundaryCounts:
        """With these images added: class numbers, shape (H, W) or (n, H, W)."""
        truth, guess = class_maps(labels, predicted)
        part = torch.zeros(len(truth), self.classes, 4, dtype=torch.int64)
        for row, (one, other) in enumerate(zip(truth, guess, strict=True)):
            distance = self.reach.of(*one.shape)
            for k, true, found, counted in _class_masks(one, other, self.classes, self.void, row):
                ours, theirs = outline(found, counted), outline(true, counted)
                near, far = matched_pixels(ours, theirs, distance, matching=self.matching)
                part[row, k] = torch.tensor([near, int(ours.sum()), far, int(theirs.sum())])
        return BoundaryCounts(self.classes, self.reach, self.void, self.matching, (*self.parts, part))

    def merge(self, other: BoundaryCounts) -> BoundaryCounts:
        """Both counted together; the other's images come behind."""
        mine = (self.classes, self.reach, self.void, self.matching)
        if mine != (other.classes, other.reach, other.void, other.matching):
            raise StriateError("outlines counted in two ways do not add up", accepted="one reach, void and matching")
        return BoundaryCounts(*mine, (*self.parts, *other.parts))

    def compute(self, *, seed: int = 0) -> BoundaryFigures:
        """The figures, with intervals by 1,000 draws of images from ``seed``."""
        counts = self.counts
        images, k = counts.shape[:2]
        exact = counts.to(torch.float64)
        f = _harmonic(exact)
        occurs = ~f.isnan()
        columns = torch.cat([torch.stack([f.nan_to_num(0.0), occurs.to(torch.float64)], dim=-1), exact], dim=-1)
        values = _outline_figures(columns.sum(0, keepdim=True))[0].tolist()
        drawn = drawn_figures(columns, _outline_figures, seed=seed)

        def number(place: int, why: str) -> Number:
            said = why if math.isnan(values[place]) else ""
            return interval_over_images(values[place], drawn[:, place], images, why=said)

        classes = tuple(
            ClassBoundary(
                f=number(2 + j, _UNSEEN),
                precision=number(2 + k + j, "0/0: no predicted outline of the class"),
                recall=number(2 + 2 * k + j, "0/0: no outline of the class"),
                pooled_f=number(2 + 3 * k + j, _UNSEEN),
                images=int(occurs[:, j].sum()),
            )
            for j in range(k)
        )
        nothing = "0/0: no outlines"
        return BoundaryFigures(number(0, nothing), number(1, nothing), classes)


def boundary_f(
    labels: Tensor,
    predicted: Tensor,
    classes: int,
    *,
    reach: Reach = CSURKA,
    void: int | None = VOID,
    matching: Matching = "nearest",
    seed: int = 0,
) -> BoundaryFigures:
    """Precision, recall and F of the outlines of class maps (n, H, W), each class against all others.

    An outline pixel counts when the other map's outline of the class is within ``reach`` (by default 0.75 % of the
    diagonal). A class without outline in both maps of an image has no F there, which is not 1 and not 0.

    Source: Csurka, Larlus & Perronnin 2013, "What is a good evaluation measure for semantic segmentation?", here with
    distances up to and including the reach; ``reach=Reach(share=0.008)`` is that of Perazzi et al. 2016;
    ``matching="one_to_one"`` counts pairs as Martin, Fowlkes & Malik 2004 do, here as many as can be made.
    """
    return BoundaryCounts(classes, reach, void, matching).update(labels, predicted).compute(seed=seed)


def edge_band(mask: Tensor, distance: int, counted: Tensor | None = None) -> Tensor:
    """Pixels of a mask (H, W) at most ``distance`` king's moves from a pixel outside it; the frame is outside too."""
    from scipy.ndimage import distance_transform_cdt

    inside = mask.to(torch.bool)
    outside = ~inside if counted is None else ~inside & counted
    framed = torch.zeros(inside.shape[0] + 2, inside.shape[1] + 2, dtype=torch.bool)
    framed[1:-1, 1:-1] = ~outside
    far = torch.from_numpy(distance_transform_cdt(framed.numpy(), metric="chessboard"))[1:-1, 1:-1]
    return inside & (far <= distance)


@dataclass(frozen=True)
class BandCounts:
    """Pixels near the edges of regions, counted class by class and image by image; every update gives a new value.

    Attributes:
        classes: How many classes there are.
        reach: How far from its edge a pixel of a region counts; rounded to whole pixels, 1 at least.
        void: The label that is left out, or None.
        parts: For each update (n, K, 3) int64: pixels near both edges, near the true one, near the predicted one.
    """

    classes: int
    reach: Reach = CHENG
    void: int | None = VOID
    parts: tuple[Tensor, ...] = ()

    @property
    def counts(self) -> Tensor:
        """The counts of all images, shape (images, K, 3)."""
        return torch.cat([torch.zeros(0, self.classes, 3, dtype=torch.int64), *self.parts])

    def update(self, labels: Tensor, predicted: Tensor) -> BandCounts:
        """With these images added: class numbers, shape (H, W) or (n, H, W)."""
        truth, guess = class_maps(labels, predicted)
        part = torch.zeros(len(truth), self.classes, 3, dtype=torch.int64)
        for row, (one, other) in enumerate(zip(truth, guess, strict=True)):
            distance = max(1, round(self.reach.of(*one.shape)))
            for k, true, found, counted in _class_masks(one, other, self.classes, self.void, row):
                theirs, ours = edge_band(true, distance, counted), edge_band(found, distance, counted)
                part[row, k] = torch.stack([(theirs & ours).sum(), theirs.sum(), ours.sum()])
        return BandCounts(self.classes, self.reach, self.void, (*self.parts, part))

    def merge(self, other: BandCounts) -> BandCounts:
        """Both counted together; the other's images come behind."""
        mine = (self.classes, self.reach, self.void)
        if mine != (other.classes, other.reach, other.void):
            raise StriateError("edges counted in two ways do not add up", accepted="one reach and void label")
        return BandCounts(*mine, (*self.parts, *other.parts))

    def compute(self, *, seed: int = 0) -> BoundaryIouFigures:
        """The figures, with intervals by 1,000 draws of images from ``seed``."""
        counts = self.counts
        values = _band_figures(counts.sum(0, keepdim=True).to(torch.float64))[0].tolist()
        drawn = drawn_figures(counts, _band_figures, seed=seed)
        numbers = [
            interval_over_images(value, drawn[:, i], len(counts), why=_UNSEEN if math.isnan(value) else "")
            for i, value in enumerate(values)
        ]
        return BoundaryIouFigures(numbers[0], tuple(numbers[1:]))


def boundary_iou(
    labels: Tensor, predicted: Tensor, classes: int, *, reach: Reach = CHENG, void: int | None = VOID, seed: int = 0
) -> BoundaryIouFigures:
    """IoU of class maps (n, H, W) where only pixels near the edge of their own region count, over the whole set.

    Source: Cheng, Girshick, Dollar, Berg & Kirillov 2021, "Boundary IoU", equation 3; near is counted in king's moves
    and the frame of the image is an edge, as in their code.
    """
    return BandCounts(classes, reach, void).update(labels, predicted).compute(seed=seed)


def _class_masks(
    labels: Tensor, predicted: Tensor, classes: int, void: int | None, image: int
) -> list[tuple[int, Tensor, Tensor, Tensor]]:
    """Each class that occurs, with its true mask, its predicted mask and the pixels that are not void."""
    named, found = counted_pixels(labels, predicted, classes, void=void, image=image)
    counted = torch.ones_like(labels, dtype=torch.bool) if void is None else labels != void
    present = torch.bincount(torch.cat([named, found]), minlength=classes).nonzero().flatten().tolist()
    return [(k, (labels == k) & counted, (predicted == k) & counted, counted) for k in present]


def _harmonic(sums: Tensor) -> Tensor:
    """The harmonic mean of precision and recall, NaN where there is no outline at all, 0 where one is missing."""
    near, ours, far, theirs = sums.unbind(-1)
    precision, recall = over(near, ours).nan_to_num(0.0), over(far, theirs).nan_to_num(0.0)
    both = over(2 * precision * recall, precision + recall).nan_to_num(0.0)
    return torch.where(ours + theirs > 0, both, torch.nan)


def _outline_figures(sums: Tensor) -> Tensor:
    """Two means over classes, then mean F, precision, recall and pooled F of each, of sums (n, K, 6)."""
    f = over(sums[..., 0], sums[..., 1])
    pooled = _harmonic(sums[..., 2:])
    precision, recall = over(sums[..., 2], sums[..., 3]), over(sums[..., 4], sums[..., 5])
    means = torch.stack([f.nanmean(1), pooled.nanmean(1)], dim=1)
    return torch.cat([means, f, precision, recall, pooled], dim=1)


def _band_figures(sums: Tensor) -> Tensor:
    """The mean over classes, then IoU of each, of sums (n, K, 3)."""
    each = over(sums[..., 0], sums[..., 1] + sums[..., 2] - sums[..., 0])
    return torch.cat([each.nanmean(1, keepdim=True), each], dim=1)
