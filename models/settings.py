"""Settings: one typed object, read from `ONESTOP_*` (or a `.env` file) in one place."""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import Self

from models.text import Language

PREFIX = "ONESTOP_"
MAX_PORT = 65_535
EXAMPLES = {
    "broker": "kafka-1:9092,kafka-2:9092", "redis_url": "redis://127.0.0.1:6379/0", "partitions": "12", "replication": "3",
    "topic_prefix": "city-a-", "worker_address": "127.0.0.1:9101", "worker_advertised": "worker-1:9101",
    "web_address": "127.0.0.1:8080", "metrics_shard": "2/4", "timezone": "Asia/Shanghai",
    "trusted_proxy": "true", "proxy_user_header": "X-Forwarded-User", "users_file": "/etc/onestop/users.yaml",
    "quarantine_limit": "0.2", "snapshot_seconds": "300", "lang": "zh", "log_level": "info", "log_format": "json",
    "kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka_sasl_username": "onestop-worker",
    "kafka_ssl_cafile": "/etc/onestop/ca.pem", "kafka_ssl_certfile": "/etc/onestop/client.pem",
    "kafka_ssl_keyfile": "/etc/onestop/client.key",
}  # fmt: skip
# Each may also come from a file: ONESTOP_…_FILE. The URL counts as one for the password in it.
SECRETS = (
    "redis_url", "kafka_sasl_password", "metrics_token", "alert_token", "query_token", "wecom_webhook", "dingtalk_webhook",
    "dingtalk_secret",
)  # fmt: skip
LEAST_TOKEN = 16
_SASL = ("kafka_sasl_username", "kafka_sasl_password")
_TLS = ("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile")


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it, its fault and an example."""


class Settings(BaseSettings):
    """Every setting; the description of each field is its documentation (`docs/settings.md`)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    broker: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, `host:port`, several with commas.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to Kafka: SSL is TLS, SASL a user with a password."
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How the password is proven to Kafka."
    )
    kafka_sasl_username: Annotated[str, Field(min_length=1)] | None = Field(None, description="The user at Kafka.")
    kafka_sasl_password: Annotated[SecretStr, Field(min_length=1)] | None = Field(None, description="Its password.")
    kafka_ssl_cafile: Path | None = Field(
        None, description="The authorities (PEM) that sign the brokers' certificates; by default those of the machine."
    )
    kafka_ssl_certfile: Path | None = Field(None, description="The certificate (PEM) to show to Kafka, where it asks for one.")
    kafka_ssl_keyfile: Path | None = Field(None, description="The certificate's key (PEM), where it is not in the same file.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="The read model's Redis.", repr=False)
    partitions: Annotated[int, Field(ge=1, le=1_000)] = Field(12, description="Partitions of the input topics; fixed at creation.")
    replication: Annotated[int, Field(ge=1, le=9)] = Field(1, description="Replication factor of topics made by `topics create`.")
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = Field(
        "", description="Before every topic, group and key name, so that several cities can share a cluster."
    )
    worker_id: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="Name of the worker; set by hand it is also its static membership in the consumer group.",
    )
    worker_address: str = Field("127.0.0.1:9101", description="Where a worker serves its metrics; port 0 is any free one.")
    worker_advertised: str | None = Field(
        None,
        description="Where web and commands reach this worker, `host:port`; by default WORKER_ADDRESS, with the machine's name in place "
        "of 0.0.0.0 or [::].",
    )
    web_address: str = Field("127.0.0.1:8080", description="Where `onestop web` listens; port 0 is any free one.")
    metrics_shard: str = Field(
        "1/1",
        description="Which share of the departments `/metrics` of this `onestop web` tells about, `i/n` for the i-th of n, so that several "
        "scrapes share the work of a province; pages and API show all.",
    )
    trusted_proxy: bool = Field(
        False,
        description="A trusted proxy stands before the web server and the workers' metrics, or their ports are published on loopback or "
        "in a closed network only: they may then listen on other addresses.",
    )
    proxy_user_header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] | None = Field(
        None,
        description="The header in which the trusted proxy names the user that it has let in; the proxy has to drop it from what clients "
        "send. Without a users file whoever is named may look at everything.",
    )
    users_file: Path | None = Field(
        None, description="Who may see and do what (YAML, written by `onestop users add`); everyone who has no token is refused then."
    )
    metrics_token: Annotated[SecretStr, Field(min_length=LEAST_TOKEN)] | None = Field(
        None, description="The bearer token with which `/metrics` of web and workers is read."
    )
    alert_token: Annotated[SecretStr, Field(min_length=LEAST_TOKEN)] | None = Field(
        None, description="The bearer token with which Alertmanager hands alerts to `/alerts/…`."
    )
    query_token: Annotated[SecretStr, Field(min_length=LEAST_TOKEN)] | None = Field(
        None,
        description="The bearer token with which web and commands ask workers for cases and explanations; without, workers answer on "
        "loopback, or where a trusted proxy or a closed network is said to be before them.",
    )
    quarantine_limit: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="Share of a topic's last 1,000 records above which bad ones pause the topic until it is resumed; 1 is never."
    )
    snapshot_seconds: Annotated[int, Field(ge=0)] = Field(
        300, description="How often a worker writes a snapshot of each of its partitions into `DATA_DIR`; 0 is never."
    )
    data_dir: Path = Field(Path("data"), description="Local state of workers.")
    timezone: str = Field("Asia/Shanghai", description="The time zone of periods and workdays.")
    ruleset: str = Field("default", description="`default`, or the path of a ruleset in YAML.")
    calendar_file: Path | None = Field(None, description="JSON list of `{year, notice, holidays[], workdays[]}` beating the library.")
    lang: Language = Field("en", description="Language of texts for people: zh or en.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["text", "json"] = Field("text", description="Log lines as text or as JSON objects.")
    wecom_webhook: SecretStr | None = Field(None, description="Address of a WeCom group robot, its key in it.")
    dingtalk_webhook: SecretStr | None = Field(None, description="Address of a DingTalk group robot, its access token in it.")
    dingtalk_secret: SecretStr | None = Field(None, description="The DingTalk robot's secret for signing; none where it is not signed.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception:  # noqa: BLE001  # zoneinfo raises several kinds for names that are no zone
            raise ValueError(f"{value!r} is not a time zone of the IANA database") from None
        return value

    @field_validator("broker")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in value.split(","):
            cls._address(address.strip())
        return value

    @field_validator("worker_address", "worker_advertised", "web_address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        found = re.fullmatch(r"(?:\[[0-9a-fA-F:]+\]|[^\s:/,]+):([0-9]{1,5})", value)
        if found is None or int(found[1]) > MAX_PORT:
            raise ValueError(f"{value!r} is not host:port")
        return value

    @field_validator("metrics_shard")
    @classmethod
    def _share(cls, value: str) -> str:
        share_of(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("the scheme should be redis, rediss or unix")
        return value

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        faults = [*self._sasl_faults(), *self._tls_faults()]
        if self.proxy_user_header is not None and not self.trusted_proxy:
            faults.append(_fault("proxy_user_header", "anyone could send it: it needs ONESTOP_TRUSTED_PROXY=true", "trusted_proxy"))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _sasl_faults(self) -> list[str]:
        protocol = self.kafka_security_protocol
        given = {name for name in _SASL if getattr(self, name) is not None}
        if protocol.startswith("SASL_"):
            return [
                _fault(name, f"is missing: ONESTOP_KAFKA_SECURITY_PROTOCOL={protocol} needs it", name)
                for name in _SASL
                if name not in given
            ]
        return [_unused(name, protocol, "SASL_SSL") for name in sorted(given)]

    def _tls_faults(self) -> list[str]:
        protocol = self.kafka_security_protocol
        given = [name for name in _TLS if getattr(self, name) is not None]
        if not protocol.endswith("SSL"):
            return [_unused(name, protocol, protocol.replace("PLAINTEXT", "SSL")) for name in given]
        if self.kafka_ssl_keyfile is not None and self.kafka_ssl_certfile is None:
            return [_fault("kafka_ssl_certfile", "is missing: ONESTOP_KAFKA_SSL_KEYFILE needs it", "kafka_ssl_certfile")]
        return []

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # a whole directory of secrets: not used
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code beats the environment, and that the `.env` file; secrets from files stand beside their variables."""
        found: list[PydanticBaseSettingsSource] = [init_settings]
        for source in (env_settings, dotenv_settings):
            assert isinstance(source, EnvSettingsSource | DotEnvSettingsSource)
            found += [_SecretFiles(settings_cls, source.env_vars), source]
        return tuple(found)

    @property
    def static_membership(self) -> bool:
        """Whether the worker's id was set by hand."""
        return "worker_id" in self.model_fields_set

    def topic(self, name: str) -> str:
        """A topic's or group's name with the prefix."""
        return self.topic_prefix + name


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets from the files that `ONESTOP_…_FILE` name, each without the end of its last line."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file, None where none is named."""
        variable = f"{PREFIX}{field_name.upper()}"
        path = self._variables.get(f"{variable}_FILE".lower())
        if path is None:
            return None, field_name, False
        if self._variables.get(variable.lower()) is not None:
            raise SettingsError(f"{variable} and {variable}_FILE: both are set; keep one, for example {_example(field_name)}")
        try:
            return Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is not UTF-8"
            raise SettingsError(f"{variable}_FILE: {path!r}: {why}; name a readable file, for example {_example(field_name)}") from None

    def __call__(self) -> dict[str, Any]:
        """Those that are named."""
        found = {name: self.get_field_value(self.settings_cls.model_fields[name], name)[0] for name in SECRETS}
        return {name: value for name, value in found.items() if value is not None}


def share_of(text: str) -> tuple[int, int]:
    """Which share, of how many.

    >>> share_of("2/4")
    (2, 4)

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"{text!r} is not i/n, the i-th of n shares with i from 1 to n")
    return int(found[1]), int(found[2])


def load_settings(**overrides: Any) -> Settings:
    """The settings of the environment, with some given in code.

    Raises:
        SettingsError: a value is wrong.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(fault) for fault in error.errors())) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f".env is not UTF-8 ({error}): save it as UTF-8") from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a value is wrong.
    """
    return load_settings()


def _explain(fault: Any) -> str:
    if not fault["loc"]:  # of settings that do not go together: it names them itself
        return str(fault["ctx"]["error"])
    name = str(fault["loc"][0])
    got = "" if name in SECRETS and name != "redis_url" else f" (got {masked_url(str(fault['input']))[:80]!r})"
    example = _example(name)
    return f"{PREFIX}{name.upper()}: {fault['msg']}{got}{f'; for example {example}' if example else ''}"


def _fault(name: str, fault: str, exemplary: str) -> str:
    return f"{PREFIX}{name.upper()}: {fault}; for example {_example(exemplary)}"


def _unused(name: str, protocol: str, other: str) -> str:
    variable = f"{PREFIX}KAFKA_SECURITY_PROTOCOL"
    return f"{PREFIX}{name.upper()}: is not used with {variable}={protocol}; for example {variable}={other}"


def _example(name: str) -> str:
    """A right setting; of a secret a file, for no secret is to be written where an example is."""
    if name in SECRETS and name != "redis_url":
        return f"{PREFIX}{name.upper()}_FILE=/run/secrets/{name}"
    return f"{PREFIX}{name.upper()}={EXAMPLES[name]}" if name in EXAMPLES else ""


def masked_url(url: str) -> str:
    """A URL without its passwords. Also of what is none: whatever stands between a colon and the last @ is taken for one."""
    shown = re.sub(r"(//[^/?#@]*?:|^[^/?#@]*?:)(?!//).*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"(password=)[^&]*", r"\1***", shown)


def masked(settings: Settings, name: str) -> str:
    """A setting's value as it may be shown."""
    value = getattr(settings, name)
    return masked_url(value) if name == "redis_url" else str(value)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host's address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of a `host:port` that has been validated."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
