"""Runs a network: on which device, in which precision, whole or in windows, and what comes out as pixels.

B batch, K classes, H, W picture size, h, w map size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segmif.allocator import keep_freed_memory
from segmif.checks import InputError, unknown
from segmif.color import luma, rgb_to_ycrcb, ycrcb_to_rgb
from segmif.infer.backends import GRAPH_BACKENDS, Backend, make_backend, precisions
from segmif.infer.backends.native import precision
from segmif.infer.inputs import PreparedPair, Unit, resample
from segmif.infer.tiling import Limits, SharedContexts, reduced_size, upsampled, windows
from segmif.models import SegMiF
from segmif.models.blend import DETAIL_MARGIN, blend

_DTYPES = {
    "float32": torch.float32, "fp32": torch.float32,
    "bfloat16": torch.bfloat16, "bf16": torch.bfloat16,
    "float16": torch.float16, "fp16": torch.float16,
}  # fmt: skip

Pixels = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None, npt.NDArray[np.float32] | None]
"""Fused RGB (H, W, 3), labels (H, W) and the winning class' probability (H, W); None without segmentation."""
Refine = Callable[[PreparedPair, Tensor], Tensor]
"""Takes the logits (K, h, w) of a pair, pair after pair, to those its labels are read from."""
_Raw = tuple[Tensor, Tensor | None]
"""RGB (3, H, W) and logits (K, h, w)."""


def choose_device(device: str | torch.device = "auto", *, backend: str = "eager") -> torch.device:
    """The device of that name; "auto": a CUDA GPU, else Apple's, else the CPU, as far as the back end runs on it.

    Raises:
        InputError: no such device here.
    """
    if device == "auto":
        if backend in GRAPH_BACKENDS:
            return torch.device("cpu")
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"device {str(device)!r} cannot be used here ({reason}); use cpu or auto") from error
    return chosen


def choose_dtype(dtype: str | torch.dtype = "auto", *, device: torch.device, backend: str = "eager") -> torch.dtype:
    """The precision of that name; "auto": bfloat16 where hardware and back end compute in it, else float32.

    Raises:
        InputError: no such precision, or float16 on a CPU.
    """
    if dtype == "auto":
        possible = torch.bfloat16 in precisions(backend) and _has_bfloat16(device)
        return torch.bfloat16 if possible else torch.float32
    if isinstance(dtype, str):
        if dtype not in _DTYPES:
            raise unknown("dtype", dtype, ["auto", *_DTYPES])
        dtype = _DTYPES[dtype]
    if dtype not in _DTYPES.values():
        raise unknown("dtype", str(dtype).removeprefix("torch."), ["auto", *_DTYPES])
    if dtype == torch.float16 and device.type == "cpu":
        raise InputError("dtype float16 is slow and inexact on a CPU: use bfloat16, float32 or auto")
    return dtype


