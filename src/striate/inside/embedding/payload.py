"""What `embed` gives: neighbours, projection, probes by layer, similarity of layers, tree of classes, invariance."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class Near:
    """One neighbour: its row in the split (or in the codes), its name, its label, how far it is, its picture."""

    row: int
    name: str
    label: int
    distance: float
    picture: str = ""


@dataclass(frozen=True)
class Query:
    """One image with its nearest ones, nearest first, by code and by pixels.

    ``row`` is its row in the split, -1 for an image that was given; ``label`` is -1 where it has none.
    """

    row: int
    name: str
    label: int
    by_code: tuple[Near, ...]
    by_pixels: tuple[Near, ...]
    picture: str = ""


@dataclass(frozen=True)
class Neighbours:
    """Who lies next to whom, every image of the split against all others.

    Attributes:
        k: Neighbours of each image.
        metric: ``"euclidean"`` or ``"cosine"`` (1 less the cosine), in both spaces.
        pixels: Shape of the pixels that were compared; smaller than the net's input where memory asks for it.
        code_agreement: Share of the k nearest by code that have the image's label, mean over the images.
        pixel_agreement: The same by pixels.
        difference: The first less the second, images drawn in pairs.
        code_first: Share of the images whose single nearest has their label, by code.
        pixel_first: The same by pixels.
        chance: The same for a neighbour drawn at random.
        shared: Mean share of the k nearest by code that are among the k nearest by pixels too.
        queries: Images shown with their neighbours.
    """

    k: int
    metric: str
    pixels: tuple[int, ...]
    code_agreement: Number
    pixel_agreement: Number
    difference: Number
    code_first: Number
    pixel_first: Number
    chance: Number
    shared: Number
    queries: tuple[Query, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where an image lies in the plane: its row, its label (-1 for none), x and y."""

    row: int
    label: int
    x: float
    y: float


@dataclass(frozen=True)
class Projection:
    """The codes in a plane.

    Attributes:
        method: ``"pca"``, ``"tsne"`` or ``"umap"``.
        settings: The method's numbers, in words.
        n: Images in it.
        explained: Share of the variance along each of the first two principal axes of the codes (whatever the method).
        trustworthiness: How far neighbours in the plane are neighbours in the codes: 1 is all of them.
        k: Neighbours that the two measures look at.
        agreement: Share of the k nearest in the plane that have the image's label.
        code_agreement: The same among the codes of these images.
        places: Where each image lies.
        picture: Album key of the plane drawn with the images themselves; those that would hide another are left out.
        pictured: How many images it shows.
    """

    method: str
    settings: str
    n: int
    explained: tuple[float, ...]
    trustworthiness: Number
    k: int
    agreement: Number
    code_agreement: Number
    places: tuple[Place, ...] = ()
    picture: str = ""
    pictured: int = 0


@dataclass(frozen=True)
class Probe:
    """How well simple classifiers read the classes off one layer.

    Attributes:
        layer: Site, or ``"input"`` for the pixels.
        depth: Its place among the executed operations, as a share; 0 is the input.
        width: Numbers of a code.
        linear: Accuracy of the linear probe.
        penalty: Ridge penalty chosen for it, as a multiple of the codes' mean variance; the last fold's for folds.
        nearest: Accuracy of the vote of the k nearest.
    """

    layer: str
    depth: float
    width: int
    linear: Number
    penalty: float
    nearest: Number


@dataclass(frozen=True)
class Probes:
    """Probes by layer, the input first.

    Attributes:
        rows: One for each layer, in the order of the net.
        chance: Share of the largest class among the images measured.
        how: What the probes were fitted, chosen and measured on.
        k: Neighbours that vote.
        best: Layer whose linear probe is the best where penalties are chosen, not counting the input.
        over_pixels: Its accuracy less that of the pixels, on the same images.
        over_last: Its accuracy less that of the last layer; missing where it is the last.
    """

    rows: tuple[Probe, ...]
    chance: Number
    how: str
    k: int
    best: str
    over_pixels: Number
    over_last: Number


@dataclass(frozen=True)
class Similar:
    """Two layers compared: rows and columns of `Similarity`, by number."""

    a: int
    b: int
    cka: Number
    debiased: Number
    svcca: Number


@dataclass(frozen=True)
class Similarity:
    """Layers, of one net or of several, compared on the same images.

    Attributes:
        names: ``layer``, or ``net: layer`` where there are several nets.
        widths: Numbers of a code of each.
        n: Images.
        keep: Share of the variance that SVCCA keeps of each code.
        pairs: Every two, each once, a layer with itself included.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    n: int
    keep: float
    pairs: tuple[Similar, ...]


@dataclass(frozen=True)
class Merge:
    """One step of the tree: clusters ``a`` and ``b`` (leaves first, then merges in order) at a distance; size."""

    a: int
    b: int
    distance: float
    size: int


@dataclass(frozen=True)
class ClassTree:
    """Classes by the distance of their mean codes.

    Attributes:
        names: The leaves: classes with images.
        counts: Images of each.
        merges: From the first to the last.
        order: Leaves from left to right, so that no two lines cross.
        linkage: How clusters are compared.
        cophenetic: Correlation of the distances along the tree with those of the mean codes.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    merges: tuple[Merge, ...]
    order: tuple[int, ...]
    linkage: str
    cophenetic: Number


@dataclass(frozen=True)
class LayerCurve:
    """How far a layer's activations move as the image does: mean over the images at each amount."""

    layer: str
    distances: tuple[Number, ...]


@dataclass(frozen=True)
class TransformCurve:
    """One transform.

    Attributes:
        transform: ``"shift"``, ``"scale"`` or ``"rotation"``.
        unit: What the amounts count.
        amounts: From the image as it is, in order.
        layers: Distances by layer, the input first.
        probability: Mean probability of the class, at each amount.
    """

    transform: str
    unit: str
    amounts: tuple[float, ...]
    layers: tuple[LayerCurve, ...]
    probability: tuple[Number, ...]


@dataclass(frozen=True)
class Invariance:
    """How activations move under shift, scale and rotation.

    Attributes:
        n: Images.
        fill: What comes from outside of the image.
        of: Whose probability is told: that of the label, or of the class predicted for the image as it is.
        curves: One for each transform.
    """

    n: int
    fill: str
    of: str
    curves: tuple[TransformCurve, ...]


@dataclass(frozen=True)
class Embedding:
    """The codes of a split.

    Attributes:
        net: Name of the net.
        data: Name of the data.
        split: Which split.
        n: Images.
        names: Class names.
        labelled: Whether the images have labels.
        layer: Site whose output is the code.
        width: Numbers of a code.
        pooling: How an activation becomes a code.
        neighbours: Nearest images by code and by pixels.
        projection: The codes in a plane; None where it was not asked for.
        probes: Probes by layer; None where left out.
        similarity: Layers compared; None where there is one layer alone.
        tree: Tree of classes; None where there are fewer than three.
        invariance: How layers move with the image; None where it was not asked for.
        left_out: What is not there, and why.
    """

    net: str
    data: str
    split: str
    n: int
    names: tuple[str, ...]
    labelled: bool
    layer: str
    width: int
    pooling: str
    neighbours: Neighbours
    projection: Projection | None = None
    probes: Probes | None = None
    similarity: Similarity | None = None
    tree: ClassTree | None = None
    invariance: Invariance | None = None
    left_out: tuple[str, ...] = ()
