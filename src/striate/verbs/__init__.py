"""One typed function a verb: parse names, build, call, return a Report. Nothing heavy is imported until a verb runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from striate.core.registry import Entry, Registry
from striate.core.report import Report

VERBS: Registry[Callable[..., Report[Any]]] = Registry(
    "verb",
    {
        "demo": Entry("striate.verbs.demo:demo", "train a small net, examine it, show the page"),
        "train": Entry("striate.verbs.train:train", "train a net on labelled images"),
        "diagnose": Entry("striate.verbs.diagnose:diagnose", "say why a network does not learn, and how to mend it"),
        "init-stats": Entry(
            "striate.verbs.init_stats:init_stats", "look at a net before training, by starting weights"
        ),
        "find-rate": Entry("striate.verbs.find_rate:find_rate", "look for the learning rate to train with"),
        "descend": Entry("striate.verbs.descend:descend", "draw and film optimisers on surfaces"),
        "search": Entry("striate.verbs.search:search", "find parameters of a recipe, or an architecture"),
        "learning-curve": Entry(
            "striate.verbs.learning_curve:learning_curve", "measure what more data buys, and which lever comes next"
        ),
        "transfer": Entry("striate.verbs.transfer:transfer", "make a net that knows other images tell these apart"),
        "evaluate": Entry("striate.verbs.evaluate:evaluate", "measure a net on one split"),
        "check": Entry("striate.verbs.check:check", "look for what is wrong with labelled images"),
        "baselines": Entry("striate.verbs.baselines:baselines", "measure what a net has to beat"),
        "augment": Entry("striate.verbs.augment:augment", "show images under transforms, and what those take away"),
        "compare": Entry("striate.verbs.compare:compare", "compare nets on the same images, or two reports"),
        "ensemble": Entry("striate.verbs.ensemble:ensemble", "average nets, snapshots, views; what each adds"),
        "convert": Entry("striate.verbs.convert:convert", "write data in another layout: VOC, COCO, masks"),
        "explain": Entry("striate.verbs.explain:explain", "show which pixels made a net say so"),
        "filters": Entry("striate.verbs.filters:filters", "show images under filters made by hand"),
        "units": Entry("striate.verbs.units:units", "show what makes units fire"),
        "ablate": Entry("striate.verbs.ablate:ablate", "measure what a net loses without units or layers"),
        "embed": Entry("striate.verbs.embed:embed", "show what lies near what in a layer's codes"),
        "attack": Entry("striate.verbs.attack:attack", "measure how little change fools a net"),
        "synthesize": Entry("striate.verbs.synthesize:synthesize", "paint what a net looks for"),
        "examine": Entry("striate.verbs.examine:examine", "all of it, on one page"),
        "summary": Entry("striate.verbs.summary:summary", "list what a net executes, and what it costs"),
        "gradcheck": Entry("striate.verbs.gradcheck:gradcheck", "check every gradient of a net against differences"),
        "graph": Entry("striate.verbs.graph:graph", "draw a computational graph with values and gradients"),
        "reproduce": Entry("striate.verbs.reproduce:reproduce", "compute the lectures' and papers' figures"),
        "models": Entry("striate.verbs.catalogue:models", "list the nets there are"),
        "datasets": Entry("striate.verbs.catalogue:datasets", "list the data sets there are"),
        "methods": Entry("striate.verbs.catalogue:methods", "list the methods there are"),
    },
)

FOLDERS = {  # where the command line writes what it is given no place for; {data} stands for the name of the data
    "train": "runs/{data}",
    "learning-curve": "striate-learning-curve",
    "baselines": "striate-baselines",
    "ensemble": "striate-ensemble",
    "init-stats": "striate-init-stats",
    "find-rate": "striate-find-rate",
    "descend": "striate-descend",
    "transfer": "runs/{data}-transfer",
    "augment": "striate-augment",
    "explain": "striate-explain",
    "filters": "striate-filters",
    "units": "striate-units",
    "ablate": "striate-ablate",
    "embed": "striate-embed",
    "graph": "striate-graph",
    "synthesize": "striate-synthesize",
    "examine": "report.html",
}
