"""`striate filters`: images under filters made by hand, beside what a net's first layer makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.inside.filtering.payload import Filtered

from .options import NetLike, Option, OutArgument, Placed
from .session import Session, session, shown, write_out

if TYPE_CHECKING:
    from torch import Tensor

CITES = (
    "sobel1968isotropic", "marr1980theory", "jones1987evaluation", "hubel1962receptive", "adelson1985spatiotemporal",
    "canny1986computational", "shi2000normalized", "achanta2012slic",
)  # fmt: skip
LARGEST = 640  # pixels of the long side that pictures are brought down to: cuts take minutes beyond


def filters(
    *images: Annotated[str | Path, Option("image files, or folders of them", "IMAGE", many=True)],
    net: Annotated[NetLike | None, Option("net whose first filters are set beside them", "NET")] = None,
    layer: Annotated[str | None, Option("another layer of the net, whose maps are shown too", "L")] = None,
    out: OutArgument = None,
    **shared: Unpack[Placed],
) -> Report[Filtered]:
    """Show images under filters made by hand: slopes, spots, Gabor waves, Canny's edges, regions of normalized cuts.

    With a net, each filter of its first layer stands beside the one made by hand that is most like it, and beside what
    it makes of the images. Images larger than 640 pixels are made smaller first.

    Cost: a few seconds an image, most of them for the cuts; with a net one forward pass for each of two images.

    >>> import striate
    >>> report = striate.filters("tests/data/photos/coffee.jpg", quiet=True)
    >>> report.result.images[0].maps[0].name
    'Gaussian'
    """
    given = {"images": images, "net": net, "layer": layer, "out": out}
    with session("filters", given, shared, Placed) as run:
        from striate.inside.filtering.show import show_filters

        from .images import check_paths

        if layer is not None and net is None:
            raise StriateError("--layer is given without --net", accepted="both, or neither")
        paths = [str(each) for each in images]
        check_paths(paths)
        names, pixels = _opened(paths)
        loaded = None if net is None else run.net(net)
        seen = None if loaded is None else _as_seen(paths, run, loaded)
        result, album = show_filters(pixels, names, net=loaded, seen=seen, layer=layer or "", progress=run.progress)
        if result.first is not None:
            result = replace(result, first=replace(result.first, net=str(shown(net) or result.first.net)))
        report = run.report(result, album=album, cites=CITES)
        return write_out(report, out, overwrite=run["overwrite"])


def _opened(paths: list[str]) -> tuple[list[str], list[Tensor]]:
    """Names and pixels of the images, each at its own size, or smaller."""
    from striate.core.image import Geometry, read_image

    from .images import files_of

    names, found = [], []
    for path in files_of(paths):
        image = read_image(path, channels=3)
        height, width = image.shape[1:]
        if max(height, width) > LARGEST:
            share = LARGEST / max(height, width)
            image = Geometry((round(height * share), round(width * share)), crop="none").apply(image)
        names.append(path.name)
        found.append(image)
    return names, found


def _as_seen(paths: list[str], run: Session, net: Any) -> Tensor:
    """The images as the net takes them; one that takes any size gets them at 224 pixels."""
    from .images import open_images

    del run
    sized = net if net.size is not None or net.geometry is not None else net.adapted(size=224)
    return open_images(paths, sized)[1]
