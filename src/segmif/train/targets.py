"""VSM-WLS targets for a whole data set: in parallel, resumable, one file per pair."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from segmif.checks import InputError
from segmif.claims import claim
from segmif.color import luma
from segmif.data import PairDataset
from segmif.data.parallel import map_samples
from segmif.data.targets import TargetStore
from segmif.guide import vsm_wls
from segmif.io import to_unit

Outcome = Literal["made", "kept", "failed"]


@dataclass(kw_only=True)
class TargetReport:
    """How many targets were `made` now and `kept` from before; `failed` samples with the reason."""

    made: int = 0
    kept: int = 0
    failed: list[str] = field(default_factory=list)


def compute_targets(
    dataset: PairDataset,
    store: TargetStore,
    *,
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda finished: None,
) -> TargetReport:
    """Compute the target of every pair that has none yet; a bad pair is reported and the others go on.

    Args:
        dataset: any data set; with `workers` > 1 it must be picklable, as those of `open_dataset` are.
        store: where targets are kept.
        workers: processes.
        on_progress: called with the number of pairs finished.

    Raises:
        InputError: the folder of targets cannot be written.
    """
    report = TargetReport()
    compute = functools.partial(_compute, store)
    with claim(store.folder, shared=True):
        for finished, (outcome, message) in enumerate(map_samples(compute, dataset, workers=workers), 1):
            if outcome == "made":
                report.made += 1
            elif outcome == "kept":
                report.kept += 1
            else:
                report.failed.append(message)
            on_progress(finished)
    return report


def _compute(store: TargetStore, dataset: PairDataset, index: int) -> tuple[Outcome, str]:
    try:
        sample = dataset[index]
        if store.path(sample).is_file():
            return "kept", ""
        infrared = to_unit(sample.infrared, "infrared")
        target = vsm_wls(infrared, luma(to_unit(sample.visible, "visible")))
    except InputError as error:
        return "failed", f"{dataset.names[index]}: {error}"
    store.write(sample, target)  # a full disk is no fault of this pair: it ends the work
    return "made", ""
