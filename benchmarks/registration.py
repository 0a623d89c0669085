"""How well registration does: ``python benchmarks/registration.py DATA [--pairs 30] [--seed 0]``.

DATA holds roadscene, msrs and cwfid, each with the folders infrared and visible (and msrs/boxes.json for people).

Protocol. The infrared picture of each pair is warped by a known homography M: shift up to 20 pixels in x and in y,
rotation up to 5 degrees, scale up to 5 %, about the centre, black outside; every second one also with each corner moved
by up to 3 pixels. Real pairs are not aligned themselves, so two errors are told, both mean distances of the corners:

- to itself: between register(warped) M and register(original), what registration is uncertain by;
- to the pair as published: between register(warped) M and the identity; its floor is the pair's own misalignment, which
  is the last row: between register(original) and the identity.

Numbers are over accepted pairs (both registrations). Pairs of different scenes must be refused. Pairs known to be
aligned must not move by more than a pixel: synthetic ones, infrared made from the visible picture (blurred, inverted,
noisy), pairs that registration itself has aligned. CWFID takes both bands through one lens: what is found there is the
lens' different magnification of near infrared, the same in all pairs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segmif.data.synthetic import synthetic_scene
from segmif.io import Array, read_image
from segmif.pairing import Pair, pair_by_stem
from segmif.rig.homography import Matrix, corner_error, corners, similarity
from segmif.rig.parallax import box_shift
from segmif.rig.register import Registration, register, warp_infrared

IDENTITY = np.eye(3)


def sample(root: Path, count: int, seed: int) -> list[Pair]:
    """`count` pairs of a data set, drawn by `seed`, in order."""
    pairs = pair_by_stem(root / "infrared", root / "visible").pairs
    chosen = np.random.default_rng(seed).choice(len(pairs), min(count, len(pairs)), replace=False)
    return [pairs[i] for i in sorted(chosen)]


def known_warp(size: tuple[int, int], rng: np.random.Generator, *, perspective: bool) -> Matrix:
    """The M of the protocol."""
    shift = tuple(rng.uniform(-20, 20, 2))
    matrix = similarity(size, degrees=rng.uniform(-5, 5), scale=rng.uniform(0.95, 1.05), shift=shift)
    if not perspective:
        return matrix
    moved = corners(size) + rng.uniform(-3, 3, (4, 2))
    return cv2.getPerspectiveTransform(corners(size).astype(np.float32), moved.astype(np.float32)) @ matrix


@dataclass(frozen=True)
class Trial:
    """One pair: registered as published and warped, and the three errors in pixels."""

    name: str
    perspective: bool
    original: Registration
    warped: Registration
    to_itself: float
    as_published: float
    own: float

    @property
    def accepted(self) -> bool:
        """Both times."""
        return self.original.accepted and self.warped.accepted


def trials(pairs: list[Pair], seed: int) -> Iterator[Trial]:
    """The protocol, pair by pair."""
    rng = np.random.default_rng(seed)
    for number, pair in enumerate(pairs):
        infrared, visible = read_image(pair.infrared), read_image(pair.visible)
        size = infrared.shape[:2]
        matrix = known_warp(size, rng, perspective=number % 2 == 1)
        original = register(infrared, visible)
        warped = register(warp_infrared(infrared, matrix, size, outside="black"), visible)
        undone = warped.homography @ matrix
        yield Trial(
            name=pair.name,
            perspective=number % 2 == 1,
            original=original,
            warped=warped,
            to_itself=corner_error(undone, original.homography, size),
            as_published=corner_error(undone, IDENTITY, size),
            own=corner_error(original.homography, IDENTITY, size),
        )


def table_of_warps(name: str, pairs: list[Pair], seed: int, limit: float) -> None:
    """Print one data set's rows."""
    done = list(trials(pairs, seed))
    kept = [trial for trial in done if trial.accepted]
    accepted = sum(trial.warped.accepted for trial in done)
    print(f"{name}: {len(done)} pairs, {accepted} accepted when warped, {len(kept)} both times")
    rows = {
        "to itself": [trial.to_itself for trial in kept if not trial.perspective],
        "with perspective": [trial.to_itself for trial in kept if trial.perspective],
        "as published": [trial.as_published for trial in kept],
        "own": [trial.own for trial in kept],
    }
    for title, errors in ((title, np.array(values)) for title, values in rows.items()):
        middle, most, worst = np.percentile(errors, [50, 90, 100])
        share = (errors < limit).mean()
        print(f"  {title:16s} median {middle:6.2f}  p90 {most:6.2f}  worst {worst:6.2f}  below {limit} px {share:.0%}")
    residual = np.concatenate([trial.original.parallax.pixels for trial in kept])
    middle, most = np.percentile(residual, [50, 95])
    print(f"  residual parallax of sure blocks: median {middle:.2f}, p95 {most:.2f} px")
    for trial in done:
        if not trial.accepted or trial.to_itself > limit:
            qualities = f"quality {trial.original.quality:.2f}, warped {trial.warped.quality:.2f}"
            word = "off" if trial.accepted else "refused"
            print(f"  {word} {trial.name}: {qualities}, {trial.to_itself:.1f} px to itself, own {trial.own:.1f}")


