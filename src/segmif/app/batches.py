"""The two kinds of long work: a zip of pairs to a zip of results, and two videos to one."""

from __future__ import annotations

import io as streams
import itertools
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from segmif.app.answers import Upload, Wish, account, encode, fuse
from segmif.app.archives import ArchiveLimits, ArchivePair, PairArchive
from segmif.app.jobs import Job
from segmif.app.models import Models
from segmif.app.uploads import VideoLimits, check_picture, check_video
from segmif.app.worker import Worker
from segmif.checks import InputError
from segmif.rig.register import align_pair
from segmif.streams import VideoPairs
from segmif.video import VideoFile, VideoWriter

OUTPUTS = ("fused", "labels", "overlay")


def fuse_archive(
    job: Job, archive: Path, wish: Wish, *, models: Models, worker: Worker, limits: ArchiveLimits, max_pixels: int
) -> Path:
    """Every pair of an archive: NAME_fused.png, NAME_labels.png and NAME_overlay.png, and report.json.

    A pair that cannot be fused is listed in the report; the others go on.

    Raises:
        Refusal: the archive itself is refused.
        InputError: not one pair could be fused.
    """
    source = PairArchive(archive, limits)
    job.total = len(source.pairs)
    if source.ignored:
        job.notes.append(f"{source.ignored} pictures have no partner and were left out")
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    result = job.folder / "results.zip"

    def one(pair: ArchivePair) -> tuple[dict[str, bytes], dict[str, Any]]:
        infrared = _member(source, pair, "infrared", max_pixels)
        visible = _member(source, pair, "visible", max_pixels)
        fused = fuse(models.get(wish.model), infrared, visible, wish)
        kinds = OUTPUTS if fused.result.labels is not None else OUTPUTS[:1]
        files = {f"{pair.name}_{kind}.png": encode(fused.result, kind, opacity=wish.opacity) for kind in kinds}
        told = account(fused.result)
        metrics = {metric["name"]: metric["value"] for metric in told["metrics"]}
        return files, {"name": pair.name, **fused.summary, "classes": told["classes"], "metrics": metrics}

    try:
        with zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as out:
            for pair in source.pairs:
                job.check()
                try:
                    files, entry = worker.submit(lambda pair=pair: one(pair)).result()  # type: ignore[misc]
                except (InputError, HTTPException) as error:
                    reason = error.detail if isinstance(error, HTTPException) else " ".join(str(error).split())
                    failed.append({"name": pair.name, "error": reason})
                else:
                    done.append(entry)
                    for name, data in files.items():
                        out.writestr(name, data)
                job.advance()
            report = {"pairs": done, "failed": failed, "notes": job.notes}
            out.writestr("report.json", json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    finally:
        source.close()
    if not done:
        raise InputError(f"none of the {len(failed)} pairs could be fused; {failed[0]['name']}: {failed[0]['error']}")
    if failed:
        job.notes.append(f"{len(failed)} pairs failed, see report.json; {failed[0]['name']}: {failed[0]['error']}")
    return result


def _member(source: PairArchive, pair: ArchivePair, band: str, max_pixels: int) -> Upload:
    member = pair.infrared if band == "infrared" else pair.visible
    data = source.read(member)
    check_picture(streams.BytesIO(data), band, max_pixels=max_pixels)
    return Upload(data=data, name=member.filename)


def fuse_video(
    job: Job, infrared: Path, visible: Path, wish: Wish, *, models: Models, worker: Worker, limits: VideoLimits
) -> Path:
    """Two videos, paired by time, to one MP4 of the wished output.

    Raises:
        Refusal: a file is no video, or its frames are too large.
        InputError: they cannot be decoded.
    """
    check_video(infrared, "infrared", limits)
    check_video(visible, "visible", limits)
    pairs = VideoPairs(VideoFile(infrared), VideoFile(visible))
    assert pairs.rate is not None, "videos have a rate"
    job.total = min(pairs.length or limits.frames, limits.frames)
    result = job.folder / "result.mp4"

    def one(read: Callable[[], tuple[Any, Any]], name: str) -> Any:
        thermal, colour = read()
        if wish.align:
            thermal, colour = align_pair(thermal, colour, on_refusal=lambda note: _note(job, note))
        fused = models.get(wish.model).predict(thermal, colour, guide=wish.guide, name=name)
        for note in fused.notes:
            _note(job, note)
        return fused.picture(wish.output, legend="all")

    frames = iter(pairs)
    with VideoWriter(result, pairs.rate) as writer:
        for pair in itertools.islice(frames, limits.frames):
            picture = worker.submit(lambda pair=pair: one(pair.read, pair.name)).result()  # type: ignore[misc]
            writer.write(picture, pair.seconds)
            job.advance()
        if job.done == limits.frames and next(frames, None) is not None:
            job.notes.append(f"the videos are longer than the limit of {limits.frames} frames: the rest is left out")
    for note in pairs.notes:
        _note(job, note.replace(f"{job.folder}/", ""))
    job.total = job.done
    return result


def _note(job: Job, note: str) -> None:
    if note not in job.notes and len(job.notes) < 20:
        job.notes.append(note)
