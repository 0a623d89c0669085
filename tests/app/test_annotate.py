"""The annotator's server, and its page in a real browser."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from segmif import io
from segmif.data.synthetic import synthetic_scene
from segmif.labelsets import FMB
from segmif.rig.annotation.workspace import Workspace

pytest.importorskip("fastapi", reason="needs the extra app")
from segmif.app.annotate import create_app

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


@pytest.fixture
def workspace(tmp_path):
    for seed in (1, 2):
        scene = synthetic_scene(seed, size=(96, 128), time="day")
        io.write_image(tmp_path / "infrared" / f"{seed}.png", scene.infrared)
        io.write_image(tmp_path / "visible" / f"{seed}.png", scene.visible)
    return Workspace(tmp_path, label_set=FMB, author="Ada")


@pytest.fixture
def client(workspace):
    testclient = pytest.importorskip("fastapi.testclient", reason="needs httpx")
    return testclient.TestClient(create_app(workspace), base_url="http://127.0.0.1")


def test_saves_and_refuses_what_is_stale(client, workspace):
    document = client.get("/api/documents/1").json()
    document["shapes"] = [{"class": 9, "points": [[1, 1], [20, 1], [9, 30]]}]
    assert client.put("/api/documents/1", json=document).json() == {"revision": 1}
    kept = json.loads((workspace.folder / "1.json").read_text())
    assert (kept["author"], kept["revision"], kept["shapes"]) == ("Ada", 1, document["shapes"])
    answer = client.put("/api/documents/1", json=document)
    assert answer.status_code == 409
    assert answer.json()["current"]["revision"] == 1
    assert json.loads((workspace.folder / "1.json").read_text()) == kept


def test_only_pairs_and_only_our_page(client):
    assert client.get("/api/documents/..%2f..%2fetc%2fpasswd").status_code == 404
    assert client.get("/api/pictures/visible/../../1").status_code == 404
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.put("/api/documents/1", json={}, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.put("/api/documents/1", content=b"x" * 17_000_000).status_code == 413
    assert client.put("/api/documents/1", json={"image": "1.png"}).status_code == 422
    assert client.post("/api/prelabel/1").json()["error"].startswith("there is no model")
    for band in ("visible", "infrared", "fused"):
        assert io.decode_image(client.get(f"/api/pictures/{band}/1").content).shape[:2] == (96, 128)


def until(page, expression, seconds=20.0):
    end = time.monotonic() + seconds
    while not page.evaluate(f"!!({expression})"):
        assert time.monotonic() < end, f"never became true: {expression}"
        time.sleep(0.05)


@pytest.mark.browser
def test_draw_and_correct_in_a_browser(workspace):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    uvicorn = pytest.importorskip("uvicorn")
    chromium = Path(os.environ.get("CHROMIUM", CHROMIUM))
    if not chromium.exists():
        pytest.skip(f"needs Chromium at {chromium}")
    from segmif.cli.serving import address, listen

    with listen("127.0.0.1", 0) as listener, playwright.sync_playwright() as driver:
        server = uvicorn.Server(uvicorn.Config(create_app(workspace), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        browser = driver.chromium.launch(executable_path=str(chromium), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            walk_through(page, address(listener), workspace.folder / "1.json")
        finally:
            browser.close()
            server.should_exit = True
            thread.join(10)
        assert not errors


def walk_through(page, url, file):
    def screen(x, y):
        box = page.locator("#canvas").bounding_box()
        at = page.evaluate(f"annotator.view.toScreen([{x}, {y}])")
        return box["x"] + at[0], box["y"] + at[1]

    def saved():
        until(page, "!annotator.save.dirty")
        return json.loads(file.read_text())["shapes"]

    page.goto(url)
    until(page, "window.annotator?.store")
    page.keyboard.press("n")
    for corner in ((20, 20), (60, 20), (60, 50), (20, 50)):
        page.mouse.click(*screen(*corner))
    page.keyboard.press("Enter")
    page.keyboard.press("g")  # car
    (shape,) = saved()
    assert (shape["class"], shape["instance"], len(shape["points"])) == (9, 1, 4)
    assert abs(shape["points"][2][0] - 60) < 0.5
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert saved() == []
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+Shift+z")
    assert saved() == [shape]
    page.reload()
    until(page, "window.annotator?.store?.shapes.length === 1")
    page.mouse.click(*screen(40, 35))
    page.mouse.move(*screen(60, 50))
    page.mouse.down()
    page.mouse.move(*screen(80, 70), steps=4)
    page.mouse.up()
    assert abs(saved()[0]["points"][2][0] - 80) < 0.5
    for key, band in (("2", "infrared"), ("3", "fused"), ("1", "visible")):
        page.keyboard.press(key)
        until(page, f"annotator.view.bitmaps.{band}")
        assert page.evaluate("annotator.band") == band
