"""The records that other programs rely on: scores, alerts, status, quarantine entries, adjustments, audit (`docs/records.md`)."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.wire import Reason

ScoreStatus = Literal["scored", "vacuous", "zeroed", "no_data"]
AlertKind = Literal[
    "case_due_soon", "case_overdue", "request_due_soon", "request_overdue", "interface_failed", "table_overdue",
    "indicator_zeroed", "period_closed",
]  # fmt: skip
AuditAction = Literal[
    "period.closed", "period.reopened", "quarantine.retried", "quarantine.dismissed", "topic.paused", "topic.resumed", "sample.drawn",
    "inspection.recorded", "guide.checked", "test.raised", "test.disposed", "finding.withdrawn",
]  # fmt: skip
RecountCauseKind = Literal[
    "lost", "not_in_log", "other_content", "not_consumed", "not_sent_on", "conflict", "other_closing", "other_ruleset", "moving",
    "same_facts",
]  # fmt: skip


class Record(BaseModel):
    """Immutable; unknown fields of a newer version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> bytes:
        """UTF-8 JSON; absent fields are left out."""
        return self.model_dump_json(exclude_none=True).encode()


class ScoreRecord(Record):
    """The score of one indicator for a department and a period."""

    department: str
    period: str = Field(description="YYYY-MM")
    indicator: str
    number: int = Field(description="number in the original, 1-16")
    status: ScoreStatus
    numerator: str = Field(description='exact, "412" or "201/20"')
    denominator: str
    points: float = Field(description="rounded half-up to 2 decimals; for 14-16 the points deducted")
    points_exact: str
    max_points: int = Field(description="weight; for 14-16 the cap")
    provisional: bool
    reasons: list[str]
    as_of: str = Field(description="the instant the score holds for, RFC 3339")
    ruleset: str = Field(description="name@hash, the hash over content, time zone and calendar in force")
    version: int = Field(description="facts taken in for the department; of two records the greater (version, as_of) is right")


class TotalRecord(Record):
    """The total of a department for a period; `rank` and `ranked` are added where all departments are seen."""

    department: str
    period: str
    indicator: Literal["total"] = "total"
    status: ScoreStatus = "scored"
    base_points: float
    deductions: float
    points: float
    points_exact: str
    max_points: int = 100
    scored_max: int = Field(description="sum of the weights of the base indicators that are not no_data")
    provisional: bool
    reasons: list[str]
    rank: int | None = None
    ranked: int | None = None
    as_of: str
    ruleset: str
    version: int


class AlertRecord(Record):
    """Something to act on. The id is `kind|thing|due instant`: repeats share it."""

    id: str
    kind: AlertKind
    state: Literal["firing", "resolved"]
    department: str
    thing: str
    due_at: str | None = None
    since: str
    details: dict[str, Any]
    as_of: str
    version: int


class DueSoon(Record):
    """Open cases, or requests, that become due within 24 and 72 hours."""

    within_24h: int = Field(alias="24h")
    within_72h: int = Field(alias="72h")
    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class DepartmentStatus(Record):
    """What boards need of a department beside its scores."""

    department: str
    name: str
    cases_open: int
    cases_overdue: int
    cases_due_soon: DueSoon
    oldest_overdue_due_at: str | None = None
    requests_open: int
    requests_overdue: int
    requests_due_soon: DueSoon = Field(default_factory=lambda: DueSoon(within_24h=0, within_72h=0))
    cases_received: dict[str, int] = Field(default_factory=dict, description="accepted, by period")
    cases_closed: dict[str, dict[str, int]] = Field(default_factory=dict, description="completed, by period: on_time, overdue")
    closed_periods: list[str] = Field(default_factory=list, description="the periods whose scores are frozen")
    last_event_at: str
    version: int
    as_of: str


class InterfaceStatus(Record):
    """State and last change of an interface; failures counted in the current period."""

    department: str
    interface: str
    up: bool
    since: str
    failure: str | None = None
    failures_in_period: int
    version: int
    as_of: str


class TableStatus(Record):
    """Last and next due update of a table."""

    department: str
    table: str
    last_update_at: str | None = None
    next_due_at: str
    overdue: bool
    version: int
    as_of: str


class Heartbeat(Record):
    """A partition's sign of life, every 10 s."""

    partition: int
    as_of: str
    lag: int
    catching_up: bool
    worker: str
    ruleset: str | None = None


class QuarantineEntry(Record):
    """A record that could not be used, as listed; its bytes are kept."""

    id: str = Field(description="topic|partition|offset")
    reason: Reason
    detail: str
    source: str | None = None
    arrived_at: str
    size: int
    state: Literal["open", "retried", "dismissed"]
    by: str | None = None
    at: str | None = None
    why: str | None = None


class TopicControl(Record):
    """Whether the workers read an input topic."""

    topic: str
    state: Literal["paused", "flowing"]
    by: str
    at: str
    why: str
    passing: dict[str, int] = Field({}, description="partition → offset before which records pass whatever share of them is bad")


class AdjustmentRecord(Record):
    """A fact that arrived after closing and would change a closed record, with the record as it would be."""

    department: str
    period: str
    indicator: str
    event_id: str
    arrived_at: str
    frozen: dict[str, Any]
    would_be: dict[str, Any]


class RecountCause(Record):
    """Why the live records of a department are not what the log amounts to."""

    kind: RecountCauseKind
    count: int = Field(description="how many events or records")
    examples: list[str] = Field(description="the first of them")


class RecountDifference(Record):
    """A score record that is not what the log amounts to, or that could not be compared."""

    department: str
    period: str
    indicator: str
    state: Literal["different", "not_compared"]
    live: dict[str, Any] | None = Field(None, description="the fields that differ, as served; absent where there is no such record")
    log: dict[str, Any] | None = Field(None, description="the same fields as counted from the log; absent where nothing is to be there")
    causes: list[RecountCause]


class Recount(Record):
    """A recount: the input topics read from their start and compared with the live scores."""

    at: str = Field(description="when it ended")
    seconds: float = Field(description="how long it took")
    events: int = Field(description="records of the input topics read")
    records: int = Field(description="score records looked at")
    mismatches: int = Field(description="how many are different, departments whose events differ included")
    not_compared: int = Field(description="how many could not be compared")
    differences: list[RecountDifference] = Field(description="the different ones first; in the read model at most 100")


class AuditRecord(Record):
    """What a person ordered or recorded: who, when, and about what."""

    id: str
    action: AuditAction
    by: str
    at: str
    through: Literal["command", "page"]
    department: str | None = None
    period: str | None = None
    subject: str
    why: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class SampledThing(Record):
    """What has been recorded of one thing of a sample: an acceptance number (indicator 7) or an item (14, 15)."""

    id: str
    outstanding: bool
    achieved: bool | None = None
    withdrawn: bool | None = None
    errors: int | None = None
    findings: list[str] = Field(default_factory=list)
    undisposed: list[str] = Field(default_factory=list)


class SampleState(Record):
    """A sample that holds for its department, indicator and period, and how far it is."""

    sample: str
    department: str
    indicator: str
    period: str
    drawn_at: str
    selected: list[str]
    tail: int | None = None
    things: list[SampledThing]
    outstanding: int
