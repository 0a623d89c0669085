"""Scores of pairs: right, kept, computed anew only where something changed, and one bad picture costs only itself."""

from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

import segmif.bench.measure as measure
from segmif.bench.cache import ScoreStore
from segmif.bench.entries import Classic, Folder
from segmif.bench.measure import measure_pairs
from segmif.bench.sources import open_pairs
from segmif.checks import InputError
from segmif.io import read_image, write_image
from segmif.metrics import fusion_metrics
from tests.bench.conftest import NAMES, SIZE

PANEL = ("EN", "SD", "CC")


@pytest.fixture
def pairs(data):
    return open_pairs("msrs", data)


@pytest.fixture
def results(tmp_path, pairs):
    """A folder of fused pictures: the visible ones, a little brighter."""
    for sample in pairs.samples:
        write_image(
            tmp_path / "r" / f"{sample.name}.png", np.clip(sample.visible.astype(int) + 9, 0, 255).astype(np.uint8)
        )
    return tmp_path / "r"


def folder_of(results, pairs):
    return Folder.of("X", results, pairs.samples.names)


def test_scores_are_those_of_fusion_metrics(pairs, results):
    done = measure_pairs(pairs, [Classic(name="average"), folder_of(results, pairs)], PANEL)
    assert done.failures == []
    assert done.computed == 8
    for sample in pairs.samples:
        average = Classic(name="average").picture(sample)
        assert done.scores["average"][sample.name] == fusion_metrics(average, sample.infrared, sample.visible, PANEL)
        stored = read_image(results / f"{sample.name}.png")
        assert done.scores["X"][sample.name] == fusion_metrics(stored, sample.infrared, sample.visible, PANEL)
    assert done.column("X", "EN", [NAMES[2], "none"])[1] is None


def test_conventions(pairs, results):
    entry = folder_of(results, pairs)
    store = ScoreStore()
    plain = measure_pairs(pairs, [entry], ["MI"], store=store).scores["X"]
    vifb = measure_pairs(pairs, [entry], ["MI"], convention="vifb", store=store).scores["X"]
    sample = pairs.samples[0]
    assert vifb[sample.name] == fusion_metrics(entry.picture(sample), sample.infrared, sample.visible, ["MI"], "vifb")
    assert vifb != plain


def test_a_second_run_computes_what_changed(pairs, results, tmp_path):
    store = ScoreStore(tmp_path / "s.jsonl")
    entries = [Classic(name="maximum"), folder_of(results, pairs)]
    first = measure_pairs(pairs, entries, PANEL, store=store)
    assert first.computed == 8

    def again(entries=entries, metrics=PANEL):
        return measure_pairs(pairs, entries, metrics, store=ScoreStore(tmp_path / "s.jsonl"))

    same = again()
    assert same.computed == 0
    assert same.scores == first.scores
    write_image(results / f"{NAMES[1]}.png", np.full(SIZE, 80, np.uint8))
    changed = again()
    assert changed.computed == 1
    assert changed.scores["X"][NAMES[1]]["SD"] == 0
    more = again(metrics=(*PANEL, "SF"))
    assert more.computed == 8
    assert {k: v for k, v in more.scores["X"][NAMES[0]].items() if k != "SF"} == first.scores["X"][NAMES[0]]
    infrared = pairs.samples.records[0].infrared
    write_image(infrared, 255 - read_image(infrared))
    assert again().computed == 2


def test_what_is_found_before_a_stop_is_kept(pairs, tmp_path, monkeypatch):
    """Ctrl-C after two pairs; the next run does the other two."""
    store = ScoreStore(tmp_path / "s.jsonl")
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_pairs(pairs, [Classic(name="average")], PANEL, store=store, advance=stop)
    rest = measure_pairs(pairs, [Classic(name="average")], PANEL, store=ScoreStore(tmp_path / "s.jsonl"))
    assert rest.computed == 2
    assert len(rest.scores["average"]) == 4


def float_in_255(path):
    import cv2

    path.with_suffix(".tif").write_bytes(cv2.imencode(".tif", np.full(SIZE, 99.5, np.float32))[1].tobytes())
    path.unlink()


