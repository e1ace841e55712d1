"""Weights in files: safetensors with metadata, or torch state dicts; what does not fit is named."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.storage import write_bytes

FORMAT = "1"  # of the metadata, under the key "striate"
SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt")
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
_SHOWN = 5


@dataclass(frozen=True)
class WeightsFile:
    """The tensors of a file by name, what it says of itself, its SHA-256."""

    path: Path
    state: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    checksum: str


def weights_folder(given: Path | None = None) -> Path:
    """Where named weights are looked for: the given folder, ``STRIATE_WEIGHTS``, else ``~/.cache/striate/weights``."""
    named = os.environ.get("STRIATE_WEIGHTS")
    return given or (Path(named) if named else Path.home() / ".cache" / "striate" / "weights")


def find_weights(names: Iterable[str], folders: Iterable[Path]) -> Path | None:
    """The first file that has one of the names, with its suffix or a usual one, in one of the folders."""
    places = list(folders)
    for name in names:
        for folder in places:
            for suffix in ("", *SUFFIXES):
                path = folder / f"{name}{suffix}"
                if path.is_file() and path.suffix in SUFFIXES:
                    return path
    return None


def read_weights(path: str | Path) -> WeightsFile:
    """The weights in a safetensors file or a torch state dict; no code in the file is run.

    A state dict may be wrapped (``{"state_dict": ...}``) and its keys may have the prefix of DataParallel or of
    ``torch.compile``.

    Raises:
        StriateError: No such file, no weights in it, TorchScript, ONNX, or pickled objects.
    """
    path = Path(path)
    if not path.is_file():
        raise StriateError(f"no weights file {path}", accepted="a .safetensors file or a torch state dict (.pth, .pt)")
    content = path.read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    _refuse(path, content)
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state, metadata = _read_torch(path, content), {}
    return WeightsFile(path, state, metadata, checksum)


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself; its tensors are not read."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise StriateError(f"{path} cannot be read: {error}", accepted="a whole .safetensors file") from error


def _refuse(path: Path, content: bytes) -> None:
    if path.suffix.lower() == ".onnx":
        raise StriateError(
            f"{path.name} is ONNX: a fixed graph, whose operations cannot be seen, edited or differentiated here",
            accepted="the state dict of a torch module",
            hint="export the weights from the framework that made it, and name the architecture: SOURCE/ARCH@FILE",
        )
    if content[:2] == b"PK":
        try:
            names = zipfile.ZipFile(io.BytesIO(content)).namelist()
        except zipfile.BadZipFile as error:
            raise StriateError(f"{path.name} is a cut or damaged torch file", hint="copy it again") from error
        if any("/code/" in name or name.endswith("constants.pkl") for name in names):
            raise StriateError(
                f"{path.name} is TorchScript: compiled code, whose operations cannot be seen or edited",
                accepted="the state dict of a torch module",
                hint="torch.save(torch.jit.load(FILE).state_dict(), NEW), and name the architecture: SOURCE/ARCH@NEW",
            )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise StriateError(f"{path} cannot be read: {error}", accepted="a whole .safetensors file") from error


def _read_torch(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StriateError(
            f"{path.name} is no plain state dict: {reason}",
            accepted="tensors by name; pickled objects are refused, because loading them runs code",
            hint="torch.save(module.state_dict(), FILE)",
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
            break
    if not isinstance(loaded, Mapping):
        raise StriateError(f"{path.name} holds a {type(loaded).__name__}", accepted="a state dict: tensors by name")
    state = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    if not state:
        raise StriateError(f"{path.name} holds no tensors", accepted="a state dict: tensors by name")
    return state


def fit_weights(module: nn.Module, weights: WeightsFile, *, name: str) -> None:
    """Puts the weights into the module.

    Raises:
        StriateError: Keys are missing or unexpected, or shapes differ; some are named, all are counted. The module is
            then as it was.
    """
    wanted = module.state_dict()
    state = _unwrapped(weights.state, wanted)
    optional = {key for key in wanted if key.endswith("num_batches_tracked")}
    missing = sorted(set(wanted) - set(state) - optional)
    unexpected = sorted(set(state) - set(wanted))
    shapes = [
        f"{key} is {tuple(state[key].shape)}, not {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(found)} {words}: {', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''}"
        for words, found in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if found
    ]
    if problems:
        raise StriateError(
            f"the weights in {weights.path.name} do not fit {name}: of {len(wanted)} keys, {'; '.join(problems)}",
            hint="name the architecture and the number of classes that the file was made for",
        )
    module.load_state_dict(dict(state), strict=False)


def _unwrapped(state: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Without a prefix that all keys share, where that is what keeps them from fitting."""
    changed = True
    while changed and not set(state) <= set(wanted):
        changed = False
        for prefix in _PREFIXES:
            if all(key.startswith(prefix) for key in state) and not any(key.startswith(prefix) for key in wanted):
                state, changed = {key.removeprefix(prefix): value for key, value in state.items()}, True
    return state


def write_weights(module: nn.Module, path: Path, metadata: Mapping[str, str]) -> Path:
    """Writes the module's state as safetensors, whole or not at all; gives the path."""
    state = {name: value.detach().cpu().clone().contiguous() for name, value in module.state_dict().items()}
    return write_bytes(path, save(state, metadata=dict(metadata)))


def numbers(text: str) -> tuple[float, ...]:
    """The numbers of a metadata value: JSON, or as other tools write them: ``"0.5,0.4"``, ``"0.5 x3"``, ``"128/255"``.

    Raises:
        ValueError: It is none of these.
    """
    try:
        loaded = json.loads(text)
        return tuple(float(each) for each in loaded) if isinstance(loaded, list) else (float(loaded),)
    except (json.JSONDecodeError, TypeError):
        pass
    text = re.sub(r"\(.*\)", "", text).strip()
    repeated = re.fullmatch(r"(.+?)\s*x\s*(\d+)", text)
    if repeated:
        return (_number(repeated.group(1)),) * int(repeated.group(2))
    return tuple(_number(part) for part in text.split(","))


def _number(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / (float(below) if below else 1.0)
