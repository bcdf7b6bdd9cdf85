"""The part of the HTTP API that the workers answer from their memory: explanations, open cases and requests."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from models.explanations import CasePage, CaseState, DueBasis, Explanation, OpenCase, OpenRequest, RequestPage, RequestState, Side
from models.identifiers import PeriodLabel
from models.records import AdjustmentRecord
from scoring.open_things import Filter, Sort
from streams.serving.api import ERRORS, Cursor, DepartmentQuery, Limit, Model, decode_cursor, encode_text
from streams.serving.csv_files import Format, csv_response
from streams.serving.users import User
from streams.serving.workers import Workers
from streams.spreadsheets import Cell

# As many as an office looks at in a spreadsheet; a list of more is one for programs, by its pages.
CSV_ROWS = 50_000
PAGE_ROWS = 1_000
ANSWERS: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    404: {**ERRORS[422], "description": "there is no such score"},
    503: {**ERRORS[503], "description": "no worker answers for the department at the moment, or Redis cannot be read; ask again"},
}
P = TypeVar("P", CasePage, RequestPage)


class ExplanationAnswer(Explanation):
    """An explanation, with what has arrived since the closing and would change the score."""

    adjustments: list[AdjustmentRecord] = Field([], description="of a closed period: facts that came too late, in the order of arrival")


class Named(BaseModel):
    """A department by its name."""

    department_name: str


class ListedCase(OpenCase, Named):
    """An open case with the name of its department."""


class ListedRequest(OpenRequest, Named):
    """An open request with the name of its department."""


class Cases(BaseModel):
    """Open cases, those due first at the front."""

    as_of: str
    total: int = Field(description="how many there are in all, on every page")
    items: list[ListedCase]
    next_cursor: str | None = Field(None, description="`cursor` of the next page; null on the last")


class Requests(BaseModel):
    """Open sharing requests, those due first at the front."""

    as_of: str
    total: int = Field(description="how many there are in all, on every page")
    items: list[ListedRequest]
    next_cursor: str | None = Field(None, description="`cursor` of the next page; null on the last")


def get_workers(request: Request) -> Workers:
    """Whom to ask."""
    return request.app.state.workers  # type: ignore[no-any-return]


Asked = Annotated[Workers, Depends(get_workers)]
ItemQuery = Annotated[str | None, Query(description="only this item", max_length=128)]
TextQuery = Annotated[str | None, Query(description="part of a serial, an acceptance number or a request's id", max_length=128)]
SortQuery = Annotated[Sort, Query(description="by due time, time of acceptance, department, or serial")]
FormatQuery = Annotated[Format, Query(description=f"csv: a file for spreadsheets, of all pages, at most {CSV_ROWS:,} rows")]
router = APIRouter(prefix="/api/v1", responses=ANSWERS, tags=["v1"])


@router.get("/explain/{department}/{period}/{indicator}", summary="Why a score is what it is")
def explain(
    model: Model,
    workers: Asked,
    department: Annotated[str, Path(description="a department's code", max_length=64)],
    period: Annotated[PeriodLabel, Path(description="YYYY-MM")],
    indicator: Annotated[str, Path(description="an indicator's id", max_length=64)],
    side: Annotated[Side | None, Query(description="only what counts for, or against")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ExplanationAnswer:
    """The formula with its numbers, and everything counted, with reason, source events and times.

    The worker that owns the department answers; numerators and denominators of all pages add up to the record. Of a closed period the
    frozen record is explained by what had arrived at its closing.
    """
    found = workers.explain(department, period, indicator, side=side, limit=limit, after=decode_cursor(cursor))
    adjustments = [] if found.closing is None else model.adjustments(period, department, indicator)
    return ExplanationAnswer(
        **found.model_dump(exclude={"next_cursor"}), next_cursor=encode_text(found.next_cursor), adjustments=adjustments
    )


@router.get("/cases", summary="Open cases", response_model=Cases)
def cases(
    request: Request,
    model: Model,
    workers: Asked,
    state: Annotated[CaseState, Query(description="all, due within 24 hours, overdue, or suspended")] = "overdue",
    department: DepartmentQuery = None,
    item: ItemQuery = None,
    text: TextQuery = None,
    sort: SortQuery = "due",
    limit: Limit = 100,
    cursor: Cursor = None,
    format: FormatQuery = "json",  # noqa: A002  # its name in the address
) -> Cases | Response:
    """With the due time, how it was computed, and the time left. While workers do not answer, `/api/v1/alerts` has those announced."""
    wanted = filter_of(request, department, item, text, sort, limit, cursor)
    names = model.departments()
    if format == "csv":
        found = all_of(lambda some: workers.cases(state, some), wanted)
        return csv_response("cases", CASE_COLUMNS, map(case_cells(names), found))
    page = workers.cases(state, wanted)
    return Cases(
        as_of=page.as_of,
        total=page.total,
        items=[ListedCase(**case.model_dump(), department_name=names.get(case.department, case.department)) for case in page.items],
        next_cursor=encode_text(page.next_cursor),
    )


@router.get("/requests", summary="Open sharing requests", response_model=Requests)
def requests(
    request: Request,
    model: Model,
    workers: Asked,
    state: Annotated[RequestState, Query(description="all, due within 24 hours, or overdue")] = "overdue",
    department: DepartmentQuery = None,
    text: TextQuery = None,
    sort: SortQuery = "due",
    limit: Limit = 100,
    cursor: Cursor = None,
    format: FormatQuery = "json",  # noqa: A002
) -> Requests | Response:
    """Those that the departments have to answer, with their due times."""
    wanted = filter_of(request, department, None, text, sort, limit, cursor)
    names = model.departments()
    if format == "csv":
        return csv_response(
            "requests", REQUEST_COLUMNS, map(request_cells(names), all_of(lambda some: workers.requests(state, some), wanted))
        )
    page = workers.requests(state, wanted)
    return Requests(
        as_of=page.as_of,
        total=page.total,
        items=[ListedRequest(**held.model_dump(), department_name=names.get(held.department, held.department)) for held in page.items],
        next_cursor=encode_text(page.next_cursor),
    )


def filter_of(
    request: Request, department: str | None, item: str | None, text: str | None, sort: Sort, limit: int | None, cursor: str | None
) -> Filter:
    """What is asked for, of the departments that the user may see."""
    user: User = request.state.user
    departments = (department,) if department else user.departments
    return Filter(departments, item or None, text or None, sort, limit, decode_cursor(cursor))


def all_of(ask: Callable[[Filter], P], wanted: Filter) -> Iterator[Any]:
    """The things of all pages, at most `CSV_ROWS`."""
    after, count = None, 0
    while count < CSV_ROWS:
        page = ask(Filter(wanted.departments, wanted.item, wanted.text, wanted.sort, PAGE_ROWS, after))
        yield from page.items
        count, after = count + len(page.items), page.next_cursor
        if after is None:
            return


CASE_COLUMNS = (
    "department", "department_name", "serial", "acceptance_no", "item", "item_name", "accepted_at", "state", "suspended", "due_at",
    "seconds_left", "due_given", "promised_days", "counted_from", "workdays_suspended", "days_off", "provisional",
)  # fmt: skip
REQUEST_COLUMNS = (
    "department", "department_name", "request", "requester", "raised_at", "state", "due_at", "seconds_left", "due_given", "days",
    "counted_from", "days_off", "provisional",
)  # fmt: skip


def case_cells(names: dict[str, str]) -> Callable[[OpenCase], list[Cell]]:
    """A case as a row of `CASE_COLUMNS`."""

    def cells(case: OpenCase) -> list[Cell]:
        due = case.due or DueBasis(given=False)
        return [
            case.department, names.get(case.department, case.department), case.serial, case.acceptance_no, case.item, case.item_name,
            case.accepted_at, case.state, case.suspended, case.due_at, case.seconds_left, due.given, due.days,
            due.counted_from, sum(suspension.workdays for suspension in due.suspensions), " ".join(due.days_off),
            due.provisional,
        ]  # fmt: skip

    return cells


def request_cells(names: dict[str, str]) -> Callable[[OpenRequest], list[Cell]]:
    """A request as a row of `REQUEST_COLUMNS`."""

    def cells(found: OpenRequest) -> list[Cell]:
        due = found.due
        return [
            found.department, names.get(found.department, found.department), found.request, found.requester, found.raised_at, found.state,
            found.due_at, found.seconds_left, due.given, due.days, due.counted_from, " ".join(due.days_off),
            due.provisional,
        ]  # fmt: skip

    return cells
