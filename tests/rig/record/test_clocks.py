"""Clocks: the camera's stamps, the offset from motion, pairing by time, lost frames."""

from dataclasses import replace

import numpy as np
import pytest

from segmif.rig.record.clock import DeviceClock
from segmif.rig.record.frames import Frame
from segmif.rig.record.match import DropCounter, Matcher
from segmif.rig.record.motion import ClockOffset, Energy, MotionTrace, estimate_offset
from segmif.rig.record.simulate import SimulatedCamera, SimulatedRig

SIZE = (64, 80)


def energy(rig: SimulatedRig, band: str) -> Energy:
    """What a track would know of one simulated camera."""
    source, clock, trace = rig.open(band), DeviceClock(), MotionTrace()
    while (frame := source.read()) is not None:
        if frame.device is not None:
            clock.add(frame.device, frame.host)
        trace.add(frame.stamp, frame.image)
    start, end, value = trace.series()
    if rig.camera(band).stamps:
        start, end = clock.many_to_host(start), clock.many_to_host(end)
    return Energy(start=start, end=end, value=value)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[SimulatedRig, Energy, Energy]]:
    rigs = [SimulatedRig(seed=seed, seconds=25, size=SIZE) for seed in range(3)]
    return [(rig, energy(rig, "infrared"), energy(rig, "visible")) for rig in rigs]


def test_device_clock_finds_drift_and_removes_jitter():
    camera = SimulatedCamera(clock_offset=812.0, clock_drift=75e-6, latency=0.03, jitter=0.01)
    true, stamps, arrivals, _ = camera.times(120.0, np.random.default_rng(0))
    clock = DeviceClock()
    late = [clock.to_host(s) - t for t, s, a in zip(true, stamps, arrivals, strict=True) if not clock.add(s, a)]
    assert clock.drift == pytest.approx(-75e-6, abs=5 * clock.drift_sd)
    assert clock.drift_sd < 5e-6
    assert np.abs(np.array(late[600:]) - 0.03).max() < 0.0015  # arrivals themselves jitter by 10 ms and more
    assert np.std(arrivals - true) > 0.009


def test_device_clock_starts_anew_when_the_camera_does():
    clock = DeviceClock()
    assert not any(clock.add(100 + k / 30, k / 30 + 0.02) for k in range(90))
    assert clock.add(5.0, 3.1)
    assert clock.restarts == 1
    assert clock.to_host(5.5) == pytest.approx(3.6)


def test_offset_from_motion_is_right_within_its_uncertainty(pairs):
    for rig, infrared, visible in pairs:
        found = estimate_offset(infrared, visible, max_offset=3.0)
        assert isinstance(found, ClockOffset)
        assert abs(found.offset - rig.offset()) < min(4 * found.offset_sd, 0.008)
        assert 0 < found.offset_sd < 0.010
        assert found.origin == "motion"


def test_large_offset_and_drift_are_found(pairs):
    rig, infrared, visible = pairs[0]
    drift = 400e-6
    moved = replace(infrared, start=infrared.start * (1 + drift) + 2.5, end=infrared.end * (1 + drift) + 2.5)
    found = estimate_offset(moved, visible, max_offset=4.0)
    assert isinstance(found, ClockOffset)
    truth = 2.5 + rig.offset() + drift * 12.5
    assert abs(found.ahead(15.0) - truth) < 0.01
    about = estimate_offset(moved, visible, max_offset=0.5, about=2.4)
    assert isinstance(about, ClockOffset)
    assert about.ahead(15.0) == pytest.approx(found.ahead(15.0), abs=0.003)


