"""Intervals: what of an input partition has been consumed, from the changelog's own records. They must tile it, or something is lost."""

from bisect import bisect_right
from collections.abc import Iterator


class Intervals:
    """A union of half-open offset intervals [begin, end), merged where they touch."""

    __slots__ = ("_begins", "_ends")

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def add(self, begin: int, end: int) -> None:
        """Add an interval; overlaps and repeats are one (a chunk appended twice is harmless)."""
        first = bisect_right(self._begins, begin)
        if first and self._ends[first - 1] >= begin:
            first -= 1
            begin = self._begins[first]
        last = bisect_right(self._begins, end)
        if last > first:
            end = max(end, self._ends[last - 1])
        self._begins[first:last] = [begin]
        self._ends[first:last] = [end]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._begins, self._ends, strict=True)))

    def holes(self, begin: int, end: int) -> list[tuple[int, int]]:
        """The parts of [begin, end) that are in no interval.

        >>> held = Intervals(); held.add(0, 5); held.add(7, 9); held.holes(0, 10)
        [(5, 7), (9, 10)]
        """
        found = []
        for first, last in self:
            if first >= end:
                break
            if first > begin:
                found.append((begin, first))
            begin = max(begin, last)
        if begin < end:
            found.append((begin, end))
        return found

    @property
    def end(self) -> int:
        """The greatest end; 0 when empty."""
        return self._ends[-1] if self._ends else 0
