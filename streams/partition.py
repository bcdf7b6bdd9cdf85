"""The state of one partition: a live city, the intervals consumed, the alerts announced. A fold over changelog records that commutes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple

import orjson
from msgspec.msgpack import Decoder

from models.facts import AT, CODE, DEPARTMENT, EVENT_ID, Fact, field_of
from models.instants import MILLISECOND
from models.records import AdjustmentRecord
from scoring.city import PERIOD_CODES, Outcome
from scoring.context import Context
from scoring.department import Counters
from scoring.late import spares
from scoring.live import LiveCity
from scoring.local_time import parse_period, period_label
from scoring.periods import Arrived, Closing, adjustment, content_of, current_closing, records_at_closing
from scoring.scores import AnyRecord, parse_record
from scoring.storing import Restorer, Row, rows_of
from scoring.view import scored_periods
from streams.balance import Balance
from streams.changelog import AlertsRecord, ChunkRecord, FrozenRecord, Parts
from streams.intervals import Intervals

_DECODE: dict[str, Callable[[bytes], Any]] = {
    name: Decoder(kind).decode
    for name, kind in {
        "intervals": list[tuple[str, list[tuple[int, int]]]],
        "balance": list[tuple[str, dict[str, int]]],
        "announced": dict[str, bytes],
        "frozen": list[FrozenRecord],
        "orders": list[Arrived],
        "first arrivals": list[tuple[str, int, int]],
    }.items()
}


class ClosedPeriods(NamedTuple):
    """The closed periods of a department, and the first instant after the last of them."""

    labels: tuple[str, ...]
    end: int


class PartitionState:
    """What a worker knows of a partition it owns."""

    def __init__(self, number: int, context: Context, counters: MutableMapping[str, Counters]) -> None:
        self.number = number
        self.city = LiveCity(context, counters)
        self.intervals: defaultdict[str, Intervals] = defaultdict(Intervals)
        self.balance = Balance()
        self._parts = Parts()
        self.announced: dict[str, bytes] = {}  # alerts that fire, as last published
        self.frozen: dict[tuple[str, str], FrozenRecord] = {}
        # For closing: the period.* facts, the first arrival of a fact of each department and period, and what is closed as of now.
        self.orders: list[Arrived] = []
        self.first_arrivals: dict[tuple[str, int], int] = {}
        self.closed: dict[tuple[str, str], Closing] = {}
        self.pending_closings: dict[tuple[str, str], Closing] = {}
        self._closed_of: dict[str, ClosedPeriods] = {}
        self.adjustments: list[AdjustmentRecord] = []
        self._latest: dict[str, Arrived] = {}  # of each department the fact that arrived last
        self._arrivals_noted = 0
        self._closed_as_of: tuple[int, int, int, int] | None = None
        self._standing: dict[tuple[str, str], dict[str, AnyRecord]] = {}
        # Of the changelog: everything before it has been applied, and the checksum of the last record; what was appended beyond.
        self.recovered_to = 0
        self.last_checksum = 0
        self._appended: dict[int, tuple[int, AlertsRecord | None]] = {}  # checksum, and alerts to be noted in their order
        self.snapshot_offset = 0  # the same of the snapshot last written or loaded
        # The offsets to reach in each input topic before alerts are published; None until they have been asked for.
        self.targets: dict[str, int] | None = None
        self.caught_up = False

    def take_each(self, facts: Sequence[Fact], arrivals: Sequence[int], packed: Sequence[bytes]) -> list[Outcome]:
        """Take in facts of a live chunk; what became of each.

        Args:
            facts: the facts, in the order of the log.
            arrivals: when each arrived, ms since the epoch.
            packed: the bytes of each.
        """
        if self._closed_as_of is None:
            self.look_at_closings()  # after a recovery: a late fact of the backlog must find its period closed
        outcomes: list[Outcome] = []
        done = 0
        for place, fact in enumerate(facts):
            if fact[CODE] in PERIOD_CODES:
                after = place + 1
                outcomes += self._take_together(facts[done:after], arrivals[done:after], packed[done:after])
                self.look_at_closings()
                done = after
                continue
            closed = self._closed_of.get(fact[DEPARTMENT])
            if closed is not None and self._may_adjust(fact, closed):
                outcomes += self._take_together(facts[done:place], arrivals[done:place], packed[done:place])
                outcomes.append(self._take_late(fact, arrivals[place], packed[place], closed))
                done = place + 1
        outcomes += self._take_together(facts[done:], arrivals[done:], packed[done:])
        return outcomes

    def _may_adjust(self, fact: Fact, closed: ClosedPeriods) -> bool:
        """Whether a fact may change what is closed. Told without those before it that may not, and holds with them."""
        return not (spares(self.city.departments[fact[DEPARTMENT]], fact, closed.end) or self.city.knows(fact[EVENT_ID]))

    def _take_together(self, facts: Sequence[Fact], arrivals: Sequence[int], packed: Sequence[bytes] | None) -> list[Outcome]:
        outcomes = self.city.take_each(facts, packed)
        periods = self.city.context.time.periods_of([fact[AT] for fact in facts])
        latest, first_arrivals = self._latest, self.first_arrivals
        for fact, arrival, outcome, period in zip(facts, arrivals, outcomes, periods, strict=True):
            if outcome == "conflict":
                continue
            arrived, code = arrival * MILLISECOND, fact[DEPARTMENT]
            if fact[CODE] in PERIOD_CODES:
                self._note_order(arrived, fact)
                continue
            held = latest.get(code)
            if held is None or arrived >= held[0]:
                latest[code] = (arrived, fact)
            first = first_arrivals.get((code, period))
            if first is None or arrived < first:  # of copies the earliest arrival counts
                first_arrivals[code, period] = arrived
                self._arrivals_noted += 1
        return outcomes

    def _note_order(self, arrived: int, fact: Fact) -> None:
        """Of copies the earliest arrival counts."""
        held = [order for order in self.orders if order[1][EVENT_ID] == fact[EVENT_ID]]
        if not held or arrived < held[0][0]:
            self.orders = [*(order for order in self.orders if order not in held), (arrived, fact)]
            self._closed_as_of = None

    def _take_late(self, fact: Fact, arrival: int, packed: bytes, closed: ClosedPeriods) -> Outcome:
        """A fact of a department with closed periods, by itself: what it would change in them becomes adjustments."""
        code, arrived = fact[DEPARTMENT], arrival * MILLISECOND
        self.city.settle_department(code)
        for label in closed.labels:
            if (code, label) not in self._standing:  # as it stands before this fact
                self._standing[code, label] = self._records_now(code, label)
        department = self.city.department(code)
        before = department.take_changes()
        [outcome] = self._take_together((fact,), (arrival,), (packed,))
        self.city.settle_department(code)
        if outcome == "new":
            for label in closed.labels:
                if department.changes.concern(parse_period(label)) and not self.closed[code, label].includes(arrived):
                    self._adjust(fact, arrived, label)
        department.changes.merge(before)
        return outcome

    def _records_now(self, code: str, label: str) -> dict[str, AnyRecord]:
        return {record.indicator: record for record in records_at_closing(self.city, code, parse_period(label))}

    def _adjust(self, fact: Fact, arrived: int, label: str) -> None:
        code = fact[DEPARTMENT]
        held = {record.indicator: record for record in map(parse_record, self.frozen[code, label].records)}
        for name, record in self._records_now(code, label).items():
            standing = self._standing[code, label].get(name)
            if standing is None or content_of(standing) != content_of(record):
                self._standing[code, label][name] = record
                self.adjustments.append(adjustment(held.get(name), record, fact, arrived, self.city.context))

    def take_adjustments(self) -> list[AdjustmentRecord]:
        """The adjustments since this was last asked."""
        found, self.adjustments = self.adjustments, []
        return found

    def look_at_closings(self) -> None:
        """Bring up to date what is closed as of now, and which closings are still to be frozen."""
        context = self.city.context
        orders = sum(arrival <= context.now for arrival, _ in self.orders)  # the broker's clock may put one ahead of ours
        # A fact may add a department, or to a known one an earlier period, or the first arrival that lets a period close by itself.
        as_of = (context.time.day_of(context.now), orders, len(self.city.departments), self._arrivals_noted)
        if self._closed_as_of == as_of:
            return
        self._closed_as_of = as_of
        found: list[Closing] = []
        closed: dict[tuple[str, str], Closing] = {}
        by_period: defaultdict[str, list[Arrived]] = defaultdict(list)  # not all orders for each department and period
        for order in self.orders:
            by_period[field_of(order[1], "period")].append(order)
        for code, department in self.city.departments.items():
            for period in scored_periods(department):
                arrival = self.first_arrivals.get((code, period))
                closing = current_closing(code, period, by_period[period_label(period)], arrival, context)
                if closing is None:
                    continue
                key = (code, period_label(period))
                held = self.frozen.get(key)
                if held is not None and held.closing == closing.id:
                    closed[key] = closing
                else:
                    found.append(closing)
        for key in self.closed.keys() - closed.keys():  # reopened: the score is that of the whole set again
            self._standing.pop(key, None)
            self.city.departments[key[0]].changes.note_everything(parse_period(key[1]))
            self.city.changed.add(key[0])
        self.closed = closed
        self._closed_of = {}
        for code, label in closed:
            self._note_closed(code, label)
        self.pending_closings = {(closing.department, period_label(closing.period)): closing for closing in found}

    def _note_closed(self, code: str, label: str) -> None:
        held = self._closed_of.get(code, ClosedPeriods((), 0))
        end = self.city.context.time.end_of(parse_period(label))
        self._closed_of[code] = ClosedPeriods((*held.labels, label), max(held.end, end))

    def freeze(self, closing: Closing, record: FrozenRecord, adjusted: Sequence[AdjustmentRecord] = ()) -> None:
        """Close a period with its frozen records; `adjusted` is what the log held by then that had come too late.

        What else was taken in meanwhile and is on its way to the log adjusts them here, what comes from now on as it comes.
        """
        self.note_frozen(record)
        key = (closing.department, record.period)
        if key not in self.closed:
            self._note_closed(*key)
        self.closed[key] = closing
        self.pending_closings.pop(key, None)
        self.city.changed.add(closing.department)
        latest = self._latest.get(closing.department)
        if latest is not None and not closing.includes(latest[0]):
            held = [*record.records, *(orjson.dumps(adjustment.would_be) for adjustment in adjusted)]
            self._standing[key] = {standing.indicator: standing for standing in map(parse_record, held)}
            self.city.settle_department(closing.department)
            self._adjust(latest[1], latest[0], record.period)

    def apply(self, record: ChunkRecord | AlertsRecord | FrozenRecord) -> None:
        """Take in a changelog record: at recovery, also one written by another worker or twice."""
        if isinstance(record, ChunkRecord):
            self._take_together(record.facts, record.arrivals, None)
            self.note_interval(record)
        elif isinstance(record, AlertsRecord):
            self.note_alerts(record)
        else:
            self.note_frozen(record)

    def note_appended(self, offset: int, checksum: int, alerts: AlertsRecord | None = None) -> None:
        """Note that a record of our own has its place in the changelog and has been applied.

        Another worker's record in between (one that woke up late) stops the count: the next recovery reads it.
        """
        if offset >= self.recovered_to:
            self._appended[offset] = (checksum, alerts)
            self._count_on()

    def note_read(self, offset: int, checksum: int) -> None:
        """Note that the record at that offset of the changelog, the next one, has been applied."""
        self.recovered_to, self.last_checksum = offset + 1, checksum
        self._appended.pop(offset, None)
        self._count_on()

    def _count_on(self) -> None:
        while self.recovered_to in self._appended:
            self.last_checksum, alerts = self._appended.pop(self.recovered_to)
            if alerts is not None:
                self.note_alerts(alerts)
            self.recovered_to += 1

    def rows(self) -> Iterator[Row]:
        """What the state can be stored as: the fold of the changelog, and nothing that follows from it."""
        yield "intervals", [(topic, list(held)) for topic, held in self.intervals.items()]
        yield "balance", self.balance.rows()
        yield "announced", self.announced
        yield "frozen", list(self.frozen.values())
        yield "orders", self.orders
        yield "first arrivals", [(*key, arrival) for key, arrival in self.first_arrivals.items()]
        yield from rows_of(self.city)

    def restore(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Become what the rows, each packed by itself, say; the state must be new.

        Raises:
            KeyError, ValueError, AssertionError: no rows of this version.
        """
        restorer = Restorer(self.city)
        for name, packed in rows:
            if name not in _DECODE:
                restorer.add(name, packed)
                continue
            read = _DECODE[name](packed)
            if name == "intervals":
                for topic, held in read:
                    for begin, end in held:
                        self.intervals[topic].add(begin, end)
            elif name == "balance":
                self.balance = Balance.of_rows(read)
            elif name == "announced":
                self.announced = read
            elif name == "frozen":
                self.frozen = {(record.department, record.period): record for record in read}
            elif name == "orders":
                self.orders = read
            else:
                self.first_arrivals = {(code, period): arrival for code, period, arrival in read}

    def note_interval(self, record: ChunkRecord) -> None:
        """Note that a chunk is durable; of a split one, once all its parts are."""
        self.balance.add(record)
        if self._parts.complete(record):
            self.intervals[record.topic].add(record.begin, record.end)

    def note_own_alerts(self, record: AlertsRecord, offset: int, checksum: int) -> None:
        """Note alerts of our own that have their place in the changelog.

        A worker that was paused may hear of its place late, when a recovery has read it in its order with what others appended after it:
        noted once more behind those, an alert that was resolved since would be announced for ever. It may also hear of it early, before a
        recovery has read what others appended in between: so they are noted once more when everything before them has been applied (seen
        in the torture test: a worker held other alerts than the changelog says).
        """
        if offset >= self.recovered_to:
            self.note_alerts(record)
            self.note_appended(offset, checksum, record)

    def note_alerts(self, record: AlertsRecord) -> None:
        """Note announced and resolved alerts, in the order of the log.

        Should a worker that woke up late append an announcement after its resolution, the owner's comparison with the alarms that are
        on resolves it again.
        """
        self.announced.update(record.announced)
        for alert in record.resolved:
            self.announced.pop(alert, None)

    def note_frozen(self, record: FrozenRecord) -> None:
        """Note frozen records, unless others hold."""
        key = (record.department, record.period)
        if record.holds_over(self.frozen.get(key)):
            self.frozen[key] = record
