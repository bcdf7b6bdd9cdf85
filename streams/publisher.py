"""What a partition tells the world: scores when they change, status, alerts, heartbeats. Nothing here decides a score."""

import math
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from models.instants import SECOND, format_instant
from models.records import (
    AlertRecord,
    DepartmentStatus,
    DueSoon,
    Heartbeat,
    InterfaceStatus,
    Record,
    ScoreRecord,
    TableStatus,
)
from scoring.department import Department
from scoring.entities.sharing import Interface, Table
from scoring.indicators import BY_ID
from scoring.live import Tally
from scoring.local_time import parse_period, period_label
from scoring.periods import Closing
from scoring.scores import AnyRecord, PeriodScores, parse_record, score_view
from scoring.view import View, scored_periods
from scoring.watch import Alarm, open_failure
from streams.partition import PartitionState

# A score is published again within 60 s of any fact, changed or not, so that a record of a worker that woke up late cannot stay. From the
# first on one department a round: all in one, with all their periods, held every other score up (its p99 was theirs).
REFRESH_AFTER = 20 * SECOND
REFRESH_BY = 40 * SECOND
# Monotonic seconds: the clock of the scores may stand still, or be set.
SCORES_EVERY = 0.05
HEARTBEAT_EVERY = 10 * SECOND
STATUS_EVERY = SECOND
# Seconds between two looks at all alarms that are on. Of ten thousand one takes 17 ms: with each round that was a third of a core.
ALERTS_EVERY = 0.5
# Zeroed indicators are alerted for the present and the last period: what is older is history.
ALERTED_PERIODS = 2
# Records computed at once: some 5 ms.
MESSAGES_AT_ONCE = 300

Message = tuple[str, str, Record | None]  # topic, key, record; None is a tombstone


