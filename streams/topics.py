"""Topics: what each has to be, making them, and checking them with the Kafka admin client."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError

from models.events import INPUT_TOPICS
from models.settings import Settings
from streams.kafka_clients import client_arguments

APP = "onestop"
ONE_MEBIBYTE = str(1024 * 1024)
TWO_MEBIBYTES = str(2 * 1024 * 1024)
DAY_MS = str(86_400_000)
_FOREVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
# Twice as much fits into quarantine as into an input topic: a large bad record that did not fit would end workers for ever.
_INPUT = {**_FOREVER, "message.timestamp.type": "LogAppendTime", "max.message.bytes": ONE_MEBIBYTE}
_COMPACTED = {"cleanup.policy": "compact", "min.compaction.lag.ms": DAY_MS}
OUTPUT_TOPICS: dict[str, dict[str, str]] = {
    "scores": _COMPACTED,
    "status": _COMPACTED,
    "alerts": _FOREVER,
    "quarantine": {**_FOREVER, "max.message.bytes": TWO_MEBIBYTES},
    "adjustments": _FOREVER,
    "audit": _FOREVER,
    # Its timestamps are the broker's clock, which a worker compares its own with.
    "control": {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"},
}
CHANGELOG = f"{APP}-facts-changelog"
# Facts and input topics never expire: recount reads the inputs, recovery the changelog.
CONFIGS: dict[str, dict[str, str]] = {
    **dict.fromkeys(INPUT_TOPICS, _INPUT),
    **OUTPUT_TOPICS,
    CHANGELOG: {**_FOREVER, "max.message.bytes": TWO_MEBIBYTES},
}
UNREACHABLE = (KafkaError, OSError)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a topic, and the command that mends it."""

    topic: str
    fault: str
    mend: str

    def __str__(self) -> str:
        return f"topic {self.topic}: {self.fault}; {self.mend}"


def admin(settings: Settings) -> KafkaAdminClient:
    """An admin client.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached.
    """
    return KafkaAdminClient(
        **client_arguments(settings),
        client_id=f"{APP}-admin",
        request_timeout_ms=10_000,
        bootstrap_timeout_ms=5_000,
    )


def committed(settings: Settings, client: KafkaAdminClient) -> dict[tuple[str, int], int]:
    """The offsets that the workers have committed, by topic (without prefix) and partition."""
    group = settings.topic(APP)
    held = client.list_group_offsets({group: None}).get(group, {})
    return {(place.topic.removeprefix(settings.topic_prefix), place.partition): offset.offset for place, offset in held.items()}


def create(settings: Settings, client: KafkaAdminClient) -> list[str]:
    """Make the topics that are missing; the names of those made."""
    held = set(client.list_topics())
    missing = [name for name in CONFIGS if settings.topic(name) not in held]
    wanted = {
        settings.topic(name): {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication,
            "configs": CONFIGS[name],
        }
        for name in missing
    }
    for name, parameters in wanted.items():
        try:
            client.create_topics({name: parameters})
        except TopicAlreadyExistsError:  # another process was faster
            continue
    return list(wanted)


def check(settings: Settings, client: KafkaAdminClient) -> list[Fault]:
    """What is wrong with the topics on the broker; empty when all is right.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached, or does not allow this user to look.
    """
    described = {topic["name"]: topic for topic in client.describe_topics([settings.topic(name) for name in CONFIGS])}
    faults: list[Fault] = []
    present = []
    hidden = sorted(name for name, topic in described.items() if topic.get("error_code") == TopicAuthorizationFailedError.errno)
    if hidden:
        raise TopicAuthorizationFailedError(f"it may not look at the topics {', '.join(hidden)}")
    for name in CONFIGS:
        topic = settings.topic(name)
        found = described.get(topic)
        if found is None or found.get("error_code"):
            faults.append(Fault(topic, "is missing", "make it with `onestop topics create`"))
        elif len(found["partitions"]) != settings.partitions:
            mend = (
                f"set ONESTOP_PARTITIONS={len(found['partitions'])} if all input topics have that many, else delete the empty topic and "
                "run `onestop topics create` (a department's partition must not change)"
            )
            faults.append(Fault(topic, f"has {len(found['partitions'])} partitions, not {settings.partitions}", mend))
        else:
            present.append(name)
    return faults + _config_faults(settings, client, present)


def _config_faults(settings: Settings, client: KafkaAdminClient, names: Iterable[str]) -> list[Fault]:
    held = list(names)
    if not held:
        return []
    resources = [ConfigResource("TOPIC", settings.topic(name)) for name in held]
    configs: dict[str, Any] = client.describe_configs(resources, config_filter="all")["topic"]
    faults = []
    for name in held:
        topic = settings.topic(name)
        for key, wanted in CONFIGS[name].items():
            found = configs.get(topic, {}).get(key, {}).get("value")
            if found is not None and not _fits(name, key, found, wanted):
                mend = f"`kafka-configs.sh --bootstrap-server {settings.broker} --alter --topic {topic} --add-config {key}={wanted}`"
                faults.append(Fault(topic, f"{key} is {found}, not {wanted}", f"mend it with {mend}, or `onestop topics create --mend`"))
    return faults


def _fits(name: str, key: str, found: str, wanted: str) -> bool:
    if key == "max.message.bytes" and name in INPUT_TOPICS:
        return int(found) <= int(wanted)
    if key in ("max.message.bytes", "min.compaction.lag.ms"):
        return int(found) >= int(wanted)
    return found == wanted


def mend(settings: Settings, client: KafkaAdminClient) -> None:
    """Set the configuration of the topics that exist."""
    held = set(client.list_topics())
    names = [name for name in CONFIGS if settings.topic(name) in held]
    client.alter_configs([ConfigResource("TOPIC", settings.topic(name), CONFIGS[name]) for name in names])
