"""Where the parts of a recorded and annotated folder lie: pictures, labels or polygons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segmif.checks import InputError
from segmif.data.labels import Ids, read_label_file
from segmif.data.patterns import find
from segmif.data.problems import Problem, errors
from segmif.io import read_bytes
from segmif.labelsets import FMB, LabelSet
from segmif.pairing import Pair, list_images, pair_by_stem
from segmif.rig.annotation import native
from segmif.rig.annotation.document import Document
from segmif.rig.annotation.raster import rasterise

_INFRARED = ("registered/infrared", "infrared", "ir", "thermal")
_VISIBLE = ("visible", "vis", "vi", "rgb")
_LABELS = ("annotations", "label", "labels")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Pairs and their labels below `root`.

    Attributes:
        root: the folder.
        pairs: by name.
        label_set: classes of the labels.
        infrared_from, labels_from: the folders they were found in, for the record.
        problems: pictures without partner.
        drawn: polygons by name; a label picture counts where there are none.
        painted: label pictures by name.
    """

    root: Path
    pairs: list[Pair]
    label_set: LabelSet = FMB
    infrared_from: str = ""
    labels_from: str = ""
    problems: list[Problem] = field(default_factory=list)
    drawn: Mapping[str, Document] = field(default_factory=dict)
    painted: Mapping[str, Path] = field(default_factory=dict)

    def labels(self, name: str) -> Ids | None:
        """The label map of a pair, (H, W) ids of `label_set`, 255 = ignore; None without one.

        Raises:
            InputError: the label picture is damaged or holds ids that are not classes.
        """
        if name in self.drawn:
            return rasterise(self.drawn[name])[0]
        if name not in self.painted:
            return None
        labels, problems = read_label_file(self.painted[name], self.label_set)
        for problem in errors(problems):
            raise InputError(f"{problem.where}: {problem.message}")
        return labels


def find_sources(
    root: Path,
    *,
    infrared: Path | None = None,
    visible: Path | None = None,
    labels: Path | None = None,
) -> Sources:
    """The parts of a folder.

    Args:
        root: what ``segmif rig record`` and ``segmif rig annotate`` wrote, or any folder with parts like it.
        infrared: folder of infrared pictures; by default ``registered/infrared``, else ``infrared`` of the root.
        visible: by default ``visible`` of the root.
        labels: folder of polygons (our JSON) or label pictures; by default ``annotations``, ``label`` or ``labels``.

    Raises:
        InputError: a folder is missing, or the two bands have no name in common.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the one with the recorded and annotated pairs")
    infrared = _folder(root, infrared, _INFRARED, "infrared pictures", "--infrared")
    visible = _folder(root, visible, _VISIBLE, "visible pictures", "--visible")
    labels = _folder(root, labels, _LABELS, "annotations", "--labels")
    pairing = pair_by_stem(infrared, visible)
    lonely = {"visible": pairing.only_infrared, "infrared": pairing.only_visible}
    problems = [
        Problem(kind="no-partner", where=str(path), message=f"has no {band} partner", severity="warning")
        for band, paths in lonely.items()
        for path in paths
    ]
    drawn, label_set = _polygons(labels, problems)
    return Sources(
        root=root,
        pairs=list(pairing.pairs),
        label_set=label_set,
        infrared_from=str(infrared.relative_to(root) if infrared.is_relative_to(root) else infrared),
        labels_from=str(labels.relative_to(root) if labels.is_relative_to(root) else labels),
        problems=problems,
        drawn=drawn,
        painted=list_images(labels),
    )


def _folder(root: Path, given: Path | None, usual: tuple[str, ...], what: str, option: str) -> Path:
    if given is not None:
        if not given.is_dir():
            raise InputError(f"{given}: no such folder; check {option}")
        return given
    for name in usual:
        found = find(root, name)
        if found is not None and found.is_dir():
            return found
    raise InputError(f"{root}: has no folder of {what} ({', '.join(usual)}); name it with {option}")


def _polygons(folder: Path, problems: list[Problem]) -> tuple[dict[str, Document], LabelSet]:
    """Documents with shapes of our own JSON files by stem, and their classes; what cannot be read is a problem."""
    drawn: dict[str, Document] = {}
    label_set: LabelSet | None = None
    for path in sorted(folder.glob("*.json")):
        try:
            document, found = native.decode_document(read_bytes(path), path.name)
        except InputError as error:
            problems.append(Problem(kind="left-out", where=str(path), message=str(error)))
            continue
        label_set = label_set or found
        if found != label_set:
            message = f"has other classes ({found.name}) than the files before ({label_set.name}); convert it first"
            problems.append(Problem(kind="left-out", where=str(path), message=message))
        elif document.shapes:
            drawn[document.stem] = document
    return drawn, label_set or FMB
