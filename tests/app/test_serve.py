"""The HTTP interface: what it answers, and what it refuses."""

import io as streams
import json
import struct
import time
import zipfile
import zlib
from dataclasses import replace

import httpx
import numpy as np
import pytest
from PIL import Image

from segmif import io
from segmif.checks import InputError
from tests.app.conftest import Files, png
from tests.test_video import write_video


@pytest.fixture
def client(address: str):
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def picture(data: bytes) -> Image.Image:
    return Image.open(streams.BytesIO(data))


def finished(client: httpx.Client, job: dict) -> dict:
    for _ in range(600):
        job = client.get(f"/jobs/{job['id']}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError("the job does not end")


@pytest.mark.parametrize(("output", "mode"), [("fused", "RGB"), ("labels", "P"), ("overlay", "RGB")])
def test_fuse_answers_a_png(client, pair: Files, output, mode):
    answer = client.post("/fuse", params={"output": output}, files=pair.form())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert picture(answer.content).mode == mode
    assert picture(answer.content).width >= 80
    assert json.loads(answer.headers["x-segmif-report"])["model"] == "tiny"


def test_fuse_all_is_a_zip_with_a_report(client, pair: Files):
    answer = client.post("/fuse", params={"output": "all", "guide": "average"}, files=pair.form())
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(streams.BytesIO(answer.content)) as archive:
        names = set(archive.namelist())
        report = json.loads(archive.read("report.json"))
        fused = np.asarray(picture(archive.read("fused.png")))
    assert {"infrared.png", "visible.png", "fused.png", "labels.png", "overlay.png", "panel.png"} <= names
    assert set(report["files"]) == names - {"report.json"}
    assert fused.shape == (64, 80, 3)
    assert report["guide"] == "average"
    assert sum(entry["share"] for entry in report["classes"]) == pytest.approx(1, abs=1e-4)
    assert {"EN", "SSIM", "Qabf"} <= {metric["name"] for metric in report["metrics"]}
    assert len(report["attention"]) == 13
    assert {entry["file"] for entry in report["attention"]} <= names


def test_a_swapped_pair_is_noticed(client, pair: Files):
    swapped = pair.form(infrared=pair.visible, visible=pair.infrared)
    report = json.loads(client.post("/fuse", files=swapped).headers["x-segmif-report"])
    assert report["swapped"]
    assert not json.loads(client.post("/fuse", files=pair.form()).headers["x-segmif-report"])["swapped"]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BOMB = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 50000, 50000, 8, 0, 0, 0, 0)
BOMB += struct.pack(">I", zlib.crc32(BOMB[12:29])) + struct.pack(">I4s", 0, b"IDAT") + struct.pack(">I", 0x35AF061E)


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 400, "empty"),
        (SVG, 415, "SVG or HTML"),
        (b"<!doctype html><p>hello", 415, "SVG or HTML"),
        (b"%PDF-1.7", 415, "PDF"),
        (b"MZ\x90", 415, "program"),
        (b"hello world", 415, "unknown type"),
        (BOMB, 413, "pixels"),
        (png(700, 700), 413, "megapixels"),
        (png(64, 80)[:200], 400, "damaged"),
        (b"\x89PNG\r\n\x1a\nrubbish", 400, "damaged"),
        (png(16, 16), 400, "at least 32"),
        (b"BM" + b"x" * 2_100_000, 413, "MB"),
    ],
)
def test_bad_pictures_are_refused_in_one_line(client, pair: Files, data, status, words):
    answer = client.post("/fuse", files=pair.form(infrared=data))
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_bad_parameters_are_refused(client, pair: Files, tiny_folder):
    for query in ("output=nix", "model=../tiny", f"model={tiny_folder}", "guide=/etc/passwd", "opacity=2"):
        answer = client.post(f"/fuse?{query}", files=pair.form())
        assert answer.status_code in (400, 422), query
        assert list(answer.json()) == ["error"]
    missing = client.post("/fuse", files={"visible": ("v.png", pair.visible)})
    assert missing.status_code == 422
    assert "infrared" in missing.json()["error"]
    assert client.post("/fuse", content=b"rubbish").status_code == 422


