"""What a person orders goes out as an event the contract allows, together with who did it; or nothing goes out."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import orjson
import pytest

from models.events import TOPIC_OF_TYPE, InspectionRecorded, PeriodClosed
from models.instants import parse_instant
from models.records import AuditRecord
from models.wire import parse_record
from streams.recording import InvalidEventError, Person, Recorder
from tests.support.builder import D1

NOW = parse_instant("2020-10-09T12:00:00+08:00")
INSPECTED = {"sample": "P1", "acceptance_no": "A1", "achieved": False}


class FakeSender:
    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes | None]] = []

    def send(self, kind: str, department: str, value: bytes) -> None:
        self.sent.append((TOPIC_OF_TYPE[kind], department.encode(), value))

    def put(self, topic: str, key: bytes, value: bytes | None, partition: int | None = None, headers: object = None) -> None:
        self.sent.append((topic, key, value))


class StandingClock:
    def now(self) -> int:
        return NOW


@pytest.fixture
def sender() -> FakeSender:
    return FakeSender()


@pytest.fixture
def recorder(sender: FakeSender) -> Recorder:
    return Recorder(sender, Person("wang.li", "page", "onestop web"), ZoneInfo("Asia/Shanghai"), StandingClock())  # type: ignore[arg-type]


def test_an_event_goes_out_with_who_recorded_it(recorder: Recorder, sender: FakeSender) -> None:
    at = parse_instant("2020-09-30T09:00:00+08:00")
    event = recorder.event("inspection.recorded", D1, "P1/A1", INSPECTED, at=at, why="asked by telephone")
    [(audits, name, noted), (topic, key, value)] = sender.sent
    assert (audits, topic, key) == ("audit", "oversight", D1.encode())
    parsed = parse_record(value)
    assert isinstance(parsed, InspectionRecorded)
    assert (parsed.occurred_at, parsed.sample, parsed.achieved, parsed.source) == (at, "P1", False, "onestop web")
    assert orjson.loads(value or b"") == event
    assert (event["by"], event["reason"]) == ("wang.li", "asked by telephone")
    record = AuditRecord.model_validate_json(noted or b"")
    assert name == record.id.encode()
    assert record == AuditRecord(
        id=record.id, action="inspection.recorded", by="wang.li", at="2020-10-09T12:00:00+08:00", through="page", department=D1,
        subject="P1/A1", why="asked by telephone",
        details={**INSPECTED, "occurred_at": "2020-09-30T09:00:00+08:00", "event_id": event["event_id"]},
    )  # fmt: skip


def test_an_order_for_all_departments_is_about_none(recorder: Recorder, sender: FakeSender) -> None:
    recorder.event("period.closed", "*", "2020-09", {"period": "2020-09"})
    [(_, _, noted), (_, _, value)] = sender.sent
    parsed = parse_record(value)
    assert isinstance(parsed, PeriodClosed)
    assert parsed.occurred_at == NOW
    record = AuditRecord.model_validate_json(noted or b"")
    assert (record.department, record.period, record.why) == (None, "2020-09", None)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sample": "P1", "acceptance_no": "", "achieved": True}, "acceptance_no"),
        ({"sample": "x" * 129, "acceptance_no": "A1", "achieved": True}, "sample"),
        ({"sample": "P1", "acceptance_no": "A1"}, "achieved is missing"),
    ],
)
def test_what_the_contract_forbids_is_not_sent(recorder: Recorder, sender: FakeSender, fields: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidEventError, match=says):
        recorder.event("inspection.recorded", D1, "x", fields)
    assert sender.sent == []
