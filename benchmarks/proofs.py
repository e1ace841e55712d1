"""Long experiments: `make proofs`, or `make proofs PART=name`.

Each part writes what it measured into ``proofs/PART.json`` when it is done and is passed over from then on (delete the
file to do it again), so an interrupted run goes on where it stopped. docs/results.md is written from those files.
All parts together take at most eight CPU hours.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]
KEPT = TOP / "proofs"
RESULTS = TOP / "docs" / "results.md"
HEAD = """# Results

Written by `make proofs` from what it measured; do not edit by hand. Times are CPU seconds of the whole process.
"""


def train_small(data: str, seeds: int) -> dict[str, Any]:
    """`small` under `momentum`, several seeds: test accuracy with its interval, and the CPU seconds of training."""
    import striate
    from striate.measure.payload import Evaluation

    rows = []
    for seed in range(seeds):
        begun = time.process_time()
        folder = KEPT / f"{data}-{seed}"
        striate.train(data, recipe="momentum", out=folder, seed=seed, resume=folder.exists())
        spent = time.process_time() - begun
        measured = striate.evaluate(folder, data, quiet=True, quick=True).result
        assert isinstance(measured, Evaluation)
        accuracy = measured.accuracy
        rows.append(
            {
                "seed": seed,
                "test accuracy": accuracy.value,
                "low": accuracy.low,
                "high": accuracy.high,
                "images": accuracy.n,
                "CPU seconds": round(spent, 1),
            }
        )
    return {"rows": rows}


def sweep_nets() -> dict[str, Any]:
    """Sites of one member of each family: parameters as counted, and the net left as it was found."""
    import torch

    from striate.nets.load import load_net
    from striate.nets.summary import summarise

    rows = []
    for name in LARGE:
        net = load_net(f"{name}.random")
        before = {key: value.clone() for key, value in net.state_dict().items()}
        found = summarise(net)
        same = all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
        counted = sum(each.numel() for each in net.parameters())
        rows.append(
            {
                "net": name,
                "sites": len(found.sites),
                "parameters": found.totals.parameters,
                "as counted": found.totals.parameters == counted,
                "multiply-adds": found.totals.macs,
                "left as found": same and not any(each.grad is not None for each in net.parameters()),
            }
        )
    return {"rows": rows}


def steady_films() -> dict[str, Any]:
    """Flicker of films in another style, by the true flow of drawn scenes."""
    from steady import of_files

    photos, weights = TOP / "tests" / "data" / "photos", Path(os.environ["STRIATE_WEIGHTS"])
    net = f"torchvision/squeezenet1_0@{weights / 'squeezenet1_0.safetensors'}"
    return of_files(photos / "astronaut.jpg", photos / "chelsea.jpg", photos / "coffee.jpg", net)


def part(module: str, function: str, *kept: Path) -> Callable[[], dict[str, Any]]:
    """A function of a script beside this one, imported when it runs."""
    return lambda: getattr(importlib.import_module(module), function)(*kept)


PARTS: Mapping[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "shapes": ("`small` trained on `shapes` by the recipe `momentum`, three seeds", lambda: train_small("shapes", 3)),
    "fashion": (
        "`small` trained on FashionMNIST by the recipe `momentum` (needs STRIATE_DATA), three seeds",
        lambda: train_small("FashionMNIST", 3),
    ),
    "nets": ("sites of large nets, one a family", sweep_nets),
    "painted": (
        "class images of `shapes` by `small`, and a judge of another family",
        part("painted", "classes_painted"),
    ),
    "films": ("flicker of films in another style (needs STRIATE_WEIGHTS)", steady_films),
    "check": ("copies that `check` finds (needs STRIATE_DATA)", part("planted", "copies_found")),
    "fool": ("fooling images (needs STRIATE_DATA and STRIATE_WEIGHTS)", part("fooling", "fooled", KEPT)),
    "style": (
        "loss of a learnt painter and of L-BFGS on ten unseen photographs (needs STRIATE_DATA, STRIATE_WEIGHTS)",
        part("learnt", "fast_style", KEPT / "style"),
    ),
    "decoder": (
        "class images on `shapes` through a learnt decoder, and without, as another net sees them",
        part("learnt", "decoded_classes", KEPT / "decoder"),
    ),
    "harden": (
        "a small net hardened on FashionMNIST by PGD of two steps (needs STRIATE_DATA)",
        part("hardening", "hardened_fashion", KEPT),
    ),
    "maps": (
        "attribution methods on a net of each family: which run, which refuse, which break a law",
        part("lawful", "lawful", KEPT),
    ),
    "certify": (
        "LeNet-5 certified on MNIST by intervals (needs STRIATE_DATA)",
        part("hardening", "certified_digits", KEPT),
    ),
    "several": (
        "shape, colour and texture of `shapes` by one trunk and by a net each, 2,000 images, six seeds",
        part("several", "shared_against_single"),
    ),
    "plain-residual": (
        "plain and residual nets of width 8 on 20,000 images of FashionMNIST, ten epochs (needs STRIATE_DATA)",
        part("degradation", "plain_against_residual", KEPT),
    ),
    "architectures": (
        "every own network, narrow where it is large, beside softmax regression on the first images of MNIST "
        "(needs STRIATE_DATA)",
        part("architectures", "beside_linear", KEPT),
    ),
    "parts": (
        "`small` with other activations and normalisations, 10,000 images of FashionMNIST (needs STRIATE_DATA)",
        part("parts", "parts_compared", KEPT),
    ),
    "budgets": (
        "optimizers, and batch sizes, at equal CPU seconds (needs STRIATE_DATA)",
        part("budgets", "budgets", KEPT),
    ),
    "inits": (
        "nets without norm from each start, two epochs of 10,000 images of FashionMNIST (needs STRIATE_DATA)",
        part("starting", "from_schemes", KEPT),
    ),
    "baselines": (
        "features made by hand with simple classifiers, and `small`, from 5,000 images (needs STRIATE_DATA)",
        part("baselines", "measured_baselines", KEPT),
    ),
    "doctor": (
        "every planted fault on its data sets, nets and five seeds: whether the doctor names it among its first two "
        "findings; healthy set-ups: whether it warns (needs STRIATE_DATA)",
        part("diagnosed", "faults_found", KEPT / "doctor"),
    ),
    "doctor-mends": (
        "accuracy without a fault, with it, and after the doctor's advice, three seeds (needs STRIATE_DATA)",
        part("diagnosed", "faults_mended", KEPT / "doctor-mends"),
    ),
    "doctor-peers": (
        "a third of these faults, a sixth of the healthy set-ups, shown to six other packages (needs STRIATE_DATA and "
        "`make bench`)",
        part("diagnosed", "peers_beside", KEPT / "doctor-peers"),
    ),
    "units": (
        "share of units of `small` that follow a concept of each kind, two tasks on `shapes`",
        part("emergence", "detectors_emerge", KEPT),
    ),
}


LARGE = (
    "torchvision/alexnet",
    "torchvision/vgg11",
    "torchvision/resnet50",
    "torchvision/densenet161",
    "torchvision/inception_v3",
    "torchvision/googlenet",
    "torchvision/mobilenet_v3_large",
    "torchvision/efficientnet_b4",
    "torchvision/regnet_y_8gf",
    "torchvision/convnext_base",
    "torchvision/vit_b_16",
    "torchvision/swin_v2_s",
    "torchvision/maxvit_t",
    "torchvision/wide_resnet101_2",
    "timm/resnetv2_101",
    "timm/beit_base_patch16_224",
    "timm/mixer_b16_224",
    "timm/coatnet_0_rw_224",
    "timm/edgenext_small",
    "timm/levit_256",
    "timm/poolformer_s24",
    "timm/xcit_small_12_p16_224",
)


def machine() -> str:
    """The machine in words, without its name."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def write_results() -> None:
    """docs/results.md: what the files of this folder say; a part measured elsewhere keeps the section that it has."""
    written = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    before = {found[1]: each for each in written.split("\n## ")[1:] if (found := re.search(r"PART=([\w-]+)`", each))}
    parts = [HEAD]
    for name, (title, _) in PARTS.items():
        place = KEPT / f"{name}.json"
        if place.exists():
            done = json.loads(place.read_text(encoding="utf-8"))
            columns = list(done["rows"][0])
            parts.append(
                f"## {title}\n\n`make proofs PART={name}`, {done['date']}, {done['machine']}, torch {done['torch']}\n"
            )
            parts.append("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
            parts += ["| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in done["rows"]]
            parts.append("")
        elif name in before:
            parts.append("\n".join([f"## {title}", *before[name].rstrip().split("\n")[1:], ""]))
    RESULTS.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) and abs(value) < 1 else str(value)


def main() -> int:
    """Run the parts that are not done yet."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("part", nargs="*", help=f"one of {', '.join(PARTS)} (default: all)")
    wanted = options.parse_args().part or list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        print(f"unknown part {unknown[0]!r}; parts are {', '.join(PARTS)}")
        return 2
    KEPT.mkdir(exist_ok=True)
    for name in wanted:
        place = KEPT / f"{name}.json"
        if place.exists():
            print(f"{name}: done already ({place.relative_to(TOP)})")
            continue
        print(f"{name}: {PARTS[name][0]}", flush=True)
        import torch

        begun = time.process_time()
        done = {
            **PARTS[name][1](),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "torch": torch.__version__,
        }
        done["cpu_seconds"] = round(time.process_time() - begun, 1)
        place.write_text(json.dumps(done, indent=1), encoding="utf-8")
        write_results()
    write_results()
    print(f"results: {RESULTS.relative_to(TOP)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
