"""Class images through a generator: what a net holds for typical, among what a generator can paint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.imageopt.canvas import Latent
from striate.imageopt.found import Found
from striate.imageopt.objective import Objective, Seen, Term, log_odds
from striate.imageopt.search.adam import Adam
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .components import principal
from .decoder import REACH, Decoded, Decoder
from .made import Made
from .payload import Measured
from .visualise import checked_targets, class_images
from .watch import Watch

CITES = ("nguyen2016synthesizing", "dosovitskiy2016generating", "kingma2015adam")


@dataclass(frozen=True, eq=False)
class Prior:
    """A generator whose codes are about standard normal over the images that it was made from.

    Attributes:
        generator: Codes (n, *shape) to images (n, C, H, W).
        shape: Of one code.
        channels: Of the images.
        size: (H, W) of the images.
        words: What it is.
        least: Smallest value of each number of a code.
        most: Largest.
        code: The code of the images of a pass, (n, *shape); None where nothing gives it back.
        sites: What that reads.
        encoder: Fingerprint of the only net in whose passes it can be read; "" for any.
    """

    generator: nn.Module
    shape: tuple[int, ...]
    channels: int
    size: tuple[int, int]
    words: str
    least: Tensor | float = -torch.inf
    most: Tensor | float = torch.inf
    code: Callable[[Seen], Tensor] | None = None
    sites: frozenset[str] = field(default_factory=frozenset)
    encoder: str = ""

    @property
    def canvas(self) -> Latent:
        """The code of an image, within its bounds."""
        return Latent(self.generator, self.shape, least=self.least, most=self.most)

    def length(self, net: Net) -> Objective | None:
        """The mean square of the numbers of an image's code: 1 for a usual image; None where this net cannot tell."""
        if self.code is None or (self.encoder and net.fingerprint() != self.encoder):
            return None
        read = self.code
        return Term(f"mean square of the code ({self.words})", partial(_mean_square, read), self.sites)

    def check(self, net: Net) -> None:
        """Whether a net takes these images.

        Raises:
            StriateError: It takes other channels or another size.
        """
        if net.channels != self.channels or net.size not in (None, self.size):
            height, width = self.size
            raise StriateError(
                f"{net.name} does not take what the prior paints: {self.channels} channels at {height} x {width}",
                accepted="a net of the same channels and size as the run's",
            )


def decoder_prior(decoded: Decoded, *, k: int | None = None) -> Prior:
    """A learnt decoder, on the first ``k`` principal components of training codes; by default all that the run keeps.

    Units of a layer go together: codes that are drawn unit by unit are none of any image, and the decoder paints grey
    of them. Along the principal components their spreads and ties are those of training codes. Each component stays
    within `REACH` standard deviations. The encoder reads the code of an image back, so the length of a code is that of
    what the net says of the painted image, not of the free numbers.

    Raises:
        StriateError: The run keeps fewer components.

    Source: Nguyen et al. 2016, section 3, search the units of fc6 themselves, with a decoder whose adversarial training
    made it robust to codes of no image.
    """
    decoder = decoded.decoder
    most = len(decoder.spreads)
    k = most if k is None else k
    if not 1 <= k <= most:
        raise StriateError(f"k is {k}", accepted=f"1 to {most} components, which the run keeps")
    components, spreads = decoder.components[:k], decoder.spreads[:k]

    def code(seen: Seen) -> Tensor:
        return ((seen[decoded.site] - decoder.mean).flatten(1) @ components.T) / spreads

    return Prior(
        generator=_Spanned(decoder, k),
        shape=(k,),
        channels=decoded.channels,
        size=decoded.size,
        words=f"{k} components of {decoded.site} of {decoded.against}, decoded",
        least=-REACH,
        most=REACH,
        code=code,
        sites=frozenset({decoded.site}),
        encoder=decoded.fingerprint,
    )


class PrincipalComponents(nn.Module):
    """The linear generator: codes (n, k) to ``mean + sum_i z_i s_i v_i``, images (n, C, H, W).

    Attributes:
        mean: The mean image, (C, H, W).
        components: Orthonormal directions v, (k, C * H * W), the one of most variance first.
        spreads: Standard deviation s along each, (k,).
    """

    mean: Tensor
    components: Tensor
    spreads: Tensor

    def __init__(self, mean: Tensor, components: Tensor, spreads: Tensor) -> None:
        super().__init__()
        for name, value in (("mean", mean), ("components", components), ("spreads", spreads)):
            self.register_buffer(name, value)

    def forward(self, codes: Tensor) -> Tensor:
        """The images of codes."""
        return self.mean + ((codes * self.spreads) @ self.components).view(-1, *self.mean.shape)

    def encode(self, images: Tensor) -> Tensor:
        """The codes (n, k) of the nearest images in the span."""
        return ((images - self.mean).flatten(1) @ self.components.T) / self.spreads

    def best(self, weights: Tensor, *, length: float) -> Tensor:
        """The codes that maximise ``w . x - length * mean(z^2)`` in closed form: ``z = k s (V w) / (2 length)``.

        Args:
            weights: The gradient w of a linear score, (n, C, H, W).
            length: Weight of the mean square.
        """
        slope = (weights.flatten(1) @ self.components.T) * self.spreads
        return slope * slope.shape[1] / (2 * length)