def test_strangers_stillness_and_rhythm_tell_no_offset(pairs):
    for left, right in ((0, 1), (1, 2), (2, 0)):
        assert "too little motion in common" in estimate_offset(pairs[left][1], pairs[right][2], max_offset=3.0)
    still = SimulatedRig(seed=1, seconds=12, size=SIZE, moving=False)
    assert isinstance(estimate_offset(energy(still, "infrared"), energy(still, "visible"), max_offset=3.0), str)
    times = np.arange(0, 20, 1 / 30)
    fan = Energy(start=times, end=times + 1 / 30, value=2 + np.sin(2 * np.pi * 1.5 * times))
    assert isinstance(estimate_offset(fan, fan, max_offset=3.0), str)
    short = Energy(start=times[:5], end=times[1:6], value=np.ones(5))
    assert estimate_offset(short, fan, max_offset=3.0) == "too few frames"
    later = replace(fan, start=fan.start + 100, end=fan.end + 100)
    assert estimate_offset(fan, later, max_offset=3.0) == "the two times hardly overlap"


def test_gain_steps_are_no_motion():
    trace = MotionTrace(seconds=1.0)
    picture = np.random.default_rng(0).integers(0, 200, (60, 80)).astype(np.uint8)
    trace.add(0.0, picture)
    trace.add(0.1, picture + 20)
    trace.add(0.2, np.roll(picture, 5, axis=1))
    trace.add(0.2, picture)  # a time that does not rise is left out
    assert trace.series()[2][0] == pytest.approx(0.0, abs=1e-6)
    assert trace.series()[2][1] > 0.1
    trace.add(5.0, picture)
    assert len(trace) == 0
    trace.clear()
    assert len(trace) == 0


def frame(time: float) -> Frame:
    return Frame(image=np.zeros((2, 2), np.uint8), host=time, utc=None)


def matched(matcher: Matcher, events: list[tuple[str, float]]) -> list[tuple[float, float]]:
    found = [m for band, time in events for m in matcher.push(band, time, frame(time))]
    return [(m.infrared.host, m.visible.host) for m in (*found, *matcher.flush())]


def test_nearest_frames_are_paired_once():
    matcher = Matcher(0.02)
    events = [("visible", 0.0), ("infrared", 0.015), ("visible", 0.02), ("visible", 0.04), ("infrared", 0.1)]
    assert matched(matcher, events) == [(0.015, 0.02)]
    assert matcher.unmatched == {"infrared": 1, "visible": 2}
    assert matcher.nearest_miss == pytest.approx(0.06)


def test_pairing_agrees_with_exhaustive_search():
    rng = np.random.default_rng(4)
    for _ in range(20):
        times = {b: np.sort(np.cumsum(rng.uniform(0.02, 0.05, 40))) for b in ("infrared", "visible")}
        events = sorted(((t, b) for b, ts in times.items() for t in ts))
        found = matched(Matcher(0.012), [(b, t) for t, b in events])
        mutual = [
            (i, v)
            for i in times["infrared"]
            for v in times["visible"]
            if abs(i - v) <= 0.012
            and abs(i - v) == np.abs(times["visible"] - i).min() == np.abs(times["infrared"] - v).min()
        ]
        assert set(mutual) <= set(found)
        assert all(abs(i - v) <= 0.012 for i, v in found)


def test_a_silent_camera_does_not_fill_the_memory():
    matcher = Matcher(0.02)
    assert matched(matcher, [("visible", k / 30) for k in range(200)]) == []
    assert matcher.unmatched["visible"] == 200
    assert matcher.push("visible", 1.0, frame(1.0)) == matcher.push("visible", 1.0, frame(1.0)) == []
    assert matcher.unmatched["visible"] == 201


@pytest.mark.parametrize("numbers", [True, False])
def test_lost_frames_are_counted(numbers):
    rng = np.random.default_rng(3)
    there = np.flatnonzero(rng.random(600) > 0.05)
    counter = DropCounter()
    for k in there:
        counter.add(k / 29.97 + rng.normal(0, 0.002), int(k) if numbers else None)
    assert counter.received == len(there)
    assert abs(counter.missing - (there[-1] - there[0] + 1 - len(there))) <= (0 if numbers else 1)
    assert counter.rate == pytest.approx(29.97, rel=0.002)
    counter.reset()
    assert counter.rate is None
