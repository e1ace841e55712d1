"""Classifiers of timm; their configurations bring size, crop, normalisation and class names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import urlparse

from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.core.image import Geometry, Interpolation
from striate.nets.catalog import Row, papers
from striate.nets.described import Described, described
from striate.nets.net import Net, WeightsOrigin
from striate.nets.request import Request
from striate.nets.weights import WeightsFile, find_weights, fit_weights, read_weights

from .pairing import import_source

_LICENCE = "Apache-2.0"  # of timm's code; weights have their own


def load(request: Request) -> Net:
    """The network, as `striate.nets.load.load_net` describes it."""
    timm = import_source("timm")
    if not timm.is_model(request.arch):
        raise UnknownNameError("network of timm", request.arch, timm.list_models(), hint="striate models lists all")
    name, said, content = _tagged(timm, request), Described(), None
    if not request.fresh:
        content = _local(timm, request, name)
        said = described(content.metadata, file=content.path.name) if content else Described()
    download = not request.fresh and content is None
    counted = request.classes or (said.classes if request.file else None)
    module = _build(timm, request, name, download=download, classes=counted)
    config: Mapping[str, Any] = vars(module)["pretrained_cfg"]
    if content is not None:
        fit_weights(module, content, name=request.plain)
    classes = counted or _classes(timm, module, config)
    size = tuple(config["input_size"][1:])
    return Net(
        module,
        mean=said.mean if said.mean is not None else (config["mean"] if request.channels in (None, 3) else None),
        std=said.std or (config["std"] if request.channels in (None, 3) else None),
        classes=classes,
        name=request.plain,
        channels=request.channels or config["input_size"][0],
        size=size if config.get("fixed_input_size") else None,
        geometry=(said.geometry if request.file else None) or _geometry(size, config),
        origin=_origin(request, name, config, content, said),
        least_size=min(config["min_input_size"][1:]) if config.get("min_input_size") else 1,
    )


def rows() -> list[Row]:
    """What there is, for `striate.nets.catalog.list_models`."""
    timm = import_source("timm")
    found = []
    for name in timm.list_models():
        config = timm.get_pretrained_cfg(name)
        licence = (config.license or "") if config else ""
        summary = f"{config.input_size[1]} px" if config and config.input_size else ""
        found.append(Row(f"timm/{name}", "timm", None, licence, papers(name), summary))
    return found


def _tagged(timm: Any, request: Request) -> str:
    if request.tag in ("", "random"):
        return request.arch
    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{request.arch}.*")]
    if request.tag not in tags:
        raise UnknownNameError(f"weights of {request.plain}", request.tag, [*tags, "random"])
    return f"{request.arch}.{request.tag}"


def _build(timm: Any, request: Request, name: str, *, download: bool, classes: tuple[str, ...] | None) -> nn.Module:
    options: dict[str, Any] = {}
    if classes is not None:
        options["num_classes"] = len(classes)
    if request.channels is not None:
        options["in_chans"] = request.channels
    with request.drawing():
        try:
            module: nn.Module = timm.create_model(name, pretrained=download, **options)
        except (OSError, RuntimeError) as error:
            if not download:
                raise
            raise StriateError(
                f"the weights of {request.name} are not here and could not be downloaded: {str(error).splitlines()[0]}",
                hint=f"put {name}.safetensors into {request.folder}, or take {request.plain}.random",
            ) from error
    return module


def _local(timm: Any, request: Request, name: str) -> WeightsFile | None:
    if request.file is not None:
        return read_weights(request.file)
    config = timm.get_pretrained_cfg(name)
    published = Path(urlparse(config.url).path).name if config and config.url else ""
    tag = f"{request.arch}.{config.tag}" if config and config.tag else ""
    found = find_weights([each for each in (name, tag, published) if each], [request.folder])
    return read_weights(found) if found else None


def _classes(timm: Any, module: nn.Module, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names where the outputs are those of ImageNet-1k, else numbers."""
    count = int(getattr(module, "num_classes", config["num_classes"]))
    if config.get("label_names") and len(config["label_names"]) == count:
        return tuple(config["label_names"])
    if count == 1000 and config["num_classes"] == 1000:
        info = timm.data.ImageNetInfo()
        return tuple(info.index_to_description(index).partition(",")[0] for index in range(count))
    return tuple(str(index) for index in range(count))


def _geometry(size: tuple[int, int], config: Mapping[str, Any]) -> Geometry:
    """As timm evaluates: the short side to size / crop_pct, then the middle; "squash" changes the aspect instead."""
    named = config.get("interpolation")
    interpolation: Interpolation = cast("Interpolation", named) if named in get_args(Interpolation) else "bicubic"
    if config.get("crop_mode") == "squash":
        return Geometry(size, crop="none", interpolation=interpolation)
    return Geometry(size, resize=math.floor(min(size) / (config.get("crop_pct") or 0.875)), interpolation=interpolation)


def _origin(
    request: Request, name: str, config: Mapping[str, Any], content: WeightsFile | None, said: Described
) -> WeightsOrigin:
    cites = (*papers(request.arch), "wightman2019timm")
    if request.fresh:
        source = f"random, seed {request.seed}" if request.tag == "random" else "no weights loaded"
        return WeightsOrigin(f"{request.plain}, {source}", _LICENCE, cites, arch=request.plain)
    licence = said.licence or ("" if request.file else config.get("license") or "")
    if content is None:
        return WeightsOrigin(f"timm {name}, downloaded", licence, cites, arch=request.plain)
    source = f"{request.plain} with {content.path.name}"
    return WeightsOrigin(source, licence, cites, content.checksum, content.path.name, request.plain)