def pca_prior(images: Tensor, k: int) -> Prior:
    """The principal components of images (N, C, H, W) as a generator with codes (k,): a Gaussian fitted to them.

    Raises:
        StriateError: ``k`` is below 1 or more than the images span.

    Source: Pearson 1901; as a linear generator with standard normal codes, Tipping & Bishop 1999, section 3.2 without
    their noise.
    """
    mean, directions, spreads = principal(images.flatten(1), k)
    generator = PrincipalComponents(mean.view(images.shape[1:]), directions, spreads)
    return Prior(
        generator=generator,
        shape=(k,),
        channels=images.shape[1],
        size=(images.shape[2], images.shape[3]),
        words=f"{k} principal components of {len(images)} images",
        code=lambda seen: generator.encode(seen.images),
    )


def prior_images(
    net: Net,
    targets: Sequence[int],
    prior: Prior,
    *,
    steps: int = 128,
    rate: float = 0.1,
    length: float = 3.0,
    score: Callable[[Tensor], Objective] = log_odds,
    seed: int = 0,
    beside: bool = True,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """One image for each class, the best of what a generator paints; beside it one that is free in its pixels.

    Ascends ``S(G(z)) - length * mean(z^2)`` over codes within their bounds. Cost: ``steps + 10`` passes of net and
    generator an image, and as many again or more for those beside (`class_images`).

    Args:
        net: A classifier.
        targets: Numbers of the classes.
        prior: The generator.
        steps: Steps of Adam.
        rate: Its first step, in standard deviations of the code; it falls to zero.
        length: Weight of the mean square of the image's code; 0 leaves it to the bounds.
        score: What is ascended.
        seed: Of the starting codes.
        beside: Whether images without the generator are made too.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: The net does not take the generator's images, or a class is not there.

    Source: Nguyen et al. 2016, "Synthesizing the preferred inputs for neurons in neural networks via deep generator
    networks", section 3, equation 3. They ascend the logit; the log-odds also tell classes apart. Their penalty is on
    the code that is searched, ours on the code that the net reads from the image.
    """
    prior.check(net)
    classes = checked_targets(net, targets)
    reading = prior.length(net) if length else None
    objective = score(classes) if reading is None else score(classes) - length * reading
    found = _searched(net, objective, prior, classes, steps=steps, rate=rate, seed=seed, memory=memory, watch=watch)
    names = tuple(net.classes[each] if each < len(net.classes) else str(each) for each in targets)
    sources: dict[str, Tensor] = {}
    tables: tuple[Measured, ...] = ()
    if beside:
        free = class_images(net, targets, seed=seed, size=prior.size, memory=memory, watch=watch)
        sources = {f"without-{stem}": image for stem, image in zip(free.stems, free.images, strict=True)}
        tables = (_roughness(names, found.images, free.images),)
    return Made(
        images=found.images,
        stems=tuple(f"class-{each}" for each in targets),
        targets=names,
        words=f"{objective.words.replace('labels', 'the class')} over the {prior.words}",
        scores=found.scores,
        history=found.history,
        steps=steps,
        seed=seed,
        objective=objective,
        classes=tuple(targets),
        sources=sources,
        tables=tables,
        notes=_notes(length, reading, prior, net),
        cites=CITES,
    )


def _searched(
    net: Net,
    objective: Objective,
    prior: Prior,
    classes: Tensor,
    *,
    steps: int,
    rate: float,
    seed: int,
    memory: int,
    watch: Watch | None,
) -> Found:
    grey = torch.full((len(classes), prior.channels, *prior.size), 0.5)
    return solve(
        net,
        objective,
        start=grey,
        search=Adam(rate, falling=True),
        steps=steps,
        canvas=prior.canvas,
        seed=seed,
        ids=classes,
        memory=memory,
        progress=SILENT if watch is None else watch.progress,
        label="codes of class images",
        callback=watch,
    )


def _notes(length: float, reading: Objective | None, prior: Prior, net: Net) -> tuple[str, ...]:
    if not length or reading is not None:
        return ()
    return (f"{net.name} is not the net whose codes the {prior.words} takes: codes are kept by their bounds alone",)


def _roughness(names: Sequence[str], painted: Tensor, free: Tensor) -> Measured:
    """How much neighbouring pixels differ with the generator and without."""

    def rough(images: Tensor) -> list[float]:
        steps = images.diff(dim=-1).square().flatten(1).mean(1) + images.diff(dim=-2).square().flatten(1).mean(1)
        return [float(each) for each in steps.sqrt()]

    rows = tuple(zip(names, rough(painted), rough(free), strict=True))
    return Measured(
        "Differences of neighbouring pixels, root mean square, with the generator and without it.",
        ("class", "with", "without"),
        rows,
    )


def _mean_square(read: Callable[[Seen], Tensor], seen: Seen) -> Tensor:
    return read(seen).flatten(1).square().mean(1)


class _Spanned(nn.Module):
    """A decoder on codes along its principal components, in standard deviations."""

    def __init__(self, decoder: Decoder, k: int) -> None:
        super().__init__()
        self.decoder, self.k = decoder, k

    def forward(self, codes: Tensor) -> Tensor:
        """The images of codes (n, k)."""
        decoder = self.decoder
        units = (codes * decoder.spreads[: self.k]) @ decoder.components[: self.k]
        painted: Tensor = decoder(decoder.mean + units.view(-1, *decoder.shape))
        return painted
