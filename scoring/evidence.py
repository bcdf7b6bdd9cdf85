"""Evidence: the very things that an indicator counted, from the same contributions that the counters are sums of."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scoring.entities.base import Entity
from scoring.indicators.base import Exact, Indicator
from scoring.view import View


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing, what it added to the two sums, and the facts that explain it. `against`: it costs points."""

    kind: str
    id: str
    numerator: Fraction
    denominator: Fraction
    against: bool
    details: dict[str, Any]


def evidence(indicator: Indicator, view: View) -> list[Evidence]:
    """Everything counted, what counts against first. The parts add up to numerator and denominator of the score."""
    if indicator.reads_catalogue and not view.has_catalogue:
        return []
    found = [entry for entity in view.department.entities() for entry in _of_entity(entity, indicator, view)]
    return sorted(found, key=lambda entry: (not entry.against, entry.kind, entry.id))


def _of_entity(entity: Entity, indicator: Indicator, view: View) -> Iterator[Evidence]:
    parts: dict[str, tuple[Exact, Exact]] = {}
    counted = False
    for component, period, sub, amount in entity.contributions(view.department):
        reading = indicator.components.get(component)
        if reading is None or not (period <= view.period if reading.is_stock else period == view.period):
            continue
        up, down = reading.weigh(view, sub)
        part = sub if entity.by_sub else ""
        held = parts.get(part, (0, 0))
        parts[part] = (held[0] + amount * up, held[1] + amount * down)
        counted = True
    if not counted:
        return
    details = entity.describe(view.department)
    for part, (numerator, denominator) in parts.items():
        if numerator or denominator:
            identifier = f"{entity.id}/{part}" if part else entity.id
            against = numerator > 0 if indicator.lower_is_better else numerator < denominator
            yield Evidence(entity.kind, identifier, Fraction(numerator), Fraction(denominator), against, details)
