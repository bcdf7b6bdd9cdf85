"""`onestop recount` on Apache Kafka and a real Redis: equal when all is right, and it names what is not."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from kafka import KafkaProducer

from models.events import TOPIC_OF_TYPE
from models.facts import pack, to_fact
from models.settings import load_settings
from models.wire import parse_record
from streams.changelog import ChunkRecord, FrozenRecord, decode, encode_chunk
from streams.intake import partition_of
from streams.serving.layout import STAMP_LENGTH, Layout
from streams.serving.read_model import open_read_model
from streams.simulator import chaos, dump, simulate_months
from streams.topics import CHANGELOG
from tests.support.live import ONESTOP, System, differences, expected_scores, until


@pytest.fixture(scope="module")
def city() -> list[bytes]:
    """A simulated city of three departments and two months, shuffled, repeated and delayed."""
    return [dump(event) for event in chaos(simulate_months(3, "2020-08", "2020-09", seed=7, volume=0.1), seed=7)]


@pytest.fixture
def system(kafka: Any, redis_server: Any, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    """A worker and a projector at work."""
    held = System(kafka.address, unique_prefix, tmp_path, partitions=3, extra={"ONESTOP_REDIS_URL": redis_server.url})
    held.run("topics", "create")
    held.start("worker")
    held.start("projector", "projector")
    yield held
    held.close()


@pytest.fixture
def client(redis_server: Any) -> Iterator[Any]:
    opened = redis.Redis.from_url(redis_server.url)
    yield opened
    opened.close()


def publish(system: System, lines: list[bytes], *, wrong: bool = False) -> None:
    """Publish lines, or put them into a wrong partition, together with records that cannot be used."""
    if not wrong:
        path = system.directory / f"{uuid.uuid4().hex}.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        system.run("publish", str(path))
        return
    producer = KafkaProducer(bootstrap_servers=system.broker)
    for line in lines:
        event = orjson.loads(line)
        key, topic = event["department"].encode(), system.prefix + TOPIC_OF_TYPE[event["type"]]
        producer.send(topic, key=key, value=line, partition=(partition_of(event["department"], system.partitions) + 1) % system.partitions)
        producer.send(topic, key=key, value=b"{" + line)
        producer.send(system.prefix + "periods", key=key, value=line)
    producer.flush()
    producer.close()


def order(kind: str, **fields: Any) -> bytes:
    return orjson.dumps({
        "event_id": str(uuid.uuid4()), "type": kind, "department": "*", "source": "tests", "period": "2020-08",
        "occurred_at": datetime.now(tz=timezone.utc).isoformat(), **fields,
    })  # fmt: skip


# As the command, but that it waits for a second where that waits for four before it looks again.
IMPATIENT = [sys.executable, "-c", "import streams.recount as r; r.PAUSE_SECONDS = 1; from streams.cli.main import main; main()", "recount"]


def run(system: System, *options: str, expect: int | None = None, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run a recount to its end."""
    environment = {**system.environment, **settings}
    done = subprocess.run([*IMPATIENT, *options], env=environment, capture_output=True, check=False, timeout=300)
    assert expect is None or done.returncode == expect, done.stderr.decode()
    return done


def recount(system: System, *options: str, expect: int | None = None, **settings: str) -> dict[str, Any]:
    """The result of a recount; what it says to people is in no other form."""
    result: dict[str, Any] = orjson.loads(run(system, "--json", *options, expect=expect, **settings).stdout)
    return result


def served(system: System) -> dict[str, dict[str, Any]]:
    """What `onestop scores` reads."""
    model = open_read_model(load_settings(redis_url=system.extra["ONESTOP_REDIS_URL"], topic_prefix=system.prefix))
    try:
        records = [record for label in model.period_labels() for record in model.scores(label)]
    finally:
        model.close()
    return {f"{r.department}|{r.period}|{r.indicator}": orjson.loads(r.to_json()) for r in records}


def settled(system: System, expected: dict[str, dict[str, Any]]) -> None:
    until(lambda: not system.holes(), "everything is consumed", logs=system.logs)
    until(lambda: not differences(served(system), expected), "the read model is there")


def frozen_departments(system: System) -> set[str]:
    records = [decode(record.value) for record in system.read(CHANGELOG)]
    return {record.department for record in records if isinstance(record, FrozenRecord)}


def keys(result: dict[str, Any], state: str = "different") -> set[str]:
    return {f"{d['department']}|{d['period']}|{d['indicator']}" for d in result["differences"] if d["state"] == state}


def causes(result: dict[str, Any]) -> dict[str, list[str]]:
    return {cause["kind"]: cause["examples"] for d in result["differences"] for cause in d["causes"]}


