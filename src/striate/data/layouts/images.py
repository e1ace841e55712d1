"""Image files in a tree: checked by their headers, decoded when they are wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.decode import PIXEL_LIMIT, decode, read_header
from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry, read_image, to_bytes
from striate.core.progress import Progress

from ..annotations import NOTHING, Annotations
from ..dataset import BrokenFile
from ..stores import Notes
from ..tree import Tree

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
_THREADS = 8  # that read headers: the time goes into waiting for the disk
_SHOWN = 5  # broken files that a message names


def is_image(name: str) -> bool:
    """Whether the ending of a file is that of an image."""
    return name[name.rfind(".") :].lower() in ENDINGS


@dataclass(frozen=True, eq=False)
class FileStore:
    """Images in files, decoded whenever they are read.

    Attributes:
        tree: Where the files lie.
        names: Paths under the tree, one a place, with ``/``.
        sizes: (N, 2) heights and widths, once upright.
        weights: Bytes of each file.
        channels: 1 where every file is grey, else 3.
        notes: What is known of each image, by place.
    """

    tree: Tree
    names: tuple[str, ...]
    sizes: Tensor
    weights: tuple[int, ...]
    channels: int
    notes: Notes | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every image, or None where they differ."""
        if not len(self.sizes) or not bool((self.sizes == self.sizes[0]).all()):
            return None
        return self.size_of(0)

    @property
    def grouped(self) -> bool:
        """Whether images may have groups."""
        return self.notes is not None

    def size_of(self, place: int) -> tuple[int, int]:
        """Height and width of one image."""
        height, width = self.sizes[place].tolist()
        return int(height), int(width)

    def read(self, places: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
        """Images (n, channels, H, W) uint8; raises `ImageError` with the name of a file that cannot be read."""
        images = []
        for place in places.tolist():
            try:
                source = self.tree.source(self.names[place])
                image = read_image(source, channels=channels, geometry=geometry, name=self._title(place))
            except ImageError as error:
                raise ImageError(
                    error.given, accepted=error.accepted, hint="skip_broken=True (--skip-broken) leaves out such files"
                ) from error
            images.append(to_bytes(image))
        if not images:
            return torch.empty((0, channels, *(geometry.size if geometry else self.size or (0, 0))), dtype=torch.uint8)
        if any(image.shape != images[0].shape for image in images):
            raise StriateError(f"the images of {self.tree.name} differ in size", hint="give a size")
        return torch.stack(images)

    def name_of(self, place: int) -> str:
        """Path under the tree."""
        return self.names[place]

    def annotations(self, place: int) -> Annotations:
        """What is known of it, if anything."""
        return NOTHING if self.notes is None else self.notes[place]

    def digest(self, places: Tensor) -> str:
        """A sha256 over names and sizes in bytes: nothing is opened."""
        words = "\n".join(f"{self.names[place]} {self.weights[place]}" for place in places.tolist())
        return hashlib.sha256(words.encode()).hexdigest()

    def ids(self) -> Tensor:
        """A number for each file that hangs on its path alone, so that files that come and go change no other's."""
        digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in self.names)
        return torch.tensor([int.from_bytes(digest, "little") >> 1 for digest in digests], dtype=torch.int64)

    def _title(self, place: int) -> str:
        return f"{self.tree.name}/{self.names[place]}"


def open_files(
    tree: Tree, names: Sequence[str], *, skip_broken: bool, progress: Progress
) -> tuple[FileStore, list[int], tuple[BrokenFile, ...]]:
    """A store of the files that can be read, their numbers among ``names``, and the files left out.

    Headers are read in parallel. With ``skip_broken`` every file is decoded once as well, because a header does not
    tell that a file ends early.

    Raises:
        StriateError: Files are broken and ``skip_broken`` was not said; the message counts them and names the first.
    """
    checked: list[tuple[int, int, int, int] | BrokenFile] = []
    with ThreadPoolExecutor(_THREADS) as pool, progress.task("check images", len(names), unit="files") as step:
        for one in pool.map(lambda name: _checked(tree, name, whole=skip_broken), names):
            checked.append(one)
            step()
    broken = tuple(one for one in checked if isinstance(one, BrokenFile))
    if broken and not skip_broken:
        shown = "; ".join(f"{one.name} ({one.why})" for one in broken[:_SHOWN])
        more = f"; and {len(broken) - _SHOWN:,} more" if len(broken) > _SHOWN else ""
        raise StriateError(
            f"{len(broken):,} of {len(names):,} image files in {tree.name} cannot be read: {shown}{more}",
            hint="skip_broken=True (--skip-broken) leaves them out and counts them in a finding",
        )
    kept = [number for number, one in enumerate(checked) if not isinstance(one, BrokenFile)]
    good = [one for one in checked if not isinstance(one, BrokenFile)]
    store = FileStore(
        tree,
        tuple(names[number] for number in kept),
        torch.tensor([one[:2] for one in good], dtype=torch.int64).view(-1, 2),
        tuple(one[2] for one in good),
        3 if any(one[3] == 3 for one in good) else 1,
    )
    return store, kept, broken


def _checked(tree: Tree, name: str, *, whole: bool) -> tuple[int, int, int, int] | BrokenFile:
    try:
        source = tree.source(name)
        header = read_header(source, name=name)
        if header.height * header.width > PIXEL_LIMIT:
            return BrokenFile(name, f"has {header.width}x{header.height} pixels")
        if whole:
            decode(source, name=name)
        return header.height, header.width, tree.weight(name), header.channels
    except ImageError as error:
        return BrokenFile(name, error.given.removeprefix(name).strip())
