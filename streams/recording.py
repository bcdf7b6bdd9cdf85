"""What people order and record: the event, checked before it is sent, together with the audit record of who did it.

Both are sent at once and waited for. The event says `by` too, in a field that the contract ignores: who reads the topic finds it.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson

from models.identifiers import EVERY_DEPARTMENT
from models.instants import format_instant
from models.records import AuditAction, AuditRecord
from models.settings import Settings
from models.wire import Rejection, parse_record
from streams.clock import Clock, SystemClock
from streams.sender import EventSender

AUDIT = "audit"
Through = Literal["command", "page"]
# What an audit record says elsewhere than in its details.
_SAID = ("event_id", "type", "department", "source", "period", "reason", "by")


class InvalidEventError(ValueError):
    """The contract forbids the event; the text names the field and the fault."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who orders and records, and through what: `source` of the events."""

    name: str
    through: Through
    source: str


class Recorder:
    """Sends the orders of a person. Nothing is known to be out before `flush`."""

    def __init__(self, sender: EventSender, person: Person, zone: tzinfo, clock: Clock | None = None) -> None:
        self.sender = sender
        self._person = person
        self._zone = zone
        self._clock = clock or SystemClock()

    def event(
        self, kind: AuditAction, department: str, subject: str, fields: Mapping[str, Any], *, at: int | None = None, why: str | None = None
    ) -> dict[str, Any]:
        """Send an event and its audit record; the event.

        Args:
            kind: the event's type, which is also the action.
            department: a code, or `*` where the type allows it.
            subject: what it is about.
            fields: the event's own fields; those that are None are left out.
            at: when it happened, in microseconds; now if not given.
            why: the reason, where one was given; a field `reason` of the event.

        Raises:
            InvalidEventError: the contract forbids it; nothing is sent.
        """
        now = self._clock.now()
        held = {
            "event_id": str(uuid.uuid4()), "type": kind, "department": department,
            "occurred_at": format_instant(now if at is None else at, self._zone), "source": self._person.source, **fields, "reason": why,
            "by": self._person.name,
        }  # fmt: skip
        event = {name: value for name, value in held.items() if value is not None}
        value = orjson.dumps(event)
        if isinstance(parsed := parse_record(value), Rejection):
            raise InvalidEventError(parsed.detail)
        details = {name: value for name, value in event.items() if name not in _SAID} | {"event_id": event["event_id"]}
        self.note(
            kind, subject, department=None if department == EVERY_DEPARTMENT else department, period=event.get("period"), why=why,
            details=details, at=now,
        )  # fmt: skip
        self.sender.send(kind, department, value)
        return event

    def note(
        self,
        action: AuditAction,
        subject: str,
        *,
        department: str | None = None,
        period: str | None = None,
        why: str | None = None,
        details: Mapping[str, Any] | None = None,
        at: int | None = None,
    ) -> None:
        """Send an audit record alone: of an order that is no event."""
        noted = format_instant(self._clock.now() if at is None else at, self._zone)
        record = AuditRecord(
            id=str(uuid.uuid4()), action=action, by=self._person.name, at=noted, through=self._person.through, department=department,
            period=period, subject=subject, why=why, details=dict(details or {}),
        )  # fmt: skip
        self.sender.put(AUDIT, record.id.encode(), record.to_json())

    def flush(self) -> None:
        """Wait until everything is acknowledged.

        Raises:
            kafka.errors.KafkaError: something could not be written.
        """
        self.sender.flush()


@contextmanager
def recording(settings: Settings, person: Person) -> Iterator[Recorder]:
    """A recorder of a person, with connections of its own. What was sent is waited for at the end, but after an error.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached, or something could not be written.
    """
    sender = EventSender(settings)
    try:
        recorder = Recorder(sender, person, ZoneInfo(settings.timezone))
        yield recorder
        recorder.flush()
    finally:
        sender.close()
