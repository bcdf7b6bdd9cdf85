"""How many series each query of the boards answers with, told by the program's own API and not by Prometheus."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from models.events import INPUT_TOPICS
from models.wire import REASONS
from scoring.indicators import INDICATORS
from streams.balance import OUTCOMES
from streams.metrics import STAGES
from streams.serving.robots import no_messages
from tests.deploy.live import PARTITIONS, Live
from tests.deploy.servers import ask


@dataclass(frozen=True)
class Facts:
    """What the API says now. A new one is to be made for each question: deadlines pass."""

    live: Live
    indicator: str

    @cached_property
    def period(self) -> str:
        return str(self.live.api("scores")["period"])

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.live.api("scores", period=self.period)["items"]
        return found

    @cached_property
    def status(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.live.api("status")["items"]
        return found

    @cached_property
    def interfaces(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.live.api("interfaces")["items"]
        return found

    @cached_property
    def tables(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.live.api("tables")["items"]
        return found

    @cached_property
    def alerts(self) -> list[dict[str, str]]:
        """Labels of those that fire, without the watchdog: Prometheus's own list, which no query of a board reads."""
        held = ask(f"{self.live.prometheus}/api/v1/alerts")["data"]["alerts"]
        return [a["labels"] for a in held if a["state"] == "firing" and a["labels"]["alertname"] != "GovscoreWatchdog"]

    @property
    def totals(self) -> list[dict[str, Any]]:
        return [record for record in self.scores if record["indicator"] == "total"]

    def points(self, indicator: str) -> list[dict[str, Any]]:
        """The records of an indicator that have points."""
        return [record for record in self.scores if record["indicator"] == indicator and record["status"] != "no_data"]

    def of_one(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the department that the board of one department shows."""
        return [record for record in records if record["department"] == self.live.department]


Expected = int | Callable[[Facts], int]


def departments(facts: Facts) -> int:
    return len(facts.totals)


def listed(facts: Facts) -> int:
    return len(facts.status)


def late(facts: Facts) -> int:
    return sum(held["cases_overdue"] + held["cases_due_soon"]["72h"] > 0 for held in facts.status)


def overdue(facts: Facts) -> int:
    return sum(held["cases_overdue"] > 0 for held in facts.status)


def overdue_requests(facts: Facts) -> int:
    return sum(held["requests_overdue"] > 0 for held in facts.status)


def closed(facts: Facts) -> int:
    return sum(sum(held["cases_closed"].get(facts.period, {}).values()) > 0 for held in facts.status)


def down(facts: Facts) -> int:
    return sum(not held["up"] for held in facts.interfaces)


def failed(facts: Facts) -> int:
    return sum(held["failures_in_period"] > 0 for held in facts.interfaces)


def late_tables(facts: Facts) -> int:
    return sum(held["overdue"] for held in facts.tables)


def late_tables_updated(facts: Facts) -> int:
    return sum(held["overdue"] and held.get("last_update_at") is not None for held in facts.tables)


def tables(facts: Facts) -> int:
    return min(50, len(facts.tables))


def with_ratio(facts: Facts) -> int:
    return sum(record["denominator"] != "0" for record in facts.points(facts.indicator))


def chosen(facts: Facts) -> int:
    return len(facts.points(facts.indicator))


def own(deduction: bool | None = None) -> Callable[[Facts], int]:
    """Indicators with points of the one department; base indicators or deductions."""
    names = [i.id for i in INDICATORS if deduction in (None, i.deduction)]
    return lambda facts: sum(len(facts.of_one(facts.points(name))) for name in names)


def own_ratios(facts: Facts) -> int:
    return sum(record["denominator"] != "0" for i in INDICATORS for record in facts.of_one(facts.points(i.id)))


def own_forced(facts: Facts) -> int:
    held = [record for record in facts.of_one(facts.scores) if record["status"] in {"zeroed", "vacuous"}]
    return len(held)  # a zeroed one has one reason here


def own_interfaces(facts: Facts) -> int:
    return len(facts.of_one(facts.interfaces))


def own_tables(facts: Facts) -> int:
    return len(facts.of_one(facts.tables))


def own_tables_updated(facts: Facts) -> int:
    return sum(held.get("last_update_at") is not None for held in facts.of_one(facts.tables))


def scored_indicators(facts: Facts) -> int:
    return sum(bool(facts.points(i.id)) for i in INDICATORS)


def alerts(facts: Facts) -> int:
    return len(facts.alerts)


def distinct(*labels: str) -> Callable[[Facts], int]:
    """Different values of labels among the alerts that have the last of them."""
    return lambda facts: len({tuple(a.get(label) for label in labels) for a in facts.alerts if a.get(labels[-1])})


TOPICS = len(INPUT_TOPICS)
# By board and English title: of each query. Panels of one number are left out: they answer with one.
EXPECTED: Mapping[tuple[str, str], Sequence[Expected]] = {
    ("overview", "Ranking"): [departments] * 4,
    ("overview", "Overdue and due soon"): [late, late, late, overdue],
    # Of a department without a catalogue nothing, and no 0 that would look like a bad score.
    ("overview", "Departments × 16 indicators"): [departments, *(lambda facts, i=i: len(facts.points(i.id)) for i in INDICATORS)],  # type: ignore[misc]
    ("overview", "Interfaces that are down"): [down, down],
    ("overview", "Course of interface failures"): [down],
    ("department", "The 16 indicators"): [own(deduction=False), own(deduction=True), own(), own_ratios, own(), own()],
    ("department", "Set by a rule"): [own_forced],
    ("department", "Course of the points"): [1] * 3,
    ("department", "Open and overdue"): [1] * 4,
    ("department", "Interfaces"): [own_interfaces] * 3,
    ("department", "Tables"): [own_tables_updated, own_tables, own_tables],
    ("indicator", "Departments"): [chosen, chosen, with_ratio, chosen, chosen],
    ("indicator", "Course of the share kept"): [1, 1],
    ("indicator", "All indicators"): [scored_indicators] * 4,
    ("indicator", "Mean share kept by indicator"): [scored_indicators],
    ("cases", "Cases by department"): [listed, listed, listed, closed, listed, listed, listed, listed, overdue, listed, listed],
    ("cases", "Cases over time"): [1] * 4,
    ("cases", "Departments with the most overdue cases"): [overdue],
    ("cases", "Received and closed in the period"): [1] * 3,
    ("cases", "Departments with the most overdue requests"): [overdue_requests],
    ("interfaces", "Interfaces that are down"): [down, down],
    ("interfaces", "Interfaces that failed most"): [failed],
    ("interfaces", "Course of interface failures"): [down],
    ("interfaces", "Failures and late tables over time"): [1, 1],
    ("interfaces", "Tables that are late"): [late_tables_updated, late_tables],
    ("interfaces", "Tables due next"): [tables],
    ("quality", "Records by topic"): [TOPICS] * 6,
    ("quality", "Reasons of quarantine"): [2],
    ("quality", "Rate of quarantine"): [lambda facts: len(REASONS)],
    ("quality", "Rate of duplicates, late and rerouted events"): [1] * 3,
    ("quality", "Departments without news the longest"): [listed],
    ("quality", "Departments without a score"): [0],
    ("quality", "Difference of the balance"): [TOPICS],
    ("quality", "What became of records"): [TOPICS * (1 + len(OUTCOMES))],
    ("pipeline", "Records consumed"): [TOPICS],
    ("pipeline", "Lag by topic"): [TOPICS],
    ("pipeline", "End to end"): [1] * 3,
    ("pipeline", "Time of a chunk, p95"): [TOPICS],
    ("pipeline", "CPU by stage"): [len(STAGES)],
    ("pipeline", "Partitions without a heartbeat the longest"): [min(10, TOPICS * PARTITIONS)],
    ("pipeline", "Recovery and catching up"): [1, 1],
    ("pipeline", "Rebalances"): [1],
    ("pipeline", "Age of snapshots"): [PARTITIONS],
    ("pipeline", "Reading the read model"): [1],
    ("pipeline", "Redis failures"): [1],
    ("pipeline", "Processes"): [3],
    ("alerts", "Firing now"): [alerts],
    ("alerts", "Course of alerts"): [distinct("alertname")],
    ("alerts", "Alerts firing at the same time"): [distinct("severity")],
    ("alerts", "By alert"): [distinct("severity", "alertname")],
    ("alerts", "Departments with the most alerts"): [distinct("department")],
    ("alerts", "Messages to group robots"): [len(no_messages())],
}
# Whose healthy state is nothing, and that cannot be made to show something here; each with the reason.
EMPTY: Mapping[tuple[str, str], str] = {
    ("quality", "Departments without a score"): "every department that sends an event is scored, if only by what no workload is worth",
}
