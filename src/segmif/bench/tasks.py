"""`segmif evaluate`: score one method's files on one task; what is wrong with one picture stays with it."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segmif.bench.detector import Detector, evaluate_detection
from segmif.bench.entries import Folder
from segmif.bench.machine import machine, versions
from segmif.bench.measure import Failure, measure_pairs
from segmif.bench.segment import Segmented, Truth, score_labels
from segmif.bench.sources import Pairs
from segmif.bench.tables import write_csv
from segmif.checks import InputError
from segmif.color import luma
from segmif.data.base import Boxes
from segmif.io import read_image, write_json, write_text
from segmif.labelsets import LabelSet
from segmif.metrics import DetectionProtocol, SaliencyScore, SegmentationProtocol, iou, paired_bootstrap
from segmif.metrics.detection import Detections
from segmif.metrics.fusion.pair import select
from segmif.pairing import list_images

FORMAT = "segmif-evaluation/1"
Rows = list[tuple[str, ...]]
_nothing: Callable[[], None] = lambda: None  # noqa: E731


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one evaluation found.

    Attributes:
        task: ``"fusion"``, ``"segmentation"``, ``"detection"`` or ``"saliency"``.
        settings: what was asked for.
        scores: over all images.
        images: name → scores of that image, plain values.
        failures: images that could not be scored.
        table: header and rows for people.
    """

    task: str
    settings: Mapping[str, Any]
    scores: Mapping[str, Any]
    images: Mapping[str, Mapping[str, Any]]
    failures: Sequence[Failure]
    table: tuple[tuple[str, ...], Rows]

    @property
    def document(self) -> dict[str, Any]:
        """Everything, for JSON; undefined values are null."""
        return {
            "format": FORMAT,
            "task": self.task,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "machine": machine(),
            "settings": dict(self.settings),
            "scores": plain(self.scores),
            "images": plain(self.images),
            "failures": [asdict(failure) for failure in self.failures],
        }

    def write(self, stem: Path) -> tuple[Path, Path]:
        """Write STEM.json and STEM.csv (one row per image).

        Raises:
            InputError: a file cannot be written.
        """
        json_path, csv_path = stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}.csv")
        columns = list(dict.fromkeys(key for values in self.images.values() for key in values))
        rows = [[name, *(plain(values.get(key)) for key in columns)] for name, values in self.images.items()]
        write_json(json_path, self.document)
        write_text(csv_path, write_csv([["image", *columns], *rows]))
        return json_path, csv_path


