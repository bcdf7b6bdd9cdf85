"""`policies.md`: the policies of a ruleset, from `models.rulesets`."""

from importlib.resources import files
from typing import Any

from docpages.markdown import code, table
from docpages.schemas import said, schema_of
from models import rulesets
from models.rulesets import Policies, Ruleset


def sections() -> dict[str, str]:
    """The tables of the page, and the shipped ruleset."""
    return {"policies": _fields(Policies), "ruleset": _fields(Ruleset), "default": _default()}


def _fields(cls: type[Policies] | type[Ruleset]) -> str:
    properties = schema_of(cls, "validation")["properties"]
    rows = [
        [code(name), said(properties[name]), _shown(field.get_default()), field.description or "the policies, below"]
        for name, field in cls.model_fields.items()
    ]
    return table(["field", "value", "default", "meaning"], rows)


def _shown(value: Any) -> str:
    return code(str(value).lower()) if isinstance(value, str | int) else ""


def _default() -> str:
    text = files(rulesets).joinpath("default.yaml").read_text(encoding="utf-8")
    return f"```yaml\n{text.rstrip()}\n```\n"