def test_equal_after_repeats_wrong_partitions_bad_records_a_closing_late_facts_and_reopening(
    system: System, city: list[bytes], client: Any
) -> None:
    third = len(city) // 3
    publish(system, city[:third])
    publish(system, city[third : 2 * third], wrong=True)
    first = city[: 2 * third]
    settled(system, expected_scores(first))
    result = recount(system, expect=0)
    assert (result["mismatches"], result["not_compared"], result["records"]) == (0, 0, len(expected_scores(first)))
    assert result["events"] > len(first), "the bad ones and the misplaced ones were read too"
    in_two = recount(system, "--processes", "2", expect=0)
    assert {name: in_two[name] for name in ("events", "records", "mismatches")} == {
        name: result[name] for name in ("events", "records", "mismatches")
    }

    publish(system, [order("period.closed")])
    until(lambda: len(frozen_departments(system)) == 3, "all are frozen")
    publish(system, city[2 * third :])
    frozen, whole = expected_scores(first), expected_scores(city)
    assert any(frozen[key]["points_exact"] != whole[key]["points_exact"] for key in frozen if "|2020-08|" in key)
    settled(system, {key: frozen[key] if "|2020-08|" in key else record for key, record in whole.items()})
    result = recount(system, expect=0)
    assert (result["mismatches"], result["not_compared"]) == (0, 0)

    # A worker of other rules: the frozen records stay as they were frozen, the open ones differ and it is said why.
    rules = system.directory / "rules.yaml"
    rules.write_text("name: other\nseed: other\npolicies:\n  zero_denominator: zero\n", encoding="utf-8")
    result = recount(system, expect=1, ONESTOP_RULESET=str(rules))
    assert keys(result, "not_compared") == {key for key in frozen if "|2020-08|" in key}
    assert keys(result) == {key for key in whole if "|2020-08|" not in key}
    assert set(causes(result)) == {"other_ruleset"}

    system.run("period", "reopen", "2020-08", "--why", "the case store was late")
    settled(system, whole)
    assert recount(system, expect=0)["mismatches"] == 0
    assert orjson.loads(client.get(Layout(f"{system.prefix}onestop:").recount)[STAMP_LENGTH:])["mismatches"] == 0


def test_a_score_that_was_tampered_with_is_named(system: System, city: list[bytes], client: Any) -> None:
    publish(system, city)
    settled(system, expected_scores(city))
    assert recount(system, expect=0)["mismatches"] == 0
    scores = Layout(f"{system.prefix}onestop:").scores("2020-09")
    department = sorted(name.decode().partition("|")[0] for name in client.hkeys(scores))[0]
    field = f"{department}|licence_generation"
    value = client.hget(scores, field)
    points = orjson.loads(value[STAMP_LENGTH:])["points_exact"]
    client.hset(scores, field, value.replace(b'"points_exact":"' + points.encode(), b'"points_exact":"1234'))
    client.hdel(scores, f"{department}|docking_depth")
    client.hset(
        scores, "91350100M000100Y43|total", client.hget(scores, f"{department}|total").replace(department.encode(), b"91350100M000100Y43")
    )
    said = run(system, expect=1).stdout.decode()
    assert f"different {department} 2020-09 licence_generation: points_exact live '1234', counted '{points}'" in said
    assert f"different {department} 2020-09 docking_depth: the live system has no such record" in said
    assert "different 91350100M000100Y43 2020-09 total: nothing in the log stands behind it" in said
    assert "the facts are the same" in said
    assert "3 different, 0 not compared" in said
    assert "points_exact 实时 '1234'" in run(system, "--period", "2020-09", expect=1, ONESTOP_LANG="zh").stdout.decode()
    # Of a period, or of a department: only that, and not kept as the last.
    assert recount(system, "--period", "2020-08", expect=0)["mismatches"] == 0
    assert recount(system, "--department", department, expect=1)["mismatches"] == 2
    other = next(orjson.loads(line)["department"] for line in city if orjson.loads(line)["department"] != department)
    assert recount(system, "--department", other, expect=0)["records"] < 17 * 100
    doctor = [orjson.loads(line) for line in system.run("doctor", "--json", expect=None).stdout.splitlines()]
    [finding] = [finding for finding in doctor if finding["check"] == "recount"]
    assert not finding["right"]
    assert "3 different" in finding["text"]
    # Repaired, and counted again: it is the last that is told.
    client.hset(scores, field, value)
    client.hdel(scores, "91350100M000100Y43|total")
    recount(system)
    last = orjson.loads(client.get(Layout(f"{system.prefix}onestop:").recount)[STAMP_LENGTH:])
    assert [d["indicator"] for d in last["differences"]] == ["docking_depth"]


