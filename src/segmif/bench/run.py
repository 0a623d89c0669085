"""A whole benchmark: data sets × methods × metrics to one document, resumable, one bad picture costs only itself."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from segmif.bench.cache import ScoreStore, code_version, digest
from segmif.bench.entries import Classic, Entry, Folder, Spec, parse_methods
from segmif.bench.machine import machine, versions
from segmif.bench.measure import Failure, Measured, measure_pairs
from segmif.bench.networks import Network, load_network, pictures_of
from segmif.bench.published import published_for
from segmif.bench.segment import Segmented, protocol_of, score_labels, tabulate, truths_of_pairs
from segmif.bench.sources import Pairs, open_pairs
from segmif.bench.summary import SAMPLES, Cell, mean_ranks, summarise
from segmif.checks import InputError
from segmif.metrics.fusion import PANEL
from segmif.metrics.fusion.pair import select

FORMAT = "segmif-benchmark/1"


class Advance(Protocol):
    """What work in progress calls."""

    def advance(self) -> None:
        """One more is done."""
        ...


Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Opens a display of progress for a title and a number of pieces."""


class _Silent:
    def advance(self) -> None:
        pass


def silent(_: str, __: int | None) -> AbstractContextManager[Advance]:
    """No display."""
    return nullcontext(_Silent())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run.

    Attributes:
        datasets: see `segmif.bench.sources.open_pairs`.
        methods: see `segmif.bench.entries.parse_methods`.
        root: where data sets are looked for.
        metrics: fusion metrics; the usual ten by default.
        convention: see `segmif.metrics.fusion_metrics`.
        classes: classes of the segmentation mIoU; all of the data set's protocol by default.
        segmentation: also score label maps where there are labels and methods that label.
        limit: pairs per data set, spread evenly.
        pictures: pairs per data set shown in the report.
        published: put numbers of papers beside the measured ones.
        workers: processes that measure.
        device, dtype: for networks, see `segmif.load`.
    """

    datasets: Sequence[str]
    methods: Sequence[str]
    root: Path = Path()
    metrics: tuple[str, ...] = PANEL
    convention: str | None = None
    classes: tuple[str, ...] | None = None
    segmentation: bool = True
    limit: int | None = None
    pictures: int = 6
    published: bool = True
    workers: int = 1
    device: str = "auto"
    dtype: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The pictures of one pair: (title, file), sources first."""

    dataset: str
    image: str
    files: list[tuple[str, Path]]


@dataclass(kw_only=True)
class Benchmark:
    """`document` becomes the JSON file, `shown` are the pictures of the report, `computed` counts new scores."""

    document: dict[str, Any]
    shown: list[Shown] = field(default_factory=list)
    computed: int = 0


def run_benchmark(settings: Settings, cache: Path, *, progress: Progress = silent) -> Benchmark:
    """Run what is not known yet and put everything together.

    Args:
        settings: what to run.
        cache: folder for scores and pictures; a second run with it computes only what changed.
        progress: display.

    Raises:
        InputError: unknown names, missing data sets or models, a folder that cannot be written; never for one picture.
    """
    infos = select(settings.metrics, settings.convention)
    specs = parse_methods(list(settings.methods))
    opened = [open_pairs(text, settings.root, limit=settings.limit) for text in dict.fromkeys(settings.datasets)]
    _check_distinct(opened)
    store = ScoreStore(cache / "scores.jsonl")
    entries = {pairs.key: _plain_entries(specs, pairs) for pairs in opened}  # wrong paths come to light at once
    networks = _run_networks(specs, opened, entries, cache, settings, progress)
    result = Benchmark(document=_head(settings, infos, specs, opened, networks))
    for pairs in opened:
        members = [entries[pairs.key][spec.name] for spec in _present(specs, pairs)]
        _fusion(result, pairs, members, settings, store, cache, progress)
        if settings.segmentation:
            _segmentation(result, pairs, members, networks, settings)
    _show(result, opened, entries, specs, settings, cache)
    return result


def _check_distinct(opened: Sequence[Pairs]) -> None:
    keys = [pairs.key for pairs in opened]
    if not keys:
        raise InputError("no data sets to run on; name some, e.g. --datasets msrs,tno")
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise InputError(f"two data sets are named {twice[0]!r}; name them apart, by split (NAME:SPLIT) or folder")


