"""The loss of fast style: content as one layer tells it, style as Gram matrices of several, smoothness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.objective import Objective, code_distance, code_of, gram_distance, gram_of, total_variation
from striate.nets.net import Net

STAGES = 3  # sizes of maps that are read


@dataclass(frozen=True, eq=False)
class Perceptual:
    """A loss of images: ``content * C + S + smoothness * V``; each part is a number of about 1 or less.

    C is the squared distance of the image's code at one site from that of the picture it is made from, as a share of
    the latter's squared length. S is the mean over sites of the squared distance of Gram matrices from the style's, as
    a share of the style's own. V is the mean over values of the squared differences of neighbours.

    Attributes:
        site: Where content is read.
        grams: Gram matrices of the style, (1, C, C) by site.
        content: Weight of the content.
        smoothness: Weight of the differences.

    Source: Johnson, Alahi & Fei-Fei 2016, section 3.2, equations 2 to 4 and the sum of section 3.3. They weigh the
    sites by hand; the shares make sites, sizes and nets comparable.
    """

    site: str
    grams: Mapping[str, Tensor]
    content: float = 0.5
    smoothness: float = 10.0

    @property
    def sites(self) -> tuple[str, ...]:
        """All that are read."""
        return tuple(dict.fromkeys([self.site, *self.grams]))

    def parts(self, codes: Tensor, *, values: int) -> dict[str, Objective]:
        """The three parts without their weights, as objectives of a pass that reads `sites`.

        Args:
            codes: What the site says of the pictures, (n, ...).
            values: How many an image has, C * H * W.
        """
        sites = [
            (gram.shape[-1] ** 2 * 4 / (len(self.grams) * float(gram.square().sum())), gram_distance(site, gram))
            for site, gram in self.grams.items()
        ]
        style = sum((weight * part for weight, part in sites[1:]), start=sites[0][0] * sites[0][1])
        return {
            "content": code_distance(self.site, codes, normalised=True),
            "style": style,
            "roughness": (1 / values) * total_variation(2.0),
        }

    def weighted(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The loss of its parts, (n,)."""
        return self.content * parts["content"] + parts["style"] + self.smoothness * parts["roughness"]

    def objective(self, net: Net, images: Tensor, *, memory: int = 1 << 30) -> Objective:
        """Minus the loss of images that are made from these pictures (N, C, H, W), row by row: what a search raises."""
        codes = code_of(net, images, self.site, memory=memory)[self.site]
        parts = self.parts(codes, values=images[0].numel())
        return -(self.content * parts["content"] + parts["style"] + self.smoothness * parts["roughness"])


def perceptual(
    net: Net,
    style: Tensor,
    *,
    sites: Sequence[str] = (),
    site: str = "",
    content: float = 0.5,
    smoothness: float = 10.0,
) -> Perceptual:
    """The loss with the Gram matrices of a style picture (C, H, W) in a net.

    Without ``sites`` they are the last site of each of the first three sizes of maps, which in a VGG are those before
    each pooling; without ``site`` content is read at the second of them. Cost: one forward pass.

    Raises:
        StriateError: The net has no maps, or a Gram matrix of the style is zero.

    Source: Johnson et al. 2016, section 4.1: relu1_2, relu2_2, relu3_3 (and relu4_3) of VGG-16, content at relu2_2.
    """
    chosen = tuple(sites) or stages(net, (style.shape[-2], style.shape[-1]))
    place = site or chosen[min(1, len(chosen) - 1)]
    codes = code_of(net, style[None], chosen)
    grams = {each: gram_of(codes[each]) for each in chosen}
    flat = [each for each, gram in grams.items() if not bool(gram.square().sum() > 0)]
    if flat:
        raise StriateError(f"the style picture leaves {flat[0]!r} of {net.name} silent", accepted="another picture")
    return Perceptual(place, grams, content, smoothness)


def stages(net: Net, size: tuple[int, int], *, count: int = STAGES) -> tuple[str, ...]:
    """The last site of each of the first ``count`` sizes of maps, on an image of this size.

    Raises:
        StriateError: The net makes no maps.
    """
    last: dict[tuple[int, ...], str] = {}
    for each in net.sites(size):
        if len(each.shape) == 3 and min(each.shape[1:]) > 1:
            last[tuple(each.shape[1:])] = each.name
    if not last:
        raise StriateError(f"{net.name} makes no maps of an image", accepted="a net with convolutions")
    return tuple(last.values())[:count]
