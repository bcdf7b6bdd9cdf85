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
Revive = Callable[[Any], Any]
ROWS_AT_ONCE = 2_000


def _facts(values: list[Any]) -> list[Fact]:
    return [tuple(value) for value in values]


def _fact_map(values: dict[str, Any]) -> dict[str, Fact]:
    return {key: tuple(value) for key, value in values.items()}


def _versions(values: list[Any]) -> Versions:
    versions = Versions()
    versions.facts = _facts(values)
    return versions


def _failures(values: dict[str, Any]) -> dict[str, Failure]:
    found = {}
    for name, (failed, recovered) in values.items():
        failure = found[name] = Failure()
        failure.failed = None if failed is None else tuple(failed)
        failure.recovered = None if recovered is None else tuple(recovered)
    return found


def _plain(value: Any) -> Any:
    return value


# Slot by slot: how what was read becomes what the class holds. None stays None.
SHAPES: dict[type[Any], dict[str, Revive]] = {
    Item: {"versions": _versions, "published": _versions, "last_acceptance": _plain, "cases": _plain},
    Case: {
        **dict.fromkeys(("issued", "accepted", "completed", "passed", "voided"), tuple),
        "pauses": _facts, "licences": _plain, "dispatches": _fact_map, "tests": _plain,
    },
    Licence: {"generated": tuple, "voided": tuple, "dispatched_to": _plain},
    Objection: {"flagged": tuple, "repaired": tuple, "passed": tuple, "upheld": _plain},
    Request: {"raised": tuple, "handled": tuple, "withdrawn": _plain},
    Interface: {"versions": _versions, "failures": _failures},
    Table: {"versions": _versions, "updates": _plain},
    Complaint: {"upheld": tuple, "reversed": _plain},
    Defect: {"confirmed": tuple, "cleared": tuple},
    Sample: {"drawn": tuple, "inspections": _fact_map},
    GuideCheck: {"checked": tuple},
    Test: {"raised": tuple, "disposed": tuple},
}  # fmt: skip
# Where a department holds them.
HELD: dict[str, type[Any]] = {
    "cases": Case, "items": Item, "licences": Licence, "objections": Objection, "requests": Request, "interfaces": Interface,
    "tables": Table, "complaints": Complaint, "defects": Defect, "samples": Sample, "checks": GuideCheck, "tests": Test,
}  # fmt: skip
DEPARTMENT_FIELDS: dict[str, Revive] = {
    "first_event_at": _plain, "last_event_at": _plain, "first_published_at": _plain, "version": _plain,
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
    """Makes a city of rows, in their order. The city must be new; settle it afterwards."""

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
            for identifier, digest in values[0].items():
                city.note_id(identifier, digest)
        elif kind == "ahead":
            for fact in map(tuple, values[0]):
                heapq.heappush(city._ahead, (fact[AT], fact[EVENT_ID], fact))  # noqa: SLF001
        elif kind == "periods":
            city.period_facts.extend(map(tuple, values[0]))
        elif kind == "department":
            self._department = _restore_department(city, values)
        else:
            assert self._department is not None
            _restore_entities(self._department, kind, values[0])


def _restore_department(city: LiveCity, values: list[Any]) -> Department:
    department = city.department(values[0])
    for (name, revive), value in zip(DEPARTMENT_FIELDS.items(), values[1:], strict=True):
        setattr(department, name, None if value is None else revive(value))
    city.restored(department)
    return department


def _restore_entities(department: Department, name: str, rows: list[Row]) -> None:
    kind = HELD[name]
    shape = tuple(SHAPES[kind].items())
    held = getattr(department, name)
    for identifier, *values in rows:
        entity = kind(identifier) if issubclass(kind, Entity) else kind()
        for (slot, revive), value in zip(shape, values, strict=True):
            if value is not None:
                setattr(entity, slot, revive(value))
        held[identifier] = entity
        if isinstance(entity, Entity):
            department.restored(entity)
        if isinstance(entity, Item):
            entity.cases = [department.cases[serial] for serial in cast("list[str]", entity.cases)]
        elif isinstance(entity, Sample) and entity.slot is not None:
            department.samples_of.setdefault(entity.slot, []).append(entity)
