"""What the benchmarks share: CPU time of a piece of work, and the median of ratios with its interval."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of all threads."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and the order statistics that hold it with at least 95 % whatever the distribution."""
    ordered, n = sorted(values), len(values)
    tail, low = 0.0, 0
    while tail + math.comb(n, low) / 2**n <= 0.025:
        tail += math.comb(n, low) / 2**n
        low += 1
    return statistics.median(ordered), ordered[max(low - 1, 0)], ordered[n - max(low, 1)]
