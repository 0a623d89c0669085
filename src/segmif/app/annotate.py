"""The page of `segmif rig annotate`: pairs in, polygons out, on this machine only.

The server hands out the pictures of one `Workspace` and takes its documents; names are looked up among the pairs, so no
path of a request ever reaches the disk. `Guard` keeps other sites out; there is no password because there is no way in
from another machine unless the user binds the server to its network.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from segmif import color
from segmif.app.security import MEGABYTE, Application, Guard, Policy, Refusal
from segmif.checks import InputError
from segmif.data.annotations import class_id
from segmif.data.reader import to_grey
from segmif.guide import vsm_wls
from segmif.io import Array, Band, encode_image, encode_labels, read_image, to_unit
from segmif.labelsets import IGNORE, LabelSet
from segmif.rig.annotation import native
from segmif.rig.annotation.files import Fields, parse_json
from segmif.rig.annotation.prelabel import PrelabelOptions, prelabel
from segmif.rig.annotation.raster import rasterise
from segmif.rig.annotation.workspace import StaleError, Workspace

STATIC = Path(__file__).parent / "static" / "annotate"
_BODY = 16 * MEGABYTE
_KEPT = 48
"""Encoded pictures kept in memory."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model makes of a pair: `fused` uint8 RGB (H, W, 3); the rest is None if it has no classes."""

    fused: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8] | None = None
    confidence: npt.NDArray[np.float32] | None = None
    label_set: LabelSet | None = None


Predict = Callable[[Array, Array], Prediction]
"""A model as the page needs it: (infrared, visible) as stored -> `Prediction`."""


class Pictures:
    """The pictures of a workspace as PNG, and what the model says; the last ones are kept."""

    def __init__(self, workspace: Workspace, predict: Predict | None, options: PrelabelOptions) -> None:
        self.workspace, self.predict, self.options = workspace, predict, options
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._model_lock = threading.Lock()
        self._last: tuple[str, Prediction] | None = None

    def png(self, name: str, band: str) -> bytes:
        """The picture "visible", "infrared" or "fused" of a pair.

        Raises:
            InputError: no such pair, or it cannot be read.
        """
        with self._lock:
            if (name, band) in self._kept:
                self._kept.move_to_end((name, band))
                return self._kept[name, band]
        data = encode_image(self._fused(name) if band == "fused" else self._bytes(name, band))
        with self._lock:
            self._kept[name, band] = data
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return data

    def prelabel(self, name: str) -> list[dict[str, Any]]:
        """The model's polygons of a pair, as JSON says shapes.

        Raises:
            InputError: there is no model, or it has no classes.
        """
        if self.predict is None:
            raise InputError("there is no model to pre-label with: start with --model NAME")
        found = self._predict(name)
        if found.labels is None or found.label_set is None:
            raise InputError("this model only fuses: start with a --model that has classes")
        labels = _translated(found.labels, found.label_set, self.workspace.label_set)
        shapes = prelabel(labels, found.confidence, self.workspace.label_set, self.options)
        return [native.shape_dict(shape) for shape in shapes]

    def _stored(self, name: str) -> tuple[Array, Array]:
        pair = self.workspace.pair(name)
        return to_grey(read_image(pair.infrared)), read_image(pair.visible)

    def _bytes(self, name: str, band: str) -> npt.NDArray[np.uint8]:
        infrared, visible = self._stored(name)
        return _eight_bit(infrared, "infrared") if band == "infrared" else _eight_bit(visible, "visible")

    def _fused(self, name: str) -> npt.NDArray[np.uint8]:
        if self.predict is not None:
            return self._predict(name).fused
        infrared, visible = self._stored(name)
        rgb = to_unit(visible if visible.ndim == 3 else np.repeat(visible[..., None], 3, axis=2), "visible")
        thermal = to_unit(infrared, "infrared")
        if thermal.shape != rgb.shape[:2]:
            thermal = cv2.resize(thermal, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)
        luma = np.clip(color.luma(rgb), 0, 1)
        fused = rgb + (vsm_wls(thermal, luma) - luma)[..., None]  # another luma, the same colours
        return _eight_bit(np.clip(fused, 0, 1).astype(np.float32), "visible")

    def _predict(self, name: str) -> Prediction:
        assert self.predict is not None
        with self._model_lock:  # one network, one request after another
            if self._last is None or self._last[0] != name:
                self._last = (name, self.predict(*self._stored(name)))
            return self._last[1]


