"""Refuse files above 1 MB: weights and data of that size do not belong into the repository."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 1_000_000

large = [name for name in sys.argv[1:] if Path(name).stat().st_size > LIMIT]
for name in large:
    print(f"{name} has {Path(name).stat().st_size:,} bytes; at most {LIMIT:,}")  # noqa: T201
sys.exit(bool(large))
