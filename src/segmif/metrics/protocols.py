"""How a benchmark counts, written down as data: which ids are scored, which are ignored, what an absent class is.

Two papers that print "mIoU on FMB" may mean different numbers; a protocol name says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segmif.checks import InputError, unknown
from segmif.labelsets import FMB, IGNORE, MFNET, PST900, LabelSet

AbsentRule = Literal["skip", "union", "zero"]
"""What a class without a true pixel adds to a mean: ``skip``: nothing; ``union``: nothing if it was never predicted
either, else 0 (a "nanmean"); ``zero``: always 0, so that the divisor is the number of classes."""


@dataclass(frozen=True, kw_only=True)
class SegmentationProtocol:
    """One way to turn label maps into a mean IoU.

    Attributes:
        name: what reports print.
        label_set: names of all ids that may occur; a prediction of any of them is legal.
        evaluated: ids whose IoU enters the mean.
        ignore: ids of the truth whose pixels are not counted at all.
        absent: what an evaluated class without a true pixel adds to the mean.
        background: the id left out by "mIoU without background"; None where there is none.
        note: one line on who counts like this.
    """

    name: str
    label_set: LabelSet
    evaluated: tuple[int, ...]
    ignore: tuple[int, ...] = (IGNORE,)
    absent: AbsentRule = "skip"
    background: int | None = 0
    note: str = ""

    def __post_init__(self) -> None:
        if not self.evaluated:
            raise InputError(f"protocol {self.name!r} evaluates no class; name at least one id of its label set")
        for class_id in self.evaluated:
            if not 0 <= class_id < len(self.label_set) or class_id in self.ignore:
                raise InputError(
                    f"protocol {self.name!r} evaluates id {class_id}, which is not one of the counted ids "
                    f"0..{len(self.label_set) - 1} of label set {self.label_set.name!r}; choose others"
                )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the evaluated classes, in order."""
        return tuple(self.label_set.classes[i] for i in self.evaluated)


SEGMENTATION_PROTOCOLS = {
    p.name: p
    for p in (
        SegmentationProtocol(
            name="fmb",
            label_set=FMB,
            evaluated=tuple(range(1, 15)),
            ignore=(0, IGNORE),
            note="classes 1-14 that occur in the truth: on the test split 13, as it holds no bicycle",
        ),
        SegmentationProtocol(
            name="fmb-nanmean",
            label_set=FMB,
            evaluated=tuple(range(1, 15)),
            ignore=(0, IGNORE),
            absent="union",
            note="as MMSegmentation counts: one pixel predicted as the absent bicycle turns divisor 13 into 14",
        ),
        SegmentationProtocol(
            name="fmb-14",
            label_set=FMB,
            evaluated=tuple(range(1, 15)),
            ignore=(0, IGNORE),
            absent="zero",
            note="classes 1-14, divisor 14: bicycle, absent from the test split, counts as 0",
        ),
        SegmentationProtocol(
            name="fmb-15",
            label_set=FMB,
            evaluated=tuple(range(15)),
            absent="zero",
            note="classes 0-14, divisor 15: unlabelled is scored as a class, bicycle counts as 0",
        ),
        SegmentationProtocol(
            name="roadscene15",
            label_set=FMB,
            evaluated=(1, 2, 3, 6, 7, 8, 9),
            ignore=(0, IGNORE),
            note="road, sidewalk, building, vegetation, sky, person, car: what is drawn completely; report the mIoU "
            "without a 5-pixel band about borders",
        ),
        SegmentationProtocol(
            name="roadscene15-11",
            label_set=FMB,
            evaluated=(1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14),
            ignore=(0, IGNORE),
            note="with traffic lamp, traffic sign, bicycle and pole, which are drawn in part only",
        ),
        SegmentationProtocol(
            name="msrs15",
            label_set=FMB,
            evaluated=(1, 3, 6, 8, 9),
            ignore=(0, IGNORE),
            note="road, building, vegetation, person, car: the classes its 30 pairs have enough of",
        ),
        SegmentationProtocol(
            name="mfnet",
            label_set=MFNET,
            evaluated=tuple(range(9)),
            absent="zero",
            note="9 classes with unlabelled (0), divisor 9; an undefined IoU counts as 0, as RTFNet and its heirs do",
        ),
        SegmentationProtocol(
            name="msrs",
            label_set=MFNET,
            evaluated=tuple(range(9)),
            absent="skip",
            note="9 classes with unlabelled (0) that occur in the truth",
        ),
        SegmentationProtocol(
            name="pst900",
            label_set=PST900,
            evaluated=tuple(range(5)),
            absent="skip",
            note="5 classes with background (0)",
        ),
    )
}


def segmentation_protocol(name: str) -> SegmentationProtocol:
    """The segmentation protocol of that name.

    Raises:
        InputError: no such protocol.

    >>> len(segmentation_protocol("fmb").evaluated), segmentation_protocol("fmb-14").absent
    (14, 'zero')
    """
    if name not in SEGMENTATION_PROTOCOLS:
        raise unknown("segmentation protocol", name, SEGMENTATION_PROTOCOLS)
    return SEGMENTATION_PROTOCOLS[name]


@dataclass(frozen=True, kw_only=True)
class DetectionProtocol:
    """One way to turn boxes into a mean average precision.

    Attributes:
        name: what reports print.
        label_set: names of all ids that boxes may have.
        evaluated: ids whose average precision enters the mean; other boxes, true or found, are left out.
        max_detections: boxes of each image and class that count, highest scores first.
        note: one line on who counts like this.
    """

    name: str
    label_set: LabelSet
    evaluated: tuple[int, ...]
    max_detections: int = 100
    note: str = ""

    def __post_init__(self) -> None:
        if not self.evaluated or not all(0 <= i < len(self.label_set) for i in self.evaluated):
            raise InputError(
                f"protocol {self.name!r} evaluates ids {self.evaluated}: expected some of "
                f"0..{len(self.label_set) - 1}, the ids of label set {self.label_set.name!r}"
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the evaluated classes, in order."""
        return tuple(self.label_set.classes[i] for i in self.evaluated)


DETECTION_PROTOCOLS = {
    p.name: p
    for p in (
        DetectionProtocol(name="llvip", label_set=FMB, evaluated=(8,), note="one class, person (FMB id)"),
        DetectionProtocol(
            name="m3fd",
            label_set=FMB,
            evaluated=(8, 9, 11, 4, 12, 10),
            note="People, Car, Bus, Lamp, Motorcycle, Truck (by their FMB ids); there is no official split: name yours",
        ),
        DetectionProtocol(
            name="person-car", label_set=FMB, evaluated=(8, 9), note="the two classes all road sets have (FMB ids)"
        ),
    )
}


def detection_protocol(name: str) -> DetectionProtocol:
    """The detection protocol of that name.

    Raises:
        InputError: no such protocol.

    >>> detection_protocol("m3fd").class_names
    ('person', 'car', 'bus', 'traffic lamp', 'motorcycle', 'truck')
    """
    if name not in DETECTION_PROTOCOLS:
        raise unknown("detection protocol", name, DETECTION_PROTOCOLS)
    return DETECTION_PROTOCOLS[name]
