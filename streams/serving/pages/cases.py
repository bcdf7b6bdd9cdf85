"""`/cases`: open cases that are overdue or due soon."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from models.instants import SECOND, parse_instant
from streams.serving.api import CASE_KINDS, CaseState, Cursor, DepartmentQuery, Model, cases_of, decode_cursor, encode_cursor
from streams.serving.pages.frame import due_text, frame_of
from streams.serving.pages.rendering import get_pages

SHOWN_CASES = 100
router = APIRouter(default_response_class=HTMLResponse)


@router.get("/cases")
def cases(
    request: Request,
    model: Model,
    state: Annotated[CaseState, Query()] = "overdue",
    department: DepartmentQuery = None,
    cursor: Cursor = None,
) -> Response:
    """Open cases that are overdue or due soon, those due first at the front."""
    pages = get_pages(request)
    status = model.status()
    department = department or None
    page = model.alerts("firing", [CASE_KINDS[state]], department, limit=SHOWN_CASES, after=decode_cursor(cursor))
    found = cases_of(page, state, status.names)
    now = model.now()
    return pages.render(
        "cases.html",
        **frame_of(pages, model, status, None),
        state=state,
        department=department,
        names=status.names,
        rows=[(case, due_text(model, case.due_at), abs(now - parse_instant(case.due_at or case.since)) / SECOND) for case in found],
        count=page.total,
        first=cursor is None,
        cursor=encode_cursor(page),
    )
