"""Evidence: the very things that an indicator counted, from the same contributions that the counters are sums of."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

from models.facts import Fact
from scoring.entities.base import Entity, in_order
from scoring.indicators.base import Exact, Indicator
from scoring.view import View

Order = tuple[bool, str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing, or a part of one, and what it added to the two sums. `against`: it costs points."""

    entity: Entity
    part: str
    numerator: Fraction
    denominator: Fraction
    against: bool
    view: View

    @property
    def kind(self) -> str:
        """Of what kind the thing is."""
        return self.entity.kind

    @property
    def id(self) -> str:
        """Its id; of a part, followed by that of the part."""
        return f"{self.entity.id}/{self.part}" if self.part else self.entity.id

    @property
    def order(self) -> Order:
        """What counts against comes first, then by kind and id."""
        return not self.against, self.kind, self.id

    @property
    def details(self) -> dict[str, Any]:
        """What explains it, for people; instants in microseconds."""
        return self.entity.describe(self.view.department, self.view.cutoff)

    @property
    def facts(self) -> list[Fact]:
        """The facts that made it what it is, in the order of their time."""
        return in_order(self.entity.sources(self.view.department, self.part))


def evidence(indicator: Indicator, view: View) -> list[Evidence]:
    """Everything counted, what counts against first. The parts add up to numerator and denominator of the score."""
    found = [entry for some in evidence_in_slices(indicator, view, 1 << 62) for entry in some]
    return sorted(found, key=lambda entry: entry.order)


def evidence_in_slices(indicator: Indicator, view: View, size: int) -> Iterator[list[Evidence]]:
    """The same in no order, of so many entities at a time: whoever asks may do something else in between.

    What rules set to 0 is in it as well, with nothing added to the sums.
    """
    yield [Evidence(entity, "", Fraction(0), Fraction(0), against=True, view=view) for entity in indicator.zeroing(view)]
    if indicator.reads_catalogue and not view.has_catalogue:
        return
    entities = iter(list(view.department.entities()))
    while some := list(islice(entities, size)):
        yield [entry for entity in some for entry in _of_entity(entity, indicator, view)]


def _of_entity(entity: Entity, indicator: Indicator, view: View) -> Iterator[Evidence]:
    parts: dict[str, tuple[Exact, Exact]] = {}
    for component, period, sub, amount in entity.contributions(view.department):
        reading = indicator.components.get(component)
        if reading is None or not (period <= view.period if reading.is_stock else period == view.period):
            continue
        up, down = reading.weigh(view, sub)
        part = sub if entity.by_sub else ""
        held = parts.get(part, (0, 0))
        parts[part] = (held[0] + amount * up, held[1] + amount * down)
    for part, (numerator, denominator) in parts.items():
        if numerator or denominator:
            against = numerator > 0 if indicator.lower_is_better else numerator < denominator
            yield Evidence(entity, part, Fraction(numerator), Fraction(denominator), against, view)
