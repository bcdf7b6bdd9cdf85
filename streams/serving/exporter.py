"""The scoreboard exporter: whatever is labelled `department`, collected from the read model at each scrape."""

import threading
import time
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version as installed_version
from itertools import chain, islice
from typing import Any, TypeVar

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from models.instants import SECOND, parse_instant
from models.records import DepartmentStatus, InterfaceStatus, TableStatus, TotalRecord
from scoring.indicators import BY_ID, INDICATORS
from streams.serving.metrics import BY_NAME, METRICS, PREFIX, Metric
from streams.serving.read_model import Measured, ReadModel, Snapshot
from streams.serving.robots import Counts, no_messages

T = TypeVar("T")
OUTCOMES = ("on_time", "overdue")
# Doubts about a score are no rules that force it.
DOUBTS = frozenset({"calendar_provisional", "period_open", "inspections_outstanding", "capped"})
# With more departments than this, interfaces and tables are exported only while something is wrong with them.
MANY_DEPARTMENTS = 500
LINES_A_PIECE = 10_000  # about a megabyte


@dataclass(frozen=True, slots=True)
class Shard:
    """One of so many shares of the departments. A department is in the same one in every process and version, and in no other."""

    number: int = 1
    of: int = 1

    def has(self, department: str) -> bool:
        """Whether a department is in it, by its code."""
        return zlib.crc32(department.encode()) % self.of == self.number - 1


class Scrape(ABC):
    """Takes the samples of one scrape."""

    @abstractmethod
    def put(self, name: str, value: float, *labels: str) -> None:
        """Add a sample, its labels in the order of the declaration."""

    def each(self, records: Iterable[T], put: Callable[["Scrape", T], None]) -> None:
        """Put the samples of each record; they are to depend on nothing else."""
        for record in records:
            put(self, record)


class Families(Scrape):
    """Fresh families for `prometheus_client`."""

    def __init__(self) -> None:
        self._families = {metric.name: _family(metric) for metric in METRICS}

    def put(self, name: str, value: float, *labels: str) -> None:
        """Add a sample."""
        metric, family = BY_NAME[name], self._families[name]
        if metric.kind == "info":
            family.add_sample(PREFIX + name, dict(zip(metric.labels, labels, strict=True)), value)
        else:
            family.add_metric(labels, value)  # type: ignore[attr-defined]  # only the base has none

    def families(self) -> Iterable[Family]:
        """Those with samples, in the order of the declaration."""
        return [family for family in self._families.values() if family.samples]


class Lines(Scrape):
    """The text format itself, in less than a third of the time: the scrape of 3,000 departments has half a million samples."""

    def __init__(self) -> None:
        self.of: defaultdict[str, list[bytes]] = defaultdict(list)

    def put(self, name: str, value: float, *labels: str) -> None:
        """Add a line."""
        self.of[name].append(f"{_TEMPLATES[name] % tuple(map(_escape, labels))} {float(value)!r}\n".encode())


# By the identity of a record: the record, so that it stays its own; and names with their lines, flat, as hundreds of thousands are kept.
Kept = dict[int, tuple[Any, tuple[Any, ...]]]


class Text(Lines):
    """The whole text; the lines of a record that was there at the last scrape are not made again."""

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self._last = kept
        self.kept: Kept = {}

    def each(self, records: Iterable[T], put: Callable[[Scrape, T], None]) -> None:
        """Put the lines of each record."""
        last, kept, of = self._last, self.kept, self.of
        for record in records:
            if (found := last.get(id(record))) is None:
                lines = Lines()
                put(lines, record)
                found = record, tuple(part for name, some in lines.of.items() for part in (name, b"".join(some)))
            kept[id(record)] = found
            parts = iter(found[1])
            for name, line in zip(parts, parts, strict=True):
                of[name].append(line)

    def pieces(self) -> Iterator[bytes]:
        """The exposition: metrics with samples, in the order of the declaration. In pieces: the whole would lie in memory twice."""
        lines = chain.from_iterable(chain((_HEADS[metric.name],), self.of[metric.name]) for metric in METRICS if metric.name in self.of)
        while piece := b"".join(islice(lines, LINES_A_PIECE)):
            yield piece


@lru_cache(maxsize=65_536)
def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _template(metric: Metric) -> str:
    labels = ",".join(f'{label}="%s"' for label in metric.labels)
    return f"{PREFIX}{metric.name}{{{labels}}}" if labels else PREFIX + metric.name


