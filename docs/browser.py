"""Gets a Chromium for the page tests: one that is there, else Debian's package, else Playwright's download."""

# ruff: noqa: T201  this script talks to whoever runs it

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VARIABLE = "STRIATE_CHROMIUM"
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find() -> str | None:
    """Path of a Chromium: the one that STRIATE_CHROMIUM names, one on the path, or Playwright's; None without any."""
    told = os.environ.get(VARIABLE)
    if told:
        return told if Path(told).is_file() else None
    for name in NAMES:
        if found := shutil.which(name):
            return found
    return str(MAC) if MAC.is_file() else downloaded()


def downloaded() -> str | None:
    """Path of the Chromium that Playwright has downloaded, or None."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if path and Path(path).is_file() else None


def from_debian() -> bool:
    """Install Debian's package where apt works and we may; gives whether that was done."""
    if shutil.which("apt-get") is None:
        return False
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if root and (shutil.which("sudo") is None or _run([*root, "true"]) != 0):
        return False
    print("Installing Debian's chromium: about 100 MB to download.", flush=True)
    _run([*root, "apt-get", "update", "-qq"])
    return _run([*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]) == 0


def from_playwright() -> bool:
    """Let Playwright download its Chromium; gives whether that was done."""
    print("Downloading Playwright's Chromium: about 120 MB.", flush=True)
    return _run([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]) == 0


def main() -> int:
    """Find one or get one, and say so."""
    if found := find():
        print(f"There is a Chromium: {found}")
        return 0
    for get in (from_debian, from_playwright):
        if get() and (found := find()):
            print(f"Chromium is ready: {found}")
            return 0
    print(f"No Chromium could be had; install one, or name it with {VARIABLE}.", file=sys.stderr)
    return 1


def _run(command: list[str]) -> int:
    try:
        return subprocess.run(command, check=False).returncode  # noqa: S603  fixed commands
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
