"""Instants: RFC 3339 with T, seconds and an offset, years 2000-2099, to the microsecond."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.instants import format_instant, from_instant, parse_instant, to_instant

UTC = timezone.utc
ZONES = st.sampled_from(
    [UTC, ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=-12)), timezone(timedelta(minutes=345))]
)
INSTANTS = st.integers(to_instant(datetime(2000, 1, 2, tzinfo=UTC)), to_instant(datetime(2099, 12, 30, tzinfo=UTC)))
NINE_THIRTY = to_instant(datetime(2020, 9, 1, 1, 30, tzinfo=UTC))


@given(INSTANTS, ZONES)
def test_what_is_written_is_read_back(instant: int, zone: timezone) -> None:
    assert parse_instant(format_instant(instant, zone)) == instant
    assert to_instant(from_instant(instant, zone)) == instant


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2020-09-01T09:30:00+08:00", 0),
        ("2020-09-01T01:30:00Z", 0),
        ("2020-09-01T01:30:00-00:00", 0),
        ("2020-08-31T13:30:00-12:00", 0),
        ("2020-09-01T15:30:00+14:00", 0),
        ("2020-09-01T01:30:00.5Z", 500_000),
        ("2020-09-01T01:30:00.000001Z", 1),
        ("2020-09-01T01:30:00.0000019Z", 1),
        ("2020-09-01T01:30:00.999999999999Z", 999_999),
        ("2020-09-01T09:30:00.25+08:00", 250_000),
    ],
)
def test_right_times(text: str, microseconds: int) -> None:
    assert parse_instant(text) == NINE_THIRTY + microseconds


@pytest.mark.parametrize(
    "text",
    [
        *("2020-09-01", "2020-09-01T09:30:00", "2020-09-01T09:30+08:00", "2020-09-01 09:30:00+08:00", "09:30:00+08:00"),
        *("2020-09-01t09:30:00+08:00", "2020-09-01T09:30:00z", "2020-09-01T09:30:00+0800", "2020-09-01T09:30:00+08"),
        *("2020-09-01T24:00:00Z", "2020-09-01T23:60:00Z", "2020-09-01T23:59:60Z", "2020-09-01T09:30:00+24:00", "2020-09-01T09:30:00+08:60"),
        *("2020-02-30T00:00:00Z", "2021-02-29T00:00:00Z", "2020-13-01T00:00:00Z", "2020-00-01T00:00:00Z", "2020-W01-1T00:00:00Z"),
        *("1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "0020-09-01T00:00:00Z", "12020-09-01T00:00:00Z", "-2020-09-01T00:00:00Z"),
        *("2020-09-01T09:30:00.Z", "2020-09-01T09:30:00,5Z", "2020-09-01T09:30:00.5", "2020-09-01T09:30:00.-5Z", "2020-09-01T09:30:00.5 Z"),
        *(" 2020-09-01T09:30:00Z", "2020-09-01T09:30:00Z ", "2020-09-01T09:30:00Z\n", "２０２０-09-01T09:30:00Z", "2020-09-01T09:30:0０Z"),
        *("2020-09-01T09:30:00.５Z", "2020-09-01T09:30:00\u221208:00", "now", "", None, 1_598_918_400, 1.5, True, [], {}, b"2020-09-01T09:30:00Z"),
    ],
)  # fmt: skip
def test_wrong_times_are_refused_with_a_right_one(text: object) -> None:
    with pytest.raises(ValueError, match="such as 2020-09-01T09:30:00"):
        parse_instant(text)


def test_the_bounds_are_of_the_text_not_of_the_instant() -> None:
    assert parse_instant("2000-01-01T00:00:00+14:00") == to_instant(datetime(1999, 12, 31, 10, tzinfo=UTC))
    assert parse_instant("2099-12-31T23:59:59.999999-12:00") == to_instant(datetime(2100, 1, 1, 11, 59, 59, 999_999, tzinfo=UTC))


def test_microseconds_are_written_only_where_there_are_any() -> None:
    assert format_instant(NINE_THIRTY - 1, UTC) == "2020-09-01T01:29:59.999999+00:00"
    assert format_instant(NINE_THIRTY, UTC) == "2020-09-01T01:30:00+00:00"
