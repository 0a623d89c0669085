"""A live view in the browser: infrared and visible side by side, as MJPEG over HTTP on this computer only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from segmif.checks import InputError
from segmif.io import Array, encode_image
from segmif.rig.record.display import stretch

_HEIGHT = 360
_QUALITY = 80
_BOUNDARY = "segmif-frame"
_WAIT_SECONDS = 1.0
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>segmif rig record</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{margin:0;background:#16181c;color:#e8e8e8;font:16px/1.5 system-ui,sans-serif}
main{max-width:1200px;margin:auto;padding:1rem}
img{width:100%;background:#000;border-radius:6px;display:block;min-height:12rem}
figcaption{display:grid;grid-template-columns:1fr 1fr;text-align:center;padding:.4rem;color:#b8bcc4}
#line{font-variant-numeric:tabular-nums;margin:.6rem 0}
</style>
<main><figure style="margin:0"><img src="stream" alt="Live picture: infrared left, visible right">
<figcaption><span>infrared</span><span>visible</span></figcaption></figure>
<p id="line" role="status">waiting for the first pair …</p></main>
<script>
const line=document.getElementById("line")
async function tick(){
  try{const r=await fetch("status.json");line.textContent=(await r.json()).line}
  catch{line.textContent="the recording has ended"}
}
tick();setInterval(tick,1000)
</script></html>"""


def side_by_side(infrared: Array, visible: Array) -> Array:
    """Both pictures, 360 pixels high, as one uint8 RGB picture: stretched infrared left, visible right."""
    left = cv2.cvtColor(stretch(infrared, "percentile"), cv2.COLOR_GRAY2RGB)
    right = visible if visible.dtype == np.uint8 else stretch(visible, "percentile")
    right = cv2.cvtColor(right, cv2.COLOR_GRAY2RGB) if right.ndim == 2 else right
    both = []
    for picture in (left, right):
        width = max(1, round(picture.shape[1] * _HEIGHT / picture.shape[0]))
        method = cv2.INTER_AREA if picture.shape[0] > _HEIGHT else cv2.INTER_LINEAR
        both.append(cv2.resize(np.asarray(picture), (width, _HEIGHT), interpolation=method))
    return np.hstack([both[0], np.zeros((_HEIGHT, 4, 3), np.uint8), both[1]])


class Preview:
    """A server of the newest pair; costs next to nothing while no one looks.

    ``/`` is a page, ``/stream`` the MJPEG stream, ``/snapshot.jpg`` one picture, ``/status.json`` the progress line.

    Args:
        port: 0 takes a free one.

    Attributes:
        address: to open in a browser.

    Raises:
        InputError: the port cannot be had.
    """

    def __init__(self, port: int) -> None:
        self._news = threading.Condition()
        self._pair: tuple[Array, Array] | None = None
        self._number = 0
        self._line = "waiting for the first pair"
        self._closed = False
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"preview: port {port} cannot be had ({error}); give another, or 0 for a free one"
            ) from error
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="preview", daemon=True)
        self._thread.start()

    def show(self, infrared: Array, visible: Array) -> None:
        """The newest pair."""
        with self._news:
            self._pair = infrared, visible
            self._number += 1
            self._news.notify_all()

    def tell(self, line: str) -> None:
        """The newest progress line."""
        self._line = line

    def status(self) -> dict[str, object]:
        """What ``/status.json`` says."""
        return {"line": self._line, "pairs_shown": self._number}

    def jpeg(self, after: int) -> tuple[int, bytes] | None:
        """The first picture newer than number `after`, waiting a second for it; None when there is none."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self._number > after, _WAIT_SECONDS)
            if self._closed or self._pair is None or self._number <= after:
                return None
            pair, number = self._pair, self._number
        return number, encode_image(side_by_side(*pair), ".jpg", quality=_QUALITY)

    @property
    def closed(self) -> bool:
        """Whether the recording has ended."""
        return self._closed

    def close(self) -> None:
        """Stop serving."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2)


def _handler(preview: Preview) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = {
                "/": self._page,
                "/stream": self._stream,
                "/snapshot.jpg": self._snapshot,
                "/status.json": self._status,
            }
            found: Callable[[], None] | None = answer.get(self.path.partition("?")[0])
            if found is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            try:
                found()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _send(self, kind: str, body: bytes) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def _page(self) -> None:
            self._send("text/html; charset=utf-8", _PAGE.encode())

        def _status(self) -> None:
            self._send("application/json", json.dumps(preview.status()).encode())

        def _snapshot(self) -> None:
            picture = preview.jpeg(-1)
            if picture is None:
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "no pair yet")
            else:
                self._send("image/jpeg", picture[1])

        def _stream(self) -> None:
            self.close_connection = True
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            number = 0
            while not preview.closed:
                picture = preview.jpeg(number)
                if picture is None:
                    continue
                number, data = picture
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not worth a line."""

    return Handler
