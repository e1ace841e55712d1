"""What looking at units gives: for each layer its silent and its equal units, for each unit what makes it fire."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number
from striate.inside.ablation.payload import Effect
from striate.inside.attention.payload import Attended
from striate.inside.meaning.payload import LayerMeaning, UnitLabel

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Patch:
    """One patch.

    Attributes:
        image: Name of the image.
        id: Its stable number.
        row: Its row in the split.
        box: (top, left, bottom, right) in pixels of the image as the net takes it; bottom and right are not part of it.
        value: The unit's activation there.
    """

    image: str
    id: int
    row: int
    box: Box
    value: float


@dataclass(frozen=True)
class FieldSizes:
    """How far a unit sees, in pixels.

    Attributes:
        theoretical: (height, width) of the window that can reach it, not clipped; the image where nothing slides.
        effective: Side of the square around its centre that holds 95 % of the gradient.
        empirical: Square root of the area where an occluder moves it by at least half of the most.
    """

    theoretical: tuple[int, int]
    effective: Number
    empirical: Number


@dataclass(frozen=True)
class Neighbour:
    """Another unit of the layer: correlation of the activations, cosine of the filters (None where they have none)."""

    unit: int
    correlation: float
    cosine: float | None = None


@dataclass(frozen=True)
class Unit:
    """What is known of one unit.

    Attributes:
        site: Its layer.
        unit: Its number.
        dead: Whether it never fires on these images.
        top: The patches that excite it most, strongest first; none of a dead unit.
        least: Of the images whose best place excites it least, that place.
        random: Patches drawn at random.
        field: How far it sees.
        neighbours: The units most like it, most alike first.
        picture, least_picture, random_picture: Pictures of the patches in a row, in their order; "" where not drawn.
        painted: Picture painted for it, "" where not asked for.
        label: The concept that it follows, None where not asked for.
        effect: What is lost without it, None where not asked for.
    """

    site: str
    unit: int
    dead: bool
    top: tuple[Patch, ...]
    least: tuple[Patch, ...]
    random: tuple[Patch, ...]
    field: FieldSizes
    neighbours: tuple[Neighbour, ...] = ()
    picture: str = ""
    least_picture: str = ""
    random_picture: str = ""
    painted: str = ""
    label: UnitLabel | None = None
    effect: Effect | None = None


@dataclass(frozen=True)
class Twins:
    """Two units of a layer that do the same."""

    units: tuple[int, int]
    correlation: float
    cosine: float | None = None


@dataclass(frozen=True)
class Sheet:
    """Tiles of a layer on one sheet, row by row, on one colour scale.

    Attributes:
        picture: Its name.
        limits: What the ends of the colours stand for; from 0 where nothing is negative.
        tiles: How many are shown.
        of: How many there are.
        what: The image whose maps these are, or the unit whose kernel it is.
    """

    picture: str
    limits: tuple[float, float]
    tiles: int
    of: int
    what: str


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        site: Name.
        op: What it computes.
        shape: Of its output for one image.
        units: How many.
        listed: Those of which `Units.units` tells.
        dead: Units that never fire.
        duplicates: Pairs with a correlation above .99, most alike first, at most 100.
        duplicated: How many such pairs.
        field: Theoretical field (height, width); the image where nothing slides.
        stride: Pixels from one place to the next (height, width); 0 where nothing slides.
        effective: Side that holds 95 % of the gradient of the middle place, all units with random signs.
        sigma: Standard deviation in pixels of the Gaussian that fits this best, mean of the two axes.
        empirical: Mean over the measured units.
        compared: Whether units were compared with each other (layers of at most 2,048 are).
        maps: Activations of all units for one image; None where the layer has no maps.
        kernel: The kernel of one unit, a tile for each channel that it takes in; of one layer of the report at most.
    """

    site: str
    op: str
    shape: tuple[int, ...]
    units: int
    listed: tuple[int, ...]
    dead: tuple[int, ...]
    duplicates: tuple[Twins, ...]
    duplicated: int
    field: tuple[int, int]
    stride: tuple[float, float]
    effective: Number
    sigma: Number
    empirical: Number
    compared: bool = True
    maps: Sheet | None = None
    kernel: Sheet | None = None


@dataclass(frozen=True)
class GaborFit:
    """A first-layer filter as a Gabor function: share of its variance explained, frequency in cycles a pixel, angle."""

    filter: int
    r2: float
    frequency: float
    angle: float
    sigma: tuple[float, float]


@dataclass(frozen=True)
class FirstFilters:
    """The filters of the first layer.

    Attributes:
        site: The layer.
        shape: (filters, channels, height, width).
        limits: What the ends of the colours stand for, the same for all.
        pictures: One a filter.
        fitted: The nearest Gabor function of each, at the same limits.
        fits: The numbers of each.
        pixels: What the weights are multiplied with: how pixel values are normalised before.
    """

    site: str
    shape: tuple[int, ...]
    limits: tuple[float, float]
    pictures: tuple[str, ...]
    fitted: tuple[str, ...]
    fits: tuple[GaborFit, ...]
    pixels: str = ""


@dataclass(frozen=True)
class Units:
    """Units of some layers on some images.

    Attributes:
        layers: The layers, in the order in which they run.
        units: The units that are listed, layer by layer.
        images: How many images were looked at.
        size: (H, W) of an image.
        filters: Filters of the first layer, None where it has none over pixels.
        notes: What was left out, and why.
        labelled_on: Name and size of the data whose masks the labels come from, "" where nobody asked for labels.
        meanings: What the units of each layer follow, kind by kind, all units of the layer; of several nets one after
            the other.
        accuracy: Of the net as it is, which effects are measured against; None where none were.
        names: Names of the classes that effects are of.
        attention: Where the heads of a transformer look; None for other nets.
    """

    layers: tuple[Layer, ...]
    units: tuple[Unit, ...]
    images: int
    size: tuple[int, int]
    filters: FirstFilters | None = None
    notes: tuple[str, ...] = ()
    labelled_on: str = ""
    meanings: tuple[LayerMeaning, ...] = ()
    accuracy: Number | None = None
    names: tuple[str, ...] = ()
    attention: Attended | None = None
