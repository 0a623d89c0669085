"""The page, in a real headless Chromium."""

import zipfile
from pathlib import Path

import pytest

from tests.app.conftest import Files
from tests.test_video import write_video

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser, address):
    """The page, ready; any error in its scripts and any request to elsewhere fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith((address, "blob:")) else None)
    page.on("console", lambda m: wrong.append(m.text) if "Content Security Policy" in m.text else None)
    page.goto(address)
    page.wait_for_selector("html[data-ready]", timeout=30_000)
    yield page
    context.close()
    assert not wrong


@pytest.fixture
def files(pair: Files, tmp_path: Path) -> dict[str, Path]:
    paths = {"infrared": tmp_path / "infrared.png", "visible": tmp_path / "visible.png"}
    for name, path in paths.items():
        path.write_bytes(getattr(pair, name))
    return paths


def fuse(page, infrared: Path, visible: Path) -> None:
    page.set_input_files("input[name=infrared] >> nth=0", infrared)
    page.set_input_files("input[name=visible] >> nth=0", visible)
    page.wait_for_selector("#pair-result:not([hidden])", timeout=60_000)
    loaded = "imgs => imgs.every(i => i.complete && i.naturalWidth)"  # the page forbids what wait_for_function does
    while not page.eval_on_selector_all(".layer .base", loaded):
        page.wait_for_timeout(20)


def test_upload_slider_legend_metrics_and_download(page, files, tmp_path):
    fuse(page, files["infrared"], files["visible"])
    widths = page.eval_on_selector_all(".layer .base", "imgs => imgs.map(i => i.naturalWidth)")
    assert widths == [80, 80]
    assert page.locator("#metrics tbody tr").count() == 10
    assert page.locator("#legend button").count() >= 1
    assert "%" in page.locator("#legend button").first.inner_text()
    assert page.locator("#attention img").count() == 13

    box = page.locator("#compare").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
    cut = page.eval_on_selector("#compare", "e => parseFloat(e.style.getPropertyValue('--cut'))")
    assert 15 < cut < 35
    page.focus("#divider")
    page.keyboard.press("End")
    assert page.eval_on_selector("#compare", "e => e.style.getPropertyValue('--cut')") == "100%"

    page.select_option("#left", "infrared")
    page.select_option("#right", "labels")
    assert page.locator(".tag.left").inner_text() == "infrared"
    page.select_option("#right", "overlay")
    page.locator("#opacity").fill("80")
    assert page.eval_on_selector("[data-side=right] .tint", "e => e.style.opacity") == "0.8"
    page.locator("#legend button").first.click()
    assert page.locator("#legend button").first.get_attribute("aria-pressed") == "true"

    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert "fused.png" in archive.namelist()


def test_a_bad_file_is_told(page, files, tmp_path):
    bad = tmp_path / "bad.svg"
    bad.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page.set_input_files("input[name=infrared] >> nth=0", bad)
    page.set_input_files("input[name=visible] >> nth=0", files["visible"])
    page.wait_for_selector("#pair-status.error", timeout=30_000)
    assert "SVG or HTML" in page.inner_text("#pair-status")
    assert page.get_attribute("#pair-status", "role") == "alert"


def test_a_swapped_pair_can_be_swapped(page, files):
    fuse(page, files["visible"], files["infrared"])
    page.click("#swap-hint")
    page.wait_for_selector("#swap-hint", state="detached", timeout=30_000)
    assert page.inner_text(".slot[data-band=infrared] .slot-hint") == "infrared.png"


def test_an_example_by_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "example":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#pair-result:not([hidden])", timeout=60_000)
    page.locator("#facts", has_text="640 × 480").wait_for(timeout=60_000)


def test_no_page_overflows_a_telephone(page, files, address):
    page.set_viewport_size({"width": 360, "height": 740})
    fuse(page, files["infrared"], files["visible"])
    for view in ("pair", "archive", "video", "camera"):
        page.evaluate(f"location.hash = '{view}'")
        page.wait_for_selector(f"#view-{view}:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view
    page.goto(f"{address}/docs")
    page.wait_for_selector(".endpoint")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_archive_page(page, pair: Files, tmp_path):
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as archive:
        archive.writestr("infrared/a.png", pair.infrared)
        archive.writestr("visible/a.png", pair.visible)
    page.click("nav >> text=Archive")
    page.set_input_files("input[name=pairs]", tmp_path / "pairs.zip")
    page.click("text=Fuse all")
    with page.expect_download() as download:
        page.click("text=Download results", timeout=30_000)
    download.value.save_as(tmp_path / "results.zip")
    with zipfile.ZipFile(tmp_path / "results.zip") as results:
        assert "a_fused.png" in results.namelist()


def test_video_page(page, tmp_path):
    pytest.importorskip("av", reason="needs the extra video")
    for band in ("infrared", "visible"):
        page.set_input_files(f"#video-form input[name={band}]", write_video(tmp_path / f"{band}.mp4", [40, 80, 120]))
    page.click("nav >> text=Video")
    page.select_option("#video-form select[name=output]", "overlay")
    page.click("text=Fuse video")
    page.wait_for_selector("#video-job video", timeout=60_000)
    assert "Done: 3" in page.inner_text("#video-job")
    with page.expect_download() as download:
        page.click("text=Download video")
    download.value.save_as(tmp_path / "fused.mp4")
    assert (tmp_path / "fused.mp4").read_bytes()[4:8] == b"ftyp"


def test_the_divider_is_dragged_and_any_two_compared(page, files):
    fuse(page, files["infrared"], files["visible"])
    for left, right in (("infrared", "visible"), ("labels", "fused"), ("overlay", "infrared")):
        page.select_option("#left", left)
        page.select_option("#right", right)
        assert [page.locator(f".tag.{side}").inner_text() for side in ("left", "right")] == [left, right]
    box = page.locator("#compare").bounding_box()
    cuts = []
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    for share in (0.6, 0.8):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"], steps=4)
        cuts.append(page.eval_on_selector("#compare", "e => parseFloat(e.style.getPropertyValue('--cut'))"))
    page.mouse.up()
    assert 55 < cuts[0] < 65 < 75 < cuts[1] < 85


def test_model_and_guide_are_chosen(page, files):
    fuse(page, files["infrared"], files["visible"])
    guides = page.eval_on_selector_all("#pair-form select[name=guide] option", "all => all.map(o => o.value)")
    assert {"vsm_wls", "visible", "average", "maximum"} <= set(guides)
    page.select_option("#pair-form select[name=guide]", "visible")
    page.locator("#facts", has_text="guide visible").wait_for(timeout=60_000)
    assert page.locator("#pair-form select[name=model] option").count() >= 1


def test_cameras_live(page):
    page.click("nav >> text=Camera")
    page.click("#camera-start")
    page.wait_for_selector("#camera-live:not([disabled])", timeout=20_000)
    page.click("#camera-live")
    page.wait_for_selector("#camera-result:not([hidden])", timeout=60_000)
    page.click("#camera-live")
    assert page.eval_on_selector("#camera-result", "e => e.complete && e.naturalWidth") >= 32


def test_a_camera_that_is_missing_is_told(page):
    refuse = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))"
    page.evaluate(f"() => {{ {refuse}; }}")
    page.click("nav >> text=Camera")
    page.click("#camera-start")
    page.wait_for_selector("#camera-status.error")
    assert "No camera was found" in page.inner_text("#camera-status")


def test_the_interface_page_works_offline(page, address):
    page.goto(f"{address}/docs")
    page.wait_for_selector(".endpoint")
    assert "/fuse" in page.inner_text("#endpoints")
    assert "curl" in page.inner_text("#endpoints")
