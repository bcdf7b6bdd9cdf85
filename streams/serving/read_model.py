"""Reading the read model. Ranks are worked out from the exact points here, where all departments are seen."""

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Generic, Literal, TypeVar, get_args

import msgspec
import redis
from pydantic import ValidationError
from typing_extensions import TypedDict

from models.instants import format_instant, parse_instant
from models.records import (
    AdjustmentRecord,
    AlertKind,
    AlertRecord,
    AuditAction,
    AuditRecord,
    DepartmentStatus,
    Heartbeat,
    InterfaceStatus,
    Recount,
    ScoreStatus,
    TableStatus,
    TotalRecord,
)
from models.settings import Settings
from scoring.indicators import BY_ID
from scoring.local_time import LocalTime, local_time, parse_period, period_label
from scoring.scores import AnyRecord, with_ranks
from streams.clock import Clock, SystemClock
from streams.serving.connection import connect
from streams.serving.layout import Layout, layout_of, order_of, record_of, stamped
from streams.serving.rows import StatusRecord, due_of, parse_score, parse_status

log = logging.getLogger(__name__)
PeriodState = Literal["open", "closing", "closed"]
AlertState = Literal["firing", "resolved"]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
T = TypeVar("T")
U = TypeVar("U")
READ_AT_ONCE = 500
LAST = 99  # the total comes behind the indicators


class Period(TypedDict):
    """A period with scores. Closing: its month is over, late facts are still taken in."""

    period: str
    state: PeriodState
    starts_at: str
    ends_at: str
    current: bool


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old what is shown may be: as old as the oldest heartbeat of a partition."""

    last_update: int | None  # None while a partition has never been heard of
    missing: tuple[int, ...]
    catching_up: tuple[int, ...]
    now: int

    @property
    def age(self) -> float | None:
        """Seconds since the oldest heartbeat."""
        return None if self.last_update is None else max(0, self.now - self.last_update) / 1_000_000


@dataclass(slots=True)
class Status:
    """All that the topic `status` says."""

    departments: dict[str, DepartmentStatus] = field(default_factory=dict)
    interfaces: list[InterfaceStatus] = field(default_factory=list)
    tables: list[TableStatus] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)

    @property
    def names(self) -> dict[str, str]:
        """The departments' names by code."""
        return {code: department.name for code, department in self.departments.items()}

    def only(self, shows: Callable[[str], bool]) -> "Status":
        """What of it is about some departments; heartbeats are about all."""
        return Status(
            {code: record for code, record in self.departments.items() if shows(code)},
            [record for record in self.interfaces if shows(record.department)],
            [record for record in self.tables if shows(record.department)],
            self.heartbeats,
        )


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Some alerts in the order of their due times, how many there are in all, and where to read on."""

    items: list[AlertRecord]
    total: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some audit records, the newest first, and where to read on."""

    items: list[AuditRecord]
    cursor: str | None = None


@dataclass(slots=True)
class Quarantined:
    """How many records of a topic are in quarantine for a reason, and how many of them nobody has dealt with."""

    topic: str
    reason: str
    records: int = 0
    open: int = 0


