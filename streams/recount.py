"""Recount: the input topics from their start, folded by themselves, compared with the facts changelog and with the live scores.

One partition at a time, so that what is held is one partition's facts. Of each, in this order: the committed offsets, the changelog, the
inputs, the read model. So what was committed and is not in the changelog is lost, what is in the changelog and not in the log has no
source, and neither can be an effect of reading while all of it moves. A score can: it counts as different only if it still is when
everything has been read on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec

from models.events import INPUT_TOPICS
from models.facts import AT, CODE, DEPARTMENT, EVENT_ID, Fact, digest
from models.identifiers import EVERY_DEPARTMENT
from models.instants import MILLISECOND, SECOND
from models.records import Recount, RecountCause, RecountCauseKind, RecountDifference
from models.wire import TOPIC_OF_CODE, Rejection, parse_facts
from scoring.city import PERIOD_CODES, City
from scoring.context import Context
from scoring.local_time import parse_period, period_label
from scoring.periods import Arrived, Closing, closings, frozen
from scoring.scores import AnyRecord, parse_record, score_period
from scoring.view import scored_periods
from streams.changelog import ChunkRecord, FrozenRecord, decode
from streams.clock import Clock
from streams.intake import arrival_of, home_of, partition_of
from streams.serving.read_model import ReadModel
from streams.topics import CHANGELOG

READ_AGAIN = 3
PAUSE_SECONDS = 4.0
# Within so long of a fact a record that it leaves as it was is published again with the department's version.
REFRESHED_WITHIN = 60 * SECOND
EXAMPLES = 5
ALL = "*"  # in a difference: none of the department's scores, its events
# What a record says about when it was made and who was seen beside it.
MADE = {"as_of", "rank", "ranked"}
# Causes that reading while everything moves cannot bring about.
DEFINITE: frozenset[RecountCauseKind] = frozenset({"lost", "not_in_log", "other_content"})
Fields = dict[str, Any]
Key = tuple[str, str, str]  # department, period, indicator


class Source(Protocol):
    """Where the log is read."""

    def committed(self) -> Mapping[tuple[str, int], int]:
        """The offset that the workers have committed, by topic (without prefix) and partition."""
        ...

    def ends(self, topics: Iterable[str], partition: int) -> dict[str, int]:
        """The end offsets of now of a partition of topics."""
        ...

    def read(self, topic: str, partition: int, end: int | None = None) -> Iterator[list[Any]]:
        """The records from where it was read to before up to an end offset, by default that of now, in chunks."""
        ...

    def rewind(self, topic: str, partition: int) -> None:
        """Read a partition from its start again."""
        ...


class Logged(msgspec.Struct, gc=False):
    """A content of an event in the input topics, and when it first arrived (microseconds)."""

    fact: Fact
    digest: int
    arrival: int


@dataclass(frozen=True, slots=True)
class Stray:
    """An event in another partition than its department's: it counts through the copy that was sent on."""

    department: str
    place: str  # topic|partition|offset


