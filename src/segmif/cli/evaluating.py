"""The work behind `segmif evaluate` and `segmif benchmark`: from what the user typed to tables and files."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segmif.bench import tasks
from segmif.bench.detector import TransformersDetector, read_predictions, read_truth
from segmif.bench.entries import Folder, Spec
from segmif.bench.measure import Failure, default_workers
from segmif.bench.networks import load_network, pictures_of
from segmif.bench.report import ReportFiles, write_report
from segmif.bench.run import Settings, run_benchmark
from segmif.bench.segment import Truth, protocol_of, truths_of_folder, truths_of_pairs
from segmif.bench.sources import Pairs, open_pairs, subset
from segmif.bench.tables import TIED, figures, measured_pairs, ordered
from segmif.checks import InputError, InputWarning
from segmif.claims import claim
from segmif.cli.progress import progress
from segmif.cli.showing import print_table as print_table
from segmif.data.base import Boxes
from segmif.data.catalog import CATALOG
from segmif.io import make_output_folder
from segmif.labelsets import LabelSet
from segmif.metrics import SegmentationProtocol, detection_protocol
from segmif.metrics.fusion import PANEL
from segmif.metrics.fusion.pair import select

_SHOWN_FAILURES = 20


def names(text: str | None) -> tuple[str, ...] | None:
    """
    >>> names("road, person")
    ('road', 'person')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else None


def metric_names(text: str, convention: str | None) -> tuple[str, ...]:
    """The metrics that `--metrics` means; of a convention, those of the panel that it has.

    >>> metric_names("EN,SD", None)
    ('EN', 'SD')
    """
    every = tuple(info.name for info in select(None, convention))
    if text == "panel":
        return tuple(name for name in PANEL if name in every)
    return every if text == "all" else names(text) or every


