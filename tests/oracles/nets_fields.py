"""Receptive fields by their definition: which input pixels a unit takes in, listed one by one, on one axis."""

from __future__ import annotations


def pixels_of_unit(chain: list[tuple[int, int, int, int]], unit: int) -> set[int]:
    """Pixels (also of the padding) behind one unit of a chain of (kernel, stride, dilation, padding)."""
    units = {unit}
    for kernel, stride, dilation, padding in reversed(chain):
        units = {each * stride - padding + tap * dilation for each in units for tap in range(kernel)}
    return units


def macs_of_convolution(
    size: tuple[int, int], channels: tuple[int, int], *, kernel: int, stride: int, padding: int, groups: int
) -> int:
    """Multiply-adds of a convolution, counted by its loops; ``channels`` in and out, padding counts as pixels."""
    height, width = (side + 2 * padding for side in size)
    count = 0
    for _ in range(0, height - kernel + 1, stride):
        for _ in range(0, width - kernel + 1, stride):
            for _ in range(channels[1]):
                count += channels[0] // groups * kernel * kernel
    return count
