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
# by default for grey images, as MNIST has them
_GREY = frozenset({"linear", "mlp", "lenet5", "lenet1", "lenet5_1998", "neocognitron"})
_IMAGENET_NETS = (
    *("alexnet", "zfnet", "vgg_a", "vgg_b", "vgg_c", "vgg_d", "vgg_e", "nin", "googlenet", "mobilenet1"),
    *("plain18", "plain34", "se_resnet18", "se_resnet50", "cbam_resnet18", "cbam_resnet50"),
    *(f"efficientnet_b{number}" for number in range(8)),
)
_SIZES = {  # by default; 32 x 32 for the others
    **dict.fromkeys(("linear", "mlp", "lenet1", "neocognitron"), (28, 28)),
    **dict.fromkeys(_IMAGENET_NETS, (224, 224)),
    "alexnet": (227, 227),
}
_CLASSES = dict.fromkeys(_IMAGENET_NETS, 1000)  # by default; 10 for the others


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
    classes = request.classes or said.classes or tuple(map(str, range(_CLASSES.get(request.arch, 10))))
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


# Of the default build: the classes, size and channels from above.
_PARAMETERS = {
    "small": 169_954,
    "linear": 7_850,
    "mlp": 235_146,
    "lenet5": 61_706,
    "lenet1": 2_578,
    "lenet5_1998": 60_000,
    "alexnet": 62_378_344,
    "zfnet": 62_357_608,
    "vgg_a": 132_863_336,
    "vgg_b": 133_047_848,
    "vgg_c": 133_638_952,
    "vgg_d": 138_357_544,
    "vgg_e": 143_667_240,
    "nin": 7_595_176,
    "nin_cifar": 966_986,
    "allconv": 1_369_738,
    "googlenet": 6_998_552,
    "mobilenet1": 4_231_976,
    "neocognitron": 24 * (1 + 24 + 24) * 25 + 3 * 24 + 250,
    "hog": 3_250,
    "vit_tiny": 142_026,
    "resnet8": 75_290,
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
    "preact_resnet20": 269_722,
    "preact_resnet32": 464_154,
    "preact_resnet44": 658_586,
    "preact_resnet56": 853_018,
    "preact_resnet110": 1_727_962,
    "preact_resnet164": 1_703_258,
    "preact_resnet1001": 10_327_706,
    "wrn40_1": 563_930,
    "wrn40_4": 8_949_210,
    "wrn16_8": 10_961_370,
    "wrn28_10": 36_479_194,
    "resnext29_8x64d": 34_426_698,
    "densenet40_12": 1_019_722,
    "densenet100_12": 6_979_642,
    "densenet_bc100_12": 769_162,
    "densenet_bc190_40": 25_624_430,
    "plain18": 11_515_688,
    "plain34": 21_623_848,
    "se_resnet18": 11_778_592,
    "se_resnet50": 28_088_024,
    "cbam_resnet18": 11_779_392,
    "cbam_resnet50": 28_089_624,
    "se_resnet20": 272_782,
    "cbam_resnet20": 273_682,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
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
