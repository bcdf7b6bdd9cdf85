"""From a consumed record of an output topic to the row that the read model keeps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from pydantic import ValidationError

from models.instants import parse_instant
from models.records import (
    AdjustmentRecord,
    AlertRecord,
    AuditRecord,
    DepartmentStatus,
    Heartbeat,
    InterfaceStatus,
    ScoreRecord,
    TableStatus,
    TotalRecord,
)
from scoring.scores import AnyRecord
from streams.quarantine import State
from streams.serving.layout import Layout, order_of, stamped

StatusRecord = DepartmentStatus | InterfaceStatus | TableStatus | Heartbeat
PARTS_OF_SCORE_KEY = 3


class MalformedRecordError(ValueError):
    """A record that the read model cannot keep; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record: where it lies in Redis, its value (None deletes), and what the indexes need to know of it."""

    key: str
    field: str
    value: bytes | None
    index: str = ""
    topic: str = ""
    again: bool = False  # appended by a projector to put an older record in its place


def row_of(
    layout: Layout,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    *,
    headers: Iterable[tuple[str, bytes | None]] = (),
    again: bool = False,
) -> Row:
    """The row of a record.

    Args:
        layout: where rows lie.
        topic: without prefix.
        key: the record's key.
        value: the record's value; None is a tombstone.
        headers: the record's headers, which say all that is kept of one in quarantine.
        again: a projector has appended it to put an older record in its place.

    Raises:
        MalformedRecordError: no such row can be made.
    """
    if not key:
        raise MalformedRecordError("it has no key")
    try:
        name = key.decode()
        if topic == QUARANTINE:
            said = {header: (text or b"").decode(errors="replace") for header, text in headers}
            return replace(_quarantined(layout, name, said), topic=topic)
        if value is None:
            return replace(_tombstone(layout, topic, name), topic=topic)
        return replace(READERS[topic](layout, name, value), topic=topic, again=again)
    except UnicodeDecodeError as error:
        raise MalformedRecordError(f"its key is not UTF-8: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        raise MalformedRecordError(f"{'.'.join(map(str, fault['loc'])) or 'its value'}: {fault['msg']}") from None
    except ValueError as error:
        raise MalformedRecordError(str(error)) from None


def _score(layout: Layout, name: str, value: bytes) -> Row:
    record = parse_score(name, value)
    field = f"{record.department}|{record.indicator}"
    return Row(layout.scores(record.period), field, _value(record.version, record.as_of, value), record.period)


def _status(layout: Layout, name: str, value: bytes) -> Row:
    record = parse_status(name, value)
    version = 0 if isinstance(record, Heartbeat) else record.version
    return Row(layout.status, name, _value(version, record.as_of, value))


def _alert(layout: Layout, name: str, value: bytes) -> Row:
    record = AlertRecord.model_validate_json(value)
    index = f"{record.kind}|{record.department}|{due_of(record):020d}" if record.state == "firing" else ""
    return Row(layout.alerts, record.id, _value(record.version, record.as_of, value), index)


def _adjustment(layout: Layout, _: str, value: bytes) -> Row:
    record = AdjustmentRecord.model_validate_json(value)
    field = f"{record.department}|{record.indicator}|{record.event_id}"
    return Row(layout.adjustments(record.period), field, _value(0, record.arrived_at, value))


def _audit(layout: Layout, _: str, value: bytes) -> Row:
    record = AuditRecord.model_validate_json(value)
    return Row(layout.audit, record.id, _value(0, record.at, value), order_of(parse_instant(record.at), record.id))


def _quarantined(layout: Layout, name: str, said: Mapping[str, str]) -> Row:
    """Of an entry where it is counted, of what was done about one its state: `streams/quarantine.py`."""
    if "reason" in said:
        return Row(layout.quarantine, name, b"open", f"{name.partition('|')[0]}|{said['reason']}")
    if said.get("state") in get_args(State):
        return Row(layout.quarantine, name, said["state"].encode())
    raise MalformedRecordError("it says neither a reason nor a state")


QUARANTINE = "quarantine"
READERS: Mapping[str, Callable[[Layout, str, bytes], Row]] = {
    "scores": _score, "status": _status, "alerts": _alert, "adjustments": _adjustment, "audit": _audit,
}  # fmt: skip
TOPICS = (*READERS, QUARANTINE)


def parse_score(name: str, value: bytes) -> AnyRecord:
    """The record of a score's value; the name (key or field) tells a total.

    Raises:
        ValidationError: it is none.
    """
    return TotalRecord.model_validate_json(value) if name.endswith("|total") else ScoreRecord.model_validate_json(value)


def parse_status(name: str, value: bytes) -> StatusRecord:
    """The record of a status value, of the kind that its key says.

    Raises:
        ValidationError: it is none.
    """
    parts = name.split("|", 2)
    if len(parts) == 1:
        return DepartmentStatus.model_validate_json(value)
    if parts[0] == "partition":
        return Heartbeat.model_validate_json(value)
    if parts[1] == "interface":
        return InterfaceStatus.model_validate_json(value)
    if parts[1] == "table":
        return TableStatus.model_validate_json(value)
    raise ValueError(f"the key {name[:80]!r} is of no kind of status")


def due_of(alert: AlertRecord) -> int:
    """The instant by which alerts are ordered."""
    return parse_instant(alert.due_at or alert.since)


def _value(version: int, as_of: str, value: bytes) -> bytes:
    if version < 0:
        raise ValueError(f"version: {version} is below 0")
    return stamped(version, parse_instant(as_of), value)


def _tombstone(layout: Layout, topic: str, name: str) -> Row:
    if topic in ("status", "alerts"):
        return Row(layout.status if topic == "status" else layout.alerts, name, None)
    if topic != "scores":
        raise MalformedRecordError("it has no value")
    parts = name.split("|")
    if len(parts) != PARTS_OF_SCORE_KEY:
        raise MalformedRecordError(f"the key {name[:80]!r} is not department|period|indicator")
    department, period, indicator = parts
    return Row(layout.scores(period), f"{department}|{indicator}", None, period)
