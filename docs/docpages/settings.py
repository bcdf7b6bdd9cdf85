"""`settings.md`: every setting, from `models.settings`."""

from pathlib import Path

from pydantic.fields import FieldInfo

from docpages.markdown import code, table
from docpages.schemas import said, schema_of
from models.settings import EXAMPLES, PREFIX, Settings

# Of a default that is made when the program starts: what it is made of.
MADE = {"worker_id": "host name and process id"}


def sections() -> dict[str, str]:
    """The table of the page."""
    properties = schema_of(Settings, "validation")["properties"]
    rows = [
        [code(variable(name)), _default(name, field), said(properties[name]), field.description, _example(name)]
        for name, field in Settings.model_fields.items()
    ]
    return {"settings": table(["variable", "default", "value", "meaning", "example"], rows)}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def _default(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        return MADE[name]
    if field.default in (None, ""):
        return "none" if field.default is None else "empty"
    return code(str(field.default).lower() if not isinstance(field.default, str | Path) else field.default)


def _example(name: str) -> str:
    return code(EXAMPLES[name]) if name in EXAMPLES else ""
