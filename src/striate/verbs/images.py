"""Images that a user names: files, folders, tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from striate.core.errors import ImageError, StriateError

from .options import ImagesLike

if TYPE_CHECKING:
    from torch import Tensor

    from striate.core.finding import Finding
    from striate.nets.net import Net

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def open_images(given: ImagesLike, net: Net) -> tuple[list[str], Tensor, list[Finding]]:
    """Names and pixels, (N, C, H, W), of image files, folders of them, or a tensor, with the geometry of the net.

    A net that takes any size gets the images at their own; they must then agree. Files of a folder that cannot be read
    are left out, and a finding names them; a file that was given by its own name, or a folder of nothing else, is an
    error.
    """
    import torch
    from torch import Tensor

    from striate.core.image import Geometry, as_images, read_image

    device = next(iter(net.parameters()), torch.empty(0)).device
    geometry = net.geometry or (Geometry(net.size) if net.size is not None else None)
    if isinstance(given, Tensor):
        images = as_images(given, channels=net.channels)
        return [f"image {number}" for number in range(len(images))], images.to(device), []
    paths: list[Path] = []
    read: list[Tensor] = []
    errors: dict[Path, list[tuple[Path, ImageError]]] = {}  # by folder
    for path, folder in _paths(given):
        try:
            image = read_image(path, channels=net.channels, geometry=geometry)
        except ImageError as error:
            if folder is None:
                raise
            errors.setdefault(folder, []).append((path, error))
            continue
        read.append(image)
        paths.append(path)
    if not read:
        raise next(iter(errors.values()))[0][1]
    sizes = {tuple(image.shape[1:]) for image in read}
    if len(sizes) > 1:
        shown = ", ".join(f"{width}x{height}" for height, width in sorted(sizes)[:4])
        raise StriateError(
            f"{net.name} takes any size and the images have several ({shown})", hint="give images of one size at a time"
        )
    _fits(net, read[0], paths[0])
    findings = [_left_out(folder, broken, paths) for folder, broken in errors.items()]
    return [path.name for path in paths], torch.stack(read).to(device), findings


def files_of(given: ImagesLike) -> list[Path]:
    """The files that are named, those of folders in their order."""
    return [path for path, _ in _paths(given)]


def check_paths(given: ImagesLike) -> None:
    """Raises where a file is named that is not there: said before a net is loaded."""
    from torch import Tensor

    from striate.data.catalog import DATASETS

    for path, folder in [] if isinstance(given, Tensor) else _paths(given):
        if folder is None and not path.exists():
            raise ImageError(
                f"{path} does not exist",
                accepted="the path of an image file, or of a folder of them",
                hint="evaluate, units and embed take data sets" if str(path) in DATASETS else "",
            )


def _fits(net: Net, image: Tensor, path: Path) -> None:
    height, width = image.shape[1:]
    if min(height, width) < net.least_size:
        raise ImageError(
            f"{path.name} has {width}x{height} pixels", accepted=f"at least {net.least_size} a side for {net.name}"
        )


def _left_out(folder: Path, errors: list[tuple[Path, ImageError]], paths: list[Path]) -> Finding:
    from striate.data.dataset import BrokenFile, broken_files

    broken = tuple(BrokenFile(path.name, error.given.removeprefix(str(path)).strip()) for path, error in errors)
    return broken_files(folder.name, broken, len(broken) + sum(path.parent == folder for path in paths))


def _paths(given: ImagesLike) -> list[tuple[Path, Path | None]]:
    """Every file, and the folder that it was found in; None where it was named itself."""
    entries: Sequence[str | Path] = [given] if isinstance(given, (str, Path)) else list(given)
    paths: list[tuple[Path, Path | None]] = []
    for entry in map(Path, entries):
        if entry.is_dir():
            inside = sorted(
                each for each in entry.iterdir() if each.suffix.lower() in ENDINGS and not each.name.startswith(".")
            )
            if not inside:
                raise ImageError(f"{entry.name} is a folder without images", accepted=", ".join(sorted(ENDINGS)))
            paths += [(each, entry) for each in inside]
        else:
            paths.append((entry, None))
    if not paths:
        raise StriateError("no image is given", accepted="image files, or a folder of them")
    return paths
