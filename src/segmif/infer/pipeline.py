"""`segmif.load(...)` and what it returns: a model that takes pairs as users have them and gives results."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from segmif.checks import InputError, InputWarning, unknown
from segmif.export import read_description
from segmif.export.graph import GUIDE_INPUT
from segmif.infer.backends import GRAPH_BACKENDS, Backend, check_backend, check_device
from segmif.infer.backends.exported import SUFFIXES, make_file_backend
from segmif.infer.engine import Engine, Pixels, Refine, WholePictures, choose_device, choose_dtype
from segmif.infer.inputs import Guide, Picture, PreparedPair, Unit, guide_maker, prepare, resample
from segmif.infer.result import Result
from segmif.infer.stabilise import Stabiliser
from segmif.infer.streaming import Outcome, PreparedAhead, is_live
from segmif.infer.tiling import Limits
from segmif.labelsets import LabelSet, numbered
from segmif.models import SegMiF, weights
from segmif.streams import StreamPair


class Model:
    """A network with everything around it: reading, preparing, running whole or in windows, labelling.

    Args:
        network: any `SegMiF`, trained or not.
        name: what to call it.
        device: "auto", "cpu", "cuda", "cuda:1", "mps" ...
        dtype: "auto", "float32", "bfloat16" or "float16".
        backend: what runs the network, one of `segmif.infer.backends.BACKENDS`.

    Attributes:
        name: as given.
        label_set: names and colours of the classes; None for a fusion-only model.
        guide_kind: the guide the weights were trained with.

    Raises:
        InputError: no such device, dtype or back end here.
    """

    engine: WholePictures

    def __init__(
        self,
        network: SegMiF,
        *,
        name: str = "segmif",
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        backend: str = "eager",
    ) -> None:
        chosen = choose_device(device, backend=backend)
        computed = choose_dtype(dtype, device=chosen, backend=check_backend(backend))
        self.name = name
        self.engine = Engine(network, device=chosen, dtype=computed, backend=backend)
        self.label_set = _label_set(network)
        self.guide_kind: str | None = network.config.guide

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        backend: str | None = None,
    ) -> Model:
        """A model around a file that `segmif export` wrote; it has no `network`.

        Args:
            path: .onnx (extra `onnx`) or .xml (extra `openvino`).
            device: "auto" or "cpu".
            dtype: "auto", "float32", or "bfloat16" with OpenVINO.
            backend: "onnxruntime", "openvino" or "auto"; None: the usual one of its kind.

        Raises:
            InputError: a missing or damaged file, one of another program, or a back end, device or dtype that cannot
                run it.
        """
        path = Path(path)
        description = read_description(path)
        runtime = backend or SUFFIXES[path.suffix.lower()][0]
        check_device(GRAPH_BACKENDS[0] if runtime == "auto" else check_backend(runtime), place := _processor(device))
        computed = choose_dtype(dtype, device=place, backend=runtime)
        engine = WholePictures(
            make_file_backend(path, backend, dtype=computed), needs_guide=description.guide_source == GUIDE_INPUT
        )
        return cls.around(engine, name=path.stem, label_set=description.label_set, guide_kind=description.guide)

    @classmethod
    def around(cls, engine: WholePictures, *, name: str, label_set: LabelSet | None, guide_kind: str | None) -> Model:
        """A model around anything that runs pairs; arguments as the attributes of this class."""
        model = cls.__new__(cls)
        model.engine, model.name, model.label_set, model.guide_kind = engine, name, label_set, guide_kind
        return model

    def __repr__(self) -> str:
        dtype = str(self.engine.dtype).removeprefix("torch.")
        backend = "" if self.backend.name == "eager" else f" by {self.backend.name}"
        return f"Model({self.name!r}, {len(self.classes)} classes, {dtype} on {self.engine.device}{backend})"

    @property
    def network(self) -> SegMiF:
        """The network itself.

        Raises:
            InputError: the model is an exported file, which holds none.
        """
        if not isinstance(self.engine, Engine):
            raise InputError(f"{self.name}: is an exported file, without the network itself; load the model it is of")
        return self.engine.network

    @property
    def backend(self) -> Backend:
        """What runs the network; of "auto", `chosen` names the back end it found, `milliseconds` what it measured."""
        return self.engine.backend

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by id; empty for a fusion-only model."""
        return self.label_set.classes if self.label_set is not None else ()

    @property
    def limits(self) -> Limits:
        """How large a picture is looked at at once; assign another `Limits` where memory is short or plenty."""
        return self.engine.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.engine.limits = limits

    def predict(self, infrared: Picture, visible: Picture, *, guide: Guide = None, name: str = "pair") -> Result:
        """Fuse one pair, and segment it if the model has classes.

        Args:
            infrared: path, PIL image, uint8, uint16 or float array (H, W) or (H, W, 3), or tensor.
            visible: likewise, of the same field of view; RGB. The result has its size.
            guide: the picture the semantic features come from: "vsm_wls", "visible", "average", or one of your own;
                None: the kind the weights were trained with.
            name: of the result.

        Raises:
            InputError: unreadable or unsuitable pictures; see `segmif.infer.inputs.prepare`.

        Warns:
            InputWarning: sizes differ, a picture is black, infrared is in false colours.
        """
        pair = self._with_guide(prepare(infrared, visible, name=name), guide)
        result = self._run([pair])[0]
        _warn(result, stacklevel=3)
        return result

    def stream(
        self,
        pairs: Iterable[StreamPair],
        *,
        guide: Guide = None,
        batch_size: int | None = None,
        workers: int = 2,
        on_error: Callable[[str, InputError], None] | None = None,
        max_latency: float | None = None,
        stabilise: bool = False,
    ) -> Generator[Result, None, None]:
        """Results in the order of `pairs`; threads decode, read and prepare a few pairs ahead, never more.

        Cameras do not wait: where their frames come faster than they are fused, the oldest are dropped, and counted in
        ``pairs.notes`` at the end.

        Args:
            pairs: from `segmif.open_pairs`, or any iterable of `StreamPair`.
            guide: as for `predict`; may also be a folder of pictures named like the pairs.
            batch_size: pairs of equal size fused at once; by default 1 on a CPU or from cameras, and 4 elsewhere.
            workers: reading threads.
            on_error: called with the name and the error of a pair that cannot be read, which is then left out;
                without it the error is raised.
            max_latency: seconds; a camera's frame older than that when its turn comes is dropped too.
            stabilise: for the frames of one video: smooth the labels over time where the input stands still, see
                `segmif.infer.stabilise.Stabiliser`.

        Raises:
            InputError: a pair cannot be read and there is no `on_error`, or the stream itself breaks.
        """
        size = batch_size or (1 if self.engine.device.type == "cpu" or is_live(pairs) else 4)
        ahead = PreparedAhead(
            pairs,
            partial(self._read, guide=guide),
            workers=workers,
            ahead=2 * size + workers,
            max_latency=max_latency,
        )
        refine = Stabiliser() if stabilise else None
        batch: list[PreparedPair] = []
        with ahead:
            for outcome in ahead:
                if batch and (isinstance(outcome, tuple) or outcome.size != batch[0].size):
                    yield from self._finished(batch, refine)
                    batch = []
                if isinstance(outcome, tuple):
                    if on_error is None:
                        raise outcome[1]
                    on_error(*outcome)
                    continue
                batch.append(outcome)
                if len(batch) == size:
                    yield from self._finished(batch, refine)
                    batch = []
            yield from self._finished(batch, refine)

    def _finished(self, batch: list[PreparedPair], refine: Refine | None) -> Iterator[Result]:
        for result in self._run(batch, refine) if batch else []:
            _warn(result, stacklevel=4)
            yield result

    def _read(self, pair: StreamPair, guide: Guide) -> Outcome:
        """Runs in a reading thread."""
        try:
            prepared = prepare(*pair.read(), name=pair.name, seconds=pair.seconds, limits=pair.limits)
            return self._with_guide(replace(prepared, captured=pair.captured), guide)
        except InputError as error:
            return pair.name, error

    def _with_guide(self, pair: PreparedPair, guide: Guide) -> PreparedPair:
        if not self.engine.needs_guide:
            if guide is not None and self.guide_kind is not None and not isinstance(self.engine, Engine):
                raise InputError(
                    f"the guide of {self.name} is made inside the file: leave it out, or export with --guide input"
                )
            return pair
        maker = guide_maker(guide, self.guide_kind or "average", pair.name)
        view = self.engine.view_size(pair.size)
        infrared, visible = (p if p.shape[:2] == view else resample(p, view) for p in (pair.infrared, pair.visible))
        return replace(pair, guide=maker(infrared, visible))

    def _run(self, pairs: list[PreparedPair], refine: Refine | None = None) -> list[Result]:
        return [self._result(pair, pixels) for pair, pixels in zip(pairs, self.engine.run(pairs, refine), strict=True)]

    def _result(self, pair: PreparedPair, pixels: Pixels) -> Result:
        fused, labels, confidence = pixels
        return Result(
            name=pair.name,
            fused=fused,
            labels=labels,
            confidence=confidence,
            label_set=self.label_set,
            infrared=_bytes(pair.infrared),
            visible=_bytes(pair.visible),
            notes=pair.notes,
            seconds=pair.seconds,
            latency=None if pair.captured is None else time.monotonic() - pair.captured,
        )


