"""Speed and values against peers: `make bench`.

Peers live in a virtual environment of their own, ``.venv-bench``, which sees the libraries of ``.venv`` and adds the
peers' packages. Each script runs ours and theirs in one go and writes ``benchmarks/NAME.md``; ``expected.py`` writes
the values in ``tests/expected`` that the suite compares ours with.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
TOP = HERE.parent
FOLDER = TOP / ".venv-bench"
PEERS = (
    "captum==0.9.0", "foolbox==3.3.4", "torch-lucent==0.1.8", "torchattacks==3.5.1",
    "adversarial-robustness-toolbox==1.20.1", "grad-cam==1.5.7", "torchcam==0.5.0", "zennit==0.5.1", "quantus==0.6.0",
    "torchtest2==0.1.0", "guardtower==0.1.0", "torch-audit==0.3.0", "torchmortem==0.1.1", "training-doctor==0.1.0",
    "torchdiag==0.1.0",
)  # fmt: skip
SCRIPTS = (
    "startup",
    "loop",
    "doctor_cost",
    "evaluate",
    "augment",
    "painting",
    "breaking",
    "occluding",
    "looking",
    "expected",
)


def environment() -> Path:
    """The peers' Python, made if it is missing and filled again where the list of peers has changed since."""
    python = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready, wanted = FOLDER / ".ready", "\n".join(PEERS)
    if not ready.exists() or ready.read_text() != wanted:
        print(f"making {FOLDER.name} with {', '.join(PEERS)}", flush=True)
        venv.create(FOLDER, with_pip=True)
        paths = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        lines = [sysconfig.get_paths()["purelib"], str(TOP / "src")]
        (Path(paths.stdout.strip()) / "striate-venv.pth").write_text("\n".join(lines) + "\n")
        subprocess.run([python, "-m", "pip", "install", "-qq", *PEERS], check=True)
        ready.write_text(wanted)
    return python


def main() -> int:
    """Run the named scripts, or all."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "script", nargs="*", choices=[*SCRIPTS, []], help=f"some of {', '.join(SCRIPTS)} (default: all)"
    )
    python = environment()
    for name in options.parse_args().script or SCRIPTS:
        print(f"== {name}", flush=True)
        subprocess.run(
            [python, str(HERE / f"{name}.py")], check=True, cwd=TOP, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
