"""The catalogue of a department: its items at the start, and what it changes in them from day to day."""

from collections.abc import Iterator
from itertools import accumulate

from streams.simulator.agenda import Agenda, Fields
from streams.simulator.clock import HOUR, MINUTE
from streams.simulator.days import Day
from streams.simulator.department import Department
from streams.simulator.identifiers import REGION
from streams.simulator.items import Item, make_item
from streams.simulator.names import item_name
from streams.simulator.rhythm import between, office_time
from streams.simulator.sources import CATALOGUE, Source

Opening = tuple[str, Source, Fields]
"""Something known from the start: type, source, fields."""

_FEWEST, _MOST = 5, 80
_RETIRED_AT_START = 0.02
_CHANGES_A_DAY = 0.08 / 21
"""Changes of an item on a workday."""
_DOCKED_AFTER_DAYS = 40


class Catalogue:
    """A department's items, active and retired."""

    def __init__(self, department: Department) -> None:
        self._department = department
        size = department.rng.lognormvariate(3.3, 0.6) * department.size**0.3
        count = min(_MOST, max(_FEWEST, round(size)))
        self.items = [self._make() for _ in range(count)]
        self._docked_on: int | None = None
        self._weigh()

    def opening(self) -> Iterator[Opening]:
        """The department, its docking and its items; a few of them are retired at once."""
        department = self._department
        yield "department.registered", CATALOGUE, {"name": department.name}
        yield "department.docking_changed", CATALOGUE, {"docked": not department.undocked}
        for item in self.items:
            yield "item.published", CATALOGUE, item.fields()
        for item in self.items[_FEWEST:]:
            if department.rng.random() < _RETIRED_AT_START:
                item.retired = True
                yield "item.retired", CATALOGUE, {"item": item.item}
        self._weigh()

    def draw(self, count: int) -> list[Item]:
        """The items of so many new cases."""
        return self._department.rng.choices(self.active, cum_weights=self._weights, k=count)

    def day(self, agenda: Agenda, day: Day) -> None:
        """What changes on a day; a new or retired item is seen by people from the next day on."""
        if self._department.undocked:
            self._dock(agenda, day)
        rng = self._department.rng
        if day.workday and rng.random() < len(self.items) * _CHANGES_A_DAY:
            self._change(agenda, day.start + office_time(rng))
            self._weigh()

    def _make(self) -> Item:
        department = self._department
        number = department.count("item")
        code = f"{REGION[:4]}{department.prefix}{number:03d}00"
        return make_item(code, item_name(department.trade, number - 1), department.quality, department.rng)

    def _weigh(self) -> None:
        self.active = [item for item in self.items if not item.retired]
        self._weights = list(accumulate(item.weight for item in self.active))
        promised = sum(item.weight for item in self.active if not item.instant)
        self.commitment_share = promised / self._weights[-1]

    def _dock(self, agenda: Agenda, day: Day) -> None:
        if self._docked_on is None:
            self._docked_on = day.number + _DOCKED_AFTER_DAYS
        if day.number == self._docked_on:
            at = day.start + 10 * HOUR
            agenda.add(at, self._department.code, "department.docking_changed", CATALOGUE, {"docked": True})

    def _change(self, agenda: Agenda, at: int) -> None:
        chance = self._department.rng.random()
        if chance < 0.1 and len(self.active) > _FEWEST:
            self._retire(agenda, at)
        elif chance < 0.22:
            self._add(agenda, at)
        elif chance < 0.3:
            self._mistake(agenda, at)
        else:
            item = self._department.rng.choice(self.active)
            item.improve(self._department.rng)
            self._publish(agenda, at, item)

    def _publish(self, agenda: Agenda, at: int, item: Item) -> None:
        agenda.add(at, self._department.code, "item.published", CATALOGUE, item.fields())

    def _retire(self, agenda: Agenda, at: int) -> None:
        item = self._department.rng.choice(self.active)
        item.retired = True
        agenda.add(at, self._department.code, "item.retired", CATALOGUE, {"item": item.item})

    def _add(self, agenda: Agenda, at: int) -> None:
        """A new item, or one that had been retired and comes back."""
        retired = [item for item in self.items if item.retired]
        if retired and self._department.rng.random() < 0.3:
            item = self._department.rng.choice(retired)
            item.retired = False
        else:
            item = self._make()
            self.items.append(item)
        self._publish(agenda, at, item)

    def _mistake(self, agenda: Agenda, at: int) -> None:
        """An item is published with wrong values and put right some hours later."""
        rng = self._department.rng
        item = rng.choice(self.active)
        wrong = item.fields() | {"steps": item.steps + 1, "max_visits": item.max_visits + 1}
        agenda.add(at, self._department.code, "item.published", CATALOGUE, wrong)
        self._publish(agenda, at + between(rng, 10 * MINUTE, 5 * HOUR), item)
