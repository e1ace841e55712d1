"""Bag of visual words: dense SIFT, k-means, counts in a pyramid of places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import to_bytes, to_channels
from striate.core.progress import Step, idle
from striate.core.rng import Rng

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

WORDS, PATCH, STEP, LEVELS = 200, 16, 8, 2
LEAST = 64  # short side; smaller images are enlarged to it
LEARNT = 50_000  # descriptors that the words are fitted to
SAMPLED = 500  # images that they come from
_SPAN = 6.0  # side of a SIFT descriptor in units of a keypoint's size: 4 bins of 3 scales, a scale being half a size


@dataclass(frozen=True)
class Words:
    """Visual words of images of one size; ``vocabulary`` is (words, 128)."""

    size: tuple[int, int]
    vocabulary: Tensor
    width: int
    said: str
    _sift: Any = field(repr=False)

    def __call__(self, images: Tensor) -> Tensor:
        """Roots of weighted shares of words by cell of each level, (N, words (1 + 4 + 16)), unit length."""
        points = grid(self.size)
        squares = self.vocabulary.square().sum(1)
        found = [
            (squares - 2 * each @ self.vocabulary.T).argmin(1) for each in described(images, self.size, self._sift)
        ]
        return pyramid(torch.stack(found), cells_of(points, self.size), len(self.vocabulary))


def words(train: Dataset, *, seed: int, memory: int, step: Step = idle) -> Words:
    """SIFT of 16 x 16 patches every 8 pixels, 200 words, a pyramid of three levels.

    Images under 64 pixels are enlarged to 64. The words are the centres of k-means on at most 50,000 descriptors of
    500 training images. Codes are roots of weighted shares, so that their product is a pyramid match with the
    Bhattacharyya coefficient in the place of the intersection: a linear machine can take it.

    Raises:
        StriateError: OpenCV is not installed.

    Source: Csurka et al. 2004; Lazebnik, Schmid & Ponce 2006, equation 3 (their kernel is the intersection); Lowe 2004.
    """
    from sklearn.cluster import MiniBatchKMeans

    del memory
    sift = _detector()
    height, width = train.size or (0, 0)
    factor = max(1.0, LEAST / min(height, width))
    size = (round(height * factor), round(width * factor))
    rows = Rng(seed, "baselines/words").permutation(len(train))[:SAMPLED].sort().values
    parts = []
    for part in torch.split(rows, 10):
        parts.append(torch.cat(described(train.images(part), size, sift)))
        step(0)
    every = torch.cat(parts)
    chosen = every[Rng(seed, "baselines/descriptors").permutation(len(every))[:LEARNT]]
    count = min(WORDS, len(chosen))
    fitted = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=4096, max_iter=30).fit(chosen.numpy())
    vocabulary = torch.from_numpy(np.asarray(fitted.cluster_centers_, dtype=np.float32))
    cells = sum(4**level for level in range(LEVELS + 1))
    said = f"{count} words of SIFT, {PATCH} px every {STEP} at {size[0]} x {size[1]}, {LEVELS + 1} levels"
    return Words(size, vocabulary, count * cells, said, sift)


def grid(size: tuple[int, int]) -> Tensor:
    """Centres (P, 2), row and column, of patches that lie inside an image of this size."""
    down, across = (
        torch.arange(PATCH // 2, max(side - PATCH // 2, PATCH // 2) + 1, STEP, dtype=torch.float32) for side in size
    )
    return torch.cartesian_prod(down, across)


def cells_of(points: Tensor, size: tuple[int, int]) -> Tensor:
    """The cell of the finest level in which each point lies, (P,), row after row."""
    side = 2**LEVELS
    places = (points * side / torch.tensor(size, dtype=torch.float32)).floor().clamp(0, side - 1).long()
    cells: Tensor = places[:, 0] * side + places[:, 1]
    return cells


def pyramid(found: Tensor, cells: Tensor, count: int) -> Tensor:
    """Codes of the words (N, P) that stand in cells (P,) of the finest level; the coarsest level comes first.

    Level l of 0 to L weighs 1 / 2^(L - l + 1), level 0 as much as level 1.

    Source: Lazebnik, Schmid & Ponce 2006, equation 3.
    """
    side = 2**LEVELS
    finest = torch.zeros(len(found), side * side * count)
    finest.scatter_add_(1, cells * count + found, torch.full(found.shape, 1.0 / found.shape[1]))
    level = finest.view(len(found), side, side, count)
    shares = [level]
    while level.shape[1] > 1:
        half = level.shape[1] // 2
        level = level.reshape(len(found), half, 2, half, 2, count).sum((2, 4))
        shares.insert(0, level)
    weights = [2.0 ** -(LEVELS - max(number, 1) + 1) for number in range(LEVELS + 1)]
    codes: Tensor = torch.cat(
        [(weight * each).flatten(1).sqrt() for weight, each in zip(weights, shares, strict=True)], 1
    )
    return codes


def described(images: Tensor, size: tuple[int, int], sift: Any) -> list[Tensor]:
    """SIFT descriptors (P, 128) of each image, brought to ``size``, on the grid, upright."""
    import cv2

    points = [cv2.KeyPoint(float(column), float(row), PATCH / _SPAN, 0.0) for row, column in grid(size).tolist()]
    plain = to_channels(images, 1)
    if tuple(plain.shape[2:]) != size:
        plain = F.interpolate(plain, size, mode="bilinear", align_corners=False)
    pictures = to_bytes(plain.clamp(0, 1))[:, 0].numpy()
    found = []
    for picture in pictures:
        _, rows = sift.compute(picture, points)
        found.append(torch.from_numpy(rows) / 512)  # OpenCV's have a length of 512
    return found


def _detector() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise StriateError(
            "visual words need OpenCV, which is not installed",
            accepted="the other features: pixels, tiny, colours, hog",
            hint='pip install "striate[classical]"',
        ) from error
    module: Any = cv2  # its types lack the name
    return module.SIFT_create()
