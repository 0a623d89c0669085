"""The HTTP interface: one pair, archives and videos, and facts; see docs/serving.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from segmif import __version__, io
from segmif.app.answers import Answer, Output, Upload, Wish, answer
from segmif.app.batches import fuse_archive, fuse_video
from segmif.app.jobs import Job
from segmif.app.security import Refusal
from segmif.app.service import Service
from segmif.app.uploads import check_picture
from segmif.data.synthetic import EXAMPLES, example_scene
from segmif.guide import GUIDE_KINDS
from segmif.models.config import GuideKind

Band = Literal["infrared", "visible"]
VideoOutput = Literal["fused", "labels", "overlay", "panel"]
Picture = Annotated[UploadFile, File(description="PNG, JPEG, TIFF, WebP or BMP")]
Video = Annotated[UploadFile, File(description="MP4, MOV, MKV, WebM or AVI")]
ModelName = Annotated[str | None, Query(description="One of /models; default: the first of them.")]
GuideName = Annotated[
    GuideKind | None, Query(description="The picture the semantic features come from; default: the model's own.")
]
Align = Annotated[bool, Query(description="First register the infrared picture to the visible one.")]
JobId = Annotated[str, PathParameter(description="As told when the job was made.")]
Opacity = Annotated[float, Query(ge=0, le=1, description="Of the labels in the overlay.")]

_ERROR = {"content": {"application/json": {"example": {"error": "infrared: the file is empty (0 bytes); ..."}}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "A picture is damaged or unsuitable, or the request makes no sense.", **_ERROR},
    413: {"description": "Too many bytes or pixels.", **_ERROR},
    415: {"description": "Another type of file.", **_ERROR},
    422: {"description": "A parameter or file is missing or has a wrong value.", **_ERROR},
    429: {"description": "Too many long jobs; see Retry-After.", **_ERROR},
    503: {"description": "The queue is full, or the time is over; see Retry-After.", **_ERROR},
}


def fusing(service: Service) -> APIRouter:
    router = APIRouter(tags=["one pair"])
    media: dict[str, Any] = {"image/png": {}, "application/zip": {}}

    @router.post(
        "/fuse",
        response_class=Response,
        responses={200: {"content": media, "description": "A PNG; with output=all a zip."}, **_REFUSALS},
    )
    async def fuse(
        request: Request,
        infrared: Picture,
        visible: Picture,
        output: Annotated[
            Output, Query(description="What to return; all: a zip of everything and a report.")
        ] = "fused",
        model: ModelName = None,
        guide: GuideName = None,
        align: Align = False,
        opacity: Opacity = 0.45,
        attention: Annotated[bool, Query(description="Put the attention maps into the zip.")] = True,
    ) -> Response:
        """Fuse and label one pair.

        The result has the size of the visible picture. What was done to the input is told in the header
        X-Segmif-Report and, with output=all, in report.json.
        """
        wish = Wish(
            output=output,
            model=service.models.check(model),
            guide=guide,
            align=align,
            opacity=opacity,
            attention=attention,
        )
        for upload, band in ((infrared, "infrared"), (visible, "visible")):
            check = partial(check_picture, upload.file, band, max_pixels=service.settings.max_pixels)
            await run_in_threadpool(check)

        def work() -> Answer:
            return answer(service.models, _whole(infrared), _whole(visible), wish)

        done = await service.worker.run(request, work, timeout=service.settings.timeout)
        headers = {
            "x-segmif-report": json.dumps(done.summary),  # ASCII by default, as headers must be
            "content-disposition": f'inline; filename="{done.filename.encode("ascii", "replace").decode()}"',
        }
        return Response(done.body, media_type=done.media_type, headers=headers)

    return router


def _whole(upload: UploadFile) -> Upload:
    """Read in the thread that computes, so that those who wait lie on the disk and not in memory."""
    return Upload(data=upload.file.read(), name=upload.filename or "")


def long_work(service: Service) -> APIRouter:
    router = APIRouter(tags=["archives and videos"], responses=_REFUSALS)
    settings = service.settings
    models, worker = service.models, service.worker

    async def start(kind: str, uploads: list[UploadFile], work: Callable[[Job, list[Path]], Path]) -> dict[str, Any]:
        job = await run_in_threadpool(service.jobs.prepare, kind)
        try:
            paths = [await run_in_threadpool(_keep, upload, job.folder, i) for i, upload in enumerate(uploads)]
        except BaseException:
            service.jobs.drop(job)
            raise
        service.jobs.start(job, lambda job: work(job, paths))
        return job.describe()

    @router.post("/batch", status_code=202)
    async def batch(
        pairs: Annotated[
            UploadFile, File(description="A zip with folders infrared/ and visible/, same names in both.")
        ],
        model: ModelName = None,
        guide: GuideName = None,
        align: Align = False,
        opacity: Opacity = 0.45,
    ) -> dict[str, Any]:
        """Fuse every pair of a zip; returns a job."""
        wish = Wish(model=models.check(model), guide=guide, align=align, opacity=opacity, attention=False)

        def work(job: Job, paths: list[Path]) -> Path:
            job.media_type = "application/zip"
            return fuse_archive(
                job,
                paths[0],
                wish,
                limits=settings.archive,
                max_pixels=settings.max_pixels,
                models=models,
                worker=worker,
            )

        return await start("batch", [pairs], work)

    @router.post("/video", status_code=202)
    async def video(
        infrared: Video,
        visible: Video,
        output: Annotated[VideoOutput, Query(description="What the frames show.")] = "fused",
        model: ModelName = None,
        guide: GuideName = None,
        align: Align = False,
    ) -> dict[str, Any]:
        """Fuse two short videos, paired by time; returns a job, whose result is an MP4."""
        wish = Wish(output=output, model=models.check(model), guide=guide, align=align)

        def work(job: Job, paths: list[Path]) -> Path:
            job.media_type = "video/mp4"
            return fuse_video(job, paths[0], paths[1], wish, limits=settings.video, models=models, worker=worker)

        return await start("video", [infrared, visible], work)

    @router.get("/jobs/{job_id}")
    async def job(job_id: JobId) -> dict[str, Any]:
        """How far a job is."""
        return service.jobs.get(job_id).describe()

    @router.get("/jobs/{job_id}/result", response_class=FileResponse)
    async def result(job_id: JobId) -> FileResponse:
        """What a job made; kept for half an hour."""
        job = service.jobs.get(job_id)
        if job.result is None:
            raise Refusal(409, f"the job is {job.state}: there is no result" + (" yet" if not job.finished else ""))
        name = "segmif" + job.result.suffix
        return FileResponse(job.result, media_type=job.media_type, filename=name, content_disposition_type="inline")

    @router.delete("/jobs/{job_id}")
    async def drop(job_id: JobId) -> dict[str, str]:
        """End a job, if it is not at its end, and forget it."""
        await run_in_threadpool(service.jobs.drop, service.jobs.get(job_id))
        return {"id": job_id, "state": "dropped"}

    return router


def _keep(upload: UploadFile, folder: Path, number: int) -> Path:
    """An upload as a file whose name is ours."""
    path = folder / f"upload-{number}.bin"
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file)
    return path


def facts(service: Service) -> APIRouter:
    router = APIRouter(tags=["about"])
    settings = service.settings

    @router.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the server is well, how many wait, and its limits."""
        return {
            "status": "ok",
            "version": __version__,
            "waiting": service.worker.waiting,
            "seconds_per_pair": round(service.worker.seconds, 3),
            "guides": list(GUIDE_KINDS),
            "limits": {
                "pair_bytes": settings.max_body,
                "archive_bytes": settings.max_archive,
                "pixels": settings.max_pixels,
                "archive_pairs": settings.archive.pairs,
                "video_frames": settings.video.frames,
                "video_pixels": settings.video.pixels,
                "queue": settings.queue,
                "timeout_seconds": settings.timeout,
            },
        }

    @router.get("/models")
    async def models() -> list[dict[str, Any]]:
        """The models to choose from: classes with colours, guide, origin and scores."""
        return service.models.describe()

    @router.get("/examples")
    async def examples() -> list[dict[str, str]]:
        """The embedded synthetic scenes."""
        return [
            {"name": name, **{band: f"/examples/{name}/{band}.png" for band in ("infrared", "visible")}}
            for name in EXAMPLES
        ]

    @router.get("/examples/{name}/{band}.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    async def example(
        name: Annotated[str, PathParameter(description="One of /examples.")],
        band: Annotated[Band, PathParameter(description="Of the picture.")],
    ) -> Response:
        """One picture of an embedded scene."""
        if name not in EXAMPLES:
            raise Refusal(404, f"no such example: choose from {', '.join(EXAMPLES)}")
        pictures = await run_in_threadpool(_example, name)
        return Response(pictures[band], media_type="image/png", headers={"cache-control": "max-age=3600"})

    return router


@lru_cache(maxsize=len(EXAMPLES))
def _example(name: str) -> dict[str, bytes]:
    scene = example_scene(name)
    assert scene.infrared is not None
    return {"infrared": io.encode_image(scene.infrared), "visible": io.encode_image(scene.visible)}
