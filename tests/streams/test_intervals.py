"""Intervals: a union of half-open ones is what a set of offsets is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.intervals import Intervals

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda span: (span[0], span[0] + span[1])), max_size=12)


def held(spans: list[tuple[int, int]]) -> Intervals:
    intervals = Intervals()
    for begin, end in spans:
        intervals.add(begin, end)
    return intervals


def covered(spans: list[tuple[int, int]]) -> set[int]:
    return {offset for begin, end in spans for offset in range(begin, end)}


@given(SPANS)
def test_a_union_is_a_set_of_offsets(spans: list[tuple[int, int]]) -> None:
    found = list(held(spans))
    assert covered(found) == covered(spans)
    assert found == sorted(found)
    begins, ends = [begin for begin, _ in found], [end for _, end in found]
    assert all(begin > end for begin, end in zip(begins[1:], ends[:-1], strict=True)), "what touches is merged"


@given(SPANS.flatmap(lambda spans: st.tuples(st.just(spans), st.permutations(spans * 2))))
def test_order_and_repetition_do_not_matter(two: tuple[list[tuple[int, int]], list[tuple[int, int]]]) -> None:
    spans, told = two
    nonempty = [span for span in spans if span[0] < span[1]]
    assert list(held(nonempty)) == list(held([span for span in told if span[0] < span[1]]))


@given(SPANS, st.integers(0, 30), st.integers(0, 40))
def test_holes_are_what_is_missing(spans: list[tuple[int, int]], begin: int, length: int) -> None:
    holes = held(spans).holes(begin, begin + length)
    assert covered(holes) == set(range(begin, begin + length)) - covered(spans)
    assert all(first < last for first, last in holes)
    assert sum(last - first for first, last in holes) == len(covered(holes)), "no hole is told twice"


def test_the_end() -> None:
    assert Intervals().end == 0
    assert held([(3, 9), (0, 4), (5, 6)]).end == 9


def test_nothing_is_missing_where_nothing_is_asked_for() -> None:
    assert Intervals().holes(4, 4) == []
    assert Intervals().holes(0, 2) == [(0, 2)]


def test_iterating_while_adding() -> None:
    intervals = held([(0, 1), (2, 3), (4, 5)])
    for begin, end in intervals:
        intervals.add(begin, end + 1)
    assert list(intervals) == [(0, 6)]
