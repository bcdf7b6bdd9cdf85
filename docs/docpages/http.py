"""`http.md`: the operations of the API, from its routers."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from docpages.markdown import blocks, code, first_sentence, table
from docpages.schemas import said, schema_of
from models.explanations import DueBasis, EvidenceRow, Explanation, OpenCase, OpenRequest, SourceEvent, Suspension
from models.records import Record
from streams.serving import api, api_live, api_records, stream

LIVE_MODELS: tuple[type[Record], ...] = (Explanation, EvidenceRow, SourceEvent, OpenCase, OpenRequest, DueBasis, Suspension)


def sections() -> dict[str, str]:
    """The overview and the operations."""
    found = list(_operations())
    overview = table(["operation", "answers"], ([code(f"GET {path}"), operation["summary"]] for path, operation in found))
    return {
        "overview": overview,
        "operations": blocks(_section(path, operation) for path, operation in found),
        "live": blocks(map(_model, LIVE_MODELS)),
    }


def _model(cls: type[Record]) -> str:
    properties = schema_of(cls, "serialization")["properties"]
    rows = [[code(name), said(schema), schema.get("description", "")] for name, schema in properties.items()]
    return blocks([f"{cls.__name__}: {first_sentence(cls.__doc__)}", table(["field", "value", "meaning"], rows)])


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    app = FastAPI()
    app.include_router(api.router)
    app.include_router(api_records.router)
    app.include_router(stream.router)
    app.include_router(api_live.router)
    for path, methods in app.openapi()["paths"].items():
        yield path, methods["get"]


def _section(path: str, operation: dict[str, Any]) -> str:
    rows = [
        [code(parameter["name"]), said(parameter["schema"]).removesuffix(" or null"), _default(parameter), parameter.get("description", "")]
        for parameter in operation.get("parameters", [])
    ]
    return blocks([f"### GET {path}", operation.get("description", ""), table(["parameter", "value", "default", "meaning"], rows)])


def _default(parameter: dict[str, Any]) -> str:
    default = parameter["schema"].get("default")
    return "" if default is None else code(default)
