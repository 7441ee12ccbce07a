"""Take the picture of a report's first screen that the README shows: needs the extra browser, and Chromium."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent


def main(page: Path, picture: Path) -> None:
    """Open a page and keep what is seen of it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1000, "height": 760})
        window.goto(page.resolve().as_uri())
        window.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "reports" / "smoke" / "report.html",
        HERE / "images" / "report.png",
    )
