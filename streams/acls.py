"""Access rules (ACLs) at Kafka: each process may do what it has to with its topics, and nothing else.

A broker cannot look into records: whoever may write to an input topic may write any event there, and may also set the header that says
when a record arrived first. So sources are bureaus that are trusted to speak for the departments whose events they publish.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import ClusterAuthorizationFailedError, KafkaError

from models.events import INPUT_TOPICS, TOPIC_OF_TYPE
from models.settings import Settings
from streams.control import CONTROL
from streams.topics import APP, CHANGELOG, OUTPUT_TOPICS

Role = Literal["worker", "projector", "web", "source", "operator"]
Operation = Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]
PROJECTED = ("scores", "status", "alerts")
AUDIT = "audit"
# What only people decide; no publishing system closes a period.
OPERATORS_ONLY = (TOPIC_OF_TYPE["period.closed"],)
SOURCES = tuple(topic for topic in INPUT_TOPICS if topic not in OPERATORS_ONLY)
WORKERS = tuple(topic for topic in OUTPUT_TOPICS if topic != AUDIT)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a role may do with topics, or with a consumer group; names without prefix."""

    role: Role
    kind: Literal["TOPIC", "GROUP"]
    names: tuple[str, ...]
    operations: tuple[Operation, ...]
    why: str


RULES = (
    Rule("worker", "TOPIC", INPUT_TOPICS, ("READ", "WRITE", "DESCRIBE_CONFIGS"), "reads events; sends on those in a wrong partition"),
    Rule("worker", "TOPIC", (CHANGELOG,), ("READ", "WRITE", "DESCRIBE_CONFIGS"), "its state"),
    Rule("worker", "TOPIC", WORKERS, ("WRITE", "DESCRIBE_CONFIGS"), "publishes; looks at the settings when it starts"),
    Rule("worker", "TOPIC", (AUDIT,), ("DESCRIBE", "DESCRIBE_CONFIGS"), "looks at the settings of all topics when it starts"),
    Rule("worker", "TOPIC", (CONTROL,), ("READ",), "which topics are paused"),
    Rule("worker", "GROUP", (APP,), ("READ",), "shares the partitions, commits"),
    Rule("projector", "TOPIC", PROJECTED, ("READ", "WRITE"), "reads; appends a newer record again behind one that came late"),
    Rule("projector", "TOPIC", ("adjustments", AUDIT, "quarantine"), ("READ",), "reads"),
    Rule("web", "TOPIC", (TOPIC_OF_TYPE["sample.drawn"], AUDIT), ("WRITE",), "publishes what people record on its pages, and who did"),
    Rule("source", "TOPIC", SOURCES, ("WRITE",), "publishes events; may be narrowed to some of the topics"),
    Rule("operator", "TOPIC", INPUT_TOPICS, ("READ", "WRITE", "DESCRIBE_CONFIGS"), "publishes, closes periods, draws samples"),
    Rule("operator", "TOPIC", (CHANGELOG, *OUTPUT_TOPICS), ("READ", "DESCRIBE_CONFIGS"), "looks into all of it"),
    Rule("operator", "TOPIC", (CONTROL, "quarantine"), ("WRITE",), "pauses topics; notes what was done about records in quarantine"),
    Rule("operator", "TOPIC", (AUDIT,), ("WRITE",), "says who ordered what"),
    Rule("operator", "GROUP", (APP,), ("DESCRIBE",), "the lag"),
)  # fmt: skip
ROLES: tuple[Role, ...] = ("worker", "projector", "web", "source", "operator")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who comes in a role: a name as the broker knows it, and the topics that a source is narrowed to."""

    name: str
    role: Role
    topics: tuple[str, ...] = ()


class NoAuthorizerError(Exception):
    """The broker checks no rules."""


def default_principal(role: Role) -> str:
    """The user that a role has unless another is named."""
    return f"User:{APP}-{role}"


def parse_principal(role: Role, text: str) -> Principal:
    """Read `TYPE:NAME`, or for a source `TYPE:NAME=TOPIC,TOPIC`.

    Raises:
        ValueError: it is none.
    """
    name, _, listed = text.rpartition("=")
    topics = tuple(listed.split(","))
    # A certificate's name has = and , too: only what ends in topics is narrowed.
    if role == "source" and name and set(topics) <= set(SOURCES):
        return Principal(_checked(name), role, topics)
    return Principal(_checked(text), role)


def _checked(name: str) -> str:
    kind, _, rest = name.partition(":")
    if not kind.isalpha() or not rest or rest == "*":
        raise ValueError(f"{name!r} should be a principal, for example User:onestop-worker")
    return name


def wanted(settings: Settings, principals: Iterable[Principal]) -> list[ACL]:
    """The rules of some principals, with the prefix of the settings in their names."""
    return [
        _acl(principal.name, operation, rule.kind, settings.topic(name))
        for principal in principals
        for rule in RULES
        if rule.role == principal.role
        for name in rule.names
        if not principal.topics or name in principal.topics
        for operation in rule.operations
    ]


def _acl(principal: str, operation: Operation, kind: str, name: str) -> ACL:
    pattern = ResourcePattern(ResourceType[kind], name, ACLResourcePatternType.LITERAL)
    return ACL(principal, "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)


def create(settings: Settings, client: KafkaAdminClient, principals: Iterable[Principal]) -> list[ACL]:
    """Make the rules that are missing; those made. None is ever taken away.

    Raises:
        NoAuthorizerError: the broker checks none.
        kafka.errors.KafkaError: the broker cannot be reached, or does not allow this user to make rules.
    """
    every = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    try:
        held, _ = client.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, every))
    except ClusterAuthorizationFailedError:
        raise
    except KafkaError as error:
        if type(error).__name__ == "SecurityDisabledError":
            raise NoAuthorizerError from None
        raise
    missing = list(dict.fromkeys(acl for acl in wanted(settings, principals) if acl not in set(held)))
    if missing and (failed := client.create_acls(missing)["failed"]):
        raise failed[0](f"{len(failed)} of {len(missing)} rules could not be made")
    return missing
