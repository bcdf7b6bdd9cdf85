"""Evidence: the very things that an indicator counted, from the same contributions that the counters are sums of."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice, takewhile
from typing import Any

from models.facts import Fact
from scoring.entities.base import Entity, in_order
from scoring.indicators.base import Exact, Indicator
from scoring.view import View

Order = tuple[bool, str, str]
FIRST_FOR: Order = (True, "", "")


@dataclass(slots=True)
class Evidence:
    """One thing, or a part of one, and what it added to the two sums. `against`: it costs points."""

    entity: Entity
    part: str
    numerator: Exact
    denominator: Exact
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
    def zeroes(self) -> bool:
        """Whether a rule sets the score to 0 for it: it adds nothing to the sums."""
        return not self.numerator and not self.denominator

    @property
    def details(self) -> dict[str, Any]:
        """What explains it, for people; instants in microseconds."""
        return self.entity.describe(self.view.department, self.view.cutoff)

    @property
    def facts(self) -> list[Fact]:
        """The facts that made it what it is, in the order of their time."""
        return in_order(self.entity.sources(self.view.department, self.part))


def order_of(entry: Evidence) -> Order:
    """What counts against comes first, then by kind and id."""
    return not entry.against, entry.kind, entry.id


class Gathered:
    """All evidence of an indicator in a view, put together some entities at a time: who gathers may do something else in between."""

    def __init__(self, indicator: Indicator, view: View) -> None:
        self._indicator = indicator
        self._view = view
        self._runs: list[list[Evidence]] = []  # each in order

    def entities(self) -> list[Entity]:
        """Every entity to look at."""
        if self._indicator.reads_catalogue and not self._view.has_catalogue:
            return []
        return list(self._view.department.entities(self._indicator.components))

    def look_at(self, entities: Iterable[Entity]) -> None:
        """Take in what these added to the sums; none of them was looked at before, or it was forgotten."""
        self._runs.append(sorted((entry for entity in entities for entry in self._of(entity)), key=order_of))

    def forget(self, entities: Collection[Entity]) -> None:
        """Take out what these added: they have changed."""
        if entities:
            self._runs = [[entry for entry in run if entry.entity not in entities] for run in self._runs]

    def look_at_zeroing(self) -> None:
        """Take in what rules set the score to 0 for; once, at the end."""
        zeroing = self._indicator.zeroing(self._view)
        found = [Evidence(entity, "", 0, 0, against=True, view=self._view) for entity in zeroing]
        self._runs.append(sorted(found, key=order_of))

    def counted(self) -> tuple[int, int]:
        """How many count for, and how many against."""
        against = sum(bisect_left(run, FIRST_FOR, key=order_of) for run in self._runs)
        return sum(map(len, self._runs)) - against, against

    def page(self, *, against: bool | None = None, limit: int | None = None, after: Order | None = None) -> tuple[list[Evidence], bool]:
        """Evidence in order, and whether there is more.

        Args:
            against: only what counts against, or for; None for all.
            limit: at most so many; None for all.
            after: the order of what the page before ended with.
        """
        if against is False:
            after = FIRST_FOR if after is None else max(after, FIRST_FOR)
        begun = (run if after is None else run[bisect_right(run, after, key=order_of) :] for run in self._runs)
        rest: Iterator[Evidence] = merge(*begun, key=order_of)
        if against:
            rest = takewhile(lambda entry: entry.against, rest)
        return list(islice(rest, limit)), next(rest, None) is not None

    def _of(self, entity: Entity) -> Iterator[Evidence]:
        indicator, view = self._indicator, self._view
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
                yield Evidence(entity, part, numerator, denominator, against, view)


def gather(indicator: Indicator, view: View) -> Gathered:
    """All evidence in one go. The counters must be settled."""
    gathered = Gathered(indicator, view)
    gathered.look_at(gathered.entities())
    gathered.look_at_zeroing()
    return gathered


def evidence(indicator: Indicator, view: View) -> list[Evidence]:
    """Everything counted, what counts against first. The parts add up to numerator and denominator of the score."""
    return gather(indicator, view).page()[0]
