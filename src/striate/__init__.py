"""Train a vision network, look inside it, break it, mend what you find, and paint with it.

Every name is loaded when it is first used: ``import striate`` loads neither torch nor numpy.

>>> import striate
>>> striate.summary("striate/lenet5", quiet=True).result.totals.parameters
61706
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.core.errors import StriateError
    from striate.core.finding import Finding
    from striate.core.image import as_images, read_image
    from striate.core.number import Number
    from striate.core.report import Report
    from striate.core.version import VERSION as __version__  # noqa: N811
    from striate.data.load import load_data, load_splits
    from striate.doctor.preflight import preflight
    from striate.doctor.setup import Setup
    from striate.doctor.watch import watch
    from striate.nets.load import load_net
    from striate.nets.net import Net
    from striate.verbs.ablate import ablate
    from striate.verbs.attack import attack
    from striate.verbs.augment import augment
    from striate.verbs.baselines import baselines
    from striate.verbs.catalogue import datasets, methods, models
    from striate.verbs.check import check
    from striate.verbs.compare import compare
    from striate.verbs.convert import convert
    from striate.verbs.demo import demo
    from striate.verbs.descend import descend
    from striate.verbs.diagnose import diagnose
    from striate.verbs.embed import embed
    from striate.verbs.ensemble import ensemble
    from striate.verbs.evaluate import evaluate
    from striate.verbs.examine import examine
    from striate.verbs.explain import explain
    from striate.verbs.filters import filters
    from striate.verbs.find_rate import find_rate
    from striate.verbs.gradcheck import gradcheck
    from striate.verbs.graph import graph
    from striate.verbs.init_stats import init_stats
    from striate.verbs.learning_curve import learning_curve
    from striate.verbs.read import read_report
    from striate.verbs.reproduce import reproduce
    from striate.verbs.search import search
    from striate.verbs.summary import summary
    from striate.verbs.synthesize import synthesize
    from striate.verbs.train import train
    from striate.verbs.transfer import transfer
    from striate.verbs.units import units

_PLACES = {
    "Finding": "striate.core.finding",
    "Net": "striate.nets.net",
    "Number": "striate.core.number",
    "Report": "striate.core.report",
    "Setup": "striate.doctor.setup",
    "StriateError": "striate.core.errors",
    "ablate": "striate.verbs.ablate",
    "as_images": "striate.core.image",
    "attack": "striate.verbs.attack",
    "augment": "striate.verbs.augment",
    "baselines": "striate.verbs.baselines",
    "check": "striate.verbs.check",
    "compare": "striate.verbs.compare",
    "convert": "striate.verbs.convert",
    "datasets": "striate.verbs.catalogue",
    "demo": "striate.verbs.demo",
    "descend": "striate.verbs.descend",
    "diagnose": "striate.verbs.diagnose",
    "embed": "striate.verbs.embed",
    "ensemble": "striate.verbs.ensemble",
    "evaluate": "striate.verbs.evaluate",
    "examine": "striate.verbs.examine",
    "explain": "striate.verbs.explain",
    "find_rate": "striate.verbs.find_rate",
    "init_stats": "striate.verbs.init_stats",
    "gradcheck": "striate.verbs.gradcheck",
    "graph": "striate.verbs.graph",
    "learning_curve": "striate.verbs.learning_curve",
    "filters": "striate.verbs.filters",
    "load_data": "striate.data.load",
    "load_net": "striate.nets.load",
    "load_splits": "striate.data.load",
    "methods": "striate.verbs.catalogue",
    "models": "striate.verbs.catalogue",
    "preflight": "striate.doctor.preflight",
    "read_image": "striate.core.image",
    "read_report": "striate.verbs.read",
    "reproduce": "striate.verbs.reproduce",
    "search": "striate.verbs.search",
    "summary": "striate.verbs.summary",
    "synthesize": "striate.verbs.synthesize",
    "train": "striate.verbs.train",
    "transfer": "striate.verbs.transfer",
    "units": "striate.verbs.units",
    "watch": "striate.doctor.watch",
}

__all__ = [
    "Finding",
    "Net",
    "Number",
    "Report",
    "Setup",
    "StriateError",
    "__version__",
    "ablate",
    "as_images",
    "attack",
    "augment",
    "baselines",
    "check",
    "compare",
    "convert",
    "datasets",
    "demo",
    "descend",
    "diagnose",
    "embed",
    "ensemble",
    "evaluate",
    "examine",
    "explain",
    "filters",
    "find_rate",
    "gradcheck",
    "graph",
    "init_stats",
    "learning_curve",
    "load_data",
    "load_net",
    "load_splits",
    "methods",
    "models",
    "preflight",
    "read_image",
    "read_report",
    "reproduce",
    "search",
    "summary",
    "synthesize",
    "train",
    "transfer",
    "units",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("striate.core.version").VERSION
    if name not in _PLACES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
