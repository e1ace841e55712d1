"""Every attribution method on a net of every family: does it run, does its check hold, does the net stay as it was?

The nets are Striate's own and a small member of each family of torchvision and of timm, with random weights. A method
may refuse a net, by name; then that is counted. What it gives must not depend on the batch: the map of an image alone
and beside another one differ by at most 1e-4 of the map's size. Where they differ by more, a rounding that hangs on the
size of the batch may have turned a rectifier or a maximum over: then the net is asked again in float64. Methods
that draw or go along a path make 8 draws or steps, so that the checks of many of them say that this is too few.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.inside.attribution import METHODS
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.own import OWN

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnext50_32x4d", "shufflenet_v2_x0_5",
    "squeezenet1_1", "swin_t", "vgg11", "vit_b_16", "wide_resnet50_2",
)  # fmt: skip
TIMM = (
    "convnext_atto", "vit_tiny_patch16_224", "deit_tiny_patch16_224", "resnet10t", "efficientnet_lite0", "ghostnet_050",
    "levit_128s", "mixer_s32_224", "resmlp_12_224", "poolformer_s12", "edgenext_xx_small", "mobilevit_xxs",
    "regnetx_002", "repvgg_a0", "dla34", "cspresnet50", "xcit_nano_12_p16_224", "tinynet_e", "lcnet_035", "fastvit_t8",
    "efficientformer_l1", "selecsls42", "semnasnet_075", "res2net50_14w_8s", "coatnet_pico_rw_224",
)  # fmt: skip
ANY_SIZE = 96  # pixels for nets that take any size
CLOSE = 1e-4
FLOOR = 1e-5  # a map below it, from a net that all but ignores its input, is rounding
SAMPLES = 8  # random draws of methods that draw: what is asked here is not how good their maps are
FEW = {"samples": SAMPLES, "steps": 8}
COSTLY = ("score_cam", "ablation_cam")  # a pass a channel: on nets of more multiply-adds than this they are left out
FAILED = "check failed"
FINE = ("ok", "refused", "costly", FAILED)
MOST = 300_000_000


def names() -> list[str]:
    """The law set."""
    return [
        *(f"striate/{name}" for name in OWN),
        *(f"torchvision/{name}" for name in TORCHVISION),
        *(f"timm/{name}" for name in TIMM),
    ]


def lawful(kept: Path) -> dict[str, Any]:
    """Rows by method: nets on which it ran, on which it refused, and on which a law broke, with their names."""
    found: dict[str, dict[str, str]] = {}
    for name in names():
        place = kept / f"lawful-{name.replace('/', '-')}.json"
        if not place.exists():
            place.write_text(json.dumps(_on_net(name)), encoding="utf-8")
        found[name] = json.loads(place.read_text(encoding="utf-8"))
    rows = []
    for method in METHODS:
        said = {name: words.get(method, "not run") for name, words in found.items()}
        kinds = Counter(words.partition(":")[0] for words in said.values())
        broken = [
            f"{name} ({words})" for name, words in said.items() if words.partition(":")[0] not in ("ok", "refused")
        ]
        rows.append(
            {
                "method": method,
                "nets": len(said),
                "ran, all laws held": kinds["ok"],
                "own check says no": kinds[FAILED],
                "refused by name": kinds["refused"],
                "left out as costly": kinds["costly"],
                "broken": "; ".join(broken) or "none",
            }
        )
    return {"rows": rows}


def _on_net(name: str) -> dict[str, str]:
    net = load_net(f"{name}.random", classes=7)
    _stir(net)
    size = (ANY_SIZE, ANY_SIZE) if net.size is None and not _fixed(name) else net.a_size()
    images = Rng(0, "lawful").uniform(torch.arange(2), (net.channels, *size))
    large = sum(site.macs for site in net.sites(size)) > MOST
    return {method: "costly" if large and method in COSTLY else _on_method(method, net, images) for method in METHODS}


def _fixed(name: str) -> bool:
    """Whether a net of any size is made for its own: windows and positions fit no other."""
    return any(part in name for part in ("vit", "deit", "swin", "mixer", "resmlp", "levit", "xcit", "coat", "former"))


def _stir(net: Net) -> None:
    """Running statistics that are not the trivial ones."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(3)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                assert module.running_var is not None
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.7, 1.3)


def _same(one: Tensor, other: Tensor) -> bool:
    return float((one - other).abs().max()) <= CLOSE * max(float(one.abs().max()), FLOOR)


def _on_method(method: str, net: Net, images: Tensor) -> str:
    page, targets = METHODS.load(method), torch.tensor([1, 2])
    takes = inspect.signature(page).parameters
    options: dict[str, Any] = {key: value for key, value in FEW.items() if key in takes}
    if "references" in takes:
        options["references"] = images.flip(0)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    try:
        both = page(net, images, targets, **options)
        alone = page(net, images[:1], targets[:1], **options)
    except StriateError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"error: {type(error).__name__} {error}"
    if not all(torch.equal(value, before[key]) for key, value in net.state_dict().items()):
        return "changed the net"
    if not bool(both.values.isfinite().all()):
        return "not finite"
    if not _same(both.values[0], alone.values[0]):
        double = net.with_module(copy.deepcopy(net.module).double()).eval()
        if "references" in options:
            options["references"] = options["references"].double()
        both_again, alone_again = (page(double, images[:n].double(), targets[:n], **options).values[0] for n in (2, 1))
        if not _same(both_again, alone_again):
            return "depends on the batch"
    failed = [each for each in both.checks if each.holds is False]
    return f"{FAILED}: residual {failed[0].residual.value}" if failed else "ok"
