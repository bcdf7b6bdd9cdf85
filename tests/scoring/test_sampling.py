"""Sampling (`indicators.md`, Sampling): worked draws, and a naive second implementation for random histories.

Orders are those of `h` here, which shares nothing with the code under test; where a test spells an order out, it is what
`printf '%s' 'onestop|1|1142050000010001X6|guide_accuracy|I1' | sha256sum` and its like print.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from models.events import Envelope
from models.events import Event as WireEvent
from models.facts import to_fact
from models.instants import to_instant
from models.rulesets import default_ruleset
from scoring import sampling
from scoring.city import City
from scoring.context import create_context
from scoring.indicators import BY_ID
from scoring.local_time import parse_period
from scoring.sampling import Draw, draw
from tests.support.builder import D1, D2, OCTOBER, SEPTEMBER, Event, History, instant

EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[WireEvent])
VISITS, GUIDES, TESTS = "visit_reduction", "guide_accuracy", "online_experience"
QUOTA = {GUIDES: 20, TESTS: 10}
NOVEMBER = "2020-11"
SEED = "onestop"


def h(text: str) -> int:
    return int(sha256(text.encode("utf-8")).hexdigest()[:16], 16)


def drawn(
    *histories: History,
    indicator: str,
    period: str = SEPTEMBER,
    as_of: str = "2020-09-25",
    department: str = D1,
    seed: str = SEED,
    **policies: Any,
) -> Draw:
    """The draw, which is the same when every event comes twice and backwards."""
    events = [event for history in histories for event in history.events]
    ruleset = default_ruleset().with_policies(**policies).model_copy(update={"seed": seed})
    draws = []
    for told in (events, [*reversed(events), *events]):
        city = City(create_context(ruleset, to_instant(instant(as_of))))
        city.take_all(map(to_fact, EVENTS.validate_python(told)))
        draws += [draw(city.department(department), parse_period(period), indicator) for _ in range(2)]
    assert draws == draws[:1] * 4
    return draws[0]


def recorded(history: History, selected: Iterable[str], indicator: str, period: str, at: str, **fields: Any) -> History:
    sample = fields.pop("sample", f"{indicator}-{period}")
    return history.add("sample.drawn", at, sample=sample, indicator=indicator, period=period, selected=tuple(selected), **fields)


# --- both kinds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indicator", sorted({*BY_ID, "total", ""} - {VISITS, GUIDES, TESTS}))
def test_other_indicators_have_no_sampling(indicator: str) -> None:
    with pytest.raises(ValueError, match=f"^{indicator} has no sampling; samples are drawn for {VISITS}, {GUIDES}, {TESTS}$"):
        drawn(History().items(1), indicator=indicator)


@pytest.mark.parametrize("indicator", [VISITS, GUIDES, TESTS])
@pytest.mark.parametrize("selected", [(), ("I1",)])
def test_a_sample_is_never_redrawn_also_an_empty_one(indicator: str, selected: tuple[str, ...]) -> None:
    history = recorded(History().items(1), selected, indicator, SEPTEMBER, "2020-09-20", sample="P7")
    with pytest.raises(ValueError, match=rf"^the sample of {D1} for {indicator} in 2020-09 is drawn \(P7\) and is never redrawn$"):
        drawn(history, indicator=indicator)


@pytest.mark.parametrize("indicator", [VISITS, GUIDES, TESTS])
def test_samples_of_others_and_those_dated_ahead_do_not_stand_in_the_way(indicator: str) -> None:
    history = History().items(2).case("S1", accepted="2020-09-03")
    plain = drawn(history, indicator=indicator)
    other = VISITS if indicator != VISITS else GUIDES
    recorded(history, ["I1"], other, SEPTEMBER, "2020-09-20")
    recorded(history, ["I1"], indicator, OCTOBER, "2020-09-20")
    recorded(history, ["I1"], indicator, SEPTEMBER, "2020-09-20", sample="P2", department=D2)
    recorded(history, ["I1"], indicator, SEPTEMBER, "2020-09-25T12:00:01", sample="P3")
    assert drawn(history, indicator=indicator) == plain


def test_a_department_with_nothing_has_empty_samples() -> None:
    assert drawn(History(), indicator=GUIDES) == Draw([], None)
    assert drawn(History(), indicator=TESTS) == Draw([], None)
    assert drawn(History(), indicator=VISITS) == Draw([], 9)  # the first tail of those that give nothing


def test_parts_are_joined_by_bars_and_hashed_as_utf_8() -> None:
    # printf '%s' 'a|1|市' | sha256sum
    assert sampling.hash_of("a", 1, "市") == h("a|1|市") == 0xAEA2728EC6B09601


# --- 14 and 15: items by rounds -------------------------------------------------------------------------------------


def ordered(items: Iterable[str], round_: int, indicator: str = TESTS, department: str = D1, seed: str = SEED) -> list[str]:
    return sorted(items, key=lambda item: (h(f"{seed}|{round_}|{department}|{indicator}|{item}"), item))


def names(first: int, last: int) -> set[str]:
    return {f"I{number}" for number in range(first, last + 1)}


def test_a_few_items_are_all_drawn_every_month_and_every_month_is_a_round() -> None:
    history = History().items(4)
    assert drawn(history, indicator=GUIDES) == Draw(["I4", "I1", "I2", "I3"], None)  # by sha256sum, round 1
    recorded(history, ["I4", "I1", "I2", "I3"], GUIDES, SEPTEMBER, "2020-09-20")
    second = drawn(history, indicator=GUIDES, period=OCTOBER, as_of="2020-10-20")
    assert second == Draw(["I4", "I3", "I2", "I1"], None)  # by sha256sum, round 2
    recorded(history, second.selected, GUIDES, OCTOBER, "2020-10-20")
    third = drawn(history, indicator=GUIDES, period=NOVEMBER, as_of="2020-11-20")
    assert third.selected == ordered(names(1, 4), 3, GUIDES)


@pytest.mark.parametrize("indicator", [GUIDES, TESTS])
@pytest.mark.parametrize("above", [-1, 0, 1, 15])
def test_twenty_or_ten_a_month_in_the_order_of_the_first_round(indicator: str, above: int) -> None:
    items = QUOTA[indicator] + above
    selected = drawn(History().items(items), indicator=indicator).selected
    assert selected == ordered(names(1, items), 1, indicator)[: QUOTA[indicator]]


def test_order_depends_on_seed_and_department() -> None:
    for seed, department in [("city-2026", D1), (SEED, D2), ("种|子", D1)]:
        selected = drawn(History(department).items(12), indicator=TESTS, seed=seed, department=department).selected
        assert selected == ordered(names(1, 12), 1, department=department, seed=seed)[:10]


def twelve() -> tuple[History, list[str]]:
    """Twelve items of which ten are drawn in September; the two that are left of round 1, in its order."""
    history = History().items(12)
    order = ordered(names(1, 12), 1)
    recorded(history, order[:10], TESTS, SEPTEMBER, "2020-09-20")
    return history, order[10:]


def in_october(history: History, as_of: str = "2020-10-20") -> list[str]:
    return drawn(history, indicator=TESTS, period=OCTOBER, as_of=as_of).selected


def test_the_rest_comes_from_the_next_round_and_counts_as_drawn_in_it() -> None:
    history, left = twelve()
    october = in_october(history)
    assert october == left + ordered(names(1, 12) - set(left), 2)[:8]
    recorded(history, october, TESTS, OCTOBER, "2020-10-20")
    # Of round 2 remain the two that were drawn as the last of round 1, and two of the ten others.
    left = ordered(names(1, 12) - set(october[2:]), 2)
    assert len(left) == 4
    november = drawn(history, indicator=TESTS, period=NOVEMBER, as_of="2020-11-20").selected
    assert november == left + ordered(names(1, 12) - set(left), 3)[:6]


def test_a_new_item_joins_the_current_round() -> None:
    history, left = twelve()
    history.add("item.published", "2020-10-02", item="new")
    left = ordered([*left, "new"], 1)
    assert in_october(history) == left + ordered(names(1, 12) - set(left), 2)[:7]


def test_a_round_used_up_is_over_before_a_new_item_joins() -> None:
    history = recorded(History().items(3), names(1, 3), TESTS, SEPTEMBER, "2020-09-20")
    history.add("item.published", "2020-10-02", item="new")
    assert in_october(history) == ordered([*names(1, 3), "new"], 2)


def test_a_round_ends_with_the_draw_of_its_last_also_above_ten() -> None:
    history = History().items(20)
    order = ordered(names(1, 20), 1)
    recorded(history, order[:10], TESTS, SEPTEMBER, "2020-09-20")
    assert in_october(history) == order[10:]
    recorded(history, order[10:], TESTS, OCTOBER, "2020-10-20").add("item.published", "2020-11-02", item="new")
    november = drawn(history, indicator=TESTS, period=NOVEMBER, as_of="2020-11-20").selected
    assert november == ordered([*names(1, 20), "new"], 2)[:10]


def test_a_retired_item_leaves_the_round() -> None:
    history, left = twelve()
    gone = ordered(names(1, 12) - set(left), 2)[0]
    history.add("item.retired", "2020-10-02", item=left[0]).add("item.published", "2020-10-02", item="new")
    history.add("item.retired", "2020-10-02", item=gone)
    kept = ordered([left[1], "new"], 1)
    assert in_october(history) == kept + ordered(names(1, 12) - {*left, gone}, 2)[:8]


def test_the_round_is_over_when_the_last_of_it_are_retired() -> None:
    history, left = twelve()
    for item in left:
        history.add("item.retired", "2020-10-02", item=item)
    assert in_october(history) == ordered(names(1, 12) - set(left), 2)


def test_a_month_that_finds_a_round_over_may_use_the_next_one_up() -> None:
    history, left = twelve()
    for item in left:
        history.add("item.retired", "2020-10-02", item=item)
    recorded(history, in_october(history), TESTS, OCTOBER, "2020-10-20")
    gone = ordered(names(1, 12) - set(left), 3)[0]
    history.add("item.retired", "2020-11-02", item=gone).add("item.published", "2020-11-02", item="new")
    november = drawn(history, indicator=TESTS, period=NOVEMBER, as_of="2020-11-20").selected
    assert november == ordered([*names(1, 12) - {*left, gone}, "new"], 3)


def test_an_item_published_again_is_not_drawn_twice_in_a_round() -> None:
    history, left = twelve()
    back = min(names(1, 12) - set(left))
    history.add("item.retired", "2020-10-02", item=back).add("item.published", "2020-10-03", item=back)
    assert in_october(history) == left + ordered(names(1, 12) - set(left), 2)[:8]


def test_a_month_that_takes_all_uses_the_round_up_and_what_it_took_of_the_next_counts_there() -> None:
    history, left = twelve()
    for item in sorted(names(1, 12) - set(left))[:3]:
        history.add("item.retired", "2020-10-02", item=item)
    active = names(1, 12) - set(sorted(names(1, 12) - set(left))[:3])
    october = in_october(history)
    assert october == left + ordered(active - set(left), 2)  # 2 + 7 = all
    recorded(history, october, TESTS, OCTOBER, "2020-10-20")
    november = drawn(history, indicator=TESTS, period=NOVEMBER, as_of="2020-11-20").selected
    assert november == ordered(left, 2) + ordered(active - set(left), 3)


def test_the_first_sample_of_a_month_counts_and_only_of_this_department_and_indicator() -> None:
    history, left = twelve()
    expected = in_october(history)
    recorded(history, left, TESTS, SEPTEMBER, "2020-09-21", sample="second")
    recorded(history, left, GUIDES, SEPTEMBER, "2020-09-19")
    recorded(history, left, TESTS, SEPTEMBER, "2020-09-19", sample="other", department=D2)
    recorded(history, left, TESTS, NOVEMBER, "2020-09-19", sample="a later period")
    recorded(history, left, TESTS, "2020-08", "2020-10-21", sample="dated ahead")
    assert in_october(history) == expected
    recorded(history, expected, TESTS, SEPTEMBER, "2020-09-19", sample="dated back")  # now this one is the first
    left = ordered(names(1, 12) - set(expected), 1)
    assert in_october(history) == left + ordered(names(1, 12) - set(left), 2)[:8]


def test_months_are_replayed_in_their_order_whenever_they_were_drawn() -> None:
    history = History().items(11)
    first, second = ordered(names(1, 11), 1)[:10], ordered(names(1, 11), 1)[1:]
    recorded(history, second, TESTS, OCTOBER, "2020-10-20")
    recorded(history, first, TESTS, SEPTEMBER, "2020-10-25")
    november = drawn(history, indicator=TESTS, period=NOVEMBER, as_of="2020-11-20").selected
    # September leaves second[-1] of round 1, which October draws; October's other nine are of round 2.
    left = ordered([first[0], second[-1]], 2)
    assert november == left + ordered(names(1, 11) - set(left), 3)[:8]


def test_an_item_drawn_again_while_the_round_goes_on_was_drawn_in_the_next() -> None:
    history, left = twelve()
    one, two = ordered(names(1, 12) - set(left), 2)[:2]
    recorded(history, [one, one, "unknown", two], TESTS, OCTOBER, "2020-10-20")
    november = drawn(history, indicator=TESTS, period=NOVEMBER, as_of="2020-11-20").selected
    assert november == left + ordered(names(1, 12) - {*left, one, two}, 2)[:8]


def test_a_month_without_items_uses_no_round_up() -> None:
    history = recorded(History(), [], TESTS, SEPTEMBER, "2020-09-20").items(3, at="2020-10-02")
    assert in_october(history) == ordered(names(1, 3), 1)
    history = recorded(History().items(3), names(1, 3), TESTS, "2020-08", "2020-08-25")
    for number in (1, 2, 3):
        history.add("item.retired", "2020-09-02", item=f"I{number}")
        history.add("item.published", "2020-10-02", item=f"I{number}")
    recorded(history, [], TESTS, SEPTEMBER, "2020-09-20")
    assert in_october(history) == ordered(names(1, 3), 2)


def test_a_draw_reads_what_is_known_at_its_time_and_by_the_cut_off() -> None:
    history = History().items(2).add("item.published", "2020-09-25T12:00:00", item="I3")
    history.add("item.published", "2020-09-25T12:00:01", item="I4").add("item.retired", "2020-09-25T12:00:00", item="I1")
    assert drawn(history, indicator=TESTS).selected == ordered(["I2", "I3"], 1)
    history.add("item.published", "2020-09-30T23:59:59.999999", item="I5").add("item.published", "2020-10-01T00:00:00", item="I6")
    history.add("item.retired", "2020-10-01T00:00:00", item="I2")
    late = drawn(history, indicator=TESTS, as_of="2020-10-15").selected
    assert late == ordered(["I2", "I3", "I4", "I5"], 1)


def test_a_replayed_round_ends_by_what_was_known_at_its_draw() -> None:
    history = History().items(3).add("item.published", "2020-09-20T12:00:01", item="later")
    recorded(history, names(1, 3), TESTS, SEPTEMBER, "2020-09-20T12:00:00")
    assert in_october(history) == ordered([*names(1, 3), "later"], 2)
    history = History().items(3).add("item.published", "2020-09-20T12:00:00", item="same")
    recorded(history, names(1, 3), TESTS, SEPTEMBER, "2020-09-20T12:00:00")
    assert in_october(history) == ["same", *ordered(names(1, 3), 2)]
    history = History().items(3).add("item.published", "2020-10-01T00:00:00", item="past the cut-off")
    recorded(history, names(1, 3), TESTS, SEPTEMBER, "2020-10-02")
    assert in_october(history) == ordered([*names(1, 3), "past the cut-off"], 2)


def test_both_categories_are_drawn_and_an_item_known_only_from_a_case_is_not() -> None:
    history = History().items(1).add("item.published", "2020-08-20", item="I2", category="public_service", max_visits=9)
    history.case("S1", "unknown", accepted="2020-09-03")
    assert drawn(history, indicator=GUIDES).selected == ordered(names(1, 2), 1, GUIDES)


def test_ties_are_broken_by_code_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "hash_of", lambda *parts: 0)
    items = ["🀄", "～", "市", "é", "a", "Z", "10", "9"]  # UTF-16 would put 🀄 before ～
    history = History()
    for item in items:
        history.add("item.published", "2020-08-20", item=item)
    assert drawn(history, indicator=GUIDES).selected == ["10", "9", "Z", "a", "é", "市", "～", "🀄"]


# --- 7: cases by the tail of their acceptance number ----------------------------------------------------------------


def tails(department: str = D1, period: str = SEPTEMBER, seed: str = SEED) -> list[str]:
    return sorted((f"{n:02d}" for n in range(100)), key=lambda tail: h(f"{seed}|{period}|{department}|{VISITS}|{tail}"))


def accepted(history: History, number: str, item: str = "I1", at: str | None = None, serial: str | None = None) -> History:
    """A case; times count up from 1 September, a minute an event."""
    made = len(history.events)
    at = at or f"2020-09-01T{8 + made // 60:02d}:{made % 60:02d}:00"
    return history.add("case.accepted", at, serial=serial or f"S{made}", item=item, acceptance_no=number)


def listed(*entries: str, **fields: Any) -> History:
    """Items I1 to I9, of which I9 takes two visits, and `number:item` accepted one after the other."""
    history = History().items(8, **fields).add("item.published", "2020-08-20", item="I9", max_visits=2)
    for entry in entries:
        number, item = entry.split(":")
        accepted(history, number, item)
    return history


def visits(*histories: History, **more: Any) -> Draw:
    return drawn(*histories, indicator=VISITS, **more)


def test_the_entries_with_the_tail_in_list_order() -> None:
    history = listed("A107:I1", "Ax:I2", "A7:I3", "A07:I4", "B207:I5", "B2070:I6")
    assert visits(history) == Draw(["A107", "A07", "B207"], 7)


def test_the_order_is_of_acceptance_then_number_then_serial() -> None:
    history = History().items(5)
    accepted(history, "A07", "I1", at="2020-09-02T09:00:00.000001")
    accepted(history, "B07", "I2", at="2020-09-02T09:00:00")
    accepted(history, "😀07", "I3", at="2020-09-02T09:00:00")
    accepted(history, "～07", "I4", at="2020-09-02T09:00:00")
    accepted(history, "10007", "I5", at="2020-09-02T09:00:00")
    assert visits(history) == Draw(["10007", "B07", "～07", "😀07", "A07"], 7)


@pytest.mark.parametrize(("first", "second", "left_over"), [("a", "b", "I1"), ("b", "a", "I2")])
def test_of_two_cases_of_one_instant_and_number_the_serial_decides(first: str, second: str, left_over: str) -> None:
    history = History().items(2).add("item.published", "2020-08-20", item="I9", max_visits=2)
    accepted(history, "Ax", "I1", at="2020-09-02", serial=first)
    accepted(history, "Ax", "I2", at="2020-09-02", serial=second)
    accepted(history, "B07", "I9", at="2020-09-03")  # walks back to the greater serial
    accepted(history, "C07", left_over, at="2020-09-04")  # so this item is not in the sample
    assert visits(history) == Draw(["Ax", "C07"], 7)


def test_two_cases_of_one_number_are_two_entries() -> None:
    assert visits(listed("A07:I1", "A07:I2")) == Draw(["A07", "A07"], 7)


@pytest.mark.parametrize(("max_visits", "fit"), [(0, True), (1, True), (2, False)])
def test_at_most_one_visit(max_visits: int, fit: bool) -> None:
    history = accepted(History().items(1, max_visits=max_visits), "A07")
    assert visits(history) == (Draw(["A07"], 7) if fit else Draw([], 9))


def test_it_walks_back_to_the_nearest_fit_entry() -> None:
    assert visits(listed("Aa:I1", "Ab:I2", "Ac:I9", "A07:I9")) == Draw(["Ab"], 7)


def test_it_walks_back_to_the_first_entry_and_not_beyond() -> None:
    assert visits(listed("Aa:I1", "Ab:I9", "A07:I9")) == Draw(["Aa"], 7)
    assert visits(listed("Aa:I9", "Ab:I9", "A07:I9", "B07:I3")) == Draw(["B07"], 7)
    assert visits(listed("A07:I9", "Ba:I3")) == Draw([], 9)


def test_it_walks_back_not_past_the_previous_candidate() -> None:
    # I1 is fit for the second candidate, but lies beyond the first one.
    assert visits(listed("Aa:I1", "Ab:I2", "A07:I9", "B07:I9")) == Draw(["Ab"], 7)
    assert visits(listed("Aa:I1", "A07:I2", "Ba:I9", "B07:I9")) == Draw(["A07"], 7)


def test_it_walks_back_from_an_item_already_in_the_sample_and_over_such_ones() -> None:
    assert visits(listed("A07:I1", "Ba:I2", "Bb:I1", "B07:I1")) == Draw(["A07", "Ba"], 7)
    assert visits(listed("A07:I1", "Ba:I1", "B07:I1", "C07:I2")) == Draw(["A07", "C07"], 7)


def test_a_candidate_that_gives_nothing_bounds_the_next_walk_too() -> None:
    history = listed("Aa:I1", "A07:I9", "Ba:I2", "Bb:I1", "B07:I9", "Ca:I2", "Cb:I1", "C07:I9", "Da:I9", "D07:I9", "E07:I3")
    assert visits(history) == Draw(["Aa", "Ba", "E07"], 7)


def test_six_distinct_items_and_no_more() -> None:
    history = listed(*(f"{n}07:I{n}" for n in (1, 2, 1, 3, 4, 5, 6, 7, 8)))
    assert visits(history) == Draw(["107", "207", "307", "407", "507", "607"], 7)


@pytest.mark.parametrize("number", ["A０７", "A٠٧", "A0７", "7", "A07 ", "A0-7"])
def test_a_tail_is_two_ascii_digits(number: str) -> None:
    assert visits(listed(f"{number}:I1")) == Draw([], 9)


def test_a_number_of_two_digits_is_its_own_tail() -> None:
    assert visits(listed("07:I1")) == Draw(["07"], 7)
    assert visits(listed("00:I1")) == Draw(["00"], 0)


def six(tail: str, items: int = 6) -> list[str]:
    return [f"{n}{tail}:I{n}" for n in range(1, items + 1)]


def test_the_first_tail_that_gives_six() -> None:
    order = tails()
    assert order[:4] == ["09", "87", "51", "84"]  # by sha256sum
    history = listed(*six("84"), *six("51"), *six("87", 5))
    assert visits(history) == Draw([f"{n}51" for n in range(1, 7)], 51)


@pytest.mark.parametrize("policy", ["best", "first"])
def test_the_policy_speaks_only_where_no_tail_gives_six(policy: str) -> None:
    assert visits(listed(*six("84")), visit_tail=policy).tail == 84


def test_without_six_the_first_of_those_that_give_the_most_or_the_first_tail() -> None:
    history = listed(*six("09", 1), *six("84", 3), *six("51", 3), *six("87", 2))
    assert visits(history) == Draw(["151", "251", "351"], 51)
    assert visits(history, visit_tail="first") == Draw(["109"], 9)
    assert visits(listed(*six("84", 3)), visit_tail="first") == Draw([], 9)


def test_the_order_of_tails_is_of_seed_period_and_department() -> None:
    for seed, period, department in [("city", SEPTEMBER, D1), (SEED, OCTOBER, D1), (SEED, SEPTEMBER, D2)]:
        first = int(tails(department, period, seed)[0])
        as_of = f"{period}-28"
        assert visits(History(department), seed=seed, period=period, department=department, as_of=as_of) == Draw([], first)


@pytest.mark.parametrize(
    ("at", "period"),
    [
        ("2020-08-31T23:59:59.999999", "2020-08"),
        ("2020-09-01T00:00:00", SEPTEMBER),
        ("2020-09-30T23:59:59.999999", SEPTEMBER),
        ("2020-10-01T00:00:00", OCTOBER),
    ],
)
def test_accepted_in_the_period(at: str, period: str) -> None:
    history = accepted(History().items(1), "A07", at=at)
    for asked in ("2020-08", SEPTEMBER, OCTOBER):
        assert visits(history, period=asked, as_of="2020-10-20").selected == (["A07"] if asked == period else [])


@pytest.mark.parametrize("void", ["serial.voided", "case.voided"])
def test_a_voided_case_is_not_listed_when_known(void: str) -> None:
    history = accepted(History().items(1), "A07", serial="S1").add(void, "2020-09-25T12:00:00", serial="S1")
    assert visits(history).selected == []
    assert visits(history, as_of="2020-09-25T11:59:59").selected == ["A07"]


def test_a_test_case_is_not_listed_nor_walked_back_to() -> None:
    history = listed("Aa:I1")
    accepted(history, "Ab", "I2", serial="T").add("serial.issued", "2020-09-01", serial="T", item="I2", is_test=True)
    assert visits(accepted(history, "A07", "I9")) == Draw(["Aa"], 7)


def test_public_service_and_unknown_items_are_not_listed() -> None:
    history = listed("Aa:I1", "A07:P", "Bx:unknown", "B07:I9").add("item.published", "2020-08-20", item="P", category="public_service")
    # A07 is no candidate, so that B07 walks back over its place.
    assert visits(history) == Draw(["Aa"], 7)


def test_the_item_is_its_last_publication_by_the_cut_off_also_when_retired() -> None:
    history = accepted(History().items(1, at="2020-09-30T23:59:59", max_visits=1), "A07").add("item.retired", "2020-09-30T23:59:59")
    history.add("item.published", "2020-10-01T00:00:00", max_visits=2, category="public_service")
    assert visits(history, as_of="2020-10-20") == Draw(["A07"], 7)
    assert visits(history, as_of="2020-09-25") == Draw([], 9)  # not known yet
    history.add("item.published", "2020-09-30T23:59:59.999999", max_visits=2)
    assert visits(history, as_of="2020-10-20") == Draw([], 9)


def test_the_first_acceptance_of_a_serial_is_the_entry() -> None:
    history = accepted(History().items(2), "A08", "I2", at="2020-09-05", serial="S1")
    accepted(history, "A07", "I1", at="2020-09-04", serial="S1")
    assert visits(history) == Draw(["A07"], 7)


# --- a naive second implementation ----------------------------------------------------------------------------------

ZONE = ZoneInfo("Asia/Shanghai")
MONTHS = ["2020-08", "2020-09", "2020-10", "2020-11", "2020-12", "2021-01"]


def at_of(event: Event) -> datetime:
    return instant(event["occurred_at"])


def month_of(event: Event) -> str:
    return f"{at_of(event).astimezone(ZONE):%Y-%m}"


def naive_active(events: Sequence[Event], month: str, by: datetime) -> set[str]:
    active: set[str] = set()
    for event in sorted(events, key=lambda e: (at_of(e), e["event_id"])):
        if event["type"] in ("item.published", "item.retired") and at_of(event) <= by and month_of(event) <= month:
            (active.add if event["type"] == "item.published" else active.discard)(event["item"])
    return active


def naive_items(events: Sequence[Event], month: str, indicator: str, now: datetime) -> list[str]:
    drawn_in: dict[int, set[str]] = defaultdict(set)
    round_ = 1
    samples = [e for e in events if e["type"] == "sample.drawn" and e["indicator"] == indicator and at_of(e) <= now]
    for earlier in sorted({e["period"] for e in samples if e["period"] < month}):
        sample = min((e for e in samples if e["period"] == earlier), key=lambda e: (at_of(e), e["event_id"]))
        for item in sorted(set(sample["selected"])):  # within a month the order says nothing
            drawn_in[next(n for n in count(round_) if item not in drawn_in[n])].add(item)
        active = naive_active(events, earlier, at_of(sample))
        while active and active <= drawn_in[round_]:
            round_ += 1
    active = naive_active(events, month, now)
    taken: list[str] = []
    while len(taken) < QUOTA[indicator] and len(taken) < len(active):
        pool = active - drawn_in[round_] - set(taken)
        if pool:
            taken.append(min(pool, key=lambda item: (h(f"{SEED}|{round_}|{D1}|{indicator}|{item}"), item)))
            drawn_in[round_].add(taken[-1])
        else:
            round_ += 1
    return taken


def naive_list(events: Sequence[Event], month: str, now: datetime) -> list[tuple[str, str, bool]]:
    """(acceptance number, item, at most one visit)."""
    known = sorted((e for e in events if at_of(e) <= now), key=lambda e: (at_of(e), e["event_id"]))
    first: dict[str, Event] = {}
    issued: dict[str, Event] = {}
    items: dict[str, Event] = {}
    gone = set()
    for event in known:
        if event["type"] == "case.accepted":
            first.setdefault(event["serial"], event)
        elif event["type"] == "serial.issued":
            issued.setdefault(event["serial"], event)
        elif event["type"] == "item.published" and month_of(event) <= month:
            items[event["item"]] = event
        elif event["type"].endswith(".voided"):
            gone.add(event["serial"])
    gone |= {serial for serial, event in issued.items() if event.get("is_test")}
    listed = [
        (at_of(e), e["acceptance_no"], serial, items[e["item"]])
        for serial, e in first.items()
        if month_of(e) == month and serial not in gone and e["item"] in items
    ]
    listed = [entry for entry in listed if entry[3]["category"] == "on_application"]
    return [(number, item["item"], item["max_visits"] <= 1) for _, number, _, item in sorted(listed, key=lambda e: e[:3])]


def naive_visits(events: Sequence[Event], month: str, now: datetime, policy: str) -> Draw:
    entries = naive_list(events, month, now)
    results = []
    for tail in tails(D1, month):
        sample: list[tuple[str, str, bool]] = []
        for place, (number, _, _) in enumerate(entries):
            if number[-2:] != tail or len(sample) == 6:
                continue
            back = place
            while back >= 0 and (back == place or entries[back][0][-2:] != tail):
                if entries[back][2] and entries[back][1] not in [item for _, item, _ in sample]:
                    sample.append(entries[back])
                    break
                back -= 1
        results.append(Draw([number for number, _, _ in sample], int(tail)))
    for wanted in (6,) if policy == "first" else (6, 5, 4, 3, 2, 1, 0):
        for result in results:
            if len(result.selected) == wanted:
                return result
    return results[0]


@st.composite
def catalogues(drawing: st.DrawFn) -> tuple[History, list[tuple[str, str, tuple[str, ...] | None]]]:
    """Items that come and go, and what to draw: (period, when, a selection recorded in place of the draw's own, if any)."""
    pool = [f"I{number}" for number in range(1, drawing(st.integers(1, 26)) + 1)]
    history = History()
    for item in pool[: drawing(st.integers(0, len(pool)))]:
        history.add("item.published", "2020-08-01", item=item)
    plan: list[tuple[str, str, tuple[str, ...] | None]] = []
    for month, following in zip(MONTHS, [*MONTHS[1:], "2021-02"], strict=True):
        change = st.tuples(st.sampled_from(["item.published", "item.retired", "item.retired"]), st.sampled_from(pool))
        for type_, item in drawing(st.lists(change, max_size=8)):
            history.add(type_, f"{month}-{drawing(st.integers(1, 28)):02d}", item=item)
        if drawing(st.integers(0, 5)):
            other = drawing(st.none() | st.none() | st.lists(st.sampled_from([*pool, "unknown"]), max_size=12).map(tuple))
            day = drawing(st.sampled_from([f"{month}-15", f"{month}-28", f"{following}-03", f"{following}-20"]))
            plan.append((month, day, other))
    return history, plan


@given(catalogues(), st.sampled_from([GUIDES, TESTS]))
def test_rounds_are_those_of_the_naive_draw(made: tuple[History, list[tuple[str, str, tuple[str, ...] | None]]], indicator: str) -> None:
    history, plan = made
    for period, at, other in sorted(plan, key=lambda step: instant(step[1])):
        selected = drawn(history, indicator=indicator, period=period, as_of=at).selected
        assert selected == naive_items(history.events, period, indicator, instant(at))
        assert len(selected) == len(set(selected))
        recorded(history, selected if other is None else other, indicator, period, at)


@st.composite
def caseloads(drawing: st.DrawFn) -> History:
    history = History()
    items = [f"I{number}" for number in range(1, drawing(st.integers(1, 10)) + 1)]
    days = st.sampled_from(["2020-08-20", "2020-08-21", "2020-09-10", "2020-09-30T23:59:59.999999", "2020-10-01T00:00:00"])
    for item in items * 2:
        category = drawing(st.sampled_from(["on_application"] * 4 + ["public_service"]))
        max_visits = drawing(st.sampled_from([0, 1, 1, 2, 3]))
        history.add("item.published", drawing(days), item=item, category=category, max_visits=max_visits)
    for item in drawing(st.lists(st.sampled_from(items), max_size=2)):
        history.add("item.retired", drawing(days), item=item)
    numbers = st.builds("{}{}".format, st.sampled_from("ABCD"), st.sampled_from(["09", "87", "51", "7", "x", "０９"]))
    times = st.builds("2020-09-{:02d}T{}:00:00".format, st.integers(1, 5), st.sampled_from(["08", "09"]))
    times |= st.sampled_from(["2020-08-31T23:59:59.999999", "2020-09-01T00:00:00", "2020-10-01T00:00:00"])
    serials = st.integers(1, 60).map("S{}".format)
    for serial in drawing(st.lists(serials, max_size=50)):
        item = drawing(st.sampled_from([*items, *items, "unknown"]))
        history.add("case.accepted", drawing(times), serial=serial, item=item, acceptance_no=drawing(numbers))
    for serial in drawing(st.lists(serials, max_size=3)):
        history.add(drawing(st.sampled_from(["serial.voided", "case.voided"])), "2020-10-05", serial=serial)
    for serial in drawing(st.lists(serials, max_size=3)):
        history.add("serial.issued", drawing(times), serial=serial, item="I1", is_test=drawing(st.booleans()))
    return history


@given(
    caseloads(),
    st.sampled_from([SEPTEMBER, SEPTEMBER, OCTOBER]),
    st.sampled_from(["2020-09-03", "2020-09-25", "2020-10-03", "2020-10-20"]),
    st.sampled_from(["best", "first"]),
)
def test_tails_are_those_of_the_naive_draw(history: History, period: str, as_of: str, policy: str) -> None:
    found = visits(history, period=period, as_of=as_of, visit_tail=policy)
    assert found == naive_visits(history.events, period, instant(as_of), policy)