def sort_out(datasets: Sequence[str], methods: Sequence[str], more: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lists of ``--datasets a,b --methods c d``: what follows an option's first word after a space is in `more`.

    >>> sort_out(["msrs"], ["average"], ["tno", "maximum"])
    (['msrs', 'tno'], ['average', 'maximum'])
    """
    sets = [part for text in datasets for part in names(text) or ()]
    ways = [part for text in methods for part in names(text) or ()]
    for word in (part for text in more for part in names(text) or ()):
        head = word.partition("=")[0].partition(":")[0]
        (sets if head.lower() in CATALOG else ways).append(word)
    return sets, ways


def open_named(spec: str, root: Path, *, limit: int | None = None, labels: bool = True) -> Pairs:
    """The data set of `--dataset`, in `root` itself or below it."""
    try:
        pairs = open_pairs(spec, root, limit=limit, labels=labels)
    except InputError:
        if "=" in spec:
            raise
        pairs = open_pairs(f"{spec}={root}", root, limit=limit, labels=labels)
    for problem in pairs.problems:
        print(f"segmif: left out: {problem}", file=sys.stderr)
    return pairs


def fusion(pairs: Pairs, fused: Path, metrics: str, convention: str | None, workers: int, out: Path | None) -> int:
    """Evaluate a folder of fused pictures, or one."""
    if fused.is_file():
        if len(pairs.samples) != 1:
            raise InputError(f"{fused}: is one picture but there are {len(pairs.samples)} pairs; give its two sources")
        folder = Folder(name="fused", files={pairs.samples.names[0]: fused})
    else:
        folder = Folder.of("fused", fused, pairs.samples.names)
    chosen = metric_names(metrics, convention)
    with progress("measuring", len(pairs.samples)) as bar:
        evaluation = tasks.evaluate_fusion(
            pairs,
            folder,
            chosen,
            convention=convention,
            workers=workers or default_workers(),
            advance=bar.advance,
        )
    return _finish(evaluation, out, lost=len(pairs.problems))


@dataclass(frozen=True, kw_only=True)
class LabelRequest:
    """What `segmif evaluate segmentation` was asked."""

    predicted: Path | None
    truth: Path | None
    model: str | None
    dataset: str | None
    root: Path
    protocol: str | None
    classes: tuple[str, ...] | None
    boundary: float | None
    against: Path | None
    limit: int | None
    device: str


def segmentation(request: LabelRequest, out: Path | None) -> int:
    """Evaluate label maps, or a model on a data set."""
    if request.dataset is None:
        if request.predicted is None or request.truth is None:
            raise InputError("give PREDICTED TRUTH, or --dataset NAME --root FOLDER with PREDICTED or --model")
        if request.protocol is None:
            raise InputError("how are the classes counted? give --protocol, e.g. fmb, mfnet, msrs, pst900")
        found = tasks.label_maps(request.predicted)
        return _score(truths_of_folder(request.truth), found, request.protocol, request, out)
    pairs = open_named(request.dataset, request.root, limit=request.limit)
    truths = truths_of_pairs(pairs)
    if not truths:
        raise InputError(f"{pairs.title}: no pair has a label; choose a data set with labels")
    counted = request.protocol or protocol_of(pairs.samples.label_set, pairs.samples.name)
    if request.model is None:
        if request.predicted is None:
            raise InputError("give the folder of predicted label maps, or --model NAME to make them")
        return _score(truths, tasks.label_maps(request.predicted), counted, request, out, lost=len(pairs.problems))
    network = load_network(Spec(name=request.model, kind="network", source=request.model), device=request.device)
    if network.label_set is None:
        raise InputError(f"model {request.model!r} is fusion only; choose one with classes")
    labelled = _only(pairs, {truth.name for truth in truths})
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        with progress("labelling", len(truths)) as bar:
            made = pictures_of(network, labelled, Path(folder), advance=bar.advance)
        return _score(truths, made.labels, counted, request, out, missing=made.missing, lost=len(pairs.problems))


def _only(pairs: Pairs, wanted: set[str]) -> Pairs:
    kept = [i for i, name in enumerate(pairs.samples.names) if name in wanted]
    return replace(pairs, samples=subset(pairs.samples, kept))


def _score(
    truths: Sequence[Truth],
    labels: Mapping[str, Path],
    protocol: SegmentationProtocol | LabelSet | str,
    request: LabelRequest,
    out: Path | None,
    missing: Mapping[str, str] | None = None,
    lost: int = 0,
) -> int:
    against = tasks.label_maps(request.against) if request.against else None
    with progress("scoring", len(truths) * (1 if against is None else 2)) as bar:
        evaluation = tasks.evaluate_segmentation(
            truths,
            labels,
            protocol,
            classes=request.classes,
            boundary_tolerance=request.boundary,
            against=against,
            missing=missing,
            advance=bar.advance,
        )
    return _finish(evaluation, out, lost=lost)


def detection(
    found: Path,
    truth: Path | None,
    detector: str | None,
    dataset: str | None,
    root: Path,
    protocol: str,
    device: str,
    out: Path | None,
) -> int:
    """Evaluate boxes from a file, or those a detector finds in a folder of pictures."""
    rules = detection_protocol(protocol)
    if truth is not None:
        wanted = read_truth(truth, rules.label_set)
        failures: list[Failure] = []
    elif dataset is not None:
        wanted, failures = _boxes_of(open_named(dataset, root))
    else:
        raise InputError(
            "give TRUTH (a COCO .json file or a folder of VOC .xml files), or --dataset NAME --root FOLDER"
        )
    if detector is not None:
        finder = TransformersDetector(detector, rules.label_set, device="cpu" if device == "auto" else device)
        with progress("detecting", len(tasks.fused_pictures(found))) as bar:
            boxes, more = tasks.detect_in_folder(finder, found, advance=bar.advance)
        failures += more
        wanted = {name: b for name, b in wanted.items() if name not in {f.image for f in failures}}
        boxes = {name: b for name, b in boxes.items() if name in wanted}
    elif found.is_dir():
        raise InputError(
            f"{found}: is a folder; give --detector MODEL to find boxes in its pictures, or a JSON of boxes"
        )
    else:
        boxes = read_predictions(found, rules.label_set, truth=truth)
    return _finish(tasks.evaluate_boxes(boxes, wanted, rules, failures=failures), out)


def _boxes_of(pairs: Pairs) -> tuple[dict[str, Boxes], list[Failure]]:
    """True boxes by the names of the pairs that have any, and the pairs whose boxes cannot be read."""
    boxes: dict[str, Boxes] = {}
    failures = []
    for index, record in enumerate(pairs.samples.records):
        if record.boxes is None:
            continue
        try:
            sample = pairs.samples[index]
        except InputError as error:
            failures.append(Failure(dataset=pairs.key, method="", image=record.name, error=str(error)))
            continue
        if sample.boxes is not None:
            boxes[record.name] = sample.boxes
    if not boxes:
        raise InputError(f"{pairs.title}: no pair has boxes; choose a data set with boxes, such as llvip or m3fd")
    return boxes, failures


def saliency(maps: Path, truth: Path | None, dataset: str | None, root: Path, stretch: bool, out: Path | None) -> int:
    """Evaluate saliency maps."""
    if truth is not None:
        truths = tasks.masks_of_folder(truth)
    elif dataset is not None:
        truths = truths_of_pairs(open_named(dataset, root))
    else:
        raise InputError("give MAPS TRUTH, or MAPS and --dataset NAME --root FOLDER")
    with progress("scoring", len(truths)) as bar:
        evaluation = tasks.evaluate_saliency(tasks.fused_pictures(maps), truths, stretch=stretch, advance=bar.advance)
    return _finish(evaluation, out)


def _finish(evaluation: tasks.Evaluation, out: Path | None, *, lost: int = 0) -> int:
    """Print the table, write the files, say what failed; the exit code."""
    stem = out or Path(f"evaluation-{evaluation.task}")
    stem = stem.with_suffix("") if stem.suffix.lower() in (".json", ".csv") else stem
    make_output_folder(stem.parent)
    header, rows = evaluation.table
    print_table(header, rows)
    written = evaluation.write(stem)
    print("wrote " + " and ".join(str(path) for path in written))
    _say_failures([(f"{f.image}", f.error) for f in evaluation.failures])
    return 1 if evaluation.failures or lost else 0


def _say_failures(failures: Sequence[tuple[str, str]]) -> None:
    for name, error in failures[:_SHOWN_FAILURES]:
        print(f"segmif: left out {name}: {error}", file=sys.stderr)
    if len(failures) > _SHOWN_FAILURES:
        print(f"segmif: ... and {len(failures) - _SHOWN_FAILURES} more; the JSON names all", file=sys.stderr)


def benchmark(settings: Settings, out: Path) -> int:
    """Run a benchmark and write its report."""
    files = ReportFiles.of(out)
    with claim(files.html.parent, shared=True), claim(files.cache, below=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        result = run_benchmark(settings, files.cache, progress=progress)
        written = write_report(result, files)
    document = result.document
    for dataset, part in document["fusion"].items():
        header = ("method", *document["metrics"], "mean rank")
        rows = []
        for method in ordered(document, dataset):
            cells = part["summary"][method]
            count, total = measured_pairs(document, dataset, method)
            values = [_cell(cells[metric]) for metric in document["metrics"]]
            rank = part["mean_rank"][method]
            name = method if count == total else f"{method} ({count}/{total})"
            rows.append((name, *values, "–" if rank is None else f"{rank:.2f}"))
        info = document["datasets"][dataset]
        print_table(header, rows, title=f"{info['title']}: {info['pairs']} pairs")
    print(
        f"* best, {TIED} not significantly worse; {result.computed} pictures measured now, the rest known from before"
    )
    print(f"open {written[0]}; also {', '.join(path.name for path in written[1:])}")
    _say_failures([(f"{f['dataset']} {f['method']} {f['image']}", f["error"]) for f in document["failures"]])
    _say_failures([("pair", note) for note in document["notes"]])
    return 1 if document["failures"] or document["notes"] else 0


def _cell(cell: dict[str, object]) -> str:
    mean = cell["mean"]
    assert mean is None or isinstance(mean, float)
    mark = "*" if cell["rank"] == 1 else TIED if cell["tied"] else ""
    return figures(mean) + mark
