"""The generated pages of the documentation."""

from pathlib import Path

import pytest

import segmif.bench.leaderboard as leaderboard
from segmif.bench.definitions import main as write_metrics
from segmif.bench.definitions import metrics_page
from segmif.checks import InputError
from segmif.metrics import SEGMENTATION_PROTOCOLS
from segmif.metrics.fusion import CONVENTIONS, METRICS
from tests.bench.conftest import write_pairs

DOCS = Path(__file__).parents[2] / "docs"


def test_every_definition_is_on_the_page():
    page = metrics_page()
    for name, info in METRICS.items():
        assert f"### {name} {'↑' if info.higher_is_better else '↓'}\n\n{info.equation}" in page
    for name, table in CONVENTIONS.items():
        section = page[page.index(f"### `{name}`") :]
        assert all(f"- **{metric}**: " in section for metric in table)
    assert all(f"| `{name}` |" in page for name in SEGMENTATION_PROTOCOLS)


def test_the_page_in_docs_is_up_to_date():
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == metrics_page(), (
        "make it again: python -m segmif.bench.definitions docs/metrics.md"
    )


def test_the_command_writes_the_page(tmp_path):
    write_metrics([str(tmp_path / "m.md")])
    assert (tmp_path / "m.md").read_text(encoding="utf-8") == metrics_page()
    with pytest.raises(InputError, match="give the path"):
        write_metrics([])


def test_models_where_they_belong(monkeypatch):
    monkeypatch.setattr(leaderboard.weights, "SHIPPED", {"segmif-b0": None, "segmif-cwfid": None})
    assert leaderboard.default_methods() == ["segmif-b0@msrs,roadscene,tno", "segmif-cwfid@cwfid", "classic"]


def test_the_page_shows_no_pairs_twice():
    tables = {"msrs:test": 1, "msrs:val": 2, "tno:test": 3}
    page = leaderboard._of_page({"made": "today", "fusion": tables, "segmentation": tables})
    assert page == {
        "made": "today",
        "fusion": {"msrs:test": 1, "tno:test": 3},
        "segmentation": {"msrs:val": 2, "tno:test": 3},
    }
    alone = {"fusion": {"msrs:val": 2}, "segmentation": {"msrs:test": 1}}
    assert leaderboard._of_page(alone) == alone


def test_the_leaderboard(tmp_path, tiny, capsys):
    write_pairs(tmp_path / "data" / "msrs")
    (tmp_path / "data" / "msrs" / "visible" / "00002N.png").write_bytes(b"no")
    given = [
        "--root",
        tmp_path / "data",
        "--out",
        tmp_path / "page.md",
        "--report",
        tmp_path / "report",
        "--datasets",
        "msrs",
    ]
    leaderboard.main(
        [*map(str, given), "--methods", "average", "maximum", str(tiny), "--device", "cpu", "--workers", "1"]
    )
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "## Fusion on MSRS, test (4 pairs)" in page
    assert "## Segmentation on MSRS, test" in page
    assert "| average (*3*/4) |" in page
    assert "what could not be measured" in page.lower()
    assert "CDDFuse: published by its authors" in page
    assert "tiny on msrs: 4" in capsys.readouterr().out
    assert (tmp_path / "report" / "report.html").is_file()
    assert str(tmp_path) not in page, "no path of this machine enters the documentation"