@dataclass(slots=True)
class Publisher:
    """Decides what one partition publishes next. It remembers what was published last; a new one publishes everything again."""

    state: PartitionState
    _scores: dict[tuple[str, str], int] = field(default_factory=dict)
    _versions: dict[tuple[str, str], int] = field(default_factory=dict)  # (department, period) → greatest version published
    _refreshed: dict[str, tuple[int, int]] = field(default_factory=dict)  # department → (version, instant) of the last full round
    _scored_at: dict[str, float] = field(default_factory=dict)  # department → monotonic time of its last scores
    _statuses: dict[str, int] = field(default_factory=dict)
    _status_at: dict[str, int] = field(default_factory=dict)
    _status_due: set[str] = field(default_factory=set)
    _zeroed: dict[tuple[str, str, int | None], tuple[Alarm, Department]] = field(default_factory=dict)
    _scored: dict[tuple[str, int], PeriodScores] = field(default_factory=dict)  # of the present and the last period
    _ids: dict[tuple[str, str, int | None], str] = field(default_factory=dict)  # of the alarms that were on
    _announced_again: bool = False
    _alerts_at: float = -math.inf
    _heartbeat_at: int = 0
    _closed: dict[tuple[str, str], Closing] = field(default_factory=dict)  # as when scores were last published

    def scores(self, at: float = math.inf) -> Iterator[list[Message]]:
        """The score records that changed, and those due again: in lists, to be interrupted in between.

        Args:
            at: monotonic seconds. Departments whose scores came less than `SCORES_EVERY` before wait.
        """
        self.state.look_at_closings()
        self._forget_reopened()
        city = self.state.city
        changed = {code for code in city.changed if self._due_at(code) <= at}
        city.changed -= changed
        self._status_due |= changed
        for department, full in self._due(changed):
            self._scored_at[department.code] = at
            yield from self._scores_of(department, full=full)

    def due_at(self) -> float:
        """From when on there are scores to publish, monotonic seconds."""
        return min(map(self._due_at, self.state.city.changed), default=math.inf)

    def _due_at(self, code: str) -> float:
        return self._scored_at.get(code, -math.inf) + SCORES_EVERY

    def _due(self, changed: AbstractSet[str]) -> Iterator[tuple[Department, bool]]:
        """The departments to look at, and whether everything of them is to be published."""
        now, after = self.state.city.context.now, REFRESH_AFTER
        for code, department in list(self.state.city.departments.items()):
            version, at = self._refreshed.get(code, (-1, 0))
            full = version != department.version and (version < 0 or now - at >= after)
            if full and version >= 0:
                after = REFRESH_BY
            if full or code in changed:
                yield department, full

    def _scores_of(self, department: Department, *, full: bool) -> Iterator[list[Message]]:
        code, city = department.code, self.state.city
        city.settle_department(code)
        city.changed.discard(code)  # also what was taken in while others' scores were published is in these
        periods = scored_periods(department)
        changes = department.take_changes()
        if full:
            changes.note_everything(0)
            self._refreshed[code] = (department.version, city.context.now)
            self._status_due.add(code)  # also of a publisher that is new: what was due to the one before it would never be told
        messages: list[Message] = []
        for period in filter(changes.concern, periods):
            if (code, period_label(period)) in self.state.pending_closings:
                self._scored.pop((code, period), None)
                continue  # what is published now is what will be frozen
            records = self.records_of(department, period, changes.of(period))
            news = list(self._news(department, records, everything=full))
            if news:
                self._versions[code, period_label(period)] = department.version
            messages += news
            if period > periods.stop - 1 - ALERTED_PERIODS:
                self._note_zeroed(department, period, records)
            if len(messages) >= MESSAGES_AT_ONCE:
                yield messages
                messages = []
                # Facts were taken in meanwhile: a record must not say a version that its counters do not have.
                city.settle_department(code)
        if messages:
            yield messages

    def _forget_reopened(self) -> None:
        """Of a reopened period everything is published, also what is as it was frozen: it holds for all facts now, and says so."""
        if self.state.closed is self._closed:
            return
        for code, label in self._closed.keys() - self.state.closed.keys():
            for indicator in (*BY_ID, "total"):
                self._scores.pop((code, f"{label}|{indicator}"), None)
        self._closed = self.state.closed

    def records_of(self, department: Department, period: int, changed: AbstractSet[str] | None = None) -> list[AnyRecord]:
        """The records of a department and period that these changes concern, or all of them; as frozen, where it is closed."""
        key, label = (department.code, period), period_label(period)
        held = self._scored.pop(key, None)
        if (department.code, label) in self.state.closed:
            return [parse_record(value) for value in self.state.frozen[department.code, label].records]
        scores = score_view(View(department, period)) if held is None or changed is None else held.again(changed)
        if period > department.context.period - ALERTED_PERIODS:  # what is older changes seldom, and there is much of it
            self._scored[key] = scores
        return scores.records if held is None else scores.since(held)

    def may_have_published_beyond(self, department: str, period: str, version: int) -> bool:
        """Whether a record of a greater version than that may stand; true also when a worker before this one published it."""
        return self._versions.get((department, period), version + 1) > version

    def _news(self, department: Department, records: Iterable[AnyRecord], *, everything: bool) -> Iterator[Message]:
        for record in records:
            key = (department.code, f"{record.period}|{record.indicator}")
            content = hash((record.status, record.points_exact, record.provisional, *record.reasons, record.ruleset, _parts(record)))
            if everything or self._scores.get(key) != content:
                self._scores[key] = content
                yield "scores", f"{department.code}|{record.period}|{record.indicator}", record

    def _note_zeroed(self, department: Department, period: int, records: Iterable[AnyRecord]) -> None:
        start = department.context.time.start_of(period)
        for record in records:
            if isinstance(record, ScoreRecord):
                thing = f"{department.code}|indicator|{record.indicator}"
                key = ("indicator_zeroed", thing, start)
                if record.status == "zeroed":
                    details = (("indicator", record.indicator), ("period", record.period), ("reasons", ", ".join(record.reasons)))
                    since = self._zeroed[key][0].since if key in self._zeroed else department.context.now
                    self._zeroed[key] = (Alarm("indicator_zeroed", thing, start, since, details), department)
                else:
                    self._zeroed.pop(key, None)

    def alerts_are_due(self, at: float) -> bool:
        """Whether alarms are to be looked at again, at monotonic seconds; then not again for a while."""
        if not self.state.caught_up or at < self._alerts_at + ALERTS_EVERY:
            return False
        self._alerts_at = at
        return True

    def alerts(self) -> tuple[dict[str, AlertRecord], list[AlertRecord]]:
        """The alerts to announce, and those to resolve: the alarms that are on, compared with what was announced.

        Nothing while the partition is catching up: the completion of a case that looks overdue may still lie in the backlog.
        """
        if not self.state.caught_up:
            return {}, []
        known, self._ids = self._ids, {}
        on: dict[str, tuple[Alarm, Department]] = {}
        for alarm, department in self._alarms():
            key = alarm.key
            identifier = self._ids[key] = known.get(key) or self._alert_id(alarm)
            on[identifier] = (alarm, department)
        news = {
            alert: self._alert(alert, alarm, department, "firing")
            for alert, (alarm, department) in on.items()
            if alert not in self.state.announced
        }
        over = [alert for alert in self.state.announced if alert not in on]
        return news, [self._again(alert, "resolved") for alert in over]

    def alerts_again(self, over: Iterable[AlertRecord]) -> list[AlertRecord]:
        """Once, the alerts noted before this publisher, but for those over: who noted them may have ended before they were out."""
        if self._announced_again or not self.state.caught_up:
            return []
        self._announced_again = True
        resolved = {alert.id for alert in over}
        return [self._again(alert, "firing") for alert in self.state.announced if alert not in resolved]

    def _alarms(self) -> Iterator[tuple[Alarm, Department]]:
        yield from self.state.city.alarms.values()
        context = self.state.city.context
        oldest = context.time.start_of(context.period - ALERTED_PERIODS + 1)
        yield from (entry for entry in self._zeroed.values() if entry[0].due_at is not None and entry[0].due_at >= oldest)
        for (code, label), closing in self.state.closed.items():
            department = self.state.city.departments[code]
            if parse_period(label) > department.context.period - ALERTED_PERIODS - 1:
                details = (("period", label), ("closing", closing.id))
                yield Alarm("period_closed", f"{code}|period|{label}", closing.at, closing.at, details), department

    def _alert_id(self, alarm: Alarm) -> str:
        return f"{alarm.kind}|{alarm.thing}|{'' if alarm.due_at is None else self._text(alarm.due_at)}"

    def _alert(self, alert: str, alarm: Alarm, department: Department, state: str) -> AlertRecord:
        return AlertRecord(
            id=alert,
            kind=alarm.kind,
            state="firing",
            department=department.code,
            thing=alarm.thing,
            due_at=None if alarm.due_at is None else self._text(alarm.due_at),
            since=self._text(alarm.since),
            details=dict(alarm.details),
            as_of=self._text(self.state.city.context.now),
            version=department.version,
        )

    def _again(self, alert: str, state: str) -> AlertRecord:
        announced = AlertRecord.model_validate_json(self.state.announced[alert])
        department = self.state.city.departments.get(announced.department)
        version = announced.version if department is None else max(announced.version, department.version)
        return announced.model_copy(update={"state": state, "as_of": self._text(self.state.city.context.now), "version": version})

    def statuses(self) -> Iterator[Message]:
        """The status records that changed, of a department at most once a second."""
        now = self.state.city.context.now
        for code in [code for code in self._status_due if now - self._status_at.get(code, 0) >= STATUS_EVERY]:
            self._status_due.discard(code)
            self._status_at[code] = now
            department = self.state.city.departments[code]
            if department.first_event_at is not None:
                yield from self._changed_statuses(department)

    def _changed_statuses(self, department: Department) -> Iterator[Message]:
        found: list[tuple[str, Record | None]] = [(department.code, self._department_status(department))]
        # One that was retired goes from the boards: its tombstone is published, also by a worker that never published its status.
        found += [
            (f"{department.code}|interface|{interface.id}", self._interface(interface, department))
            for interface in department.interfaces.values()
            if interface.versions
        ]
        found += [
            (f"{department.code}|table|{table.id}", self._table(table, department))
            for table in department.tables.values()
            if table.versions
        ]
        refreshed = self._refreshed.get(department.code)  # with the scores, so that a record of a worker that woke up late cannot stay
        for key, record in found:
            content = 0 if record is None else hash((refreshed, record.model_copy(update={"version": 0, "as_of": ""}).to_json()))
            if self._statuses.get(key) != content:
                self._statuses[key] = content
                yield "status", key, record

    def _table(self, table: Table, department: Department) -> TableStatus | None:
        due = table.next_due(department)
        if due is None:
            return None
        return TableStatus(
            department=department.code,
            table=table.id,
            last_update_at=self._text(table.updates[-1]) if table.updates else None,
            next_due_at=self._text(due),
            overdue=table.missed_due(department) is not None,
            version=department.version,
            as_of=self._text(self.state.city.context.now),
        )

    def _department_status(self, department: Department) -> DepartmentStatus:
        tally = self.state.city.tallies.get(department.code) or Tally()
        periods = list(scored_periods(department))[-2:]
        completed = {p: sum(department.counters.get("completed", {}).get(p, {}).values()) for p in periods}
        overdue = {p: sum(department.counters.get("overdue", {}).get(p, {}).values()) for p in periods}
        received = {p: sum(department.counters.get("received", {}).get(p, {}).values()) for p in periods}
        assert department.last_event_at is not None
        return DepartmentStatus(
            department=department.code,
            name=department.name,
            cases_open=tally.cases_open,
            cases_overdue=len(tally.overdue),
            cases_due_soon=DueSoon(within_24h=tally.within_24h, within_72h=tally.within_72h),
            oldest_overdue_due_at=self._text(min(tally.overdue.values())) if tally.overdue else None,
            requests_open=tally.requests_open,
            requests_overdue=tally.requests_overdue,
            requests_due_soon=DueSoon(within_24h=tally.requests_within_24h, within_72h=tally.requests_within_72h),
            cases_received={period_label(p): received[p] for p in periods},
            cases_closed={period_label(p): {"on_time": completed[p] - overdue[p], "overdue": overdue[p]} for p in periods},
            closed_periods=sorted(label for code, label in self.state.closed if code == department.code),
            last_event_at=self._text(department.last_event_at),
            version=department.version,
            as_of=self._text(self.state.city.context.now),
        )

    def _interface(self, interface: Interface, department: Department) -> InterfaceStatus | None:
        context = department.context
        version = interface.versions.by(context.now)
        if not interface.active(version) or version is None:
            return None
        failure = open_failure(interface)
        failed = [f.failed[2] for f in interface.failures.values() if f.failed is not None and f.unplanned]
        recovered = [f.recovered[2] for f in interface.failures.values() if f.recovered is not None and f.unplanned]
        start = context.time.start_of(context.period)
        return InterfaceStatus(
            department=department.code,
            interface=interface.id,
            up=failure is None,
            since=self._text(max([version[2], *recovered]) if failure is None else failure[1]),
            failure=None if failure is None else failure[0],
            failures_in_period=sum(at >= start for at in failed),
            version=department.version,
            as_of=self._text(context.now),
        )

    def heartbeat(self, lag: int, worker: str, now: int) -> Message | None:
        """The partition's sign of life, every 10 s."""
        if 0 <= now - self._heartbeat_at < HEARTBEAT_EVERY:  # below 0: the clock was set back
            return None
        self._heartbeat_at = now
        number = self.state.number
        beat = Heartbeat(
            partition=number,
            as_of=self._text(now),
            lag=lag,
            catching_up=not self.state.caught_up,
            worker=worker,
            ruleset=self.state.city.context.identity,
        )
        return "status", f"partition|{number}", beat

    def _text(self, instant: int) -> str:
        return format_instant(instant, self.state.city.context.time.zone)


def _parts(record: AnyRecord) -> tuple[str, ...]:
    if isinstance(record, ScoreRecord):
        return (record.numerator, record.denominator)
    return (str(record.base_points), str(record.deductions), str(record.scored_max))
