"""An examination that looks like a real one: drawn shapes, a believable confusion matrix, intervals by Wilson."""

from __future__ import annotations

import io
import math
import random
from dataclasses import replace
from functools import cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from striate.attacks.payload import Attacked, CurvePoint, Masking, Robustness
from striate.checks.payload import (
    Checked,
    Counts,
    DuplicateGroup,
    Duplicates,
    Leak,
    Member,
    Removal,
    SplitCounts,
    Statistic,
)
from striate.core.finding import Evidence, Finding, ranked
from striate.core.number import Number
from striate.core.report import Cost, Origin, Report
from striate.inside.payload import Explanation, Filters, MapCheck, MapRow
from striate.measure.compared import ComparedNet, ComparedPair, Comparison, Disagreement, Timing
from striate.measure.payload import (
    Average,
    Averages,
    Calibration,
    CalibrationBin,
    ClassCurve,
    ClassFigures,
    Curves,
    Evaluation,
    LabelNoise,
    Mistake,
    Risk,
    RiskAt,
    Slice,
    Slices,
    Suspect,
)
from striate.nets.payload import Field, SiteRow, Summary, Totals
from striate.page.payload import Examination
from striate.synthesis.payload import Judged, Painted, Synthesis
from striate.training.payload import Best, Epoch, Training

NAMES = ("circle", "square", "triangle", "star", "ring", "cross", "crescent", "hexagon", "heart", "arrow")
HOSTILE = (
    "<script>document.title='broken'</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><h1>out</h1>",
    "\u202eevil right to left\u202c שלום",
    "a very long class name " * 12,
    "{{ 7 * 7 }}",
    "' onmouseover='alert(2)",
    "東京タワー",
    "line\nbreak\x1b[31m",
    "javascript:alert(3)",
)


def wilson(right: int, n: int) -> Number:
    if n == 0:
        return Number.missing("no image of this kind")
    z, p = 1.959964, right / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Number(p, max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0), n)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def webp(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=75)
    return stream.getvalue()


def draw_shape(kind: int, seed: int, side: int = 64) -> Image.Image:
    """A shape of one class on a noisy ground."""
    luck = random.Random(seed)
    ground = Image.effect_noise((side, side), 40).convert("RGB")
    ground = Image.blend(ground, Image.new("RGB", (side, side), _colour(luck)), 0.6)
    big = Image.new("L", (side * 4, side * 4))
    pen = ImageDraw.Draw(big)
    x, y = (luck.uniform(1.6, 2.4) * side for _ in range(2))
    r, turn = luck.uniform(0.8, 1.3) * side, luck.uniform(0, 360)
    corners = {1: 4, 2: 3, 7: 6}.get(kind)
    if corners:
        pen.regular_polygon((x, y, r), corners, rotation=turn, fill=255)
    elif kind in (3, 5, 9):
        spikes = {3: 5, 5: 4, 9: 3}[kind]
        points = []
        for index in range(2 * spikes):
            reach = r if index % 2 == 0 else 0.42 * r
            angle = math.radians(turn) + index * math.pi / spikes
            points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
        pen.polygon(points, fill=255)
    else:
        pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
        if kind in (4, 6):
            shift = 0 if kind == 4 else 0.5 * r
            pen.ellipse((x - 0.6 * r + shift, y - 0.6 * r, x + 0.6 * r + shift, y + 0.6 * r), fill=0)
    mask = big.resize((side, side), Image.Resampling.LANCZOS)
    return Image.composite(Image.new("RGB", (side, side), _colour(luck)), ground, mask)


def _colour(luck: random.Random) -> tuple[int, int, int]:
    return (luck.randrange(30, 240), luck.randrange(30, 240), luck.randrange(30, 240))


