"""The files of a report, and the page as a browser shows it."""

import base64
import csv
import io
import json
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from segmif.bench.report import ReportFiles, embed, page, write_report
from segmif.bench.run import Settings, Shown, run_benchmark
from segmif.bench.tables import figures, images_csv, latex, markdown, means_csv
from segmif.io import read_image, write_image
from tests.bench.conftest import NAMES, write_pairs

ODD = "a_<b>&"


@pytest.fixture(scope="module")
def result(tmp_path_factory, tiny):
    """Two classic methods and a tiny network on four pairs, one fused picture missing."""
    root = tmp_path_factory.mktemp("bench")
    write_pairs(root / "msrs")
    for name in NAMES[:3]:
        write_image(root / "r" / f"{name}.png", read_image(root / "msrs" / "visible" / f"{name}.png"))
    settings = Settings(
        datasets=["msrs"], methods=["average", "maximum", f"{ODD}={root / 'r'}", str(tiny)], root=root,
        metrics=("EN", "Nabf", "CC"), pictures=2, device="cpu", dtype="float32",
    )  # fmt: skip
    return run_benchmark(settings, root / "cache")


def test_where_files_go(tmp_path):
    folder, named = ReportFiles.of(tmp_path / "x"), ReportFiles.of(tmp_path / "y" / "mine.html")
    assert folder.html == tmp_path / "x" / "report.html"
    assert (named.json.name, named.latex.name, named.cache.name) == ("mine.json", "mine.tex", "mine-cache")
    assert named.images_csv == tmp_path / "y" / "mine-images.csv"


def test_every_file_is_written(result, tmp_path):
    written = write_report(result, ReportFiles.of(tmp_path / "out"))
    assert {path.name for path in written} == {
        "report.html", "report.json", "report.csv", "report-images.csv", "report.md", "report.tex",
    }  # fmt: skip
    assert all(path.stat().st_size > 100 for path in written)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(json.dumps(result.document))


def test_figures():
    assert [figures(v) for v in (6.68412, 44.1, 0.0123456, 0.0, 123.456, 1234.5, None)] == [
        "6.684", "44.10", "0.01235", "0.000", "123.5", "1234", "–",
    ]  # fmt: skip


def test_csv(result):
    rows = list(csv.DictReader(io.StringIO(means_csv(result.document))))
    summary = result.document["fusion"]["msrs"]["summary"]
    row = next(r for r in rows if (r["method"], r["metric"], r["task"]) == ("average", "CC", "fusion"))
    assert float(row["mean"]) == summary["average"]["CC"]["mean"]
    assert row["images"] == "4"
    assert {r["mean"] for r in rows if r["method"] == "CDDFuse" and r["metric"] == "EN"} == {"6.70"}
    assert any(r["metric"] == "mIoU (night)" and r["method"] == "tiny" for r in rows)
    images = list(csv.DictReader(io.StringIO(images_csv(result.document))))
    assert len(images) == 4 * 4
    lost = next(r for r in images if r["method"] == ODD and r["image"] == NAMES[3])
    assert lost["EN"] == ""


def test_markdown(result):
    text = markdown(result.document)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table[:9]} == {6}
    assert "Nabf ↓" in table[0]
    best = min(result.document["fusion"]["msrs"]["summary"].items(), key=lambda kv: kv[1]["Nabf"]["mean"])
    assert f"**{figures(best[1]['Nabf']['mean'])}**" in text
    assert "(*3*/4)" in text
    assert "*CDDFuse, published*" in text
    assert "## Segmentation on MSRS, test" in text
    assert "1 pictures could not be measured" in text


def test_latex(result):
    text = latex(result.document)
    assert r"a\_<b>\&" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {4}
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert text.count(r"\textbf") == 3
    assert r"\textit{CDDFuse (published)}" in text


def decoded(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/webp;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)


def test_pictures_fit_the_budget(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        write_image(tmp_path / f"{i}.png", rng.integers(0, 255, (300, 400, 3)).astype(np.uint8))
    write_image(tmp_path / "deep.png", np.linspace(0, 60000, 300 * 400).reshape(300, 400).astype(np.uint16))
    (tmp_path / "bad.png").write_bytes(b"")
    files = [("infrared", tmp_path / "deep.png"), ("bad", tmp_path / "bad.png")]
    shown = [Shown(dataset="d", image="x", files=[*files, *((str(i), tmp_path / f"{i}.png") for i in range(3))])]
    large, small = embed(shown, 10_000_000), embed(shown, 60_000)
    assert [p["title"] for p in large[0]["pictures"]] == ["infrared", "0", "1", "2"]
    assert (large[0]["width"], large[0]["height"]) == (400, 300)
    assert decoded(large[0]["pictures"][1]["data"]).shape == (300, 400, 3)
    assert decoded(large[0]["pictures"][0]["data"]).max() > 250, "deep infrared is stretched"
    assert sum(len(p["data"]) for p in small[0]["pictures"]) <= 60_000
    assert decoded(small[0]["pictures"][1]["data"]).shape[1] < 400
    assert embed([], 100) == []


def test_the_page_needs_nothing_else(result):
    text = page(result.document, embed(result.shown, 1_000_000))
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", text)
    assert not re.search(r"\b(fetch|XMLHttpRequest|import)\s*\(|@import|url\(", text)
    script = text[text.index("<script>") + 8 :]
    assert script.count("</script>") == 1, "data cannot end the script"
    assert "null;\n" not in script[:200]


def chromium() -> str:
    found = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if found is None:
        pytest.skip("needs headless Chromium")
    return found


@pytest.mark.browser
def test_the_page_in_a_browser(result, tmp_path):
    """The script runs to its end: rows, plots, pictures are there."""
    path = tmp_path / "page.html"
    text = page(result.document, embed(result.shown, 1_000_000))
    spy = "<script>window.onerror = (m) => document.documentElement.dataset.fault = m;</script>"
    path.write_text(text.replace("<head>", "<head>" + spy))
    command = [
        chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "data-fault" not in dom
    body = dom[dom.index('<table id="table"') : dom.index("</table>")]
    assert body.count("<tr") == 1 + 4 + 3
    assert "a_&lt;b&gt;&amp; (3/4)" in body
    assert "6.70" in body
    assert dom.count("<polygon") >= 4 + 3
    scatter = dom[dom.index('id="scatter"') :]
    assert scatter[: scatter.index("</svg>")].count("<circle") == 4 * 4 - 1
    grid = dom[dom.index('id="grid"') :]
    assert grid[: grid.index("</section>")].count("<img") == 2 + 4
    assert "clip-path: inset(0px 50% 0px 0px)" in dom