def _bytes(picture: Unit) -> npt.NDArray[np.uint8]:
    bytes_: npt.NDArray[np.uint8] = np.rint(picture * np.float32(255)).astype(np.uint8)
    return bytes_


def _warn(result: Result, *, stacklevel: int) -> None:
    for note in result.notes:
        warnings.warn(f"{result.name}: {note}", InputWarning, stacklevel=stacklevel)


def _processor(device: str | torch.device) -> torch.device:
    """Where exported files run."""
    return torch.device("cpu") if device == "auto" else choose_device(device)


def _label_set(network: SegMiF) -> LabelSet | None:
    config = network.config
    if config.num_classes is None:
        return None
    return config.label_set or numbered(config.num_classes)


def load(
    name: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    backend: str | None = None,
) -> Model:
    """A model by the name of a shipped one, a local folder, an exported file, or a Hugging Face Hub id "owner/name".

    Args:
        name: None for the default, the best one shipped.
        device: "auto" takes a GPU if there is one.
        dtype: "auto" takes bfloat16 where the hardware computes in it, else float32.
        backend: what runs the network, one of `segmif.infer.backends.BACKENDS`; None: eager, and for an exported file
            the run-time of its kind. See `Model.from_file` for those.

    Raises:
        InputError: no such model, files that are damaged, or no such device, dtype or back end here. Files that could
            carry code are refused, not opened.
    """
    if name is None:
        if not weights.SHIPPED:
            raise InputError("this version ships no weights: give the folder or Hub id of a model")
        name = next(iter(weights.SHIPPED))
    text = os.fspath(name)
    if Path(text).suffix.lower() in SUFFIXES:
        return Model.from_file(text, device=device, dtype=dtype, backend=backend)
    network = weights.load_shipped(text) if text in weights.SHIPPED else SegMiF.from_pretrained(_folder(text))
    return Model(network, name=Path(text).name, device=device, dtype=dtype, backend=backend or "eager")


def _folder(name: str) -> str:
    """The folder or Hub id `name` means."""
    path = Path(name)
    if path.is_file():
        if path.suffix == ".safetensors" and path.with_name("config.json").is_file():
            return str(path.parent)
        raise InputError(
            f"{path}: is a file; give the folder of a model (config.json and model.safetensors). Checkpoints of other "
            "programs may carry code and are not opened: convert them with segmif.convert_reference"
        )
    if not path.exists() and "/" not in name:
        raise unknown("model", name, weights.SHIPPED)
    return name