def _present(specs: Sequence[Spec], pairs: Pairs) -> list[Spec]:
    """The methods that take part in a data set."""
    found = [spec for spec in specs if spec.runs_on(pairs.name)]
    if not found:
        raise InputError(f"no method runs on {pairs.name}; name one without @, or leave the data set out")
    return found


def _plain_entries(specs: Sequence[Spec], pairs: Pairs) -> dict[str, Entry]:
    """Entries that need no network."""
    found: dict[str, Entry] = {}
    for spec in _present(specs, pairs):
        if spec.kind == "classic":
            found[spec.name] = Classic(name=spec.name)
        elif spec.kind == "folder":
            found[spec.name] = Folder.of(spec.name, spec.folder(pairs.name), pairs.samples.names)
    return found


def _run_networks(
    specs: Sequence[Spec],
    opened: Sequence[Pairs],
    entries: dict[str, dict[str, Entry]],
    cache: Path,
    settings: Settings,
    progress: Progress,
) -> dict[str, Network]:
    """Run each network on all data sets, one in memory at a time, and add its pictures to `entries`."""
    networks = {}
    for spec in (spec for spec in specs if spec.kind == "network"):
        network = load_network(spec, device=settings.device, dtype=settings.dtype)
        for pairs in (pairs for pairs in opened if spec.runs_on(pairs.name)):
            with progress(f"{spec.name} on {pairs.key}", len(pairs.samples)) as bar:
                entries[pairs.key][spec.name] = pictures_of(network, pairs, cache / "pictures", advance=bar.advance)
        networks[spec.name] = network.without_model()
    return networks


