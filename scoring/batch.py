"""Scoring a history at once: the very folds and indicators of the live system, at a fixed instant."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from models.events import Envelope, Event
from models.facts import Fact, to_fact
from models.instants import to_instant
from models.rulesets import Ruleset
from scoring.city import City
from scoring.context import create_context
from scoring.scores import score_city
from scoring.workdays import Workdays

_EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])


def fold_facts(
    facts: Iterable[Fact], as_of: int, ruleset: Ruleset, *, timezone: str = "Asia/Shanghai", workdays: Workdays | None = None
) -> City:
    """The city that facts amount to as of an instant in microseconds."""
    city = City(create_context(ruleset, as_of, timezone=timezone, workdays=workdays))
    city.take_all(facts)
    return city


def score_events(
    events: Sequence[dict[str, Any]],
    as_of: datetime,
    ruleset: Ruleset,
    *,
    timezone: str = "Asia/Shanghai",
    workdays: Workdays | None = None,
) -> list[dict[str, Any]]:
    """The score records of events given as JSON objects, as of an aware datetime, with ranks.

    Raises:
        pydantic.ValidationError: an object is not an event of the contract.
    """
    facts = map(to_fact, _EVENTS.validate_python(events))
    city = fold_facts(facts, to_instant(as_of), ruleset, timezone=timezone, workdays=workdays)
    return [record.model_dump(exclude_none=True) for record in score_city(city)]
