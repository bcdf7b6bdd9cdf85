"""Settings: one typed object, read from `ONESTOP_*` (or a `.env` file) in one place."""

import os
import re
import socket
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.text import Language

PREFIX = "ONESTOP_"
MAX_PORT = 65_535
EXAMPLES = {
    "broker": "kafka-1:9092,kafka-2:9092", "redis_url": "redis://127.0.0.1:6379/0", "partitions": "12", "replication": "3",
    "topic_prefix": "city-a-", "worker_address": "127.0.0.1:9101", "web_address": "127.0.0.1:8080", "timezone": "Asia/Shanghai",
    "trusted_proxy": "true", "quarantine_limit": "0.2", "snapshot_seconds": "300", "lang": "zh", "log_level": "info", "log_format": "json",
}  # fmt: skip


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it, its fault and an example."""


class Settings(BaseSettings):
    """Every setting; the description of each field is its documentation (`docs/settings.md`)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    broker: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, `host:port`, several with commas.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="The read model's Redis.")
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
    web_address: str = Field("127.0.0.1:8080", description="Where `onestop web` listens; port 0 is any free one.")
    trusted_proxy: bool = Field(
        False,
        description="A trusted proxy stands before the web server, or its port is published on loopback only: it may then listen on "
        "other addresses.",
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
    alert_token: SecretStr | None = Field(None, description="What Alertmanager has to say as `Authorization: Bearer` to reach a robot.")
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

    @field_validator("worker_address", "web_address")
    @classmethod
    def _address(cls, value: str) -> str:
        found = re.fullmatch(r"(?:\[[0-9a-fA-F:]+\]|[^\s:/,]+):([0-9]{1,5})", value)
        if found is None or int(found[1]) > MAX_PORT:
            raise ValueError(f"{value!r} is not host:port")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("the scheme should be redis, rediss or unix")
        return value

    @property
    def static_membership(self) -> bool:
        """Whether the worker's id was set by hand."""
        return "worker_id" in self.model_fields_set

    def topic(self, name: str) -> str:
        """A topic's or group's name with the prefix."""
        return self.topic_prefix + name


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
    name = str(fault["loc"][0])
    example = EXAMPLES.get(name)
    hint = f"; for example {PREFIX}{name.upper()}={example}" if example else ""
    return f"{PREFIX}{name.upper()}: {fault['msg']} (got {str(fault['input'])[:80]!r}){hint}"


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of a `host:port` that has been validated."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