def _head(metric: Metric) -> bytes:
    name = PREFIX + metric.name
    return f"# HELP {name} {metric.help}\n# TYPE {name} {'gauge' if metric.kind == 'info' else metric.kind}\n".encode()


_TEMPLATES = {metric.name: _template(metric) for metric in METRICS}
_HEADS = {metric.name: _head(metric) for metric in METRICS}


def _family(metric: Metric) -> Family:
    name = PREFIX + metric.name
    if metric.kind == "info":
        return InfoMetricFamily(name.removesuffix("_info"), metric.help)
    if metric.kind == "counter":
        return CounterMetricFamily(name.removesuffix("_total"), metric.help, labels=metric.labels)
    return GaugeMetricFamily(name, metric.help, labels=metric.labels)


class ScoreboardCollector(Collector):
    """Reads the read model at each scrape; with Redis down it serves the last values and their true time."""

    def __init__(self, model: ReadModel, messages: Counts | None = None, shard: Shard = Shard()) -> None:
        self._model = model
        self._shard = shard
        self._messages = no_messages() if messages is None else messages
        self._last: Snapshot | None = None
        self._kept: Kept = {}
        self._errors = 0
        self._lock = threading.Lock()
        self._version = installed_version("onestop")

    def describe(self) -> Iterable[Family]:
        """The names, without reading anything."""
        return map(_family, METRICS)

    def collect(self) -> Iterable[Family]:
        """All families."""
        scrape = Families()
        self._fill(scrape)
        return scrape.families()

    def text(self) -> bytes:
        """The same in the text format, sooner."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """That text in pieces."""
        scrape = Text(self._kept)
        self._fill(scrape)
        self._kept = scrape.kept
        return scrape.pieces()

    def _fill(self, scrape: Scrape) -> None:
        started = time.perf_counter()
        snapshot = self._snapshot()
        scrape.put("scoreboard_collect_seconds", time.perf_counter() - started)
        scrape.put("redis_errors_total", self._errors)
        for (robot, outcome), count in self._messages.items():
            scrape.put("robot_messages_total", count, robot, outcome)
        scrape.put("build_info", 1, self._version)
        scrape.put("scoreboard_shards", self._shard.of, str(self._shard.number))
        for indicator in INDICATORS:
            scrape.put("indicator_max_points", indicator.max_points, indicator.id)
        last_update = None if snapshot is None else snapshot.freshness.last_update
        scrape.put("scoreboard_last_update_timestamp_seconds", 0 if last_update is None else last_update / SECOND)
        if snapshot is not None:
            _put_periods(scrape, snapshot)
            _put_scores(scrape, snapshot)
            _put_departments(scrape, snapshot)
            _put_things(scrape, snapshot)
            scrape.put("rulesets_in_force", len({beat.ruleset for beat in snapshot.status.heartbeats} - {None}))
            if snapshot.recount is not None:
                scrape.put("recount_mismatches", snapshot.recount.mismatches)
                scrape.put("recount_timestamp_seconds", _seconds(snapshot.recount.at))

    def _snapshot(self) -> Snapshot | None:
        try:
            snapshot = self._model.snapshot(self._shard.has if self._shard.of > 1 else None)
        except (redis.RedisError, OSError):
            with self._lock:
                self._errors += 1
            return self._last
        self._last = snapshot
        return snapshot


def create_registry(collector: ScoreboardCollector) -> CollectorRegistry:
    """A registry with the scoreboard and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def _seconds(instant: str) -> float:
    return parse_instant(instant) / SECOND


def _put_periods(scrape: Scrape, snapshot: Snapshot) -> None:
    for period in snapshot.periods:
        scrape.put("period_info", 1, period["period"], period["state"])
        scrape.put("period_start_timestamp_seconds", _seconds(period["starts_at"]), period["period"])


def _put_scores(scrape: Scrape, snapshot: Snapshot) -> None:
    newest: dict[str, float] = {code: _seconds(held.as_of) for code, held in snapshot.status.departments.items()}
    totals = [record for record in snapshot.scores if isinstance(record, TotalRecord)]
    for record in totals:
        newest[record.department] = max(newest.get(record.department, 0), _seconds(record.as_of))
    scrape.each(totals, _put_total)
    scrape.each((record for record in snapshot.scores if not isinstance(record, TotalRecord)), _put_indicator)
    for department, at in newest.items():
        scrape.put("department_last_update_timestamp_seconds", at, department)


