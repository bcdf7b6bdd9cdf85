"""The quarantine: entries as workers put them there, and what became of each: a fold of the topic by key.

A worker writes the record's bytes with the reason in headers. Whoever deals with an entry appends a record with the same key, no value, and
the headers `state`, `by`, `at` (ms since the epoch) and perhaps `why`: nothing is ever overwritten.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Literal, get_args

from models.instants import MILLISECOND, format_instant
from models.records import QuarantineEntry

State = Literal["open", "retried", "dismissed"]


@dataclass(frozen=True, slots=True)
class Change:
    """An entry was dealt with: how, by whom, when (ms since the epoch), and why where that was said."""

    state: State
    by: str
    at: int
    why: str | None = None

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """As in the topic."""
        said = {"state": self.state, "by": self.by, "at": str(self.at), "why": self.why}
        return [(name, value.encode(errors="replace")) for name, value in said.items() if value is not None]


@dataclass(slots=True)
class Held:
    """An entry: its headers as text, its bytes where they were asked for, and what was done about it, the oldest first."""

    id: str
    headers: dict[str, str]
    value: bytes | None = None
    changes: list[Change] = field(default_factory=list)

    @property
    def state(self) -> State:
        """What became of it."""
        return self.changes[-1].state if self.changes else "open"

    @property
    def size(self) -> int:
        """Bytes of the whole record; the quarantine may hold fewer."""
        return _number(self.headers.get("size"))

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the record."""
        topic, partition, offset = self.id.rsplit("|", 2)
        return topic, int(partition), int(offset)

    def entry(self, zone: tzinfo) -> QuarantineEntry:
        """The entry as listed, its times in a time zone.

        Raises:
            pydantic.ValidationError: a newer program wrote it.
        """
        last = self.changes[-1] if self.changes else None
        return QuarantineEntry.model_validate({
            "id": self.id,
            "reason": self.headers.get("reason"),
            "detail": self.headers.get("detail", ""),
            "source": self.headers.get("source") or None,
            "arrived_at": _text(_number(self.headers.get("arrived_at")), zone),
            "size": self.size,
            "state": self.state,
            "by": None if last is None else last.by,
            "at": None if last is None else _text(last.at, zone),
            "why": None if last is None else last.why,
        })  # fmt: skip


def fold(records: Iterable[Any], values_of: Container[str] = ()) -> dict[str, Held]:
    """The entries of records of the topic, by id. An entry put there twice is one: the first stands.

    Args:
        records: consumed, of each key in the order of the log.
        values_of: ids whose bytes are held; those of all would fill the memory.
    """
    held: dict[str, Held] = {}
    for record in records:
        name = (record.key or b"").decode(errors="replace")
        headers = {key: (value or b"").decode(errors="replace") for key, value in record.headers}
        known = held.get(name)
        if "reason" in headers and known is None:
            held[name] = Held(name, headers, (record.value or b"") if name in values_of else None)
        elif known is not None and "reason" not in headers and headers.get("state") in get_args(State):
            state: Any = headers["state"]
            known.changes.append(Change(state, headers.get("by", ""), _number(headers.get("at")), headers.get("why")))
    return held


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 13 else 0


def _text(milliseconds: int, zone: tzinfo) -> str:
    return format_instant(milliseconds * MILLISECOND, zone)