def _has_bfloat16(device: torch.device) -> bool:
    """GPUs since 2020 (compute capability 8); CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device)[0] >= 8)
    if device.type != "cpu":
        return False
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name)) for name in ("amx_bf16", "avx512_bf16"))


class WholePictures:
    """Runs pairs through a back end, each picture at once.

    Args:
        backend: what runs them.
        needs_guide: whether it must be given a guide.
    """

    def __init__(self, backend: Backend, *, needs_guide: bool) -> None:
        self.backend = backend
        self.device, self.dtype = backend.device, backend.dtype
        self.needs_guide = needs_guide
        self.limits = Limits()

    def view_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) at which the network sees the whole of a picture, and wants its guide."""
        return size

    def _fits(self, size: tuple[int, int]) -> bool:
        return size[0] * size[1] <= self.limits.segment

    def run(self, pairs: Sequence[PreparedPair], refine: Refine | None = None) -> list[Pixels]:
        """Fuse and segment pairs of one size; `refine` may change the logits before labels are read from them.

        Raises:
            InputError: the device's memory is too small, or the picture is larger than an exported file is run at.
        """
        with torch.inference_mode(), _memory_errors(pairs[0].size):
            if self._fits(pairs[0].size):
                return _all_pixels(pairs, self._run_whole(pairs), refine)
            return _all_pixels(pairs, self._run_large(pairs), refine)

    def _batch(self, pictures: Sequence[Unit]) -> Tensor:
        """Grey (H, W) or RGB (H, W, 3) pictures as (B, C, H, W) on the device."""
        batch = torch.from_numpy(np.stack(pictures)).to(self.device)
        return batch[:, None] if batch.ndim == 3 else batch.permute(0, 3, 1, 2)

    def _run_whole(self, pairs: Sequence[PreparedPair]) -> Iterable[_Raw]:
        guides = [pair.guide for pair in pairs if pair.guide is not None]
        fused, logits = self.backend(
            self._batch([pair.infrared for pair in pairs]),
            self._batch([pair.visible for pair in pairs]),
            self._batch(guides) if guides else None,
        )
        return zip(fused, logits if logits is not None else [None] * len(pairs), strict=True)

    def _run_large(self, pairs: Sequence[PreparedPair]) -> Iterable[_Raw]:
        height, width = pairs[0].size
        raise InputError(
            f"{pairs[0].name} is {width}x{height}, and an exported file is run on whole pictures of "
            f"{self.limits.segment / 1e6:.1f} megapixels at most: load the model itself, which goes window by window, "
            "or raise model.limits"
        )


class Engine(WholePictures):
    """A network ready to run on one device, whole or window by window.

    Args:
        network: put on `device`, in eval mode; its weights stay float32, autocast chooses what runs in `dtype`.
        device: where to.
        dtype: float32, bfloat16 or float16.
        backend: what runs it on whole pictures, one of `segmif.infer.backends.BACKENDS`. Windows of larger ones are
            always run by PyTorch as it is.

    Raises:
        InputError: the back end is not installed, or not for this device or dtype.
    """

    def __init__(self, network: SegMiF, *, device: torch.device, dtype: torch.dtype, backend: str = "eager") -> None:
        self.network: SegMiF = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        if device.type == "cpu":
            keep_freed_memory()
        config = network.config
        super().__init__(
            make_backend(backend, self.network, device=device, dtype=dtype),
            needs_guide=config.layout == "shared" or config.attention != "none",
        )

    def view_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """See `WholePictures.view_size`."""
        if self._fits(size):
            return size
        return reduced_size(size, self.limits.segment if self._shared else self.limits.view)

    @property
    def _shared(self) -> bool:
        return self.network.config.layout == "shared"

    def _fits(self, size: tuple[int, int]) -> bool:
        return size[0] * size[1] <= (self.limits.segment if self._shared else self.limits.whole)

    def _run_large(self, pairs: Sequence[PreparedPair]) -> Iterable[_Raw]:
        with precision(self.device, self.dtype):
            yield from map(self._blend_in_windows if self._shared else self._run_in_windows, pairs)

    def _run_in_windows(self, pair: PreparedPair) -> _Raw:
        network, view = self.network, self.view_size(pair.size)
        contexts, semantic = SharedContexts(network), []
        if self.needs_guide:
            assert pair.guide is not None
            semantic = network.encode_guide(self._batch([pair.guide]))
            with contexts.record():
                network.fusion(
                    self._batch([resample(pair.infrared, view)]),
                    self._batch([luma(resample(pair.visible, view))]),
                    semantic,
                )
        infrared, visible = torch.from_numpy(pair.infrared), torch.from_numpy(pair.visible).permute(2, 0, 1)
        fused = torch.empty((3, *pair.size))
        with contexts.replay():
            for window in windows(pair.size, self.limits.tile):
                local = [upsampled(m, pair.size, window.outer_rows, window.outer_columns) for m in semantic]
                y, cr, cb = rgb_to_ycrcb(window.cut(visible)[None].to(self.device)).chunk(3, dim=1)
                y = network.fusion(window.cut(infrared)[None, None].to(self.device), y, local)
                rgb = ycrcb_to_rgb(torch.cat((y, cr, cb), dim=1))
                fused[:, window.rows, window.columns] = window.trim(rgb)[0].cpu()
        if network.config.clamp:
            fused.clamp_(0, 1)
        return fused, self._segment_reduced(fused)

    def _blend_in_windows(self, pair: PreparedPair) -> _Raw:
        """The shared layout decides on a reduced view how to blend, and blends at full size."""
        network, view = self.network, self.view_size(pair.size)
        coefficients, logits = network.decide(
            self._batch([resample(pair.infrared, view)]),
            self._batch([resample(pair.visible, view)]),
            None if pair.guide is None else self._batch([pair.guide]),
        )
        infrared, visible = torch.from_numpy(pair.infrared), torch.from_numpy(pair.visible).permute(2, 0, 1)
        fused = torch.empty((3, *pair.size))
        for window in windows(pair.size, self.limits.tile, DETAIL_MARGIN):
            local = upsampled(coefficients, pair.size, window.outer_rows, window.outer_columns)
            y, cr, cb = rgb_to_ycrcb(window.cut(visible)[None].to(self.device)).chunk(3, dim=1)
            y = blend(window.cut(infrared)[None, None].to(self.device), y, local)
            rgb = ycrcb_to_rgb(torch.cat((y, cr, cb), dim=1))
            fused[:, window.rows, window.columns] = window.trim(rgb)[0].cpu()
        if network.config.clamp:
            fused.clamp_(0, 1)
        return fused, None if logits is None else logits[0]

    def _segment_reduced(self, fused: Tensor) -> Tensor | None:
        """Logits (K, h, w) of a large fused picture (3, H, W)."""
        if self.network.head is None:
            return None
        size = reduced_size((fused.shape[1], fused.shape[2]), self.limits.segment)
        logits: Tensor = self.network.segment(self._batch([resample(fused.permute(1, 2, 0).numpy(), size)]))
        return logits[0]


