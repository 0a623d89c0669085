"""The annotator's page in a real headless Chromium: drawing, correcting, keys, autosave, bands."""

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from segmif.app.annotate import Prediction, create_app
from segmif.labelsets import FMB
from segmif.rig.annotation.document import Shape
from tests.app.conftest import uvicorn

pytestmark = pytest.mark.browser

PATIENCE = 60.0
"""Seconds until something that must happen counts as never happening: the machine may be busy."""
CORNERS = ((20, 20), (60, 20), (60, 50), (20, 50))
CAR, PERSON = FMB.classes.index("car"), FMB.classes.index("person")


def predict(infrared, visible):
    """A model that sees a car on a road."""
    labels = np.full(infrared.shape, 1, np.uint8)
    labels[30:60, 40:80] = CAR
    return Prediction(fused=255 - visible, labels=labels, confidence=None, label_set=FMB)


class Page:
    """What a user does on the page, in coordinates of the picture."""

    def __init__(self, page, url, workspace):
        self.page, self.url, self.workspace = page, url, workspace

    def open(self, ready="annotator.store"):
        self.page.goto(self.url)
        self.until(f"window.annotator?.store && ({ready})")

    def until(self, expression):
        end = time.monotonic() + PATIENCE
        while not self.page.evaluate(f"!!({expression})"):
            assert time.monotonic() < end, f"never became true: {expression}"
            time.sleep(0.02)

    def screen(self, x, y):
        box = self.page.locator("#canvas").bounding_box()
        at = self.page.evaluate(f"annotator.view.toScreen([{x}, {y}])")
        return box["x"] + at[0], box["y"] + at[1]

    def click(self, x, y, *modifiers):
        for key in modifiers:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.screen(x, y))
        for key in modifiers:
            self.page.keyboard.up(key)

    def drag(self, start, end):
        self.page.mouse.move(*self.screen(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.screen(*end), steps=4)
        self.page.mouse.up()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def draw(self, corners=CORNERS, key="g"):
        self.press("n")
        for corner in corners:
            self.click(*corner)
        self.press("Enter", key)

    def state(self, expression):
        return self.page.evaluate(f"annotator.{expression}")

    def shapes(self):
        return self.state("store.shapes")

    def saved(self, name="1", *, by_itself=False):
        """The shapes on disk: now, or once the page has saved by itself."""
        if not by_itself:
            self.page.evaluate("annotator.save.flush()")
        self.until("!annotator.save.dirty")
        path = self.workspace.folder / f"{name}.json"
        return json.loads(path.read_text())["shapes"] if path.exists() else []

    def pixel(self, x, y):
        """Colour of the canvas at a point of the picture."""
        self.page.evaluate("annotator.paint()")
        ratio = "annotator.view.ratio"
        at = f"...annotator.view.toScreen([{x}, {y}]).map((v) => Math.round(v * {ratio})), 1, 1"
        return self.page.evaluate(f"[...annotator.view.context.getImageData({at}).data]")[:3]


@pytest.fixture
def page(browser, workspace):
    """The page of a project with a model; any error in its scripts fails the test."""
    from segmif.cli.serving import address, listen

    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(workspace, predict=predict), log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        context = browser.new_context(viewport={"width": 1100, "height": 680})
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE * 1000)
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        found = Page(tab, address(listener), workspace)
        try:
            found.open()
            yield found
        finally:
            context.close()
            server.should_exit = True
            thread.join(20)
    assert not errors


def near(points, expected):
    """Whether corners are where the mouse was: half a pixel of the picture is several of the screen."""
    return len(points) == len(expected) and bool(np.all(np.abs(np.array(points) - np.array(expected)) < 0.5))


def test_draw_undo_redo_and_the_file_follows(page):
    page.draw()
    (shape,) = page.saved(by_itself=True)
    assert (shape["class"], shape["instance"]) == (CAR, 1)
    assert near(shape["points"], CORNERS)
    page.press("Control+z", "Control+z")
    assert page.saved() == []
    page.press("Control+Shift+z")
    assert page.saved()[0]["class"] == 1, "drawn as road, the car came second"
    page.press("Control+y")
    assert page.saved() == [shape]
    assert page.page.locator("#redo").is_disabled()
    page.page.locator("#undo").click()
    page.page.locator("#undo").click()
    assert page.saved() == []
    assert page.page.locator("#undo").is_disabled()


