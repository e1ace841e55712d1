"""Tokens and the grid of patches that they stand for, found by looking at a net, whatever library it comes from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.nets.net import Net
from striate.nets.site import Site
from striate.nets.stages import passed_by_all
from striate.nets.undisturbed import undisturbed

CHANGED = 1e-3  # of the largest change: a token that moves by less did not see the patch
OTHERS = "gradient, occlusion"


@dataclass(frozen=True)
class TokenGrid:
    """How the tokens of a net lie on the image.

    Attributes:
        count: Tokens of an image.
        width: Numbers of a token.
        start: The first token of a patch; those before it (class, distillation, registers) have no place.
        rows: Rows of patches; the tokens follow row by row.
        columns: Columns of patches.
        read: Tokens that the head reads: the class token, class and distillation token, or all patches.
        stream: Sites of the residual stream, in order: outputs (count, width) that everything later depends on.
    """

    count: int
    width: int
    start: int
    rows: int
    columns: int
    read: tuple[int, ...]
    stream: tuple[str, ...]

    @property
    def patches(self) -> slice:
        """The tokens of the patches."""
        return slice(self.start, self.start + self.rows * self.columns)

    def maps(self, tokens: Tensor) -> Tensor:
        """Patch tokens of (n, count, K) as maps (n, K, rows, columns)."""
        patches = tokens[:, self.patches]
        return patches.transpose(1, 2).reshape(len(tokens), -1, self.rows, self.columns)

    def read_map(self, matrix: Tensor) -> Tensor:
        """From (n, count, count), from row to column, the mean row of the tokens that are read, as maps (n, h, w)."""
        if matrix.shape[-1] != self.count:
            raise StriateError(
                f"attention over {matrix.shape[-1]} things where there are {self.count} tokens",
                accepted="attention among all tokens of an image",
                hint=OTHERS,
            )
        return self.maps(matrix[:, list(self.read)].mean(1)[:, :, None])[:, 0]

    def tokens(self, maps: Tensor) -> Tensor:
        """Maps (n, K, rows, columns) as tokens (n, count, K), with zeros where a token has no place."""
        after = self.count - self.start - self.rows * self.columns
        return torch.nn.functional.pad(maps.flatten(2).transpose(1, 2), (0, 0, self.start, after))


def token_grid(net: Net, size: tuple[int, int]) -> TokenGrid:
    """The grid of the net's tokens, found by what changes: a patch of pixels must change its own token alone.

    Cost: one forward pass of four small changes of an image, one forward and one backward pass of another.

    Raises:
        StriateError: The net has no tokens, or they do not lie on the image patch by patch; the message says which.
    """
    sites = net.sites(size)
    cut, rows, columns = _cut(net, sites)
    seen: Counter[tuple[int, ...]] = Counter(
        site.shape for site in sites if len(site.shape) == 2 and site.shape[0] >= max(2, rows * columns)
    )
    if not seen:
        inner = next((site for site in sites[cut:] if site.op in ("softmax", "scaled_dot_product_attention")), None)
        kind = f"its tokens meet in windows ({inner.name}) or are merged" if inner else "it has none"
        raise StriateError(f"{net.name} has no tokens for the {rows} x {columns} patches: {kind}", hint=OTHERS)
    count, width = _most_seen(seen)
    first = next(site for site in sites if site.shape == (count, width))
    merged = _merged(sites, (count, width))
    if merged is not None:
        raise StriateError(
            f"{net.name} merges its {count} tokens: {merged.name} has shape {merged.shape}",
            accepted="a vision transformer with the same tokens from its first layer to its last",
            hint=OTHERS,
        )
    with undisturbed(net):
        start = _first_patch(net, first, size=size, rows=rows, columns=columns)
        read = _read_tokens(net, sites, (count, width), size)
    narrow = passed_by_all(sites)
    stream = tuple(
        site.name
        for place, site in enumerate(sites)
        if narrow[place] and site.shape == (count, width) and site.op in ("add", "cat")
    )
    return TokenGrid(count, width, start, rows, columns, read, stream)


def _cut(net: Net, sites: Sequence[Site]) -> tuple[int, int, int]:
    """Where the image is cut into patches: the last convolution before the first tokens; its place, rows, columns."""
    found = (0, 0, 0)
    for place, site in enumerate(sites):
        if site.op == "conv2d" and len(site.shape) == 3:
            found = (place, site.shape[1], site.shape[2])
        elif found[1] and len(site.shape) == 2 and site.shape[0] >= found[1] * found[2] > 1:
            return found
    if found[1]:
        return found
    raise StriateError(f"{net.name} has no tokens: no convolution cuts the image into patches", hint=OTHERS)


def _merged(sites: Sequence[Site], shape: tuple[int, int]) -> Site | None:
    """The first layer behind the last of these tokens that works on several but fewer."""
    last = max(place for place, site in enumerate(sites) if site.shape == shape)
    behind = [site for site in sites[last + 1 :] if site.op == "linear"]
    return next((site for site in behind if 1 < math.prod(site.shape[:-1]) < shape[0]), None)


def _most_seen(seen: Mapping[tuple[int, ...], int]) -> tuple[int, int]:
    """Tokens and width of the residual stream: the width that most sites have, and all its tokens."""
    widths: Counter[int] = Counter()
    for shape, times in seen.items():
        widths[shape[1]] += times
    width = max(widths, key=lambda each: (widths[each], -each))
    count = max((shape for shape in seen if shape[1] == width), key=lambda shape: (seen[shape], shape[0]))[0]
    return count, width


def _first_patch(net: Net, first: Site, *, size: tuple[int, int], rows: int, columns: int) -> int:
    """Number of the first patch's token, from the tokens that change when a single patch of the image does."""
    down, along = size[0] // rows, size[1] // columns
    places = ((0, 0), (0, columns - 1), (rows - 1, columns - 1))
    like = next(net.module.parameters())
    noise = Rng(0, "patches").uniform(torch.arange(1), (net.channels, down, along))[0].to(like)
    images = torch.full((4, net.channels, *size), 0.5, dtype=like.dtype, device=like.device)
    for image, (row, column) in zip(images[1:], places, strict=True):
        image[:, row * down : (row + 1) * down, column * along : (column + 1) * along] = noise
    with torch.no_grad(), net.look(read=[first.name]) as look:
        tokens = look(images)[first.name]
    change = (tokens[1:] - tokens[:1]).abs().amax(2)
    hit = [row.nonzero().flatten().tolist() for row in change > CHANGED * change.amax()]
    start = hit[0][0] if hit[0] else 0
    if hit != [[start + row * columns + column] for row, column in places]:
        raise StriateError(
            f"tokens of {net.name} are not its patches one by one: a patch changes "
            f"{', '.join(str(len(each)) for each in hit)} tokens at {first.name}",
            accepted="a vision transformer whose patches do not overlap, row by row",
            hint=OTHERS,
        )
    return int(start)