class Measured(msgspec.Struct, frozen=True, gc=False):
    """What is exported of a `ScoreRecord`: 3,000 departments have 100,000, and whole ones take long to read and much memory to keep."""

    department: str
    period: str
    indicator: str
    status: ScoreStatus
    numerator: str
    denominator: str
    points: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The current and the previous period together with the status, read at once; of what stayed as it was, the objects of the last one."""

    now: int
    periods: list[Period]
    scores: list[Measured | TotalRecord]
    status: Status
    departments: int  # how many there are, also where only some are shown
    freshness: Freshness
    recount: Recount | None = None


class ReadModel:
    """What the read model holds, as of the moment of asking. Raises `redis.RedisError` when it cannot be asked."""

    def __init__(self, client: redis.Redis, layout: Layout, time: LocalTime, partitions: int, clock: Clock) -> None:
        self._client: Any = client  # the stubs of redis-py answer for both clients at once
        self._layout = layout
        self.time = time
        self._partitions = partitions
        self._clock = clock
        self._only: frozenset[str] | None = None
        self._snapshot_scores = (Kept(_exported, _ranked), Kept(_exported, _ranked))
        self._snapshot_status = Kept(parse_status, _status)

    def limited_to(self, departments: Iterable[str]) -> "ReadModel":
        """The same, showing nothing of any other department. Ranks stay those among all."""
        limited = copy.copy(self)
        limited._only = frozenset(departments)  # noqa: SLF001  # its own kind
        return limited

    def _shows(self, department: str) -> bool:
        return self._only is None or department in self._only

    def now(self) -> int:
        """The present instant."""
        return self._clock.now()

    def text(self, instant: int) -> str:
        """RFC 3339 text of an instant in the time zone of the periods."""
        return format_instant(instant, self.time.zone)

    def ping(self) -> None:
        """Ask whether Redis answers."""
        self._client.ping()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def current_period(self) -> str:
        """The period of now."""
        return period_label(self.time.period_of(self.now()))

    def period_labels(self) -> list[str]:
        """The periods with scores, the newest first."""
        labels = sorted((label.decode() for label in self._client.smembers(self._layout.periods)), reverse=True)
        pipeline = self._client.pipeline(transaction=False)
        for label in labels:
            pipeline.exists(self._layout.scores(label))
        return [label for label, held in zip(labels, pipeline.execute(), strict=True) if held]

    def default_period(self) -> str | None:
        """The current period; where it has no scores, the newest that has; None where there are none at all."""
        labels, current = self.period_labels(), self.current_period()
        return current if current in labels else next(iter(labels), None)

    def periods(self) -> list[Period]:
        """The periods with scores and their states, the newest first."""
        return self._periods(self.period_labels())

    def scores(self, period: str, department: str | None = None, indicator: str | None = None) -> list[AnyRecord]:
        """The records of a period, by department and number, the total last; totals with their ranks among all departments."""
        held = self._client.hgetall(self._layout.scores(period))
        ranked = indicator in (None, "total")  # then every total is needed, else none

        def wanted(name: str) -> bool:
            code, _, of = name.partition("|")
            return (ranked and of == "total") or (department in (None, code) and indicator in (None, of))

        records = with_ranks(_ordered(_parsed(held, parse_score, wanted)))
        return [r for r in records if self._shows(r.department) and department in (None, r.department) and indicator in (None, r.indicator)]

    def totals_of(self, department: str, periods: Iterable[str]) -> list[TotalRecord]:
        """The totals of a department in some periods, without ranks."""
        if not self._shows(department):
            return []
        pipeline = self._client.pipeline(transaction=False)
        for period in periods:
            pipeline.hget(self._layout.scores(period), f"{department}|total")
        found = {str(place).encode() + b"|total": value for place, value in enumerate(pipeline.execute()) if value is not None}
        return [record for _, record in _parsed(found, parse_score) if isinstance(record, TotalRecord)]

    def scored_departments(self) -> set[str]:
        """The codes of the departments that have a score in any period."""
        pipeline = self._client.pipeline(transaction=False)
        for label in self.period_labels():
            pipeline.hkeys(self._layout.scores(label))
        return {name.decode().partition("|")[0] for names in pipeline.execute() for name in names}

    def scores_of(self, department: str, periods: Sequence[str]) -> list[AnyRecord]:
        """The records of a department in some periods, without ranks."""
        fields = [f"{department}|{indicator}" for indicator in (*BY_ID, "total")]
        pipeline = self._client.pipeline(transaction=False)
        for period in periods:
            pipeline.hmget(self._layout.scores(period), fields)
        held = [
            {name.encode(): value for name, value in zip(fields, values, strict=True) if value is not None} for values in pipeline.execute()
        ]
        return [record for values in held for _, record in _parsed(values, parse_score)]

    def recount(self) -> Recount | None:
        """The last recount; None before the first."""
        return _recount(self._client.get(self._layout.recount))

    def keep_recount(self, recount: Recount) -> None:
        """Put a recount in the place of the last one."""
        self._client.set(self._layout.recount, stamped(0, parse_instant(recount.at), recount.to_json()))

    def status(self) -> Status:
        """All departments, interfaces, tables and heartbeats."""
        found = self._whole_status()
        return found if self._only is None else found.only(self._shows)

    def _whole_status(self) -> Status:
        return Kept(parse_status, _status).of(self._client.hgetall(self._layout.status))

    def departments(self) -> dict[str, str]:
        """The departments' names by code."""
        return self.status().names

    def name_of(self, department: str) -> str | None:
        """A department's name; None while nothing is known of it."""
        value = self._client.hget(self._layout.status, department)
        found = [] if value is None else list(_parsed({department.encode(): value}, parse_status))
        return next((record.name for _, record in found if isinstance(record, DepartmentStatus)), None)

    def freshness(self, status: Status | None = None) -> Freshness:
        """How old the read model is."""
        held = {beat.partition: beat for beat in (status or self.status()).heartbeats}
        missing = tuple(partition for partition in range(self._partitions) if partition not in held)
        oldest = min((parse_instant(beat.as_of) for beat in held.values()), default=None)
        catching_up = tuple(sorted(partition for partition, beat in held.items() if beat.catching_up))
        return Freshness(None if missing else oldest, missing, catching_up, self.now())

    def alerts(
        self,
        state: AlertState | None = "firing",
        kinds: Sequence[AlertKind] = ALERT_KINDS,
        department: str | None = None,
        *,
        limit: int | None = None,
        after: str | None = None,
    ) -> AlertPage:
        """Alerts in the order of their due times.

        Firing ones are read through their indexes, so that a page of many costs a page. The others are looked through one by one.

        Args:
            state: only these; None for both.
            kinds: only these.
            department: only this one's.
            limit: at most so many; None for all.
            after: the cursor of the page before.
        """
        found, total = self._firing(kinds, department, limit, after) if state == "firing" else self._all(state, kinds, department, after)
        shown = list(islice(found, limit))
        more = limit is not None and len(shown) == limit and next(found, None) is not None
        items = self._alerts_named([order.partition("|")[2] for order in shown])
        return AlertPage(items, total, shown[-1] if more else None)

    def adjustments(self, period: str, department: str | None = None, indicator: str | None = None) -> list[AdjustmentRecord]:
        """What arrived after the closing of a period and would change it, in the order of arrival.

        Where the period was reopened and closed again, also what the second closing took in: `frozen` is of the closing before.
        """
        held = self._client.hgetall(self._layout.adjustments(period))

        def wanted(name: str) -> bool:
            code, of, _ = name.split("|", 2)
            return self._shows(code) and department in (None, code) and indicator in (None, of)

        found = [record for _, record in _parsed(held, _adjustment, wanted)]
        return sorted(found, key=lambda r: (parse_instant(r.arrived_at), r.department, r.event_id, _number(r.indicator)))

    def audit(self, limit: int, after: str | None = None, action: AuditAction | None = None, department: str | None = None) -> AuditPage:
        """Who ordered and recorded what, the newest first. Who sees some departments only sees nothing of what was about none or all.

        Args:
            limit: at most so many.
            after: the cursor of the page before.
            action: only these.
            department: only about this one.
        """
        found = self._audited(after, action, department)
        items = list(islice(found, limit))
        more = len(items) == limit and next(found, None) is not None
        return AuditPage(items, order_of(parse_instant(items[-1].at), items[-1].id) if more else None)

    def _audited(self, after: str | None, action: AuditAction | None, department: str | None) -> Iterator[AuditRecord]:
        while orders := self._client.zrevrangebylex(
            self._layout.audit_order, "+" if after is None else f"({after}", "-", start=0, num=READ_AT_ONCE
        ):
            names = [order.partition(b"|")[2] for order in orders]
            values = self._client.hmget(self._layout.audit, names)
            held = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            for _, record in _parsed(held, _audit):
                seen = self._only is None or record.department in self._only
                if seen and action in (None, record.action) and department in (None, record.department):
                    yield record
            after = orders[-1].decode()

    def quarantine(self) -> list[Quarantined]:
        """What is in quarantine by topic and reason, the most that nobody has dealt with first."""
        found: dict[tuple[str, str], Quarantined] = {}
        for name, count in self._client.hgetall(self._layout.quarantine_counts).items():
            where, _, state = name.decode().rpartition("|")
            topic, _, reason = where.partition("|")
            held = found.setdefault((topic, reason), Quarantined(topic, reason))
            held.records += int(count)
            held.open += int(count) if state == "open" else 0
        return sorted(found.values(), key=lambda held: (-held.open, -held.records, held.topic, held.reason))

    def snapshot(self, shows: Callable[[str], bool] | None = None) -> Snapshot:
        """What the exporter exports: only the current and the previous period, whatever their states.

        Args:
            shows: the departments that are exported, by their codes; None for all. Ranks and the states of periods stay those among all.
        """
        now = self.now()
        current = self.time.period_of(now)
        labels = [period_label(period) for period in (current, current - 1)]
        pipeline = self._client.pipeline(transaction=False)
        for label in labels:
            pipeline.hgetall(self._layout.scores(label))
        pipeline.hgetall(self._layout.status)
        pipeline.get(self._layout.recount)
        *scores, status, recount = pipeline.execute()
        if shows is not None:  # totals of all, for the ranks
            scores = [
                {name: value for name, value in held.items() if name.endswith(b"|total") or shows(name.partition(b"|")[0].decode())}
                for held in scores
            ]
        records = [record for kept, held in zip(self._snapshot_scores, scores, strict=True) for record in kept.of(held)]
        parsed = shown = self._snapshot_status.of(status)
        if shows is not None:
            records, shown = [record for record in records if shows(record.department)], parsed.only(shows)
        return Snapshot(
            now, self._periods(labels, parsed), records, shown, len(parsed.departments), self.freshness(parsed), _recount(recount)
        )

    def _periods(self, labels: Sequence[str], status: Status | None = None) -> list[Period]:
        # A period is closed when it is for all departments, also for whoever sees one.
        departments = (status or self._whole_status()).departments.values()
        return [self._period(label, closed=_closed(label, departments)) for label in labels]

    def _period(self, label: str, *, closed: bool) -> Period:
        number = parse_period(label)
        start, end, now = self.time.start_of(number), self.time.end_of(number), self.now()
        state: PeriodState = "closed" if closed else "open" if now < end else "closing"
        zone = self.time.zone
        return Period(
            period=label, state=state, starts_at=format_instant(start, zone), ends_at=format_instant(end, zone), current=start <= now < end
        )

    def _firing(
        self, kinds: Sequence[AlertKind], department: str | None, limit: int | None, after: str | None
    ) -> tuple[Iterator[str], int]:
        departments = [department] if self._only is None or department is not None else sorted(self._only)
        keys = [self._layout.firing_of(kind, code) for kind in kinds for code in departments if code is None or self._shows(code)]
        begin = "-" if after is None else f"({after}"
        window = {} if limit is None else {"start": 0, "num": limit + 1}
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.zcard(key)
            pipeline.zrangebylex(key, begin, "+", **window)
        answers = pipeline.execute()
        orders = ([order.decode() for order in found] for found in answers[1::2])
        return merge(*orders), sum(answers[::2])

    def _all(
        self, state: AlertState | None, kinds: Sequence[AlertKind], department: str | None, after: str | None
    ) -> tuple[Iterator[str], int]:
        orders = sorted(
            order_of(due_of(alert), alert.id)
            for _, alert in _parsed(self._client.hgetall(self._layout.alerts), _alert)
            if state in (None, alert.state)
            and alert.kind in kinds
            and department in (None, alert.department)
            and self._shows(alert.department)
        )
        return (order for order in orders if after is None or order > after), len(orders)

    def _alerts_named(self, names: Sequence[str]) -> list[AlertRecord]:
        values = self._client.hmget(self._layout.alerts, names) if names else []
        held = {name.encode(): value for name, value in zip(names, values, strict=True) if value is not None}
        return [alert for _, alert in _parsed(held, _alert)]


