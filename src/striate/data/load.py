"""Data by name or path: what `load_splits` and `load_data` take, and how it is recognised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from striate.core.errors import StriateError
from striate.core.image import Geometry
from striate.core.progress import SILENT, Progress

from .catalog import DATASETS
from .dataset import Dataset, Splits
from .division import Division
from .source import Request, data_roots
from .splits import three_ways
from .tree import Folder, Listing, open_tree


def load_splits(
    source: str | Path | Dataset | Splits,
    *,
    root: str | Path | None = None,
    seed: int = 0,
    size: int | tuple[int, int] | Geometry | None = None,
    channels: int | None = None,
    partial: bool = False,
    skip_broken: bool = False,
    download: bool = True,
    layout: str = "",
    division: Division | None = None,
    progress: Progress = SILENT,
    unlabelled: bool = False,
) -> Splits:
    """Train, dev and test of a named data set, a folder, ``FILE.py:function``, or data loaded already.

    Args:
        source: A name of `striate datasets` (``shapes``, ``shapes:64:objects=3``, ``FashionMNIST``), a folder or zip
            archive in any layout of `LAYOUTS`, a CSV beside its images, an ``.npz``, a shard, ``hf/NAME`` of Hugging
            Face, or ``FILE.py:function``, which runs that file.
        root: Folder where named data sets are looked for first; then STRIATE_DATA, then ``~/.cache/striate/data``.
        seed: Seed of the split, and of what is drawn.
        size: Height and width (or a whole geometry) that images are brought to; needed where files differ in size.
        channels: 1 or 3; None keeps what there is.
        partial: Take a local file that holds only a part of a named data set.
        skip_broken: Leave out files that cannot be read; `broken_finding` then counts them. Of a folder of more than
            20,000 files 2,000 are looked at here, the others when they are read: a broken one then leaves its batch.
        download: Fetch a named data set that is not there.
        division: How data that come undivided are divided: shares, a fold, a file that keeps it; None for 60/20/20.
        layout: Read a folder or archive by this layout (a name of `LAYOUTS`), not by the first that fits.
        progress: How downloads and the checking of many files are shown.
        unlabelled: Take a folder of images that nothing gives a class, without labels.

    Raises:
        UnknownNameError: No such name; the message holds the nearest ones.
        StriateError: A folder whose layout is not recognised, files that are broken, missing or cut.

    >>> load_splits("shapes:train=500").said
    'shapes drawn by rule: 10 classes, 32x32, 500/2,000/5,000 images, seed 0'
    """
    if isinstance(source, Splits):
        splits = source
    elif isinstance(source, Dataset):
        splits = three_ways(source, seed=seed, said=f"{source.name}: {len(source):,} images", division=division)
    elif not isinstance(source, (str, Path)):
        raise StriateError(
            f"data of type {type(source).__name__}",
            accepted="a name, a path, a Dataset or Splits",
            hint="FILE.py:function may give a pair (images, labels)",
        )
    else:
        request = Request(
            str(source), data_roots(root), seed, partial, skip_broken, download, layout, division, progress, unlabelled
        )  # fmt: skip
        splits = _found(source, request)
    if division is not None and splits.division != division:
        raise StriateError(
            f"{splits.train.name} comes divided already: {splits.said}",
            accepted="shares, folds and files of splits for data that are not divided",
        )
    geometry = _geometry(size)
    parts = [_fitted(part, geometry, channels) for part in splits]
    return replace(splits, train=parts[0], dev=parts[1], test=parts[2])


def load_data(
    source: str | Path | Dataset | Splits,
    *,
    split: Literal["train", "dev", "test"] = "test",
    root: str | Path | None = None,
    seed: int = 0,
    size: int | tuple[int, int] | Geometry | None = None,
    channels: int | None = None,
    partial: bool = False,
    skip_broken: bool = False,
    download: bool = True,
    layout: str = "",
    division: Division | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """One split of `load_splits`; a `Dataset` is given back as it is, but for size and channels.

    Raises:
        StriateError: No such split, or it holds no images.
    """
    if isinstance(source, Dataset):
        return _fitted(source, _geometry(size), channels)
    if split not in {"train", "dev", "test"}:
        raise StriateError(f"split is {split!r}", accepted="train, dev, test")
    splits = load_splits(
        source, root=root, seed=seed, size=size, channels=channels, partial=partial, skip_broken=skip_broken,
        download=download, layout=layout, division=division, progress=progress,
    )  # fmt: skip
    data: Dataset = getattr(splits, split)
    if not len(data):
        there = ", ".join(part.split for part in splits if len(part))
        raise StriateError(f"{data.name} has no {split} images", accepted=f"split {there}")
    return data


def _found(source: str | Path, request: Request) -> Splits:
    name = request.name.split(":")[0]
    if not isinstance(source, Path) and name in DATASETS:
        splits: Splits = DATASETS.load(name)(request)
        return splits
    if request.name.startswith("hf/") and not isinstance(source, Path):
        from .layouts.hub import read_hub

        return read_hub(request.name, request)
    if ".py:" in request.name:
        from .layouts.script import read_script

        return read_script(request.name, request)
    path = Path(source).expanduser()
    if path.is_dir() or path.suffix.lower() == ".zip":
        from .layouts.recognise import read_tree

        tree = open_tree(path.absolute())
        return read_tree(tree, tree.files(), request)
    if path.is_file():
        return _file(path, request)
    if isinstance(source, Path) or any(sign in request.name for sign in "/\\"):
        raise StriateError(f"{path} does not exist", accepted=f"a folder, FILE.py:function, or {', '.join(DATASETS)}")
    DATASETS[name]  # raises, with the nearest names
    raise AssertionError(name)


def _file(path: Path, request: Request) -> Splits:
    """Splits of one file: a table beside its images, arrays, a shard."""
    tree, ending = Folder(path.absolute().parent), path.suffix.lower()
    if ending in {".csv", ".tsv"}:
        from .layouts.table import read_table

        return read_table(tree, tree.files(), path.name, request)
    if ending in {".npz", ".npy"}:
        from .layouts.arrays import read_array_file

        return read_array_file(tree, path.name, request)
    if ending == ".json":
        from .layouts.recognise import read_tree

        listing = tree.files()
        names = tuple(name for name in listing.names if name == path.name or not name.endswith(".json"))
        alone = Listing(names, listing.folders)
        return read_tree(tree, alone, replace(request, layout="coco"))
    if ending == ".tar":
        from .layouts.shards import read_shards

        return read_shards(tree, Listing((path.name,), ()), request)
    from .layouts.images import is_image

    raise StriateError(
        f"{path} is a file",
        accepted="a name, a folder, a zip archive, a CSV, .json, .npz or .tar, hf/NAME, FILE.py:function",
        hint=f"{path}:function" if ending == ".py" else "a folder that holds it" if is_image(path.name) else "",
    )


def _geometry(size: int | tuple[int, int] | Geometry | None) -> Geometry | None:
    if size is None or isinstance(size, Geometry):
        return size
    return Geometry((size, size) if isinstance(size, int) else size)


def _fitted(data: Dataset, geometry: Geometry | None, channels: int | None) -> Dataset:
    if geometry is not None:
        data = data.resized(geometry)
    return data if channels is None else data.as_channels(channels)
