"""The work behind `segmif rig register`: from a request to files."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from segmif import io
from segmif.checks import InputError, unknown
from segmif.cli.progress import Progress, progress
from segmif.pairing import Pair, Pairing, pair_by_stem
from segmif.rig.calibration import Calibration
from segmif.rig.geometry import infrared_to_visible, parallax
from segmif.rig.homography import PARAMETERS, Matrix, Model, as_homography, corner_error, median_homography
from segmif.rig.pictures import KINDS, Kind, before_after
from segmif.rig.register import Registration, assess, register, warp_infrared

VERSION = 1
"""Of the layout of registration.json."""
RESULT = "registration.json"
_SAVE_EVERY = 30.0
_DEPTHS = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0, 100.0)
"""Metres at which parallax is told."""
_DOUBT = 0.01
"""Share of the picture's width by which the pictures may contradict a calibration."""
_COORDINATES = (
    "homographies map infrared pixels (x, y) to visible pixels; (0, 0) is the first pixel's centre",
    "homographies correct, in visible pixels (x, y), where the calibration lays the infrared picture",
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for."""

    infrared: Path
    visible: Path
    out: Path
    model: str
    homography: Path | None
    calibration: Path | None
    distance: float | None
    rig: str | None
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
    start = _start(request)
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
    if isinstance(start, Laid):
        _tell(start, done)
    return _close(request, done, time.monotonic() - began)


@dataclass(frozen=True)
class Laid:
    """Infrared pictures are laid on the visible grid by a calibration, for one distance in metres."""

    calibration: Calibration
    distance: float

    def __call__(self, infrared: io.Array, correction: Matrix | None = None) -> io.Array:
        """An infrared picture on the visible grid."""
        return infrared_to_visible(
            infrared, self.calibration, self.distance, correction=correction, outside="black"
        )  # fmt: skip


Start = Matrix | Laid | None


def _start(request: Request) -> Start:
    if request.calibration is None:
        return read_homography(request.homography) if request.homography else None
    assert request.distance is not None
    return Laid(Calibration.load(request.calibration, rig=request.rig), request.distance)


def _tell(laid: Laid, done: Run) -> None:
    """What the calibration leaves, and whether the pictures contradict it."""
    left = parallax(laid.calibration, laid.distance, _DEPTHS)
    told = ", ".join(f"{z:g} m {pixels:.1f} px" for z, pixels in zip(_DEPTHS, left, strict=True))
    print(f"parallax of things at other distances than {laid.distance:g} m: {told}")
    good = [entry for entry in done.entries.values() if entry["accepted"]]
    if not good:
        return
    size = tuple(good[0]["size"])
    common, _ = median_homography([np.array(entry["homography"]) for entry in good], size)
    off = corner_error(common, np.eye(3), size)
    if off > _DOUBT * size[1] or all(entry["quality"] < 0.5 for entry in good):
        seen = f"the pictures lie {off:.0f} px off it" if off > _DOUBT * size[1] else "no pair agrees with it"
        print(
            f"segmif: warning: the calibration of rig {laid.calibration.rig!r} does not fit, {seen}: the cameras have "
            "moved, it is of another rig, or things are not at --distance",
            file=sys.stderr,
        )


def _check(request: Request) -> None:
    if request.model not in PARAMETERS:
        raise unknown("model", request.model, PARAMETERS)
    if request.preview not in (*KINDS, "none"):
        raise unknown("preview", request.preview, (*KINDS, "none"))
    if request.fixed and request.homography is None and request.calibration is None:
        raise InputError(
            "--fixed needs --homography FILE, the registration.json of an earlier run, or --calibration FILE"
        )
    if request.calibration is not None and request.homography is not None:
        raise InputError("--calibration and --homography exclude one another: give one of them")
    if (request.calibration is None) != (request.distance is None):
        raise InputError("--calibration FILE and --distance METRES go together: give both or none")
    if request.distance is not None and not request.distance > 0:
        raise InputError(f"--distance is {request.distance:g}: give metres above 0, or inf for far scenes")
    if request.rig is not None and request.calibration is None:
        raise InputError("--rig is the name the --calibration must have: give both")


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


def _one(request: Request, pair: Pair, start: Start, done: Run, bar: Progress) -> None:
    before = done.entries.get(pair.name)
    if before and before["file"] and (request.out / before["file"]).is_file():
        done.skipped += 1
        return
    began = time.monotonic()
    try:
        infrared, visible = io.read_image(pair.infrared), io.read_image(pair.visible)
        size = (visible.shape[0], visible.shape[1])
        shown = infrared
        if isinstance(start, Laid):
            start.calibration.check_sizes((infrared.shape[0], infrared.shape[1]), size, where=pair.name)
            shown = start(infrared)
        registration = _registration(request, shown, visible, start)
    except InputError as error:
        done.fail(pair.name, str(error), bar)
        return
    place = None
    if registration.accepted:
        if isinstance(start, Laid):
            moved = start(infrared, registration.homography)
        else:
            moved = warp_infrared(infrared, registration, size, outside="black")
        place = _write_infrared(request.out, pair.name, moved)
    else:
        done.fail(pair.name, registration.reason, bar)
    if request.preview != "none":
        picture = before_after(shown, visible, registration, cast("Kind", request.preview))
        io.write_image(request.out / "preview" / f"{pair.name}.png", picture)
    done.entries[pair.name] = {
        "name": pair.name,
        "file": place,
        "size": list(size),
        "infrared_size": list(infrared.shape[:2]),
        **registration.as_dict(),
        "seconds": round(time.monotonic() - began, 3),
    }


def _registration(request: Request, infrared: io.Array, visible: io.Array, start: Start) -> Registration:
    laid = isinstance(start, Laid)
    initial = np.eye(3) if isinstance(start, Laid) else start
    if request.fixed:
        assert initial is not None
        given = assess(infrared, visible, initial)
        what = "calibration" if laid else "homography"
        return replace(given, accepted=True, reason=f"the {what} was given; quality {given.quality:.2f}")
    model = cast("Model", request.model)
    if laid:  # what a calibration leaves is small
        return register(infrared, visible, initial=initial, model=model, search=None)
    return register(infrared, visible, initial=initial, model=model)


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
        "coordinates": _COORDINATES[request.calibration is not None],
        "accepted": len(good),
        "refused": len(entries) - len(good),
    }
    if request.calibration is not None:
        result["calibration"] = {"file": str(request.calibration), "distance_m": f"{request.distance:g}"}
    elif good and all(entry["infrared_size"] == good[0]["infrared_size"] for entry in good):
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
