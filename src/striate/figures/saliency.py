"""Where a net looks, and the object that comes of it."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry, encode_png, read_image
from striate.inside import heatmap
from striate.inside.attribution.gradient import gradient
from striate.inside.objects import Cut, cut_out, overlap
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.weights import weights_folder

from .claims import Computed, holds

PHOTOGRAPHS = Path("photos", "openimages_ccby.zip")
BIRD = 3  # its value in the mask
LEAST = 0.5
NET = "squeezenet1_0"
GEOMETRY = Geometry((224, 224), resize=256, crop="center")


def saliency() -> Computed:
    """The largest absolute gradient over the colours, and the bird that GrabCut makes of it."""
    image, mask = _bird()
    net = _net()
    with torch.no_grad():
        target = net.logits(image[None]).argmax(1)
    values = gradient(net, image[None], target, check=False).values[0]
    heat = heatmap.plane(values)
    cut = cut_out(image, heat)
    found = overlap(cut.mask, mask)
    inside, outside = (float(heat[each].mean()) for each in (mask, ~mask))
    return Computed(
        (
            holds(f"the cut-out and the bird overlap by more than {LEAST} (here {found:.2f})", found > LEAST),
            holds(f"the gradient is larger on the bird (here by {inside / outside:.1f})", inside > outside),
        ),
        encode_png(_sheet(image, heat, mask, cut)),
    )


def _sheet(image: Tensor, heat: Tensor, mask: Tensor, cut: Cut) -> Tensor:
    """The photograph, its map, the known mask, what was cut out: side by side."""
    limits = heatmap.limits_of(heat, signed=False, share=0.995)
    pale = 1 - 0.25 * (1 - heatmap.grey(image))
    parts = [image, heatmap.colour(heat, limits, signed=False)]
    parts += [torch.where(each, image, pale) for each in (mask, cut.mask)]
    line = torch.full((3, image.shape[1], heatmap.HAIRLINE), 0.5)
    return torch.cat([each for part in parts for each in (part, line)][:-1], dim=2)


def _bird() -> tuple[Tensor, Tensor]:
    """The photograph (3, 224, 224) and its mask (224, 224) bool."""
    path = Path(os.environ.get("STRIATE_DATA", ".")) / PHOTOGRAPHS
    if not path.is_file():
        raise StriateError(
            f"saliency needs a photograph with a mask ({path.name})",
            accepted=f"{PHOTOGRAPHS} in the folder STRIATE_DATA",
        )
    with zipfile.ZipFile(path) as archive:
        image = read_image(archive.read("bird_segmentation.jpg"), channels=3, geometry=GEOMETRY)
        numbers = np.asarray(Image.open(io.BytesIO(archive.read("bird_segmentation_mask.png"))))
    plain = io.BytesIO()
    Image.fromarray(np.where(numbers == BIRD, 255, 0).astype(np.uint8)).save(plain, "PNG")
    return image, read_image(plain.getvalue(), channels=1, geometry=GEOMETRY)[0] > 0.5


def _net() -> Net:
    try:
        return load_net(f"torchvision/{NET}@{weights_folder() / f'{NET}.safetensors'}").eval()
    except StriateError as error:
        raise StriateError(
            f"saliency needs a net trained on ImageNet ({error})",
            accepted=f"{NET}.safetensors in the folder STRIATE_WEIGHTS",
        ) from error
