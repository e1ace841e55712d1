"""Which maps can be trusted: every method's check, faithfulness beside noise and edges, and random weights.

    python benchmarks/trusting.py PHOTOS [--images 16] [--few 4] [--sane 2] [--nets A,B] [--methods M,M] [--parts DIR]
    python benchmarks/trusting.py --table [--parts DIR]

Each net and method is a part, written into a file of its own; a part that is there is not computed again, so a run may
be stopped and goes on where it was. Methods of many passes a map (`DEAR`) get ``--few`` of the photographs, evenly
chosen, beside the controls of the same ones. ``--table`` writes benchmarks/trusting.md from the parts, and the table in
docs/maps.md between its two marks. A method that refuses a net is a part too, with what it says.
"""

from __future__ import annotations

import argparse
import inspect
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.storage import write_text
from striate.inside.attribution import METHODS
from striate.inside.attribution.maps import Maps
from striate.inside.faithfulness import MEASURES, OF_SUMS
from striate.inside.faithfulness.controls import control_maps
from striate.inside.faithfulness.ranking import mean_of
from striate.inside.faithfulness.scores import planes, sums
from striate.inside.sanity import cascade
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.passes import counting
from striate.page.format import shown, value_of
from striate.verbs.images import open_images

NETS = ("torchvision/squeezenet1_0", "torchvision/mobilenet_v2")
STEPS: dict[str, dict[str, Any]] = {
    "deletion": {"steps": 8},
    "insertion": {"steps": 8},
    "sensitivity_n": {"samples": 16, "shares": (0.3,)},
}
DEAR = {"score_cam", "ablation_cam", "rise", "extremal_perturbation", "occlusion", "expected_gradients"} | {
    "smooth_grad", "var_grad", "integrated_gradients",
}  # fmt: skip
LEAST = 4  # photographs for which an interval is shown
HERE = Path(__file__).parent
DOCS = HERE.parent / "docs" / "maps.md"
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"


def scores_of(net: Net, images: Tensor, targets: Tensor, maps: dict[str, Maps | Tensor]) -> dict[str, Any]:
    """By measure and name: one score an image."""
    found: dict[str, Any] = {}
    for measure, options in STEPS.items():
        stack = torch.stack(
            [
                each
                if isinstance(each, Tensor)
                else sums(each.values)
                if measure in OF_SUMS
                else planes(each.values, signed=each.signed)
                for each in maps.values()
            ]
        )
        measured: Any = MEASURES.load(measure)
        parts = [
            measured(net, images[i : i + 1], targets[i : i + 1], stack[:, i : i + 1], **options)
            for i in range(len(images))
        ]
        values = torch.cat([each.values for each in parts], 1)
        found[measure] = {name: row.tolist() for name, row in zip(maps, values, strict=True)}
    return found


def part(net: Net, images: Tensor, targets: Tensor, *, method: str, sane: int) -> dict[str, Any]:
    """All that is said of one method on one net."""
    made: Any = METHODS.load(method)
    begun = time.perf_counter()
    with counting() as passes:
        maps = made(net, images, targets)
    seconds = time.perf_counter() - begun
    quick = {"check": False} if "check" in inspect.signature(made).parameters else {}
    row = {
        "method": method,
        "seconds": seconds / len(images),
        "passes": (passes.forward + passes.backward) / len(images),
        "held": [check.holds for check in maps.checks],
        "scores": scores_of(net, images, targets, {method: maps}),
    }
    if sane:
        few = Maps(maps.values[:sane], maps.units, maps.signed, maps.checks[:sane])

        def again(other: Net, some: Tensor, wanted: Tensor) -> Maps:
            found: Maps = made(other, some, wanted, **quick)
            return found

        kept = cascade(net, images[:sane], targets[:sane], {method: again}, originals={method: few})[0]
        row["sanity"] = [float(each) for each in kept.spearman]
        row["bound"] = kept.bound
    return row