def _head(
    settings: Settings,
    infos: Sequence[Any],
    specs: Sequence[Spec],
    opened: Sequence[Pairs],
    networks: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything a reader needs to make the numbers again."""
    return {
        "format": FORMAT,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": machine(),
        "code": {"metrics": code_version("segmif.metrics"), "bench": code_version("segmif.bench")},
        "settings": {
            "convention": settings.convention,
            "limit": settings.limit,
            "device": settings.device,
            "dtype": settings.dtype,
            "classes": settings.classes,
            "bootstrap_samples": SAMPLES,
            "correction": "Holm",
        },
        "metrics": {
            i.name: {"higher_is_better": i.higher_is_better, "source": i.source, "definition": i.equation}
            for i in infos
        },
        "methods": {
            s.name: {
                "kind": s.kind,
                "source": s.source,
                "identity": networks[s.name].identity if s.name in networks else None,
            }
            for s in specs
        },
        "datasets": {p.key: _describe(p) for p in opened},
        "fusion": {},
        "segmentation": {},
        "failures": [],
        "notes": [f"{p.key}: {problem}" for p in opened for problem in p.problems],
    }


def _describe(pairs: Pairs) -> dict[str, Any]:
    hashes = []
    for index in range(len(pairs.samples)):
        try:
            hashes.append(pairs.sources(index))
        except InputError:
            hashes.append("unreadable")
    return {
        "title": pairs.title,
        "pairs": len(pairs.samples),
        "images": pairs.samples.names,
        "hash": digest(*hashes),
        "citation": pairs.citation,
        "licence": pairs.licence,
    }


def _fusion(
    result: Benchmark,
    pairs: Pairs,
    entries: Sequence[Entry],
    settings: Settings,
    store: ScoreStore,
    cache: Path,
    progress: Progress,
) -> None:
    wanted = _picture_files(pairs, entries, settings.pictures, cache)
    with progress(f"measuring {pairs.key}", len(pairs.samples)) as bar:
        measured = measure_pairs(
            pairs,
            entries,
            settings.metrics,
            convention=settings.convention,
            store=store,
            pictures=wanted,
            workers=settings.workers,
            advance=bar.advance,
        )
    result.computed += measured.computed
    document = result.document
    document["failures"] += [asdict(failure) for failure in measured.failures]

    def remember(key: str, function: Callable[[], Any]) -> Any:
        known = store.get(key)
        if known is None:
            known = function()
            store.put(key, known)
        return known

    names = [entry.name for entry in entries]
    rows = published_for(pairs.key, settings.metrics) if settings.published else []
    document["fusion"][pairs.key] = {
        "values": values_by_image(measured, names, settings.metrics, pairs.samples.names),
        **_summary(measured, names, document["metrics"], pairs.samples.names, remember),
        "published": [asdict(row) for row in rows],
    }


def values_by_image(
    measured: Measured, names: Sequence[str], metrics: Sequence[str], images: Sequence[str]
) -> dict[str, dict[str, list[float | None]]]:
    """Method → metric → value per image, None where it could not be measured."""
    return {name: {metric: measured.column(name, metric, images) for metric in metrics} for name in names}


def _summary(
    measured: Measured,
    names: Sequence[str],
    metrics: Mapping[str, Mapping[str, Any]],
    images: Sequence[str],
    remember: Callable[[str, Callable[[], Any]], Any],
) -> dict[str, Any]:
    """Method → metric → cell, and the mean rank of each method."""
    table: dict[str, dict[str, Cell]] = {name: {} for name in names}
    for metric, info in metrics.items():
        columns = {name: measured.column(name, metric, images) for name in names}
        for name, cell in summarise(columns, higher_is_better=info["higher_is_better"], remember=remember).items():
            table[name][metric] = cell
    return {"summary": table, "mean_rank": mean_ranks(table)}


def shown_indices(count: int, wanted: int) -> list[int]:
    """Which pairs are shown: spread evenly, the first among them.

    >>> shown_indices(10, 3)
    [0, 3, 6]
    """
    return [i * count // wanted for i in range(wanted)] if wanted < count else list(range(count))


def _picture_files(pairs: Pairs, entries: Sequence[Entry], wanted: int, cache: Path) -> dict[tuple[str, str], Path]:
    """Where classic methods leave the pictures that are shown."""
    files = {}
    for index in shown_indices(len(pairs.samples), wanted):
        name = pairs.samples.names[index]
        for entry in entries:
            if isinstance(entry, Classic):
                try:
                    files[entry.name, name] = cache / "pictures" / f"{entry.key(name, pairs.sources(index))}.png"
                except InputError:
                    continue  # said when it is measured
    return files


def _show(
    result: Benchmark,
    opened: Sequence[Pairs],
    entries: Mapping[str, Mapping[str, Entry]],
    specs: Sequence[Spec],
    settings: Settings,
    cache: Path,
) -> None:
    """List the pictures of the pairs that are shown, as far as they are there."""
    for pairs in opened:
        members = [entries[pairs.key][spec.name] for spec in _present(specs, pairs)]
        classic = _picture_files(pairs, members, settings.pictures, cache)
        for index in shown_indices(len(pairs.samples), settings.pictures):
            record = pairs.samples.records[index]
            files = [("visible", record.visible)]
            if record.infrared is not None and pairs.samples.layout.bands == "files":
                files.insert(0, ("infrared", record.infrared))
            for entry in members:
                path = entry.files.get(record.name) if isinstance(entry, Folder) else None
                path = path or classic.get((entry.name, record.name))
                if path is not None:
                    files.append((entry.name, path))
            there = [(title, path) for title, path in files if path.exists()]
            result.shown.append(Shown(dataset=pairs.key, image=record.name, files=there))


def _segmentation(
    result: Benchmark, pairs: Pairs, entries: Sequence[Entry], networks: Mapping[str, Network], settings: Settings
) -> None:
    """Score the label maps of all entries that have any, where the pairs have labels."""
    labelled = sum(record.label is not None for record in pairs.samples.records)
    label_set = pairs.samples.label_set
    if not labelled or label_set is None:
        return
    scored = {}
    for entry in entries:
        if not isinstance(entry, Folder) or not entry.labels:
            continue
        network = networks.get(entry.name)
        if network is not None and network.label_set is not None and network.label_set.classes != label_set.classes:
            result.document["notes"].append(
                f"{pairs.key}: {entry.name} labels {network.label_set.name} classes, the data set has those of "
                f"{label_set.name}; its labels are not scored"
            )
            continue
        scored[entry.name] = Segmented.by(
            protocol_of(label_set, pairs.samples.name), classes=_known(settings.classes, label_set.classes)
        )
        failures = score_labels(
            truths_of_pairs(pairs),
            entry.labels,
            scored[entry.name],
            dataset=pairs.key,
            method=entry.name,
            missing=entry.missing,
        )
        result.document["failures"] += [asdict(f) for f in failures if not _said(result, f)]
    table = tabulate(scored)
    if table:
        result.document["segmentation"][pairs.key] = table


def _known(classes: tuple[str, ...] | None, there: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those of the chosen classes this data set has; all if it has none of them."""
    return tuple(c for c in classes if c in there) or None if classes else None


def _said(result: Benchmark, failure: Failure) -> bool:
    """Whether the same pair of the same method is on the list already."""
    key = ("dataset", "method", "image")
    return any(all(known[k] == getattr(failure, k) for k in key) for known in result.document["failures"])
