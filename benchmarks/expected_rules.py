"""Write tests/expected/rules.json: what captum and zennit give by rules, where they are right, on a small net."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP / "tests"))
PLACE = TOP / "tests" / "expected" / "rules.json"
IMAGES = 1


def _rounded(values: Any) -> list[float]:
    return [float(f"{float(value):.7g}") for value in values.detach().flatten()]


def captum_maps() -> dict[str, Any]:
    """Guided backpropagation, deconvnet; DeepLIFT against grey, whose max poolings would tie, with mean pooling."""
    from captum.attr import Deconvolution, DeepLift, GuidedBackprop
    from torch import nn

    from oracles.peers_net import TARGETS, fixed_images, sequential

    targets, images = list(TARGETS[:IMAGES]), fixed_images()[:IMAGES]
    base = 0.5 * images.new_ones(images.shape)
    return {
        "guided_backprop": _rounded(GuidedBackprop(sequential()).attribute(images, target=targets)),
        "deconvnet": _rounded(Deconvolution(sequential()).attribute(images, target=targets)),
        "deep_lift": _rounded(DeepLift(sequential(nn.AvgPool2d(2))).attribute(images, base, target=targets).sum(1)),
    }


def zennit_maps() -> dict[str, Any]:
    """The LRP rules, the same rule at every layer with weights, and the box rule at the first with gamma elsewhere."""
    import torch
    from zennit.attribution import Gradient
    from zennit.composites import NameLayerMapComposite
    from zennit.rules import AlphaBeta, Epsilon, Flat, Gamma, Norm, Pass, ZBox, ZPlus
    from zennit.types import Activation, AvgPool, Convolution, Linear

    from oracles.peers_net import TARGETS, fixed_images, sequential

    images, tiny = fixed_images()[:IMAGES].double(), 1e-12
    pixels = (images - 0.5) / 0.25  # relevance is of the normalised pixel
    everywhere = {
        "lrp_epsilon": Epsilon(tiny),
        "lrp_gamma": Gamma(0.25, stabilizer=tiny),
        "lrp_z_plus": ZPlus(stabilizer=tiny),
        "lrp_z_plus share": ZPlus(stabilizer=tiny, zero_params="bias"),
        "lrp_epsilon share": Epsilon(tiny, zero_params="bias"),
        "lrp_alpha_beta": AlphaBeta(2.0, 1.0, stabilizer=tiny),
    }
    first = {"box": ZBox(-2.0, 2.0, stabilizer=tiny), "flat": Flat(stabilizer=tiny)}

    def relevance(conv: Any, dense: Any, at_pixels: Any = None) -> list[float]:
        net = sequential().double()
        layers = [(Activation, Pass()), (AvgPool, Norm(tiny)), (Convolution, conv), (Linear, dense)]
        names = [] if at_pixels is None else [(["1"], at_pixels)]
        composite = NameLayerMapComposite(name_map=names, layer_map=layers)
        rows = []
        for i, target in enumerate(TARGETS[:IMAGES]):
            with Gradient(model=net[1:] if at_pixels is None else _renamed(net), composite=composite) as attributor:
                logit = net(images[i : i + 1])[:, target]
                seed = torch.zeros(1, 5, dtype=torch.float64)
                seed[0, target] = logit
                rows.append(attributor(pixels[i : i + 1], seed)[1].sum(1))
        return _rounded(torch.cat(rows))

    found = {name: relevance(rule, rule) for name, rule in everywhere.items()}
    for name, rule in first.items():
        found[f"lrp {name}"] = relevance(Gamma(0.25, stabilizer=tiny), Epsilon(tiny), rule)
    return found


def _renamed(net: Any) -> Any:
    """The net without its normalisation, its convolutions called as in the whole net."""
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(OrderedDict((name, each) for name, each in net.named_children() if name != "0"))


def main() -> None:
    """Compute and write."""
    from importlib.metadata import version

    peers = {name: version(name) for name in ("captum", "zennit", "torch")}
    values = {"peers": peers, "captum": captum_maps(), "zennit": zennit_maps()}
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text(json.dumps(values), encoding="utf-8")
    print(f"wrote {PLACE.relative_to(TOP)}, {PLACE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
