"""The page of `segmif serve` and its HTTP interface; see docs/serving.md."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from segmif import __version__
from segmif.app.jobs import DISK_FULL, Jobs, is_disk_full
from segmif.app.models import Models
from segmif.app.routes import facts, fusing, long_work
from segmif.app.security import Guard, Policy
from segmif.app.service import Service, Settings
from segmif.app.worker import ClientGoneError, Worker
from segmif.checks import InputError, MissingExtraError

STATIC = Path(__file__).parent / "static" / "serve"
_log = logging.getLogger("segmif.serve")
_SWEEP_SECONDS = 60.0
_CLIENT_GONE = 499


def create_app(settings: Settings) -> Guard:
    """The whole application, behind its guard; an ASGI callable.

    Raises:
        InputError: a model cannot be loaded.
    """
    models = Models(settings.models, device=settings.device, dtype=settings.dtype, backend=settings.backend)
    service = Service(settings=settings, models=models, worker=Worker(), jobs=Jobs())
    mimetypes.add_type("text/javascript", ".js")  # some systems' tables say otherwise, and nosniff would refuse it
    app = FastAPI(
        title="segmif",
        version=__version__,
        summary="Fuse and segment infrared + visible images.",
        docs_url=None,  # FastAPI's own page needs the internet; ours is static/serve/docs.html
        redoc_url=None,
        lifespan=_lifespan(service),
    )
    app.include_router(fusing(service))
    app.include_router(long_work(service))
    app.include_router(facts(service))
    _pages(app)
    _errors(app)
    policy = Policy(
        hosts=frozenset(name.lower() for name in settings.allowed_hosts),
        bodies={"/fuse": settings.max_body, "/batch": settings.max_archive, "/video": settings.max_archive},
        costly=frozenset({"/fuse", "/batch", "/video"}),
        at_once=settings.queue,
    )
    return Guard(app, policy, service.worker.retry_after)


def _lifespan(service: Service) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                await asyncio.sleep(_SWEEP_SECONDS)
                await run_in_threadpool(service.jobs.sweep)

        sweeper = asyncio.create_task(sweep())
        yield
        sweeper.cancel()
        await run_in_threadpool(service.jobs.close)
        await run_in_threadpool(service.worker.close)

    return lifespan


def _pages(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=STATIC))

    def page(path: str, file: str) -> None:
        @app.get(path, include_in_schema=False)
        async def get() -> FileResponse:
            return FileResponse(STATIC / file, headers={"cache-control": "no-cache"})

    page("/", "index.html")
    page("/docs", "docs.html")
    page("/favicon.ico", "icon.svg")


def _errors(app: FastAPI) -> None:
    def say(status: int, message: str, headers: Any = None) -> JSONResponse:
        return JSONResponse({"error": " ".join(message.split())}, status, headers=headers)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return say(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(InputError)
    async def mistaken(_: Request, error: InputError) -> JSONResponse:
        return say(501 if isinstance(error, MissingExtraError) else 400, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return say(422, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(ClientGoneError)
    async def gone(_: Request, __: ClientGoneError) -> Response:
        return Response(status_code=_CLIENT_GONE)

    @app.exception_handler(OSError)
    async def unwritable(_: Request, error: OSError) -> JSONResponse:
        if is_disk_full(error):
            _log.error("%s", error)
            return say(507, DISK_FULL)
        _log.error("a request failed", exc_info=error)
        return say(500, "internal error; the server's log says more")

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> JSONResponse:
        return say(500, "internal error; the server's log says more")