SPOIL = {
    "another size": (lambda p: write_image(p, np.zeros((40, 64), np.uint8)), "must have the same width x height"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:200]), "damaged or truncated"),
    "empty": (lambda p: p.write_bytes(b""), "empty"),
    "no picture": (lambda p: p.write_bytes(b"hello"), "not a picture"),
    "16 bit": (lambda p: write_image(p, np.full(SIZE, 999, np.uint16)), "uint16"),
    "0 and 1": (lambda p: write_image(p, np.eye(*SIZE, dtype=np.uint8)), "multiply by 255"),
    "float in 0..255": (float_in_255, "expected 0..1"),
    "missing": (lambda p: p.unlink(), "holds no picture named"),
}


@pytest.mark.parametrize("kind", SPOIL)
def test_one_bad_fused_picture_costs_only_itself(kind, pairs, results):
    spoil, message = SPOIL[kind]
    spoil(results / f"{NAMES[1]}.png")
    done = measure_pairs(pairs, [folder_of(results, pairs), Classic(name="average")], PANEL)
    assert [(f.method, f.image) for f in done.failures] == [("X", NAMES[1])]
    assert message in done.failures[0].error
    assert "\n" not in done.failures[0].error
    assert set(done.scores["X"]) == {NAMES[0], NAMES[2], NAMES[3]}
    assert len(done.scores["average"]) == 4


def test_a_bad_source_costs_only_its_pair(pairs):
    pairs.samples.records[2].infrared.write_bytes(b"no")
    pairs.samples.records[3].visible.unlink()
    entries = [Classic(name="average"), Classic(name="maximum")]
    done = measure_pairs(pairs, entries, PANEL)
    assert {(f.method, f.image) for f in done.failures} == {(e.name, n) for e in entries for n in NAMES[2:]}
    assert [list(scores) for scores in done.scores.values()] == [list(NAMES[:2])] * 2


def test_constant_and_colour_and_deep_pictures_have_values(pairs, results):
    """Black sources, colour results, raw thermal counts: numbers, no NaN."""
    write_image(pairs.samples.records[0].infrared, np.zeros(SIZE, np.uint8))
    write_image(results / f"{NAMES[0]}.png", np.zeros(SIZE, np.uint8))
    counts = np.linspace(7000, 9000, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint16)
    write_image(pairs.samples.records[1].infrared, counts)
    done = measure_pairs(
        pairs, [folder_of(results, pairs), Classic(name="maximum")], ("EN", "SD", "CC", "Qabf", "SSIM")
    )
    assert done.failures == []
    values = [v for method in done.scores.values() for image in method.values() for v in image.values()]
    assert len(values) == 2 * 4 * 5
    assert np.isfinite(values).all()


def test_a_fault_of_ours_costs_only_its_picture(pairs, monkeypatch):
    def broken(self, sample):
        if sample.name == NAMES[0]:
            raise ZeroDivisionError("division\nby zero")
        return sample.visible

    monkeypatch.setattr(Classic, "picture", broken)
    done = measure_pairs(pairs, [Classic(name="average")], PANEL)
    assert [f.image for f in done.failures] == [NAMES[0]]
    assert "unexpected ZeroDivisionError: division by zero" in done.failures[0].error
    assert len(done.scores["average"]) == 3


def test_processes_give_the_same(pairs, monkeypatch):
    monkeypatch.setattr(measure, "_PAIRS_PER_PROCESS", 2)
    entries = [Classic(name="average")]
    advanced = []
    two = measure_pairs(pairs, entries, PANEL, workers=2, advance=lambda: advanced.append(1))
    assert two.scores == measure_pairs(pairs, entries, PANEL).scores
    assert len(advanced) == 4


def test_a_dead_process_is_one_line(pairs, monkeypatch):
    def dead(*_, **__):
        raise BrokenProcessPool("gone")
        yield

    monkeypatch.setattr(measure, "map_samples", dead)
    with pytest.raises(InputError, match="fewer --workers"):
        measure_pairs(pairs, [Classic(name="average")], PANEL)


def test_pictures_are_kept_where_wanted(pairs, tmp_path):
    path = tmp_path / "p.png"
    entry = Classic(name="average")
    measure_pairs(pairs, [entry], PANEL, pictures={("average", NAMES[0]): path})
    assert (read_image(path) == entry.picture(pairs.samples[0])).all()


def test_unknown_metrics(pairs):
    with pytest.raises(InputError, match="unknown metric 'ENN'"):
        measure_pairs(pairs, [Classic(name="average")], ["ENN"])
    with pytest.raises(InputError, match="unknown convention"):
        measure_pairs(pairs, [Classic(name="average")], ["EN"], convention="vif")
