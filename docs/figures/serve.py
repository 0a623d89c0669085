"""Takes the pictures of docs/serving.md into docs/images/: python docs/figures/serve.py

Serves the default model to a headless Chromium (found on the path, or named in SEGMIF_CHROMIUM) and uses the page as a
visitor does. Needs the extra app and playwright.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

OUT = Path(__file__).parents[1] / "images"
CHROMIUM = os.environ.get("SEGMIF_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PATIENCE = 600_000


@contextmanager
def server() -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, "-m", "segmif", "serve", "--port", "0", "--timeout", "600"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield next(word for word in process.stdout.readline().split() if word.startswith("http"))
    finally:
        process.terminate()
        process.wait()


def keep(picture: bytes, name: str) -> None:
    """A screenshot as a JPEG."""
    Image.open(BytesIO(picture)).convert("RGB").save(OUT / f"serve-{name}.jpg", quality=86)


def open_page(browser: Any, address: str, *, width: int = 1280, height: int = 860, scheme: str = "light") -> Any:
    """The page, ready."""
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    return page


def fuse(page: Any, example: str) -> None:
    """Press an example and wait until it is shown."""
    page.click(f"button.example >> text={example}")
    page.wait_for_selector("#pair-status.busy")
    page.wait_for_selector("#pair-status:empty", state="attached")
    page.wait_for_selector("#pair-result:not([hidden])")


def fuse_quickly(page: Any, example: str, *, tries: int = 6) -> None:
    """Fuse until it takes less than a second, or `tries` times: the first pair warms up, the machine may be busy."""
    for _ in range(tries):
        fuse(page, example)
        if float(page.inner_text("#facts").split()[-2]) < 1:
            return


def main() -> None:
    """Take all pictures."""
    with server() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = open_page(browser, address)
        fuse_quickly(page, "night")
        keep(page.screenshot(), "pair")
        keep(page.locator(".cards").screenshot(), "numbers")
        keep(page.locator("#attention-card").screenshot(), "attention")
        page.goto(f"{address}/docs")
        page.wait_for_selector(".endpoint")
        keep(page.screenshot(), "http")
        dark = open_page(browser, address, scheme="dark")
        fuse_quickly(dark, "fog")
        keep(dark.screenshot(), "dark")
        small = open_page(browser, address, width=390, height=844)
        fuse(small, "day")
        keep(small.screenshot(), "mobile")
        browser.close()


if __name__ == "__main__":
    main()
