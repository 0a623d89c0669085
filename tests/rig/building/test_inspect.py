"""Inspection and data card: leaks, misalignment, balance and damage are found; figures are sound SVG."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from segmif.cli import main
from segmif.io import read_image, write_image
from segmif.labelsets import FMB
from segmif.rig.building.build import BuildConfig, build
from segmif.rig.building.card import About, sections, write_card
from segmif.rig.building.drives import Moment
from segmif.rig.building.figures import bar_chart, chord_diagram, outlines
from segmif.rig.building.inspect import inspect, own_info
from segmif.rig.building.pages import Table, markdown, markdown_table
from segmif.rig.building.sources import find_sources
from tests.rig.building.recordings import recording


@pytest.fixture
def city(tmp_path: Path) -> Path:
    drive = recording(tmp_path / "drive")
    config = BuildConfig(parts={"train": 0.5, "test": 0.5})
    return build(find_sources(drive), tmp_path / "city", config).folder


def test_a_sound_data_set_gives_a_card_with_its_numbers(city: Path) -> None:
    inspection = inspect(own_info(city), city, pairs=2)
    assert inspection.sound
    assert len(inspection.alignments) == 2
    assert all(alignment.pixels < 5 for alignment in inspection.sure)
    assert inspection.agree[0] == 8
    assert len(set(inspection.drives.values())) == 4
    written = write_card(inspection, city / "card", About(title="A | B", licence="CC BY 4.0", text="By `me`."))
    assert [path.name for path in written] == ["card.md", "card.html", "classes.svg", "together.svg", "card.json"]
    for path in written[2:4]:
        ElementTree.parse(path)
    page, text = written[1].read_text(), written[0].read_text()
    assert "<code>me</code>" in page
    assert page.count("<svg") == 2
    assert "| road | 8 |" in text
    assert "![Share of pixels" in text
    card = json.loads(written[-1].read_text())
    assert card["classes"]["road"]["pictures"] == 8
    assert np.array(card["together"]).shape == (15, 15)


def test_torn_drives_and_misaligned_pairs_are_found(city: Path) -> None:
    path = next((city / "train" / "Infrared").iterdir())
    write_image(path, np.roll(read_image(path), 9, axis=1))
    rows = [json.loads(line) for line in (city / "pairs.jsonl").read_text().splitlines()]
    (city / "pairs.jsonl").write_text("".join(json.dumps({**row, "drive": "1"}) + "\n" for row in rows))
    inspection = inspect(own_info(city), city)
    assert not inspection.sound
    kinds = {problem.kind: problem for problem in inspection.problems}
    assert kinds["leak"].where == "drive 1"
    assert kinds["misaligned"].where == path.stem


def test_what_counts_as_night_is_what_it_was_built_with(city: Path) -> None:
    assert own_info(city).night_sky == pytest.approx(0.115)
    assert own_info(city, night_sky=0.5).night_sky == 0.5
    summary = json.loads((city / "build.json").read_text())
    summary["config"]["night_sky"] = 0.99
    (city / "build.json").write_text(json.dumps(summary))
    inspection = inspect(own_info(city), city, pairs=0)
    assert [dict(tally) for tally in inspection.brightness.values()] == [{"night": 4}, {"night": 4}]
    text = markdown("x", sections(inspection, About()))
    assert "night where the median is below 0.99 of white" in text
    assert "Share of pixels of each class." in text


def test_drives_that_the_data_set_itself_knows_are_told(tmp_path: Path) -> None:
    from segmif.rig.building.inspect import _drives

    facts = [
        SimpleNamespace(name="a", meta={"drive": 7}),
        SimpleNamespace(name="b", meta={}),
        SimpleNamespace(name="c", meta={}),
    ]
    report = SimpleNamespace(facts=facts)
    assert _drives(report, {"b": Moment(name="b", drive="x"), "c": Moment(name="c")}) == {"a": "7", "b": "x"}


def test_without_a_list_neighbours_by_name_are_warned_of(city: Path) -> None:
    (city / "pairs.jsonl").unlink()
    (city / "build.json").unlink()
    inspection = inspect(own_info(city), city, pairs=0)
    assert any("is a neighbour of" in problem.message for problem in inspection.problems)
    assert inspection.drives == {}
    text = markdown("x", sections(inspection, About()))
    assert "Not measured." in text
    assert "Not built by" in text
    assert "No pair has both a time and a place" in text


def test_damaged_pictures_and_missing_labels_are_listed_never_fatal(city: Path) -> None:
    next((city / "train" / "Visible").iterdir()).write_bytes(b"")
    next((city / "test" / "Label").iterdir()).unlink()
    inspection = inspect(own_info(city), city, pairs=1)
    assert {"unreadable", "missing-label"} <= {problem.kind for problem in inspection.problems}
    assert not inspection.sound


def test_a_data_set_without_labels_has_a_card_too(tmp_path: Path) -> None:
    drive = recording(tmp_path / "plain", drives=1, manifest=False)
    (drive / "label").rename(tmp_path / "away")
    inspection = inspect(own_info(drive), drive, pairs=0)
    assert inspection.statistics is None
    assert "No pair has labels." in markdown("x", sections(inspection, About()))


def test_the_commands_build_check_and_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recording(tmp_path / "drive")
    (tmp_path / "drive" / "Visible" / "000001.png").write_bytes(b"x")
    assert main(["rig", "build", "drive", "-o", "city", "--parts", "train=0.5,test=0.5"]) == 1
    streams = capsys.readouterr()
    assert "left out 000001" in streams.err
    assert "7 of 8 pairs, 4 drives" in streams.out
    assert main(["rig", "check", "city", "--pairs", "1", "-j", "1", "--place", "50,8"]) == 0
    assert (tmp_path / "city" / "card" / "samples.html").is_file()
    for place in ("here", "95,0"):
        assert main(["rig", "check", "city", "--place", place]) == 2
    assert main(["rig", "build", "nowhere", "-o", "x"]) == 2


def test_chord_diagram_leaves_out_black_and_absent_classes() -> None:
    together = np.zeros((15, 15), np.int64)
    together[:4, :4] = [[5, 5, 2, 1], [5, 9, 2, 1], [2, 2, 2, 0], [1, 1, 0, 1]]
    root = ElementTree.fromstring(chord_diagram(FMB.classes, FMB.palette, together))
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[1:] == [
        "road and sidewalk: 2 pictures", "road and building: 1 pictures",
        "road: 9 pictures", "sidewalk: 2 pictures", "building: 1 pictures",
    ]  # fmt: skip


def test_bars_and_outlines_are_sound_svg() -> None:
    chart = bar_chart(("a", "b<"), ((1, 2, 3), (4, 5, 6)), [("all", [0.5, 0.0])])
    assert "50.00%" in "".join(ElementTree.fromstring(chart).itertext())
    square = np.array([[0.0, 0], [10, 0], [10, 10]])
    drawn = ElementTree.fromstring(outlines((20, 40), [(square, (1, 2, 3), "x", 0), (square, (1, 2, 3), "y", 2)]))
    assert [element.tag.rpartition("}")[2] for element in drawn][2:] == ["polygon", "polyline"]


def test_tables_set_columns_of_numbers_to_the_right() -> None:
    lines = markdown_table(Table(header=("a", "b"), rows=[("x|y", 1), ("z", "2.5%")]))
    assert lines[1:3] == ["|---|---:|", "| x\\|y | 1 |"]
