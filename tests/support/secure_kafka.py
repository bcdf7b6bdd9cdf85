"""Apache Kafka that lets nobody in: TLS, SCRAM-SHA-512 and ACLs, with certificates made for the occasion."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streams.embedded import HOST, KafkaProcess, free_ports
from tests.support.kafka import kafka_jars, missing

if TYPE_CHECKING:
    from typing_extensions import Self

ADMIN = "admin"
MECHANISM = "SCRAM-SHA-512"


def password_of(user: str) -> str:
    """A password that is found again wherever it leaks."""
    return f"pw-7c1e-{user}-not-to-be-seen"


def certificates(directory: Path) -> None:
    """An authority (`ca.pem`), a broker's certificate with its key (`broker.pem`), and another authority (`other.pem`)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl is not on PATH: the tests of TLS are skipped")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=directory, check=True, capture_output=True)

    for name in ("ca", "other"):
        run(
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "30",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
        )
    run("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=broker", "-keyout", "broker.key", "-out", "broker.csr")
    (directory / "broker.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run(
        "x509",
        "-req",
        "-in",
        "broker.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "30",
        "-extfile",
        "broker.ext",
        "-out",
        "broker.crt",
    )
    (directory / "broker.pem").write_text((directory / "broker.key").read_text() + (directory / "broker.crt").read_text())


@dataclass(kw_only=True)
class SecureKafka:
    """One node. Its plain listener is for the look whether it is up only: nobody who comes there may do anything."""

    users: tuple[str, ...]
    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="onestop-secure-")))
    node: KafkaProcess = field(init=False)
    address: str = field(init=False)

    def __post_init__(self) -> None:
        certificates(self.directory)
        port, controller, secure, internal = free_ports(4)
        self.address = f"localhost:{secure}"
        self.node = KafkaProcess(
            jars=kafka_jars(),
            port=port,
            controller_port=controller,
            properties={
                "listeners": f"PLAINTEXT://{HOST}:{port},SECURE://{HOST}:{secure},INTERNAL://{HOST}:{internal},CONTROLLER://{HOST}:{controller}",
                "advertised.listeners": f"PLAINTEXT://{HOST}:{port},SECURE://localhost:{secure},INTERNAL://{HOST}:{internal}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
                "inter.broker.listener.name": "INTERNAL",
                "listener.name.internal.ssl.client.auth": "required",
                "listener.name.controller.ssl.client.auth": "required",
                "sasl.enabled.mechanisms": MECHANISM,
                "listener.name.secure.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.directory / "broker.pem"),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.directory / "ca.pem"),
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found": "false",
                "super.users": f"User:CN=broker;User:{ADMIN}",
            },
            format_options=[
                part for user in (ADMIN, *self.users) for part in ("--add-scram", f"{MECHANISM}=[name={user},password={password_of(user)}]")
            ],
        )

    def settings_of(self, user: str, password: str | None = None) -> dict[str, str]:
        """The environment of a process that comes as a user."""
        return {
            "ONESTOP_BROKER": self.address,
            "ONESTOP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "ONESTOP_KAFKA_SASL_MECHANISM": MECHANISM,
            "ONESTOP_KAFKA_SASL_USERNAME": user,
            "ONESTOP_KAFKA_SASL_PASSWORD": password or password_of(user),
            "ONESTOP_KAFKA_SSL_CAFILE": str(self.directory / "ca.pem"),
        }

    def close(self) -> None:
        self.node.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.node.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
