"""What an indicator sees: one department in one period, as of the context's now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from models.facts import Fact
from models.instants import format_instant
from scoring.context import Context, Rules
from scoring.department import Department
from scoring.local_time import period_label

Cell = dict[str, int]


class _Weights(dict[str, Any]):
    def __init__(self, view: View, weigh: Callable[[View, str], Any]) -> None:
        super().__init__()
        self._view = view
        self._weigh = weigh

    def __missing__(self, sub: str) -> Any:
        weight = self[sub] = self._weigh(self._view, sub)
        return weight


class View:
    """Reads the counters of a department for a period, and the few things that are looked up by the cut-off.

    It may be kept while counters change and now moves on, but not when what is looked up by the cut-off may have changed
    (`Changes.everything_from`): what subs weigh is worked out once.
    """

    def __init__(self, department: Department, period: int, *, closed: bool = False) -> None:
        """`closed`: the period is closed, whatever the grace time says."""
        self._closed = closed
        self.read: set[str] = set()  # components asked for
        self.department = department
        self.period = period
        self.label = period_label(period)
        self.cutoff = department.context.time.end_of(period)
        self._weights: dict[Callable[[View, str], Any], _Weights] = {}
        self._as_of = (-1, "")

    @property
    def context(self) -> Context:
        """The context of the department."""
        return self.department.context

    @property
    def rules(self) -> Rules:
        """The policies, seed and identity of the ruleset in force in the period."""
        return self.department.context.rules[self.period]

    def flow(self, component: str) -> Cell:
        """What a component counts in the period, by sub."""
        self.read.add(component)
        return self.department.counters.get(component, {}).get(self.period, {})

    def stock(self, component: str) -> Cell:
        """What a component amounts to at the cut-off, by sub: the sum of all changes up to the period."""
        self.read.add(component)
        total: Cell = {}
        for period, cell in self.department.counters.get(component, {}).items():
            if period <= self.period:
                for sub, amount in cell.items():
                    total[sub] = total.get(sub, 0) + amount
        return total

    def item(self, item: str) -> Fact | None:
        """The last `item.published` by the cut-off, also when retired since (a department must not drop workload by retiring items)."""
        held = self.department.items.get(item)
        return None if held is None else held.published.before(self.cutoff)

    @property
    def has_catalogue(self) -> bool:
        """Whether any item was published by the cut-off."""
        first = self.department.first_published_at
        return first is not None and first < self.cutoff

    @property
    def docked(self) -> bool:
        """Whether the last `docking_changed` by the cut-off says docked; without one: not."""
        version = self.department.docking.before(self.cutoff)
        return version is not None and bool(version[4])

    def weights(self, weigh: Callable[[View, str], Any]) -> Mapping[str, Any]:
        """What each sub weighs, worked out when it is first asked for."""
        held = self._weights.get(weigh)
        if held is None:
            held = self._weights[weigh] = _Weights(self, weigh)
        return held

    @property
    def as_of(self) -> str:
        """The context's now as RFC 3339 text."""
        now = self.context.now
        if now != self._as_of[0]:
            self._as_of = (now, format_instant(now, self.context.time.zone))
        return self._as_of[1]

    @cached_property
    def _closes_at(self) -> int:
        return self.context.closes_at(self.period)

    @property
    def is_open(self) -> bool:
        """Whether the grace time is not over (**policy** `grace_workdays`): the score may still change by late facts."""
        return not self._closed and self.context.now < self._closes_at


def scored_periods(department: Department) -> range:
    """The periods in which a department is scored: from that of its first event to the present one."""
    if department.first_event_at is None:
        return range(0)
    time = department.context.time
    return range(time.period_of(department.first_event_at), time.period_of(department.context.now) + 1)
