"""`/api/docs`: the operations of the API. A page of our own, for a closed network has no assets of others."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from streams.serving.pages.rendering import get_pages

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/api/docs")
def docs(request: Request) -> Response:
    """The operations of the API."""
    return get_pages(request).render("api.html", schema=request.app.openapi(), type_of=_type_of)


def _type_of(schema: dict[str, Any]) -> str:
    """A parameter's type for people."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type_of(part) for part in schema["anyOf"] if part.get("type") != "null")
    if schema.get("type") == "array":
        return f"{_type_of(schema['items'])} …"
    return str(schema.get("const") or schema.get("pattern") or schema.get("type") or schema.get("$ref", "").rpartition("/")[2])
