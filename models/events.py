"""The wire contract: every event, once. The type knows its topic; `Event` is the union that the type discriminates."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.identifiers import (
    DepartmentCode,
    DepartmentCodeOrEvery,
    Identifier,
    PeriodLabel,
    Reference,
    RegionCode,
)
from models.instants import Instant

Number = Annotated[int, Field(ge=0, le=10_000)]
Positive = Annotated[int, Field(gt=0, le=10_000)]
# The first bad entry condemns a record: a report of 100,000 of them held the event loop for half a second.
Texts = Annotated[list[str], Field(fail_fast=True)]
IndicatorId = Literal[
    "online_depth", "instant_items", "docking_depth", "case_aggregation", "time_reduction", "material_reduction",
    "visit_reduction", "step_reduction", "licence_generation", "licence_repair", "sharing_timeliness",
    "sharing_validity", "data_repair", "guide_accuracy", "online_experience", "overdue_completion",
]  # fmt: skip


MAX_RECORD_BYTES = 262_144


class Envelope(BaseModel):
    """The fields on every event (`events.md`, Envelope)."""

    model_config = ConfigDict(strict=True, extra="ignore")
    topic: ClassVar[str]

    event_id: Identifier = Field(description="unique over all topics; the same id seen twice is one event")
    type: str
    department: DepartmentCode
    occurred_at: Instant = Field(description="when it happened at the source")
    source: Identifier = Field(description="the system that says so")
    schema_version: Annotated[int, Field(ge=1, le=1)] | None = None


class Catalogue(Envelope):
    topic = "catalogue"


class DepartmentRegistered(Catalogue):
    type: Literal["department.registered"]
    name: str


class DockingChanged(Catalogue):
    type: Literal["department.docking_changed"]
    docked: bool


class ItemPublished(Catalogue):
    """Also every update: the whole item again."""

    type: Literal["item.published"]
    item: Identifier
    name: str
    category: Literal["on_application", "public_service"]
    online_depth: Annotated[int, Field(ge=1, le=4)] | None
    case_type: Literal["instant", "commitment"]
    promised_days: Number
    statutory_days: Positive | None = None
    docking: Annotated[list[Literal["serial", "auth", "case_store", "apply", "eform"]], Field(fail_fast=True)]
    max_visits: Number
    licence_materials: Number
    steps: Number
    steps_2019: Positive | None = None
    yields_licence: bool


class ItemRetired(Catalogue):
    type: Literal["item.retired"]
    item: Identifier


class Serials(Envelope):
    topic = "serials"
    serial: Identifier


class SerialIssued(Serials):
    type: Literal["serial.issued"]
    item: Identifier
    is_test: bool | None = None


class SerialVoided(Serials):
    type: Literal["serial.voided"]
    reason: str | None = None


class Cases(Envelope):
    topic = "cases"
    serial: Identifier


class CaseAccepted(Cases):
    type: Literal["case.accepted"]
    item: Identifier
    acceptance_no: Identifier
    due_at: Instant | None = None


class CaseSuspended(Cases):
    type: Literal["case.suspended"]
    reason: str | None = None


class CaseResumed(Cases):
    type: Literal["case.resumed"]
    reason: str | None = None


class CaseCompleted(Cases):
    type: Literal["case.completed"]
    item: Identifier
    outcome: Literal["granted", "refused", "withdrawn"]


class CaseIngested(Cases):
    type: Literal["case.ingested"]
    qc: Literal["passed", "failed"]
    org_code: Identifier | None = None
    region: RegionCode | None = None


class CaseVoided(Cases):
    type: Literal["case.voided"]
    reason: str | None = None


class Licences(Envelope):
    topic = "licences"
    licence: Identifier


class LicenceGenerated(Licences):
    type: Literal["licence.generated"]
    serial: Identifier


class LicenceDispatched(Licences):
    type: Literal["licence.dispatched"]
    serial: Identifier


class LicenceVoided(Licences):
    type: Literal["licence.voided"]


class Quality(Envelope):
    topic = "quality"
    objection: Identifier


class ObjectionFlagged(Quality):
    type: Literal["objection.flagged"]
    subject: Literal["licence", "data"]
    ref: Reference


class ObjectionRepaired(Quality):
    type: Literal["objection.repaired"]


class ObjectionPassed(Quality):
    type: Literal["objection.passed"]


class ObjectionAppealed(Quality):
    type: Literal["objection.appealed"]
    reason: str | None = None


class ObjectionAppealDecided(Quality):
    type: Literal["objection.appeal_decided"]
    upheld: bool


class Sharing(Envelope):
    """`department` is the department that provides the data."""

    topic = "sharing"


class RequestRaised(Sharing):
    type: Literal["request.raised"]
    request: Identifier
    requester: DepartmentCode
    due_at: Instant | None = None


class RequestHandled(Sharing):
    type: Literal["request.handled"]
    request: Identifier
    outcome: Literal["granted", "refused"]


class RequestWithdrawn(Sharing):
    type: Literal["request.withdrawn"]
    request: Identifier


class InterfaceRegistered(Sharing):
    type: Literal["interface.registered"]
    interface: Identifier
    name: str | None = None


class InterfaceRetired(Sharing):
    type: Literal["interface.retired"]
    interface: Identifier
    name: str | None = None


class InterfaceFailed(Sharing):
    type: Literal["interface.failed"]
    interface: Identifier
    failure: Identifier
    planned: bool | None = None


class InterfaceRecovered(Sharing):
    type: Literal["interface.recovered"]
    interface: Identifier
    failure: Identifier


class TableRegistered(Sharing):
    type: Literal["table.registered"]
    table: Identifier
    name: str | None = None
    cycle_days: Positive
    first_due_at: Instant


class TableUpdated(Sharing):
    type: Literal["table.updated"]
    table: Identifier


class TableRetired(Sharing):
    type: Literal["table.retired"]
    table: Identifier


class Oversight(Envelope):
    topic = "oversight"


class ComplaintUpheld(Oversight):
    type: Literal["complaint.upheld"]
    complaint: Identifier
    period: PeriodLabel
    serial: Identifier | None = None


class ComplaintReversed(Oversight):
    type: Literal["complaint.reversed"]
    complaint: Identifier


class DefectConfirmed(Oversight):
    """A defect of the organisation or region code in what was sent to the case store."""

    type: Literal["defect.confirmed"]
    defect: Identifier
    serial: Identifier | None = None


class DefectCleared(Oversight):
    type: Literal["defect.cleared"]
    defect: Identifier


class SampleDrawn(Oversight):
    type: Literal["sample.drawn"]
    sample: Identifier
    indicator: IndicatorId
    period: PeriodLabel
    selected: Texts
    tail: Annotated[int, Field(ge=0, le=99)] | None = None


class InspectionRecorded(Oversight):
    type: Literal["inspection.recorded"]
    sample: Identifier
    acceptance_no: Identifier
    achieved: bool


class GuideChecked(Oversight):
    type: Literal["guide.checked"]
    check: Identifier
    item: Identifier
    period: PeriodLabel
    errors: Number
    notes: Texts | None = None


class TestRaised(Oversight):
    __test__ = False  # not a test of pytest's
    type: Literal["test.raised"]
    test: Identifier
    serial: Identifier
    item: Identifier


class TestDisposed(Oversight):
    __test__ = False
    type: Literal["test.disposed"]
    test: Identifier
    outcome: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class FindingWithdrawn(Oversight):
    """`ref`: an inspection's `sample/acceptance_no`, a check, a test or a defect."""

    type: Literal["finding.withdrawn"]
    ref: Reference


