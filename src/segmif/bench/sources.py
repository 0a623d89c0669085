"""The pairs a benchmark runs on, data sets by name or two folders, opened so that a bad file spoils only itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from segmif.bench.cache import digest, file_digest
from segmif.checks import InputError
from segmif.data.catalog import dataset_info, find_locally, open_scan, scan_dataset
from segmif.data.layout import Layout, Record
from segmif.data.reader import FileDataset
from segmif.pairing import pair_by_stem


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs with what tables say about them; `problems` are one line each, of what was left out."""

    key: str
    title: str
    samples: FileDataset
    citation: str = ""
    licence: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The key without the split."""
        return self.key.partition(":")[0]

    def sources(self, index: int) -> str:
        """The key of the files of a pair.

        Raises:
            InputError: one cannot be read.
        """
        record = self.samples.records[index]
        files = [path for path in (record.infrared, record.visible) if path is not None]
        return digest(self.samples.layout.bands, *(file_digest(path) for path in files))


def open_pairs(spec: str, root: Path, *, limit: int | None = None, labels: bool = True) -> Pairs:
    """Open ``NAME``, ``NAME:SPLIT``, ``NAME=FOLDER`` or ``NAME:SPLIT=FOLDER``.

    Args:
        spec: NAME is one of `segmif datasets`; SPLIT by default the one to be scored (mostly ``test``), else ``all``.
        root: where data sets are looked for if no FOLDER is given.
        limit: take so many pairs, spread evenly.
        labels: read labels too.

    Raises:
        InputError: an unknown name or split, or no such data set there.
    """
    head, _, place = spec.partition("=")
    name, _, split = head.partition(":")
    info = dataset_info(name)
    folder = Path(place) if place else find_locally(info, root)
    if folder is None:
        raise InputError(
            f"data set {info.name!r} is not below {root}; give its place with --root or {info.name}=FOLDER "
            f"({info.home or 'any folder of pairs'})"
        )
    found = scan_dataset(info, folder)
    chosen = split or (info.scored if info.scored in found.splits else "all")
    samples = open_scan(info, found, split=chosen, labels="hand" if labels else "none", strict=False)
    own = Path(place).name if info.name == "folder" and place else info.name
    return Pairs(
        key=own if not split else f"{own}:{split}",
        title=f"{own.upper() if own == info.name else own}, {chosen}" if chosen != "all" else own,
        samples=thinned(samples, limit),
        citation=info.citation,
        licence=info.licence,
        problems=[problem.line() for problem in found.problems if problem.severity == "error"],
    )


def pairs_of_folders(infrared: Path, visible: Path, *, limit: int | None = None) -> Pairs:
    """Two folders of pictures paired by name, or two pictures.

    Raises:
        InputError: no such file or folder, or nothing in common.
    """
    if infrared.is_file() or visible.is_file():
        records = [Record(name=visible.stem, split="all", infrared=infrared, visible=visible)]
        problems: list[str] = []
    else:
        pairing = pair_by_stem(infrared, visible, recursive=True)
        records = [Record(name=p.name, split="all", infrared=p.infrared, visible=p.visible) for p in pairing.pairs]
        rest = {"visible": pairing.only_infrared, "infrared": pairing.only_visible}
        problems = [f"{path}: has no {band} partner; left out" for band, paths in rest.items() for path in paths]
    samples = FileDataset(name="folder", records=records, layout=Layout(infrared="*", visible="*"))
    return Pairs(key="folder", title=str(visible), samples=thinned(samples, limit), problems=problems)


def thinned(samples: FileDataset, limit: int | None) -> FileDataset:
    """So many samples at most, spread evenly, the first among them."""
    count = len(samples)
    if limit is None or limit >= count:
        return samples
    return subset(samples, [i * count // limit for i in range(limit)])


def subset(samples: FileDataset, indices: list[int]) -> FileDataset:
    """The samples at these positions."""
    return replace(samples, records=[samples.records[i] for i in indices])
