"""Fast style: a net that paints any picture in one style, in one forward pass."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.imageopt.score import scores_of
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed
from striate.nets.weights import fit_weights
from striate.training.init import seeded
from striate.training.payload import BY_LOSS
from striate.training.task import Batch, Update

from .frozen import Frozen, pixel_hash
from .learnt import read_learnt
from .made import Made
from .payload import Measured
from .perceptual import Perceptual, perceptual


class Painter(nn.Module):
    """Images (n, C, H, W) in [0, 1] to images of the same size, any from 16 pixels a side.

    A 9 x 9 convolution, two of stride 2, residual blocks, two up-samplings with convolutions, a 9 x 9 convolution, a
    sigmoid. Every convolution is padded by reflection, and all but the last are followed by instance normalisation.

    Args:
        channels: Of the images.
        width: Channels after the first convolution; twice as many after the second, four times in the middle.
        blocks: Residual blocks.
        grams: Gram matrices of the style, kept with the weights so that a run can be judged without the picture.

    Source: Johnson, Alahi & Fei-Fei 2016, section 3.1 and table 1 of the supplement (width 32, 5 blocks, batch
    normalisation, transposed convolutions, a tanh). Instance normalisation: Ulyanov et al. 2016. Nearest neighbours and
    a convolution in place of the transposed ones: Odena et al. 2016, "Deconvolution and checkerboard artifacts".
    """

    least_size = 16

    def __init__(self, channels: int = 3, *, width: int = 16, blocks: int = 3, grams: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.name = "painter"
        widths = (width, 2 * width, 4 * width)
        self.stem = _Convolution(channels, width, 9)
        self.down = nn.ModuleList(_Convolution(here, there, 3, stride=2) for here, there in pairwise(widths))
        self.blocks = nn.ModuleList(_Block(widths[-1]) for _ in range(blocks))
        self.up = nn.ModuleList(_Convolution(here, there, 3) for here, there in pairwise(widths[::-1]))
        self.last = nn.Conv2d(width + channels, channels, 9, padding=4, padding_mode="reflect")
        for number, gram in enumerate(grams):
            self.register_buffer(f"gram{number}", gram.clone())

    def forward(self, images: Tensor) -> Tensor:
        """The pictures in the style."""
        value, sizes = torch.relu(self.stem(images)), []
        for down in self.down:
            sizes.append(value.shape[-2:])
            value = torch.relu(down(value))
        for block in self.blocks:
            value = block(value)
        for up, size in zip(self.up, reversed(sizes), strict=True):
            value = torch.relu(up(F.interpolate(value, size=size, mode="nearest")))
        painted: Tensor = self.last(torch.cat([value, images - 0.5], 1))
        return painted.sigmoid()


class _Convolution(nn.Sequential):
    """A convolution padded by reflection, then instance normalisation with a scale and a shift a channel."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(outputs, affine=True),
        )


