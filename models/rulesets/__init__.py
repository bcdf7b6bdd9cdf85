"""Rulesets: every policy of the spec as a named field, read from YAML, validated, identified by name and hash."""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEFAULT = "default"


class RulesetError(ValueError):
    """A ruleset that cannot be used; the text names the field, the fault and an example."""


class Policies(BaseModel):
    """The choices that the original text leaves open (`docs/policies.md`)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    zero_denominator: Literal["full", "zero", "na"] = Field(
        "full",
        description="An indicator without workload (denominator 0): full points; zero; or na, not assessed: no points and its "
        "weight not in scored_max.",
    )
    floor_total: bool = Field(True, description="A total below 0 is 0.")
    aggregation: Literal["cohort", "flow"] = Field(
        "cohort",
        description="Indicator 4: cohort counts, of the serials issued in the period, those ingested by the cut-off; flow counts the "
        "cases ingested in the period, whenever issued, the ratio capped at 1.",
    )
    objection_carry_in: bool = Field(
        True,
        description="Indicators 10 and 13: objections flagged earlier and still unresolved count again; false: only those flagged "
        "in the period.",
    )
    sharing_workdays: Annotated[int, Field(ge=0, le=250)] = Field(
        10, description="Indicator 11: a sharing request without due_at is due at the end of this workday after the day raised."
    )
    grace_workdays: Annotated[int, Field(ge=0, le=250)] = Field(
        5, description="A period stays open for late facts until the end of this workday after its last day."
    )
    visit_tail: Literal["best", "first"] = Field(
        "best",
        description="Indicator 7: when no tail gives six items, the first of those that give the most; or the first tail.",
    )


class Ruleset(BaseModel):
    """A named set of policies and the seed of the sampling draws."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = Field(description="lower case, digits, - and _")
    seed: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="Seed of the sampling draws (docs/indicators.md).")
    policies: Policies = Policies()

    def with_policies(self, **changes: Any) -> "Ruleset":
        """The same ruleset with some policies changed (validated)."""
        policies = Policies.model_validate({**self.policies.model_dump(), **changes})
        return self.model_copy(update={"policies": policies})

    def identity(self, *environment: str) -> str:
        """`name@hash`: the hash is over the content and the environment (time zone, digest of the calendar in force)."""
        content = "\n".join([self.model_dump_json(), *environment])
        return f"{self.name}@{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def default_ruleset() -> Ruleset:
    """The ruleset shipped with the program: the defaults of the spec."""
    return parse_ruleset(files(__name__).joinpath("default.yaml").read_text(encoding="utf-8"), DEFAULT)


def load_ruleset(name_or_path: str) -> Ruleset:
    """The shipped ruleset `default`, or that of a YAML file.

    Raises:
        RulesetError: no such file, not YAML, or a wrong field; the text says which and gives an example.
    """
    if name_or_path == DEFAULT:
        return default_ruleset()
    try:
        text = Path(name_or_path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesetError(f"ruleset {name_or_path}: cannot be read ({error}); give a YAML file, or `default`") from None
    return parse_ruleset(text, name_or_path)


def parse_ruleset(text: str, where: str) -> Ruleset:
    """The ruleset of a YAML text; `where` names it in errors.

    Raises:
        RulesetError: as `load_ruleset`.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2020-13-45 that is none
        raise RulesetError(f"ruleset {where}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise RulesetError(f"ruleset {where}: should be a mapping, for example `name: city`, `seed: city-2026`, `policies: {{}}`")
    try:
        return Ruleset.model_validate(content)
    except ValidationError as error:
        raise RulesetError("; ".join(f"ruleset {where}: {_explain(fault)}" for fault in error.errors())) from None


def _explain(fault: Any) -> str:
    field = ".".join(str(part) for part in fault["loc"])
    examples = {"name": "city", "seed": "city-2026", **{f"policies.{k}": v for k, v in Policies().model_dump().items()}}
    example = examples.get(field)
    hint = f"; for example `{field.rsplit('.')[-1]}: {str(example).lower()}`" if example is not None else ""
    return f"{field}: {fault['msg']} (got {str(fault['input'])[:60]!r}){hint}"
