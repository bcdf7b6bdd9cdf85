"""What workers answer when they are asked: explanations of scores, and lists of cases and requests (`docs/http.md`)."""

from typing import Any, Literal

from pydantic import Field

from models.records import Record, ScoreRecord
from models.text import Language

CaseState = Literal["open", "due_soon", "overdue", "suspended"]
CASE_STATES: tuple[CaseState, ...] = ("open", "due_soon", "overdue", "suspended")
RequestState = Literal["open", "due_soon", "overdue"]
REQUEST_STATES: tuple[RequestState, ...] = ("open", "due_soon", "overdue")
Side = Literal["against", "for"]


class SourceEvent(Record):
    """An event that made a thing what it is."""

    type: str = Field(description="its event type")
    event_id: str = Field(description="as the source gave it")
    at: str = Field(description="when it occurred")


class EvidenceRow(Record):
    """One thing that an indicator counted."""

    kind: str = Field(description="what it is: case, item, objection, request, interface, table, complaint, defect, sample, check, test")
    id: str = Field(description="within kind and department; of a sampled number: sample/number")
    numerator: str = Field(description="what it adds to the numerator, exact")
    denominator: str = Field(description="what it adds to the denominator, exact")
    counts: Side = Field(description="against: it costs points")
    reason: str | None = Field(description="why it counts against; null where it does not")
    costs: str | None = Field(description="the points that it costs as things stand, exact; null where nothing follows from it alone")
    details: dict[str, Any] = Field(description="what explains it; times end in `_at`")
    events: list[SourceEvent] = Field(description="what made it what it is, in the order of their time")


class Explanation(Record):
    """A score with everything that it was counted from, a page of it at a time."""

    record: ScoreRecord = Field(description="as published; of a closed period the frozen one")
    title: str = Field(description="in Chinese")
    formula: str = Field(description="of the indicator")
    with_numbers: str = Field(description="the formula with its numbers")
    counted: dict[Side, int] = Field(description="how many things count for and against, on all pages")
    evidence: list[EvidenceRow] = Field(
        description="what counts against first; numerators and denominators of all pages add up to the record"
    )
    next_cursor: str | None = Field(None, description="`cursor` of the next page; null on the last")
    closing: str | None = Field(None, description="of a closed period the id of its closing: the evidence is what had arrived by then")
    other_ruleset: dict[Language, str] | None = Field(
        None,
        description="a sentence, in Chinese and in English, where the record was frozen under another ruleset than it is explained with: "
        "the rows may not add up to it then",
    )


class Suspension(Record):
    """A time in which a case stood still."""

    suspended_at: str = Field(description="when it was suspended")
    resumed_at: str | None = Field(None, description="null while it lasts")
    workdays: int = Field(description="how many it moves the due time, by now")


class DueBasis(Record):
    """How a due time was computed."""

    given: bool = Field(description="the event itself says when it is due")
    days: int | None = Field(None, description="workdays promised")
    counted_from: str | None = Field(None, description="the day after which they count")
    says: str | None = Field(None, description="the event id of the version of the item that promises them")
    suspensions: list[Suspension] = Field([], description="what moves it on")
    days_off: list[str] = Field([], description="holidays on Monday to Friday passed over")
    made_up: list[str] = Field([], description="Saturdays and Sundays that are workdays (调休)")
    provisional: bool = Field(False, description="a year in it whose holidays are not published yet")


class OpenCase(Record):
    """A case that is accepted and not completed."""

    department: str = Field(description="its code")
    serial: str = Field(description="its id")
    item: str = Field(description="its id")
    item_name: str | None = Field(None, description="its name now; null where it was never published")
    acceptance_no: str = Field(description="the acceptance number")
    accepted_at: str = Field(description="when it was accepted")
    state: Literal["open", "due_soon", "overdue"] = Field(description="due_soon: within 24 hours")
    suspended: bool = Field(description="whether it stands still now")
    due_at: str | None = Field(None, description="null without a deadline")
    seconds_left: int | None = Field(None, description="until it is due; below 0: overdue")
    due: DueBasis | None = Field(None, description="how that comes about")


class OpenRequest(Record):
    """A sharing request that waits for its answer."""

    department: str = Field(description="that has to answer")
    request: str = Field(description="its id")
    requester: str = Field(description="the department that asks")
    raised_at: str = Field(description="when it was raised")
    state: RequestState = Field(description="due_soon: within 24 hours")
    due_at: str = Field(description="when it has to be answered")
    seconds_left: int = Field(description="until it is due; below 0: overdue")
    due: DueBasis = Field(description="how that comes about")


class CasePage(Record):
    """Some open cases, those due first at the front."""

    as_of: str
    total: int = Field(description="how many there are in all, on every page")
    items: list[OpenCase]
    next_cursor: str | None = None


class RequestPage(Record):
    """Some open requests, those due first at the front."""

    as_of: str
    total: int
    items: list[OpenRequest]
    next_cursor: str | None = None
