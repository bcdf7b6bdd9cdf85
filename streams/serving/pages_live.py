"""The pages that workers answer from their memory: why a score is what it is, and the open cases and requests."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from models.explanations import CASE_STATES, REQUEST_STATES, CaseState, DueBasis, EvidenceRow, RequestState, Side
from models.identifiers import PeriodLabel
from models.text import Language
from scoring.explaining import points_text, reason_of
from scoring.indicators import BY_ID
from scoring.indicators.base import Indicator
from scoring.open_things import Sort
from scoring.scores import round_half_up
from streams.serving.api import Cursor, DepartmentQuery, Model, decode_cursor, encode_text
from streams.serving.api_live import Asked, ItemQuery, SortQuery, TextQuery, filter_of
from streams.serving.pages import due_text, frame_of, get_pages, local_text
from streams.serving.problems import problem
from streams.serving.read_model import ReadModel
from streams.serving.texts import span_text, translator
from streams.serving.texts_live import DETAILS, KINDS

SHOWN_EVIDENCE = 100
SHOWN_THINGS = 100
SORTS: tuple[Sort, ...] = ("due", "accepted", "department", "serial")
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/explain/{code}/{period}/{identifier}")
def explain(
    request: Request,
    model: Model,
    workers: Asked,
    code: str,
    period: PeriodLabel,
    identifier: str,
    side: Annotated[Side, Query()] = "against",
    cursor: Cursor = None,
) -> Response:
    """Why a score is what it is: the formula with its numbers, and everything counted."""
    indicator = BY_ID.get(identifier)
    if indicator is None:
        raise problem(404, f"{identifier[:64]} is not an indicator; the ids are: {', '.join(BY_ID)}")
    pages, status = get_pages(request), model.status()
    found = workers.explain(code, period, identifier, side=side, limit=SHOWN_EVIDENCE, after=decode_cursor(cursor))
    record, language = found.record, pages.language
    verb = translator(language)("deducted" if indicator.deduction else "points")
    base = f"/explain/{code}/{period}/{identifier}"
    return pages.render(
        "explain.html",
        **frame_of(pages, model, status, period),
        code=code,
        name=status.names.get(code, code),
        indicator=indicator,
        record=record,
        cell=pages.cell(record),
        with_numbers=f"{found.with_numbers.rpartition('; ')[0]}; {points_text(indicator, record, verb)}",
        closing=found.closing,
        other_ruleset=None if found.other_ruleset is None else found.other_ruleset[language],
        adjustments=[(entry, local_text(model, entry.arrived_at)) for entry in model.adjustments(period, code, identifier)],
        side=side,
        counted=found.counted,
        rows=[_row(indicator, row, language, model) for row in found.evidence],
        next_page=_next(base, encode_text(found.next_cursor), side=side),
        base=base,
        first=cursor is None,
    )


def _row(indicator: Indicator, row: EvidenceRow, language: Language, model: ReadModel) -> dict[str, Any]:
    zeroes = row.numerator == row.denominator == "0"
    reason = reason_of(indicator, against=row.counts == "against", zeroes=zeroes)
    return {
        "kind": KINDS[row.kind].in_(language),
        "id": row.id,
        "numerator": row.numerator,
        "denominator": row.denominator,
        "costs": None if row.costs is None else f"{round_half_up(Fraction(row.costs)):.2f}",
        "costs_exact": row.costs,
        "reason": None if reason is None else reason.in_(language),
        "details": list(_details(row.details, language, model)),
        "events": [(event.type, event.event_id, local_text(model, event.at), event.at) for event in row.events],
    }


def _details(details: Mapping[str, Any], language: Language, model: ReadModel) -> Iterable[tuple[str, str]]:
    for name, value in details.items():
        if value is None or value == []:
            continue
        label = DETAILS[name].in_(language)
        if isinstance(value, list) and isinstance(value[0], dict):
            for entry in value:
                yield label, "，".join(f"{part} {text}" for part, text in _details(entry, language, model))
        elif isinstance(value, list):
            yield label, ", ".join(map(str, value))
        else:
            yield (
                label,
                due_text(model, value)
                if name in ("due_at", "deadline_at")
                else (local_text(model, value) if name.endswith("_at") else str(value)),
            )


@router.get("/cases")
def cases(
    request: Request,
    model: Model,
    workers: Asked,
    state: Annotated[CaseState, Query()] = "overdue",
    department: DepartmentQuery = None,
    item: ItemQuery = None,
    text: TextQuery = None,
    sort: SortQuery = "due",
    cursor: Cursor = None,
) -> Response:
    """Open cases: all, due soon, overdue or suspended, with how their due times were computed."""
    page = workers.cases(state, filter_of(request, department, item, text, sort, SHOWN_THINGS, cursor))
    pages, status = get_pages(request), model.status()
    asked = {"state": state, "department": department, "item": item, "text": text, "sort": sort}
    return pages.render(
        "cases.html",
        **frame_of(pages, model, status, None),
        **_list_frame("/cases", asked, encode_text(page.next_cursor), first=cursor is None),
        states=CASE_STATES,
        names=status.names,
        total=page.total,
        rows=[
            {
                "case": case,
                "name": status.names.get(case.department, case.department),
                "accepted": local_text(model, case.accepted_at),
                "due": due_text(model, case.due_at),
                "left": left_text(case.seconds_left, pages.language),
                "basis": basis_texts(case.due, pages.language),
            }
            for case in page.items
        ],
    )


@router.get("/requests")
def requests(
    request: Request,
    model: Model,
    workers: Asked,
    state: Annotated[RequestState, Query()] = "overdue",
    department: DepartmentQuery = None,
    text: TextQuery = None,
    sort: SortQuery = "due",
    cursor: Cursor = None,
) -> Response:
    """Open sharing requests that the departments have to answer."""
    page = workers.requests(state, filter_of(request, department, None, text, sort, SHOWN_THINGS, cursor))
    pages, status = get_pages(request), model.status()
    asked = {"state": state, "department": department, "text": text, "sort": sort}
    return pages.render(
        "requests.html",
        **frame_of(pages, model, status, None),
        **_list_frame("/requests", asked, encode_text(page.next_cursor), first=cursor is None),
        states=REQUEST_STATES,
        names=status.names,
        total=page.total,
        rows=[
            {
                "request": found,
                "name": status.names.get(found.department, found.department),
                "requester": status.names.get(found.requester, found.requester),
                "raised": local_text(model, found.raised_at),
                "due": due_text(model, found.due_at),
                "left": left_text(found.seconds_left, pages.language),
                "basis": basis_texts(found.due, pages.language),
            }
            for found in page.items
        ],
    )


def _list_frame(path: str, asked: dict[str, str | None], cursor: str | None, *, first: bool) -> dict[str, Any]:
    without_state = {name: value for name, value in asked.items() if name != "state"}
    return {
        "asked": asked,
        "sorts": SORTS,
        "first": first,
        "next_page": _next(path, cursor, **asked),
        "first_page": f"{path}?{_query(asked)}",
        "of_state": f"{path}?{_query(without_state)}&state=",
        "csv": f"/api/v1{path}?{_query({**asked, 'format': 'csv'})}",
    }


def _next(path: str, cursor: str | None, **asked: str | None) -> str | None:
    return None if cursor is None else f"{path}?{_query({**asked, 'cursor': cursor})}"


def _query(asked: Mapping[str, str | None]) -> str:
    return urlencode({name: value for name, value in asked.items() if value})


def left_text(seconds: int | None, language: Language) -> str:
    """The time left, or over."""
    if seconds is None:
        return ""
    name = "left_over" if seconds < 0 else "left"
    return translator(language)(name).format(span=span_text(abs(seconds), language))


def basis_texts(due: DueBasis | None, language: Language) -> list[str]:
    """How a due time was computed, in sentences."""
    t = translator(language)
    if due is None:
        return []
    if due.given:
        return [t("due_given")]
    suspended = sum(suspension.workdays for suspension in due.suspensions)
    found = [t("due_days").format(day=due.counted_from, days=due.days)]
    found += [t("due_suspended").format(days=suspended)] if suspended else []
    found += [t("due_days_off").format(days=", ".join(due.days_off))] if due.days_off else []
    found += [t("due_made_up").format(days=", ".join(due.made_up))] if due.made_up else []
    return found + ([t("due_provisional")] if due.provisional else [])