class _Listening:
    """A backward of the head that hears its input whatever its weights are: heads may start as zeros."""

    def refuses(self, site: Site) -> str | None:
        """It refuses nothing."""
        del site
        return None

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
        """The same noise for the input of every image, nothing for weights."""
        del site, output, grad
        noise = Rng(0, "head").normal(torch.arange(1), tuple(inputs[0].shape[1:]))
        return (noise.to(inputs[0]).expand_as(inputs[0]),)


def _read_tokens(net: Net, sites: Sequence[Site], shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, ...]:
    """The tokens of the last site of the stream that the head's input depends on."""
    last = max(place for place, site in enumerate(sites) if site.shape == shape)
    heads = [site for site in sites[last + 1 :] if site.op == "linear"]
    like = next(net.module.parameters())
    image = Rng(0, "image").uniform(torch.arange(1), (net.channels, *size)).to(like)
    held: list[Tensor] = []

    def listen(_site: Site, output: Tensor, _rows: Tensor) -> Tensor:
        held.append(output.detach().requires_grad_())
        return held[0]

    rules = {site.name: _Listening() for site in heads}
    with torch.enable_grad(), net.look(edits={sites[last].name: listen}, rules=rules) as look:
        output = look(image).output
        if not isinstance(output, Tensor) or not output.requires_grad:
            raise StriateError(f"the output of {net.name} does not depend on its tokens", hint=OTHERS)
        (grad,) = torch.autograd.grad(output.sum(), held[0], allow_unused=True)
    strength = torch.zeros(shape[0]) if grad is None else grad[0].abs().amax(1).cpu()
    read = (strength > CHANGED * strength.amax()).nonzero().flatten().tolist()
    if not read:
        raise StriateError(f"the head of {net.name} reads none of its {shape[0]} tokens", hint=OTHERS)
    return tuple(read)
