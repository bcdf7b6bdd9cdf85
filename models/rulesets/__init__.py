"""Rulesets: every policy of the spec as a named field, read from YAML, validated, identified by name and hash."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from models.identifiers import PeriodLabel

DEFAULT = "default"
EXAMPLES = {"name": "city", "seed": "city-2026", "valid_from": "2027-01", "previous": DEFAULT}


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
    """A named set of policies and the seed of the sampling draws; with `valid_from` the newest of a chain."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = Field(description="lower case, digits, - and _")
    seed: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="Seed of the sampling draws (docs/indicators.md).")
    policies: Policies = Policies()
    valid_from: PeriodLabel | None = Field(
        None,
        description="In force from this period on, YYYY-MM; the periods before have the ruleset `previous`. Without it: in all periods.",
    )
    previous: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="The ruleset of the periods before `valid_from`: `default`, or a file, relative to this one. Without it: `default`.",
    )
    _before: "Ruleset | None" = PrivateAttr(None)

    def with_policies(self, **changes: Any) -> "Ruleset":
        """The same ruleset with some policies changed (validated)."""
        policies = Policies.model_validate({**self.policies.model_dump(), **changes})
        return self.model_copy(update={"policies": policies})

    def following(self, before: "Ruleset", valid_from: str) -> "Ruleset":
        """The same ruleset from a period on, after another one.

        Raises:
            ValueError: the other one takes effect in that period itself, or later.
        """
        if before.valid_from is not None and before.valid_from >= valid_from:
            raise ValueError(f"{valid_from} should be later than {before.valid_from}, when the previous ruleset took effect")
        chained = self.model_copy(update={"valid_from": valid_from})
        chained._before = before  # noqa: SLF001  # nobody has seen it yet
        return chained

    def alone(self) -> "Ruleset":
        """The same ruleset in every period, whatever its `valid_from`."""
        copy = self.model_copy()
        copy._before = None  # noqa: SLF001  # nobody has seen it yet
        return copy

    def chain(self) -> "Iterator[Ruleset]":
        """This ruleset and those of the periods before it, the newest first."""
        yield self
        if self._before is not None:
            yield from self._before.chain()

    def in_period(self, label: str) -> "Ruleset":
        """The ruleset in force in a period, `YYYY-MM`; before the oldest one of the chain that is the oldest."""
        if self._before is None or self.valid_from is None or label >= self.valid_from:
            return self
        return self._before.in_period(label)

    def identity(self, *environment: str) -> str:
        """`name@hash`: the hash is over the content and the environment (time zone, digest of the calendar in force).

        Of a chain it is over this ruleset alone: what has a new one follow it keeps its identity. A file's place is no content.
        """
        return self._named([self.model_dump_json(exclude={"previous"}, exclude_none=True), *environment])

    def chain_identity(self, *environment: str) -> str:
        """The identity of the whole chain, by which processes are compared; of a ruleset without one before it, its identity."""
        members = [held.identity(*environment) for held in self.chain()]
        return members[0] if len(members) == 1 else self._named(members)

    def _named(self, content: list[str]) -> str:
        return f"{self.name}@{hashlib.sha256(chr(10).join(content).encode()).hexdigest()[:12]}"


def default_ruleset() -> Ruleset:
    """The ruleset shipped with the program: the defaults of the spec."""
    return parse_ruleset(files(__name__).joinpath("default.yaml").read_text(encoding="utf-8"), DEFAULT)


def load_ruleset(name_or_path: str) -> Ruleset:
    """The shipped ruleset `default`, or that of a YAML file, with those of the periods before it.

    Raises:
        RulesetError: no such file, not YAML, or a wrong field; the text says which and gives an example.
    """
    if name_or_path == DEFAULT:
        return default_ruleset()
    try:
        text = _read(name_or_path)
    except OSError as error:
        raise RulesetError(f"ruleset {name_or_path}: {error}; give a YAML file, or `default`") from None
    return parse_ruleset(text, name_or_path)


def parse_ruleset(text: str, where: str) -> Ruleset:
    """The ruleset of a YAML text, with those of the periods before it.

    Args:
        text: the YAML.
        where: its file, which names it in errors and to which `previous` is relative.

    Raises:
        RulesetError: as `load_ruleset`.
    """
    return _chained(_parse(text, where), where, [Path(where).resolve()])


def _parse(text: str, where: str) -> Ruleset:
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2020-13-45 that is none
        raise RulesetError(f"ruleset {where}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise RulesetError(f"ruleset {where}: should be a mapping, for example `name: city`, `seed: city-2026`, `policies: {{}}`")
    try:
        ruleset = Ruleset.model_validate(content)
    except ValidationError as error:
        raise RulesetError("; ".join(f"ruleset {where}: {_explain(fault)}" for fault in error.errors())) from None
    if ruleset.previous is not None and ruleset.valid_from is None:
        raise _wrong(where, "valid_from", "is missing: `previous` is the ruleset of the periods before it")
    return ruleset


def _chained(ruleset: Ruleset, where: str, later: list[Path]) -> Ruleset:
    """The ruleset with those of the periods before it; `later` are the files that led here, itself the last of them."""
    if ruleset.valid_from is None:
        return ruleset
    before = _before(ruleset.previous or DEFAULT, where, later)
    try:
        return ruleset.following(before, ruleset.valid_from)
    except ValueError as error:
        raise _wrong(where, "valid_from", str(error)) from None


def _before(previous: str, where: str, later: list[Path]) -> Ruleset:
    if previous == DEFAULT:
        return default_ruleset()
    path = Path(where).parent / previous
    try:
        text = _read(str(path))
    except OSError as error:
        raise _wrong(where, "previous", f"{path} {error}") from None
    place = path.resolve()
    if place in later:
        raise _wrong(where, "previous", f"{previous} leads in a circle: name the ruleset that was in force before")
    return _chained(_parse(text, str(path)), str(path), [*later, place])


def _read(path: str) -> str:
    """The text of a file. Raises OSError, saying why it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path with a null character
        raise OSError(f"cannot be read ({error})") from None


def _wrong(where: str, field: str, fault: str) -> RulesetError:
    return RulesetError(f"ruleset {where}: {field}: {fault}; for example `{field}: {EXAMPLES[field]}`")


def _explain(fault: Any) -> str:
    field = ".".join(str(part) for part in fault["loc"])
    examples = {**EXAMPLES, **{f"policies.{k}": v for k, v in Policies().model_dump().items()}}
    example = examples.get(field)
    hint = f"; for example `{field.rsplit('.')[-1]}: {str(example).lower()}`" if example is not None else ""
    return f"{field}: {fault['msg']} (got {str(fault['input'])[:60]!r}){hint}"
