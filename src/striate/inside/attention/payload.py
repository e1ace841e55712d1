"""What looking inside a vision transformer gives: where heads look, positions, patches, the path of the class token."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class HeadReach:
    """How far a head looks.

    Attributes:
        layer: Its layer, from 0.
        head: Its number in the layer, from 0.
        distance: Mean distance in input pixels from a patch to the patches that it attends to, over patches and images.
    """

    layer: int
    head: int
    distance: Number


@dataclass(frozen=True)
class TokenStep:
    """What a block does to the token that the head reads.

    Attributes:
        site: Where the block ends.
        update: Length of what the block adds, as a share of the length of what came in, mean over images.
        probability: Probability of the class that the net predicts, were the head to read here.
        agrees: Share of images for which the head would predict the same class here.
    """

    site: str
    update: Number
    probability: Number
    agrees: Number


@dataclass(frozen=True)
class AttendedImage:
    """One image and where its heads look.

    Attributes:
        image: Name of the image.
        picture: Attention from the token that the head reads to the patches: a row a layer, a column a head.
        input_picture: Name of the picture of the input.
        limits: Values that the ends of the picture's colour scale stand for.
        predicted: Name of the class that the net predicts.
        guesses: What the head says after each block.
    """

    image: str
    picture: str
    input_picture: str
    limits: tuple[float, float]
    predicted: str
    guesses: tuple[str, ...]


@dataclass(frozen=True)
class Positions:
    """How alike the position embeddings of patches are.

    Attributes:
        parameter: Path of the parameter.
        picture: A tile for each patch: the cosines of its position with all.
        limits: Values that the ends of the colour scale stand for.
        near: Mean cosine of patches that touch by a side.
        far: Mean cosine of patches at least half the longer side of the grid apart.
    """

    parameter: str
    picture: str
    limits: tuple[float, float]
    near: Number
    far: Number


@dataclass(frozen=True)
class Patches:
    """Principal components of the filters that make tokens of patches.

    Attributes:
        site: Site of the embedding.
        shape: Shape of its weight.
        picture: The components, those with the largest share first, row by row.
        shares: Share of the filters' variance in each component that is shown.
    """

    site: str
    shape: tuple[int, ...]
    picture: str
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Attended:
    """A vision transformer, looked into.

    Attributes:
        sites: Sites of the attention, by layer.
        heads: Heads of a layer.
        tokens: Tokens of an image.
        read: Tokens that the head reads.
        rows: Rows of patches.
        columns: Columns of patches.
        patch: Height and width of a patch in input pixels.
        n: Images that were looked at.
        reach: How far each head looks, layer by layer.
        even: The same distance, were a patch to look at all patches alike.
        path: The path of the token that is read, block by block; empty where the blocks do not
            add to one stream.
        images: Some of the images.
        positions: None where the net has no learnt positions of patches.
        patches: None where the first layer does not look at pixels of 1 or 3 channels.
        residual: Largest difference between attention times values and a layer's own output, as a share of that.
        left_out: Why there is no path, no positions or no patches.
    """

    sites: tuple[str, ...]
    heads: int
    tokens: int
    read: tuple[int, ...]
    rows: int
    columns: int
    patch: tuple[int, int]
    n: int
    reach: tuple[HeadReach, ...]
    even: float
    path: tuple[TokenStep, ...]
    images: tuple[AttendedImage, ...]
    positions: Positions | None
    patches: Patches | None
    residual: Number
    left_out: tuple[str, ...] = ()
