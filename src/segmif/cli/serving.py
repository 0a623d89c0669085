"""The work behind `segmif serve`: an address, a server, and an end."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections.abc import Callable
from typing import Any

import uvicorn

from segmif.app.serve import create_app
from segmif.app.service import Settings
from segmif.checks import InputError, InputWarning

_CONNECTIONS = 256
_CTRL_C = 130


def run(settings: Settings, *, host: str, port: int) -> int:
    """Serve until Ctrl-C.

    Raises:
        InputError: the address is taken or not ours, or a model cannot be loaded.
    """
    warnings.simplefilter("ignore", InputWarning)  # visitors are told; the log of the server is not for them
    warnings.filterwarnings("ignore", module="PIL")
    with listen(host, port) as listener:
        app = create_app(settings)
        print(f"segmif serves at {address(listener)} (Ctrl-C stops it)", flush=True)
        serve_until_stopped(
            app,
            listener,
            "stopped",
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=5,
        )
    return 0


def serve_until_stopped(app: Callable[..., Any], listener: socket.socket, farewell: str, **limits: int) -> None:
    """Answer at `listener` until Ctrl-C, then print `farewell` and end with its exit code.

    Args:
        app: what answers, by ASGI.
        listener: see `listen`.
        farewell: what stderr says at the end.
        limits: further settings of `uvicorn.Config`.
    """
    # Who sent what is nobody's business: no access log.
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none", **limits)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        print(f"segmif: {farewell}", file=sys.stderr)
        raise SystemExit(_CTRL_C) from None


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        InputError: the port is taken or not allowed, or the host is not an address of this machine.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"host {host}: is not an address of this machine ({error.strerror}); use 127.0.0.1") from error
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InputError(f"{host}:{port}: cannot be listened at ({error.strerror}); choose another --port") from error
    return listener


def address(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
