"""The pictures of docs/painting.md, each made by the command beside it: `make gallery`, or `make gallery PART=dream`.

Nets are those of `STRIATE_WEIGHTS`, or downloaded; pictures are those of tests/data, all CC0 or in the public domain.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import torch
from torch import Tensor

import striate
from striate.cli.parser import build_parser
from striate.core.image import encode_webp, read_image
from striate.synthesis.sheet import contact_sheet

TOP = Path(__file__).parents[1]
PLACE = Path(__file__).parent / "img" / "painting"
PHOTOS, TEXTURES = "tests/data/photos", "tests/data/textures"
SIDE = 224  # pixels of an image in the docs
SQ, MB = "torchvision/squeezenet1_0", "torchvision/mobilenet_v2"

COMMANDS = {  # name of the picture: what makes it
    "class": f"class {SQ} --target goldfish,ostrich,dumbbell,945,985,13 --judge {MB}",
    "channel": f"channel {SQ} --layer features.10 --channel 3,40,100,200,300,400",
    "unit": f"unit {SQ} --layer features.12 --channel 10,20,30",
    "layer": f"layer {SQ} --layer features.5",
    "direction": f"direction {SQ} --layer features.10 --count 3",
    "pair": f"pair {SQ} --layer features.10 --channel 40,400",
    "caricature": f"caricature {SQ} --layer features.9 --image {PHOTOS}/chelsea.jpg",
    "dream": f"dream {SQ} --image {PHOTOS}/rocket.jpg --target ostrich --steps 20 --size 256",
    "dream-layer": f"dream {MB} --image {PHOTOS}/chelsea.jpg --size 256",
    "fool": f"fool {SQ} --way gradient_grey --target 1,9,543,945,985,13 --judge {MB}",
    "style": f"style {SQ} --image {PHOTOS}/astronaut.jpg --style {TEXTURES}/hubble.jpg --content 0.5 --judge {MB}",
    "texture": f"texture {SQ} --style {TEXTURES}/brick.jpg,{TEXTURES}/gravel.jpg",
    "invert": f"invert {SQ} --image {PHOTOS}/astronaut.jpg --layer all",
    "morph": f"morph {SQ} --image {PHOTOS}/chelsea.jpg,{PHOTOS}/coffee.jpg --layer features.7 --count 6",
}


def main(parts: list[str]) -> None:
    """Make the pictures of these names, or all."""
    unknown = sorted(set(parts) - set(COMMANDS))
    if unknown:
        sys.exit(f"no picture {unknown[0]!r}; there are {', '.join(COMMANDS)}")
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in parts or COMMANDS:
        picture = painted(COMMANDS[name])
        path = PLACE / f"{name}.webp"
        path.write_bytes(picture)
        print(f"{path.relative_to(TOP)}: {len(picture):,} bytes\n  striate synthesize {COMMANDS[name]}")  # noqa: T201


def painted(command: str) -> bytes:
    """What a command makes, on one sheet, as WebP: a picture's source first where it has one."""
    given = vars(build_parser().parse_args(["synthesize", *shlex.split(command)]))
    options = {key: value for key, value in given.items() if value is not None}
    for key in ("verb", "json", "fail_on", "traceback", "out"):
        options.pop(key, None)
    report = striate.synthesize(options.pop("kind"), options.pop("net"), **options)
    keys = list(dict.fromkeys(key for one in report.result.images for key in (one.source, one.picture) if key))
    images = [_shown(read_image(report.album[key])) for key in keys]
    height, width = max(each.shape[1] for each in images), max(each.shape[2] for each in images)
    sheet = torch.ones(len(images), 3, height, width)
    for k, each in enumerate(images):
        sheet[k, :, : each.shape[1], : each.shape[2]] = each
    return encode_webp(contact_sheet(sheet, across=min(len(images), 6), gap=4, least=1), quality=82)


def _shown(image: Tensor) -> Tensor:
    """The image with its short side at most at `SIDE`."""
    share = SIDE / min(image.shape[1:])
    if share >= 1:
        return image
    size = [round(side * share) for side in image.shape[1:]]
    return torch.nn.functional.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


if __name__ == "__main__":
    main(sys.argv[1:])
