"""The work behind `segmif rig annotate` and `segmif rig annotations …`."""

from __future__ import annotations

import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segmif.checks import InputError, unknown
from segmif.cli.showing import print_table
from segmif.io import write_json
from segmif.labelsets import label_set
from segmif.rig.annotation.agreement import Agreement, agreement
from segmif.rig.annotation.document import Annotations, rename_classes
from segmif.rig.annotation.formats import format_named, read_annotations, write_annotations
from segmif.rig.annotation.holes import bridge_holes

if TYPE_CHECKING:
    from segmif.app.annotate import Predict

_CONFUSIONS = 6


@dataclass(frozen=True, kw_only=True)
class AnnotateRequest:
    """What the user asked for."""

    root: Path
    annotations: Path | None
    labels: str
    model: str | None
    confidence: float
    iou_loss: float
    author: str
    port: int
    device: str
    browser: bool


def annotate(request: AnnotateRequest) -> int:
    """Serve the page until Ctrl-C.

    Raises:
        InputError: no pairs, no such model or label set, a port that is taken.
    """
    from segmif.app.annotate import create_app
    from segmif.cli.serving import address, listen, serve_until_stopped
    from segmif.rig.annotation.prelabel import PrelabelOptions
    from segmif.rig.annotation.workspace import Workspace

    workspace = Workspace(
        request.root, folder=request.annotations, label_set=label_set(request.labels), author=request.author
    )
    options = PrelabelOptions(confidence=request.confidence, iou_loss=request.iou_loss)
    app = create_app(workspace, predict=_predictor(request), options=options)
    with listen("127.0.0.1", request.port) as listener:
        url = address(listener)
        print(f"{workspace.pairing.summary()}; polygons in {workspace.folder}")
        print(f"draw at {url} (Ctrl-C stops it)", flush=True)
        if request.browser:
            threading.Timer(0.5, webbrowser.open, (url,)).start()
        serve_until_stopped(app, listener, "stopped; everything that was drawn is saved")
    return 0


def _predictor(request: AnnotateRequest) -> Predict | None:
    """The model as the page asks for it; None for ``--model none``."""
    if request.model == "none":
        return None
    from segmif.app.annotate import Prediction
    from segmif.infer import load
    from segmif.io import Array

    model = load(request.model, device=request.device)

    def predict(infrared: Array, visible: Array) -> Prediction:
        result = model.predict(infrared, visible)
        return Prediction(
            fused=result.fused, labels=result.labels, confidence=result.confidence, label_set=result.label_set
        )

    return predict


def convert(source: Path, out: Path, *, source_format: str, target_format: str, labels: str | None, holes: str) -> int:
    """Read one format, write another; the exit code.

    Raises:
        InputError: unknown names, unreadable input, or what the target cannot hold.
    """
    if holes not in ("refuse", "bridge"):
        raise unknown("--holes", holes, ("refuse", "bridge"))
    target = format_named(target_format)
    if source.resolve() == out.resolve():
        raise InputError(f"{out}: is the input itself; choose another place for the output")
    annotations = read_annotations(source, source_format)
    if labels is not None:
        annotations = rename_classes(annotations, label_set(labels))
    if holes == "bridge" and not target.holes:
        annotations = bridge_holes(annotations)
    write_annotations(out, annotations, target_format)
    count = sum(len(document.shapes) for document in annotations.documents)
    kept = "every polygon" if target.exact else "every pixel, not the polygons"
    print(f"{len(annotations.documents)} pictures, {count} polygons: {out} ({target.title}; keeps {kept})")
    return 0


def compare(a: Path, b: Path, *, source_format: str, worst: int, json_path: Path | None) -> int:
    """Print how far two annotators agree; the exit code.

    Raises:
        InputError: unreadable input, or nothing in common.
    """
    left: Annotations = read_annotations(a, source_format)
    result = agreement(left, read_annotations(b, source_format))
    if json_path is not None:
        write_json(json_path, result.as_dict())
    both, only_a, only_b, neither = result.drawn
    print(f"{len(result.pictures)} pictures compared; only in A: {len(result.only_a)}, only in B: {len(result.only_b)}")
    print(f"pixels drawn by both {both:.1%}, only A {only_a:.1%}, only B {only_b:.1%}, neither {neither:.1%}")
    print(f"same class on {result.accuracy:.2%} of what both drew; Cohen's kappa {result.kappa:.3f}")
    _print_classes(result)
    _print_confusions(result)
    if worst:
        _print_worst(result, worst)
    return 0


def _print_classes(result: Agreement) -> None:
    rows = []
    for identity, value in enumerate(result.class_iou):
        found = result.objects.get(identity)
        if np.isnan(value) and found is None:
            continue
        numbers = ("", "", "", "")
        if found is not None:
            numbers = (str(found.both), str(found.only_a), str(found.only_b), _number(found.mean_iou))
        rows.append((result.label_set.classes[identity], _number(value), *numbers))
    print_table(("class", "IoU", "objects in both", "only A", "only B", "IoU of objects"), rows)


def _print_confusions(result: Agreement) -> None:
    """The largest disagreements."""
    wrong = result.confusion * (1 - np.eye(len(result.confusion), dtype=np.int64))
    order = np.argsort(wrong, axis=None)[::-1][:_CONFUSIONS]
    names = result.label_set.classes
    rows = []
    for row, column in (divmod(int(i), len(names)) for i in order):
        count = int(wrong[row, column])
        if count:
            share = count / int(result.confusion[row].sum())
            rows.append((names[row], names[column], str(count), f"{share:.1%}"))
    if rows:
        print_table(("A says", "B says", "pixels", "of A's"), rows, title="Confused")


def _print_worst(result: Agreement, count: int) -> None:
    rows = [
        (p.name, _number(p.mean_iou), _number(p.kappa), f"{p.compared:.1%}", _number(p.objects))
        for p in result.pictures[:count]
    ]
    print_table(("picture", "mean IoU", "kappa", "compared", "IoU of objects"), rows, title="Worst pictures first")


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"
