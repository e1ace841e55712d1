"""Classifiers of torchvision; their weights bring size, crop, normalisation and class names."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.core.image import Geometry
from striate.nets.catalog import Row, papers
from striate.nets.described import Described, described
from striate.nets.net import Net, WeightsOrigin
from striate.nets.request import Request
from striate.nets.weights import WeightsFile, find_weights, fit_weights, read_weights

from .pairing import import_source
from .same_padding import pad_as_tensorflow

_LICENCE = "BSD-3-Clause"
# Heads that only training uses; published weights have them, a network that classifies does not.
_AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}


def load(request: Request) -> Net:
    """The network, as `striate.nets.load.load_net` describes it."""
    models = import_source("torchvision").models
    names = models.list_models(module=models)
    if request.arch not in names:
        raise UnknownNameError("network of torchvision", request.arch, names, hint="striate models lists all")
    published = _published(models, request)
    request.check_channels(3)
    preset, meta = published.transforms(), published.meta
    classes: tuple[str, ...] = tuple(meta["categories"])
    if request.fresh:
        classes = request.classes or classes
    said, content = Described(), None
    if not request.fresh:
        content = _content(request, published)
        said = described(content.metadata, file=content.path.name)
        classes = request.classes or (classes if request.file is None else said.classes or classes)
        request.check_classes(len(meta["categories"]) if request.file is None else len(classes))
    module = _build(models, request, len(request.classes or classes))
    if content is not None:
        fit_weights(module, _without_auxiliary(content, request.arch), name=request.plain)
        if said.padding.startswith("TF SAME"):
            pad_as_tensorflow(module)
    size = (preset.crop_size[0], preset.crop_size[0])
    fixed = request.arch.startswith(("vit_", "maxvit"))
    return Net(
        module,
        mean=said.mean if said.mean is not None else preset.mean,
        std=said.std or preset.std,
        classes=classes,
        name=request.plain,
        channels=3,
        size=size if fixed else None,
        geometry=(said.geometry if request.file else None)
        or Geometry(
            size,
            resize=preset.resize_size[0],
            interpolation=preset.interpolation.value,
            antialias=preset.antialias is not False,
        ),
        origin=_origin(request, published, content, said),
        least_size=1 if request.fresh and request.size else min(meta["min_size"]),
    )


def rows() -> list[Row]:
    """What there is, for `striate.nets.catalog.list_models`."""
    models = import_source("torchvision").models
    found = []
    for name in models.list_models(module=models):
        default = models.get_model_weights(name).DEFAULT
        top1 = next(iter(default.meta["_metrics"].values())).get("acc@1")
        summary = f"{default.transforms().crop_size[0]} px, {top1:.1f} % of ImageNet right as published"
        licence = default.meta.get("license", _LICENCE)
        found.append(
            Row(f"torchvision/{name}", "torchvision", default.meta["num_params"], licence, papers(name), summary)
        )
    return found


def _published(models: Any, request: Request) -> Any:
    known = models.get_model_weights(request.arch)
    if request.tag in ("", "random"):
        return known.DEFAULT
    if request.tag not in known.__members__:
        raise UnknownNameError(f"weights of {request.plain}", request.tag, [*known.__members__, "random"])
    return known[request.tag]


def _build(models: Any, request: Request, classes: int) -> nn.Module:
    options: dict[str, Any] = {"num_classes": classes}
    if request.arch in _AUXILIARY:
        options |= {"aux_logits": False, "transform_input": not request.fresh, "init_weights": request.fresh}
    with request.drawing():
        module: nn.Module = models.get_model(request.arch, weights=None, **options)
    return module


def _content(request: Request, published: Any) -> WeightsFile:
    """The given file, one in the weights folder or torch's own cache, else the download."""
    if request.file is not None:
        return read_weights(request.file)
    name = Path(urlparse(published.url).path).name
    tagged = [f"{request.arch}.{request.tag}", f"{request.arch}_{request.tag}"] if request.tag else []
    plain = [request.arch] if not request.tag else []
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    found = find_weights([*tagged, name, *plain], [request.folder]) or find_weights([name], [cache])
    if found is None:
        try:
            published.get_state_dict(progress=False, check_hash=True)
        except (URLError, OSError, RuntimeError) as error:
            raise StriateError(
                f"the weights of {request.name} are not here and could not be downloaded: {error}",
                hint=f"put {name} or {request.arch}.safetensors into {request.folder}, or take {request.plain}.random",
            ) from error
        found = cache / name
    return read_weights(found)


def _without_auxiliary(content: WeightsFile, arch: str) -> WeightsFile:
    unused = _AUXILIARY.get(arch, ())
    state = (
        {key: value for key, value in content.state.items() if not key.startswith(unused)} if unused else content.state
    )
    return WeightsFile(content.path, state, content.metadata, content.checksum)


def _origin(request: Request, published: Any, content: WeightsFile | None, said: Described) -> WeightsOrigin:
    cites = (*papers(request.arch), "marcel2010torchvision")
    if content is None:
        source = f"random, seed {request.seed}" if request.tag == "random" else "no weights loaded"
        return WeightsOrigin(f"{request.plain}, {source}", _LICENCE, cites, arch=request.plain)
    where = content.metadata.get("source", "" if request.file else published.name)
    source = f"{request.plain} with {content.path.name}{f' ({where})' if where else ''}"
    licence = said.licence or ("" if request.file else published.meta.get("license", _LICENCE))
    return WeightsOrigin(source, licence, cites, content.checksum, content.path.name, request.plain)
