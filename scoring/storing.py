"""Rows that a city can be stored as and made of again: entities and event ids, never anything derived from them.

Counters, conditions and deadlines depend on rules, calendar and now: a city made of rows has all its entities touched, and settles them
anew. Entities are written field by field in the order of their classes and read back as their classes; `LAYOUT` is a digest of those, so
that rows of another version of the program are known for what they are.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.msgpack import Decoder

from models.facts import AT, EVENT_ID, OWN_FIELDS, Fact
from scoring.city import City
from scoring.department import Department
from scoring.entities.base import Entity, Versions
from scoring.entities.case import ACCEPTED_DUE_AT, ITEM, Case, Licence, of_case
from scoring.entities.item import Item
from scoring.entities.oversight import Complaint, Defect, GuideCheck, Sample, Test
from scoring.entities.quality import Objection
from scoring.entities.sharing import Failure, Interface, Request, Table
from scoring.live import LiveCity

Row = tuple[str, Any]  # what it is of, and what can be packed
ROWS_AT_ONCE = 2_000
# Where a department holds its things. Items are there before the cases accepted under them.
HELD: dict[str, type[Struct]] = {
    "items": Item, "cases": Case, "licences": Licence, "objections": Objection, "requests": Request, "interfaces": Interface,
    "tables": Table, "complaints": Complaint, "defects": Defect, "samples": Sample, "checks": GuideCheck, "tests": Test,
}  # fmt: skip
# The last fields of a class, which follow from others: what reads a row gives them their defaults.
DERIVED = frozenset({"settled", "woken_at", "cases", "last_acceptance"})


class DepartmentRow(Struct, array_like=True, gc=False):
    """A department but for its things: of the fields of `Department` those that do not follow from others."""

    code: str
    first_event_at: int | None
    last_event_at: int | None
    first_published_at: int | None
    version: int
    names: Versions
    docking: Versions
    withdrawn: set[str]


def stored_fields(kind: type[Struct]) -> list[str]:
    """The fields of a class that are stored, in their order."""
    return [name for name in kind.__struct_fields__ if name not in DERIVED]


STATIONS = ("issued", "accepted", "completed", "passed", "voided")
_department = attrgetter(*DepartmentRow.__struct_fields__)
_TYPES: dict[str, Any] = {
    "ids": dict[str, int],
    "ahead": list[Fact],
    "periods": list[Fact],
    "department": DepartmentRow,
    **{name: list[kind] for name, kind in HELD.items() if issubclass(kind, Entity)},  # type: ignore[valid-type]
    "cases": tuple[list[Case], list[int]],
    "licences": dict[str, Licence],
}
DECODE: dict[str, Callable[[bytes], Any]] = {name: Decoder(kind).decode for name, kind in _TYPES.items()}
LAYOUT = hashlib.sha256(
    repr((
        OWN_FIELDS, [stored_fields(kind) for kind in (DepartmentRow, Versions, Failure)],
        [(name, kind.__name__, [(field, kind.__annotations__.get(field)) for field in stored_fields(kind)]) for name, kind in HELD.items()],
    )).encode()
).hexdigest()[:16]  # fmt: skip


def rows_of(city: City) -> Iterator[Row]:
    """The rows of a city, each with up to `ROWS_AT_ONCE` entities or ids."""
    yield "ahead", [fact for _, _, fact in city._ahead]  # noqa: SLF001  # the same layer, and nobody else's business
    yield "periods", city.period_facts
    for department in city.departments.values():
        yield "department", _department(department)
        for name in HELD:
            yield from ((name, things) for things in _things(city, department, name))
    known = {fact[EVENT_ID] for department in city.departments.values() for fact in _stations(department.cases.values())}
    yield from (("ids", dict(some)) for some in _slices(entry for entry in city._digests.items() if entry[0] not in known))  # noqa: SLF001


def _things(city: City, department: Department, name: str) -> Iterator[Any]:
    held = getattr(department, name)
    if name == "licences":
        yield from map(dict, _slices(held.items()))
        return
    fields = attrgetter(*stored_fields(HELD[name]))
    for some in _slices(held.values()):
        rows = list(map(fields, some))
        if name == "cases":
            # With the digests of their events, which then need no row: nearly all events are one of these.
            yield rows, [city._digests[fact[EVENT_ID]] for fact in _stations(some)]  # noqa: SLF001
        else:
            yield rows


def _stations(cases: Iterable[Case]) -> Iterator[Fact]:
    return (fact for stations in map(attrgetter(*STATIONS), cases) for fact in stations if fact is not None)


def _slices(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while found := list(islice(iterator, ROWS_AT_ONCE)):
        yield found


class Restorer:
    """Makes a city of rows, in their order. The city must be new; settle it afterwards."""

    def __init__(self, city: LiveCity) -> None:
        self._city = city
        self._department: Department | None = None

    def add(self, name: str, packed: bytes) -> None:
        """Take in a row.

        Raises:
            KeyError, ValueError, AssertionError: no row of this layout.
        """
        read, city = DECODE[name](packed), self._city
        if name == "ids":
            city.note_ids(read)
        elif name == "ahead":
            for fact in read:
                heapq.heappush(city._ahead, (fact[AT], fact[EVENT_ID], fact))  # noqa: SLF001
        elif name == "periods":
            city.period_facts.extend(read)
        elif name == "department":
            self._department = department = city.department(read.code)
            for field in stored_fields(DepartmentRow)[1:]:
                setattr(department, field, getattr(read, field))
            city.restored(department)
        else:
            assert self._department is not None
            self._restore(self._department, name, read)

    def _restore(self, department: Department, name: str, read: Any) -> None:
        held: dict[str, Any] = getattr(department, name)
        if name == "licences":
            held.update(read)
            return
        if name == "cases":
            read, digests = read
            self._restore_cases(department, read, digests)
        for entity in read:
            held[entity.id] = entity
            department.restored(entity)
        if name == "samples":
            for sample in read:
                if sample.slot is not None:
                    department.samples_of.setdefault(sample.slot, []).append(sample)

    def _restore_cases(self, department: Department, cases: Iterable[Case], digests: Iterable[int]) -> None:
        """Hold the words of cases once, as it is when they are folded; note their events, whose ids are then those of the facts."""
        code, ids = department.code, []
        for case in cases:
            serial = case.id
            for name in STATIONS:
                fact = getattr(case, name)
                if fact is not None:
                    setattr(case, name, of_case(fact, code, serial))
                    ids.append(fact[EVENT_ID])
            accepted = case.accepted
            if accepted is not None and accepted[ACCEPTED_DUE_AT] is None:
                item = department.items[accepted[ITEM]]
                item.cases.append(case)
                item.last_acceptance = max(item.last_acceptance, accepted[AT])
        self._city.note_ids(dict(zip(ids, digests, strict=True)))
