"""Morphs: pictures between two pictures, blended as pixels, as codes of a layer, or as codes of a generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.core.film import encode_gif
from striate.core.image import enlarge, from_bytes, to_bytes
from striate.core.progress import SILENT
from striate.core.rng import Rng, image_ids
from striate.imageopt.canvas import Latent
from striate.imageopt.objective import code_of, squared_distance
from striate.imageopt.search.adam import Adam
from striate.imageopt.solve import Moment, solve
from striate.nets.net import Net

from .depth import layers_of
from .inverse import ADAM, Inversion, code_error, codes_at, image_of
from .inverse import CITES as INVERSION
from .judge import seen_by
from .made import Made
from .payload import Measured
from .sheet import contact_sheet
from .watch import Watch

Way = Literal["linear", "spherical"]
SPACES = ("pixel", "code", "latent")
WAYS = ("linear", "spherical")
SPHERICAL = ("shoemake1985animating", "white2016sampling")
CITES = (*INVERSION, *SPHERICAL)
AGAIN = 3  # a frame that starts from the one before gets so many times fewer steps than the first
RATE = 8.0  # frames a second of the film
_SAME = 1e-6  # radians: below, two directions are one


def morph(
    net: Net,
    start: Tensor,
    end: Tensor,
    *,
    space: str = "pixel",
    layer: str = "",
    names: tuple[str, str] = ("start", "end"),
    frames: int = 12,
    steps: int = 160,
    seed: int = 0,
    way: Way = "spherical",
    search: Inversion = ADAM,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """Frames from one picture to another, in pixel or code space, each judged by the net.

    In pixel space frames are ``(1 - t) A + t B``. In code space the two codes at a layer are interpolated and each is
    inverted as `invert` does: the first from noise, every other from the frame before with a third of the steps, so
    that the film is smooth; the ends are inverses too. Cost in code space: ``steps * (1 + (frames - 1) / 3)`` passes
    forward and backward.

    Args:
        net: Whose codes, and who judges.
        start: A picture (C, H, W) in [0, 1].
        end: Another of the same shape.
        space: pixel or code; for latent space there is `morph_latent`.
        layer: Of code space: a site, a module path, ``output``.
        names: Of the two pictures.
        frames: How many, the ends included, at least 2.
        steps: Of code space, for the first frame.
        seed: Of code space.
        way: Of code space. ``spherical`` turns the code's direction at an even pace and changes its length evenly: the
            straight line between codes of different pictures passes through shorter codes than either (after a ReLU
            they are near to orthogonal where they differ), whose images are faint.
        search: How codes are inverted.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        UnknownNameError: Space, layer or way is not known.
        StriateError: Pictures of different sizes, fewer than two frames, a layer that is dead for a picture.

    Source: spherical interpolation: Shoemake 1985, for codes White 2016; theirs has codes of one length.
    """
    if space == "latent":
        raise StriateError(
            "latent space needs a generator", accepted="pixel, code", hint="--prior RUN, or morph_latent in Python"
        )
    if space not in SPACES:
        raise UnknownNameError("space", space, SPACES)
    between = _Between(net, names, _shares(frames), memory)
    if start.shape != end.shape or start.ndim != 3:
        raise StriateError(
            f"pictures of {_size(start)} and {_size(end)} in one morph", accepted="two pictures (C, H, W) of one size"
        )
    ends = torch.stack([start, end])
    net.check(ends)
    if space == "pixel":
        if layer:
            raise StriateError(f"layer {layer} for a morph in pixel space", accepted="no layer, or the space code")
        return between.made(_linear(start, end, between.shares), ends, words="pixels, linear interpolation")
    if not layer:
        raise StriateError("a morph in code space without a layer", accepted="a site", hint="--layer; striate summary")
    return _through_codes(
        between, ends, layer, steps=steps, seed=seed, way=way, search=search, memory=memory, watch=watch
    )


def morph_latent(
    net: Net,
    decode: Callable[[Tensor], Tensor],
    start_code: Tensor,
    end_code: Tensor,
    *,
    ends: Tensor | None = None,
    names: tuple[str, str] = ("start", "end"),
    frames: int = 12,
    way: Way = "spherical",
    memory: int = 1 << 30,
) -> Made:
    """Frames from one code of a generator to another, each judged by the net.

    Cost: a pass of the generator and one of the net a frame.

    Args:
        net: Who judges.
        decode: Codes (n, ...) to images (n, C, H, W) in [0, 1]; called without gradient.
        start_code: Without batch axis; `fit_codes` finds that of a picture.
        end_code: Of the same shape.
        ends: The pictures (2, C, H, W) that these are codes of, to show beside; by default what the generator makes.
        names: Of the two codes.
        frames: How many, the ends included, at least 2.
        way: ``spherical`` for codes drawn from a normal distribution, of which short ones are rare.
        memory: Bytes beside the net.

    Raises:
        StriateError: Codes of different shapes, or a generator that gives no images that the net takes.
    """
    if start_code.shape != end_code.shape:
        raise StriateError(
            f"codes of {tuple(start_code.shape)} and {tuple(end_code.shape)} in one morph", accepted="one shape"
        )
    between = _Between(net, names, _shares(frames), memory)
    codes = interpolated(start_code, end_code, between.shares, way=way)
    with torch.no_grad():
        images = torch.cat([decode(code[None]) for code in codes])
    net.check(images)
    images = images.clamp(0, 1)
    words = f"codes of a generator, {way} interpolation"
    return between.made(
        images, images[[0, -1]] if ends is None else ends, words=words, cites=SPHERICAL if way == "spherical" else ()
    )


def fit_codes(
    net: Net,
    canvas: Latent,
    images: Tensor,
    *,
    steps: int = 200,
    rate: float = 0.05,
    seed: int = 0,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Tensor:
    """Codes (N, ...) of a generator whose images are nearest to the given ones in L2, as Adam finds them.

    The codes returned are those of the last step, at which the rate has fallen to zero. Cost: ``steps`` passes of
    generator and net.
    """
    last: list[Tensor] = []

    def keep(moment: Moment) -> None:
        last[:] = [moment.z.detach().clone()]
        if watch is not None:
            watch(moment)

    solve(
        net,
        -squared_distance(images),
        start=images,
        search=Adam(rate, falling=True),
        steps=steps,
        canvas=canvas,
        seed=seed,
        memory=memory,
        progress=SILENT if watch is None else watch.progress,
        label="codes",
        callback=keep,
    )
    return last[0]


def interpolated(start: Tensor, end: Tensor, shares: Sequence[float], *, way: Way = "spherical") -> Tensor:
    """Codes (T, ...) at these shares of the way from one code to another; the first and last are the codes themselves.

    ``spherical``: at share t the direction ``(sin((1 - t) w) a + sin(t w) b) / sin w``, a and b the codes' directions
    and w the angle between them, at the length ``(1 - t) |A| + t |B|``. Where the angle is 0, or a code is zero, that
    is the straight line.

    Raises:
        StriateError: Opposite directions, between which every way is as short.
    """
    if way not in WAYS:
        raise UnknownNameError("way", way, WAYS)
    if way == "linear":
        return _linear(start, end, shares)
    lengths = [float(each.double().norm()) for each in (start, end)]
    if min(lengths) == 0:
        return _linear(start, end, shares)
    one, other = (each.double() / length for each, length in zip((start, end), lengths, strict=True))
    angle = 2 * math.atan2(float((one - other).norm()), float((one + other).norm()))
    if angle < _SAME:
        return _linear(start, end, shares)
    if angle > math.pi - _SAME:
        raise StriateError("a spherical way between opposite codes", accepted="codes of other directions, or linear")
    found = []
    for share in shares:
        turned = (math.sin((1 - share) * angle) * one + math.sin(share * angle) * other) / math.sin(angle)
        found.append(((1 - share) * lengths[0] + share * lengths[1]) * turned)
    return torch.stack([start, *(each.to(start) for each in found[1:-1]), end])


def _linear(start: Tensor, end: Tensor, shares: Sequence[float]) -> Tensor:
    return torch.stack([start, *((1 - share) * start + share * end for share in shares[1:-1]), end])


def _through_codes(
    between: _Between,
    ends: Tensor,
    layer: str,
    *,
    steps: int,
    seed: int,
    way: Way,
    search: Inversion,
    memory: int,
    watch: Watch | None,
) -> Made:
    net = between.net
    (where,) = layers_of(net, (int(ends.shape[-2]), int(ends.shape[-1])), [layer])
    own = codes_at(net, [where], ends, memory=memory)[where.name]
    codes = interpolated(own[0], own[1], between.shares, way=way)
    noise = Rng(seed, "synthesis/morph").normal(image_ids(ends[:1]), ends.shape[1:]).to(ends)
    image = (0.5 + search.noise * noise).clamp(0, 1)
    images, scores, histories = [], [], []
    for k, code in enumerate(codes):
        found = image_of(
            net, where, code[None], start=image, steps=steps if k == 0 else max(1, steps // AGAIN),
            way=search, memory=memory, watch=watch, label=f"frame {k + 1} of {len(codes)}",
        )  # fmt: skip
        image = found.images
        images.append(image[0])
        scores.append(found.scores[0])
        histories.append(found.history[:, 0].cpu())
    painted = torch.stack(images)
    again = code_of(net, from_bytes(to_bytes(painted)).to(painted), where.name, memory=memory)[where.name]
    words = f"codes at {where.name}, {way} interpolation, inverted: minus the normalised distance and the regulariser"
    made = between.made(painted, ends, words=words, seed=seed, errors=code_error(again, codes))
    history = torch.nn.utils.rnn.pad_sequence(histories, padding_value=torch.nan)
    return replace(made, scores=torch.stack(scores), history=history, steps=steps, cites=CITES)


@dataclass(frozen=True)
class _Between:
    """What all spaces share: frames at shares of the way, looked at by the net, as strip, film and table."""

    net: Net
    names: tuple[str, str]
    shares: tuple[float, ...]
    memory: int

    def made(
        self,
        images: Tensor,
        ends: Tensor,
        *,
        words: str,
        seed: int = 0,
        errors: Sequence[float] | None = None,
        cites: tuple[str, ...] = (),
    ) -> Made:
        """The morph; ``ends`` are shown beside. A frame's score is the net's probability of the end's class."""
        first, last = self.names if self.names[0] != self.names[1] else (f"{self.names[0]}-0", f"{self.names[1]}-1")
        count = len(images)
        rounded = from_bytes(to_bytes(images)).to(images)
        table, scores = self._measured(rounded, ends, errors)
        return Made(
            images=images,
            stems=tuple(f"frame-{k:03d}" for k in range(count)),
            targets=tuple(f"{share:.2f} of the way" for share in self.shares),
            words=words,
            scores=scores,
            history=scores[None],
            steps=0,
            seed=seed,
            steady=False,
            sources={
                first: ends[0],
                last: ends[1],
                f"{first}-to-{last}": contact_sheet(rounded, across=count if count <= 8 else math.ceil(count / 2)),
            },
            source=(first, *[""] * (count - 2), last),
            tables=(table,),
            films={"morph.gif": encode_gif(list(enlarge(rounded)), rate=RATE)},
            cites=cites,
        )

    def _measured(self, rounded: Tensor, ends: Tensor, errors: Sequence[float] | None) -> tuple[Measured, Tensor]:
        """What the net sees in each frame, and its probability of the end's class; 0 where it has no classes."""
        heads = ["frame", "share"]
        columns: list[list[float | str]] = [[float(k) for k in range(len(rounded))], list(self.shares)]
        title, scores = "The frames; this net sees no classes", torch.zeros(len(rounded))
        if self.net.outputs != "other":
            probability, predicted = seen_by(self.net, rounded, memory=self.memory)
            first, last = seen_by(self.net, ends, memory=self.memory)[1].tolist()
            seen = [self._class(int(each)) for each in predicted]
            title, scores = _flips(seen, self.shares), probability[:, last].cpu()
            heads += ["the net sees", "probability (%)", "class of the start (%)", "class of the end (%)"]
            shown = (probability.amax(1), probability[:, first], probability[:, last])
            columns += [list(seen), *((100.0 * each).tolist() for each in shown)]
        if errors is not None:
            heads.append("code error (%)")
            columns.append([100.0 * error for error in errors])
        return Measured(title, tuple(heads), tuple(zip(*columns, strict=True))), scores

    def _class(self, index: int) -> str:
        return self.net.classes[index] if index < len(self.net.classes) else str(index)


def _flips(seen: Sequence[str], shares: Sequence[float]) -> str:
    """Where the class changes, in words."""
    at = [k for k in range(1, len(seen)) if seen[k] != seen[k - 1]]
    if not at:
        return f"The net sees {seen[0]} in every frame"
    changes = [f"{seen[k - 1]} to {seen[k]} between {shares[k - 1]:.2f} and {shares[k]:.2f}" for k in at[:4]]
    return f"Where the class flips: {'; '.join(changes)}{'; and on' if len(at) > 4 else ''}"


def _shares(frames: int) -> tuple[float, ...]:
    if frames < 2:
        raise StriateError(f"{frames} frames of a morph", accepted="at least 2, its ends")
    return tuple(k / (frames - 1) for k in range(frames))


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]} x {picture.shape[-2]} px" if picture.ndim == 3 else f"shape {tuple(picture.shape)}"
