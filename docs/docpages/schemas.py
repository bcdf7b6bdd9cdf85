"""JSON Schemas of events and records, from pydantic; and how a schema is said in a table."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from models import records
from models.events import CLASS_OF_TYPE
from models.identifiers import PeriodLabel, RegionCode

Mode = Literal["validation", "serialization"]
SHOWN_PATTERN = 60
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Plain(GenerateJsonSchema):
    """Without the titles that pydantic makes of field names: they say nothing, and the file is read by people too."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@lru_cache(maxsize=256)
def schema_of(model: type[BaseModel], mode: Mode) -> dict[str, Any]:
    """The JSON Schema of a model."""
    return {"$schema": DIALECT, **_same_of_all_versions(model.model_json_schema(mode=mode, schema_generator=_Plain))}


def _same_of_all_versions(schema: Any) -> Any:
    """Without `additionalProperties: true`, which is the default and which only some versions of pydantic write."""
    if isinstance(schema, dict):
        return {key: _same_of_all_versions(value) for key, value in schema.items() if (key, value) != ("additionalProperties", True)}
    return [_same_of_all_versions(value) for value in schema] if isinstance(schema, list) else schema


def record_classes() -> dict[str, type[records.Record]]:
    """The records that go out, by the name of their file."""
    found = [value for value in vars(records).values() if isinstance(value, type) and issubclass(value, records.Record)]
    return {_file_name(cls): cls for cls in found if cls not in (records.Record, records.DueSoon)}


def _file_name(cls: type[records.Record]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.removesuffix("Record")).lower()


def files() -> dict[str, str]:
    """The schema files."""
    events = {f"schemas/events/{name}.json": schema_of(cls, "validation") for name, cls in CLASS_OF_TYPE.items()}
    outgoing = {f"schemas/records/{name}.json": schema_of(cls, "serialization") for name, cls in record_classes().items()}
    return {path: json.dumps(schema, ensure_ascii=False, indent=2) + "\n" for path, schema in {**events, **outgoing}.items()}


def _pattern(annotated: Any) -> str:
    return str(TypeAdapter(annotated).json_schema()["pattern"])


PATTERNS = {_pattern(PeriodLabel): "`YYYY-MM`", _pattern(RegionCode): "6 or 12 digits"}


def said(schema: dict[str, Any]) -> str:
    """A schema in a few words.

    >>> said({"type": "integer", "minimum": 0, "maximum": 99})
    'integer 0–99'
    """
    if "anyOf" in schema:
        return " or ".join(said(part) for part in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " | ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "object")  # a reference leads to an object
    return _SAID.get(kind, lambda _: str(kind))(schema)


def _array(schema: dict[str, Any]) -> str:
    items = said(schema["items"])
    return f"list of {'strings' if items == 'string' else items}"


def _integer(schema: dict[str, Any]) -> str:
    low = schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else schema.get("minimum")
    high = schema.get("maximum")
    if low is None and high is None:
        return "integer"
    return f"integer {low}" if low == high else f"integer {low}–{high}"


def _string(schema: dict[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "time"
    if "pattern" in schema:
        like = f"string like `{schema['pattern']}`" if len(schema["pattern"]) <= SHOWN_PATTERN else "string"
        return PATTERNS.get(schema["pattern"], like)
    if "91350100M000100Y43" in schema.get("examples", []):
        return "department code"
    if "maxLength" in schema:
        return f"string, {schema['minLength']}–{schema['maxLength']} characters" if "minLength" in schema else "string"
    return "string"


_SAID: Mapping[str, Callable[[dict[str, Any]], str]] = {"array": _array, "integer": _integer, "string": _string}
