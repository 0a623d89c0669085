"""A server with a tiny model, in this process and on a real socket."""

import os
import shutil
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from segmif import io
from segmif.checks import InputWarning
from tests.infer.conftest import scene
from tests.tiny import tiny_network

pytest.importorskip("fastapi", reason="needs the extra app: pip install 'segmif[app]'")
uvicorn = pytest.importorskip("uvicorn", reason="needs the extra app: pip install 'segmif[app]'")

CHROMIUM = os.environ.get("SEGMIF_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=2",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Files:
    """An encoded pair."""

    infrared: bytes
    visible: bytes

    def form(self, **changes: bytes) -> dict[str, tuple[str, bytes]]:
        """As httpx posts it."""
        return {name: (f"{name}.png", data) for name, data in {**vars(self), **changes}.items()}


@pytest.fixture(scope="module")
def browser():  # type: ignore[no-untyped-def]
    """Headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install it or set SEGMIF_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pair() -> Files:
    infrared, visible = scene()
    return Files(infrared=io.encode_image(infrared), visible=io.encode_image(visible))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_network().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def settings(tiny_folder: Path):
    from segmif.app.service import Settings

    return Settings(
        models=(str(tiny_folder),), device="cpu", dtype="float32", max_body=2_000_000, max_pixels=400_000, timeout=60
    )


@pytest.fixture(scope="session")
def address(settings, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a real server listens."""
    from segmif.app.serve import create_app
    from segmif.cli.serving import address, listen

    with listen("127.0.0.1", 0) as listener, warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        config = uvicorn.Config(create_app(settings), log_level="warning", server_header=False, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield address(listener)
        server.should_exit = True
        thread.join(20)


def png(height: int, width: int, seed: int = 0) -> bytes:
    """A grey picture of noise."""
    return io.encode_image(np.random.default_rng(seed).integers(0, 255, (height, width), np.uint8))


@pytest.fixture
def workspace(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Two pairs to annotate."""
    from segmif.data.synthetic import synthetic_scene
    from segmif.labelsets import FMB
    from segmif.rig.annotation.workspace import Workspace

    for seed in (1, 2):
        scene = synthetic_scene(seed, size=(96, 128), time="day")
        io.write_image(tmp_path / "infrared" / f"{seed}.png", scene.infrared)
        io.write_image(tmp_path / "visible" / f"{seed}.png", scene.visible)
    return Workspace(tmp_path, label_set=FMB, author="Ada")
