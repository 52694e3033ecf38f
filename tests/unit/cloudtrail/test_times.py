"""Every way in which CloudTrail, and the pipelines behind it, write an instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from enricher.cloudtrail.times import day_of, format_time, parse_time

AT = datetime(2020, 9, 17, 20, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("2020-09-17T20:04:10Z", id="cloudtrail"),
        pytest.param("2020-09-17T20:04:10.000Z", id="milliseconds"),
        pytest.param("2020-09-17T20:04:10.999Z", id="milliseconds-are-cut-not-rounded"),
        pytest.param("2020-09-17T20:04:10.123456789Z", id="nanoseconds"),
        pytest.param("2020-09-17T20:04:10+00:00", id="offset-of-zero"),
        pytest.param("2020-09-17T22:04:10+02:00", id="offset"),
        pytest.param("2020-09-17T22:04:10+0200", id="offset-without-colon"),
        pytest.param("2020-09-17T11:34:10.000-08:30", id="offset-to-the-west"),
        pytest.param("20200917T200410Z", id="basic"),
        pytest.param("2020-09-17 20:04:10.000", id="lake"),
        pytest.param("2020-09-17 20:04:10", id="athena"),
        pytest.param("2020-09-17T20:04:10", id="no-zone-is-utc"),
        pytest.param("Sep 17, 2020 8:04:10 PM", id="locale-until-2023"),
        pytest.param("Sep 17, 2020, 8:04:10 PM", id="locale-since-2023"),
        pytest.param("Sep 17, 2020, 8:04:10\u00a0PM", id="locale-with-no-break-space"),
        pytest.param("Sep 17, 2020, 8:04:10\u202fPM", id="locale-with-narrow-no-break-space"),
        pytest.param(1600373050, id="seconds-since-the-epoch"),
        pytest.param(1600373050.75, id="fractions-of-a-second-since-the-epoch"),
        pytest.param(1600373050999, id="milliseconds-since-the-epoch"),
    ],
)
def test_an_instant_is_read_as_utc_in_whole_seconds(written: object) -> None:
    assert parse_time(written) == AT


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("Jul 9, 2023, 12:21:41 AM", 0),
        ("Jul 9, 2023, 1:21:41 AM", 1),
        ("Jul 9, 2023, 12:21:41 PM", 12),
        ("Jul 09, 2023, 11:21:41 PM", 23),
    ],
)
def test_hours_of_the_locale_style_count_from_twelve(written: str, hour: int) -> None:
    assert parse_time(written) == datetime(2023, 7, 9, hour, 21, 41, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        None,
        True,
        False,
        "",
        "never",
        [],
        {},
        "2020-02-30T00:00:00Z",
        "2020-09-17T25:04:10Z",
        "20200230T000000Z",
        "Sep 31, 2020 8:04:10 PM",
        "Foo 17, 2020 8:04:10 PM",
        "September 17, 2020 8:04:10 PM",
        "Sep 17, 2020 8:04:10 XM",
        1e20,
        -1e20,
        float("nan"),
        float("inf"),
    ],
)
def test_what_is_no_instant_is_none(written: object) -> None:
    assert parse_time(written) is None


@pytest.mark.parametrize(
    "written",
    [
        "0001-01-01T00:00:00Z",
        "0001-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "99990101T000000Z",
        "Sep 17, 9999 8:04:10 PM",
        "Sep 17, 0001 8:04:10 PM",
        253_402_300_799_000,
        -62_135_596_800_000,
    ],
)
def test_the_first_and_the_last_year_of_the_calendar_are_no_times(written: object) -> None:
    assert parse_time(written) is None


@pytest.mark.parametrize("written", ["0002-01-01T00:00:00+14:00", "9998-12-31T23:59:59-14:00"])
def test_the_years_next_to_them_can_be_reckoned_with(written: str) -> None:
    at = parse_time(written)
    assert at is not None
    assert at - timedelta(days=300) < at < at + timedelta(days=300)


def test_the_epoch_itself_and_what_lies_before_it_are_instants() -> None:
    assert parse_time(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time(-1) == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_an_instant_is_written_as_cloudtrail_writes_it() -> None:
    assert format_time(AT) == "2020-09-17T20:04:10Z"
    assert format_time(AT.replace(microsecond=999_999)) == "2020-09-17T20:04:10Z"


def test_years_are_written_with_four_digits() -> None:
    assert format_time(datetime(7, 1, 2, tzinfo=UTC)) == "0007-01-02T00:00:00Z"
    assert day_of(datetime(7, 1, 2, tzinfo=UTC)) == "0007-01-02"


def test_a_day_is_the_utc_date() -> None:
    assert day_of(AT) == "2020-09-17"
