"""`python -m striate`."""

from __future__ import annotations

import sys

from striate.cli.main import run

sys.exit(run())
