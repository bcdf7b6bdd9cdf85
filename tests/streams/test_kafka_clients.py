"""What clients of Kafka are given, the rules for their users, and what is said when they are turned away. Without a broker."""

from __future__ import annotations

import logging
import ssl
import subprocess
from pathlib import Path
from typing import Any

import aiokafka.errors
import kafka.errors
import kafka.record.default_records
import pytest
from aiokafka.record._crecords import crc32c_cython
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from kafka.admin import ACLOperation, ResourceType

from models.events import INPUT_TOPICS
from models.settings import Settings, SettingsError, load_settings
from streams import acls, kafka_clients
from streams.kafka_clients import client_arguments, faust_credentials, kafka_fault
from streams.topics import CONFIGS
from tests.support.secure_kafka import certificates

SASL = {"kafka_sasl_username": "somebody", "kafka_sasl_password": "hidden-password"}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pem")
    certificates(directory)
    return directory


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_clients._refusals, "_held", None)


def test_kafka_python_sums_with_compiled_code() -> None:
    summing = kafka.record.default_records.calc_crc32c
    assert summing is crc32c_cython
    assert summing(memoryview(b"123456789")) == 0xE3069283  # the check value of CRC-32C


def ways(pem: Path) -> list[Settings]:
    tls = {"kafka_ssl_cafile": pem / "ca.pem"}
    return [
        load_settings(),
        load_settings(kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_mechanism="SCRAM-SHA-256", **SASL),
        load_settings(kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_mechanism="PLAIN", **SASL),
        load_settings(kafka_security_protocol="SASL_SSL", **SASL, **tls),
        load_settings(kafka_security_protocol="SSL", **tls),
        load_settings(kafka_security_protocol="SSL", **tls, kafka_ssl_certfile=pem / "broker.crt", kafka_ssl_keyfile=pem / "broker.key"),
        load_settings(kafka_security_protocol="SSL", **tls, kafka_ssl_certfile=pem / "broker.pem"),
    ]


def test_faust_hands_to_aiokafka_what_the_other_clients_get(pem: Path) -> None:
    for settings in ways(pem):
        arguments = client_arguments(settings)
        handed = credentials_to_aiokafka_auth(faust_credentials(settings), None)
        del arguments["bootstrap_servers"]
        assert {name: value for name, value in handed.items() if value is not None} == {
            name: value for name, value in arguments.items() if value is not None
        }


def test_certificates_and_names_are_checked(pem: Path) -> None:
    for settings in ways(pem):
        context = client_arguments(settings)["ssl_context"]
        assert (context is not None) == settings.kafka_security_protocol.endswith("SSL")
        if context is not None:
            assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"kafka_ssl_cafile": "none.pem"}, r"ONESTOP_KAFKA_SSL_CAFILE=.*none.pem: No such file"),
        ({"kafka_ssl_cafile": "broker.key"}, r"ONESTOP_KAFKA_SSL_CAFILE=.*broker.key: .*name a PEM file"),
        ({"kafka_ssl_certfile": "none.pem"}, r"ONESTOP_KAFKA_SSL_CERTFILE=.*none.pem: No such file"),
        ({"kafka_ssl_certfile": "broker.crt"}, r"ONESTOP_KAFKA_SSL_CERTFILE=.*broker.crt: .*name a PEM file"),
        ({"kafka_ssl_certfile": "broker.crt", "kafka_ssl_keyfile": "ca.key"}, r"ONESTOP_KAFKA_SSL_KEYFILE=.*ca.key: .*belong together"),
        (
            {"kafka_ssl_certfile": "broker.crt", "kafka_ssl_keyfile": "locked.key"},
            r"ONESTOP_KAFKA_SSL_KEYFILE=.*the key without a password",
        ),
    ],
)
def test_files_that_cannot_be_used_are_named(pem: Path, files: dict[str, str], says: str) -> None:
    command = ["openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", "broker.key", "-out", "locked.key"]
    subprocess.run(command, cwd=pem, check=True, capture_output=True)
    settings = load_settings(kafka_security_protocol="SSL", **{name: pem / file for name, file in files.items()})
    with pytest.raises(SettingsError, match=says):
        client_arguments(settings)