def test_a_reload_keeps_everything_and_corners_can_be_corrected(page):
    page.draw()
    before = page.saved()
    page.page.reload()
    page.until("window.annotator?.store?.shapes.length === 1")
    assert page.shapes() == before
    page.click(40, 35)
    page.drag((60, 50), (80, 70))
    assert near(page.saved()[0]["points"], (*CORNERS[:2], (80, 70), CORNERS[3]))
    page.drag((40, 20), (40, 10))  # the middle of an edge becomes a corner
    assert near(page.saved()[0]["points"], (CORNERS[0], (40, 10), CORNERS[1], (80, 70), CORNERS[3]))
    page.click(40, 10, "Alt")
    assert near(page.saved()[0]["points"], (*CORNERS[:2], (80, 70), CORNERS[3]))
    page.drag((30, 40), (35, 45))  # the whole polygon
    assert near(page.saved()[0]["points"], ((25, 25), (65, 25), (85, 75), (25, 55)))
    page.drag((30, 40), (-200, -200))
    assert min(min(point) for point in page.saved()[0]["points"]) == 0, "nothing leaves the picture"


def test_a_double_click_or_the_first_corner_closes_a_polygon(page):
    page.press("n")
    for corner in CORNERS[:3]:
        page.click(*corner)
    page.page.mouse.dblclick(*page.screen(*CORNERS[3]))
    page.press("n")
    for corner in ((80, 20), (100, 20), (100, 50), (80, 20)):
        page.click(*corner)
    first, second = page.saved()
    assert near(first["points"], CORNERS)
    assert near(second["points"], ((80, 20), (100, 20), (100, 50)))


def test_the_keyboard_while_drawing(page):
    page.press("n")
    assert page.state("tool") == "draw"
    for corner in (*CORNERS[:3], (99, 90)):
        page.click(*corner)
    page.press("Backspace")
    assert len(page.state("draft")) == 3
    page.press("Escape")
    assert (page.state("draft"), page.state("tool")) == ([], "draw")
    page.press("Escape")
    assert page.state("tool") == "edit"
    page.press("j")
    assert page.page.locator("#message").is_visible(), "a hole needs a polygon"
    page.draw()
    page.press("j")
    for corner in ((30, 30), (40, 30), (40, 40)):
        page.click(*corner)
    page.press("Enter")
    assert near(page.saved()[0]["holes"][0], ((30, 30), (40, 30), (40, 40)))
    page.press("n")
    page.click(*CORNERS[0])
    page.click(90, 10)
    page.press("Enter")
    assert len(page.state("draft")) == 2, "two corners are no polygon"
    page.click(61, 21, "Shift")
    assert page.state("draft")[2] == page.shapes()[0]["points"][1], "Shift snaps"


def test_the_keyboard_on_a_polygon(page):
    page.draw()
    page.draw(((70, 20), (110, 20), (110, 60), (70, 60)), key="f")
    assert [s["class"] for s in page.saved()] == [CAR, PERSON]
    assert [s["instance"] for s in page.shapes()] == [1, 2]
    page.press("[")
    assert [s["class"] for s in page.saved()] == [PERSON, CAR]
    page.press("}")
    assert [s["class"] for s in page.saved()] == [CAR, PERSON]
    page.press("i")
    assert page.saved()[1] == {"class": 255, "points": page.shapes()[1]["points"]}
    at = page.shapes()[1]["points"][0]
    page.press("ArrowRight", "ArrowUp")
    assert page.saved()[1]["points"][0] == [at[0] + 0.5, at[1] - 0.5]
    page.click(*page.shapes()[1]["points"][0])
    page.click(*page.shapes()[1]["points"][2], "Shift")
    page.press("k")
    assert [len(s["points"]) for s in page.saved()] == [4, 3, 3]
    page.press("Control+z")
    page.click(*page.shapes()[1]["points"][0])
    page.press("Delete")
    assert len(page.saved()[1]["points"]) == 3, "a marked corner goes first"
    page.press("Delete")
    assert [s["class"] for s in page.saved()] == [CAR]


def test_the_keyboard_on_the_view(page):
    fitted = page.state("view.scale")
    page.press("+")
    assert page.state("view.scale") == pytest.approx(fitted * 1.25)
    page.press("-", "-")
    assert page.state("view.scale") == pytest.approx(fitted * 0.8)
    page.press("0")
    assert page.state("view.scale") == pytest.approx(fitted)
    page.page.keyboard.down("Space")
    page.drag((60, 40), (70, 45))
    page.page.keyboard.up("Space")
    assert page.state("view.fitted") is False
    assert page.shapes() == []
    page.press("h")
    assert page.page.locator("#hide").get_attribute("aria-pressed") == "true"
    page.press("Shift+?")
    assert page.page.locator("#shortcuts").is_visible()
    page.press("n", "Escape")
    assert page.state("tool") == "edit", "behind an open dialog keys do nothing"
    assert not page.page.locator("#shortcuts").is_visible()


