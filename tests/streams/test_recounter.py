"""The comparison of a recount, on a log and a read model in memory that move between two readings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson
import pytest

from models.events import TOPIC_OF_TYPE
from models.facts import pack, to_fact
from models.instants import SECOND, format_instant, parse_instant
from models.records import Recount
from models.rulesets import default_ruleset
from models.wire import parse_record
from scoring.context import Context, create_context
from scoring.periods import closings
from scoring.scores import AnyRecord
from streams.changelog import ChunkRecord, FrozenRecord, encode_chunk, encode_frozen
from streams.intake import ARRIVAL_HEADER, partition_of
from streams.recount import Recounter, counted, telling
from streams.serving.read_model import ReadModel
from streams.topics import CHANGELOG
from tests.support.builder import D1, D2

NOW = parse_instant("2020-09-20T12:00:00+08:00")
ARRIVED = NOW // 1_000 - 3_600_000
PARTITIONS = 2
CONTEXT = create_context(default_ruleset(), NOW)


def event(name: str, department: str = D1, **fields: Any) -> bytes:
    return orjson.dumps({
        "event_id": name, "type": "case.accepted", "department": department, "occurred_at": "2020-09-01T10:00:00+08:00",
        "source": "tests", "serial": name, "item": "I1", "acceptance_no": name, **fields,
    })  # fmt: skip


@dataclass
class City:
    """A log, a changelog and a read model; what a worker does with an event is said by the test."""

    now: int = NOW
    logs: dict[tuple[str, int], list[Any]] = field(default_factory=lambda: defaultdict(list))
    positions: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    commits: dict[tuple[str, int], int] = field(default_factory=dict)
    live: dict[tuple[str, str, str], AnyRecord] = field(default_factory=dict)
    pauses: list[Callable[[], None]] = field(default_factory=list)

    def arrive(self, value: bytes, partition: int | None = None, *, at: int = ARRIVED, first_arrival: int | None = None) -> None:
        parsed = orjson.loads(value)
        number = partition_of(parsed["department"], PARTITIONS) if partition is None else partition
        log = self.logs[TOPIC_OF_TYPE[parsed["type"]], number]
        headers = [] if first_arrival is None else [(ARRIVAL_HEADER, str(first_arrival).encode())]
        log.append(SimpleNamespace(key=parsed["department"].encode(), value=value, offset=len(log), timestamp=at, headers=headers))

    def take(self, *values: bytes, at: int = ARRIVED) -> None:
        for value in values:
            fact = to_fact(parse_record(value))  # type: ignore[arg-type]
            number = partition_of(fact[1], PARTITIONS)
            chunk = ChunkRecord("cases", number, 0, 1)
            chunk.add(fact, at, pack(fact))
            self.logs[CHANGELOG, number] += [SimpleNamespace(value=encoded) for encoded in encode_chunk(chunk)]

    def commit(self) -> None:
        self.commits = {place: len(log) for place, log in self.logs.items() if place[0] != CHANGELOG}

    def serve(self, *values: bytes, at: int = ARRIVED) -> None:
        """The read model is what these events amount to."""
        facts = [(at * 1_000, to_fact(parse_record(value))) for value in values]  # type: ignore[arg-type]
        self.live = {}
        for code in {fact[1] for _, fact in facts}:
            self.live |= counted(code, [entry for entry in facts if entry[1][1] == code], CONTEXT.as_of(self.now))[0]

    # As a source.
    def committed(self) -> Mapping[tuple[str, int], int]:
        return self.commits

    def ends(self, topics: Iterable[str], partition: int) -> dict[str, int]:
        return {topic: len(self.logs[topic, partition]) for topic in topics}

    def read(self, topic: str, partition: int, end: int | None = None) -> Iterator[list[Any]]:
        new = self.logs[topic, partition][self.positions[topic, partition] : end]
        self.positions[topic, partition] += len(new)
        yield new

    def rewind(self, topic: str, partition: int) -> None:
        self.positions[topic, partition] = 0

    # As a read model.
    def scored_departments(self) -> set[str]:
        return {department for department, _, _ in self.live}

    def period_labels(self) -> list[str]:
        return sorted({period for _, period, _ in self.live})

    def scores_of(self, department: str, periods: list[str]) -> list[AnyRecord]:
        return [record for key, record in self.live.items() if key[0] == department and key[1] in periods]

    def text(self, instant: int) -> str:
        return format_instant(instant, ZoneInfo("Asia/Shanghai"))

    def pause(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)
        if self.pauses:
            self.pauses.pop(0)()


@pytest.fixture
def city() -> City:
    return City()


def recount(city: City, context: Context = CONTEXT, period: str | None = None) -> Recount:
    clock = SimpleNamespace(now=lambda: city.now)
    return Recounter(city, cast("ReadModel", city), PARTITIONS, context, clock, city.pause).run(period, None, lambda _: None)


def kinds(result: Recount) -> set[str]:
    return {cause.kind for difference in result.differences for cause in difference.causes}


def whole(city: City, *values: bytes) -> None:
    for value in values:
        city.arrive(value)
    city.take(*values)
    city.serve(*values)
    city.commit()


def test_equal(city: City) -> None:
    whole(city, event("a"), event("b"), event("c", D2))
    city.arrive(event("a"))  # a copy
    city.arrive(b'{"department":"' + D1.encode() + b'","type":"case.accepted"}')
    result = recount(city)
    assert (result.mismatches, result.not_compared, result.events, result.records) == (0, 0, 5, 34)


def test_what_catches_up_when_read_again_is_equal(city: City) -> None:
    city.arrive(event("a"))
    city.pauses = [lambda: whole(city, event("b")), lambda: (city.take(event("a")), city.serve(event("a"), event("b")))]  # type: ignore[list-item]
    assert recount(city).differences == []


def test_what_goes_on_changing_is_not_compared(city: City) -> None:
    values = [event(f"e{number}", occurred_at=f"2020-09-{number + 1:02d}T10:00:00+08:00") for number in range(12)]
    whole(city, *values[:2])

    def next_two(count: int) -> Callable[[], None]:
        def arrive() -> None:
            for value in values[count : count + 2]:
                city.arrive(value, at=city.now // 1_000)
            city.take(*values[: count + 2])
            city.serve(*values[: count + 1])
            city.live = {key: record.model_copy(update={"points_exact": str(count)}) for key, record in city.live.items()}

        return arrive

    next_two(2)()
    city.pauses = [next_two(4), next_two(6), next_two(8)]
    result = recount(city)
    assert result.mismatches == 0
    assert result.not_compared > 0
    assert kinds(result) == {"moving"}


def test_a_wrong_score_of_a_busy_department_is_a_mismatch_all_the_same(city: City) -> None:
    values = [event(f"e{number}") for number in range(8)]
    whole(city, *values[:2])

    def another(count: int) -> None:
        whole(city, *values[count : count + 1])
        city.serve(*values[: count + 1])
        key = (D1, "2020-09", "docking_depth")
        city.live[key] = city.live[key].model_copy(update={"points_exact": "1234"})

    another(2)
    city.pauses = [lambda: another(3), lambda: another(4), lambda: another(5)]
    result = recount(city)
    assert [difference.indicator for difference in result.differences if difference.state == "different"] == ["docking_depth"]
    assert kinds(result) == {"same_facts"}


def test_a_version_not_yet_published_again_is_no_difference_for_a_minute(city: City) -> None:
    for seconds, different in ((20, False), (90, True)):
        held = City()
        whole(held, event("a"))
        late = event("b", type="case.resumed")
        held.arrive(late, at=NOW // 1_000 - seconds * 1_000)
        held.take(late)
        held.commit()
        result = recount(held)
        assert bool(result.mismatches) is different, seconds


def test_lost_and_foreign_events_are_certain_whatever_moves(city: City) -> None:
    whole(city, event("a"))
    city.arrive(event("lost"), at=NOW // 1_000 - 1_000)
    city.commit()
    result = recount(city)
    assert kinds(result) == {"lost"}
    assert result.differences[0].causes[0].examples == [f"lost (cases|{partition_of(D1, PARTITIONS)}|1)"]
    held = City()
    whole(held, event("a"))
    held.take(event("foreign"))
    held.serve(event("a"), event("foreign"))
    assert kinds(recount(held)) == {"not_in_log"}
    both = City()
    whole(both, event("a"))
    both.arrive(event("lost", type="case.resumed"))
    both.take(event("foreign", type="case.resumed"))
    both.serve(event("a"), event("foreign", type="case.resumed"))
    both.commit()
    [difference] = recount(both).differences
    assert (difference.department, difference.period, difference.state) == (D1, "*", "different"), "every score is as it should be"
    assert {cause.kind for cause in difference.causes} == {"lost", "not_in_log"}


def test_not_consumed_by_a_worker_that_stands_still(city: City) -> None:
    whole(city, event("a"))
    city.arrive(event("b"))
    result = recount(city)
    assert result.mismatches > 0
    assert kinds(result) == {"not_consumed"}


def test_a_worker_that_is_catching_up_is_no_mismatch(city: City) -> None:
    whole(city, event("a"), event("x", D2))
    for name in "bcdef":
        city.arrive(event(name))
    place = ("licences", partition_of(D1, PARTITIONS))

    def consume() -> None:
        city.commits = {**city.commits, place: city.commits.get(place, 0) + 1}

    city.pauses = [consume, consume, consume]
    result = recount(city)
    assert result.mismatches == 0
    assert result.not_compared > 0


def test_misplaced_events_count_through_the_copy_that_was_sent_on(city: City) -> None:
    wrong = 1 - partition_of(D1, PARTITIONS)
    city.arrive(event("a"), wrong)
    whole(city)
    city.arrive(event("a"), at=ARRIVED + 5_000, first_arrival=ARRIVED)
    city.take(event("a"))
    city.serve(event("a"))
    city.commit()
    assert recount(city).differences == []
    held = City()
    whole(held, event("a"))
    held.arrive(event("stray"), wrong)
    held.commit()
    [difference] = recount(held).differences
    assert (difference.department, difference.period, difference.indicator) == (D1, "*", "*")
    assert [(c.kind, c.examples) for c in difference.causes] == [("not_sent_on", [f"stray (cases|{wrong}|0)"])]
    held.commits = {}
    assert recount_again(held).differences == [], "it may yet be sent on"


def recount_again(city: City) -> Recount:
    city.positions.clear()
    return recount(city)


def test_of_two_contents_the_one_taken_in_stands(city: City) -> None:
    city.arrive(event("a"))
    city.arrive(event("a", type="case.resumed"))
    for taken in (event("a"), event("a", type="case.resumed")):
        held = City(logs=city.logs | {(CHANGELOG, 0): [], (CHANGELOG, 1): []})
        held.take(taken)
        held.serve(taken)
        held.commit()
        assert recount(held).differences == [], taken
    held.take(event("a", serial="S9"))
    held.logs[CHANGELOG, partition_of(D1, PARTITIONS)].pop(0)
    held.serve(event("a"), event("b"))
    assert kinds(recount_again(held)) == {"other_content", "conflict"}


def test_the_facts_that_tell_the_closings_tell_all_of_them() -> None:
    seen = set()
    for seed in range(200):
        random = Random(seed)
        events = []
        for number in range(random.randrange(30)):
            fields: dict[str, Any] = {"occurred_at": f"2020-{random.randrange(6, 11):02d}-{random.randrange(1, 29):02d}T10:00:00+08:00"}
            if random.random() < 0.2:
                kind = random.choice(["period.closed", "period.reopened"])
                fields |= {"type": kind, "department": random.choice([D1, "*"]), "period": f"2020-{random.randrange(6, 10):02d}"}
            events.append(event(f"e{number}", **fields))
        parsed = [parse_record(value) for value in events]
        facts = [(random.randrange(ARRIVED - 100 * 86_400_000, ARRIVED) * 1_000, to_fact(each)) for each in parsed]  # type: ignore[arg-type]
        whole = closings(facts, CONTEXT)
        assert closings(telling(facts, CONTEXT), CONTEXT) == whole
        seen |= {closing.automatic for closing in whole}
    assert seen == {True, False}


@pytest.mark.parametrize(("chained", "expected"), [(True, (1, 0)), (False, (0, 17))])
def test_what_was_frozen_by_the_ruleset_of_its_period_is_compared(city: City, chained: bool, expected: tuple[int, int]) -> None:
    """August was frozen by the ruleset in force, one record of it wrongly. Under another ruleset it could not be counted again."""
    arrived = parse_instant("2020-08-21T00:00:00+08:00") // 1_000
    august = event("a", occurred_at="2020-08-20T10:00:00+08:00")
    city.arrive(august, at=arrived)
    city.take(august, at=arrived)
    city.serve(august, at=arrived)
    city.commit()
    key = (D1, "2020-08", "total")
    city.live[key] = city.live[key].model_copy(update={"points_exact": "1"})
    records = [record.to_json() for (_, period, _), record in city.live.items() if period == "2020-08"]
    closed_at = parse_instant("2020-09-08T00:00:00+08:00")
    frozen = FrozenRecord(partition_of(D1, PARTITIONS), D1, "2020-08", "auto|2020-08", closed_at, records, 1, closed_at)
    city.logs[CHANGELOG, frozen.partition].append(SimpleNamespace(value=encode_frozen(frozen)))
    other = default_ruleset().with_policies(zero_denominator="na")
    city.live = {key: record for key, record in city.live.items() if key[1] == "2020-08"}
    ruleset = other.following(default_ruleset(), "2020-09") if chained else other
    found = recount(city, create_context(ruleset, NOW), "2020-08")
    assert (found.mismatches, found.not_compared) == expected