def compute(arguments: argparse.Namespace) -> None:
    """Every part that is not there yet."""
    for name in arguments.nets.split(","):
        net = load_net(name)
        paths = sorted(each for each in Path(arguments.photos).iterdir() if each.suffix in {".jpg", ".png", ".JPEG"})
        # evenly over the folder: samples are often sorted by class
        chosen = [paths[k * len(paths) // arguments.images] for k in range(min(arguments.images, len(paths)))]
        _, images, _ = open_images(chosen, net)
        with torch.no_grad():
            targets = torch.cat([net.logits(each[None]).argmax(1) for each in images])
        every = list(range(len(images)))
        few = [k * len(images) // arguments.few for k in range(min(arguments.few, len(images)))]
        stem = name.replace("/", "-")
        for method in ("controls", *(arguments.methods.split(",") if arguments.methods else METHODS)):
            place = Path(arguments.parts) / f"{stem}-{method}.json"
            if place.exists():
                continue
            rows = few if method in DEAR else every
            some, wanted = images[rows], targets[rows]
            try:
                if method == "controls":
                    row = {"method": method, "scores": scores_of(net, images, targets, dict(control_maps(images)))}
                else:
                    row = part(net, some, wanted, method=method, sane=arguments.sane)
            except StriateError as error:
                row = {"method": method, "refused": str(error)}
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, json.dumps({"net": name, "rows": rows, **row}, indent=1))
            print(f"{name} {method}: {row.get('refused', 'done')}", flush=True)


def table(parts: Path) -> str:
    """The measured text: one table a net."""
    rows = [json.loads(each.read_text(encoding="utf-8")) for each in sorted(parts.glob("*.json"))]
    lines: list[str] = []
    for net in dict.fromkeys(row["net"] for row in rows):
        mine = {row["method"]: row for row in rows if row["net"] == net}
        known = mine.pop("controls")
        controls = known["scores"]
        lines += [f"### {net}", ""]
        heads = [f"{measure.replace('_', '-')} ({'↑' if better(measure) else '↓'})" for measure in STEPS]
        lines.append(
            f"| method | {' | '.join(heads)} | beats noise and edges | checks held | random weights | passes | n |"
        )
        lines.append(f"|---|{'---:|' * len(heads)}---:|---:|---:|---:|---:|")
        for control in ("random", "edge"):
            cells = [shown(mean_of(torch.tensor(controls[each][control]), 0)) for each in STEPS]
            name = "*noise*" if control == "random" else "*edges of the image*"
            lines.append(
                f"| {name} | {' | '.join(cells)} | | | {'' if control == 'random' else '1.00, fails'} | | "
                f"{len(known['rows'])} |"
            )
        fine = [row for row in mine.values() if "refused" not in row]
        for row in sorted(fine, key=lambda row: (len(row["rows"]) < LEAST, -wins(row, controls))):
            lines.append(_line(row, controls))
        refused = [row for row in mine.values() if "refused" in row]
        lines += ["", *(f"- `{row['method']}` does not work on it: {row['refused']}" for row in refused), ""]
    return "\n".join(lines)


def better(measure: str) -> bool:
    """Whether higher is better, asked of the measure itself."""
    net = load_net("striate/linear.random")
    image = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    measured: Any = MEASURES.load(measure)
    return bool(measured(net, image, torch.zeros(1, dtype=torch.int64), image[:, 0]).higher)


def wins(row: dict[str, Any], controls: dict[str, Any]) -> float:
    """Share of images and measures whose map is better than both controls."""
    found = []
    for measure in STEPS:
        sign = 1 if better(measure) else -1
        own = sign * torch.tensor(row["scores"][measure][row["method"]])
        random, edge = (sign * torch.tensor(controls[measure][each])[row["rows"]] for each in ("random", "edge"))
        found.append((own > torch.maximum(random, edge)).double())
    return float(torch.stack(found).mean())


def _line(row: dict[str, Any], controls: dict[str, Any]) -> str:
    method = row["method"]
    means = [mean_of(torch.tensor(row["scores"][each][method]), 0) for each in STEPS]
    # the spread of two or three photographs says nothing
    cells = [value_of(each) if len(row["rows"]) < LEAST else shown(each) for each in means]
    sanity = row.get("sanity")
    mean = sum(sanity) / len(sanity) if sanity else None
    said = (
        ""
        if mean is None
        else f"{mean:.2f}, {'holds' if mean <= row['bound'] else 'fails'}".replace("-", "\N{MINUS SIGN}")
    )
    held = [each for each in row["held"] if each is not None]
    checks = f"{sum(held)} of {len(held)}" if held else "none made"
    share = f"{100 * wins(row, controls):.0f}"
    return (
        f"| `{method}` | {' | '.join(cells)} | {share} % | {checks} | {said} | {row['passes']:.0f} | "
        f"{len(row['rows'])} |"
    )


def main() -> None:
    """Compute the parts, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("photos", nargs="?", default="")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--few", type=int, default=4)
    parser.add_argument("--sane", type=int, default=2)
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--methods", default="")
    parser.add_argument("--parts", default="trusting-parts")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if not arguments.table:
        compute(arguments)
        return
    text = table(Path(arguments.parts))
    write_text(HERE / "trusting.md", f"# Which maps can be trusted\n\nMade by `benchmarks/trusting.py`.\n\n{text}\n")
    docs = DOCS.read_text(encoding="utf-8")
    before, _, rest = docs.partition(BEGIN)
    write_text(DOCS, f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
