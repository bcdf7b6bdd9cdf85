"""The whole system on Apache Kafka with TLS, SCRAM and access rules: each process as its own user, and everyone else refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from kafka.errors import TopicAuthorizationFailedError

from models.events import INPUT_TOPICS, TOPIC_OF_TYPE
from models.settings import PREFIX, load_settings
from streams import acls, topics
from streams.changelog import FrozenRecord, decode
from streams.embedded import EmbeddedRedis
from streams.intake import partition_of
from streams.kafka_clients import client_arguments
from streams.reading import PartitionReader, read_topic
from streams.serving.rows import TOPICS
from streams.simulator import dump, simulate_months
from streams.topics import CHANGELOG
from tests.support.live import System, differences, expected_scores, until
from tests.support.secure_kafka import ADMIN, SecureKafka, password_of

WORKER, PROJECTOR, WEB, SOURCE, OPERATOR = (f"onestop-{role}" for role in acls.ROLES)
LICENCES = "licences-only"
STRANGER = "stranger"
USERS = (WORKER, PROJECTOR, WEB, SOURCE, OPERATOR, LICENCES, STRANGER)
PASSWORDS = ("wrong-password-0b1", *(password_of(user) for user in (*USERS, ADMIN)))


@pytest.fixture(scope="module")
def secure() -> Iterator[SecureKafka]:
    with SecureKafka(users=USERS) as server:
        yield server


@pytest.fixture(scope="module")
def city() -> list[bytes]:
    return [dump(event) for event in simulate_months(4, "2020-08", "2020-09", seed=5, volume=0.3)]


def _system(secure: SecureKafka, redis_server: EmbeddedRedis, prefix: str, directory: Path) -> System:
    """Topics and rules are made; what the test itself looks at it looks at as operator."""
    extra = {"ONESTOP_REDIS_URL": redis_server.url, **secure.settings_of(OPERATOR)}
    held = System(secure.address, prefix, directory, partitions=2, extra=extra)
    narrowed = f"User:{LICENCES}=licences,catalogue"
    held.run("topics", "create", "--acls", "--source", f"User:{SOURCE}", "--source", narrowed, **secure.settings_of(ADMIN))
    return held


@pytest.fixture
def system(secure: SecureKafka, redis_server: EmbeddedRedis, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    held = _system(secure, redis_server, unique_prefix, tmp_path)
    yield held
    held.close()


@pytest.fixture(scope="module")
def still(secure: SecureKafka, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> System:
    """Nothing runs; each topic holds a record, written by the administrator."""
    held = _system(secure, redis_server, "still-", tmp_path_factory.mktemp("still"))
    producer = KafkaProducer(**client(secure, ADMIN))
    for topic in topics.CONFIGS:
        producer.send(held.prefix + topic, key=b"x", value=b"{}", partition=0)
    producer.flush()
    producer.close()
    return held


def client(secure: SecureKafka, user: str) -> dict[str, Any]:
    given = {name.removeprefix(PREFIX).lower(): value for name, value in secure.settings_of(user).items()}
    return client_arguments(load_settings(**given))


def publish(system: System, secure: SecureKafka, user: str, lines: list[bytes], expect: int = 0, name: str = "events.jsonl") -> str:
    path = system.directory / name
    path.write_bytes(b"\n".join(lines) + b"\n")
    return system.run("publish", str(path), expect=expect, **secure.settings_of(user)).stderr.decode()


def test_each_process_as_its_own_user_scores_exactly(secure: SecureKafka, system: System, city: list[bytes]) -> None:
    system.start("worker", **secure.settings_of(WORKER))
    system.start("projector", "projector", **secure.settings_of(PROJECTOR))
    half = len(city) // 2
    publish(system, secure, SOURCE, city[:half])
    # A source with another partitioner: the worker sends its records on.
    producer = KafkaProducer(**client(secure, SOURCE))
    for line in city[half:]:
        event = orjson.loads(line)
        wrong = (partition_of(event["department"], system.partitions) + 1) % system.partitions
        producer.send(system.prefix + TOPIC_OF_TYPE[event["type"]], key=event["department"].encode(), value=line, partition=wrong)
    producer.send(system.prefix + "cases", key=b"x", value=b"{")
    producer.flush()
    producer.close()
    expected = expected_scores(city)
    until(
        lambda: not system.holes() and not differences(system.scores(), expected),
        "live scores are the offline ones",
        logs=system.logs,
    )
    assert b"not_json" in system.run("quarantine", "list").stdout

    def shown() -> dict[str, Any]:
        lines = system.run("scores", "--json").stdout.splitlines()
        return {f"{r['department']}|{r['period']}|{r['indicator']}": r for r in map(orjson.loads, lines)}

    until(lambda: not differences(shown(), expected), "the projector brings them into the read model", logs=system.logs)
    system.run("period", "close", "2020-08")
    departments = {orjson.loads(line)["department"] for line in city}
    until(
        lambda: (
            {r.department for r in map(decode, (r.value for r in system.read(CHANGELOG))) if isinstance(r, FrozenRecord)} == departments
        ),
        "the worker reads its log and freezes",
    )
    assert system.run("topics", "check").returncode == 0
    doctor = system.run("doctor", "--deep", expect=None).stdout.decode()
    for right in ("✓ broker", "✓ topics", "✓ lag", "✓ intervals", "✓ quarantine"):
        assert right in doctor
    shown_settings = system.run("doctor", "--settings").stdout.decode()
    assert f"ONESTOP_KAFKA_SASL_USERNAME={OPERATOR}" in shown_settings
    for output in (system.logs(), doctor, shown_settings, *(path.read_text() for path in system.directory.glob("*.log"))):
        assert not any(secret in output for secret in PASSWORDS)


def test_rules_are_made_once_and_are_those_of_the_table(secure: SecureKafka, system: System) -> None:
    again = system.run("topics", "create", "--acls", "--source", f"User:{SOURCE}", **secure.settings_of(ADMIN)).stdout.decode()
    assert "All access rules are there already." in again
    more = system.run("topics", "create", "--acls", "--operator", "User:second", **secure.settings_of(ADMIN)).stdout.decode()
    assert f"User:second READ topic {system.prefix}scores" in more.splitlines()
    assert all(line.startswith(("User:second ", "All topics")) for line in more.splitlines())
    refused = system.run("topics", "create", "--acls", "--operator", "User:third", expect=3).stderr.decode()
    assert f"does not allow user {OPERATOR} to do this" in refused
    assert "needs --acls" in refused or "administrator" in refused or "grant it" in refused


# What each may not do


@pytest.mark.parametrize("user", [SOURCE, LICENCES, STRANGER, PROJECTOR, WEB, OPERATOR, WORKER])
def test_each_writes_to_its_own_topics_only(secure: SecureKafka, still: System, user: str) -> None:
    its_own = {
        SOURCE: set(acls.SOURCES), LICENCES: {"licences", "catalogue"}, STRANGER: set(), PROJECTOR: {"scores", "status", "alerts"},
        OPERATOR: {*INPUT_TOPICS, "quarantine", "control", "audit"}, WORKER: {*topics.CONFIGS} - {"audit"}, WEB: {"oversight", "audit"},
    }  # fmt: skip
    written = set()
    for topic in topics.CONFIGS:
        # One each: an idempotent producer that was refused once is refused from then on.
        producer = KafkaProducer(**client(secure, user))
        with contextlib.suppress(TopicAuthorizationFailedError):
            producer.send(still.prefix + topic, key=b"x", value=b"{}", partition=0).get(timeout=30)
            written.add(topic)
        producer.close()
    assert written == its_own[user], (user, sorted(written), sorted(its_own[user]))


@pytest.mark.parametrize("user", [SOURCE, LICENCES, STRANGER, PROJECTOR, WEB, OPERATOR, WORKER])
def test_each_reads_its_own_topics_only(secure: SecureKafka, still: System, user: str) -> None:
    its_own = {PROJECTOR: {*TOPICS}, OPERATOR: set(topics.CONFIGS), WORKER: {*INPUT_TOPICS, CHANGELOG, "control"}}
    given = {**still.environment, **secure.settings_of(user)}
    settings = load_settings(**{name.removeprefix(PREFIX).lower(): value for name, value in given.items() if name.startswith(PREFIX)})
    read = set()
    for topic in topics.CONFIGS:
        with contextlib.suppress(TopicAuthorizationFailedError):
            assert list(read_topic(settings, topic))
            read.add(topic)
    assert read == its_own.get(user, set())
    if user == OPERATOR:
        with contextlib.closing(PartitionReader(settings, INPUT_TOPICS)) as reader:
            assert any([*reader.read(topic, number)] for topic in INPUT_TOPICS for number in range(still.partitions))


def test_what_is_refused_is_said(secure: SecureKafka, still: System, city: list[bytes]) -> None:
    def refusal(user: str, *arguments: str) -> str:
        said = still.run(*arguments, expect=3, **secure.settings_of(user)).stderr.decode()
        assert said.count("\n") == 1
        assert said.startswith(f"onestop: Kafka at {secure.address} does not allow user {user} to do this (")
        assert "`onestop topics create --acls`" in said
        return said

    assert "quarantine" in refusal(SOURCE, "quarantine", "list")
    refused = refusal(SOURCE, "period", "close", "2020-08")
    assert "still-periods" in refused or "still-audit" in refused, "it may write neither"
    assert "it may not look at the topics" in refusal(STRANGER, "topics", "check")
    refusal(WORKER, "topics", "create", "--acls")
    said = publish(still, secure, LICENCES, [line for line in city if b'"case.accepted"' in line][:3], expect=3)
    assert f"does not allow user {LICENCES} to do this" in said
    licences = [line for line in city if b'"licence.' in line][:3]
    assert licences
    publish(still, secure, LICENCES, licences)


@pytest.mark.parametrize(
    "arguments", [("topics", "check"), ("quarantine", "list"), ("period", "close", "2020-08"), ("topics", "create", "--acls")]
)
def test_a_wrong_password_ends_a_command_with_a_sentence(secure: SecureKafka, still: System, arguments: tuple[str, ...]) -> None:
    def refused() -> bool:
        said = still.run(*arguments, expect=3, **secure.settings_of(OPERATOR, "wrong-password-0b1")).stderr.decode()
        assert said.count("\n") == 1
        assert "wrong-password" not in said
        advice = "check ONESTOP_KAFKA_SASL_USERNAME and ONESTOP_KAFKA_SASL_PASSWORD"
        return f"Kafka at {secure.address} refuses user {OPERATOR} (" in said and advice in said

    # Again and again: on a machine that is busy the command gives up before the broker has answered.
    until(refused, "the refusal is told")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ONESTOP_KAFKA_SSL_CAFILE": "other.pem"}, "is not trusted"),
        ({"ONESTOP_KAFKA_SASL_MECHANISM": "PLAIN"}, "does not take PLAIN"),
        ({"ONESTOP_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "ONESTOP_KAFKA_SSL_CAFILE": ""}, "cannot be reached"),
    ],
)
def test_other_ways_to_come_wrongly(secure: SecureKafka, still: System, change: dict[str, str], says: str) -> None:
    given = {**secure.settings_of(OPERATOR), **change}
    if given["ONESTOP_KAFKA_SSL_CAFILE"] == "other.pem":
        given["ONESTOP_KAFKA_SSL_CAFILE"] = str(secure.directory / "other.pem")
    elif not given["ONESTOP_KAFKA_SSL_CAFILE"]:
        del given["ONESTOP_KAFKA_SSL_CAFILE"]
        still = replace(still, extra={name: value for name, value in still.extra.items() if name != "ONESTOP_KAFKA_SSL_CAFILE"})

    def said() -> str:
        text = still.run("topics", "check", expect=3, **given).stderr.decode()
        assert not any(secret in text for secret in PASSWORDS)
        return text

    # Again and again: kafka-python loses the broker's answer when the connection is closed right behind it.
    until(lambda: says in said(), says)


def test_processes_with_a_wrong_password_say_so_and_wait(secure: SecureKafka, system: System) -> None:
    for name, user in (("worker", WORKER), ("projector", PROJECTOR)):
        process = system.start(name, name, **secure.settings_of(user, "wrong-password-0b1"))
        log = system.directory / f"{name}.log"
        until(lambda: f"refuses user {user} (" in log.read_text(), f"{name} says so")  # noqa: B023
        assert "ing again" in log.read_text()
        assert process.poll() is None
        assert "wrong-password" not in log.read_text()
        assert "Traceback" not in log.read_text()


def test_processes_of_a_user_without_rights_say_so_and_wait(secure: SecureKafka, system: System) -> None:
    process = system.start("worker", **secure.settings_of(STRANGER))
    log = system.directory / "worker.log"
    until(lambda: f"does not allow user {STRANGER} to do this" in log.read_text(), "the worker says so")
    assert process.poll() is None


def test_who_comes_without_a_user_may_do_nothing(secure: SecureKafka, still: System) -> None:
    settings = load_settings(broker=secure.node.address, topic_prefix=still.prefix, partitions=2)
    with topics.admin(settings) as admin, pytest.raises(TopicAuthorizationFailedError):
        topics.check(settings, admin)
    with topics.admin(settings) as admin:
        assert not [name for name in admin.list_topics() if name.startswith(still.prefix)]


def test_a_broker_that_checks_no_rules_is_told(kafka: Any, unique_prefix: str, tmp_path: Path) -> None:
    system = System(kafka.address, unique_prefix, tmp_path, partitions=1)
    said = system.run("topics", "create", "--acls", expect=1).stderr.decode()
    assert "checks no access rules: set authorizer.class.name=" in said
