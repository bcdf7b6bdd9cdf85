"""Intake: what becomes of each record of a chunk, whatever lies beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events import MAX_RECORD_BYTES
from models.facts import EVENT_ID, pack
from models.instants import parse_instant
from models.rulesets import default_ruleset
from models.wire import Reason
from scoring.context import create_context
from scoring.local_time import parse_period
from streams.app import REQUEST_BYTES, create_app
from streams.balance import Balance
from streams.changelog import decode, encode_chunk
from streams.intake import ARRIVAL_HEADER, Intake, arrival_of, partition_of, take_chunk
from streams.partition import PartitionState
from tests.support.builder import D1, D2, History, when
from tests.support.faust_fakes import Record, compose, facts_of_events, input_record

PARTITIONS = 4
HERE = partition_of(D1, PARTITIONS)
NOW = "2020-11-30"
ARRIVAL = parse_instant(when("2020-09-04")) // 1_000


def state(number: int = HERE) -> PartitionState:
    return PartitionState(number, create_context(default_ruleset(), parse_instant(when(NOW))), {})


@contextmanager
def untimed(_: str) -> Iterator[None]:
    yield


def take(held: PartitionState, *records: Record, topic: str = "cases", begin: int = 100) -> Intake:
    intake = take_chunk(held, topic, begin, begin + len(records), records, PARTITIONS, untimed)
    balance = Balance()
    balance.add(intake.record)
    assert balance.difference(topic) == 0, "whatever was consumed became something"
    return intake


def event(type_: str = "case.accepted", at: str = "2020-09-03", department: str = D1, **fields: Any) -> dict[str, Any]:
    return History(department).add(type_, at, **fields).events[0]


def record(content: dict[str, Any] | None = None, arrival: int = ARRIVAL, **more: Any) -> Record:
    return input_record(event() if content is None else content, arrival=arrival, **more)


def good(count: int) -> list[Record]:
    return [record(event(serial=f"S{number}", event_id=f"good-{number}"), offset=number) for number in range(count)]


ACCEPTED = event(event_id="bad")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ACCEPTED.items() if key != name}


BAD: dict[Reason, list[Record]] = {
    "empty": [record(value=value) for value in (None, b"", b" \n\t ")],
    "oversized": [record(value=b'{"type":"case.accepted","name":"' + b"x" * MAX_RECORD_BYTES + b'"}')],
    "not_json": [
        record(value=value)
        for value in (b"{", b"\xff\xfe", b'{"a":1}{"b":2}', b'{"a":\\ud800}', b"[" * 100_000, orjson.dumps(ACCEPTED) + b",", b"NaN")
    ],
    "not_an_object": [record(value=value) for value in (b"[]", b'"x"', b"7", b"null", b"true", b"[" + orjson.dumps(ACCEPTED) + b"]")],
    "unknown_type": [record(ACCEPTED | {"type": name}) for name in ("case.lost", "", 7, ["case.accepted"], {"a": 1}, "Case.Accepted")],
    "wrong_topic": [record(event("serial.issued", event_id="bad")), record(event("period.closed", department="*", event_id="bad"))],
    "missing_field": [record(without(name)) for name in ("type", "event_id", "department", "occurred_at", "source", "serial", "item")],
    "malformed_field": [
        record(ACCEPTED | fault)
        for fault in (
            {"occurred_at": "2020-09-03 12:00"}, {"occurred_at": "2020-13-03T12:00:00+08:00"}, {"serial": ""}, {"serial": 7},
            {"event_id": "x" * 129}, {"due_at": "soon"}, {"department": D1[:-1] + "0"}, {"department": "*"}, {"schema_version": 2},
        )
    ],
    "wrong_key": [record(ACCEPTED, key=key) for key in (None, b"", D2.encode(), b"\xff\xfe", D1.encode() + b" ", D1.lower().encode() + b"\x00")],
    "conflicting_event_id": [record(event(serial="S0", acceptance_no="another", event_id="good-0"))],
}  # fmt: skip
EVERY_BAD = [(reason, bad) for reason, records in BAD.items() for bad in records]


def test_every_reason_is_in_the_table() -> None:
    assert set(BAD) == set(get_args(Reason))


@pytest.mark.parametrize(("reason", "bad"), EVERY_BAD, ids=[f"{reason}-{place}" for place, (reason, _) in enumerate(EVERY_BAD)])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_bad_record_is_quarantined_and_costs_its_neighbours_nothing(reason: Reason, bad: Record, place: int) -> None:
    records = good(3)
    records.insert(place, bad)
    intake = take(state(), *records)
    [(quarantined, rejection)] = intake.quarantined
    assert quarantined is bad
    assert (rejection.reason, bool(rejection.detail)) == (reason, True)
    assert [fact[EVENT_ID] for fact in intake.record.facts] == ["good-0", "good-1", "good-2"]
    chunk = intake.record
    assert (chunk.consumed, chunk.quarantined, chunk.duplicates, chunk.rerouted) == (4, 1, 0, 0)
    assert (chunk.topic, chunk.partition, chunk.begin, chunk.end) == ("cases", HERE, 100, 104)


@given(st.lists(st.sampled_from([None, *EVERY_BAD]), max_size=12))
def test_whatever_lies_between_them_the_good_are_taken_in(kinds: list[tuple[Reason, Record] | None]) -> None:
    sound = iter(good(len(kinds) + 1))
    records = [next(sound), *(next(sound) if kind is None else kind[1] for kind in kinds)]
    held = state()
    intake = take(held, *records)
    assert Counter(rejection.reason for _, rejection in intake.quarantined) == Counter(kind[0] for kind in kinds if kind)
    assert len(intake.record.facts) == 1 + kinds.count(None)
    assert held.city.departments[D1].version == 1 + kinds.count(None)
    assert not any(intake.rerouted)
    [value] = encode_chunk(intake.record)
    intake.record.packed.clear()
    assert decode(value) == intake.record


def test_a_chunk_of_nothing_but_bad_records() -> None:
    held = state()
    intake = take(held, *(bad for reason, bad in EVERY_BAD if reason != "conflicting_event_id"))
    assert intake.record.facts == []
    assert intake.record.consumed == intake.record.quarantined == len(intake.quarantined)
    assert not held.city.departments


def test_the_source_is_told_where_it_could_be_read() -> None:
    intake = take(state(), record(ACCEPTED | {"serial": ""}), record(value=b"{"), record(ACCEPTED, key=b"x"))
    assert [rejection.source for _, rejection in intake.quarantined] == ["test", None, "test"]


# --- new facts


def test_new_facts_come_with_their_arrival_and_their_bytes() -> None:
    first, second = event(serial="S1", event_id="1"), event(serial="S2", at="2020-09-02", event_id="2")
    intake = take(state(), record(first, arrival=7), record(second, arrival=9))
    assert intake.record.facts == facts_of_events([first, second])
    assert intake.record.arrivals == [7, 9]
    assert intake.record.packed == list(map(pack, intake.record.facts))
    assert intake.last_event_at == parse_instant(when("2020-09-03"))


def test_the_state_need_not_be_settled_by_the_intake_but_can_be() -> None:
    held = state()
    take(held, *good(2))
    held.city.settle()
    assert held.city.tallies[D1].cases_open == 2


def test_unknown_fields_are_counted() -> None:
    intake = take(state(), record(event() | {"x": 1, "y": None}), record(event(event_id="2", serial="S2") | {"z": []}))
    assert (intake.unknown_fields, len(intake.record.facts)) == (3, 2)


def test_late_is_what_arrives_in_a_later_period_than_it_occurred_in() -> None:
    last, first = parse_instant(when("2020-09-30T23:59:59.999")) // 1_000, parse_instant(when("2020-10-01T00:00:00")) // 1_000
    told = [
        (event(at="2020-09-30", event_id="a", serial="Sa"), last),
        (event(at="2020-09-30", event_id="b", serial="Sb"), first),
        (event(at="2020-08-30", event_id="c", serial="Sc"), first),
        (event(at="2020-10-01T00:00:00", event_id="d", serial="Sd"), first),
        (event(at="2020-11-01T00:00:00", event_id="e", serial="Se"), first),  # dated ahead
        (event(at="2020-08-30", event_id="c", serial="Sc"), first),  # a copy is not late once more
    ]
    intake = take(state(), *(record(content, arrival=arrival) for content, arrival in told))
    assert (intake.record.late, intake.record.duplicates) == (2, 1)


# --- copies and conflicts


def test_copies_are_counted_and_not_kept_again() -> None:
    held = state()
    one = event()
    intake = take(held, record(one), record(one | {"source": "another system"}))
    assert (len(intake.record.facts), intake.record.duplicates, intake.quarantined) == (1, 1, [])
    again = take(held, record(one), record(one, headers=(("trace", b"x"),)))
    assert (again.record.facts, again.record.duplicates, again.last_event_at) == ([], 2, 0)
    assert held.city.departments[D1].version == 1


def test_of_two_contents_under_one_id_the_first_stands() -> None:
    held = state()
    intake = take(held, record(event(event_id="e", serial="S1")), record(event(event_id="e", serial="S2")))
    [(_, rejection)] = intake.quarantined
    assert rejection.reason == "conflicting_event_id"
    assert rejection.detail == "e was taken in before with another content; the first one stands"
    assert set(held.city.departments[D1].cases) == {"S1"}
    assert take(held, record(event(event_id="e", serial="S2"))).quarantined
    assert intake.record.quarantined == 1


def test_a_second_content_arrives_in_no_period() -> None:
    held = state()
    take(held, record(event(event_id="e", at="2020-09-01")), record(event(event_id="e", at="2020-07-01")))
    take(held, record(event(event_id="e", at="2020-06-01"), arrival=1))
    assert held.first_arrivals == {(D1, parse_period("2020-09")): ARRIVAL * 1_000}


def test_a_conflict_with_what_is_dated_ahead_is_one_too() -> None:
    held = state()
    intake = take(held, record(event(event_id="e", at="2021-01-01")), record(event(event_id="e", at="2020-01-01")))
    assert [rejection.reason for _, rejection in intake.quarantined] == ["conflicting_event_id"]
    assert not held.city.departments


# --- the wrong partition


def test_a_record_in_the_wrong_partition_is_sent_on_and_not_folded() -> None:
    elsewhere = (HERE + 1) % PARTITIONS
    held = state(elsewhere)
    lies = record(event())
    intake = take(held, lies)
    assert intake.rerouted == [(lies, HERE, ARRIVAL, "test")]
    assert (intake.record.facts, intake.record.sources, intake.record.quarantined) == ([], {"test": 1}, 0)
    assert not held.city.departments
    assert not held.first_arrivals
    # and its id is not taken: should it be corrected, the right one counts
    assert held.city._digests == {}


def test_a_record_sent_on_keeps_its_first_arrival() -> None:
    first = ARRIVAL - 86_400_000
    sent_on = record(event(), headers=((ARRIVAL_HEADER, str(first).encode()),))
    held = state()
    intake = take(held, sent_on)
    assert intake.record.arrivals == [first]
    assert arrival_of(sent_on) == first
    # bounced once more (another number of partitions), it keeps the first still
    elsewhere = take(state((HERE + 1) % PARTITIONS), sent_on)
    assert elsewhere.rerouted == [(sent_on, HERE, first, "test")]


def test_a_copy_that_was_sent_on_is_kept_for_its_earlier_arrival() -> None:
    held = state()
    take(held, record(event()))
    earlier = ARRIVAL - 1_000
    intake = take(held, record(event(), headers=((ARRIVAL_HEADER, str(earlier).encode()),)))
    assert (intake.record.duplicates, intake.record.copies) == (1, 1)
    assert (intake.record.facts, intake.record.arrivals) == (facts_of_events([event()]), [earlier])
    assert intake.record.packed == list(map(pack, intake.record.facts))


def test_a_first_arrival_after_the_brokers_own_time_counts_as_that() -> None:
    assert arrival_of(record(headers=((ARRIVAL_HEADER, b"9" * 13),))) == ARRIVAL
    assert arrival_of(record(headers=((ARRIVAL_HEADER, str(ARRIVAL + 1).encode()),))) == ARRIVAL


def test_late_is_reckoned_from_the_first_arrival() -> None:
    october = parse_instant(when("2020-10-01")) // 1_000
    sent_on = record(event(), arrival=october, headers=((ARRIVAL_HEADER, str(ARRIVAL).encode()),))
    assert take(state(), sent_on).record.late == 0
    assert take(state(), record(event(), arrival=october)).record.late == 1


def test_a_bad_record_in_the_wrong_partition_is_quarantined_not_sent_on() -> None:
    intake = take(state((HERE + 1) % PARTITIONS), record(event(), key=b"x"), record(event("serial.issued")))
    assert [rejection.reason for _, rejection in intake.quarantined] == ["wrong_key", "wrong_topic"]
    assert intake.rerouted == []


@pytest.mark.parametrize("number", range(PARTITIONS))
def test_periods_of_every_department_are_taken_in_wherever_they_lie(number: int) -> None:
    held = state(number)
    intake = take(held, record(event("period.closed", department="*")), topic=_topic("period.closed"))
    assert (intake.rerouted, intake.quarantined, len(intake.record.facts)) == ([], [], 1)
    assert len(held.orders) == 1


def test_periods_of_one_department_are_sent_on() -> None:
    intake = take(state((HERE + 1) % PARTITIONS), record(event("period.closed")), topic=_topic("period.closed"))
    assert [right for _, right, _, _ in intake.rerouted] == [HERE]


def _topic(type_: str) -> str:
    from models.events import TOPIC_OF_TYPE

    return TOPIC_OF_TYPE[type_]


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971), ("abc", 479470107),
    ],
)  # fmt: skip
def test_partitions_are_those_of_kafkas_own_partitioner(key: str, hashed: int) -> None:
    """The hashes are those that Apache Kafka's own tests name (`UtilsTest.testMurmur2`)."""
    for partitions in (1, 4, 12, 1_000):
        assert partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions


# --- what is only nearly right must not end a worker for ever


@pytest.mark.parametrize(
    "value",
    [b"", b"soon", b"\xff", None, b"9" * 30, b"-" + b"9" * 30, b"9" * 5_000],
    ids=["empty", "text", "bytes", "null", "large", "small", "long"],
)
@pytest.mark.parametrize("number", [HERE, (HERE + 1) % PARTITIONS], ids=["right partition", "wrong partition"])
def test_a_header_that_is_no_arrival_costs_nothing(value: Any, number: int) -> None:
    held = state(number)
    records = [record(event(), headers=((ARRIVAL_HEADER, value),)), record(event(event_id="2", serial="S2"))]
    intake = take(held, *records)
    assert len(intake.record.facts) + len(intake.rerouted) >= 1
    encode_chunk(intake.record)
    assert all(abs(arrival) < 10**14 for _, _, arrival, _ in intake.rerouted), "the next worker has to read it"


@pytest.mark.parametrize("size", [REQUEST_BYTES - 100, 3 * REQUEST_BYTES])
async def test_a_record_of_any_size_fits_into_quarantine(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pipeline = create_app(compose(NOW))
    sent: list[tuple[Any, ...]] = []

    async def send(*what: Any) -> None:
        sent.append(what)

    monkeypatch.setattr(pipeline, "_send", send)
    [(bad, rejection)] = take(state(), record(value=b"0" * size)).quarantined
    assert rejection.reason == "oversized"
    await pipeline._quarantine("cases", 1, bad, rejection)
    [(_, key, value, _, headers)] = sent
    assert len(key) + len(value) + sum(len(name) + len(content) + 10 for name, content in headers) + 100 <= REQUEST_BYTES


@pytest.mark.parametrize(("header", "arrival"), [(b"1000", 1_000), (b"5000", 5_000), (b"5001", 5_000), (b"9999999999999", 5_000)])
def test_a_record_that_was_sent_on_has_not_arrived_after_that(header: bytes, arrival: int) -> None:
    assert arrival_of(SimpleNamespace(timestamp=5_000, headers=[(ARRIVAL_HEADER, header)])) == arrival
