"""A byte-level fuzzer: valid files of every kind we read, damaged by a seeded random choice of edits.

A case passes when the reader returns, or raises `InputError` with one line, within `SECONDS` of its own computing time,
and writes, renames and removes nothing, starts no program and opens no connection.
"""

from __future__ import annotations

import io
import json
import random
import re
import struct
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from segmif.bench.detector import read_predictions
from segmif.checks import InputError
from segmif.cli.registering import read_homography
from segmif.data import annotations
from segmif.data.labels import read_label_file
from segmif.data.serial import sample_from_parts
from segmif.io import encode_image, is_whole_image, read_image
from segmif.labelsets import FMB
from segmif.models import SegMiFConfig, store
from segmif.rig.annotation.document import Annotations, Document, Shape
from segmif.rig.annotation.formats import FORMATS, read_annotations
from segmif.rig.annotation.holes import bridge_holes
from segmif.rig.calibration import Calibration, Camera
from segmif.rig.record.manifest import read_manifest
from segmif.train.checkpoint import load_checkpoint
from segmif.train.config import from_dict, to_dict
from segmif.train.recipes import smoke

SECONDS = 5.0
"""Computing time of one case above which it counts as a hang; the files are tiny."""

Reader = Callable[[Path], object]
_NUMBERS = (b"-1", b"0", b"1e999", b"NaN", b"99999999999999999999", b"65536", b"0.5", b"2147483648")
_TOKENS = (
    *_NUMBERS,
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"../../x"',
    b'"\\u0000"',
    b"[[[[",
    b"<a>",
    b"&x;",
    b"\xff",
)
_WRITING = re.compile(r"[wax+]")
_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
_REACHES = ("socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "shutil.rmtree")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One kind of file: valid ones by name, one of which is damaged, and what reads the folder or that file."""

    name: str
    files: Mapping[str, bytes]
    read: Reader
    folder: bool = False


# ---------------------------------------------------------------------------------------------------------- damage


def damage(data: bytes, rng: random.Random) -> bytes:
    """One to three edits."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(_EDITS)(data, rng)
    return data


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _header(data: bytes, rng: random.Random) -> bytes:
    """Bytes near the beginning become extreme ones."""
    start = rng.randrange(max(1, min(64, len(data))))
    value = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
    return data[:start] + value + data[start + len(value) :]


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _cut(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randint(1, 32) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start : start + rng.randint(1, 64)] * rng.randint(2, 50) + data[start:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.choice((rng.randbytes(rng.randint(1, 16)), rng.choice(_TOKENS))) + data[start:]


def _value(data: bytes, rng: random.Random) -> bytes:
    """A number or a text between quotes becomes something else: what a hand that edits JSON or XML does."""
    spots = list(re.finditer(rb'-?\d+(\.\d+)?|"[^"\n]{0,60}"|true|false|null', data[:200_000]))
    if not spots:
        return _flip(data, rng)
    spot = rng.choice(spots)
    return data[: spot.start()] + rng.choice(_TOKENS) + data[spot.end() :]


def _chunk(data: bytes, rng: random.Random) -> bytes:
    """A byte of a PNG chunk, its checksum made right again, so that the decoder itself meets it."""
    if data[:4] != b"\x89PNG":
        return _header(data, rng)
    spots, position = [], 8
    while position + 12 <= len(data):
        length = struct.unpack(">I", data[position : position + 4])[0]
        if length and position + 12 + length <= len(data):
            spots.append((position, length))
        position += 12 + length
    if not spots:
        return _flip(data, rng)
    position, length = rng.choice(spots)
    body = bytearray(data[position + 4 : position + 8 + length])
    body[rng.randrange(4, len(body))] = rng.randrange(256)
    end = position + 8 + length
    return data[: position + 4] + bytes(body) + struct.pack(">I", zlib.crc32(body)) + data[end + 4 :]


_EDITS = (_flip, _header, _truncate, _cut, _repeat, _insert, _value, _chunk)


# --------------------------------------------------------------------------------------------------------- targets


def targets() -> list[Target]:
    """Every kind of file."""
    return [*_pictures(), *_labels(), *_settings(), *_weights(), *_rig(), *_annotations(), *_boxes()]


def _scene(dtype: type = np.uint8, channels: int = 3) -> Any:
    top = np.iinfo(dtype).max
    values = np.random.default_rng(0).integers(0, top, (24, 32, 3), dtype)
    return values if channels == 3 else values[..., 0]


def _pillow(image: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def _read_picture(path: Path) -> object:
    is_whole_image(path)
    return read_image(path)


def _pictures() -> Iterator[Target]:
    files = {
        "png": encode_image(_scene(), ".png"),
        "png-16": encode_image(_scene(np.uint16, 1), ".png"),
        "jpeg": _pillow(
            _scene(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
        ),
        "tiff": _pillow(_scene(), "TIFF", compression="tiff_lzw"),
        "tiff-16": encode_image(_scene(np.uint16), ".tiff"),
        "webp": _pillow(_scene(), "WEBP", lossless=True),
        "bmp": _pillow(_scene(), "BMP"),
    }
    for name, data in files.items():
        yield Target(name=f"picture {name}", files={f"a.{name.split('-')[0]}": data}, read=_read_picture)


def _labels() -> Iterator[Target]:
    ids = np.random.default_rng(1).integers(0, 15, (24, 32), np.uint8)
    palette = Image.fromarray(ids).convert("P")
    palette.putpalette(FMB.colours().ravel().tolist())
    buffer = io.BytesIO()
    palette.save(buffer, "PNG")
    painted = encode_image(FMB.colours()[ids], ".png")
    for name, data in {"grey": encode_image(ids), "palette": buffer.getvalue(), "painted": painted}.items():
        yield Target(name=f"label {name}", files={"a.png": data}, read=lambda path: read_label_file(path, FMB))


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _settings() -> Iterator[Target]:
    recipe = _json(to_dict(smoke()))
    yield Target(
        name="recipe.json", files={"recipe.json": recipe}, read=lambda path: from_dict(store.read_config(path))
    )
    config = SegMiFConfig.preset("mit_b0", label_set="fmb").to_dict()
    yield Target(
        name="config.json",
        files={"config.json": _json(config)},
        read=lambda path: SegMiFConfig.from_dict(store.read_config(path)),
    )


def _weights() -> Iterator[Target]:
    import safetensors.torch

    state = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3, dtype=torch.bfloat16)}

    def read(path: Path) -> object:
        found = store.read_state(path)
        store.check_state(state, found, where=str(path))
        return found

    yield Target(name="safetensors", files={"model.safetensors": safetensors.torch.save(state)}, read=read)
    for name, legacy in (("checkpoint .pth", False), ("checkpoint .pth, old kind", True)):
        buffer = io.BytesIO()
        torch.save({"state_dict": state}, buffer, _use_new_zipfile_serialization=not legacy)
        yield Target(name=name, files={"model.pth": buffer.getvalue()}, read=read)
    buffer = io.BytesIO()
    torch.save({"model": state, "recipe": {"a": 1}, "step": 5}, buffer)
    yield Target(
        name="training checkpoint",
        files={"checkpoint-00000005.pt": buffer.getvalue()},
        read=load_checkpoint,
        folder=True,
    )


def _rig() -> Iterator[Target]:
    camera = Camera(
        size=(480, 640), focal=(500.0, 501.0), centre=(320.0, 240.0), distortion=(0.1, -0.2, 0.0, 0.0, 0.01)
    )
    calibration = Calibration(
        infrared=camera, visible=camera, rotation=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        translation=(0.1, 0.0, 0.0), uncertainty={"infrared.fx": 0.5}, quality={"stereo.rms_px": 0.2},
        board={"squares": [9, 6]},
    )  # fmt: skip
    yield Target(name="calibration", files={"calibration.json": _json(calibration.as_dict())}, read=Calibration.load)
    lines = [
        {"name": f"{i:06d}", "infrared": f"Infrared/{i:06d}.png", "visible": f"Visible/{i:06d}.png", "t": i * 0.1}
        for i in range(5)
    ]
    manifest = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    yield Target(name="manifest", files={"manifest.jsonl": manifest}, read=read_manifest)
    homography = {"rig": {"homography": [[1.0, 0.0, 3.0], [0.0, 1.0, -2.0], [0.0, 0.0, 1.0]]}}
    yield Target(name="registration", files={"registration.json": _json(homography)}, read=read_homography)


def _annotations() -> Iterator[Target]:
    shapes = (
        Shape(class_id=1, points=((0, 0), (20, 0), (20, 15), (0, 15))),
        Shape(
            class_id=9, points=((1, 1), (18, 2), (16, 14), (2, 13)), holes=(((5, 5), (9, 5), (8, 9)),), instance=1,
            attributes={"note": "x"},
        ),
    )  # fmt: skip
    drawn = bridge_holes(
        Annotations(
            label_set=FMB, documents=(Document(image="a.png", width=24, height=17, shapes=shapes, author="me"),)
        )
    )
    for name, form in FORMATS.items():
        files = form.encode(drawn)
        yield Target(name=f"annotation {name}", files=files, read=lambda p, n=name: read_annotations(p, n), folder=True)
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in FORMATS["coco"].encode(drawn).items():
            archive.writestr(file, data)
    brush = {"format": "rle", "rle": [0, 0, 0, 24, 57, 27, 252, 96, 19, 255, 206, 1, 31, 248], "brushlabels": ["car"]}
    region = {"type": "brushlabels", "original_width": 3, "original_height": 2, "value": brush}
    task = _json([{"data": {"image": "a.png"}, "annotations": [{"result": [region]}]}])
    yield Target(name="annotation brush", files={"a.json": task}, read=lambda p: read_annotations(p, "labelstudio"))
    yield Target(name="annotation zip", files={"a.zip": buffer.getvalue()}, read=lambda p: read_annotations(p, "coco"))


_VOC = b"""<annotation><filename>a.png</filename><object><name>car</name><difficult>0</difficult>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>10</xmax><ymax>12</ymax></bndbox></object></annotation>"""


def _boxes() -> Iterator[Target]:
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 24}],
        "categories": [{"id": 3, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 8, 9], "iscrowd": 0}],
    }
    found = [{"image_id": "a", "category_id": "car", "bbox": [1, 2, 8, 9], "score": 0.5}]
    yolo = b"0 0.5 0.5 0.2 0.3\n0 0.1 0.2 0.1 0.1\n"
    yield Target(name="boxes VOC", files={"a.xml": _VOC}, read=annotations.read_voc)
    yield Target(name="boxes COCO", files={"a.json": _json(coco)}, read=annotations.read_coco)
    yield Target(
        name="boxes YOLO", files={"a.txt": yolo}, read=lambda p: annotations.read_yolo(p, {0: "car"}, (24, 32))
    )
    yield Target(name="found boxes", files={"a.json": _json(found)}, read=lambda p: read_predictions(p, FMB))
    boxes = _json({"xyxy": [[1.0, 2.0, 8.0, 9.0]], "class_ids": [9], "ignore": [False]})
    picture, grey = encode_image(_scene()), encode_image(_scene(channels=1))

    def shard(path: Path) -> object:
        parts = {"infrared.png": grey, "visible.png": picture, "meta.json": b'{"name": "a"}'}
        return sample_from_parts({**parts, "boxes.json": path.read_bytes()}, where="a.tar, a")

    yield Target(name="shard sample", files={"boxes.json": boxes}, read=shard)


# ------------------------------------------------------------------------------------------------------------ cases


class _Watch:
    """Sees, through Python's audit events, what a reader does to the world."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is None:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = bool(_WRITING.search(mode)) if isinstance(mode, str) else bool(flags & 3)
            if writes and "__pycache__" not in str(path):
                self.seen.append(f"open {path!r} {mode or flags}")
        elif event in (*_CHANGES, *_REACHES) and "__pycache__" not in str(arguments):
            self.seen.append(f"{event} {arguments!r:.100}")

    @contextmanager
    def __call__(self) -> Iterator[list[str]]:
        self.seen = seen = []
        try:
            yield seen
        finally:
            self.seen = None


watch = _Watch()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one case: `fault` says what must not happen, or is None."""

    target: str
    case: int
    refused: bool
    seconds: float
    fault: str | None = None


def run_case(target: Target, case: int, folder: Path) -> Outcome:
    """Damage one file of `target` by the seed `case` and read it in `folder`, which is empty before and after."""
    rng = random.Random(f"{target.name}/{case}")
    chosen = rng.choice(sorted(target.files))
    for name, data in target.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(data, rng) if name == chosen else data)
    before = _everything(folder)
    refused, fault = False, None
    began = time.process_time()
    with watch() as deeds:
        try:
            target.read(folder if target.folder else folder / chosen)
        except InputError as error:
            refused = True
            fault = f"a message of several lines: {error!r}" if "\n" in str(error) else None
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__}: {error!s:.120} ({Path(place.filename).name}:{place.lineno})"
    seconds = time.process_time() - began
    if seconds > SECONDS:
        fault = f"took {seconds:.1f} s"
    if deeds or _everything(folder) != before:
        fault = f"touched the world: {deeds or 'files in the folder'}"
    _empty(folder)
    return Outcome(target=target.name, case=case, refused=refused, seconds=seconds, fault=fault)


def _everything(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def _empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
