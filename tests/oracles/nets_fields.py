"""Receptive fields by their definition: which input pixels a unit takes in, listed one by one, on one axis."""

from __future__ import annotations


def pixels_of_unit(chain: list[tuple[int, int, int, int]], unit: int) -> set[int]:
    """Input pixels, those of the padding included, behind one unit of a chain of (kernel, stride, dilation, padding)."""
    units = {unit}
    for kernel, stride, dilation, padding in reversed(chain):
        units = {each * stride - padding + tap * dilation for each in units for tap in range(kernel)}
    return units


def macs_of_convolution(
    height: int, width: int, channels: int, filters: int, kernel: int, stride: int, padding: int, groups: int
) -> int:
    """Multiply-adds of a convolution, counted by its loops; padding is multiplied like any other pixel."""
    count = 0
    for top in range(-padding, height + padding - kernel + 1, stride):
        for left in range(-padding, width + padding - kernel + 1, stride):
            assert top < height + padding
            assert left < width + padding
            for _ in range(filters):
                count += channels // groups * kernel * kernel
    return count