class _Block(nn.Module):
    """Two convolutions whose result is added to what goes in; no ReLU after the sum (Gross & Wilber 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _Convolution(width, width, 3), _Convolution(width, width, 3)

    def forward(self, value: Tensor) -> Tensor:
        changed: Tensor = self.second(torch.relu(self.first(value)))
        return value + changed


class Styling:
    """The task of learning to paint in one style: the painter's images are judged by a frozen net.

    Figures: ``loss`` as `Perceptual` weighs it, and its parts ``content``, ``style`` and ``roughness``. Cost of an
    image: a pass of the painter forward and backward, one of the loss net to its deepest site forward and backward, one
    forward to the content's site.

    Args:
        against: The loss net; it is not changed.
        style: The style picture (C, H, W).
        loss: What is minimised; by default `perceptual` of the picture.
        width: Of the painter.
        blocks: Of the painter.
        seed: Of the painter's starting weights.

    Source: Johnson, Alahi & Fei-Fei 2016.
    """

    nets: MutableMapping[str, nn.Module]
    name = "style"
    figures: tuple[str, ...] = ("loss", "content", "style", "roughness")
    choice = BY_LOSS
    labelled = False
    about: Mapping[str, str]

    def __init__(
        self,
        against: Net,
        style: Tensor,
        *,
        loss: Perceptual | None = None,
        width: int = 16,
        blocks: int = 3,
        seed: int = 0,
    ) -> None:
        self.against = Frozen(against)
        self.loss = loss or perceptual(against, style)
        with seeded(seed, "train/init"):
            painter = Painter(against.channels, width=width, blocks=blocks, grams=list(self.loss.grams.values()))
        self.nets = {"painter": painter}
        self.about = {
            **self.against.about,
            "style": pixel_hash(style),
            "sites": json.dumps(list(self.loss.grams)),
            "site": self.loss.site,
            "content": repr(self.loss.content),
            "smoothness": repr(self.loss.smoothness),
            "channels": str(against.channels),
            "width": str(width),
            "blocks": str(blocks),
        }

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """One step on the perceptual loss."""
        figures = self.judge(self.predict(batch), batch)
        update(figures["loss"].mean(), "painter")
        return {name: value.detach() for name, value in figures.items()}

    def predict(self, batch: Batch) -> Tensor:
        """The painted images."""
        painted: Tensor = self.nets["painter"](batch.images)
        return painted

    def judge(self, prediction: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """The loss and its parts, unweighted."""
        codes = self.against.codes(batch.images, self.loss.site)
        seen = self.against.seen(prediction, self.loss.sites)
        terms = self.loss.parts(codes, values=batch.images[0].numel())
        parts = {name: term(seen) for name, term in terms.items()}
        return {"loss": self.loss.weighted(parts), **parts}


@dataclass(frozen=True, eq=False)
class Painted:
    """A painter that was learnt, with the loss that it was taught.

    Attributes:
        painter: Images (n, C, H, W) in [0, 1] to images; in eval mode.
        loss: What it was taught, with the style's Gram matrices.
        against: Name of the loss net.
        fingerprint: Of the loss net.
    """

    painter: Painter
    loss: Perceptual
    against: str
    fingerprint: str


def load_painter(run: str | Path) -> Painted:
    """The painter of a run of the task ``style``.

    Raises:
        StriateError: There is no such run, or it learnt something else.
    """
    content = read_learnt(run, Styling.name)
    said = content.metadata
    sites = [str(each) for each in json.loads(said["sites"])]
    grams = [content.state[f"gram{number}"] for number in range(len(sites))]
    painter = Painter(int(said["channels"]), width=int(said["width"]), blocks=int(said["blocks"]), grams=grams)
    fit_weights(painter, content, name="a painter")
    loss = Perceptual(
        said["site"],
        dict(zip(sites, grams, strict=True)),
        content=float(said["content"]),
        smoothness=float(said["smoothness"]),
    )
    return Painted(painter.eval(), loss, said["against"], said["against_hash"])


def stylized(
    net: Net, pictures: Sequence[Tensor], learnt: Painted, *, stems: Sequence[str] = (), memory: int = 1 << 30
) -> Made:
    """Pictures (C, H, W), of one size, in the style that was learnt: one pass of the painter each.

    The score is minus the loss that the painter was taught, of the painted picture; the table has its parts.

    Args:
        net: The loss net of the run.
        pictures: What is painted anew.
        learnt: The painter.
        stems: File names without ending; by default numbers.
        memory: Bytes beside the net.

    Raises:
        StriateError: It is another net than the run's, the pictures differ in size or are too small.

    Source: Johnson, Alahi & Fei-Fei 2016.
    """
    if net.fingerprint() != learnt.fingerprint:
        raise StriateError(f"{net.name} is not the net of this run", accepted=learnt.against, hint="the run's run.json")
    sizes = {tuple(each.shape) for each in pictures}
    if len(sizes) != 1:
        raise StriateError(f"pictures of {len(sizes)} sizes", accepted="one size", hint="one picture at a time")
    images = torch.stack(list(pictures))
    if min(images.shape[-2:]) < Painter.least_size:
        raise StriateError(f"pictures of {tuple(images.shape[-2:])}", accepted=f"at least {Painter.least_size} a side")
    with torch.no_grad(), undisturbed(learnt.painter):
        painted = torch.cat([learnt.painter(each) for each in images[:, None]])
    objective = learnt.loss.objective(net, images, memory=memory)
    before, after = (scores_of(net, objective, each, memory=memory) for each in (images, painted))
    names = tuple(stems) or tuple(str(number) for number in range(len(images)))
    rows = tuple(zip(names, (-before).tolist(), (-after).tolist(), strict=True))
    return Made(
        images=painted,
        stems=tuple(f"{name}-stylized" for name in names),
        targets=names,
        words=objective.words,
        scores=after,
        history=torch.stack([before, after]),
        steps=1,
        objective=objective,
        steady=False,
        sources=dict(zip(names, images, strict=True)),
        source=names,
        tables=(Measured("Loss of each picture, as it was and painted.", ("picture", "before", "painted"), rows),),
    )
