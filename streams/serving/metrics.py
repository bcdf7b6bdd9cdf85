"""The metrics of the scoreboard exporter, each declared once: name without prefix, kind, help, labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "govscore_"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. An info is a gauge of 1 whose name ends in `_info`; the name of a counter ends in `_total`."""

    name: str
    kind: Literal["gauge", "counter", "info"]
    help: str
    labels: tuple[str, ...] = ()


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, "gauge", text, labels)


METRICS: tuple[Metric, ...] = (
    Metric("department_info", "info", "A department and its name.", ("department", "name")),
    _gauge("indicator_points", "Points of a base indicator; absent where there is no data.", "department", "indicator", "period"),
    _gauge(
        "indicator_ratio",
        "Numerator divided by denominator, before caps and floors; absent where the denominator is 0.",
        "department", "indicator", "period",
    ),
    _gauge(
        "indicator_input",
        "The two sums that an indicator is measured by; component is numerator or denominator.",
        "department", "indicator", "period", "component",
    ),
    _gauge("deduction_points", "Points deducted by a deduction indicator.", "department", "indicator", "period"),
    _gauge("department_points", "Total points of a department: base points less deductions.", "department", "period"),
    _gauge("department_base_points", "Points of the base indicators of a department together.", "department", "period"),
    _gauge("department_rank", "Rank of a department by its exact total; equal totals share a rank.", "department", "period"),
    _gauge(
        "indicator_override",
        "1 while a rule forces an indicator to zero, with the reason, or to full for want of workload (vacuous).",
        "department", "indicator", "period", "reason",
    ),
    _gauge("indicator_max_points", "Weight of an indicator; of a deduction its cap.", "indicator"),
    _gauge("department_last_update_timestamp_seconds", "The instant that a department's newest record holds for.", "department"),
    Metric("period_info", "info", "A period and its state: open, closing or closed.", ("period", "state")),
    _gauge("period_start_timestamp_seconds", "When a period began.", "period"),
    _gauge("cases_received", "Cases accepted in a period; a voided case takes it down.", "department", "period"),
    _gauge("cases_closed", "Cases completed in a period, by outcome on_time or overdue.", "department", "period", "outcome"),
    _gauge("cases_open", "Cases accepted and not completed.", "department"),
    _gauge("cases_overdue", "Open cases whose due time has passed, by the workday calendar.", "department"),
    _gauge("cases_due_soon", "Open cases that become due within 24h or 72h; the latter include the former.", "department", "within"),
    _gauge(
        "cases_oldest_overdue_deadline_timestamp_seconds",
        "The due time of the case that has been overdue the longest; absent while none is.",
        "department",
    ),
    _gauge("requests_open", "Sharing requests raised and not handled.", "department"),
    _gauge("requests_overdue", "Open sharing requests whose due time has passed.", "department"),
    _gauge(
        "requests_due_soon",
        "Open sharing requests that become due within 24h or 72h; the latter include the former.",
        "department", "within",
    ),
    _gauge("interface_up", "1 while an interface has no unplanned failure open.", "department", "interface"),
    _gauge("interface_failures", "Unplanned failures of an interface that began in the current period.", "department", "interface"),
    _gauge("interface_last_change_timestamp_seconds", "When an interface last failed or recovered.", "department", "interface"),
    _gauge("table_last_update_timestamp_seconds", "When a table was last updated; absent while it never was.", "department", "table"),
    _gauge("table_next_due_timestamp_seconds", "When a table is due to be updated next.", "department", "table"),
    _gauge("recount_mismatches", "Score records that differed from the log at the last recount; absent before the first."),
    _gauge("recount_timestamp_seconds", "When the last recount ended; absent before the first."),
    _gauge(
        "table_overdue", "1 while the last due time of a table passed without an update and none has come since.", "department", "table"
    ),
    _gauge("scoreboard_last_update_timestamp_seconds", "The oldest heartbeat of a partition; 0 while one has never been heard of."),
    _gauge("rulesets_in_force", "Different rulesets that the heartbeats of the partitions name: 1, or scores are made by different rules."),
    _gauge("scoreboard_shards", "Into how many shares the departments are divided for scraping; shard is the share told here.", "shard"),
    _gauge("scoreboard_collect_seconds", "Duration of reading the read model for this scrape."),
    Metric("redis_errors_total", "counter", "Scrapes that could not read the read model and served the last values."),
    Metric(
        "robot_messages_total", "counter", "Attempts to send a message to a group robot, by outcome sent or failed.", ("robot", "outcome")
    ),
    Metric("build_info", "info", "The program's version.", ("version",)),
)  # fmt: skip
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}
