"""`/interfaces`: the interfaces and tables of all departments, first those that are down or overdue."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from streams.serving.api import DepartmentQuery, Model
from streams.serving.pages.frame import due_text, frame_of, local_text
from streams.serving.pages.rendering import get_pages

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/interfaces")
def interfaces(request: Request, model: Model, department: DepartmentQuery = None) -> Response:
    """All interfaces and tables, or those of a department."""
    status = model.status()
    pages = get_pages(request)
    wanted = department or None
    held = sorted((i for i in status.interfaces if wanted in (None, i.department)), key=lambda i: i.up)
    tables = sorted((t for t in status.tables if wanted in (None, t.department)), key=lambda t: not t.overdue)
    return pages.render(
        "interfaces.html",
        **frame_of(pages, model, status, None),
        names=status.names,
        department=wanted,
        interfaces=[(i, local_text(model, i.since)) for i in held],
        tables=[(t, local_text(model, t.last_update_at), due_text(model, t.next_due_at)) for t in tables],
        down=sum(not i.up for i in held),
        overdue=sum(t.overdue for t in tables),
    )
