"""Which pairs are written: what the schedule, its quotas and the rate want."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from segmif.checks import InputError
from segmif.rig.record.manifest import Record
from segmif.rig.record.match import Match
from segmif.rig.record.schedule import Window
from segmif.rig.record.settings import RecordConfig


class Chooser:
    """Chooses pairs by time.

    Args:
        earlier: the manifest's records of earlier runs, which count for the quotas.

    Attributes:
        counts: pairs written in each window, by its name.
        window: the one of the pair asked about last; None outside all, or without schedule.
    """

    def __init__(self, config: RecordConfig, earlier: Sequence[Record]) -> None:
        self._config = config
        self.counts = Counter(str(record["window"]) for record in earlier if record.get("window") is not None)
        self.window: Window | None = None
        self._due: dict[str | None, float] = {}

    def wants(self, match: Match, period: float) -> bool:
        """Whether this pair is to be written; pairs come in order of time.

        Args:
            period: seconds between visible frames; a pair up to half of it early is as near as a pair can be.

        Raises:
            InputError: a schedule needs the time of day, and the material does not tell it.
        """
        config, interval, name = self._config, None, None
        if config.schedule is not None:
            if match.utc is None:
                raise InputError("these recordings tell no time of day, which a schedule needs; leave out --schedule")
            self.window = window = config.schedule.window(match.utc)
            if window is None or (window.quota is not None and self.counts[window.name] >= window.quota):
                return False
            interval, name = window.every, window.name
        if interval is None and config.rate is not None:
            interval = 1 / config.rate
        if interval is None:
            return True
        due = self._due.get(name, match.visible_time)
        if match.visible_time < due - min(period, interval) / 2:
            return False
        self._due[name] = max(due + interval, match.visible_time + interval / 2)
        return True

    def written(self) -> None:
        """The pair that was wanted last is on disk."""
        if self.window is not None:
            self.counts[self.window.name] += 1

    @property
    def finished(self) -> bool:
        """Whether every window has its quota."""
        return self._config.schedule is not None and self._config.schedule.finished(self.counts)

    def waits_for(self, utc: float | None) -> str | None:
        """The next window and when it begins, in words, if we are outside all."""
        schedule = self._config.schedule
        if schedule is None or self.window is not None or utc is None:
            return None
        following = schedule.next_window(utc)
        return None if following is None else f"waiting for {following[1].name} ({schedule.local(following[0])})"