@contextmanager
def _memory_errors(size: tuple[int, int]) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"the device has too little memory for {size[1]}x{size[0]} pixels: use a smaller batch or --device cpu"
        ) from error


def _all_pixels(pairs: Sequence[PreparedPair], outputs: Iterable[_Raw], refine: Refine | None) -> list[Pixels]:
    return [
        _pixels(rgb, logits if logits is None or refine is None else refine(pair, logits))
        for pair, (rgb, logits) in zip(pairs, outputs, strict=True)
    ]


def _pixels(rgb: Tensor, logits: Tensor | None) -> Pixels:
    """RGB (3, H, W) and logits (K, h, w) to what people see; in float32, whatever the network ran in."""
    fused = rgb.float().clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    if logits is None:
        return np.ascontiguousarray(fused), None, None
    labels, confidence = classify(logits, (rgb.shape[1], rgb.shape[2]))
    return np.ascontiguousarray(fused), labels, confidence


def classify(logits: Tensor, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Logits (K, h, w), upsampled to `size`, as class ids (H, W) and the winner's softmax probability (H, W).

    It goes class by class, so that K full maps never exist at once; OpenCV does each step at the speed of memory,
    a fifth of the time of the same in PyTorch.
    """
    maps = [np.ascontiguousarray(each) for each in logits.float().cpu().numpy()]
    best, labels = _enlarged(maps[0], size), np.zeros(size, np.uint8)
    for number, each in enumerate(maps[1:], start=1):
        score = _enlarged(each, size)
        np.copyto(labels, number, where=score > best)
        cv2.max(score, best, dst=best)
    total = np.zeros(size, np.float32)
    for each in maps:
        score = _enlarged(each, size) - best
        cv2.add(total, cv2.exp(score, dst=score), dst=total)
    return labels, np.reciprocal(total, out=total)


def _enlarged(scores: Unit, size: tuple[int, int]) -> Unit:
    """One map (h, w), bilinear, pixel centres aligned: what `torch.nn.functional.interpolate` gives."""
    return np.asarray(cv2.resize(scores, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)
