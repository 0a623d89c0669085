"""Sun, windows, amounts, positions."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from segmif.checks import InputError
from segmif.rig.record.gps import GpsLog, GpsParser, GpsReceiver, nmea_checksum, open_gps
from segmif.rig.record.schedule import Schedule, Window, parse_bytes, parse_place, parse_schedule, parse_seconds
from segmif.rig.record.sun import HORIZON, solar_elevation, sun_equatorial

BERLIN = (52.52, 13.405)


def utc(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()


def test_position_of_the_sun_as_in_meeus():
    """Astronomical Algorithms, example 25.a: 1992 October 13, 0 h TD (59 s before UTC)."""
    right_ascension, declination = sun_equatorial(utc(1992, 10, 13) - 59)
    assert right_ascension == pytest.approx(198.38083, abs=0.01)
    assert declination == pytest.approx(-7.78507, abs=0.01)


@pytest.mark.parametrize(
    ("place", "zone", "date", "rise", "set_"),
    [
        ((51.5074, -0.1278), 1, (2024, 6, 21), (4, 43), (21, 21)),
        ((40.7128, -74.0060), -4, (2024, 3, 20), (6, 59), (19, 8)),
        ((-33.8688, 151.2093), 11, (2024, 1, 1), (5, 47), (20, 9)),
        ((35.6762, 139.6503), 9, (2024, 12, 21), (6, 47), (16, 32)),
    ],
    ids=["London", "New York", "Sydney", "Tokyo"],
)
def test_sunrise_and_sunset_of_almanacs(place, zone, date, rise, set_):
    midnight = utc(*date) - 3600 * zone
    up = [solar_elevation(midnight + 60 * m, *place) > HORIZON for m in range(1440)]
    rises = next(m for m in range(1, 1440) if up[m] and not up[m - 1])
    sets = next(m for m in range(1, 1440) if up[m - 1] and not up[m])
    assert abs(rises - (60 * rise[0] + rise[1])) <= 2
    assert abs(sets - (60 * set_[0] + set_[1])) <= 2


def test_windows_by_the_sun():
    schedule = parse_schedule("day every 30s max 2, dusk every 5s max 1, night max 1", place=BERLIN)
    at = {h: schedule.window(utc(2024, 3, 20, h)) for h in (0, 5, 12, 17, 20)}
    assert [at[h].name for h in at] == ["night", "dusk", "day", "dusk", "night"]
    assert (at[12].every, at[12].quota, at[0].every) == (30.0, 2, None)
    assert not schedule.finished({"day": 2, "dusk": 1})
    assert schedule.finished({"day": 2, "dusk": 1, "night": 1})


def test_windows_by_the_clock():
    zone = timezone(timedelta(hours=2))
    schedule = parse_schedule("rush 07:00-09:00 every 500ms, late 22:00-02:00", zone=zone)
    names = [getattr(schedule.window(utc(2024, 5, 1, h)), "name", None) for h in (4, 5, 7, 20, 23, 0)]
    assert names == [None, "rush", None, "late", "late", None]
    moment, window = schedule.next_window(utc(2024, 5, 1, 7, 30))
    assert (schedule.local(moment), window.name) == ("2024-05-01 22:00", "late")
    assert not schedule.finished({"rush": 9, "late": 9})
    assert Schedule(windows=(Window(name="day"),), place=(0.0, 0.0)).next_window(utc(2024, 1, 1)) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day often", "cannot read 'day often'"),
        ("rush", "'rush' has no times"),
        ("day", "give --place"),
        ("a 25:00-26:00", "25:00 is no time of day"),
        ("a 07:00-08:00, a 09:00-10:00", "names a window twice"),
        ("a 07:00-08:00 every 3parsecs", "no length of time"),
    ],
)
def test_schedules_that_cannot_be_read(text, message):
    with pytest.raises(InputError, match=message):
        parse_schedule(text)


def test_amounts():
    assert (parse_bytes("500MB"), parse_bytes("1 GiB"), parse_bytes("7")) == (500_000_000, 2**30, 7)
    assert parse_place("52.52,13.405") == BERLIN
    for parse, text in ((parse_bytes, "much"), (parse_place, "north"), (parse_place, "99,0"), (parse_seconds, "0s")):
        with pytest.raises(InputError, match=r"no (amount|place|length)"):
            parse(text)


def nmea(body: str) -> str:
    return f"${body}*{nmea_checksum(body):02X}"


RMC = "GPRMC,123519.50,A,4807.038,N,01131.000,W,022.4,084.4,230394,003.1,W"
GGA = "GPGGA,123519.50,4807.038,S,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"
TPV = '{"class":"TPV","mode":3,"time":"2024-05-01T07:00:00.000Z","lat":52.5,"lon":13.4,"altMSL":34.0,"speed":1.5}'


def test_nmea_and_gpsd():
    parser = GpsParser()
    assert parser.parse(nmea(GGA)).utc is None  # no date yet
    fix = parser.parse(nmea(RMC))
    assert (round(fix.latitude, 4), round(fix.longitude, 4)) == (48.1173, -11.5167)
    assert fix.speed == pytest.approx(11.524, abs=0.001)
    assert fix.utc == utc(2094, 3, 23, 12, 35, 19) + 0.5
    again = parser.parse(nmea(GGA))
    assert (again.altitude, again.utc, again.latitude < 0) == (545.4, fix.utc, True)
    assert parser.parse(nmea(RMC)).altitude == 545.4
    tpv = parser.parse(TPV)
    assert (tpv.latitude, tpv.altitude, tpv.speed, tpv.utc) == (52.5, 34.0, 1.5, utc(2024, 5, 1, 7))
    assert parser.damaged == 0
    void = [
        nmea(RMC.replace(",A,", ",V,")),
        nmea(GGA.replace(",1,08", ",0,08")),
        '{"class":"SKY"}',
        "noise",
        "$GPGSV,1",
    ]
    assert [parser.parse(line) for line in void] == [None] * 5
    for line in (nmea(RMC)[:-2] + "00", nmea(RMC.replace("4807.038", "48xx")), "{torn", nmea(RMC.replace("48", "98"))):
        assert parser.parse(line) is None
    assert parser.damaged == 4


def test_a_log_tells_the_nearest_position(tmp_path):
    log = tmp_path / "track.nmea"
    log.write_text(TPV + "\n" + TPV.replace("07:00:00", "07:00:04").replace("52.5", "52.6"))
    gps = open_gps(str(log), lambda: 0.0)
    assert isinstance(gps, GpsLog)
    start = utc(2024, 5, 1, 7)
    assert [gps.at(start + s).latitude for s in (-1, 1.9, 2.1, 8)] == [52.5, 52.5, 52.6, 52.6]
    assert gps.at(start + 20) is gps.at(None) is None
    gps.close()
    log.write_text("nothing")
    with pytest.raises(InputError, match="holds no position"):
        open_gps(str(log), lambda: 0.0)
    with pytest.raises(InputError, match="cannot be opened"):
        open_gps(str(tmp_path / "none"), lambda: 0.0)
    with pytest.raises(InputError, match="no gpsd there"):
        open_gps("gpsd://127.0.0.1:1", lambda: 0.0)


def test_a_receiver_tells_fresh_positions_only():
    gps = GpsReceiver(iter([TPV, "noise"]), lambda: 1000.0)
    gps._thread.join(2)
    assert gps.at(1004.0).latitude == 52.5
    assert gps.at(1006.0) is None
    gps.close()