def test_an_event_that_is_in_no_input_and_one_that_was_lost_are_named(system: System, city: list[bytes]) -> None:
    publish(system, city)
    settled(system, expected_scores(city))
    system.kill("worker", signal.SIGTERM)
    department = orjson.loads(city[0])["department"]
    number = partition_of(department, system.partitions)

    def event(name: str, at: str) -> bytes:
        return orjson.dumps({
            "event_id": name, "type": "serial.issued", "department": department, "occurred_at": at, "source": "tests",
            "serial": name, "item": "I1",
        })  # fmt: skip

    # To the worker it looks as if it had taken in the one and had finished the other.
    fact = to_fact(parse_record(event("foreign", "2020-09-03T10:00:00+08:00")))  # type: ignore[arg-type]
    publish(system, [event("lost", "2020-09-04T10:00:00+08:00")])
    [end] = [r.offset + 1 for r in system.read("serials") if r.partition == number and r.value and b'"lost"' in r.value]
    record = ChunkRecord("serials", number, end - 1, end)
    record.add(fact, int(datetime.now(tz=timezone.utc).timestamp() * 1_000), pack(fact))
    producer = KafkaProducer(bootstrap_servers=system.broker)
    for value in encode_chunk(record):
        producer.send(system.prefix + CHANGELOG, value=value, partition=number)
    producer.flush()
    producer.close()
    result = recount(system, expect=1)
    assert set(causes(result)) == {"not_in_log", "not_consumed"}
    commit(system, "serials", number, end)
    system.start("again")
    until(
        lambda: served(system)[f"{department}|2020-09|total"]["version"] == version(city, department) + 1,
        f"the foreign one is folded in\n{system.logs()}",
    )
    result = recount(system, expect=1)
    assert causes(result)["not_in_log"] == ["foreign"]
    assert causes(result)["lost"] == [f"lost (serials|{number}|{end - 1})"]
    assert {d["department"] for d in result["differences"]} == {department}


def commit(system: System, topic: str, partition: int, offset: int) -> None:
    """Commit an offset for the group of the workers, none of which runs."""
    from kafka import KafkaConsumer, TopicPartition
    from kafka.structs import OffsetAndMetadata

    from streams.topics import APP

    consumer = KafkaConsumer(bootstrap_servers=system.broker, group_id=system.prefix + APP, enable_auto_commit=False)
    place = TopicPartition(system.prefix + topic, partition)
    consumer.assign([place])
    until(lambda: _committed(consumer, {place: OffsetAndMetadata(offset, "", -1)}), "the group is empty")
    consumer.close()


def _committed(consumer: Any, offsets: Any) -> bool:
    from kafka.errors import KafkaError

    try:
        consumer.commit(offsets)
    except KafkaError:
        return False
    return True


def version(lines: list[bytes], department: str) -> int:
    return len({event["event_id"] for event in map(orjson.loads, lines) if event["department"] == department})


def test_an_id_with_two_contents_is_no_mismatch(system: System, city: list[bytes]) -> None:
    """Which one stands depends on which topic a worker read first; the recount follows it."""
    event = orjson.loads(city[0])
    department = event["department"]
    common = {"department": department, "source": "tests"}
    pairs = []
    for number in range(20):
        name = f"conflict-{number}"
        at = f"2020-09-{number + 1:02d}T10:00:00+08:00"
        pairs += [
            {"event_id": name, "type": "serial.issued", "occurred_at": at, "serial": name, "item": "I1", **common},
            {"event_id": name, "type": "case.accepted", "occurred_at": at, "serial": name, "item": "I1", "acceptance_no": name, **common},
        ]
    publish(system, [orjson.dumps(pair) for pair in pairs] + city[:1])
    until(lambda: not system.holes() and len(system.facts()) == 21, "everything is consumed", logs=system.logs)
    until(lambda: served(system).get(f"{department}|2020-09|total", {}).get("version", 0) >= 20, "the read model is there")
    result = recount(system, expect=0)
    assert result["mismatches"] == 0


def test_what_cannot_be_reached(system: System) -> None:
    assert b"ONESTOP_BROKER" in run(system, expect=3, ONESTOP_BROKER="127.0.0.1:1").stderr
    assert b"ONESTOP_REDIS_URL" in run(system, expect=3, ONESTOP_REDIS_URL="redis://127.0.0.1:1/0").stderr
    assert b"topics check" in run(system, expect=1, ONESTOP_TOPIC_PREFIX=f"{system.prefix}none-").stderr
    assert b"ONESTOP_REDIS_URL" in run(system, "--processes", "2", expect=3, ONESTOP_REDIS_URL="redis://127.0.0.1:1/0").stderr
    assert b"--every counts everything" in run(system, "--every", "1", "--period", "2020-09", expect=2).stderr


def test_every_so_many_hours(system: System, city: list[bytes], client: Any) -> None:
    publish(system, city[:200])
    settled(system, expected_scores(city[:200]))
    doctor = system.run("doctor", "--json", expect=None).stdout.decode()
    assert "`onestop recount` compares" in doctor
    name = Layout(f"{system.prefix}onestop:").recount
    system.start("recount", [*ONESTOP, "recount", "--every", "0.001"])
    first = until(lambda: client.get(name), "the first result", logs=system.logs)
    second = until(lambda: (value := client.get(name)) != first and value, "a second result")
    assert orjson.loads(second[STAMP_LENGTH:])["mismatches"] == 0
