"""Results of a stream as videos."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from segmif.infer.result import Result
from segmif.infer.threaded import WriteBehind
from segmif.video import VideoWriter

_WAITING_FRAMES = 4


class Recorder:
    """Writes results as H.264 videos, one per output, each drawn and encoded in a thread of its own.

    ```python
    pairs = segmif.open_pairs("infrared.mp4", "visible.mp4")
    with Recorder({"fused": Path("fused.mp4")}, pairs.rate) as recorder:
        for result in model.stream(pairs):
            recorder.write(result)
    ```

    Files appear under their names when the block ends well; after an exception what was written is kept, playable, as
    ``<stem>_partial<suffix>``.

    Args:
        paths: the file for each of `segmif.infer.result.OUTPUTS` that is wanted.
        rate: frames per second.

    Raises:
        InputError: a file cannot be written (from `write` or at the end), or there were no results.
    """

    def __init__(self, paths: Mapping[str, Path], rate: Fraction) -> None:
        self._videos = {output: VideoWriter(path, rate) for output, path in paths.items()}
        self._stack = ExitStack()
        self._sinks: list[WriteBehind[Result]] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for output, video in self._videos.items():
                encode = partial(_encode, output, stack.enter_context(video))
                self._sinks.append(stack.enter_context(WriteBehind(encode, waiting=_WAITING_FRAMES)))
            self._stack = stack.pop_all()
        return self

    def write(self, result: Result) -> None:
        """Append a result to every video; raises what an earlier one failed with."""
        for sink in self._sinks:
            sink.submit(result)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _encode(output: str, video: VideoWriter, result: Result) -> None:
    video.write(result.picture(output, legend="all"), result.seconds)