def plain(value: Any) -> Any:
    """The value with NaN and infinity as None, all the way down.

    >>> plain({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def evaluate_fusion(
    pairs: Pairs,
    fused: Folder,
    metrics: Sequence[str],
    *,
    convention: str | None = None,
    workers: int = 1,
    advance: Callable[[], None] = _nothing,
) -> Evaluation:
    """Fusion metrics of fused pictures on their pairs.

    Raises:
        InputError: an unknown metric or convention, or no picture at all could be measured.
    """
    infos = select(metrics, convention)
    measured = measure_pairs(pairs, [fused], metrics, convention=convention, workers=workers, advance=advance)
    images = measured.scores[fused.name]
    _check_any(len(images), measured.failures)
    rows: Rows = []
    scores = {}
    for info in infos:
        values = {name: image[info.name] for name, image in images.items()}
        ordered = sorted(values, key=lambda name: values[name], reverse=info.higher_is_better)
        mean = statistics.fmean(values.values())
        std = statistics.stdev(values.values()) if len(values) > 1 else float("nan")
        scores[info.name] = {"mean": mean, "std": std, "median": statistics.median(values.values())}
        ends = [f"{values[name]:.4f} ({name})" for name in (ordered[0], ordered[-1])]
        arrow = "↑" if info.higher_is_better else "↓"
        rows.append((f"{info.name} {arrow}", f"{mean:.4f}", f"{std:.4f}" if len(values) > 1 else "–", *ends))
    return Evaluation(
        task="fusion",
        settings={"metrics": list(metrics), "convention": convention, "pairs": len(pairs.samples)},
        scores=scores,
        images=images,
        failures=measured.failures,
        table=(("metric", "mean", "deviation", "best", "worst"), rows),
    )


def evaluate_segmentation(
    truths: Sequence[Truth],
    labels: Mapping[str, Path],
    protocol: SegmentationProtocol | LabelSet | str,
    *,
    classes: Sequence[str] | None = None,
    boundary_tolerance: float | None = None,
    against: Mapping[str, Path] | None = None,
    missing: Mapping[str, str] | None = None,
    advance: Callable[[], None] = _nothing,
) -> Evaluation:
    """Label maps by name against the truth.

    Args:
        truths: the truth.
        labels: name → file of class ids.
        protocol, classes, boundary_tolerance: see `SegmentationScore`.
        against: label maps of another method, compared by the paired bootstrap of mIoU on the images both have.
        missing: why a name has no label map, where that is known.
        advance: called once per picture and method.

    Raises:
        InputError: an unknown protocol or class, or nothing could be scored.
    """
    mine = Segmented.by(protocol, classes=classes, boundary_tolerance=boundary_tolerance)
    failures = score_labels(truths, labels, mine, dataset="", method="", missing=missing, advance=advance)
    _check_any(len(mine.images), failures)
    result, banded = mine.plain.compute(), mine.banded.compute()
    scores: dict[str, Any] = {**result, "mIoU_band_5px": banded["mIoU"]}
    rows: Rows = [(name, _number(scores[name]), "") for name in _SEGMENTATION if np.isfinite(scores[name])]
    rows += [(f"IoU {name}", _number(v), _number(result["recall"][name])) for name, v in result["IoU"].items()]
    if against is not None:
        other = Segmented.by(protocol, classes=classes)
        failures += score_labels(truths, against, other, dataset="", method="against", advance=advance)
        comparison = _compare(mine, other)
        scores["against"] = comparison
        interval = f"{comparison['low']:+.4f} … {comparison['high']:+.4f}"
        rows.append(("mIoU, difference to the other", f"{comparison['difference']:+.4f}", interval))
        rows.append(("p of no difference", f"{comparison['p_value']:.4f}", f"{comparison['images']} images"))
    per_image = {name: _image_scores(mine, i) for i, name in enumerate(mine.images)}
    return Evaluation(
        task="segmentation",
        settings={"protocol": result["protocol"], "classes": list(mine.plain.protocol.class_names)},
        scores=scores,
        images=per_image,
        failures=failures,
        table=((f"{result['protocol']}, {result['images']} images", "value", "recall or interval"), rows),
    )


_SEGMENTATION = (
    "mIoU", "mIoU_all", "mIoU_present", "mIoU_without_background", "mIoU_band_5px", "accuracy", "mean_accuracy",
    "boundary_F",
)  # fmt: skip


def _image_scores(segmented: Segmented, index: int) -> dict[str, float]:
    matrix = segmented.plain.per_image[index]
    rules = segmented.plain.protocol
    ious = iou(matrix)
    named = {f"IoU {name}": float(ious[i]) for name, i in zip(rules.class_names, rules.evaluated, strict=True)}
    return {"mIoU": float(segmented.plain.mean_iou(matrix)), **named}


def _compare(mine: Segmented, other: Segmented) -> dict[str, Any]:
    """The paired bootstrap of mIoU over the images both have."""
    first, second = (dict(zip(s.images, s.plain.per_image, strict=True)) for s in (mine, other))
    both = [name for name in first if name in second]
    if len(both) < 2:
        raise InputError(f"both methods have {len(both)} images in common: a comparison needs at least 2")
    one, two = (np.stack([part[name] for name in both]) for part in (first, second))
    return asdict(paired_bootstrap(one, two, mine.plain.mean_iou))


def evaluate_boxes(
    found: Mapping[str, Detections],
    truth: Mapping[str, Boxes],
    protocol: DetectionProtocol | LabelSet | str,
    *,
    failures: Sequence[Failure] = (),
) -> Evaluation:
    """Found against true boxes, by picture; errors as `evaluate_detection`. `failures` are those met before."""
    result = evaluate_detection(found, truth, protocol)
    means = {"mAP50": result["mAP50"], "mAP50:95": result["mAP50_95"], "recall": result["recall"]}
    rows: Rows = [(name, _number(value), "") for name, value in means.items()]
    rows += [(f"AP50 {name}", _number(v), _number(result["AP50_95"][name])) for name, v in result["AP50"].items()]
    images = {
        name: {"true_boxes": int((~boxes.ignore).sum()), "found_boxes": len(found[name]) if name in found else 0}
        for name, boxes in truth.items()
    }
    return Evaluation(
        task="detection",
        settings={"protocol": result["protocol"]},
        scores=dict(result),
        images=images,
        failures=failures,
        table=((f"{result['protocol']}, {result['images']} images", "value", "AP50:95"), rows),
    )


def detect_in_folder(
    detector: Detector, folder: Path, *, advance: Callable[[], None] = _nothing
) -> tuple[dict[str, Detections], list[Failure]]:
    """Boxes found in the pictures of a folder, by stem (``_fused`` left out), and the pictures that failed."""
    found: dict[str, Detections] = {}
    failures = []
    for name, path in fused_pictures(folder).items():
        try:
            picture = read_image(path)
            if picture.dtype != np.uint8:
                raise InputError(f"{path}: is {picture.dtype}; detectors take 8-bit pictures, save it as PNG of 8 bits")
            found[name] = detector(picture)
        except InputError as error:
            failures.append(Failure(dataset="", method="detector", image=name, error=str(error)))
        advance()
    return found, failures


def fused_pictures(folder: Path) -> dict[str, Path]:
    """The fused pictures of a folder by the name of their pair; what `segmif fuse` writes beside them is left out."""
    found = list_images(folder, recursive=True)
    others = ("_labels", "_overlay", "_panel")
    pictures = {name.removesuffix("_fused"): path for name, path in found.items() if not name.endswith(others)}
    if not pictures:
        raise InputError(f"{folder}: holds no picture; give the folder of the fused pictures")
    return pictures


def label_maps(folder: Path) -> dict[str, Path]:
    """Label maps of a folder by the name of their pair: NAME_labels.png where there are such, else NAME.png."""
    found = list_images(folder, recursive=True)
    marked = {name.removesuffix("_labels"): path for name, path in found.items() if name.endswith("_labels")}
    if not (marked or found):
        raise InputError(f"{folder}: holds no picture; give the folder of predicted label maps")
    return marked or found


def evaluate_saliency(
    maps: Mapping[str, Path],
    truths: Sequence[Truth],
    *,
    stretch: bool = True,
    advance: Callable[[], None] = _nothing,
) -> Evaluation:
    """Saliency maps by name against true masks.

    Raises:
        InputError: nothing could be scored.
    """
    score, names = SaliencyScore(stretch=stretch), []
    failures = []
    for truth in truths:
        try:
            if truth.name not in maps:
                raise InputError("there is no saliency map of that name")
            mask, _ = truth.read()
            score.update(_grey(maps[truth.name]), mask)
            names.append(truth.name)
        except InputError as error:
            failures.append(Failure(dataset="", method="", image=truth.name, error=str(error)))
        advance()
    _check_any(len(names), failures)
    result = dict(score.compute())
    images = {
        name: {
            "S": v.s,
            "MAE": v.mae,
            "wF": v.weighted_f,
            "maxF": float(v.f_curve.max()),
            "adpF": v.adaptive_f,
            "maxE": float(v.e_curve.max()),
            "adpE": v.adaptive_e,
        }
        for name, v in zip(names, score.per_image, strict=True)
    }
    rows: Rows = [(f"{k} {'↓' if k == 'MAE' else '↑'}", _number(v)) for k, v in result.items() if k != "images"]
    return Evaluation(
        task="saliency",
        settings={"stretch": stretch},
        scores=result,
        images=images,
        failures=failures,
        table=((f"{len(names)} images", "value"), rows),
    )


def masks_of_folder(folder: Path) -> list[Truth]:
    """A folder of masks: ids 0 and 1, or grey pictures in which more than 128 is salient."""
    found = list_images(folder, recursive=True)
    if not found:
        raise InputError(f"{folder}: holds no picture; give the folder of true masks")

    def reader(path: Path) -> Callable[[], tuple[npt.NDArray[np.uint8], str]]:
        return lambda: (_grey(path), "")

    return [Truth(name=name, read=reader(path)) for name, path in found.items()]


def _grey(path: Path) -> npt.NDArray[np.uint8]:
    picture = read_image(path)
    if picture.dtype != np.uint8:
        raise InputError(f"{path}: is {picture.dtype}; save it as a grey picture of 8 bits")
    if picture.ndim == 3:
        return np.rint(luma(picture.astype(np.float32))).astype(np.uint8)
    return picture


def _check_any(count: int, failures: Sequence[Failure]) -> None:
    if not count:
        first = f"; the first: {failures[0].image}: {failures[0].error}" if failures else ""
        raise InputError(f"not one of {len(failures)} pictures could be scored{first}")


def _number(value: Any) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "–"
