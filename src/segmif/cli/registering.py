"""The work behind `segmif rig register`: from a request to files."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from segmif import io
from segmif.checks import InputError, unknown
from segmif.cli.progress import Progress, progress
from segmif.pairing import Pair, Pairing, pair_by_stem
from segmif.rig.homography import PARAMETERS, Matrix, Model, as_homography, median_homography
from segmif.rig.pictures import KINDS, Kind, before_after
from segmif.rig.register import Registration, assess, register, warp_infrared

VERSION = 1
"""Of the layout of registration.json."""
RESULT = "registration.json"
_SAVE_EVERY = 30.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for."""

    infrared: Path
    visible: Path
    out: Path
    model: str
    homography: Path | None
    fixed: bool
    preview: str
    recursive: bool
    resume: bool


@dataclass
class Run:
    """What has happened so far, by the name of the pair."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: int = 0

    def fail(self, name: str, why: str, bar: Progress) -> None:
        """Say that a pair is left out."""
        self.failed.append((name, why))
        bar.say(f"segmif: left out {name}: {why}")


def run(request: Request) -> int:
    """Register what was asked for; the exit code."""
    _check(request)
    pairing = _pairs(request)
    start = read_homography(request.homography) if request.homography else None
    io.make_output_folder(request.out)
    done = Run(entries=_finished_before(request) if request.resume else {})
    began = saved = time.monotonic()
    try:
        with progress("registering", len(pairing.pairs)) as bar:
            if pairing.only_infrared or pairing.only_visible:
                bar.say(f"segmif: warning: {pairing.summary()}")
            for pair in pairing.pairs:
                _one(request, pair, start, done, bar)
                bar.advance()
                if time.monotonic() - saved > _SAVE_EVERY:
                    _save(request, done)
                    saved = time.monotonic()
    finally:  # after Ctrl-C too: what was finished is kept
        if done.entries:
            _save(request, done)
    return _close(request, done, time.monotonic() - began)


def _check(request: Request) -> None:
    if request.model not in PARAMETERS:
        raise unknown("model", request.model, PARAMETERS)
    if request.preview not in (*KINDS, "none"):
        raise unknown("preview", request.preview, (*KINDS, "none"))
    if request.fixed and request.homography is None:
        raise InputError("--fixed needs --homography FILE: the registration.json of an earlier run")


def _pairs(request: Request) -> Pairing:
    for path in (request.infrared, request.visible):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path")
    if request.infrared.is_dir() != request.visible.is_dir():
        raise InputError(
            f"one of {request.infrared} and {request.visible} is a folder, the other a file: give two alike"
        )
    if request.infrared.resolve() == request.visible.resolve():
        raise InputError(f"infrared and visible are the same ({request.infrared}): give one of each band")
    if (request.out / "infrared").resolve() in (request.infrared.resolve(), request.infrared.resolve().parent):
        raise InputError(f"{request.out}: the results would replace the infrared pictures; choose another folder")
    if request.infrared.is_dir():
        return pair_by_stem(request.infrared, request.visible, recursive=request.recursive)
    pair = Pair(name=request.visible.stem, infrared=request.infrared, visible=request.visible)
    return Pairing(pairs=[pair])


def read_homography(path: Path) -> Matrix:
    """The homography in a JSON file: of a rig in a registration.json, or ``{"homography": [[…], […], […]]}``.

    Raises:
        InputError: no such thing in it.
    """
    try:
        content = json.loads(io.read_bytes(path))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); give the registration.json of an earlier run") from error
    holder = content.get("rig", content) if isinstance(content, dict) else None
    if not isinstance(holder, dict) or "homography" not in holder:
        raise InputError(f"{path}: holds no homography; give the registration.json of a run that accepted pairs")
    try:
        return as_homography(holder["homography"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _finished_before(request: Request) -> dict[str, dict[str, Any]]:
    path = request.out / RESULT
    if not path.is_file():
        return {}
    try:
        content = json.loads(io.read_bytes(path))
        if content["version"] != VERSION:
            raise InputError(f"{path}: is of version {content['version']}, this program writes {VERSION}")
        return {entry["name"]: entry for entry in content["pairs"]}
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not from this program; leave out --resume to replace it") from error


def _one(request: Request, pair: Pair, start: Matrix | None, done: Run, bar: Progress) -> None:
    before = done.entries.get(pair.name)
    if before and before["file"] and (request.out / before["file"]).is_file():
        done.skipped += 1
        return
    began = time.monotonic()
    try:
        infrared, visible = io.read_image(pair.infrared), io.read_image(pair.visible)
        registration = _registration(request, infrared, visible, start)
    except InputError as error:
        done.fail(pair.name, str(error), bar)
        return
    size = (visible.shape[0], visible.shape[1])
    place = None
    if registration.accepted:
        place = _write_infrared(request.out, pair.name, warp_infrared(infrared, registration, size, outside="black"))
    else:
        done.fail(pair.name, registration.reason, bar)
    if request.preview != "none":
        picture = before_after(infrared, visible, registration, cast("Kind", request.preview))
        io.write_image(request.out / "preview" / f"{pair.name}.png", picture)
    done.entries[pair.name] = {
        "name": pair.name,
        "file": place,
        "size": list(size),
        "infrared_size": list(infrared.shape[:2]),
        **registration.as_dict(),
        "seconds": round(time.monotonic() - began, 3),
    }


def _registration(request: Request, infrared: io.Array, visible: io.Array, start: Matrix | None) -> Registration:
    if request.fixed:
        assert start is not None
        given = assess(infrared, visible, start)
        return replace(given, accepted=True, reason=f"the homography was given; quality {given.quality:.2f}")
    return register(infrared, visible, initial=start, model=cast("Model", request.model))


def _write_infrared(out: Path, name: str, picture: io.Array) -> str:
    """The file's path below `out`."""
    if picture.dtype.kind != "f":
        place = f"infrared/{name}.png"
        io.write_image(out / place, picture)
        return place
    from PIL import Image

    place = f"infrared/{name}.tif"
    with io.atomic_path(out / place) as temporary:
        Image.fromarray(picture.astype(np.float32)).save(temporary, "TIFF")
    return place


def _save(request: Request, done: Run) -> None:
    entries = list(done.entries.values())
    good = [entry for entry in entries if entry["accepted"]]
    result: dict[str, Any] = {
        "version": VERSION,
        "infrared": str(request.infrared),
        "visible": str(request.visible),
        "model": request.model,
        "coordinates": "homographies map infrared pixels (x, y) to visible pixels; (0, 0) is the first pixel's centre",
        "accepted": len(good),
        "refused": len(entries) - len(good),
    }
    if good and all(entry["infrared_size"] == good[0]["infrared_size"] for entry in good):
        common, spread = median_homography([np.array(e["homography"]) for e in good], tuple(good[0]["infrared_size"]))
        result["rig"] = {"homography": common.tolist(), "spread_px": round(spread, 2), "pairs": len(good)}
    io.write_json(request.out / RESULT, {**result, "pairs": entries})


def _close(request: Request, done: Run, seconds: float) -> int:
    good = [entry for entry in done.entries.values() if entry["accepted"]]
    if done.failed and not good:
        name, why = done.failed[0]
        raise InputError(f"none of the {len(done.failed)} pairs could be registered; the first is {name}: {why}")
    failed = f", {len(done.failed)} left out" if done.failed else ""
    skipped = f", {done.skipped} finished before" if done.skipped else ""
    print(f"{len(good) - done.skipped} registered in {seconds:.1f} s{skipped}{failed}: {request.out}")
    return 1 if done.failed else 0
