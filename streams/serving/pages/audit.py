"""`/audit`: who ordered and recorded what."""

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from models.records import AuditAction, AuditRecord
from streams.serving.api import Cursor, DepartmentQuery, Model, decode_cursor, encode_cursor
from streams.serving.pages.frame import frame_of, local_text
from streams.serving.pages.rendering import get_pages

SHOWN_RECORDS = 100
ACTIONS: tuple[AuditAction, ...] = get_args(AuditAction)
router = APIRouter(default_response_class=HTMLResponse)


@router.get("/audit")
def audit(
    request: Request,
    model: Model,
    action: Annotated[str | None, Query(max_length=40)] = None,
    department: DepartmentQuery = None,
    cursor: Cursor = None,
) -> Response:
    """Audit records, the newest first."""
    pages, status = get_pages(request), model.status()
    wanted = next((known for known in ACTIONS if known == action), None)
    page = model.audit(SHOWN_RECORDS, decode_cursor(cursor), wanted, department or None)
    return pages.render(
        "audit.html",
        **frame_of(pages, model, status, None),
        names=status.names,
        department=department,
        action=action,
        actions=ACTIONS,
        rows=[(record, local_text(model, record.at), _details(record)) for record in page.items],
        first=cursor is None,
        cursor=encode_cursor(page),
    )


def _details(record: AuditRecord) -> str:
    return "  ".join(f"{name}: {value}" for name, value in record.details.items())