@dataclass(slots=True)
class PartitionLog:
    """What the inputs and the changelog say of a partition, as far as they have been read."""

    number: int
    partitions: int
    committed: Mapping[tuple[str, int], int] = field(default_factory=dict)
    consumed: int = 0
    log: dict[str, Logged] = field(default_factory=dict)
    others: dict[str, dict[int, Logged]] = field(default_factory=dict)  # of an id its further contents, by digest
    strays: dict[tuple[str, int], dict[str, Stray]] = field(default_factory=dict)  # topic and right partition → id
    changelog: dict[str, tuple[int, str]] = field(default_factory=dict)  # id → digest, department
    frozen: dict[tuple[str, str], FrozenRecord] = field(default_factory=dict)
    waiting: dict[str, tuple[str, int]] = field(default_factory=dict)  # id that the changelog does not have → topic, offset
    agreed: int = 0  # ids of which the changelog has the content that came first in the log
    departments: set[str] = field(default_factory=set)  # that the log or the changelog has events of

    def read_on(self, source: Source, advance: Callable[[int], None]) -> None:
        """Read everything there is by now. In this order, on which the certainty of a loss rests."""
        self.committed = source.committed()
        for records in source.read(CHANGELOG, self.number):
            self._take_changelog(record.value for record in records)
        ends = source.ends(INPUT_TOPICS, self.number)  # in one question: nine take nine times as long
        for topic in INPUT_TOPICS:
            for records in source.read(topic, self.number, ends[topic]):
                self._take_inputs(topic, records)
                advance(len(records))
        for name in [name for name in self.waiting if name in self.changelog]:
            del self.waiting[name]
        self._settle_conflicts()

    def _take_changelog(self, values: Iterable[bytes]) -> None:
        for value in values:
            record = decode(value)
            if isinstance(record, ChunkRecord):
                for fact in record.facts:
                    self.changelog.setdefault(fact[EVENT_ID], (digest(fact), fact[DEPARTMENT]))
                    self.departments.add(fact[DEPARTMENT])
            elif isinstance(record, FrozenRecord):
                key = (record.department, record.period)
                if record.holds_over(self.frozen.get(key)):
                    self.frozen[key] = record

    def _take_inputs(self, topic: str, records: list[Any]) -> None:
        self.consumed += len(records)
        for record, fact in zip(records, parse_facts([record.value for record in records]), strict=True):
            if isinstance(fact, Rejection):
                continue
            name, code = fact[EVENT_ID], fact[DEPARTMENT]
            key, right = home_of(code, self.partitions)
            if record.key != key or TOPIC_OF_CODE[fact[CODE]] != topic:
                continue
            if right not in (self.number, None):
                place = f"{topic}|{self.number}|{record.offset}"
                if record.offset < self.committed.get((topic, self.number), 0):
                    self.strays.setdefault((topic, right), {}).setdefault(name, Stray(code, place))
                continue
            self.departments.add(code)
            arrival = arrival_of(record) if record.headers else record.timestamp
            found = Logged(fact, digest(fact), arrival * MILLISECOND)
            held = self.log.get(name)
            if held is None:
                self.log[name] = found
                taken = self.changelog.get(name)
                if taken is None:
                    self.waiting[name] = (topic, record.offset)
                elif taken[0] == found.digest:
                    self.agreed += 1
                continue
            if held.digest != found.digest:
                held = self.others.setdefault(name, {}).setdefault(found.digest, found)
            held.arrival = min(held.arrival, found.arrival)  # of copies the earliest arrival counts

    def _settle_conflicts(self) -> None:
        """Of an id with several contents the one that a worker took in first stands: which, only the changelog knows."""
        for name, contents in self.others.items():
            taken = self.changelog.get(name)
            if taken is not None and taken[0] in contents:
                stands, held = contents.pop(taken[0]), self.log[name]
                self.log[name] = stands
                contents[held.digest] = held

    def by_department(self) -> dict[str, list[Arrived]]:
        """The events of each department with their arrivals, each once; those for all departments under `*`."""
        found: defaultdict[str, list[Arrived]] = defaultdict(list)
        for logged in self.log.values():
            found[logged.fact[DEPARTMENT]].append((logged.arrival, logged.fact))
        return found

    def own_commits(self) -> dict[str, int]:
        """The committed offsets of this partition, by topic."""
        return {topic: self.committed.get((topic, self.number), 0) for topic in INPUT_TOPICS}

    def causes(self) -> dict[str, list[RecountCause]]:
        """How the changelog differs from the log, by department."""
        found: defaultdict[str, defaultdict[RecountCauseKind, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name, (topic, offset) in self.waiting.items():
            kind: RecountCauseKind = "lost" if offset < self.committed.get((topic, self.number), 0) else "not_consumed"
            found[self.log[name].fact[DEPARTMENT]][kind].append(f"{name} ({topic}|{self.number}|{offset})")
        for name, (content, code) in self.changelog.items() if self.agreed < len(self.changelog) else ():
            held = self.log.get(name)
            if held is None:
                found[code]["not_in_log"].append(name)
            elif held.digest != content:
                found[code]["other_content"].append(name)
        for name in self.others:
            found[self.log[name].fact[DEPARTMENT]]["conflict"].append(name)
        return {code: [cause(kind, names) for kind, names in kinds.items()] for code, kinds in found.items()}


def cause(kind: RecountCauseKind, names: list[str]) -> RecountCause:
    """A cause with the first of the events or records that show it."""
    return RecountCause(kind=kind, count=len(names), examples=names[:EXAMPLES])


def telling(facts: Iterable[Arrived], context: Context) -> list[Arrived]:
    """Of facts, each there once, those that tell the closings: the orders, and of a department's period the first to arrive.

    To put all into the order of their arrival takes almost as long as to fold them.
    """
    orders: list[Arrived] = []
    first: dict[tuple[str, int], Arrived] = {}
    period_of = context.time.period_of
    for entry in facts:
        arrival, fact = entry
        if fact[CODE] in PERIOD_CODES:
            orders.append(entry)
        elif fact[AT] <= context.now:
            held = first.setdefault((fact[DEPARTMENT], period_of(fact[AT])), entry)
            if arrival < held[0]:
                first[fact[DEPARTMENT], period_of(fact[AT])] = entry
    return [*orders, *first.values()]


def counted(department: str, facts: list[Arrived], context: Context) -> tuple[dict[Key, AnyRecord], dict[str, Closing]]:
    """The records of a department as of the context's now, and the closings that hold, by period.

    Args:
        department: its code.
        facts: its own, and those for all departments, each once, with their arrivals.
        context: calendar, policies and now.
    """
    city = City(context)
    city.take_new(fact for _, fact in facts)
    city.settle()
    held = city.departments.get(department)
    if held is None:
        return {}, {}
    closed = {period_label(closing.period): closing for closing in closings(telling(facts, context), context)}
    found: dict[Key, AnyRecord] = {}
    for period in scored_periods(held):
        closing = closed.get(period_label(period))
        for record in score_period(held, period) if closing is None else frozen(closing, facts, context):
            found[department, record.period, record.indicator] = record
    return found, closed


@dataclass(frozen=True, slots=True)
class Pair:
    """A record as counted and as served, where they differ; the fields that do, or None where there is no such record."""

    log: Fields | None
    live: Fields | None
    # Frozen under rules that are not in force any more, and served as it was frozen: it cannot be counted again.
    other_rules: bool = False
    frozen_by: str | None = None  # the closing it was frozen under, where that is not the one that holds

    @property
    def only_older(self) -> bool:
        """Whether the record served says the same of fewer facts."""
        return self.names == ["version"] and self.live is not None and self.log is not None and self.live["version"] < self.log["version"]

    @property
    def names(self) -> list[str]:
        """The fields that differ."""
        log, live = self.log or {}, self.live or {}
        return sorted(name for name in log.keys() | live.keys() if log.get(name) != live.get(name))

    def still(self, before: "Pair") -> bool:
        """Whether it is the very difference that was there before. The version of a busy department says nothing about it."""
        if self.names == ["version"]:
            return (self.log, self.live) == (before.log, before.live)
        return all(_content(now) == _content(then) for now, then in ((self.log, before.log), (self.live, before.live)))


@dataclass(slots=True)
class PartitionCount:
    """What recounting one partition has found."""

    differences: list[RecountDifference]
    events: int  # records of the input topics read
    records: int  # score records looked at
    strays: dict[tuple[str, int], dict[str, Stray]]


# Counts partitions; another process may do it. Given: their numbers, and the departments that have scores.
Counting = Callable[[Sequence[int], set[str]], Iterable[PartitionCount]]


class Recounter:
    """Counts everything again and compares. Raises what its source and the read model raise when they cannot be reached."""

    def __init__(
        self, source: Source, model: ReadModel, partitions: int, context: Context, clock: Clock, pause: Callable[[float], None]
    ) -> None:
        """`context`: the rules; its now is not read. `pause` waits for some seconds."""
        self._source = source
        self._model = model
        self._partitions = partitions
        self._context = context
        self._clock = clock
        self._pause = pause
        self._strays: dict[tuple[str, int], dict[str, Stray]] = {}

    def run(self, period: str | None, department: str | None, advance: Callable[[int], None], counting: Counting | None = None) -> Recount:
        """Recount all, or a period, or a department.

        Args:
            period: only this one.
            department: only this one.
            advance: told how many records have been read.
            counting: counts the partitions in its own way; by default one after the other, here.
        """
        started = self._clock.now()
        numbers = range(self._partitions) if department is None else [partition_of(department, self._partitions)]
        served = self._model.scored_departments()

        def here(numbers: Sequence[int], served: set[str]) -> Iterable[PartitionCount]:
            return (self.partition(number, served, period, department, advance) for number in numbers)

        found: list[RecountDifference] = []
        events = records = 0
        for counted in (counting or here)(numbers, served):
            found += counted.differences
            events, records = events + counted.events, records + counted.records
            for place, strays in counted.strays.items():
                self._strays.setdefault(place, {}).update(strays)
        found += self._not_sent_on(department)
        found.sort(key=lambda d: (d.state != "different", d.department, d.period, d.indicator))
        now = self._clock.now()
        different = sum(difference.state == "different" for difference in found)
        return Recount(
            at=self._model.text(now),
            seconds=round((now - started) / SECOND, 3),
            events=events,
            records=records,
            mismatches=different,
            not_compared=len(found) - different,
            differences=found,
        )

    def partition(
        self, number: int, served: set[str], period: str | None, department: str | None, advance: Callable[[int], None]
    ) -> PartitionCount:
        """Recount one partition. `served`: the departments that have scores."""
        log = PartitionLog(number, self._partitions)
        codes: set[str] | None = None  # still to be compared; None: all
        before: dict[Key, Pair] = {}
        pairs: dict[Key, Pair] = {}
        causes: dict[str, list[RecountCause]] = {}
        moved = False
        records = 0
        for again in range(1 + READ_AGAIN):
            if again:
                self._pause(PAUSE_SECONDS)
            committed = log.own_commits()
            log.read_on(self._source, advance)
            moved = committed != log.own_commits()
            if codes is None:
                here = {code for code in served if partition_of(code, self._partitions) == number} | log.departments - {EVERY_DEPARTMENT}
                codes = here if department is None else here & {department}
            before, pairs = pairs, {key: pair for key, pair in pairs.items() if key[0] not in codes}
            causes = log.causes()
            found_here, looked_at = self._compare(log, causes, codes, period)
            pairs |= found_here
            records += 0 if again else looked_at
            codes = {key[0] for key, pair in pairs.items() if not pair.other_rules}
            if not codes:
                break
        found = [_difference(key, pair, before.get(key), causes, moved=moved) for key, pair in pairs.items()]
        told = {difference.department for difference in found if difference.state == "different"}
        # One event lost and another without a source may leave every score as it is.
        for code, held in causes.items():
            definite = [each for each in held if each.kind in DEFINITE]
            if definite and code not in told and department in (None, code):
                found.append(_of_events(code, definite))
        return PartitionCount(found, log.consumed, records, log.strays)

    def _compare(
        self, log: PartitionLog, causes: Mapping[str, list[RecountCause]], codes: set[str], period: str | None
    ) -> tuple[dict[Key, Pair], int]:
        """What differs in some departments, log and read model having been read as of nearly the same instant; of how many records."""
        context = self._context.as_of(self._clock.now())
        labels = self._model.period_labels() if period is None else [period]
        live = {code: {_key(record): _fields(record) for record in self._model.scores_of(code, labels)} for code in codes}
        definite = {code for code, held in causes.items() if any(found.kind in DEFINITE for found in held)}
        groups = log.by_department()
        found: dict[Key, Pair] = {}
        looked_at = 0
        for code in codes:
            facts = groups.get(code, []) + groups.get(EVERY_DEPARTMENT, [])
            records, closed = counted(code, facts, context)
            own = {key: _fields(record) for key, record in records.items() if period in (None, key[1])}
            keys = own.keys() | live[code].keys()
            looked_at += len(keys)
            pairs = {key: Pair(own.get(key), live[code].get(key)) for key in keys}
            differing = {key: pair for key, pair in pairs.items() if pair.names}
            if code not in definite and any(pair.only_older for pair in differing.values()) and _is_recent(facts, context.now):
                differing = {key: pair for key, pair in differing.items() if not pair.only_older}
            for key, pair in differing.items():
                found[key] = _with_closing(pair, key, log, closed.get(key[1]), context)
        return found, looked_at

    def _not_sent_on(self, department: str | None) -> list[RecountDifference]:
        """Events in a wrong partition of which the right one has no copy, though what lies after them was committed."""
        lost: defaultdict[str, list[str]] = defaultdict(list)
        for (topic, right), strays in self._strays.items():
            self._source.rewind(topic, right)
            for records in self._source.read(topic, right):
                for fact in parse_facts([record.value for record in records]):
                    if not isinstance(fact, Rejection):
                        strays.pop(fact[EVENT_ID], None)
            for name, stray in strays.items():
                if department in (None, stray.department):
                    lost[stray.department].append(f"{name} ({stray.place})")
        return [_of_events(code, [cause("not_sent_on", names)]) for code, names in lost.items()]


def _is_recent(facts: list[Arrived], now: int) -> bool:
    """Whether the last of the facts may not have been followed yet by the records that it leaves as they were."""
    return now - max((max(arrival, fact[AT]) for arrival, fact in facts if fact[AT] <= now), default=0) < REFRESHED_WITHIN


def _of_events(department: str, causes: list[RecountCause]) -> RecountDifference:
    """Events differ, whatever the scores say."""
    return RecountDifference(department=department, period=ALL, indicator=ALL, state="different", causes=causes)


def _difference(key: Key, pair: Pair, before: Pair | None, causes: Mapping[str, list[RecountCause]], *, moved: bool) -> RecountDifference:
    found = [*causes.get(key[0], []), *causes.get(EVERY_DEPARTMENT, [])]
    kinds = {cause.kind for cause in found}
    if pair.other_rules:
        found, different = [], False
    else:
        # Under way is what has changed since it was read before, and a worker that is reading what it has not consumed yet.
        moving = before is None or not pair.still(before) or ("not_consumed" in kinds and moved)
        different = bool(kinds & DEFINITE) or not moving
        if not different:
            found.append(RecountCause(kind="moving", count=1, examples=[]))
    own, live = pair.log or {}, pair.live or {}
    rules = [live["ruleset"]] if "ruleset" in pair.names and "ruleset" in own and "ruleset" in live else []
    if rules:
        found.append(cause("other_ruleset", rules))
    if pair.frozen_by is not None:
        found.append(cause("other_closing", [pair.frozen_by]))
    return RecountDifference(
        department=key[0],
        period=key[1],
        indicator=key[2],
        state="different" if different else "not_compared",
        live=None if pair.live is None else {name: live.get(name) for name in pair.names},
        log=None if pair.log is None else {name: own.get(name) for name in pair.names},
        causes=found or [RecountCause(kind="same_facts", count=1, examples=[])],
    )


def _with_closing(pair: Pair, key: Key, log: PartitionLog, closing: Closing | None, context: Context) -> Pair:
    held = log.frozen.get(key[:2])
    if held is None or pair.live not in [_fields(record) for record in map(parse_record, held.records)]:
        return pair
    if closing is None or closing.id != held.closing:
        return replace(pair, frozen_by=held.closing)
    return replace(pair, other_rules=pair.live is not None and pair.live["ruleset"] != context.rules[parse_period(key[1])].identity)


def _key(record: AnyRecord) -> Key:
    return record.department, record.period, record.indicator


def _fields(record: AnyRecord) -> Fields:
    return record.model_dump(exclude=MADE, exclude_none=True)


def _content(fields: Fields | None) -> Fields | None:
    return None if fields is None else {name: value for name, value in fields.items() if name != "version"}