def test_strange_hosts_and_origins_are_refused(client, pair: Files):
    assert client.get("/health", headers={"host": "evil.example"}).status_code == 421
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/fuse", files=pair.form(), headers=headers).status_code == 403
    own = str(client.base_url).rstrip("/")
    assert client.post("/fuse", files=pair.form(), headers={"origin": own}).status_code == 200


@pytest.mark.parametrize("path", ["/static/../serve.py", "/static/..%2f..%2f..%2fserve.py", "/static/%2e%2e/x", "/x"])
def test_nothing_outside_the_static_files_is_served(address, path):
    answer = httpx.get(httpx.URL(address).copy_with(raw_path=path.encode()))
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_pages_are_self_contained_and_guarded(client):
    for path in ("/", "/docs", "/static/main.js", "/static/style.css", "/health", "/nothing"):
        answer = client.get(path)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        if path in ("/", "/docs"):
            assert "http://" not in answer.text
            assert "https://" not in answer.text
            assert "<script>" not in answer.text
            assert "style=" not in answer.text
            assert "onclick" not in answer.text


def test_facts(client):
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["limits"]["pixels"] == 400_000
    (model,) = client.get("/models").json()
    assert model["name"] == "tiny"
    assert model["default"]
    assert {"id": 8, "name": "person", "colour": "#4c63a6"} in model["classes"]
    examples = client.get("/examples").json()
    assert [example["name"] for example in examples] == ["day", "night", "fog"]
    assert picture(client.get(examples[0]["infrared"]).content).size == (640, 480)
    assert client.get("/examples/..%2fday/infrared.png").status_code == 404
    schema = client.get("/openapi.json").json()
    assert {"/fuse", "/batch", "/video", "/jobs/{job_id}"} <= set(schema["paths"])
    assert "image/png" in schema["paths"]["/fuse"]["post"]["responses"]["200"]["content"]


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = streams.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def test_batch_keeps_the_good_and_lists_the_bad(client, pair: Files):
    members = {
        "infrared/a.png": pair.infrared, "visible/a.png": pair.visible,
        "b_ir.png": pair.infrared, "b_vis.jpg": pair.visible,
        "infrared/bad.png": SVG, "visible/bad.png": pair.visible, "visible/alone.png": pair.visible,
    }  # fmt: skip
    answer = client.post("/batch", files={"pairs": ("p.zip", archive(members))})
    assert answer.status_code == 202
    assert client.get(f"/jobs/{answer.json()['id']}/result").status_code in (200, 409)
    job = finished(client, answer.json())
    assert job["state"] == "done", job
    assert any("no partner" in note for note in job["notes"])
    with zipfile.ZipFile(streams.BytesIO(client.get(job["result"]).content)) as results:
        report = json.loads(results.read("report.json"))
        assert {"a_fused.png", "a_labels.png", "a_overlay.png", "b_fused.png"} <= set(results.namelist())
    assert [entry["name"] for entry in report["failed"]] == ["bad"]
    assert client.delete(f"/jobs/{job['id']}").status_code == 200
    assert client.get(f"/jobs/{job['id']}").status_code == 404


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"rubbish", "not a zip"),
        (b"", "not a zip"),
        (archive({"../../infrared/a.png": b"x", "visible/a.png": b"x"}), "unsafe name"),
        (archive({"/etc/infrared/a.png": b"x"}), "unsafe name"),
        (archive({"C:\\infrared\\a.png": b"x"}), "unsafe name"),
        (archive({"infrared/a.png": bytes(50_000_000)}, zipfile.ZIP_DEFLATED), "far more"),
        (archive({f"{i}": b"" for i in range(1000)}), "entries"),
        (archive({"readme.txt": b"x"}), "no pairs"),
        (archive({"infrared/a.png": SVG, "visible/a.png": SVG}), "none of the 1 pairs"),
        (archive({"infrared/a.png": b"x"})[:-30], "not a zip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "archive",  # bytes hold the time, which no name should
)
def test_bad_archives_are_refused(client, data, words):
    job = finished(client, client.post("/batch", files={"pairs": ("p.zip", data)}).json())
    assert job["state"] == "failed"
    assert words in job["error"]
    assert client.get(f"/jobs/{job['id']}/result").status_code == 409
    client.delete(f"/jobs/{job['id']}")


