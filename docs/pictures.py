"""The README's pictures, from a real run, at twice the size, light and dark: `python docs/pictures.py demo`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PLACE = Path(__file__).parent / "img"


def main(folder: Path) -> None:
    """Open the demo's page and take its first screen in both colour schemes."""
    from playwright.sync_api import sync_playwright

    PLACE.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1180, "height": 900},
                color_scheme=scheme,  # type: ignore[arg-type]
                device_scale_factor=2,
            )
            page.goto((folder / "report.html").resolve().as_uri())
            page.screenshot(path=PLACE / f"report-{scheme}.png")
            page.close()
        browser.close()
    for path in sorted(PLACE.glob("report-*.png")):
        _shrink(path)
        print(path.name, path.stat().st_size)  # noqa: T201


def _shrink(path: Path) -> None:
    from PIL import Image

    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
