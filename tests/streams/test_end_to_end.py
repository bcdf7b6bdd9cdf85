"""The live system on Apache Kafka: whatever happens to its workers, live scores are those of `onestop score` of the same events."""

from __future__ import annotations

import signal
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer, TopicPartition

from models.events import TOPIC_OF_TYPE
from streams.changelog import FrozenRecord, decode
from streams.intake import partition_of
from streams.simulator import chaos, dump, simulate_months
from streams.topics import CHANGELOG
from tests.support.live import System, differences, expected_scores, until

KINDS_OF_DEADLINES = ("case_overdue", "case_due_soon", "request_overdue", "request_due_soon")


@pytest.fixture(scope="module")
def city() -> list[bytes]:
    """A simulated city of eight departments and three months, shuffled, repeated and delayed."""
    return [dump(event) for event in chaos(simulate_months(8, "2020-08", "2020-10", seed=5, volume=0.4), seed=5)]


@pytest.fixture
def system(kafka: Any, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    """Nothing running yet; the topics are there."""
    held = System(kafka.address, unique_prefix, tmp_path)
    held.run("topics", "create")
    yield held
    held.close()


def publish(system: System, lines: list[bytes], name: str = "events.jsonl") -> None:
    """Publish lines as a user would."""
    path = system.directory / name
    path.write_bytes(b"\n".join(lines) + b"\n")
    system.run("publish", str(path))


def assert_exact(system: System, lines: list[bytes]) -> None:
    """Nothing lost, nothing double, and every field of every score as `onestop score` says."""
    until(lambda: not system.holes(), "the intervals tile the inputs", logs=system.logs)
    expected = expected_scores(lines)
    until(lambda: not differences(system.scores(), expected), "live scores are the offline ones")


def firing_of(system: System) -> list[dict[str, Any]]:
    """All alert records of deadlines ever published."""
    return [alert for alert in (orjson.loads(record.value) for record in system.read("alerts")) if alert["kind"] in KINDS_OF_DEADLINES]


def test_two_workers_killed_and_joined_in_the_middle(system: System, city: list[bytes]) -> None:
    half = len(city) // 2
    system.start("one")
    system.start("two")
    publish(system, city[:half], "first.jsonl")
    system.kill("one", signal.SIGKILL)
    system.start("three")
    publish(system, city[half:], "second.jsonl")
    system.kill("two", signal.SIGTERM)
    system.start("four")
    assert_exact(system, city)


def test_fresh_group_on_a_backlog_with_slow_agents_started_seconds_apart(system: System, city: list[bytes]) -> None:
    # With no kill at all, drivers before this one lost thousands of facts here: rebalances before the first commit.
    publish(system, city)
    for name in ("one", "two", "three"):
        system.start(name, command=[sys.executable, "-m", "tests.support.slow_worker"])
        seen = len(system.facts())
        until(lambda: len(system.facts()) > seen, f"{name} takes something in")  # noqa: B023
    assert_exact(system, city)


def test_paused_beyond_the_session_timeout_and_woken(system: System, city: list[bytes]) -> None:
    half = len(city) // 2
    system.start("one")
    system.start("two")
    publish(system, city[:half], "first.jsonl")
    until(lambda: len(system.facts()) > half // 4, "the workers are at work")
    system.kill("one", signal.SIGSTOP)
    publish(system, city[half:], "second.jsonl")
    until(lambda: not system.holes(), "the other takes over after the session timeout")
    system.kill("one", signal.SIGCONT)
    assert_exact(system, city)


def test_no_alert_for_what_the_backlog_resolves(system: System) -> None:
    department = "11439900MBCEU9EF55"
    events = []
    for number in range(300):
        for place, (kind, extra) in enumerate({
            "case.accepted": {"item": "I1", "acceptance_no": f"A{number}", "due_at": "2020-09-03T12:00:00+08:00"},
            "case.completed": {"item": "I1", "outcome": "granted"},
        }.items()):  # fmt: skip
            if number == 0 and kind == "case.completed":
                continue  # this one is overdue for good
            events.append(orjson.dumps({
                "event_id": f"e{number}-{place}", "type": kind, "department": department, "source": "test",
                "occurred_at": f"2020-09-0{1 + place}T10:00:00+08:00", "serial": f"S{number}", **extra,
            }))  # fmt: skip
    publish(system, events)
    system.start("one")
    assert_exact(system, events)
    alerts = until(lambda: firing_of(system), "the alert of the overdue case")
    assert [(alert["kind"], alert["state"], alert["details"]["serial"]) for alert in alerts] == [("case_overdue", "firing", "S0")]
    assert alerts[0]["id"] == f"case_overdue|{alerts[0]['thing']}|{alerts[0]['due_at']}"


def test_bad_records_go_to_quarantine_and_cost_no_neighbour(system: System, city: list[bytes]) -> None:
    good = city[:2_000]
    publish(system, good)
    producer = KafkaProducer(bootstrap_servers=system.broker, max_request_size=2_000_000)
    key = orjson.loads(good[0])["department"].encode()
    bad = [b"{", b"[]", b"", b'{"type":"x"}', good[0].replace(b'"department"', b'"dep"'), b"x" * 300_000, "é".encode("latin-1")]
    for value in bad:
        producer.send(system.prefix + "cases", key=key, value=value)
    producer.send(system.prefix + "cases", key=None, value=good[0])
    producer.flush()
    producer.close()
    system.start("one")
    assert_exact(system, good)
    entries = until(lambda: _quarantined(system, len(bad) + 1), "every bad record is in quarantine")
    assert {entry["reason"] for entry in entries} >= {"not_json", "not_an_object", "empty", "unknown_type", "missing_field", "oversized"}
    assert {entry["size"] for entry in entries} >= {300_000}


def _quarantined(system: System, count: int) -> list[dict[str, Any]]:
    entries = [orjson.loads(line) for line in system.run("quarantine", "list", "--json").stdout.splitlines()]
    return entries if len(entries) >= count else []


def test_records_in_the_wrong_partition_are_sent_on(system: System, city: list[bytes]) -> None:
    lines = city[:1_000]
    producer = KafkaProducer(bootstrap_servers=system.broker)
    for line in lines:
        event = orjson.loads(line)
        wrong = (partition_of(event["department"], system.partitions) + 1) % system.partitions
        producer.send(system.prefix + TOPIC_OF_TYPE[event["type"]], key=event["department"].encode(), value=line, partition=wrong)
    producer.flush()
    producer.close()
    system.start("one")
    until(lambda: len(system.facts()) == len({orjson.loads(line)["event_id"] for line in lines}), "everything is sent on")
    assert_exact(system, lines)
    for record in system.chunks():
        for fact in record.facts:
            assert partition_of(fact[1], system.partitions) == record.partition


def test_a_closed_period_is_frozen_and_late_facts_become_adjustments(system: System, city: list[bytes]) -> None:
    half = len(city) // 2
    first, rest = city[:half], city[half:]
    system.start("one")
    publish(system, first, "first.jsonl")
    assert_exact(system, first)
    order = {
        "event_id": str(uuid.uuid4()), "type": "period.closed", "department": "*", "source": "test", "period": "2020-08",
        "occurred_at": datetime.now(tz=timezone.utc).isoformat(),
    }  # fmt: skip
    publish(system, [orjson.dumps(order)], "close.jsonl")
    until(lambda: all(record["version"] for record in system.scores().values()) and _frozen(system) == 8, "all are frozen")
    publish(system, rest, "rest.jsonl")
    until(lambda: not system.holes(), "everything is consumed")
    frozen, whole = expected_scores(first), expected_scores(city)
    expected = {key: frozen[key] if "|2020-08|" in key else record for key, record in whole.items()}
    until(lambda: not differences(system.scores(), expected), "closed as frozen, open as the whole set")
    would_be = {}
    for record in system.read("adjustments"):
        adjustment = orjson.loads(record.value)
        would_be[f"{adjustment['department']}|{adjustment['period']}|{adjustment['indicator']}"] = adjustment["would_be"]["points_exact"]
    changed = {key for key in frozen if "|2020-08|" in key and frozen[key]["points_exact"] != whole[key]["points_exact"]}
    assert changed
    assert {key: would_be[key] for key in changed} == {key: whole[key]["points_exact"] for key in changed}


def _frozen(system: System) -> int:
    return len({r.department for r in map(decode, (record.value for record in system.read(CHANGELOG))) if isinstance(r, FrozenRecord)})


def test_topics_that_are_wrong_are_refused_with_what_mends_them(kafka: Any, unique_prefix: str, tmp_path: Path) -> None:
    system = System(kafka.address, unique_prefix, tmp_path)
    system.run("topics", "create", ONESTOP_PARTITIONS="2")
    refused = system.run("worker", expect=1)
    assert b"has 2 partitions, not 4" in refused.stderr
    assert b"ONESTOP_PARTITIONS=2" in refused.stderr
    assert system.run("topics", "check", expect=1).stdout.count(b"partitions") >= 8


def test_partitions_of_publish_and_kafka_agree(system: System) -> None:
    producer = KafkaProducer(bootstrap_servers=system.broker)
    for code in ("11439900MBCEU9EF55", "91350100M000100Y43", "11439900MBP49BNN31"):
        sent = producer.send(system.prefix + "cases", key=code.encode(), value=b"{}").get(timeout=30)
        assert TopicPartition(sent.topic, sent.partition).partition == partition_of(code, system.partitions)
    producer.close()
