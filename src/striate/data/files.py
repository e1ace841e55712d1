"""The files of named data sets: found under the data roots, downloaded and checked, read without running their code."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import pickle
import struct
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.storage import write_with

from .source import VARIABLE, Request

_BLOCK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte before a download is given up


@dataclass(frozen=True)
class Remote:
    """A file to download: the addresses that have it, and the md5 that its publisher states."""

    urls: tuple[str, ...]
    md5: str


def md5_of(path: Path) -> str:
    """The md5 of a file, in hexadecimal digits (a publisher's checksum, no protection)."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def missing(request: Request, folders: Sequence[str], names: Sequence[str]) -> StriateError:
    """The error for files that are nowhere: what was looked for, where, and which variable and options help."""
    places = ", ".join(str(root / folder) for root in request.roots for folder in folders)
    why = "" if request.download else " and downloads are off"
    return StriateError(
        f"{request.name} is not on this machine{why}: looked for {', '.join(names)} in {places}",
        hint=f"set {VARIABLE} (or --data-root) to the folder that holds {folders[0].split('/')[0]}, or let it download",
    )


def fetch(request: Request, remote: Remote, target: Path) -> Path:
    """Download one file, whole and with the stated md5, or not at all; gives its path.

    Raises:
        StriateError: No address answers, or what came has another checksum; nothing is left behind.
    """
    said = []
    for url in remote.urls:
        try:
            return write_with(target, lambda stream, url=url: _download(url, remote.md5, stream, request))  # type: ignore[misc]
        except (_UnreachedError, _DamagedError) as error:
            said.append(f"{url}: {error}")
    raise StriateError(
        f"{request.name} is not in {', '.join(map(str, request.roots))} and cannot be downloaded ({'; '.join(said)})",
        hint=f"set {VARIABLE} (or --data-root) to a folder that holds it, or try again with a network",
    )


class _UnreachedError(Exception):
    """An address did not answer."""


class _DamagedError(Exception):
    """What came is not what the publisher states."""


def _download(url: str, md5: str, stream: IO[bytes], request: Request) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - torchvision's addresses
            total = int(answer.headers.get("Content-Length") or 0)
            with request.progress.task(f"download {request.name}", total, unit="bytes") as step:
                while block := answer.read(_BLOCK):
                    digest.update(block)
                    stream.write(block)
                    step(len(block))
    except OSError as error:
        raise _UnreachedError(getattr(error, "reason", None) or error) from error
    if digest.hexdigest() != md5:
        raise _DamagedError(f"md5 {digest.hexdigest()}, expected {md5}")


def read_idx(path: Path, *, partial: bool = False) -> Tensor:
    """The array of bytes in an IDX file (gzip or plain), uint8.

    Args:
        path: The file.
        partial: Take the whole rows of a file that ends early.

    Raises:
        StriateError: Not an IDX file of bytes, or one that ends early without ``partial``.

    Source: the format is described in LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
    """
    data = _contents(path, partial=partial)
    if len(data) < 8 or data[:2] != b"\0\0" or data[2] != 8 or not 1 <= data[3] <= 4:
        raise StriateError(f"{path} is no IDX file of bytes", accepted="a file that begins 00 00 08 and its axes")
    axes = data[3]
    start = 4 + 4 * axes
    shape = struct.unpack_from(f">{axes}I", data, 4) if len(data) >= start else (0,) * axes
    row = math.prod(shape[1:])
    rows = (len(data) - start) // max(row, 1)
    if rows > shape[0] or (rows < shape[0] and not partial):
        raise StriateError(
            f"{path} holds {len(data) - start:,} bytes, {rows:,} rows", accepted=f"{shape[0]:,} rows as its head says",
            hint="partial=True (--partial) takes the rows that are there" if rows < shape[0] else "fetch it again",
        )  # fmt: skip
    array = np.frombuffer(data, dtype=np.uint8, count=rows * row, offset=start)
    return torch.from_numpy(array.reshape(rows, *shape[1:]).copy())


def _contents(path: Path, *, partial: bool) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        if not partial:
            return gzip.decompress(path.read_bytes())
        unpacker = zlib.decompressobj(wbits=31)  # gives what a cut file still holds
        return unpacker.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise StriateError(f"{path} cannot be read: {error}", hint="delete it, and it is downloaded again") from error


class _NumpyOnly(pickle.Unpickler):
    """Lists, dictionaries, strings, numbers and numpy arrays; anything else in a pickle is refused, never run."""

    ALLOWED = frozenset(
        {(module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")}
        | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        if name == "_reconstruct":
            module = (
                "numpy.core.multiarray" if np.lib.NumpyVersion(np.__version__) < "2.0.0" else "numpy._core.multiarray"
            )
        return super().find_class(module, name)


def read_plain_pickle(path: Path) -> dict[str, Any]:
    """A dictionary of plain values and numpy arrays from a pickle; one that asks for anything else is refused.

    Raises:
        StriateError: The file is damaged, asks for code, or holds no dictionary.
    """
    try:
        value = _NumpyOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise StriateError(f"{path} is not taken: {error}", accepted="a pickle of plain values and arrays") from error
    if not isinstance(value, dict):
        raise StriateError(f"{path} holds a {type(value).__name__}", accepted="a dictionary")
    return value