def test_done_and_next_and_back(page):
    page.draw()
    page.press("Control+Enter")
    page.until("annotator.name === '2'")
    assert page.saved("1")[0]["class"] == CAR
    assert json.loads((page.workspace.folder / "1.json").read_text())["done"] is True
    assert page.page.locator("#progress-text").inner_text() == "1 of 2 done"
    page.press(",")
    page.until("annotator.name === '1' && annotator.store.shapes.length === 1")
    page.press(".")
    page.until("annotator.name === '2'")
    page.page.locator("#pictures button").first.click()
    page.until("annotator.name === '1'")


def test_bands_show_what_the_cameras_and_the_model_saw(page):
    colours = {}
    for key, band in (("1", "visible"), ("2", "infrared"), ("3", "fused")):
        page.press(key)
        page.until(f"annotator.view.bitmaps.{band}")
        assert page.state("band") == band
        assert page.page.locator(f"[data-band={band}]").get_attribute("class") == "active"
        colours[band] = page.pixel(30.5, 12.5)
    assert len(set(colours["infrared"])) == 1, "grey"
    assert colours["fused"] == pytest.approx([255 - value for value in colours["visible"]], abs=3)
    page.press("1")
    page.page.locator("#blend").fill("100")
    assert page.pixel(30.5, 12.5) == pytest.approx(colours["infrared"], abs=3)
    page.page.locator("#blend").fill("0")
    page.page.locator("#brightness").fill("100")
    assert sum(page.pixel(30.5, 12.5)) > sum(colours["visible"])


def test_the_label_map_is_shown_as_it_will_be_trained_on(page):
    page.draw()
    page.press("l")
    page.until("annotator.labels")
    page.page.locator("#opacity").fill("100")
    assert page.pixel(40.5, 35.5) == pytest.approx(FMB.palette[CAR], abs=3)
    page.press("Control+z")
    assert page.state("labels") is None, "what changed is no longer what is saved"


def test_the_model_begins_and_the_user_is_asked_before_anything_goes(page):
    page.press("p")
    page.until("annotator.store.shapes.length === 2")
    assert [(s["class"], s.get("instance")) for s in page.saved()] == [(1, None), (CAR, 1)]
    page.press("Escape")
    page.click(60, 45)
    page.press("Delete")
    page.press("p")
    page.page.locator("#question button[value=no]").click()
    assert len(page.saved()) == 1
    page.press("p")
    page.page.locator("#question-yes").click()
    page.until("annotator.store.shapes.length === 2")
    page.press("Control+z")
    assert len(page.saved()) == 1


def test_fields_and_lists_do_what_they_say(page):
    page.draw()
    page.draw(((70, 20), (110, 20), (110, 60)), key="f")
    page.page.locator("#shapes button").last.click()
    assert page.state("selected") == 0
    page.page.locator("#instance").fill("2")
    page.page.locator("#instance").press("Enter")
    page.saved(by_itself=True)
    notice = page.page.locator("#message")
    assert notice.inner_text() == "Object 2 is of another class; take another number.", "saving takes no notice away"
    page.page.locator("#band").fill("3")
    page.page.locator("#band").press("Enter")
    page.page.locator("#ignore-band").fill("999")
    page.page.locator("#ignore-band").press("Enter")
    assert (page.saved()[0]["instance"], page.saved()[0]["band"]) == (1, 3)
    assert json.loads((page.workspace.folder / "1.json").read_text())["ignore_band"] == 255
    page.page.locator("#classes button", has_text="truck").click()
    assert page.saved()[0]["class"] == FMB.classes.index("truck")


def test_a_server_that_is_away_loses_nothing(page):
    page.page.route("**/api/documents/**", lambda route: route.abort())
    page.draw()
    page.until("document.getElementById('status').dataset.state === 'problem'")
    assert page.page.locator("#message").is_visible()
    assert not (page.workspace.folder / "1.json").exists()
    page.page.unroute("**/api/documents/**")
    assert near(page.saved(by_itself=True)[0]["points"], CORNERS), "tried again"
    assert not page.page.locator("#message").is_visible()


@pytest.mark.parametrize("choice", ["Load theirs", "Keep mine"])
def test_what_somebody_else_saved_is_not_overwritten_unasked(page, choice):
    theirs = Shape(class_id=PERSON, points=((0, 0), (5, 0), (5, 5)))
    page.workspace.save("1", replace(page.workspace.load("1"), shapes=(theirs,)))
    page.draw()
    page.page.locator("#message button", has_text=choice).wait_for()
    assert [shape.class_id for shape in page.workspace.load("1").shapes] == [PERSON]
    page.page.locator("#message button", has_text=choice).click()
    expected = PERSON if choice == "Load theirs" else CAR
    page.until(f"!annotator.save.dirty && annotator.store.shapes[0].class === {expected}")
    assert [shape["class"] for shape in page.saved()] == [expected]
