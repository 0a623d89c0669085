"""Which offset of the clocks is applied: measured from motion again and again, or the time stamps are believed."""

from __future__ import annotations

from collections.abc import Callable

from segmif.io import Band
from segmif.rig.record.motion import ClockOffset, estimate_offset
from segmif.rig.record.settings import RecordConfig
from segmif.rig.record.track import Track

_ESTIMATE_EVERY = 10.0
_MOST_DRIFT = 500e-6
"""Quartz is off by less than 200 ppm; more means a wrong frame rate or a broken clock."""
_SURE = 4.0
_MOST_STEPS = 3


class ClocksApart(Exception):
    """The two clocks cannot be brought together; the message is one line with the remedy."""


class OffsetKeeper:
    """Keeps the offset of the infrared clock.

    For the first `sync` seconds motion is only watched; after that the estimate is renewed every ten seconds from what
    the tracks remember.

    Attributes:
        offset: to apply now.
        ready: whether recording may begin; `ready_at`: seconds after the first frame at which it did.
    """

    def __init__(self, config: RecordConfig, tracks: dict[Band, Track], say: Callable[[str], None]) -> None:
        self._config, self._tracks, self._say = config, tracks, say
        given = config.offset is not None
        self.offset = ClockOffset(offset=config.offset or 0.0, origin="given" if given else "stamps")
        self.ready = config.clock == "stamps" or config.sync <= 0
        self.ready_at = 0.0
        self._next = config.sync if config.sync > 0 else _ESTIMATE_EVERY
        self._steps = 0

    def tick(self, seconds: float) -> None:
        """Time goes on: `seconds` since the first frame.

        Raises:
            ClocksApart: motion is asked for and does not tell the offset, or the clocks run apart.
        """
        if self._config.clock == "stamps" or seconds < self._next:
            return
        self._next = seconds + _ESTIMATE_EVERY
        self._estimate()
        if not self.ready:
            self.ready, self.ready_at = True, seconds

    def conclude(self) -> None:
        """All that can be watched before recording has been; seconds count from its beginning again.

        Raises:
            ClocksApart: as `tick`.
        """
        if not self.ready:
            self._estimate()
        self.ready, self.ready_at = True, 0.0

    def _estimate(self) -> None:
        about = self.offset.ahead(self._tracks["infrared"].last or 0.0)
        energies = [self._tracks[band].energy() for band in ("infrared", "visible")]
        found = estimate_offset(*energies, max_offset=self._config.max_offset, about=about)
        if isinstance(found, ClockOffset):
            self._take(found)
        elif not self.ready:
            self._go_without(found)

    def _take(self, found: ClockOffset) -> None:
        if abs(found.drift) > _MOST_DRIFT and abs(found.drift) > _SURE * found.drift_sd:
            raise ClocksApart(
                f"the clocks run apart by {1e6 * found.drift:.0f} ± {1e6 * found.drift_sd:.0f} ppm, more than crystals "
                "do: check the frame rates of recorded material, or believe the stamps with --clock stamps"
            )
        before, self.offset = self.offset, found
        if before.origin != "motion":
            self._say(f"infrared is ahead by {found} (from motion, correlation {found.correlation:.2f})")
            return
        moved = abs(found.ahead(found.at) - before.ahead(found.at))
        apart = moved > self._config.tolerance + _SURE * (found.offset_sd + before.offset_sd)
        self._steps = self._steps + 1 if apart else 0
        if self._steps >= _MOST_STEPS:
            raise ClocksApart(
                f"the offset of the clocks moves by {1000 * moved:.0f} ms in {_ESTIMATE_EVERY:g} s again and again: "
                "they are not synchronised; check the cameras' frame rates, or believe the stamps with --clock stamps"
            )

    def _go_without(self, why: str) -> None:
        if self._config.clock == "motion":
            raise ClocksApart(
                f"motion does not tell the offset of the clocks: {why}; move something before both cameras, watch "
                "longer (--sync), or believe the stamps with --clock stamps"
            )
        self._say(
            f"warning: the offset of the clocks is not known ({why}); pairing by time stamps till motion tells it"
        )