def _put_total(scrape: Scrape, record: TotalRecord) -> None:
    labels = (record.department, record.period)
    scrape.put("department_points", record.points, *labels)
    scrape.put("department_base_points", record.base_points, *labels)
    scrape.put("department_rank", record.rank or 0, *labels)


def _put_indicator(scrape: Scrape, record: Measured) -> None:
    labels = (record.department, record.indicator, record.period)
    if record.status == "no_data":
        return  # a 0 would read as a bad score
    numerator, denominator, ratio = _sums(record)
    scrape.put("indicator_input", numerator, *labels, "numerator")
    scrape.put("indicator_input", denominator, *labels, "denominator")
    if ratio is not None:
        scrape.put("indicator_ratio", ratio, *labels)
    indicator = BY_ID.get(record.indicator)
    deduction = indicator is not None and indicator.deduction
    scrape.put("deduction_points" if deduction else "indicator_points", record.points, *labels)
    for reason in _overrides(record):
        scrape.put("indicator_override", 1, *labels, reason)


def _sums(record: Measured) -> tuple[float, float, float | None]:
    # What `Fraction` says, in a third of the time: Python divides integers of any length exactly rounded.
    (up, by), (down, of) = _integers(record.numerator), _integers(record.denominator)
    return up / by, down / of, up * of / (by * down) if down else None


def _integers(exact: str) -> tuple[int, int]:
    up, _, down = exact.partition("/")
    return int(up), int(down or 1)


def _overrides(record: Measured) -> list[str]:
    """The kinds of reasons, without the identifiers of complaints and defects: these are no labels."""
    if record.status == "vacuous":
        return ["vacuous"]
    if record.status != "zeroed":
        return []
    return sorted({reason.partition(":")[0] for reason in record.reasons} - DOUBTS)


def _put_departments(scrape: Scrape, snapshot: Snapshot) -> None:
    scrape.each(snapshot.status.departments.values(), _put_department)
    for held in snapshot.status.departments.values():
        for period in snapshot.periods:
            _put_cases(scrape, held, period["period"])


def _put_department(scrape: Scrape, held: DepartmentStatus) -> None:
    code = held.department
    scrape.put("department_info", 1, code, held.name)
    scrape.put("cases_open", held.cases_open, code)
    scrape.put("cases_overdue", held.cases_overdue, code)
    scrape.put("cases_due_soon", held.cases_due_soon.within_24h, code, "24h")
    scrape.put("cases_due_soon", held.cases_due_soon.within_72h, code, "72h")
    scrape.put("requests_open", held.requests_open, code)
    scrape.put("requests_overdue", held.requests_overdue, code)
    scrape.put("requests_due_soon", held.requests_due_soon.within_24h, code, "24h")
    scrape.put("requests_due_soon", held.requests_due_soon.within_72h, code, "72h")
    if held.oldest_overdue_due_at is not None:
        scrape.put("cases_oldest_overdue_deadline_timestamp_seconds", _seconds(held.oldest_overdue_due_at), code)


def _put_cases(scrape: Scrape, held: DepartmentStatus, period: str) -> None:
    scrape.put("cases_received", held.cases_received.get(period, 0), held.department, period)
    closed = held.cases_closed.get(period, {})
    for outcome in OUTCOMES:
        scrape.put("cases_closed", closed.get(outcome, 0), held.department, period, outcome)


def _put_things(scrape: Scrape, snapshot: Snapshot) -> None:
    many = snapshot.departments > MANY_DEPARTMENTS
    scrape.each((interface for interface in snapshot.status.interfaces if not (interface.up and many)), _put_interface)
    scrape.each((table for table in snapshot.status.tables if table.overdue or not many), _put_table)


def _put_interface(scrape: Scrape, interface: InterfaceStatus) -> None:
    labels = (interface.department, interface.interface)
    scrape.put("interface_up", interface.up, *labels)
    scrape.put("interface_failures", interface.failures_in_period, *labels)
    scrape.put("interface_last_change_timestamp_seconds", _seconds(interface.since), *labels)


def _put_table(scrape: Scrape, table: TableStatus) -> None:
    labels = (table.department, table.table)
    scrape.put("table_overdue", table.overdue, *labels)
    if table.last_update_at is not None:
        scrape.put("table_last_update_timestamp_seconds", _seconds(table.last_update_at), *labels)
    scrape.put("table_next_due_timestamp_seconds", _seconds(table.next_due_at), *labels)
