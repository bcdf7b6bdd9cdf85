"""Instants as whole microseconds since 1970-01-01T00:00:00Z, and their texts."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache

SECOND = 1_000_000
MILLISECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_QUARTER = 15 * MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

TimeText = Callable[[int], str]
"""Gives the RFC 3339 text of an instant in microseconds."""


def micros(moment: datetime) -> int:
    """The instant of an aware datetime, in microseconds; a naive one is refused."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"{moment} has no time zone; give an aware datetime")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(at: int, zone: tzinfo) -> datetime:
    """The instant, in microseconds, as a datetime in `zone`."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(zone)


@cache
def _clock_faces() -> list[str]:
    return [f"T{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}" for at in range(86_400)]


def _offset_text(local: datetime) -> str:
    minutes = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


class ZoneText:
    """Writes instants in one zone, fast when one lies in the same quarter of an hour as the one before.

    `suffix` replaces the offset (`Z` for UTC). Offsets are taken to be multiples of 15 minutes, as all are since 2000.
    """

    __slots__ = ("_date", "_faces", "_midnight", "_offset", "_quarter", "_suffix", "_zone")

    def __init__(self, zone: tzinfo, suffix: str | None = None) -> None:
        self._zone, self._suffix = zone, suffix
        self._faces = _clock_faces()
        self._quarter = -1
        self._midnight = 0
        self._date = self._offset = ""

    def __call__(self, at: int) -> str:
        if at // _QUARTER != self._quarter:
            self._enter(at // _QUARTER)
        second, fraction = divmod(at - self._midnight, SECOND)
        if not fraction:
            return f"{self._date}{self._faces[second]}{self._offset}"
        digits = f"{fraction:06d}" if fraction % MILLISECOND else f"{fraction // MILLISECOND:03d}"
        return f"{self._date}{self._faces[second]}.{digits}{self._offset}"

    def _enter(self, quarter: int) -> None:
        at = quarter * _QUARTER
        local = moment(at, self._zone)
        self._quarter = quarter
        self._midnight = at - (local.hour * HOUR + local.minute * MINUTE)
        self._date = local.date().isoformat()
        self._offset = self._suffix or _offset_text(local)
