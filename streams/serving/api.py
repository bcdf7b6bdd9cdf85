"""The HTTP API under /api/v1: what the read model holds, as JSON that is never translated."""

import base64
import binascii
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models.identifiers import PeriodLabel
from models.records import AlertKind, AlertRecord, DepartmentStatus, Heartbeat, InterfaceStatus, ScoreRecord, TableStatus, TotalRecord
from models.text import Text
from scoring.indicators import BY_ID
from streams.serving.csv_files import Format, csv_of_records
from streams.serving.problems import Problem, problem
from streams.serving.read_model import ALERT_KINDS, AlertPage, AlertState, AuditPage, Period, ReadModel
from streams.serving.users import User

MAX_LIMIT = 1_000
INDICATOR_IDS = [*BY_ID, "total"]
IndicatorId = Annotated[str, Field(pattern=f"^({'|'.join(INDICATOR_IDS)})$", json_schema_extra={"enum": INDICATOR_IDS})]
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for code, text in {
        401: "no user",
        403: "not for this user",
        422: "a wrong parameter",
        429: "too many requests",
        503: "the read model cannot be read",
    }.items()
}


class Periods(BaseModel):
    """The periods with scores, the newest first."""

    items: list[Period]


class Scores(BaseModel):
    """Score records, by department and number; the total of a department last, with its rank among all departments."""

    period: str | None = Field(description="the period of the records: the one asked for, else the current one or the newest")
    items: list[ScoreRecord | TotalRecord]


class StatusAnswer(BaseModel):
    """The departments' status, and how old the read model is."""

    as_of: str
    last_update: str | None = Field(description="the oldest heartbeat of a partition; null while one has never been heard of")
    items: list[DepartmentStatus]
    partitions: list[Heartbeat]
    missing_partitions: list[int]


class Interfaces(BaseModel):
    """Interfaces with their states."""

    items: list[InterfaceStatus]


class Tables(BaseModel):
    """Tables with their last and next due updates."""

    items: list[TableStatus]


class Alerts(BaseModel):
    """Alerts, those due first at the front."""

    total: int = Field(description="how many there are in all, on every page")
    items: list[AlertRecord]
    next_cursor: str | None = Field(None, description="`cursor` of the next page; null on the last")


def get_model(request: Request) -> ReadModel:
    """The application's read model, as far as the user may see it.

    Raises:
        HTTPException: a department is asked for that is not among the user's (403).
    """
    model: ReadModel = request.app.state.model
    user: User = request.state.user
    if user.departments is None:
        return model
    asked = [*request.query_params.getlist("department"), *(request.path_params.get(name, "") for name in ("code", "department"))]
    for code in filter(None, asked):
        if code not in user.departments:
            raise not_seen(user, code)
    return model.limited_to(user.departments)


def not_seen(user: User, department: str) -> HTTPException:
    """The refusal of a department that is not among the user's."""
    sentence = f"the department {department[:64]} is not among those that {user.name} may see"
    return problem(403, Text(f"{user.name} 无权查看部门 {department[:64]}", sentence))


Model = Annotated[ReadModel, Depends(get_model)]
PeriodQuery = Annotated[PeriodLabel | None, Query(description="YYYY-MM; by default the current one, or the newest with scores")]
DepartmentQuery = Annotated[str | None, Query(description="a department's code", max_length=64)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="at most so many")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=2_000)]
FileFormat = Annotated[Format, Query(description="csv: a file for spreadsheets")]
router = APIRouter(prefix="/api/v1", responses=ERRORS, tags=["v1"])


@router.get("/periods", summary="Periods with scores and their states")
def periods(model: Model) -> Periods:
    """Open: the month is not over. Closing: late facts are still taken in. Closed: the scores are frozen."""
    return Periods(items=model.periods())


@router.get("/scores", summary="Score records of a period")
def scores(
    model: Model,
    period: PeriodQuery = None,
    department: DepartmentQuery = None,
    indicator: Annotated[IndicatorId | None, Query(description="an indicator's id, or total")] = None,
) -> Scores:
    """Empty where there are none. Ranks are over all departments whatever is asked for."""
    label = period or model.default_period()
    return Scores(period=label, items=[] if label is None else model.scores(label, department, indicator))


@router.get("/status", summary="Open, overdue and due-soon counts of every department")
def status(model: Model, department: DepartmentQuery = None) -> StatusAnswer:
    """With the heartbeats of the partitions, which say how old all of it is."""
    held = model.status()
    fresh = model.freshness(held)
    return StatusAnswer(
        as_of=model.text(fresh.now),
        last_update=None if fresh.last_update is None else model.text(fresh.last_update),
        items=[record for code, record in held.departments.items() if department in (None, code)],
        partitions=sorted(held.heartbeats, key=lambda beat: beat.partition),
        missing_partitions=list(fresh.missing),
    )


@router.get("/interfaces", summary="Interfaces and their states", response_model=Interfaces)
def interfaces(
    model: Model,
    department: DepartmentQuery = None,
    up: Annotated[bool | None, Query(description="only those that are up, or down")] = None,
    format: FileFormat = "json",  # noqa: A002  # its name in the address
) -> Interfaces | Response:
    """By department and id."""
    status = model.status()
    found = [record for record in status.interfaces if department in (None, record.department) and up in (None, record.up)]
    return csv_of_records("interfaces", InterfaceStatus, found, status.names) if format == "csv" else Interfaces(items=found)


@router.get("/tables", summary="Tables and their updates", response_model=Tables)
def tables(
    model: Model,
    department: DepartmentQuery = None,
    overdue: Annotated[bool | None, Query(description="only those that are overdue, or not")] = None,
    format: FileFormat = "json",  # noqa: A002
) -> Tables | Response:
    """By department and id."""
    status = model.status()
    found = [record for record in status.tables if department in (None, record.department) and overdue in (None, record.overdue)]
    return csv_of_records("tables", TableStatus, found, status.names) if format == "csv" else Tables(items=found)


@router.get("/alerts", summary="Alerts")
def alerts(
    model: Model,
    state: Annotated[AlertState | Literal["all"], Query(description="firing, resolved or all")] = "firing",
    kind: Annotated[list[AlertKind] | None, Query(description="only these kinds; may be repeated")] = None,
    department: DepartmentQuery = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Alerts:
    """In the order of due time (of beginning, where nothing is due) and id."""
    page = model.alerts(None if state == "all" else state, kind or ALERT_KINDS, department, limit=limit, after=decode_cursor(cursor))
    return Alerts(total=page.total, items=page.items, next_cursor=encode_cursor(page))


def encode_cursor(page: AlertPage | AuditPage) -> str | None:
    """The cursor of a page as it goes over the wire."""
    return encode_text(page.cursor)


def encode_text(cursor: str | None) -> str | None:
    """A cursor as it goes over the wire: opaque, so that nobody builds on its content."""
    return None if cursor is None else base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str | None:
    """Back again.

    Raises:
        HTTPException: it is none (422).
    """
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise problem(422, "cursor: give the next_cursor of the page before, or none for the first page") from None
