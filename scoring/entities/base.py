"""What all entities share: contributions, folds of single facts and of versions, stock as deltas."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, field

from models.facts import AT, EVENT_ID, Fact

if TYPE_CHECKING:
    from scoring.department import Department

# (component, period, sub, amount): sub divides a component, for example by item; "" where nothing divides it.
Contribution = tuple[str, int, str, int]
State = dict[tuple[str, str], int]
FAR_FUTURE = 1 << 62

_order = itemgetter(AT, EVENT_ID)
_at = itemgetter(AT)


class _Derived(Struct, eq=False, gc=False, array_like=True, kw_only=True):
    """What is worked out of an entity, by the place where it is held. Last of all fields, for it is not stored."""

    settled: tuple[Contribution, ...] = ()  # what of it is in the counters
    woken_at: int | None = None  # when it is looked at again with no fact arriving


class Entity(_Derived, eq=False, gc=False, array_like=True):
    """A thing of a department, identified by its kind and id.

    There are millions of them: the collector of cyclic garbage must not walk them again and again, so no entity may hold anything that
    holds it. One is equal to itself alone.
    """

    id: str
    kind: ClassVar[str]
    components: ClassVar[frozenset[str]]  # those that it may contribute to
    shares_contributions: ClassVar[bool] = False  # whether many contribute the same
    by_sub: ClassVar[bool] = False  # whether its evidence is a row a sub (a sample: a row an acceptance number)

    def contributions(self, department: Department) -> list[Contribution]:
        """What the entity adds to the counters as of the context's now. A pure function of the state."""
        raise NotImplementedError

    def next_change(self, department: Department) -> int | None:
        """The next instant after now at which the contributions change although no fact arrives; None when never."""
        return None

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """What explains its contributions, for people: instants in microseconds under names ending in `_at`.

        Args:
            department: its department.
            cutoff: of what has versions, the last one before it is described.
        """
        return {}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """The facts that made it what it is, or only that part (sub) of it: in any order, None where there is none."""
        return ()


def earliest(held: Fact | None, fact: Fact) -> Fact:
    """The fold of single facts: the earliest `occurred_at` holds, of equal ones the smallest `event_id`."""
    if held is None or (fact[AT], fact[EVENT_ID]) < (held[AT], held[EVENT_ID]):
        return fact
    return held


def in_order(facts: Iterable[Fact | None]) -> list[Fact]:
    """Those facts that there are, in the order of (`occurred_at`, `event_id`)."""
    return sorted((fact for fact in facts if fact is not None), key=_order)


class Versions(Struct, eq=False, gc=False, array_like=True):
    """The fold of versions: all of them in the order of (`occurred_at`, `event_id`); the last one by an instant holds."""

    facts: list[Fact] = field(default_factory=list)

    def add(self, fact: Fact) -> None:
        """Put a version in its place; the same one twice is one."""
        place = bisect_left(self.facts, _order(fact), key=_order)
        if place == len(self.facts) or self.facts[place][EVENT_ID] != fact[EVENT_ID] or self.facts[place][AT] != fact[AT]:
            self.facts.insert(place, fact)

    def before(self, instant: int) -> Fact | None:
        """The last version that occurred before an instant (a period's cut-off)."""
        place = bisect_left(self.facts, instant, key=_at)
        return self.facts[place - 1] if place else None

    def by(self, instant: int) -> Fact | None:
        """The last version that occurred at or before an instant."""
        place = bisect_right(self.facts, instant, key=_at)
        return self.facts[place - 1] if place else None

    def __bool__(self) -> bool:
        return bool(self.facts)


def insert_once(values: list[int], value: int) -> None:
    """Keep a sorted list of distinct values."""
    place = bisect_left(values, value)
    if place == len(values) or values[place] != value:
        insort(values, value)


def stock(breakpoints: Iterable[int], state: Callable[[int], State]) -> list[Contribution]:
    """Contributions of something that lasts: the changes of its state, of which a period's stock is the sum up to it.

    Args:
        breakpoints: the periods in which the state may differ from that of the period before.
        state: what the entity amounts to at the cut-off of a period, zeros left out.
    """
    changes: list[Contribution] = []
    held: State = {}
    for period in sorted(set(breakpoints)):
        current = state(period)
        if current != held:
            for component, sub in held.keys() | current.keys():
                change = current.get((component, sub), 0) - held.get((component, sub), 0)
                if change:
                    changes.append((component, period, sub, change))
            held = current
    return changes