class Periods(Envelope):
    """For one department, or `*` for all (then published to every partition)."""

    topic = "periods"
    department: DepartmentCodeOrEvery
    period: PeriodLabel


class PeriodClosed(Periods):
    type: Literal["period.closed"]


class PeriodReopened(Periods):
    type: Literal["period.reopened"]
    reason: str | None = None


# Append only: the place of a class is its code in the changelog, which outlives every version of the program.
EVENT_CLASSES: tuple[type[Envelope], ...] = (
    DepartmentRegistered, DockingChanged, ItemPublished, ItemRetired,
    SerialIssued, SerialVoided,
    CaseAccepted, CaseSuspended, CaseResumed, CaseCompleted, CaseIngested, CaseVoided,
    LicenceGenerated, LicenceDispatched, LicenceVoided,
    ObjectionFlagged, ObjectionRepaired, ObjectionPassed, ObjectionAppealed, ObjectionAppealDecided,
    RequestRaised, RequestHandled, RequestWithdrawn,
    InterfaceRegistered, InterfaceRetired, InterfaceFailed, InterfaceRecovered,
    TableRegistered, TableUpdated, TableRetired,
    ComplaintUpheld, ComplaintReversed, DefectConfirmed, DefectCleared,
    SampleDrawn, InspectionRecorded, GuideChecked, TestRaised, TestDisposed, FindingWithdrawn,
    PeriodClosed, PeriodReopened,
)  # fmt: skip


def _type_name(event_class: type[Envelope]) -> str:
    return str(get_args(event_class.model_fields["type"].annotation)[0])


EVENT_TYPES: tuple[str, ...] = tuple(_type_name(event_class) for event_class in EVENT_CLASSES)
CLASS_OF_TYPE: dict[str, type[Envelope]] = dict(zip(EVENT_TYPES, EVENT_CLASSES, strict=True))
TOPIC_OF_TYPE: dict[str, str] = {name: event_class.topic for name, event_class in CLASS_OF_TYPE.items()}
INPUT_TOPICS: tuple[str, ...] = tuple(dict.fromkeys(TOPIC_OF_TYPE.values()))

# mypy cannot read a union built from a tuple; to it an event is its envelope.
Event: Any = Annotated[reduce(or_, EVENT_CLASSES), Field(discriminator="type")]