def heat(image: Image.Image, seed: int, signed: bool) -> Image.Image:
    """A blurred map beside itself over the grey image, as `explain` writes it."""
    side = 128
    noise = Image.effect_noise((8, 8), 90 + seed % 7).resize((side, side), Image.Resampling.BICUBIC)
    shape = image.convert("L").filter(ImageFilter.FIND_EDGES).resize((side, side)).filter(ImageFilter.GaussianBlur(4))
    value = ImageChops.add(shape, noise.point(lambda level: level // 3))
    ends = ((33, 102, 172), (255, 255, 255), (178, 24, 43)) if signed else ((68, 1, 84), (38, 130, 142), (253, 231, 37))
    table = [_mix(ends, level / 255, channel) for channel in range(3) for level in range(256)]
    coloured = Image.merge("RGB", (value, value, value)).point(table)
    grey = image.convert("L").resize((side, side), Image.Resampling.NEAREST).convert("RGB")
    pair = Image.new("RGB", (2 * side + 2, side), (128, 128, 128))
    pair.paste(coloured, (0, 0))
    pair.paste(Image.blend(grey, coloured, 0.6), (side + 2, 0))
    return pair


def _mix(ends: tuple[tuple[int, int, int], ...], share: float, channel: int) -> int:
    low, high = (ends[0], ends[1]) if share < 0.5 else (ends[1], ends[2])
    part = share * 2 if share < 0.5 else share * 2 - 1
    return round(low[channel] + part * (high[channel] - low[channel]))


def confusion_of(k: int, each: int, seed: int = 0) -> list[list[int]]:
    luck, table = random.Random(seed), []
    for label in range(k):
        row = [0] * k
        for _ in range(each):
            slip = luck.random() < (0.12 if label == 4 % k else 0.035)
            predicted = luck.choice([(label + 4) % k, (label + 1) % k, luck.randrange(k)]) if slip else label
            row[predicted] += 1
        table.append(row)
    return table


def class_figures(table: list[list[int]], names: tuple[str, ...]) -> tuple[ClassFigures, ...]:
    total, rows = sum(map(sum, table)), []
    for label, name in enumerate(names):
        tp = table[label][label]
        support, predicted = sum(table[label]), sum(row[label] for row in table)
        fn, fp = support - tp, predicted - tp
        tn = total - tp - fn - fp
        precision, recall = wilson(tp, predicted), wilson(tp, support)
        f1 = Number(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else Number.missing("the class does not occur")
        other = wilson(tn, tn + fp)
        rows.append(
            ClassFigures(
                name, support, predicted, tp, fp, fn, tn, precision, recall, f1, other, wilson(tn, tn + fn),
                wilson(fp, fp + tn), wilson(fn, fn + tp), wilson(fp, fp + tp), wilson(fn, fn + tn),
                wilson(tp + tn, total), Number(0.5 * (float(recall) + float(other))), Number(0.9),
                wilson(support, total), Number(20.0), Number(0.1), Number.missing("a count is 0"),
            )
        )  # fmt: skip
    return tuple(rows)


def share_of(n: int) -> Number:
    return wilson(n - n // 25, n)


@cache
def evaluation_of(names: tuple[str, ...] = NAMES, each: int = 200) -> tuple[Evaluation, dict, dict[str, bytes]]:
    k, luck = len(names), random.Random(7)
    table = confusion_of(k, each)
    n, right = sum(map(sum, table)), sum(table[i][i] for i in range(k))
    album, mistakes, cells, row = {}, [], {}, 11
    for label in range(k):
        for predicted in range(k):
            for _ in range(table[label][predicted] if label != predicted else 0):
                row += luck.randrange(3, 40)
                key, sure = f"image-{row}.webp", luck.betavariate(5, 2)
                mistakes.append(Mistake(row, f"number {row}", label, predicted, sure, (1 - sure) * luck.random(), key))
                album[key] = webp(draw_shape(label, row))
                cells.setdefault(f"{label}>{predicted}", []).append(key)
    mistakes.sort(key=lambda one: -one.confidence)
    bins = []
    for index in range(10):
        low, high = index / 10, (index + 1) / 10
        count = round(n * (0, 0, 2, 4, 10, 15, 22, 30, 56, 861)[index] / 1000)
        middle = Number(low + 0.06, n=count) if count else Number.missing("no image in this bin")
        bins.append(
            CalibrationBin(low, high, count, middle, wilson(round(count * min(max(low - 0.02, 0), 0.985)), count))
        )
    share = wilson(right, n)
    mean = Average(share, share, Number(float(share) - 0.001))
    weak = mistakes[: min(8, len(mistakes))]
    slices = Slices(
        64, "Holm over 64 slices", 1,
        (
            Slice(
                "brightness below 0.21", "property", ("brightness",), n // 5, wilson(n // 5 - 60, n // 5),
                wilson(4 * n // 5 - 20, 4 * n // 5), Number(-0.12, -0.17, -0.08, n), 3e-9, True,
                rows=tuple(one.row for one in weak), merged=("contrast below 0.1",),
                pictures=tuple(one.picture for one in weak),
            ),
            Slice(
                f"class {names[0]}", "class", ("class",), n // k, wilson(n // k - 4, n // k), share_of(n),
                Number(0.01), 1.0, False,
            ),
        ),
    ) if n >= 400 else None  # fmt: skip
    mistakes = [replace(one, slices=(0,)) if one in weak and slices else one for one in mistakes]
    curve = tuple((i / 20, (i / 20) ** 0.2) for i in range(21))
    falling = tuple((i / 20, 1 - 0.3 * (i / 20) ** 3) for i in range(21))
    area = Number(0.981, 0.97, 0.99, n)
    curves = Curves(
        tuple(
            ClassCurve(name, Number(0.95 + 0.04 * i / k, 0.9, 1.0, n), area, curve, falling)
            for i, name in enumerate(names)
        ),
        area, area, area, area, names[1] if k == 2 else "",
    )  # fmt: skip
    risk = Risk(
        tuple((i / 20, 0.03 * (i / 20) ** 3) for i in range(1, 21)), Number(0.011, n=n), Number(0.004, n=n),
        tuple(
            RiskAt(share, 1 - share / 2, wilson(round(0.03 * share * n), round(share * n))) for share in (0.5, 0.8, 0.9)
        ),
    )  # fmt: skip
    suspects = tuple(
        Suspect(one.row, "test", one.name, one.label, names[one.label], one.predicted, names[one.predicted], 0.02, 0.97,
                one.picture)
        for one in mistakes[:14]
    )  # fmt: skip
    evaluation = Evaluation(
        n=n,
        accuracy=share,
        top5=wilson(n - 9, n) if k > 5 else Number.missing("there are fewer than six classes"),
        loss=Number(0.1612, 0.1421, 0.1803, n),
        chance=Number(1 / k, n=n, why="exact"),
        confusion=tuple(map(tuple, table)),
        classes=class_figures(table, names),
        averages=Averages(mean, mean, mean),
        calibration=Calibration(
            Number(0.0231, 0.0166, 0.0296, n), Number(0.0712, n=n), Number(0.972, n=n), tuple(bins)
        ),
        mistakes=tuple(mistakes),
        names=names,
        curves=curves,
        risk=risk,
        slices=slices,
        suspects=suspects,
        noise=LabelNoise(wilson(n // 20, n), 1e-9),
    )
    return evaluation, {cell: tuple(keys[:12]) for cell, keys in cells.items()}, album


@cache
def explanation_of(names: tuple[str, ...]) -> tuple[Explanation, dict[str, bytes]]:
    rows, album = [], {}
    for index in range(4):
        label, image = (4, 8, 0, 6)[index] % len(names), draw_shape((4, 8, 0, 6)[index], 900 + index)
        source = f"input-{index}.png"
        album[source] = png(image.resize((128, 128), Image.Resampling.NEAREST))
        for method, units, signed in (
            ("gradient", "logits per unit of pixel", False),
            ("grad_cam", "weighted activation", False),
            ("occlusion", "drop of the logit", True),
        ):
            key = f"map-{index}-{method}.png"
            album[key] = png(heat(image, index, signed))
            end = (0.31, 2.74, 1.62)[("gradient", "grad_cam", "occlusion").index(method)]
            what = {"gradient": "first-order change against the net", "grad_cam": "sum of the parts is the score"}
            check = MapCheck(what.get(method, "no patch gives 0"), Number(0.0021 * (index + 1)), 0.05, index != 3)
            rows.append(
                MapRow(
                    f"number {900 + index}", method, label, names[label], 7.31, 0.993, label,
                    "stage3.conv" if method == "grad_cam" else "", "", key, source, units,
                    (-end if signed else 0.0, end), signed, check, 226 if method == "occlusion" else 1,
                )
            )  # fmt: skip
    return Explanation(tuple(rows)), album


@cache
def robustness_of(names: tuple[str, ...]) -> tuple[Robustness, dict[str, bytes]]:
    luck, rows, album = random.Random(3), [], {}
    for row in range(200):
        label = row % len(names)
        success, keys = row % 9 not in (0, 5), ("", "", "")
        if success and len(album) < 18:
            original = draw_shape(label, row)
            noise = Image.effect_noise(original.size, 60).convert("RGB")
            attacked = Image.blend(original, noise, 0.06)
            keys = tuple(f"{part}-{row}.png" for part in ("attacked", "original", "difference"))
            album.update(zip(keys, (png(attacked), png(original), png(noise)), strict=True))
        rows.append(
            Attacked(
                row, f"number {row}", label, label, (label + 3) % len(names) if success else label, success,
                luck.random() < 0.97 if success else None, 8 / 255, luck.randrange(1, 12) if success else None, *keys,
            )
        )  # fmt: skip
    curve = tuple(
        CurvePoint(level / 255, wilson(count, 200)) for level, count in ((1, 181), (2, 152), (4, 101), (8, 44), (16, 5))
    )
    broken = sum(one.success for one in rows)
    return Robustness(
        "pgd", "inf", 8 / 255, None, 200, wilson(192, 200), wilson(200 - broken, 200), Number(0.0312, n=broken),
        wilson(round(0.97 * broken), broken), Masking((), wilson(0, 200), wilson(3, 200)), tuple(rows),
        {"forward": 5230, "backward": 4800}, curve, names, 16.0,
    ), album  # fmt: skip


def findings_of(names: tuple[str, ...], pictures: list[str]) -> tuple[Finding, ...]:
    return ranked(
        [
            Finding(
                "robustness/pgd", "robustness", "error", 1.0,
                "A change of at most 8/255 a pixel, too small to see, fools the net on most images.",
                (Evidence("robust accuracy", wilson(44, 200), "attacked-1.png"),),
                "Train on attacked images, or do not rely on the net where someone gains by fooling it.",
                "striate attack runs/shapes shapes --method pgd --radius 8/255",
            ),
            Finding(
                f"weak-class/{names[4 % len(names)]}", "weak-class", "warning", 0.98,
                f"The class {names[4 % len(names)]} is found clearly less often than the others.",
                (Evidence("recall", wilson(176, 200), pictures[0]), Evidence("recall of the rest", wilson(1744, 1800))),
                "Show more of it in training, and look at the pictures of its mistakes.",
                f"striate evaluate runs/shapes shapes --out '{names[4 % len(names)]}'",
            ),
            Finding(
                "calibration/over", "calibration", "note", 0.9,
                "Where it is wrong it is nearly as sure as where it is right.",
                (Evidence("mean confidence of the mistakes", Number(0.71, 0.68, 0.74, 82)),),
                "Do not read its confidence as a probability below 90 %.", "",
            ),
        ]
    )  # fmt: skip


def sample(names: tuple[str, ...] = NAMES, *, each: int = 200) -> Report[Examination]:
    """The report of ``striate examine runs/shapes shapes``, invented."""
    evaluation, cells, album = evaluation_of(names, each)
    explanation, more = explanation_of(names)
    robustness, attacked = robustness_of(names)
    album = {**album, **more, **attacked}
    filters = []
    for index in range(32):
        picture = Image.effect_noise((5, 5), 120).convert("RGB").resize((5, 5))
        album[f"filter-{index}.png"] = png(picture)
        filters.append(f"filter-{index}.png")
    painted = []
    for index, name in enumerate(names):
        album[f"class-{index}.png"] = png(
            Image.blend(draw_shape(index, 50 + index), Image.effect_noise((64, 64), 90).convert("RGB"), 0.4)
        )
        painted.append(Painted(name, index, f"class-{index}.png", 21.3 + index, 0.9991, index, 0))
    synthesis = Synthesis(
        "class", "logit of the class", 128, tuple(painted), tuple(one.score for one in painted),
        Judged("striate/lenet5", tuple(range(len(names))), tuple(0.8 for _ in names), Number(0.9, 0.6, 0.98, 10)),
        tuple(tuple(20 * (1 - math.exp(-step / 30)) for step in range(0, 128, 8)) for _ in names),
    )  # fmt: skip
    sites = tuple(
        SiteRow(f"stage{index // 3}.{('conv', 'norm', 'relu')[index % 3]}", ("conv2d", "batch_norm", "relu")[index % 3],
                (16 << (index // 3), 32 >> (index // 3), 32 >> (index // 3)),
                (2320 * (index + 1), 32, 0)[index % 3], (2_370_000, 0, 0)[index % 3],
                (Field(3 + 4 * index, 2.0, 0.5),) * 2)
        for index in range(12)
    )  # fmt: skip
    history = tuple(
        Epoch(epoch, 1.9 * math.exp(-epoch / 3) + 0.21, 1 - 0.8 * math.exp(-epoch / 2.4),
              1.8 * math.exp(-epoch / 3) + 0.16 + 0.002 * epoch, 0.958 - 0.75 * math.exp(-epoch / 2.2),
              0.1 / epoch, 5.2)
        for epoch in range(1, 13)
    )  # fmt: skip
    examination = Examination(
        net="runs/shapes", data="shapes, test split", evaluation=evaluation, cells=cells, explanation=explanation,
        robustness=robustness, synthesis=synthesis,
        filters=Filters("stem.conv", (32, 3, 5, 5), (-0.41, 0.41), True, tuple(filters)),
        summary=Summary("striate/small", (64, 64), 3, sites, Totals(93_098, 93_098, 640, 8_210_000, 131_072),
                        "trained here", "Apache-2.0"),
        training=Training("runs/shapes", "striate/small", "shapes", "quick", 12, Best("dev_accuracy", 0.955, 12),
                          history, True),
        left_out=("units: the verb that looks at single units is not part of this version",),
        limits=("An attack gives an upper bound of the robust accuracy: a stronger attack may find more.",
                "A heat map shows what moved this output, not why the class was learnt."),
    )  # fmt: skip
    origin = Origin(
        command="striate examine runs/shapes shapes --out report.html",
        arguments={"net": "runs/shapes", "data": "shapes"}, seed=0,
        versions={"striate": "0.1.0", "python": "3.11.2", "torch": "2.15.0"},
        threads=2, memory_format="channels_last",
        net={"name": "runs/shapes", "source": "trained here", "licence": "Apache-2.0",
             "fingerprint": "5d1be1a0c1f0a3b7"},
        data={"name": "shapes", "split": "test", "n": evaluation.n, "fingerprint": "0af1c2d3e4b5a697",
              "licence": "CC0-1.0"},
        cites=("salmon2011parallel",), time="2026-11-21T12:00:00+00:00",
    )  # fmt: skip
    pictures = [one.picture for one in evaluation.mistakes]
    return Report(
        "examine", examination, findings_of(names, pictures), origin, Cost(31_400, 6_120, 74.2, 812 << 20),
        {"page": "report.html"}, album=album,
    )  # fmt: skip


def bare(report: Report[Examination]) -> Report[Examination]:
    """The same with everything that may be left out left out."""
    result = replace(
        report.result, cells={}, explanation=None, robustness=None, synthesis=None, filters=None, summary=None,
        training=None, left_out=(), limits=(),
        evaluation=replace(
            report.result.evaluation, mistakes=(), curves=None, risk=None, slices=None, suspects=(), noise=None
        ),
    )  # fmt: skip
    return replace(report, result=result, findings=(), album={})


def checked(names: tuple[str, ...] = NAMES) -> Report[Checked]:
    """The report of ``striate check shapes``, invented."""
    album, members = {}, []
    for row in range(6):
        album[f"copies-{row}.webp"] = webp(draw_shape(row, 70 + row))
        members.append(Member("train" if row % 2 else "test", row, f"{names[0]}/{row}.png", 0, names[0]))
    groups = tuple(
        DuplicateGroup("exact" if row < 2 else "near", tuple(members[:3]), 3, 1.0 if row < 2 else 0.987,
                       ("train", "test"), row == 3, f"copies-{row}.webp")
        for row in range(6)
    )  # fmt: skip
    suspects = tuple(
        Suspect(
            row, "train", f"{name}/{row}.png", row, name, (row + 1) % len(names), names[(row + 1) % len(names)],
            0.01, 0.98, f"copies-{row % 6}.webp",
        )
        for row, name in enumerate(names)
    )  # fmt: skip
    parts = tuple(
        SplitCounts(split, 100 * len(names), 0, 0, 0, tuple(100 - place for place, _ in enumerate(names)))
        for split in ("train", "dev", "test")
    )
    result = Checked(
        "shapes", "folder of classes: 10 classes, 3,000 images, split 60/20/20 by seed 0", "classes",
        Counts(300 * len(names), names, parts, Number(1.1, why="counted"), Number(9.97, why="counted")),
        Duplicates(2, 4, 18, 12, 240, groups),
        (
            Leak("copies", f"{names[0]}/1.png", ("train", "test"), 12, 0.04),
            Leak("group", "film 3", ("train", "dev"), 3, 0.01),
        ),
        suspects,
        tuple(
            Statistic("brightness", split, 1000, 0.41, 0.11, 0.02, 0.31, 0.4, 0.5, 0.97) for split in ("train", "test")
        ),
        ("copies", "groups"), 2_980,
        (Removal("train", 4, f"{names[0]}/4.png", names[0], ("a copy of 3.png",)),
         Removal("train", 5, f"{names[0]}/5.png", names[0], ("looks like another class",), names[1])),
        ("Train/test shift of dev: left out.",),
        "Small nets name 91.2 % of the labels of images that they have not seen",
        suspects[:3], 15, Number(0.51, 0.48, 0.54, 600),
    )  # fmt: skip
    findings = (
        Finding(
            "leak/test", "leak", "error", 1.0, "12 images of test are copies of images of train.",
            (Evidence("share of test", wilson(12, 300), "copies-0.webp"),), "Leave the copies out of test.", "",
        ),
    )  # fmt: skip
    origin = Origin(
        "striate check shapes", {"data": "shapes"}, 0, {"striate": "0.2"}, "cpu", 2, "float32", "", None, None, (),
        "2026-11-21",
    )  # fmt: skip
    return Report("check", result, findings, origin, Cost(0, 0, 1.5, 0), {}, album=album)


def compared(names: tuple[str, ...] = ("runs/small", "striate/linear", "torchvision/resnet18")) -> Report[Comparison]:
    """The report of ``striate compare``, invented."""
    album = {f"image-{row}.webp": webp(draw_shape(row, 40 + row)) for row in range(5)}
    nets = tuple(
        ComparedNet(
            name, 500, wilson(490 - 90 * place, 500), wilson(499, 500), Number(0.1 + place, 0.1, 3.2, 500),
            Number(0.02, 0.01, 0.03, 500), 170_000 * (place + 1), 5_500_000 * (place + 1), (32, 32), 1 << 20,
            Timing(1, Number(0.9 + place, 0.8, 4.0, 15)), Timing(64, Number(0.3, 0.2, 0.4, 15)),
        )
        for place, name in enumerate(names)
    )  # fmt: skip
    pairs = tuple(
        ComparedPair(one, two, 90, 4, 390, 16, wilson(400, 500), Number(0.17, 0.14, 0.2, 500),
                     Number(-1.0, -1.2, -0.8, 500), 1e-9, one)
        for place, one in enumerate(names) for two in names[place + 1 :]
    )  # fmt: skip
    apart = tuple(
        Disagreement(row, f"number {row}", NAMES[row], tuple(NAMES[row + place] for place in range(len(names))),
                     (0.9,) * len(names), (True, *(False for _ in names[1:])), f"image-{row}.webp")
        for row in range(5)
    )  # fmt: skip
    result = Comparison(
        "nets",
        ("shapes, test",),
        nets,
        pairs,
        apart,
        wilson(496, 500),
        wilson(300, 500),
        (),
        "cpu, 2 threads, float32",
        15,
    )
    return Report("compare", result, (), Origin(command="striate compare"), Cost(1500, 0, 2.0, 0), {}, album=album)
