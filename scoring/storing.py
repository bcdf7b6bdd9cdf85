"""Rows that a city can be stored as and made of again: entities and event ids, never anything derived from them.

Counters, conditions and deadlines depend on rules, calendar and now: a city made of rows has all its entities touched, and settles them
anew. Entities are written field by field in the order of their classes and read back as their classes; `LAYOUT` is a digest of those, so
that rows of another version of the program are known for what they are.
"""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from operator import attrgetter
from sys import intern
from typing import Any

from msgspec import Struct
from msgspec.msgpack import Decoder

from models.facts import AT, CODE, EVENT_ID, OWN_FIELDS, Fact
from scoring.city import City
from scoring.department import Department
from scoring.entities.base import Entity, Versions
from scoring.entities.case import ACCEPTED_DUE_AT, ITEM, WORDS, Case, Licence
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


class StationFacts(Struct, array_like=True, gc=False):
    """Facts of one type at one station of some cases, field by field: of columns they are made without a step of Python for each."""

    station: str
    code: int
    places: list[int]  # of their cases among those of the row
    at: list[int]
    event_ids: list[str]
    digests: list[int]  # with which nearly no event needs a row of ids
    fields: list[list[Any]]  # those after the serial


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
    "cases": tuple[list[Case], list[StationFacts]],
    "licences": dict[str, Licence],
}
DECODE: dict[str, Callable[[bytes], Any]] = {name: Decoder(kind).decode for name, kind in _TYPES.items()}
LAYOUT = hashlib.sha256(
    repr((
        OWN_FIELDS, [stored_fields(kind) for kind in (DepartmentRow, StationFacts, Versions, Failure)],
        [(name, kind.__name__, [(field, kind.__annotations__.get(field)) for field in stored_fields(kind)]) for name, kind in HELD.items()],
    )).encode()
).hexdigest()[:16]  # fmt: skip


def rows_of(city: City) -> Iterator[Row]:
    """The rows of a city, each with up to `ROWS_AT_ONCE` entities or ids."""
    yield "ahead", [fact for _, _, fact in city._ahead]  # noqa: SLF001  # the same layer, and nobody else's business
    yield "periods", city.period_facts
    known: set[str] = set()
    for department in city.departments.values():
        yield "department", _department(department)
        for name in HELD:
            for things in _things(city, department, name):
                yield name, things
                if name == "cases":
                    _, stations = things
                    known.update(*(held.event_ids for held in stations))
    yield from (("ids", dict(some)) for some in _slices(entry for entry in city._digests.items() if entry[0] not in known))  # noqa: SLF001


def _things(city: City, department: Department, name: str) -> Iterator[Any]:
    held = getattr(department, name)
    if name == "licences":
        yield from map(dict, _slices(held.items()))
        return
    fields = stored_fields(HELD[name])
    if name == "cases":
        yield from ((_without_stations(some, fields), _stations_of(some, city)) for some in _slices(held.values()))
    else:
        get = attrgetter(*fields)
        yield from (list(map(get, some)) for some in _slices(held.values()))


def _without_stations(cases: Iterable[Case], fields: Iterable[str]) -> list[list[Any]]:
    return [[None if name in STATIONS else getattr(case, name) for name in fields] for case in cases]


def _stations_of(cases: Iterable[Case], city: City) -> list[StationFacts]:
    found: defaultdict[tuple[str, int], list[tuple[int, Fact]]] = defaultdict(list)
    for place, case in enumerate(cases):
        for station in STATIONS:
            fact = getattr(case, station)
            if fact is not None:
                found[station, fact[CODE]].append((place, fact))
    columns = []
    for (station, code), held in found.items():
        places, facts = zip(*held, strict=True)
        _, _, at, event_ids, _, *fields = map(list, zip(*facts, strict=True))
        digests = [city._digests[event_id] for event_id in event_ids]  # noqa: SLF001
        columns.append(StationFacts(station, code, list(places), at, event_ids, digests, fields))
    return columns


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
            city.note_ids(read.keys(), read.values())
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
            read, stations = read
            self._restore_stations(department, read, stations)
        for entity in read:
            held[entity.id] = entity
            department.restored(entity)
        if name == "samples":
            for sample in read:
                if sample.slot is not None:
                    department.samples_of.setdefault(sample.slot, []).append(sample)

    def _restore_stations(self, department: Department, cases: Sequence[Case], stations: Iterable[StationFacts]) -> None:
        """Give cases their facts, of words that are held once (`of_case`); note the events, whose ids are then those of the facts."""
        for held in stations:
            of_cases = [cases[place] for place in held.places]
            words = [map(intern, column) for column in held.fields[: WORDS[held.code]]]
            serials = [case.id for case in of_cases]
            columns = (repeat(held.code), repeat(department.code), held.at, held.event_ids, serials, *words, *held.fields[len(words) :])
            for case, fact in zip(of_cases, zip(*columns), strict=True):  # noqa: B905  # the repeated ones have no end
                setattr(case, held.station, fact)
            self._city.note_ids(held.event_ids, held.digests)
        for case in cases:
            accepted = case.accepted
            if accepted is not None and accepted[ACCEPTED_DUE_AT] is None:
                item = department.items[accepted[ITEM]]
                item.cases.append(case)
                item.last_acceptance = max(item.last_acceptance, accepted[AT])
