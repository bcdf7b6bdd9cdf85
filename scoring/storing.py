"""Rows that a city can be stored as and made of again: entities and event ids, never anything derived from them.

Counters, conditions and deadlines depend on rules, calendar and now: a city made of rows has all its entities touched, and settles them
anew. Entities are written field by field in the order of their classes and read back as their classes; `LAYOUT` is a digest of those, so
that rows of another version of the program are known for what they are.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from operator import attrgetter
from sys import intern
from typing import Any

from msgspec import Struct
from msgspec.msgpack import Decoder

from models.facts import AT, EVENT_ID, OWN_FIELDS, Fact
from scoring.city import City
from scoring.department import Department
from scoring.entities.base import Entity, Versions
from scoring.entities.case import Case, Licence
from scoring.entities.item import Item
from scoring.entities.oversight import Complaint, Defect, GuideCheck, Sample, Test
from scoring.entities.quality import Objection
from scoring.entities.sharing import Failure, Interface, Request, Table
from scoring.entities.stations import STATIONS, Dispatched, Generated, LicenceVoided, Station
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


class StationRow(Struct, array_like=True, gc=False):
    """A station of some cases, field by field: of columns they are made without a step of Python for each."""

    name: str
    places: list[int]  # of the cases among those of the row
    digests: list[int]  # of the events, with which nearly none needs a row of ids
    columns: list[list[Any]]  # the fields of the station in their order but for the department, which is that of the row


def stored_fields(kind: type[Struct]) -> list[str]:
    """The fields of a class that are stored, in their order."""
    return [name for name in kind.__struct_fields__ if name not in DERIVED]


STATION_FIELDS = {name: [field for field in kind.__struct_fields__ if field != "department"] for name, kind in STATIONS.items()}
EVENT_ID_COLUMN = Station.__struct_fields__.index("event_id")
_department = attrgetter(*DepartmentRow.__struct_fields__)
_TYPES: dict[str, Any] = {
    "ids": dict[str, int],
    "ahead": list[Fact],
    "periods": list[Fact],
    "department": DepartmentRow,
    **{name: list[kind] for name, kind in HELD.items() if issubclass(kind, Entity)},  # type: ignore[valid-type]
    "cases": tuple[list[Case], list[StationRow]],
    "licences": dict[str, Licence],
}
DECODE: dict[str, Callable[[bytes], Any]] = {name: Decoder(kind).decode for name, kind in _TYPES.items()}
LAYOUT = hashlib.sha256(
    repr((
        OWN_FIELDS, STATION_FIELDS,
        [stored_fields(kind) for kind in (DepartmentRow, StationRow, Versions, Failure, Generated, Dispatched, LicenceVoided)],
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
                    known.update(*(held.columns[EVENT_ID_COLUMN] for held in stations))
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


def _stations_of(cases: Sequence[Case], city: City) -> list[StationRow]:
    found = []
    for name, fields in STATION_FIELDS.items():
        held = [(place, station) for place, station in enumerate(map(attrgetter(name), cases)) if station is not None]
        if held:
            places, stations = zip(*held, strict=True)
            columns = [list(map(attrgetter(field), stations)) for field in fields]
            digests = [city._digests[event_id] for event_id in columns[EVENT_ID_COLUMN]]  # noqa: SLF001
            found.append(StationRow(name, list(places), digests, columns))
    return found


def _share_serials(licence: Licence, department: Department) -> None:
    """Make the serials that a licence says those of its cases, which were there before it."""
    if licence.generated is not None:
        licence.generated.serial = department.cases[licence.generated.serial].id
    if licence.dispatched_to is not None:
        licence.dispatched_to = [department.cases[serial].id for serial in licence.dispatched_to]


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
            for licence in read.values():
                _share_serials(licence, department)
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

    def _restore_stations(self, department: Department, cases: Sequence[Case], rows: Iterable[StationRow]) -> None:
        """Give cases their stations, of words that are held once; note the events, whose ids are then those of the stations."""
        for row in rows:
            kind = STATIONS[row.name]
            fields = zip(STATION_FIELDS[row.name], row.columns, strict=True)
            columns: list[Iterable[Any]] = [map(intern, column) if field in kind.words else column for field, column in fields]
            if len(columns) < len(kind.__struct_fields__):  # the department, the last of them
                columns.append(repeat(department.code))
            for place, station in zip(row.places, map(kind, *columns), strict=True):
                setattr(cases[place], row.name, station)
            self._city.note_ids(row.columns[EVENT_ID_COLUMN], row.digests)
        for case in cases:
            accepted = case.accepted
            if accepted is not None and accepted.due_at is None:
                item = department.items[accepted.item]
                item.cases.append(case)
                item.last_acceptance = max(item.last_acceptance, accepted.at)
