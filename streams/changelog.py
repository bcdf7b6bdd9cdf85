"""The facts changelog: append-only, one record a chunk (split at 512 KiB), msgpack with a format version.

Never a snapshot of an entity under its key: a worker that was paused for longer than the session timeout wakes up and overwrites newer
state with older (it happens), and a compacted topic then forgets the better record. A chunk appended twice is harmless, whoever wrote it,
and the intervals make loss visible: those of each input partition must tile it from its start to the committed offset.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from models.facts import Fact, pack

FORMAT = 2
# Read for ever: the changelog of every city that runs holds them.
READABLE = (1, 2)
SPLIT_BYTES = 512 * 1024


class ChangelogError(Exception):
    """A changelog record that cannot be read: of a newer format, or damaged. The process must end, not pass it over."""


@dataclass(slots=True)
class ChunkRecord:
    """What a chunk of an input partition brought: new facts with their arrival (ms since the epoch), and what became of the rest."""

    topic: str
    partition: int
    begin: int
    end: int
    facts: list[Fact] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    consumed: int = 0
    duplicates: int = 0
    copies: int = 0  # of the facts, those that are duplicates noted again for their earlier arrival
    late: int = 0
    quarantined: int = 0
    sources: dict[str, int] = field(default_factory=dict)  # records sent on to their department's partition, by producer
    part: int = 0
    parts: int = 1
    taken: int = field(default=-1, compare=False)  # facts in all parts, as read or forgotten; -1 while it is written
    packed: list[bytes] = field(default_factory=list)  # the facts' bytes, where they were packed already

    @property
    def rerouted(self) -> int:
        """The records that were sent on."""
        return sum(self.sources.values())

    def forget_facts(self) -> None:
        """Keep the counts alone: all that is asked for once the facts are encoded."""
        self.taken = len(self.facts)
        self.facts, self.arrivals, self.packed = [], [], []

    def add(self, fact: Fact, arrival: int, packed: bytes) -> None:
        """Add a fact with its arrival (ms since the epoch) and its bytes."""
        self.facts.append(fact)
        self.arrivals.append(arrival)
        self.packed.append(packed)


@dataclass(slots=True)
class AlertsRecord:
    """Alerts announced and resolved since the record before, so that a successor neither repeats nor forgets one."""

    partition: int
    announced: dict[str, bytes]  # alert id → its record as published
    resolved: list[str]


@dataclass(slots=True)
class FrozenRecord:
    """The 17 records of a department and period as they stood at a closing."""

    partition: int
    department: str
    period: str
    closing: str  # event id of `period.closed`, or `auto|period`
    closed_at: int  # the instant the closing took effect, microseconds
    records: list[bytes]
    version: int
    as_of: int

    def holds_over(self, other: "FrozenRecord | None") -> bool:
        """Whether it holds rather than another of its period: of two closings the later, of one the greater (version, as_of)."""
        return other is None or (other.closed_at, other.version, other.as_of) < (self.closed_at, self.version, self.as_of)


def encode_chunk(record: ChunkRecord) -> list[bytes]:
    """The changelog values of a chunk: one, or several parts of at most about 512 KiB, in order."""
    packed = record.packed or [pack(fact) for fact in record.facts]
    groups: list[list[int]] = [[]]
    size = 0
    for place, value in enumerate(packed):
        if size + len(value) > SPLIT_BYTES and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(place)
        size += len(value)
    return [_encode_part(record, packed, group, part, len(groups)) for part, group in enumerate(groups)]


def _encode_part(record: ChunkRecord, packed: Sequence[bytes], group: Sequence[int], part: int, parts: int) -> bytes:
    base = min((record.arrivals[place] for place in group), default=0)
    counts = (len(packed), record.consumed, record.duplicates, record.copies, record.late, record.quarantined, record.sources)
    head = (
        FORMAT, "chunk", record.topic, record.partition, record.begin, record.end, part, parts,
        *(counts if part == 0 else (0, 0, 0, 0, 0, 0, {})), base,
        [record.arrivals[place] - base for place in group],
    )  # fmt: skip
    facts = msgpack.Packer().pack_array_header(len(group)) + b"".join(packed[place] for place in group)
    return bytes(msgpack.Packer().pack_array_header(len(head) + 1) + b"".join(map(msgpack.packb, head)) + facts)


class Parts:
    """Which chunks are whole: of a split one every part has to be in the changelog, of the others the record alone."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int, int, int], set[int]] = {}

    def complete(self, record: ChunkRecord) -> bool:
        """Whether with this record all parts of its chunk have been seen."""
        if record.parts == 1:
            return True
        chunk = (record.topic, record.partition, record.begin, record.end)
        seen = self._seen.setdefault(chunk, set())
        seen.add(record.part)
        if len(seen) < record.parts:
            return False
        del self._seen[chunk]
        return True


