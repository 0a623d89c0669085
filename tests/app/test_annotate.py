"""The annotator's server."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from segmif import io
from segmif.labelsets import FMB, MFNET

pytest.importorskip("fastapi", reason="needs the extra app")
from segmif.app.annotate import Prediction, create_app


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


@pytest.fixture
def ask(workspace):
    """A client of a page with a model: (its prediction) -> client, and how often the model was asked."""
    testclient = pytest.importorskip("fastapi.testclient", reason="needs httpx")
    asked = []

    def make(prediction):
        def predict(infrared, visible):
            asked.append((infrared.shape, visible.shape))
            return prediction

        return testclient.TestClient(create_app(workspace, predict=predict), base_url="http://127.0.0.1"), asked

    return make


def test_the_model_fuses_and_draws_in_the_classes_of_the_project(ask):
    labels = np.full((96, 128), MFNET.classes.index("car"), np.uint8)
    labels[:40] = MFNET.classes.index("guardrail")  # FMB has no such class
    fused = np.full((96, 128, 3), 77, np.uint8)
    client, asked = ask(
        Prediction(fused=fused, labels=labels, confidence=np.ones((96, 128), np.float32), label_set=MFNET)
    )
    (shape,) = client.post("/api/prelabel/1").json()["shapes"]
    assert (shape["class"], shape["instance"]) == (FMB.classes.index("car"), 1)
    assert sorted(shape["points"]) == [[0, 40], [0, 96], [128, 40], [128, 96]]
    assert np.array_equal(io.decode_image(client.get("/api/pictures/fused/1").content), fused)
    assert asked == [((96, 128), (96, 128, 3))], "one question serves both"
    assert client.get("/api/project").json()["model"] is True


def test_a_model_that_only_fuses_says_so(ask):
    client, _ = ask(Prediction(fused=np.zeros((96, 128, 3), np.uint8)))
    answer = client.post("/api/prelabel/1")
    assert (answer.status_code, answer.json()["error"]) == (
        422, "this model only fuses: start with a --model that has classes"
    )  # fmt: skip


def test_deep_infrared_of_another_size_is_shown_and_fused(workspace):
    testclient = pytest.importorskip("fastapi.testclient", reason="needs httpx")
    path = workspace.root / "infrared" / "1.png"
    io.write_image(path, np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20)
    io.write_image(workspace.root / "visible" / "1.png", np.full((96, 128), 90, np.uint8))  # a grey camera
    client = testclient.TestClient(create_app(workspace), base_url="http://127.0.0.1")
    shown = io.decode_image(client.get("/api/pictures/infrared/1").content)
    assert (shown.dtype, shown.shape, int(shown.max())) == (np.uint8, (48, 64), 255)
    fused = io.decode_image(client.get("/api/pictures/fused/1").content)
    assert fused.shape == (96, 128, 3)
    assert fused.std() > 5, "what infrared shows is in it"


def test_the_label_map_is_that_of_what_is_saved(client):
    document = client.get("/api/documents/2").json()
    document["shapes"] = [{"class": 9, "points": [[0, 0], [128, 0], [128, 48], [0, 48]]}]
    client.put("/api/documents/2", json=document)
    labels = np.asarray(Image.open(BytesIO(client.get("/api/labels/2").content)))
    assert (np.unique(labels[:48]), np.unique(labels[48:])) == ([9], [255])
    assert client.get("/api/pictures/thermal/2").status_code == 404
    assert client.put("/api/documents/2", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/favicon.ico").status_code == 204
    entries = client.get("/api/project").json()["pictures"]
    assert entries == [{"name": "1", "shapes": 0, "done": False}, {"name": "2", "shapes": 1, "done": False}]


def test_only_the_last_pictures_are_kept_in_memory(workspace, monkeypatch):
    from segmif.app import annotate
    from segmif.rig.annotation.prelabel import PrelabelOptions

    monkeypatch.setattr(annotate, "_KEPT", 2)
    pictures = annotate.Pictures(workspace, None, PrelabelOptions())
    for name, band in (("1", "visible"), ("1", "infrared"), ("1", "visible"), ("2", "visible")):
        pictures.png(name, band)
    assert list(pictures._kept) == [("1", "visible"), ("2", "visible")]