def _eight_bit(picture: Array, band: Band) -> npt.NDArray[np.uint8]:
    if picture.dtype == np.uint8:
        return picture
    bytes_: npt.NDArray[np.uint8] = np.rint(to_unit(picture, band) * 255).astype(np.uint8)
    return bytes_


def _translated(labels: npt.NDArray[np.uint8], have: LabelSet, want: LabelSet) -> npt.NDArray[np.uint8]:
    """Class ids of one label set as those of another, by name; 255 where it has no such class."""
    table = np.full(256, IGNORE, np.uint8)
    for identity, name in enumerate(have.classes):
        found = identity if have == want else class_id(name, want)
        table[identity] = IGNORE if found is None else found
    translated: npt.NDArray[np.uint8] = table[labels]
    return translated


def create_app(
    workspace: Workspace,
    *,
    predict: Predict | None = None,
    options: PrelabelOptions | None = None,
    hosts: frozenset[str] = frozenset(),
) -> Application:
    """The page and its interface as an ASGI application.

    Args:
        workspace: what is annotated.
        predict: the model behind "fused" and the pre-labels; without one, fused is VSM-WLS and there are none.
        options: of the pre-labels.
        hosts: names, besides localhost and IP addresses, under which the page may be asked for.
    """
    app = FastAPI(title="segmif annotate", docs_url=None, redoc_url=None, openapi_url=None)
    pictures = Pictures(workspace, predict, options or PrelabelOptions())
    _add_answers_to_errors(app)
    _add_pictures(app, pictures)
    _add_documents(app, workspace)

    @app.get("/api/project")
    def project() -> dict[str, Any]:
        entries = [
            {
                "name": name,
                "shapes": 0 if document is None else len(document.shapes),
                "done": document is not None and document.done,
            }
            for name, document in workspace.progress()
        ]
        label_set = native.label_set_extras(workspace.label_set)
        return {
            "root": workspace.root.resolve().name,
            "author": workspace.author,
            "label_set": label_set,
            "model": predict is not None,
            "pictures": entries,
        }

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    def no_icon() -> Response:
        return Response(status_code=204)

    app.mount("/static", StaticFiles(directory=STATIC))
    return Guard(app, Policy(hosts=hosts, body=_BODY))


def _add_answers_to_errors(app: FastAPI) -> None:
    @app.exception_handler(InputError)
    def wrong(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": " ".join(str(error).split())}, 422)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(StaleError)
    def stale(_: Request, error: StaleError) -> JSONResponse:
        return JSONResponse({"error": str(error), "current": native.document_dict(error.current)}, 409)


def _add_pictures(app: FastAPI, pictures: Pictures) -> None:
    @app.get("/api/pictures/{band}/{name:path}")
    def picture(band: str, name: str) -> Response:
        _known(pictures.workspace, name)
        if band not in ("visible", "infrared", "fused"):
            raise Refusal(404, f"there is no band {band[:40]!r}: ask for visible, infrared or fused")
        return Response(pictures.png(name, band), media_type="image/png")

    @app.get("/api/labels/{name:path}")
    def labels(name: str) -> Response:
        """The label map of what is saved, as it will be trained on."""
        _known(pictures.workspace, name)
        label_map, _ = rasterise(pictures.workspace.load(name))
        return Response(encode_labels(label_map, pictures.workspace.label_set.palette), media_type="image/png")

    @app.post("/api/prelabel/{name:path}")
    def prelabels(name: str) -> dict[str, Any]:
        _known(pictures.workspace, name)
        return {"shapes": pictures.prelabel(name)}


def _add_documents(app: FastAPI, workspace: Workspace) -> None:
    @app.get("/api/documents/{name:path}")
    def document(name: str) -> dict[str, Any]:
        _known(workspace, name)
        return native.document_dict(workspace.load(name))

    @app.put("/api/documents/{name:path}")
    async def save(name: str, request: Request) -> JSONResponse:
        _known(workspace, name)
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise Refusal(415, "send the document as application/json")
        content = native.document_from(Fields(parse_json(await request.body(), name), name))
        return JSONResponse({"revision": workspace.save(name, content).revision})


def _known(workspace: Workspace, name: str) -> None:
    if name not in workspace.pairs:
        raise Refusal(404, f"there is no pair {name[:80]!r}: choose one of the list")