def open_read_model(settings: Settings, clock: Clock | None = None) -> ReadModel:
    """The read model that the settings name."""
    return ReadModel(connect(settings), layout_of(settings), local_time(settings.timezone), settings.partitions, clock or SystemClock())


def _closed(label: str, departments: Iterable[DepartmentStatus]) -> bool:
    """Whether every department that was scored in a period has it closed. History loaded later stays open until closed by hand."""
    states = [label in held.closed_periods for held in departments]
    return bool(states) and all(states)


def _recount(value: bytes | None) -> Recount | None:
    found = {} if value is None else {b"recount": value}
    return next((recount for _, recount in _parsed(found, lambda _, json: Recount.model_validate_json(json))), None)


def _adjustment(_: str, value: bytes) -> AdjustmentRecord:
    return AdjustmentRecord.model_validate_json(value)


def _audit(_: str, value: bytes) -> AuditRecord:
    return AuditRecord.model_validate_json(value)


def _number(indicator: str) -> int:
    return BY_ID[indicator].number if indicator in BY_ID else LAST


def _alert(_: str, value: bytes) -> AlertRecord:
    return AlertRecord.model_validate_json(value)


class Kept(Generic[T, U]):
    """What was made of a hash, for as long as it has these very bytes. Between two scrapes little changes, and only that is parsed."""

    def __init__(self, parse: Callable[[str, bytes], T], whole: Callable[[Sequence[T]], U]) -> None:
        """Keep nothing yet.

        Args:
            parse: the record of a value.
            whole: what is made of all records, by name.
        """
        self._parse, self._whole = parse, whole
        # One tuple, replaced and never changed: two threads may read at once.
        self._last: tuple[Mapping[bytes, bytes], dict[str, T], U] = {}, {}, whole([])

    def of(self, held: Mapping[bytes, bytes]) -> U:
        """What is made of the hash as it is now; what cannot be read is left out."""
        last, records, whole = self._last
        changed = {key: value for key, value in held.items() if last.get(key) != value}
        gone = last.keys() - held.keys()
        if changed or gone:
            stale = {key.decode() for key in (*changed, *gone)}
            kept = ((name, record) for name, record in records.items() if name not in stale)
            records = dict(sorted(chain(kept, _parsed(changed, self._parse)), key=itemgetter(0)))
            whole = self._whole(list(records.values()))
        self._last = held, records, whole
        return whole


