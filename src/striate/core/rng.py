"""Counter-based randomness: what is drawn for an image depends on the image, never on its neighbours.

Every draw is a pure function of (seed, image id, step, name), so the same image gets the same numbers whatever batch,
order, shard or resumed run it is in. The generator is Philox4x32-10.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", sections 3.2 and 3.3.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .errors import StriateError

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
Words = npt.NDArray[np.uint64]


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """Ten rounds of Philox4x32 on counters of shape (4, n), each word below 2**32; gives as many random words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        left, right = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (right >> _SHIFT) ^ c1 ^ np.uint64(k0),
            right & _LOW,
            (left >> _SHIFT) ^ c3 ^ np.uint64(k1),
            left & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def image_ids(images: Tensor) -> Tensor:
    """A 64-bit id for each image, from its pixels alone, shape (N,) int64: equal images have equal ids."""
    rows = images.detach().to("cpu", torch.float32).contiguous().numpy()
    digests = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return torch.tensor([int.from_bytes(digest, "little", signed=True) for digest in digests], dtype=torch.int64)


@dataclass(frozen=True)
class Rng:
    """A source of random numbers, keyed by seed and name; it has no state, so it never runs out or out of step.

    >>> noise = Rng(0, "noise")
    >>> together = noise.uniform(torch.tensor([3, 5]), (2,))
    >>> torch.equal(noise.uniform(torch.tensor([5]), (2,))[0], together[1])
    True
    """

    seed: int
    name: str = ""

    def child(self, name: str) -> Rng:
        """Another source, independent of this one and of every other name."""
        return Rng(self.seed, f"{self.name}/{name}")

    def uniform(
        self, ids: Tensor, shape: Sequence[int] = (), *, step: int = 0, low: float = 0.0, high: float = 1.0
    ) -> Tensor:
        """Uniform numbers in [low, high), shape (len(ids), *shape), float32; row i depends on ids[i] and step."""
        count = math.prod(shape)
        unit = (self._words(ids, count, step) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
        draws = torch.from_numpy(unit).view(len(ids), *shape).to(ids.device)
        if (low, high) == (0.0, 1.0):
            return draws
        # float32 rounds the largest draws up to the upper end, which is not part of the interval
        below = np.float32(high) if np.float32(high) < high else np.nextafter(np.float32(high), np.float32(-np.inf))
        return (low + (high - low) * draws).clamp_max(float(below))

    def normal(self, ids: Tensor, shape: Sequence[int] = (), *, step: int = 0) -> Tensor:
        """Standard normal numbers, shape (len(ids), *shape), float32 (Box & Muller 1958)."""
        count = math.prod(shape)
        half = (count + 1) // 2
        words = self._words(ids, 2 * half, step)
        first = (words[:, :half].astype(np.float64) + 1.0) * 2.0**-32
        second = words[:, half:].astype(np.float64) * 2.0**-32
        radius, angle = np.sqrt(-2.0 * np.log(first)), 2.0 * np.pi * second
        pairs = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :count]
        return torch.from_numpy(pairs.astype(np.float32)).view(len(ids), *shape).to(ids.device)

    def noise(self, ids: Tensor, shape: Sequence[int], *, step: int | Tensor = 0) -> Tensor:
        """Standard normal numbers by the image, four times faster than `normal`; another stream, cut off at 6.

        Philox4x64-10 and Box & Muller 1958 in float32. ``step`` may be a tensor with one for each row.
        """
        count = math.prod(shape)
        half = (count + 1) // 2
        digest = hashlib.blake2b(f"{self.seed}|{self.name}|noise".encode(), digest_size=16).digest()
        rows = ids.detach().cpu().to(torch.int64).numpy().view(np.uint64)
        steps = np.broadcast_to(np.asarray(step if isinstance(step, int) else step.cpu()), rows.shape)
        draws = torch.empty(len(rows), 2 * half)
        for out, row, number in zip(draws, rows, steps, strict=True):
            counter = np.array([0, number, row, 0], dtype=np.uint64)
            stream = np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64), counter=counter)
            words = torch.from_numpy(stream.random_raw(half).view(np.int32)).view(2, half)
            first = words[0].to(torch.float32).mul_(2.0**-32).add_(0.5).clamp_(min=2.0**-26)
            angle = words[1].to(torch.float32).mul_(2.0**-31 * math.pi)
            radius = first.log_().mul_(-2.0).sqrt_()
            torch.mul(radius, angle.cos(), out=out[:half])
            torch.mul(radius, angle.sin_(), out=out[half:])
        return draws[:, :count].view(len(rows), *shape).to(ids.device)

    def integers(self, ids: Tensor, shape: Sequence[int] = (), *, high: int, low: int = 0, step: int = 0) -> Tensor:
        """Integers in [low, high), shape (len(ids), *shape), int64.

        Raises:
            StriateError: ``high - low`` is not from 1 to 2**31. (A number's chance is off by at most that over 2**32.)
        """
        if not 1 <= high - low <= 1 << 31:
            raise StriateError(f"integers from {low} to below {high}", accepted="a range of 1 to 2**31 numbers")
        words = self._words(ids, math.prod(shape), step)
        drawn = low + ((words * np.uint64(high - low)) >> _SHIFT).astype(np.int64)
        return torch.from_numpy(drawn).view(len(ids), *shape).to(ids.device)

    def signs(self, ids: Tensor, shape: Sequence[int] = (), *, step: int = 0) -> Tensor:
        """Random signs, -1 or 1, shape (len(ids), *shape), float32."""
        return 2.0 * self.integers(ids, shape, high=2, step=step).to(torch.float32) - 1.0

    def permutation(self, count: int, *, step: int = 0) -> Tensor:
        """A random order of ``range(count)``, int64; it depends on seed, name and step alone."""
        words = self._words(torch.zeros(1, dtype=torch.int64), 2 * count, step)[0]
        keys = (words[:count] << _SHIFT) | words[count:]
        return torch.from_numpy(np.argsort(keys, kind="stable").astype(np.int64))

    def torch_seed(self, *, step: int = 0) -> int:
        """A seed for code that only takes one: fresh for every name and step."""
        return int(self._words(torch.zeros(1, dtype=torch.int64), 1, step)[0, 0])

    def _words(self, ids: Tensor, count: int, step: int) -> Words:
        digest = hashlib.blake2b(f"{self.seed}|{self.name}".encode(), digest_size=8).digest()
        key = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little"))
        rows = ids.detach().cpu().to(torch.int64).numpy().view(np.uint64)
        blocks = max((count + 3) // 4, 1)
        shape = (len(rows), blocks)
        counter = np.empty((4, *shape), dtype=np.uint64)
        counter[0] = np.arange(blocks, dtype=np.uint64)
        counter[1] = np.uint64(step & 0xFFFFFFFF)
        counter[2] = (rows & _LOW)[:, None]
        counter[3] = (rows >> _SHIFT)[:, None]
        words = philox(counter.reshape(4, -1), key).reshape(4, *shape)
        return np.ascontiguousarray(words.transpose(1, 2, 0).reshape(len(rows), 4 * blocks)[:, :count])
