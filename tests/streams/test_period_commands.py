"""`onestop period close` and `reopen` on Apache Kafka: what they publish. What it does to scores: `test_recount.py`."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from models.events import PeriodReopened, Periods
from models.facts import to_fact
from models.records import AuditRecord
from models.wire import misplaced, parse_record
from streams.intake import partition_of
from tests.support.builder import D1
from tests.support.live import System


@pytest.fixture
def system(kafka: Any, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    held = System(kafka.address, unique_prefix, tmp_path)
    held.run("topics", "create")
    yield held
    held.close()


def test_reopened_for_all_departments_with_the_reason(system: System) -> None:
    done = system.run("period", "reopen", "2020-09", "--why", "the case store was late")
    assert done.stdout.decode() == "2020-09: reopening asked for (all departments).\n"
    records = system.read("periods")
    assert sorted(record.partition for record in records) == list(range(system.partitions))
    assert len({record.value for record in records}) == 1, "one event"
    event = parse_record(records[0].value)
    assert isinstance(event, PeriodReopened)
    assert misplaced(to_fact(event), "periods", records[0].key) is None
    assert (event.period, event.reason) == ("2020-09", "the case store was late")
    assert orjson.loads(records[0].value)["by"] == getpass.getuser()


def test_one_department_closed_and_reopened(system: System) -> None:
    system.run("period", "close", "2020-09", "--department", D1, "--why", "all is in", "--by", "wang.li")
    system.run("period", "close", "2020-08", "--department", D1)
    system.run("period", "reopen", "2020-09", "--department", D1, "--why", "it was not", "--by", "zhao.min")
    records = system.read("periods")
    assert {record.partition for record in records} == {partition_of(D1, system.partitions)}
    said = [{name: event.get(name) for name in ("type", "period", "reason")} for event in (orjson.loads(r.value) for r in records)]
    assert said == [
        {"type": "period.closed", "period": "2020-09", "reason": "all is in"},
        {"type": "period.closed", "period": "2020-08", "reason": None},
        {"type": "period.reopened", "period": "2020-09", "reason": "it was not"},
    ]
    assert [orjson.loads(r.value)["by"] for r in records] == ["wang.li", getpass.getuser(), "zhao.min"]
    assert all(isinstance(parse_record(r.value), Periods) for r in records), "fields that the contract does not know are ignored"
    audit = {record.details["event_id"]: record for record in (AuditRecord.model_validate_json(r.value) for r in system.read("audit"))}
    for event in (orjson.loads(r.value) for r in records):
        record = audit.pop(event["event_id"])
        assert (record.action, record.by, record.why) == (event["type"], event["by"], event.get("reason"))
        assert (record.department, record.period, record.subject) == (D1, event["period"], event["period"])
    assert audit == {}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["reopen", "2020-09"], 2, "--why"),
        (["reopen", "2020-09", "--why", " "], 2, "the reason is empty"),
        (["reopen", "2020-13", "--why", "x"], 2, "for example onestop period reopen"),
        (["close", "2020-09", "--department", "x"], 2, "for example onestop period close"),
        (["reopen", "2099-01", "--why", "x"], 1, "has not begun"),
    ],
)
def test_refused(system: System, arguments: list[str], code: int, says: str) -> None:
    done = system.run("period", *arguments, expect=code)
    assert says in done.stderr.decode()
    assert system.read("periods") == system.read("audit") == []
