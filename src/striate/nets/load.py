"""Networks by name: ``SOURCE/ARCH``, with weights of its own, from a file, or random; run folders; Python files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.core.script import call_script

from .catalog import SOURCES, archs
from .described import described, written_image
from .head import replace_head
from .net import Net, WeightsOrigin
from .request import Request, parse_arch
from .site import Pair
from .weights import FORMAT, SUFFIXES, fit_weights, read_metadata, read_weights, weights_folder, write_weights

RUN_WEIGHTS = "weights.safetensors"  # in a run folder
_FORMS = (
    "SOURCE/ARCH, SOURCE/ARCH+OPTION=VALUE, SOURCE/ARCH.WEIGHTS, SOURCE/ARCH.random, SOURCE/ARCH@FILE, "
    "a run folder, FILE.py:function"
)


def load_net(
    name: str | Path | Net | nn.Module,
    *,
    weights_root: Path | None = None,
    classes: Sequence[str] | int | None = None,
    channels: int | None = None,
    size: int | Pair | None = None,
    weights: bool = True,
    seed: int = 0,
) -> Net:
    """The network of this name, in eval mode.

    ``SOURCE/ARCH`` has its default weights; ``SOURCE/ARCH.WEIGHTS`` names others; ``SOURCE/ARCH.random`` starts from
    ``seed``; ``SOURCE/ARCH@FILE`` reads a safetensors file or a torch state dict; a run folder has the best weights of
    the run; ``FILE.py:function`` runs that Python file and calls the function without arguments, which gives a `Net`
    or a module whose input is pixels in [0, 1]. Sources are ``striate``, ``torchvision`` and ``timm``. A module becomes
    a Net as it is.

    For ``striate``, WEIGHTS is a file of the weights folder (or of the package): ``WEIGHTS``, ``ARCH_WEIGHTS`` or
    ``WEIGHTS_ARCH`` with a usual suffix, so that ``striate/resnet20.cifar10`` finds ``cifar10_resnet20.safetensors``.
    Weights of torchvision and timm are looked for in the folder by the name of the architecture or of the published
    file before they are downloaded.

    An architecture of ``striate`` takes options: ``striate/resnet20+width=0.5+norm=group`` (see `striate.nets.own`).

    Args:
        name: Name, path, or a loaded net or module.
        weights_root: Where weights are looked for; by default ``STRIATE_WEIGHTS``, then ``~/.cache/striate/weights``.
        classes: Names of the classes, or how many; with weights they must be as many as the weights have.
        channels: Channels of an image; with weights they must be those of the weights.
        size: Size of an image, for architectures that are built for one.
        weights: Without, no weights are loaded: the architecture starts from what torch's own generator draws.
        seed: Of ``.random``.

    Raises:
        UnknownNameError: No such source, architecture or weights; the nearest are named.
        StriateError: The weights do not fit, cannot be read, or are not here and cannot be downloaded.

    >>> load_net("striate/lenet5.random").classes[:3]
    ('0', '1', '2')
    """
    if isinstance(name, Net):
        return name
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes) if classes else None
    shape = (size, size) if isinstance(size, int) else size
    if isinstance(name, nn.Module):
        return Net(name, classes=names, channels=channels, size=shape)
    text, folder = str(name), weights_folder(weights_root)
    if _is_function(text):
        net = _from_function(text, names, channels, shape)
        return net.eval()
    path = Path(text)
    named = text.partition("/")[0] in SOURCES and not (path / RUN_WEIGHTS).is_file()
    if not named and (path.is_dir() or path.suffix in (*SUFFIXES, ".onnx")):
        return _from_path(path, folder=folder, weights=weights, classes=names, channels=channels).eval()
    source, arch, file = _parts(text)
    plain, options, tag = parse_arch(arch)
    if options and source != "striate":
        raise StriateError(
            f"options of {source}/{plain}: {', '.join(options)}", accepted="options of striate/... alone"
        )
    request = Request(
        source=source,
        arch=plain,
        tag=tag,
        file=file,
        weights=weights,
        folder=folder,
        classes=names,
        channels=channels,
        size=shape,
        seed=seed,
        options=options,
    )
    return SOURCES.load(source)(request).eval()


def save_weights(net: Net, path: str | Path, *, metadata: Mapping[str, str] | None = None) -> Path:
    """Writes a net's weights as safetensors with what `load_net` needs to make it again; gives the path.

    ``metadata`` adds to what the net says of itself (``licence``, ``data``, ``recipe``...).
    """
    said = {
        "striate": FORMAT,
        "net": net.origin.arch or net.name,
        "classes": json.dumps(list(net.classes)),
        "channels": str(net.channels),
        "outputs": net.outputs,
    }
    place = net.size or (net.geometry.size if net.geometry else None)
    if place is not None:
        said["size"] = json.dumps(list(place))
    for key, value in (("mean", net.mean), ("std", net.std)):
        if value is not None and value.shape[-2:] != (1, 1):
            said[f"{key}_image"] = written_image(value[0])
        elif value is not None:
            said[key] = json.dumps([float(repr(each)) for each in value.flatten().double().tolist()])
    if net.geometry is not None:
        fields = ("size", "resize", "crop", "interpolation", "antialias")
        said["geometry"] = json.dumps({each: getattr(net.geometry, each) for each in fields})
    if net.origin.licence:
        said["licence"] = net.origin.licence
    return write_weights(net.module, Path(path), {**said, **(metadata or {})})


def _is_function(text: str) -> bool:
    file, colon, function = text.rpartition(":")
    return bool(colon) and file.endswith(".py") and bool(function)


def _parts(text: str) -> tuple[str, str, Path | None]:
    source, slash, rest = text.partition("/")
    arch, at, file = rest.partition("@")
    if not slash or not arch or source not in SOURCES:
        if text.endswith(".py") and Path(text).is_file():
            raise StriateError(f"{text} is a Python file", accepted="FILE.py:function", hint=f"{text}:FUNCTION")
        if slash and source not in SOURCES and Path(source).is_dir() and "@" not in text:
            raise StriateError(f"{text} does not exist", accepted=_FORMS, hint=f"ls {source}")
        if slash and source not in SOURCES and os.sep not in rest.partition("@")[0]:
            raise UnknownNameError("source of networks", source, SOURCES, hint="striate models")
        homes = [f"{each}/{text}" for each in SOURCES if text.partition(".")[0] in archs(each)] if not slash else []
        known = homes or [f"{each}/{arch}" for each in ("striate", "torchvision") for arch in archs(each)]
        hint = f"one of {', '.join(homes)}" if homes else "striate models lists the names"
        if homes:
            raise StriateError(f"network {text!r} without its source", accepted=_FORMS, hint=hint)
        raise UnknownNameError("network", text, known, hint=f"{hint}; accepted forms: {_FORMS}")
    return source, arch, Path(file) if at else None


def _from_path(
    path: Path, *, folder: Path, weights: bool, classes: tuple[str, ...] | None, channels: int | None
) -> Net:
    file = path / RUN_WEIGHTS if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise StriateError(
            f"{path} holds no {RUN_WEIGHTS}",
            accepted="the folder of a run that has finished at least one epoch",
            hint="striate train ... --out " + str(path),
        )
    if not file.is_file():
        raise StriateError(f"no file {path}", accepted=_FORMS)
    said = read_metadata(file) if file.suffix == ".safetensors" else read_weights(file).metadata
    task, arch = said.get("task", "classify"), said.get("net", "")
    if task != "classify":
        raise StriateError(
            f"{path} holds what a run of the task {task!r} has learnt",
            accepted="the run of a classifier",
            hint=f"striate synthesize ... --prior {path}",
        )
    if not arch:
        raise StriateError(
            f"{file.name} does not say which network its weights are for",
            accepted="a file that Striate wrote",
            hint=f"name the architecture: SOURCE/ARCH@{path}",
        )
    if _is_function(arch):
        return _function_with_weights(arch, file, weights=weights)
    base = arch.partition("@")[0].removesuffix(".random")
    return load_net(f"{base}@{file}", weights_root=folder, classes=classes, channels=channels, weights=weights)


def _function_with_weights(arch: str, file: Path, *, weights: bool) -> Net:
    net = _from_function(arch, None, None, None)
    if not weights:
        return net
    content = read_weights(file)
    said = described(content.metadata, file=file.name)
    if said.classes and len(said.classes) != len(net.classes):
        net = replace_head(net, said.classes)
    fit_weights(net.module, content, name=arch)
    return net.adapted(
        mean=said.mean,
        std=said.std,
        classes=said.classes,
        size=said.size if net.size else None,
        geometry=said.geometry,
        origin=WeightsOrigin(f"{arch} with {file.name}", said.licence, (), content.checksum, file.name, arch),
    )


def _from_function(text: str, classes: tuple[str, ...] | None, channels: int | None, size: Pair | None) -> Net:
    net = call_script(text)
    file, _, function = text.rpartition(":")
    if isinstance(net, Net):  # what is trained from it says where its architecture comes from
        return net if net.origin.arch else net.adapted(origin=replace(net.origin, arch=text))
    if not isinstance(net, nn.Module):
        raise StriateError(f"{text} gave a {type(net).__name__}", accepted="a striate Net or a torch.nn.Module")
    return Net(
        net,
        classes=classes,
        channels=channels,
        size=size,
        name=function,
        origin=WeightsOrigin(source=f"{Path(file).name}:{function}", arch=text),
    )
