"""A department: its entities, and the counters that they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

from scoring.changes import Changes
from scoring.context import Context
from scoring.entities.base import Contribution, Entity, Versions
from scoring.entities.case import Case, Licence
from scoring.entities.item import Item
from scoring.entities.oversight import Complaint, Defect, GuideCheck, Sample, Test, first_of
from scoring.entities.quality import Objection
from scoring.entities.sharing import Interface, Request, Table

E = TypeVar("E", bound=Entity)
# Components of which a period has the sum of all changes up to it.
STOCK = frozenset({
    "active_items", "depth", "instant_items", "docking", "promised_days", "statutory_days", "objections_licence", "objections_data",
    "interfaces", "interfaces_failed", "tables",
})  # fmt: skip
# component → period → sub → amount
Counters = dict[str, dict[int, dict[str, int]]]


class Department:
    """All that is known of one department as of the context's now.

    Folds touch the entities that they change; `settle` then takes out what the touched ones contributed when they were last settled and
    puts in what they contribute now. In between the counters are those of the last settling.
    """

    def __init__(self, code: str, context: Context, counters: Counters | None = None) -> None:
        self.code = code
        self.context = context
        self.first_event_at: int | None = None
        self.last_event_at: int | None = None
        self.first_published_at: int | None = None
        # The number of facts taken in that have occurred by now: of two records for one key the greater is right.
        self.version = 0
        self.names = Versions()
        self.docking = Versions()
        self.items: dict[str, Item] = {}
        self.cases: dict[str, Case] = {}
        self.licences: dict[str, Licence] = {}
        self.objections: dict[str, Objection] = {}
        self.requests: dict[str, Request] = {}
        self.interfaces: dict[str, Interface] = {}
        self.tables: dict[str, Table] = {}
        self.complaints: dict[str, Complaint] = {}
        self.defects: dict[str, Defect] = {}
        self.samples: dict[str, Sample] = {}
        self.checks: dict[str, GuideCheck] = {}
        self.tests: dict[str, Test] = {}
        self.withdrawn: set[str] = set()
        self.samples_of: dict[tuple[str, str], list[Sample]] = {}
        self.counters: Counters = {} if counters is None else counters
        self.changes = Changes()
        # Whoever looks at the entities a few at a time leaves a set here, which is told of those that are settled meanwhile.
        self.watchers: list[set[Entity]] = []
        self._touched: dict[Entity, None] = {}  # a set in the order of time: what a run does must not depend on addresses
        # Contributions as cases and requests share them: there are few different ones, and a million of each would fill the memory.
        self._shared: dict[tuple[Contribution, ...], tuple[Contribution, ...]] = {}

    @property
    def name(self) -> str:
        """The name last registered, or the code."""
        return str(self.names.facts[-1][4]) if self.names else self.code

    def entities(self, components: Iterable[str] | None = None) -> Iterator[Entity]:
        """Every entity that contributes, or those of the kinds that may contribute to one of these components."""
        held: list[tuple[type[Entity], Mapping[str, Entity]]] = [
            (Item, self.items), (Case, self.cases), (Objection, self.objections), (Request, self.requests), (Interface, self.interfaces),
            (Table, self.tables), (Complaint, self.complaints), (Defect, self.defects), (Sample, self.samples), (GuideCheck, self.checks),
            (Test, self.tests),
        ]  # fmt: skip
        return chain.from_iterable(some.values() for kind, some in held if components is None or not kind.components.isdisjoint(components))

    def arrived(self, at: int) -> None:
        """Note that a fact of this department has been taken in and has occurred."""
        self.version += 1
        if self.first_event_at is None or at < self.first_event_at:
            self.first_event_at = at
            self.changes.note_everything(self.context.time.period_of(at))  # it is scored from here on
        if self.last_event_at is None or at > self.last_event_at:
            self.last_event_at = at

    def entity(self, held: dict[str, E], kind: type[E], identifier: str) -> E:
        """The entity of that id, made if it is new, about to be changed."""
        entity = held.get(identifier)
        if entity is None:
            entity = held[identifier] = kind(identifier)
        self._touched[entity] = None
        return entity

    def touch(self, entity: Entity) -> None:
        """Note that what an entity contributes may have changed, by itself or by something that it depends on."""
        self._touched[entity] = None

    def restored(self, entity: Entity) -> None:
        """Note an entity that is not in the counters: made of what was stored, or of counters that were emptied."""
        entity.settled = ()
        self._touched[entity] = None

    @property
    def is_settled(self) -> bool:
        """Whether the counters are up to date."""
        return not self._touched

    def settle(self, limit: int | None = None) -> list[Entity]:
        """Bring the counters up to date with the touched entities, or with at most `limit` of them; those."""
        settled: list[Entity] = []
        new: list[tuple[Contribution, ...]] = []  # of entities that contributed nothing before
        added: list[Contribution] = []
        removed: list[Contribution] = []
        while self._touched and (limit is None or len(settled) < limit):
            entity, _ = self._touched.popitem()
            settled.append(entity)
            after = tuple(entity.contributions(self))
            before = entity.settled
            if after != before:
                if entity.shares_contributions:
                    after = self._shared.setdefault(after, after)
                entity.settled = after
                if not before:
                    new.append(after)
                    continue
                same = len(before)
                if after[:same] != before:  # most changes add one at the end
                    same = next(place for place, (held, found) in enumerate(zip_longest(before, after)) if held != found)
                    removed += before[same:]
                added += after[same:]
        if not self._touched:
            self._touched.clear()  # popping leaves a table as large as it ever was
        self._count(_each_counted(new, added), 1)
        self._count(Counter(removed), -1)
        for watcher in self.watchers:
            watcher.update(settled)
        return settled

    def take_changes(self) -> Changes:
        """What may have changed since this was last asked; forgets it."""
        taken, self.changes = self.changes, Changes()
        return taken

    def _count(self, moved: Mapping[Contribution, int], sign: int) -> None:
        """Add what many contributed alike, each of it once."""
        for (component, period, sub, amount), times in moved.items():
            self.changes.note(component, period, lasts=component in STOCK)
            periods = self.counters.get(component)
            if periods is None:
                periods = self.counters[component] = {}
            cell = periods.get(period)
            if cell is None:
                cell = periods[period] = {}
            total = cell.get(sub, 0) + sign * amount * times
            if total:
                cell[sub] = total
            else:  # nothing is left behind of what was taken out
                del cell[sub]
                if not cell:
                    del periods[period]
                    if not periods:
                        del self.counters[component]

    def licence(self, identifier: str) -> Licence:
        """The licence of that id, made if it is new."""
        licence = self.licences.get(identifier)
        if licence is None:
            licence = self.licences[identifier] = Licence()
        return licence

    def licence_voided(self, identifier: str) -> bool:
        """Whether this department's records say that a licence is voided."""
        licence = self.licences.get(identifier)
        return licence is not None and licence.voided is not None

    def first_sample(self, slot: tuple[str, str] | None) -> Sample | None:
        """The sample that holds for an indicator and a period (label)."""
        return None if slot is None else first_of(self.samples_of.get(slot, []))


def _each_counted(wholes: Sequence[tuple[Contribution, ...]], others: Iterable[Contribution]) -> Counter[Contribution]:
    """How often each contribution is there. Wholes, which many share, are told apart by where they lie: hashing them takes longer."""
    counted = Counter(others)
    at = dict(zip(map(id, wholes), wholes, strict=True))
    for place, times in Counter(map(id, wholes)).items():
        for contribution in at[place]:
            counted[contribution] += times
    return counted