def test_videos_become_one(client, tmp_path):
    pytest.importorskip("av")
    for name in ("ir", "vis"):
        write_video(tmp_path / f"{name}.mp4", [40, 80, 120])
    files = {"infrared": (tmp_path / "ir.mp4").read_bytes(), "visible": (tmp_path / "vis.mp4").read_bytes()}
    job = finished(client, client.post("/video", files=files, params={"output": "overlay"}).json())
    assert job["state"] == "done", job
    answer = client.get(job["result"])
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.content[4:8] == b"ftyp"
    playlist = b"#EXTM3U\nfile:///etc/passwd\n"
    job = finished(client, client.post("/video", files={**files, "visible": playlist}).json())
    assert job["state"] == "failed"
    assert "expected an MP4" in job["error"]


def test_the_queue_is_bounded_and_time_is_limited(settings, pair: Files, monkeypatch):
    from fastapi.testclient import TestClient

    from segmif.app import routes
    from segmif.app.serve import create_app

    monkeypatch.setattr(routes, "answer", lambda *_: time.sleep(0.6))
    guard = create_app(replace(settings, timeout=0.2, queue=1))
    with TestClient(guard, base_url="http://localhost") as client:
        late = client.post("/fuse", files=pair.form())
        assert late.status_code == 503
        assert "longer than the limit" in late.json()["error"]
        guard.busy = 1
        full = client.post("/fuse", files=pair.form())
        assert full.status_code == 503
        assert int(full.headers["retry-after"]) >= 1
        assert client.get("/health").status_code == 200


def test_many_jobs_are_told_to_come_again(tmp_path):
    from segmif.app.jobs import Jobs
    from segmif.app.security import Refusal

    jobs = Jobs(waiting=1, kept=1, keep_seconds=0.0)
    try:
        job = jobs.prepare("batch")
        with pytest.raises(Refusal, match="too many") as refusal:
            jobs.prepare("batch")
        assert refusal.value.status_code == 429
        jobs.drop(job)
        assert not job.folder.exists()
        broken = jobs.prepare("batch")
        jobs.start(broken, lambda _: 1 / 0)
        while broken.finished is None:
            time.sleep(0.01)
        assert broken.error is not None
        assert "internal" in broken.error
        with pytest.raises(Refusal, match="no such job"):
            jobs.get(broken.id)
    finally:
        jobs.close()


def test_models_are_checked_at_the_start(settings, tiny_folder, tmp_path):
    from segmif.app.models import Models

    with pytest.raises(InputError, match="unknown model"):
        Models(["segmif-nix"])
    with pytest.raises(InputError, match="two models"):
        Models([str(tiny_folder), str(tiny_folder)])


def test_sixteen_bit_infrared_is_taken(client, pair: Files):
    deep = io.encode_image((np.arange(64 * 80).reshape(64, 80) % 3000 + 20000).astype(np.uint16))
    assert client.post("/fuse", files=pair.form(infrared=deep)).status_code == 200


def test_the_address_must_be_free(address):
    from segmif.cli.serving import listen

    with pytest.raises(InputError, match="cannot be listened at"):
        listen("127.0.0.1", int(address.rsplit(":", 1)[1]))
    with pytest.raises(InputError, match="not an address"):
        listen("no.such.host.invalid", 0)