def _ranked(records: Sequence[Measured | TotalRecord]) -> list[Measured | TotalRecord]:
    ranked = with_ranks(record for record in records if isinstance(record, TotalRecord))
    return [*(r for r in records if isinstance(r, Measured)), *(r for r in ranked if isinstance(r, TotalRecord))]


def _exported(name: str, value: bytes) -> Measured | TotalRecord:
    return TotalRecord.model_validate_json(value) if name.endswith("|total") else msgspec.json.decode(value, type=Measured)


def _parsed(
    held: Mapping[bytes, bytes], parse: Callable[[str, bytes], T], wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, T]]:
    """The records of a hash; a value that another version of the program wrote and this one cannot read is left out."""
    for key, value in held.items():
        name = key.decode()
        if wanted(name):
            try:
                yield name, parse(name, record_of(value))
            except (ValidationError, msgspec.MsgspecError, ValueError) as error:
                log.warning("The value of %s in the read model cannot be read and is left out: %s", name, " ".join(str(error).split()))


def _ordered(records: Iterable[tuple[str, AnyRecord]]) -> list[AnyRecord]:
    return [record for _, record in sorted(records, key=lambda found: (found[1].department, getattr(found[1], "number", LAST)))]


def _status(records: Iterable[StatusRecord]) -> Status:
    status = Status()
    for record in records:
        if isinstance(record, DepartmentStatus):
            status.departments[record.department] = record
        elif isinstance(record, InterfaceStatus):
            status.interfaces.append(record)
        elif isinstance(record, TableStatus):
            status.tables.append(record)
        else:
            status.heartbeats.append(record)
    return status
