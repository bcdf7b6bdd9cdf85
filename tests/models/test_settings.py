"""Settings: each wrong value is named with its fault and a right one; the environment and `.env` are read once."""

from pathlib import Path

import pytest

from models.settings import Settings, SettingsError, host_and_port, load_settings, settings


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
    *(("TIMEZONE", value) for value in ("", "Asia", "Beijing", "+08:00", "Asia/Shanghai ", "../etc/passwd", "/etc/localtime")),
    *(("LANG", value) for value in ("", "ZH", "fr")),
    *(("LOG_LEVEL", value) for value in ("", "INFO", "loud")),
    ("LOG_FORMAT", "xml"),
    ("TRUSTED_PROXY", "perhaps"),
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
        ("WORKER_ADDRESS", "0.0.0.0:0"), ("WEB_ADDRESS", "[::1]:8080"), ("TIMEZONE", "UTC"), ("LANG", "zh"), ("LOG_LEVEL", "debug"),
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
        load_settings()
        monkeypatch.delenv(variable)


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
