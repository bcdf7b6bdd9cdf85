"""Rows of plain values that a city can be stored as and made of again: entities and event ids, never anything derived from them.

Counters, conditions and deadlines depend on rules, calendar and now: a city made of rows has all its entities touched, and settles them
anew. What a class holds is written down here slot by slot; `LAYOUT` is a digest of it, so that rows of another version of the program
are known for what they are.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any, cast

from models.facts import AT, EVENT_ID, OWN_FIELDS, Fact
from scoring.city import City
from scoring.department import Department
from scoring.entities.base import Entity, Versions
from scoring.entities.case import Case, Licence
from scoring.entities.item import Item
from scoring.entities.oversight import Complaint, Defect, GuideCheck, Sample, Test
from scoring.entities.quality import Objection
from scoring.entities.sharing import Failure, Interface, Request, Table
from scoring.live import LiveCity

Row = tuple[Any, ...]
# How what was read becomes what is held, where it is not so already. None stays None.
Revive = Callable[[Any], Any] | None
ROWS_AT_ONCE = 2_000


def _fact(read: Fact) -> Fact:
    """A fact that may hold lists, which were read as tuples; those of cases and the like hold none."""
    return tuple(list(value) if type(value) is tuple else value for value in read)


def _versions(facts: Iterable[Fact]) -> Versions:
    return Versions(list(map(_fact, facts)))


def _failures(values: dict[str, tuple[Fact | None, Fact | None]]) -> dict[str, Failure]:
    return {name: Failure(*facts) for name, facts in values.items()}


# Of each class its own fields, in their order.
SHAPES: dict[type[Any], dict[str, Revive]] = {
    Item: {"versions": _versions, "published": _versions, "cases": None, "last_acceptance": None},
    Case: {
        **dict.fromkeys(("issued", "accepted", "completed", "passed", "voided")),
        "pauses": list, "licences": list, "dispatches": None, "tests": list,
    },
    Licence: {"generated": None, "voided": None, "dispatched_to": list},
    Objection: dict.fromkeys(("flagged", "repaired", "passed", "upheld")),
    Request: dict.fromkeys(("raised", "handled", "withdrawn")),
    Interface: {"versions": _versions, "failures": _failures},
    Table: {"versions": _versions, "updates": list},
    Complaint: dict.fromkeys(("upheld", "reversed")),
    Defect: dict.fromkeys(("confirmed", "cleared")),
    Sample: {"drawn": _fact, "inspections": None},
    GuideCheck: {"checked": None},
    Test: dict.fromkeys(("raised", "disposed")),
}  # fmt: skip
# Where a department holds them.
HELD: dict[str, type[Any]] = {
    "cases": Case, "items": Item, "licences": Licence, "objections": Objection, "requests": Request, "interfaces": Interface,
    "tables": Table, "complaints": Complaint, "defects": Defect, "samples": Sample, "checks": GuideCheck, "tests": Test,
}  # fmt: skip
DEPARTMENT_FIELDS: dict[str, Revive] = {
    "first_event_at": None, "last_event_at": None, "first_published_at": None, "version": None,
    "names": _versions, "docking": _versions, "withdrawn": set,
}  # fmt: skip
LAYOUT = hashlib.sha256(
    repr((OWN_FIELDS, list(DEPARTMENT_FIELDS), [(name, kind.__name__, list(SHAPES[kind])) for name, kind in HELD.items()])).encode()
).hexdigest()[:16]


def plain(value: Any) -> Any:
    """What a value that is not plain is written as (the hook of an encoder).

    Raises:
        TypeError: nothing that rows can hold.
    """
    if isinstance(value, Versions):
        return value.facts
    if isinstance(value, Failure):
        return (value.failed, value.recovered)
    if isinstance(value, Entity):
        return value.id
    if isinstance(value, set):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} cannot be stored")


def rows_of(city: City) -> Iterator[Row]:
    """The rows of a city, each with up to `ROWS_AT_ONCE` entities or ids."""
    for digests in _slices(city._digests.items()):  # noqa: SLF001  # the same layer, and nobody else's business
        yield "ids", dict(digests)
    yield "ahead", [fact for _, _, fact in city._ahead]  # noqa: SLF001
    yield "periods", city.period_facts
    fields = attrgetter(*DEPARTMENT_FIELDS)
    for department in city.departments.values():
        yield "department", department.code, *fields(department)
        for name, kind in HELD.items():
            slots = attrgetter(*SHAPES[kind])
            single = len(SHAPES[kind]) == 1
            for held in _slices(getattr(department, name).items()):
                yield name, [(identifier, slots(entity)) if single else (identifier, *slots(entity)) for identifier, entity in held]


def _slices(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while found := list(islice(iterator, ROWS_AT_ONCE)):
        yield found


class Restorer:
    """Makes a city of rows, in their order, their lists read as tuples. The city must be new; settle it afterwards."""

    def __init__(self, city: LiveCity) -> None:
        self._city = city
        self._department: Department | None = None

    def add(self, row: Row) -> None:
        """Take in a row.

        Raises:
            KeyError, TypeError, ValueError: no row of this layout.
        """
        kind, *values = row
        city = self._city
        if kind == "ids":
            city.note_ids(values[0])
        elif kind == "ahead":
            for fact in map(_fact, values[0]):
                heapq.heappush(city._ahead, (fact[AT], fact[EVENT_ID], fact))  # noqa: SLF001
        elif kind == "periods":
            city.period_facts.extend(values[0])
        elif kind == "department":
            self._department = _restore_department(city, values)
        else:
            assert self._department is not None
            _restore_entities(self._department, kind, values[0])


def _restore_department(city: LiveCity, values: list[Any]) -> Department:
    department = city.department(values[0])
    for (name, revive), value in zip(DEPARTMENT_FIELDS.items(), values[1:], strict=True):
        setattr(department, name, value if value is None or revive is None else revive(value))
    city.restored(department)
    return department


def _restore_entities(department: Department, name: str, rows: list[Row]) -> None:
    kind = HELD[name]
    fields = len(SHAPES[kind])
    revived = [(place, revive) for place, revive in enumerate(SHAPES[kind].values()) if revive is not None]
    held = getattr(department, name)
    for identifier, *values in rows:
        if len(values) != fields:
            raise ValueError(f"{len(values)} fields of {name}, {fields} expected")
        for place, revive in revived:
            if values[place] is not None:
                values[place] = revive(values[place])
        if name == "licences":
            held[identifier] = kind(*values)
            continue
        entity = held[identifier] = kind(identifier, (), *values)
        department.touch(entity)
        if isinstance(entity, Item):
            entity.cases = [department.cases[serial] for serial in cast("list[str]", entity.cases)]
        elif isinstance(entity, Sample) and entity.slot is not None:
            department.samples_of.setdefault(entity.slot, []).append(entity)
