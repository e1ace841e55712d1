"""What each image is like, in a few numbers, and the stream of images as they are stored that gives them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import ImageError, StriateError
from striate.core.image import from_bytes, to_channels
from striate.core.progress import SILENT, Progress

from .dataset import Dataset

PROPERTIES: tuple[str, ...] = (
    "brightness", "contrast", "sharpness", "colourfulness", "height", "width", "aspect",
)  # fmt: skip
SCALE = 256  # pixels of the short side at which sharpness is measured; smaller images are taken as they are
_WINDOW = 9  # pixels of the box that blurs once more, as in the paper
_FAINT = 0.05  # a direction whose edges are weaker than this share of the other's says nothing (gratings)
_VALUES = 1 << 20  # values of a chunk of images of one size
_AHEAD = 2  # chunks a thread that are read before they are asked for


def image_properties(data: Dataset, *, progress: Progress = SILENT, workers: int = 0) -> dict[str, Tensor]:
    """Every one of `PROPERTIES` for each image of a split, (N,) float64, from the images as they are stored.

    Each image is read once, a few at a time, whatever the size of the split; the numbers do not depend on what an
    image is read together with. ``workers`` threads decode files; 0 for one a core, at most two.

    Raises:
        ImageError: A file cannot be read; the message holds its name.

    >>> from striate.data.load import load_data
    >>> image_properties(load_data("shapes:test=3"))["width"].tolist()
    [32.0, 32.0, 32.0]
    """
    out = {name: torch.empty(len(data), dtype=torch.float64) for name in PROPERTIES}
    if workers < 0:
        raise StriateError(f"workers is {workers}", accepted="a whole number of at least 0")
    if len(data) and _kept(data):
        for rows in torch.split(torch.arange(len(data)), _chunk(data.channels, data.size)):
            for name, values in pixel_properties(data.images(rows)).items():
                out[name][rows] = values
        return out
    with progress.task("measure images", len(data)) as step:
        for rows, images in stored_images(data, workers=workers):
            if isinstance(images, ImageError):
                raise images
            for name, values in pixel_properties(from_bytes(images)).items():
                out[name][rows] = values
            step(len(rows))
    return out


def pixel_properties(images: Tensor) -> dict[str, Tensor]:
    """Every one of `PROPERTIES` for a batch of images (n, C, H, W) in [0, 1]; each (n,) float64.

    ``brightness`` is the mean of the luma (ITU-R BT.601) and ``contrast`` its standard deviation, both in [0, 1].
    ``colourfulness`` is on the paper's scale for values to 255: 0 grey, 33 moderate, 109 extreme. ``aspect`` is width
    over height. ``sharpness`` is `edge_sharpness` of the luma, its short side brought down to `SCALE` pixels, because
    a large photo that is soft pixel by pixel is sharp at the size at which a net sees it.

    Source: Peli 1990, "Contrast in complex images", eq. 5 (contrast); Hasler & Suesstrunk 2003, "Measuring
    colourfulness in natural images", eqs. 2-4 (colourfulness).
    """
    luma = to_channels(images, 1)[:, 0]
    count, height, width = luma.shape
    flat = luma.reshape(count, -1).to(torch.float64)
    small = luma
    if min(height, width) > SCALE:
        factor = SCALE / min(height, width)
        size = (round(height * factor), round(width * factor))
        small = F.interpolate(luma[:, None], size=size, mode="bilinear", align_corners=False, antialias=True)[:, 0]

    def constant(value: float) -> Tensor:
        return torch.full((count,), value, dtype=torch.float64)

    return {
        "brightness": flat.mean(1),
        "contrast": flat.std(1, correction=0),
        "sharpness": edge_sharpness(small),
        "colourfulness": _colourfulness(images),
        "height": constant(height),
        "width": constant(width),
        "aspect": constant(width / height),
    }


def edge_sharpness(luma: Tensor) -> Tensor:
    """How much of the differences between neighbouring pixels (n, H, W) one more blur takes away: (n,) in [0, 1].

    Near 0 the image is blurred already, so that another blur changes little; photographs lie between .4 and .85. It
    depends neither on contrast nor on how much there is to see. The least of the two directions counts, so that motion
    blur is seen; but a direction without edges, as in a picture of stripes, says nothing. 0 where all is flat.

    Source: Crete, Dolmiere, Ladret & Nicolas 2007, "The blur effect", section 3: this is 1 minus their measure. Ours
    differs in that it passes over a direction with hardly any edges, and narrows the box on images below 18 pixels.
    """
    shares, strengths = [], []
    for plane in (luma, luma.transpose(1, 2)):
        length = plane.shape[-1]
        if length < 3:
            continue
        window = min(_WINDOW, 2 * ((length + 2) // 4) + 1)
        blurred = F.avg_pool1d(F.pad(plane, (window // 2, window // 2), mode="replicate"), window, 1)
        steps = plane.diff(dim=2).abs()
        lost = (steps - blurred.diff(dim=2).abs()).clamp_min(0.0)
        total = steps.sum((1, 2), dtype=torch.float64)
        shares.append(torch.where(total > 0, lost.sum((1, 2), dtype=torch.float64) / total.clamp_min(1e-300), 1.0))
        strengths.append(total / steps[0].numel() if len(steps) else total)
    if not shares:
        return torch.zeros(len(luma), dtype=torch.float64)
    share, strength = torch.stack(shares), torch.stack(strengths)
    most = strength.amax(0)
    share = torch.where(strength < _FAINT * most, 1.0, share).amin(0)
    return torch.where(most > 0, share, 0.0)


def stored_images(data: Dataset, *, workers: int = 0) -> Iterator[tuple[Tensor, Tensor | ImageError]]:
    """Rows and their images (n, C, H, W) uint8 as they are stored, each once and in order; no geometry is applied.

    Images of one size come many at a time, others one by one. Threads read a few ahead, so memory stays bounded. A
    file that cannot be read gives its error in place of its image, for the caller to raise or to report.

    Raises:
        StriateError: ``workers`` is negative, or a store cannot give an image for another reason than the file.
    """
    if workers < 0:
        raise StriateError(f"workers is {workers}", accepted="a whole number of at least 0")
    store = data.store
    each = _chunk(store.channels, store.size)

    def read(rows: Tensor) -> Tensor | StriateError:
        try:
            return store.read(data.places[rows], store.channels, None)
        except StriateError as error:
            return error

    def told(rows: Tensor, images: Tensor | StriateError) -> Iterator[tuple[Tensor, Tensor | ImageError]]:
        if isinstance(images, Tensor) or (len(rows) == 1 and isinstance(images, ImageError)):
            yield rows, images
        elif len(rows) == 1:
            raise images
        else:  # the error speaks of one file of the chunk, or of sizes that differ though the first ones agreed
            for row in torch.split(rows, 1):
                yield from told(row, read(row))

    threads = workers or min(2, os.cpu_count() or 1)
    waiting: deque[tuple[Tensor, Future[Tensor | StriateError]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for rows in torch.split(torch.arange(len(data)), each) if len(data) else ():
                waiting.append((rows, pool.submit(read, rows)))
                if len(waiting) > _AHEAD * threads:
                    first, images = waiting.popleft()
                    yield from told(first, images.result())
            while waiting:
                first, images = waiting.popleft()
                yield from told(first, images.result())
        finally:
            for _, one in waiting:
                one.cancel()


def _kept(data: Dataset) -> bool:
    """Whether the images lie in memory as they are stored, so that nothing has to be decoded or drawn again."""
    return data.geometry is None and data.in_memory and data.channels == data.store.channels and data.size is not None


def _chunk(channels: int, size: tuple[int, int] | None) -> int:
    return 1 if size is None else max(1, _VALUES // (channels * size[0] * size[1]))


def _colourfulness(images: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return torch.zeros(len(images), dtype=torch.float64)
    red, green, blue = images.flatten(2).to(torch.float64).unbind(1)
    first, second = red - green, 0.5 * (red + green) - blue
    spread = (first.var(1, correction=0) + second.var(1, correction=0)).sqrt()
    return 255.0 * (spread + 0.3 * (first.mean(1).square() + second.mean(1).square()).sqrt())