class TopicAuthorizationFailedError(aiokafka.errors.TopicAuthorizationFailedError):
    """A class of a library is told by the names of all its bases."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (kafka.errors.TopicAuthorizationFailedError("scores"), "does not allow user somebody to do this (TopicAuthorizationFailedError: scores)"),
        (kafka.errors.ClusterAuthorizationFailedError(), "does not allow user somebody to do this (ClusterAuthorizationFailedError)"),
        (TopicAuthorizationFailedError("scores"), "does not allow user somebody to do this"),
        (aiokafka.errors.GroupAuthorizationFailedError("g"), "does not allow user somebody to do this"),
        (kafka.errors.SaslAuthenticationFailedError("no"), "refuses user somebody (SaslAuthenticationFailedError: no)"),
        (aiokafka.errors.SaslAuthenticationFailed("no"), "refuses user somebody"),
        (kafka.errors.UnsupportedSaslMechanismError(), "does not take SCRAM-SHA-512"),
        (ssl.SSLCertVerificationError("self-signed certificate"), "is not trusted (SSLCertVerificationError"),
        (kafka.errors.KafkaTimeoutError("Unable to bootstrap"), "cannot be reached (KafkaTimeoutError: Unable to bootstrap; SASL_SSL SCRAM-SHA-512)"),
        (ConnectionRefusedError(111, "Connection refused"), "cannot be reached (ConnectionRefusedError: [Errno 111] Connection refused"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_said(error: BaseException, says: str) -> None:
    settings = load_settings(broker="kafka-1:9093", kafka_security_protocol="SASL_SSL", **SASL)
    chinese, english = kafka_fault(settings, error)
    assert says in english
    assert "Kafka kafka-1:9093" in chinese
    assert "hidden" not in chinese + english


@pytest.mark.parametrize("library", ["kafka.net.manager", "aiokafka.client"])
def test_why_a_library_could_not_connect_is_taken_from_its_log(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(kafka_security_protocol="SASL_SSL", **SASL)
    nothing = kafka.errors.KafkaTimeoutError("Unable to bootstrap")
    log = logging.getLogger(library)
    log.error("failed: %s", kafka.errors.SaslAuthenticationFailedError("wrong"))
    log.error("failed: %s", nothing)
    assert "refuses user somebody (SaslAuthenticationFailedError: wrong)" in kafka_fault(settings, nothing)[1]
    assert "does not allow" in kafka_fault(settings, kafka.errors.TopicAuthorizationFailedError("x"))[1]
    monkeypatch.setattr(kafka_clients, "_REMEMBERED_SECONDS", -1)
    assert "cannot be reached" in kafka_fault(settings, nothing)[1]


# The rules


def test_every_topic_has_who_writes_and_who_reads_it() -> None:
    def of(operation: str) -> dict[str, set[str]]:
        return {
            topic: {rule.role for rule in acls.RULES if rule.kind == "TOPIC" and topic in rule.names and operation in rule.operations}
            for topic in CONFIGS
        }

    assert all(of("WRITE").values())
    assert all(of("READ").values())
    assert {topic: roles for topic, roles in of("WRITE").items() if "worker" not in roles} == {"audit": {"operator", "web"}}
    assert {topic for topic, roles in of("WRITE").items() if "web" in roles} == {"oversight", "audit"}
    assert {topic for topic, roles in of("WRITE").items() if "source" in roles} == set(INPUT_TOPICS) - {"periods"}
    assert {name for rule in acls.RULES if rule.kind == "TOPIC" for name in rule.names} == set(CONFIGS)


def test_names_have_the_prefix_and_sources_may_be_narrowed() -> None:
    settings = load_settings(topic_prefix="city-a-")
    rules = acls.wanted(settings, [acls.parse_principal("source", "User:permits=cases,serials"), acls.parse_principal("worker", "User:w")])
    source = [(r.resource_pattern.resource_name, r.operation) for r in rules if r.principal == "User:permits"]
    assert source == [("city-a-serials", ACLOperation.WRITE), ("city-a-cases", ACLOperation.WRITE)]
    assert all(r.resource_pattern.resource_name.startswith("city-a-") for r in rules)
    assert [r.resource_pattern.resource_name for r in rules if r.resource_pattern.resource_type == ResourceType.GROUP] == ["city-a-onestop"]


@pytest.mark.parametrize(
    ("role", "text", "found"),
    [
        ("source", "User:a", acls.Principal("User:a", "source")),
        ("source", "User:a=cases", acls.Principal("User:a", "source", ("cases",))),
        ("source", "User:CN=bureau,O=city", acls.Principal("User:CN=bureau,O=city", "source")),
        ("source", "User:CN=bureau,O=city=cases,licences", acls.Principal("User:CN=bureau,O=city", "source", ("cases", "licences"))),
        ("worker", "User:CN=cases", acls.Principal("User:CN=cases", "worker")),
    ],
)  # fmt: skip
def test_principals(role: Any, text: str, found: acls.Principal) -> None:
    assert acls.parse_principal(role, text) == found


@pytest.mark.parametrize("text", ["", "a", "User:", "User:*", ":a", "=cases", "*"])
def test_wrong_principals(text: str) -> None:
    with pytest.raises(ValueError, match="should be a principal, for example User:onestop-worker"):
        acls.parse_principal("source", text)
