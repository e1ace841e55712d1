"""How long starting takes: bare Python against `import striate` and `striate --help`, alternating."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 30
CASES = {
    "python -c pass": ["-c", "pass"],
    "import striate": ["-c", "import striate"],
    "striate --help": ["-m", "striate", "--help"],
    "striate evaluate --help": ["-m", "striate", "evaluate", "--help"],
    "import torch": ["-c", "import torch"],
}


def main() -> None:
    """Run every case in turn, round by round, and write the medians."""
    seen: dict[str, list[float]] = {name: [] for name in CASES}
    for number in range(ROUNDS + 1):
        for name, arguments in CASES.items():
            if name == "import torch" and number > 5:
                continue
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            if number:  # the first round warms the disk
                seen[name].append(time.perf_counter() - begun)
    bare = statistics.median(seen["python -c pass"])
    lines = [
        "# Start-up",
        "",
        f"`python benchmarks/startup.py`, {ROUNDS} alternating rounds, medians of the clock.",
        "",
    ]
    lines += ["| case | ms | over bare Python, ms | ratio to bare Python |", "|---|---|---|---|"]
    for name, values in seen.items():
        median = statistics.median(values)
        lines.append(f"| `{name}` | {1e3 * median:.0f} | {1e3 * (median - bare):.0f} | {median / bare:.1f} |")
    text = "\n".join(lines) + "\n"
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
