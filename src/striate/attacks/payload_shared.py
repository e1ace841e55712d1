"""What attacks on many images at once give: numbers on images that they never saw."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.core.number import Number


@dataclass(frozen=True)
class Judged:
    """One image that the attack was not fitted on.

    Attributes:
        row: Row in the split.
        name: Name of the image.
        label: True class.
        clean: Class predicted on the clean image.
        predicted: Class predicted on the attacked image.
        success: Whether the prediction changed, or, with a target, is the target.
        survives_8bit: Whether it still is so after rounding to 8 bits; None where there was no success.
        survives_jpeg: Whether it still is so as a JPEG file of quality 75; None where there was no success.
        seen: Class predicted on a random view of the attacked image; None where there are no views.
        distance: Norm of the change in the attack's norm, float64; None where none is held.
        picture: Album key of the attacked image, or empty.
        original: Album key of the clean image, or empty.
    """

    row: int
    name: str
    label: int
    clean: int
    predicted: int
    success: bool
    survives_8bit: bool | None = None
    survives_jpeg: bool | None = None
    seen: int | None = None
    distance: float | None = None
    picture: str = ""
    original: str = ""


@dataclass(frozen=True)
class Universal:
    """One difference that is added to every image.

    Attributes:
        method: ``"universal"``.
        norm: ``"inf"`` or ``"2"``.
        radius: Largest change of every image, in units of [0, 1] pixels.
        n: Images judged; the attack never saw them.
        fitted: Images that it was fitted on: the first of the split.
        clean_accuracy: Share of the judged that are right before.
        robust_accuracy: Share of the judged that are right with the difference.
        fooling_rate: Share of the judged whose predicted class changes.
        fitted_rate: The same of the images it was fitted on.
        noise_rate: The same of the judged under one random difference of the same norm.
        noise: What that random difference is.
        survives_8bit: Share of the fooled that are so after rounding to 8 bits.
        survives_jpeg: Share of the fooled that are so as JPEG files of quality 75.
        per_image: Every judged image, in the order of the split.
        passes: ``forward`` and ``backward`` passes of single images.
        history: Mean over each tenth of the steps of what was raised: minus the log-odds of the class.
        names: Names of the classes.
        delta: Album key of the difference, amplified around mid grey.
        factor: By how much it is amplified.
    """

    method: str
    norm: str
    radius: float
    n: int
    fitted: int
    clean_accuracy: Number
    robust_accuracy: Number
    fooling_rate: Number
    fitted_rate: Number
    noise_rate: Number
    noise: str
    survives_8bit: Number
    survives_jpeg: Number
    per_image: tuple[Judged, ...]
    passes: dict[str, int]
    history: tuple[float, ...] = field(default=())
    names: tuple[str, ...] = field(default=())
    delta: str = ""
    factor: float = 1.0


@dataclass(frozen=True)
class Patched:
    """One picture that is pasted into every image, so that the net sees its target.

    Attributes:
        method: ``"patch"``.
        target: Class to be seen.
        area: Largest share of an image that it covers.
        n: Images judged; the attack never saw them, and none is of the target.
        fitted: Images that it was fitted on: the first of the split.
        clean_accuracy: Share of the judged that are right before.
        robust_accuracy: Share of the judged that are right with the patch.
        success_rate: Share of the judged that are seen as the target, the patch at a random place, turn and size.
        seen_rate: The same at another place, under a random view of the image printed and photographed.
        unpatched_rate: Share of the judged seen as the target under such a view without the patch.
        control_rate: Share seen as the target with a patch of random colours at the places of ``success_rate``.
        control_accuracy: Share right with that patch of random colours: what covering alone costs.
        survives_8bit: Share of the successes that are so after rounding the image to 8 bits.
        survives_jpeg: Share of the successes that are so as JPEG files of quality 75.
        non_printability: Mean over its pixels of the product of distances to the printable colours; None without
            colours.
        colour_distance: Mean distance of a pixel to the nearest printable colour, in [0, 1] pixels.
        per_image: Every judged image, in the order of the split.
        passes: ``forward`` and ``backward`` passes of single images.
        placement: How it is placed, in words.
        view: What the view of a print does, in words.
        history: Mean over each tenth of the steps of what was raised: the log-probability of the target.
        names: Names of the classes.
        patch: Album key of the patch, pixel for pixel.
        page: Album key of the page to be printed, a PDF with marks to cut along.
        centimetres: Width of the patch on that page.
    """

    method: str
    target: int
    area: float
    n: int
    fitted: int
    clean_accuracy: Number
    robust_accuracy: Number
    success_rate: Number
    seen_rate: Number
    unpatched_rate: Number
    control_rate: Number
    control_accuracy: Number
    survives_8bit: Number
    survives_jpeg: Number
    non_printability: float | None
    colour_distance: float | None
    per_image: tuple[Judged, ...]
    passes: dict[str, int]
    placement: str = ""
    view: str = ""
    history: tuple[float, ...] = field(default=())
    names: tuple[str, ...] = field(default=())
    patch: str = ""
    page: str = ""
    centimetres: float = 0.0


@dataclass(frozen=True)
class Damaged:
    """One kind of corruption.

    Attributes:
        name: Of the corruption.
        family: Noise, blur, weather or digital.
        accuracy: Accuracy at severities 1 to 5.
        error: Mean error over the severities, ``1 - accuracy``.
        reference: The reference net's mean error, where there is one.
        ratio: Error over the reference's: the corruption error; missing without reference, or where that errs never.
    """

    name: str
    family: str
    accuracy: tuple[Number, ...]
    error: Number
    reference: Number
    ratio: Number


@dataclass(frozen=True)
class Corrupted:
    """A net under the 15 common corruptions at 5 severities.

    Attributes:
        method: ``"corruptions"``.
        n: Images, each seen under all 75.
        constants: Whose constants the strengths have: ``"ImageNet-C"`` or ``"CIFAR-10-C"``.
        clean_accuracy: Share right before.
        mean_error: Mean error over all 75, each image counted alike, not divided by a reference's.
        mean_corruption_error: Mean over the corruptions of the error over the reference's (mCE): 1 is as good as the
            reference; missing without one.
        reference: Name of the reference net, or empty.
        corruptions: Each corruption.
        passes: ``forward`` and ``backward`` passes of single images.
        sheet: Album key of the sheet: a row a corruption, the clean image and severities 1 to 5.
        notes: What is other than in the paper's data.
    """

    method: str
    n: int
    constants: str
    clean_accuracy: Number
    mean_error: Number
    mean_corruption_error: Number
    reference: str
    corruptions: tuple[Damaged, ...]
    passes: dict[str, int]
    sheet: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Move:
    """One image, and the smallest move of the grid that fools, in shares of the limits.

    Attributes:
        row: Row in the split.
        name: Name of the image.
        label: True class.
        clean: Class predicted on the image as it is.
        predicted: Class predicted on the moved image; on the image as it is where no move fools.
        success: Whether the image was right and is wrong when moved.
        across: Pixels to the right; None where no move fools or none is needed.
        down: Pixels down.
        degrees: Angle, counter-clockwise as seen.
        picture: Album key of the moved image, or empty.
        original: Album key of the image as it is, or empty.
    """

    row: int
    name: str
    label: int
    clean: int
    predicted: int
    success: bool
    across: float | None = None
    down: float | None = None
    degrees: float | None = None
    picture: str = ""
    original: str = ""


@dataclass(frozen=True)
class Spatial:
    """A net whose images are shifted and turned.

    Attributes:
        method: ``"spatial"``.
        n: Images.
        degrees: Largest angle either way.
        share: Largest shift either way, as a share of the side.
        grid: Points along shifts across, shifts down and angles.
        draws: Random moves of each image.
        clean_accuracy: Share right as they are.
        grid_accuracy: Share right as they are and under every move of the grid.
        drawn_accuracy: Share right as they are and under all random moves: the worst of so many.
        mean_accuracy: Share right under one random move, the mean over all draws.
        per_image: Every image, in the order of the split.
        passes: ``forward`` and ``backward`` passes of single images.
        names: Names of the classes.
    """

    method: str
    n: int
    degrees: float
    share: float
    grid: tuple[int, ...]
    draws: int
    clean_accuracy: Number
    grid_accuracy: Number
    drawn_accuracy: Number
    mean_accuracy: Number
    per_image: tuple[Move, ...]
    passes: dict[str, int]
    names: tuple[str, ...] = field(default=())
