"""`records.md`: the records that other programs read, from `models.records`."""

from typing import Any

from docpages.markdown import blocks, code, first_sentence, table
from docpages.parts import Meanings, must_fit, sentences
from docpages.schemas import record_classes, said, schema_of
from models.records import Record

WHERE = "docs/parts/records.yaml"


def sections() -> dict[str, str]:
    """The tables of the page."""
    written = sentences("records")
    classes = record_classes()
    must_fit(f"{WHERE} records", written["records"], classes)
    meanings = Meanings(f"{WHERE} fields", written["fields"])
    found = {name: _record(name, cls, written["records"][name], meanings) for name, cls in classes.items()}
    meanings.must_be_used_up()
    return found


def _record(name: str, cls: type[Record], where: str, meanings: Meanings) -> str:
    schema = schema_of(cls, "serialization")
    rows = [_row(name, field, described, cls, meanings) for field, described in schema["properties"].items()]
    sentence = f"{first_sentence(cls.__doc__)} {where} [Schema](schemas/records/{name}.json)."
    return blocks([sentence, table(["field", "value", "", "meaning"], rows)])


def _row(name: str, field: str, described: dict[str, Any], cls: type[Record], meanings: Meanings) -> list[str]:
    held = cls.model_fields[field]
    absent = held.default is None and held.default_factory is None  # a field with another default is always there
    kind = said(described).removesuffix(" or null")  # absent fields are left out, never null
    return [code(field), kind, "may be absent" if absent else "", meanings.of(name, field, held.description)]
