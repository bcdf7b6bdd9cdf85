"""Facts: events as flat tuples, the form in which they are folded, stored in the changelog and compared.

A fact is `(code, department, at, event_id, *own fields in the order of the class)`; `code` is the place of the event's class in
`EVENT_CLASSES`, `at` the instant in microseconds. `source` and `schema_version` say nothing about what happened and are left out,
so that a copy sent on by another system is still a copy.
"""

import zlib
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec

from models.events import EVENT_CLASSES, EVENT_TYPES, Envelope

Fact = tuple[Any, ...]
CODE, DEPARTMENT, AT, EVENT_ID = 0, 1, 2, 3
CODE_OF_TYPE: dict[str, int] = {name: code for code, name in enumerate(EVENT_TYPES)}
OWN_FIELDS: tuple[tuple[str, ...], ...] = tuple(
    tuple(name for name in event_class.model_fields if name not in Envelope.model_fields) for event_class in EVENT_CLASSES
)
_GETTERS: tuple[Callable[[Any], Any], ...] = tuple(attrgetter("department", "occurred_at", "event_id", *own) for own in OWN_FIELDS)
_CODE_AND_GETTER = {name: (code, _GETTERS[code]) for name, code in CODE_OF_TYPE.items()}
# Digests are shared small integers: a million of them cost no memory of their own. Two contents that meet in one digest
# (1 in 65,536) are taken for a copy: the first stands in either case, only the notice in quarantine is missed.
_DIGESTS = tuple(range(65_536))


def to_fact(event: Envelope) -> Fact:
    """The fact of an event."""
    code, get = _CODE_AND_GETTER[event.type]
    return (code, *get(event))


def field_of(fact: Fact, name: str) -> Any:
    """An own field of a fact by its name (for explanations; the folds unpack)."""
    return fact[4 + OWN_FIELDS[fact[CODE]].index(name)]


# The bytes of a fact, as in the changelog (msgpack).
pack: Callable[[Fact], bytes] = msgspec.msgpack.Encoder().encode


def digests_of(packed: Iterable[bytes]) -> list[int]:
    """A digest of each packed fact, equal in every process, to tell a copy from a second content under the same id."""
    return [_DIGESTS[zlib.crc32(content) & 0xFFFF] for content in packed]


# The same digest, as the integer that all of its value share.
shared_digest: Callable[[int], int] = _DIGESTS.__getitem__


def digest(fact: Fact) -> int:
    """The digest of a fact that has not been packed."""
    return digests_of([pack(fact)])[0]
