"""Networks of our own: fresh, with weights in the package, or with weights from a file."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.core.image import Geometry
from striate.nets.catalog import Row
from striate.nets.described import Described, described
from striate.nets.net import Net, WeightsOrigin
from striate.nets.own import OWN
from striate.nets.own.options import built
from striate.nets.request import Request
from striate.nets.weights import SUFFIXES, WeightsFile, find_weights, fit_weights, read_metadata, read_weights

# Of the training pixels of ImageNet, which published CIFAR ResNets were normalised with; used where their files are
# silent. Source: Idelbayev 2018, pytorch_resnet_cifar10.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CENTRED = ((0.5,), (0.25,))  # brings pixels in [0, 1] to about zero mean and unit spread, for weights not yet trained
_GREY = frozenset({"linear", "mlp", "lenet5"})  # by default for grey images, as MNIST has them
_SIZES = {"linear": (28, 28), "mlp": (28, 28)}  # by default; 32 x 32 for the others


def load(request: Request) -> Net:
    """The network, as `striate.nets.load.load_net` describes it."""
    entry = OWN[request.arch]
    file = _file(request)
    if file is None and not request.fresh:
        raise StriateError(
            f"{request.plain} has no weights of its own", hint=f"{request.plain}.random, or {request.plain}@FILE"
        )
    if request.fresh:
        content = None
        said = described(read_metadata(file), file=file.name) if file else Described()
        if request.channels not in {None, said.channels} and said.channels is not None:
            said = Described()  # what the file says of its weights does not hold for other channels
    else:
        assert file is not None
        content = read_weights(file)
        said = described(content.metadata, state=content.state, file=file.name)
        request.check_classes(len(said.classes or ()))
        request.check_channels(said.channels or request.channels or 3)
    size = (None if content else request.size) or said.size or request.size or _SIZES.get(request.arch, (32, 32))
    channels = request.channels or said.channels or (1 if request.arch in _GREY else 3)
    classes = request.classes or said.classes or tuple(str(index) for index in range(10))
    with request.drawing():
        blueprint = built(request, len(classes), channels, size)
    if content:
        fit_weights(blueprint.module, content, name=request.plain)
    mean, std = _normalisation(request, said, content, channels)
    return Net(
        blueprint.module,
        mean=mean,
        std=std,
        classes=classes,
        name=request.plain,
        channels=channels,
        size=None if blueprint.any_size else size,
        geometry=said.geometry or Geometry(size),
        origin=_origin(request, said, content, entry.cites),
        least_size=blueprint.least_size,
    )


def rows() -> list[Row]:
    """What there is, for `striate.nets.catalog.list_models`."""
    return [
        Row(f"striate/{name}", "striate", _PARAMETERS.get(name), "Apache-2.0", entry.cites, entry.summary)
        for name, entry in OWN.items()
    ]


# Of the default build: ten classes, 32 x 32 (28 x 28 for linear and mlp), grey where the net is for grey images.
_PARAMETERS = {
    "small": 169_954,
    "linear": 7_850,
    "mlp": 235_146,
    "lenet5": 61_706,
    "hog": 3_250,
    "vit_tiny": 142_026,
    "resnet8": 75_290,
    "cell": 267_738,
    "stages": 24_346,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "plain8": 75_290,
    "plain20": 269_722,
    "plain32": 464_154,
    "plain44": 658_586,
    "plain56": 853_018,
}


def _file(request: Request) -> Path | None:
    """The weights file: the given one, the named one, the one in the package; None where there is none."""
    if request.file is not None:
        return request.file
    with as_file(files("striate.nets.own").joinpath("weights")) as package:
        if request.tag in ("", "random"):
            return find_weights([request.arch], [package]) if not request.tag else None
        names = [request.tag, f"{request.arch}_{request.tag}", f"{request.tag}_{request.arch}"]
        found = find_weights(names, [request.folder, package])
        if found is None:
            here = sorted(path.stem for path in request.folder.glob("*") if path.suffix in SUFFIXES)
            raise UnknownNameError(
                f"weights of {request.plain}",
                request.tag,
                ["random", *here],
                hint=f"put {request.tag}.safetensors into the weights folder (--weights-root, STRIATE_WEIGHTS)",
            )
        return found


def _normalisation(
    request: Request, said: Described, content: WeightsFile | None, channels: int
) -> tuple[tuple[float, ...] | Tensor, tuple[float, ...]]:
    if said.mean is not None and said.std is not None:
        return said.mean, said.std
    if content is None:
        return _CENTRED
    if request.arch.startswith("resnet") and channels == 3:
        return _IMAGENET
    raise StriateError(
        f"{content.path.name} does not say how its network's pixels were normalised",
        accepted='safetensors with "mean" and "std" in the metadata, as striate.save_weights writes',
        hint="FILE.py:function with Net(module, mean=..., std=...)",
    )


def _origin(request: Request, said: Described, content: WeightsFile | None, cites: tuple[str, ...]) -> WeightsOrigin:
    if content is None:
        source = f"random, seed {request.seed}" if request.weights or request.tag == "random" else "no weights loaded"
        return WeightsOrigin(f"{request.plain}, {source}", "Apache-2.0", cites, arch=request.plain)
    where = content.metadata.get("source", "") or content.metadata.get("data", "")
    source = f"{request.plain} with {content.path.name}{f' ({where})' if where else ''}"
    return WeightsOrigin(source, said.licence, cites, content.checksum, content.path.name, request.plain)
