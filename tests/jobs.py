"""The commands that write much, on inputs so small that each takes about a second; for tests of what can go wrong.

`make_world` makes the inputs. A command runs in a folder of its own, writes to ``out`` there, and names its inputs
relative to it, so that what it writes does not depend on where it runs.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

PROGRESS = re.compile(r"[\w, ]+: \d+(/\d+| done), .*|segmif: \d+ pairs \| .*")
"""Lines on stderr of commands that take long, as on a busy machine."""

PAIRS, FRAMES = 6, 10
TRAIN = (
    *("train", "smoke", "-o", "out", "--data.root", "../world", "--data.cache", "cache", "--checkpoint-every", "1"),
    *("--model.encoder.channels", "8", "16", "16", "16", "--model.encoder.depths", "1", "1", "1", "1"),
    *("--model.encoder.heads", "1", "1", "1", "1", "--model.head-channels", "16", "--pictures", "1", "--rounds", "1"),
    *("--first-fusion.steps", "2", "--segmentation.steps", "2", "--joint.steps", "2", "--log-every", "1"),
)
FUSE = ("fuse", "--model", "../world/network", "--guide", "average", "--device", "cpu")
RECORD = ("rig", "record", "--clock", "stamps", "--sync", "0", "--keep-free", "0", "--tolerance-ms", "30")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command.

    Attributes:
        arguments: of `segmif`.
        again: what is added to go on after it was killed; nothing where a second run goes on by itself.
        outcome: everything that an interrupted and an undisturbed run must have in common, by name.
    """

    name: str
    arguments: tuple[str, ...]
    again: tuple[str, ...] = ()
    outcome: Callable[[Path], Mapping[str, Any]]


# --------------------------------------------------------------------------------------------------------- inputs


def make_world(folder: Path) -> None:
    """Synthetic scenes, a folder of pairs, two short videos and a tiny network."""
    import torch

    from segmif.data.synthetic import write_dataset
    from segmif.io import write_image
    from segmif.video import VideoWriter
    from tests.tiny import tiny_network

    torch.set_num_threads(1)
    write_dataset(folder / "synthetic", 5, seed=8, size=(64, 96))
    tiny_network().save_pretrained(folder / "network")
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 120, 3), np.uint8)
    for number in range(PAIRS):
        write_image(folder / "pairs" / "Infrared" / f"{number}.png", noise[0, :48, number : number + 64, 0])
        write_image(folder / "pairs" / "Visible" / f"{number}.png", noise[1, :48, number : number + 64])
    noise[0] = noise[0, ..., :1]  # colours would make it a thermal picture in false ones
    for name, picture in zip(("infrared", "visible"), noise, strict=True):
        with VideoWriter(folder / f"{name}.mp4", Fraction(10)) as video:
            for number in range(FRAMES):
                video.write(np.ascontiguousarray(picture[:48, 3 * number : 3 * number + 64]))


# ------------------------------------------------------------------------------------------------------- outcomes


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder: none is missing, none is left over, all have the same bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _trained(folder: Path) -> Mapping[str, Any]:
    """All files but for the seconds that steps and validations took; TensorBoard's hold the time of day."""
    found: dict[str, Any] = {n: data for n, data in files(folder).items() if not n.startswith("tensorboard/")}
    found["losses.csv"] = [{**row, "seconds": ""} for row in _rows(found["losses.csv"])]
    found["scores.csv"] = [row for row in _rows(found["scores.csv"]) if row["name"] != "seconds"]
    return {**found, "curves": _curves(folder / "tensorboard")}


def _rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(data.decode().splitlines()))


def _curves(folder: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard shows: the last value of every curve at every step, time spent aside."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    found = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars" and not value.tag.endswith("/seconds"):
                    found[value.tag, event.step] = make_ndarray(value.tensor).item()
    return found


def _benchmarked(folder: Path) -> Mapping[str, Any]:
    """All files but for the time of day; the store of scores as a table, since a killed run may leave half a line."""
    found: dict[str, Any] = files(folder)
    made = json.loads(found["report.json"])["made"].encode()
    for name in ("report.json", "report.html"):
        assert made in found[name]
        found[name] = found[name].replace(made, b"")
    scores = {}
    for line in found.pop("cache/scores.jsonl").split(b"\n"):
        try:
            key, value = json.loads(line)
            scores[key] = value
        except ValueError:
            continue
    return {**found, "scores": scores}


def _recorded(folder: Path) -> Mapping[str, Any]:
    """All files but for recording.json, the story of the runs."""
    found = files(folder)
    del found["recording.json"]
    return found


# ----------------------------------------------------------------------------------------------------------- jobs

JOBS = (
    Job(
        name="fuse, folder",
        arguments=(*FUSE, "../world/pairs/Infrared", "../world/pairs/Visible", "-o", "out", "--overlay"),
        again=("--resume",),
        outcome=files,
    ),
    Job(
        name="fuse, video",
        arguments=(*FUSE, "../world/infrared.mp4", "../world/visible.mp4", "-o", "out"),
        again=("--resume",),
        outcome=files,
    ),
    Job(name="train", arguments=TRAIN, again=("--resume",), outcome=_trained),
    Job(
        name="data targets",
        arguments=("data", "targets", "../world/pairs", "-o", "out", "-j", "1"),
        outcome=files,
    ),
    Job(
        name="data targets, two processes",
        arguments=("data", "targets", "../world/pairs", "-o", "out", "-j", "2"),
        outcome=files,
    ),
    Job(
        name="benchmark",
        arguments=(
            *("benchmark", "--datasets", "folder=../world/pairs", "--methods", "average,tiny=../world/network"),
            *("--metrics", "EN,SD,SSIM", "--workers", "1", "--device", "cpu", "-o", "out"),
        ),
        outcome=_benchmarked,
    ),
    Job(
        name="rig record",
        arguments=(*RECORD, "--infrared", "../world/infrared.mp4", "--visible", "../world/visible.mp4", "-o", "out"),
        again=("--resume",),
        outcome=_recorded,
    ),
)


def plain(text: str) -> str:
    """A command's name as part of a file name."""
    return re.sub(r"\W+", "-", text)
