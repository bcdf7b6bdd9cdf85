"""Instants: integer microseconds since 1970-01-01T00:00:00Z, read from and written as RFC 3339."""

import re
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

MILLISECOND = 1_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_PATTERN = r"^20\d\d-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$"
_HOUR = re.compile(r"20\d\d-\d\d-\d\dT([01]\d|2[0-3])", re.ASCII)
_WITHIN_HOUR = re.compile(r":([0-5]\d):([0-5]\d)", re.ASCII)
_TAIL = re.compile(r"(?:\.(\d+))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)
_FAULT = "is not a time such as 2020-09-01T09:30:00+08:00 (RFC 3339 with T, seconds and an offset, years 2000-2099)"


# Three small tables: events come from a few years, hours have 3,600 seconds, and sources have few offsets.
@lru_cache(maxsize=131_072)
def _hour(text: str) -> int:
    if not _HOUR.fullmatch(text):  # fromisoformat alone also reads 2020-W01-1
        raise ValueError
    return (date.fromisoformat(text[:10]).toordinal() - _EPOCH_ORDINAL) * DAY + int(text[11:]) * 3_600 * SECOND


@lru_cache(maxsize=4_096)
def _within_hour(text: str) -> int:
    minute, second = map(int, _WITHIN_HOUR.fullmatch(text).groups())  # type: ignore[union-attr]  # None raises, as meant
    return (minute * 60 + second) * SECOND


@lru_cache(maxsize=8_192)
def _fraction_less_offset(text: str) -> int:
    digits, sign, hours, minutes = _TAIL.fullmatch(text).groups()  # type: ignore[union-attr]  # None raises, as meant
    fraction = int(digits[:6].ljust(6, "0")) if digits else 0
    offset = (int(hours) * 3_600 + int(minutes) * 60) * SECOND if sign else 0
    return fraction + offset if sign == "-" else fraction - offset


def parse_instant(text: object) -> int:
    """Microseconds since the epoch of an RFC 3339 time; digits beyond microseconds are cut (`events.md`, Values).

    Raises:
        ValueError: not a string of that form. The message shows a right one.
    """
    try:
        return _hour(text[:13]) + _within_hour(text[13:19]) + _fraction_less_offset(text[19:])  # type: ignore[index]
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ValueError(f"{str(text)[:60]!r} {_FAULT}") from None


def to_instant(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_instant(instant: int, zone: tzinfo = timezone.utc) -> datetime:
    """The aware datetime of an instant, in `zone`."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone)


def format_instant(instant: int, zone: tzinfo) -> str:
    """RFC 3339 text of an instant in `zone`; microseconds only where there are any."""
    return from_instant(instant, zone).isoformat()


Instant = Annotated[
    int,
    PlainValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _PATTERN}),
]