def encode_alerts(record: AlertsRecord) -> bytes:
    """The changelog value of announced alerts."""
    return bytes(msgpack.packb((FORMAT, "alerts", record.partition, record.announced, record.resolved)))


def encode_frozen(record: FrozenRecord) -> bytes:
    """The changelog value of frozen records."""
    fields = (record.partition, record.department, record.period, record.closing, record.closed_at, record.records)
    return bytes(msgpack.packb((FORMAT, "frozen", *fields, record.version, record.as_of)))


def decode(value: bytes) -> ChunkRecord | AlertsRecord | FrozenRecord:
    """The record of a changelog value.

    Raises:
        ChangelogError: a newer format, or damaged.
    """
    try:
        version, kind, *fields = msgpack.unpackb(value, use_list=True, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ChangelogError(f"a changelog record cannot be read: {error}") from None
    if version not in READABLE or isinstance(version, bool):
        raise ChangelogError(f"a changelog record has format {version}, this program reads {READABLE}: start the newer version")
    try:
        if kind == "chunk":
            return _decode_chunk(*(fields if version > 1 else _from_format_1(*fields)))
        return _DECODERS[kind](*fields)
    except (KeyError, ValueError, TypeError) as error:
        raise ChangelogError(f"a changelog record of kind {kind!r} is damaged: {error}") from None


def _from_format_1(*fields: Any) -> tuple[Any, ...]:
    """The fields of today: format 1 said neither how many facts a split chunk has, nor which are copies, nor who sent what on."""
    *place, part, parts, consumed, duplicates, late, quarantined, rerouted, base, deltas, facts = fields
    taken = len(facts) if parts == 1 else consumed - duplicates - quarantined - rerouted
    copies = max(0, taken + duplicates + quarantined + rerouted - consumed) if part == 0 else 0
    sources = {"": rerouted} if rerouted else {}
    return (*place, part, parts, taken, consumed, duplicates, copies, late, quarantined, sources, base, deltas, facts)


def _decode_chunk(*fields: Any) -> ChunkRecord:
    topic, partition, begin, end, part, parts, taken, *counts, sources, base, deltas, facts = fields
    consumed, duplicates, copies, late, quarantined = counts
    return ChunkRecord(
        topic, partition, begin, end, [tuple(fact) for fact in facts], [base + delta for delta in deltas],
        consumed, duplicates, copies, late, quarantined, dict(sources), part, parts, taken,
    )  # fmt: skip


_DECODERS: dict[Any, Callable[..., AlertsRecord | FrozenRecord]] = {"alerts": AlertsRecord, "frozen": FrozenRecord}


def facts_of(values: Iterator[bytes]) -> Iterator[tuple[int, Fact]]:
    """The (arrival in ms, fact) pairs of changelog values, for replays."""
    for value in values:
        record: Any = decode(value)
        if isinstance(record, ChunkRecord):
            yield from zip(record.arrivals, record.facts, strict=True)