def different_scenes(name: str, pairs: list[Pair]) -> None:
    """Each infrared picture with the visible one of a scene far away in the list."""
    qualities = []
    for number, pair in enumerate(pairs):
        other = pairs[(number + len(pairs) // 2) % len(pairs)]
        infrared, visible = read_image(pair.infrared), read_image(other.visible)
        qualities.append(register(infrared, cv2.resize(visible, infrared.shape[1::-1])).quality)
    wrong = sum(quality >= 0.5 for quality in qualities)
    print(f"{name}, different scenes: {wrong} of {len(qualities)} accepted, highest quality {max(qualities):.2f}")


def aligned(name: str, scenes: Iterator[tuple[Array, Array]]) -> None:
    """Pairs that are aligned: how far registration moves them."""
    moved, total = [], 0
    for infrared, visible in scenes:
        total += 1
        result = register(infrared, visible)
        if result.accepted:
            moved.append(corner_error(result.homography, IDENTITY, infrared.shape[:2]))
    print(
        f"{name}, aligned: {len(moved)} of {total} accepted, moved by median {np.median(moved):.2f}, "
        f"worst {max(moved):.2f} px, {np.mean(np.array(moved) > 1):.0%} by more than 1 px"
    )


def synthetic(count: int) -> Iterator[tuple[Array, Array]]:
    """Rendered pairs."""
    for seed in range(count):
        scene = synthetic_scene(seed, size=(480, 640))
        yield scene.infrared, scene.visible


def same_lens(pairs: list[Pair]) -> Iterator[tuple[Array, Array]]:
    """CWFID."""
    for pair in pairs:
        yield read_image(pair.infrared), read_image(pair.visible)


def made_from_visible(pairs: list[Pair], seed: int) -> Iterator[tuple[Array, Array]]:
    """Blurred, inverted in the brighter half, and noisy: aligned by construction."""
    rng = np.random.default_rng(seed)
    for pair in pairs:
        visible = read_image(pair.visible)
        grey = cv2.GaussianBlur(visible if visible.ndim == 2 else visible.mean(axis=2), (0, 0), 1.5).astype(np.float32)
        heat = np.abs(grey - np.median(grey)) * 1.5 + rng.normal(0, 4, grey.shape)
        yield np.clip(heat, 0, 255).astype(np.uint8), visible


def registered_before(pairs: list[Pair]) -> Iterator[tuple[Array, Array]]:
    """Pairs that registration has aligned; its second opinion should be its first."""
    for pair in pairs:
        infrared, visible = read_image(pair.infrared), read_image(pair.visible)
        result = register(infrared, visible)
        if result.accepted:
            yield warp_infrared(infrared, result, visible.shape[:2], outside="black"), visible


def people(root: Path) -> None:
    """How far people in MSRS are apart, before and after."""
    boxes = json.loads((root / "boxes.json").read_text())
    persons = {c["id"] for c in boxes["categories"] if c["name"] == "person"}
    names = {i["id"]: Path(i["file_name"]).stem for i in boxes["images"]}
    before, after = [], []
    for key, stem in sorted(names.items()):
        infrared, visible = (read_image(next((root / band).glob(stem + ".*"))) for band in ("infrared", "visible"))
        result = register(infrared, visible)
        warped = warp_infrared(infrared, result, visible.shape[:2]) if result.accepted else infrared
        for note in boxes["annotations"]:
            if note["image_id"] == key and note["category_id"] in persons and not note.get("ignore", 0):
                shifts = [box_shift(picture, visible, note["bbox"]) for picture in (infrared, warped)]
                if all(shift is not None for shift in shifts):
                    before.append(shifts[0])
                    after.append(shifts[1])
    for title, shifts in (("as published", np.array(before)), ("registered", np.array(after))):
        length = np.linalg.norm(shifts, axis=1)
        print(
            f"MSRS people {title}: {len(length)} boxes, infrared off by median {np.median(length):.1f} px "
            f"(quartiles {np.percentile(length, 25):.1f}..{np.percentile(length, 75):.1f}), "
            f"mean right {shifts[:, 0].mean():+.1f}, down {shifts[:, 1].mean():+.1f}"
        )


def speed(pairs: list[Pair]) -> None:
    """Seconds for one registration on one thread."""
    pictures = [(read_image(pair.infrared), read_image(pair.visible)) for pair in pairs[:10]]
    cv2.setNumThreads(1)
    register(*pictures[0])
    wall, start, busy = [], time.perf_counter(), time.process_time()
    for infrared, visible in pictures:
        start = time.perf_counter()
        register(infrared, visible)
        wall.append(time.perf_counter() - start)
    busy = (time.process_time() - busy) / len(pictures)
    height, width = pictures[0][1].shape[:2]
    print(f"speed at {width}x{height}, one thread: median {np.median(wall):.3f} s, processor {busy:.3f} s per pair")


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sets = {name: sample(options.data / name, options.pairs, options.seed) for name in ("roadscene", "msrs", "cwfid")}
    for name, limit in (("roadscene", 1.5), ("msrs", 3.0)):
        table_of_warps(name, sets[name], options.seed, limit)
        different_scenes(name, sets[name])
        aligned(f"{name}, made from visible", made_from_visible(sets[name], options.seed))
        aligned(f"{name}, registered before", registered_before(sets[name][:10]))
    aligned("synthetic", synthetic(min(options.pairs, 20)))
    aligned("cwfid", same_lens(sets["cwfid"][:10]))
    people(options.data / "msrs")
    speed(sets["msrs"])


if __name__ == "__main__":
    main()
