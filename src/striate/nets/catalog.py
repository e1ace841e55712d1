"""The sources of networks, and what each has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .net import Net
    from .request import Request

_ZOO = "striate.nets.zoo"
SOURCES: Registry[Callable[[Request], Net]] = Registry(
    "source of networks",
    {
        "striate": Entry(f"{_ZOO}.own:load", "networks of our own", licence="Apache-2.0"),
        "torchvision": Entry(f"{_ZOO}.torchvision:load", "classifiers of torchvision", ("marcel2010torchvision",)),
        "timm": Entry(f"{_ZOO}.timm:load", "classifiers of timm, PyTorch Image Models", ("wightman2019timm",)),
    },
)
_LISTS: Registry[Callable[[], list[Row]]] = Registry(
    "source of networks", {name: Entry(f"{_ZOO}.{name if name != 'striate' else 'own'}:rows", "") for name in SOURCES}
)
# The paper of an architecture, by how its name begins; the longest beginning counts.
PAPERS = {
    "alexnet": "krizhevsky2014one",
    "vgg": "simonyan2015very",
    "googlenet": "szegedy2015going",
    "inception": "szegedy2016rethinking",
    "inception_v4": "szegedy2017inception",
    "inception_resnet": "szegedy2017inception",
    "xception": "chollet2017xception",
    "resnet": "he2016deep",
    "resnetv2": "he2016identity",
    "resnext": "xie2017aggregated",
    "wide_resnet": "zagoruyko2016wide",
    "seresnet": "hu2018squeeze",
    "senet": "hu2018squeeze",
    "densenet": "huang2017densely",
    "squeezenet": "iandola2016squeezenet",
    "mobilenetv1": "howard2017mobilenets",
    "mobilenet_v2": "sandler2018mobilenetv2",
    "mobilenetv2": "sandler2018mobilenetv2",
    "mobilenet_v3": "howard2019searching",
    "mobilenetv3": "howard2019searching",
    "shufflenet_v2": "ma2018shufflenet",
    "mnasnet": "tan2019mnasnet",
    "efficientnet": "tan2019efficientnet",
    "efficientnet_v2": "tan2021efficientnetv2",
    "efficientnetv2": "tan2021efficientnetv2",
    "regnet": "radosavovic2020designing",
    "convnext": "liu2022convnet",
    "vit": "dosovitskiy2021image",
    "deit": "touvron2021training",
    "swin": "liu2021swin",
    "swin_v2": "liu2022swin",
    "swinv2": "liu2022swin",
    "maxvit": "tu2022maxvit",
    "mixer": "tolstikhin2021mlp",
}


@dataclass(frozen=True)
class Row:
    """One network that can be had by name; ``parameters`` is None where it is not known without building it."""

    name: str
    source: str
    parameters: int | None
    licence: str
    cites: tuple[str, ...]
    summary: str


def list_models() -> list[Row]:
    """Every network that can be had by name; none is built, no weights are read."""
    return [row for source in SOURCES for row in _LISTS.load(source)()]


def archs(source: str) -> list[str]:
    """The architectures of a source, without weights' names."""
    return [row.name.partition("/")[2] for row in _LISTS.load(source)()]


def papers(arch: str) -> tuple[str, ...]:
    """Citation keys of an architecture's paper, () where none is registered."""
    known = [begin for begin in PAPERS if arch.lower().startswith(begin)]
    return (PAPERS[max(known, key=len)],) if known else ()
