"""What looking inside gives: maps, each with its target, its score and its own check; filters."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class MapCheck:
    """A map's own check: what should hold, the residual found, the bound it is held to, and whether it holds.

    ``holds`` is None, and the residual missing, where the check was not asked for: neither held nor failed.
    """

    what: str
    residual: Number
    bound: float
    holds: bool | None

    @classmethod
    def left_out(cls, what: str, bound: float) -> MapCheck:
        """What was not asked for."""
        return cls(what, Number.missing("the check was not asked for"), bound, None)


@dataclass(frozen=True)
class Faith:
    """What one measure of faithfulness says of one map, beside maps of the same image that know nothing of the net.

    Attributes:
        measure: Its id.
        value: Of the map.
        random: Of noise.
        edge: Of the image's own edges.
        higher: Whether higher is better.
        better: Whether the map is better than both.
    """

    measure: str
    value: Number
    random: Number
    edge: Number
    higher: bool
    better: bool


@dataclass(frozen=True)
class MapRow:
    """One map of one image by one method.

    Attributes:
        image: Name of the image.
        method: Method id.
        target: Class that was explained.
        target_name: Its name.
        score: The net's output for it.
        probability: Its probability.
        predicted: The class that the net predicts.
        layer: Site that the method looks at, or empty.
        file: npz with ``values`` (raw, signed, (H, W) or (C, H, W), input pixels), in the out folder; or empty.
        picture: Name of the heat-map picture (file relative to the out folder, or key of the album).
        input_picture: Name of the picture of the input.
        units: What the values mean.
        limits: The values that the ends of the colour scale stand for.
        signed: Whether zero is in the middle of the scale.
        check: The method's own check.
        passes: Passes through the net that this map took.
        faithfulness: What measures of faithfulness say of it.
        predicted_name: Name of the class that the net predicts.
    """

    image: str
    method: str
    target: int
    target_name: str
    score: float
    probability: float
    predicted: int
    layer: str
    file: str
    picture: str
    input_picture: str
    units: str
    limits: tuple[float, float]
    signed: bool
    check: MapCheck
    passes: int
    faithfulness: tuple[Faith, ...] = ()
    predicted_name: str = ""


@dataclass(frozen=True)
class MeasureMean:
    """A measure of a method's maps over all images.

    Attributes:
        measure: Its id.
        mean: Mean over the images.
        over_random: Mean of how much better it is than noise on the same image; positive is better.
        over_edge: The same beside the image's edges.
        better: Share of the images whose map is better than both.
        higher: Whether higher is better.
    """

    measure: str
    mean: Number
    over_random: Number
    over_edge: Number
    better: Number
    higher: bool


@dataclass(frozen=True)
class MethodSummary:
    """A method over all images.

    Attributes:
        method: Its id, or ``"random"`` or ``"edge"``.
        means: One for each measure.
        rank: Mean rank among the methods over measures and images, 1 is best; missing for the two controls.
        held: How many of its maps hold their own check.
        maps: How many there are.
        passes: Passes that a map took.
    """

    method: str
    means: tuple[MeasureMean, ...]
    rank: Number
    held: int
    maps: int
    passes: int


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation of two methods' maps, pixel by pixel, mean over the images."""

    first: str
    second: str
    correlation: Number


@dataclass(frozen=True)
class SanityRow:
    """How far a method's maps are still those of the net after weights were drawn anew from the top down.

    Attributes:
        method: Its id, or ``"edge"``, which knows nothing of the net and must fail.
        depths: Shares of the layers with weights that were drawn anew.
        spearman: Mean over the images of the rank correlation with the net's own map, at each depth.
        ssim: The same, of structural similarity.
        bound: A mean rank correlation above it fails.
        holds: Whether the maps change.
    """

    method: str
    depths: tuple[float, ...]
    spearman: tuple[Number, ...]
    ssim: tuple[Number, ...]
    bound: float
    holds: bool


@dataclass(frozen=True)
class ObjectRow:
    """An object cut out of an image, started from a map.

    Attributes:
        image: Name of the image.
        method: Method whose map it was.
        box: Left, top, right, bottom in input pixels, the last two exclusive; None where nothing was found.
        share: Share of the pixels.
        picture: Name of the picture of the cut-out.
        iou: Overlap with a known mask.
    """

    image: str
    method: str
    box: tuple[int, int, int, int] | None
    share: float
    picture: str
    iou: Number


@dataclass(frozen=True)
class Explanation:
    """Maps, image by image, method by method.

    Attributes:
        maps: The maps.
        methods: What is said of each method over all images, and of the two controls; empty where nothing was measured.
        winner: The method with the best mean rank; empty where that is undecided.
        decided: Who wins, or why it is undecided, in a sentence.
        agreement: How alike the maps of each two methods are.
        left_out: Methods that do not work on this net, with the reason.
        sanity: What random weights do to the maps.
        objects: What was cut out.
        labels: The same of two small nets, one trained on true labels and one on permuted ones.
        learnt: Share of the training images that each of the two has right.
    """

    maps: tuple[MapRow, ...]
    methods: tuple[MethodSummary, ...] = ()
    winner: str = ""
    decided: str = ""
    agreement: tuple[Agreement, ...] = ()
    left_out: tuple[str, ...] = ()
    sanity: tuple[SanityRow, ...] = ()
    objects: tuple[ObjectRow, ...] = ()
    labels: tuple[SanityRow, ...] = ()
    learnt: tuple[float, float] | None = None


@dataclass(frozen=True)
class Filters:
    """Weights of the first layer, one picture a filter; all have the same limits, so that they can be compared."""

    site: str
    shape: tuple[int, ...]
    limits: tuple[float, float]
    signed: bool
    pictures: tuple[str, ...]
