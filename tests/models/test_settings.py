"""Settings: each wrong value is named with its fault and a right one; the environment and `.env` are read once."""

from pathlib import Path

import pytest

from models.settings import Settings, SettingsError, host_and_port, load_settings, masked, masked_url, settings


def fault(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(f"ONESTOP_{name}", value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    return str(raised.value)


WRONG = [
    *(("BROKER", value) for value in ("", "kafka", "kafka:", ":9092", "kafka:port", "kafka:9092,", "kafka:9092;b:1", "a b:1", "kafka:70000")),
    *(("REDIS_URL", value) for value in ("", "127.0.0.1:6379", "http://127.0.0.1:6379")),
    *(("PARTITIONS", value) for value in ("", "0", "-1", "1001", "12.5", "twelve")),
    *(("REPLICATION", value) for value in ("0", "10", "x")),
    *(("TOPIC_PREFIX", value) for value in ("a b", "城市", "a/b", "x" * 65, "a\n")),
    *(("WORKER_ADDRESS", value) for value in ("", "9101", "127.0.0.1", "http://127.0.0.1:9101", "127.0.0.1:65536", "127.0.0.1:1,127.0.0.1:2")),
    *(("WEB_ADDRESS", value) for value in ("", "8080", "localhost:99999", "127.0.0.1:1,127.0.0.1:2")),
    *(("METRICS_SHARD", value) for value in ("", "x", "2", "0/4", "5/4", "0/0", "1/2/3", "1/ 2", "-1/4", "1/99999")),
    *(("TIMEZONE", value) for value in ("", "Asia", "Beijing", "+08:00", "Asia/Shanghai ", "../etc/passwd", "/etc/localtime")),
    *(("LANG", value) for value in ("", "ZH", "fr")),
    *(("LOG_LEVEL", value) for value in ("", "INFO", "loud")),
    ("LOG_FORMAT", "xml"),
    ("TRUSTED_PROXY", "perhaps"),
    *(("KAFKA_SECURITY_PROTOCOL", value) for value in ("", "plaintext", "TLS", "SASL")),
    *(("KAFKA_SASL_MECHANISM", value) for value in ("", "SCRAM", "GSSAPI")),
    *(("PROXY_USER_HEADER", value) for value in ("", "X User", "x:y", "-x")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named_with_its_fault_and_an_example(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    said = fault(monkeypatch, name, value)
    assert said.startswith(f"ONESTOP_{name}: ")
    assert repr(value[:80]) in said
    assert f"; for example ONESTOP_{name}=" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER", "kafka-1:9092,kafka-2:9092"), ("BROKER", "[::1]:9092"), ("REDIS_URL", "rediss://:secret@redis:6380/1"),
        ("REDIS_URL", "unix:///run/redis.sock"), ("PARTITIONS", "1"), ("TOPIC_PREFIX", ""), ("TOPIC_PREFIX", "city-a."),
        ("WORKER_ADDRESS", "0.0.0.0:0"), ("WEB_ADDRESS", "[::1]:8080"), ("METRICS_SHARD", "4/4"), ("TIMEZONE", "UTC"), ("LANG", "zh"), ("LOG_LEVEL", "debug"),
        ("LOG_FORMAT", "json"),
    ],
)  # fmt: skip
def test_right_values(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ONESTOP_{name}", value)
    assert str(getattr(load_settings(), name.lower())) == value


def test_the_example_of_a_fault_is_right_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in dict(reversed(WRONG)).items():
        example = fault(monkeypatch, name, value).partition("; for example ")[2].partition(";")[0]
        variable, _, right = example.partition("=")
        assert variable == f"ONESTOP_{name}", name
        monkeypatch.setenv(variable, right)
        monkeypatch.setenv("ONESTOP_TRUSTED_PROXY", "true")
        needs = SASL if name.startswith("KAFKA") else {}
        for needed, held in needs.items():
            monkeypatch.setenv(f"ONESTOP_{needed}", held)
        load_settings()
        for set_here in (variable, *(f"ONESTOP_{needed}" for needed in needs)):
            monkeypatch.delenv(set_here, raising=False)


SASL = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "onestop-worker", "KAFKA_SASL_PASSWORD": "correct-horse-battery"}
TOGETHER = [
    ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, ["KAFKA_SASL_USERNAME: is missing", "KAFKA_SASL_PASSWORD: is missing"]),
    ({**SASL, "KAFKA_SASL_PASSWORD": None}, ["KAFKA_SASL_PASSWORD: is missing", "KAFKA_SASL_PASSWORD_FILE=/run/secrets/"]),
    ({**SASL, "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, ["KAFKA_SASL_USERNAME: is not used", "KAFKA_SECURITY_PROTOCOL=SASL_SSL"]),
    ({"KAFKA_SSL_CAFILE": "/ca.pem"}, ["KAFKA_SSL_CAFILE: is not used", "KAFKA_SECURITY_PROTOCOL=SSL"]),
    ({**SASL, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SSL_CAFILE": "/ca.pem"}, ["KAFKA_SSL_CAFILE: is not used", "=SASL_SSL"]),
    ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEYFILE": "/k"}, ["KAFKA_SSL_CERTFILE: is missing: ONESTOP_KAFKA_SSL_KEYFILE needs it"]),
    ({"PROXY_USER_HEADER": "X-Forwarded-User"}, ["PROXY_USER_HEADER: ", "ONESTOP_TRUSTED_PROXY=true"]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "says"), TOGETHER)
def test_settings_that_do_not_go_together_are_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, str | None], says: list[str]) -> None:
    for name, value in given.items():
        if value is not None:
            monkeypatch.setenv(f"ONESTOP_{name}", value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert all(part in str(raised.value) for part in says)
    assert "; for example ONESTOP_" in str(raised.value)
    assert "correct-horse" not in str(raised.value)


def test_a_secret_comes_from_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in SASL.items():
        monkeypatch.setenv(f"ONESTOP_{name}", value)
    secret = tmp_path / "password"
    secret.write_text(" from a file \n", encoding="utf-8")
    monkeypatch.setenv("ONESTOP_KAFKA_SASL_PASSWORD_FILE", str(secret))
    with pytest.raises(SettingsError, match=r"ONESTOP_KAFKA_SASL_PASSWORD and ONESTOP_KAFKA_SASL_PASSWORD_FILE: both are set"):
        load_settings()
    monkeypatch.delenv("ONESTOP_KAFKA_SASL_PASSWORD")
    held = load_settings().kafka_sasl_password
    assert held is not None
    assert held.get_secret_value() == " from a file "
    (tmp_path / "url").write_text("rediss://:hidden@redis:6380/1\n", encoding="utf-8")
    (tmp_path / ".env").write_text(f"ONESTOP_REDIS_URL_FILE={tmp_path / 'url'}\n", encoding="utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", str(tmp_path / ".env"))
    assert load_settings().redis_url == "rediss://:hidden@redis:6380/1"
    monkeypatch.setenv("ONESTOP_METRICS_TOKEN_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=r"ONESTOP_METRICS_TOKEN_FILE: .*missing.*: No such file"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("METRICS_TOKEN", "short-secret"), ("ALERT_TOKEN", ""), ("KAFKA_SASL_PASSWORD", ""), ("REDIS_URL", "http://user:short-secret@redis"), ("REDIS_URL", "user:short-secret@redis")],
)  # fmt: skip
def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    said = fault(monkeypatch, name, value)
    assert said.startswith(f"ONESTOP_{name}: ")
    assert "short-secret" not in said
    assert "; for example ONESTOP_" in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pa@ss:w@h:1/0", "redis://user:***@h:1/0"), ("rediss://:secret@h", "rediss://:***@h"), ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://h/0?password=abc&db=1", "redis://h/0?password=***&db=1"), ("unix://u:pw@/x.sock", "unix://u:***@/x.sock"),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_settings_do_not_show_secrets() -> None:
    held = load_settings(
        kafka_security_protocol="SASL_SSL", kafka_sasl_username="u", kafka_sasl_password="hidden-one", redis_url="redis://:hidden-two@h",
        metrics_token="hidden-three-long-enough", alert_token="hidden-four-long-enough",
    )  # fmt: skip
    assert "hidden" not in repr(held) + str(held) + "".join(masked(held, name) for name in Settings.model_fields)


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESTOP_LANG", "fr")
    said = fault(monkeypatch, "PARTITIONS", "0")
    assert "ONESTOP_LANG: " in said
    assert "ONESTOP_PARTITIONS: " in said


def test_defaults() -> None:
    held = load_settings()
    assert (held.broker, held.redis_url, held.partitions, held.replication) == ("127.0.0.1:9092", "redis://127.0.0.1:6379/0", 12, 1)
    assert (held.worker_address, held.web_address, held.data_dir) == ("127.0.0.1:9101", "127.0.0.1:8080", Path("data"))
    assert (held.timezone, held.ruleset, held.calendar_file, held.topic_prefix) == ("Asia/Shanghai", "default", None, "")
    assert all(field.description for field in Settings.model_fields.values())


def test_a_worker_named_by_hand_is_a_static_member(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings().static_membership
    assert load_settings().worker_id
    monkeypatch.setenv("ONESTOP_WORKER_ID", "w1")
    assert load_settings().static_membership


def test_an_env_file_is_read_and_the_environment_beats_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ONESTOP_PARTITIONS=3\nONESTOP_LANG=zh\nOTHER=1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    monkeypatch.setenv("ONESTOP_LANG", "en")
    held = load_settings()
    assert (held.partitions, held.lang) == (3, "en")


def test_an_env_file_that_is_not_utf_8_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"ONESTOP_TOPIC_PREFIX=" + b"\xff\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    with pytest.raises(SettingsError, match=r"\.env"):
        load_settings()


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESTOP_PARTITIONS", "7")
    assert settings().partitions == 7
    monkeypatch.setenv("ONESTOP_PARTITIONS", "8")
    assert settings().partitions == 7


@pytest.mark.parametrize(
    ("address", "parts"), [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:0", ("::1", 0)), ("kafka:9092", ("kafka", 9092))]
)
def test_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert host_and_port(address) == parts
