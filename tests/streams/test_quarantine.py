"""Quarantine on Apache Kafka: looked at, corrected, sent again, dismissed; who and when is in the topic itself."""

from __future__ import annotations

import getpass
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer

from models.records import AuditRecord
from streams.quarantine import fold
from tests.support.builder import D1, D2
from tests.support.live import System, until

Put = Callable[..., str]


def audited(system: System, subject: str) -> list[AuditRecord]:
    found = [AuditRecord.model_validate_json(record.value) for record in system.read("audit")]
    return [record for record in found if record.subject == subject]


def event(name: str, **fields: Any) -> bytes:
    return orjson.dumps({
        "event_id": name, "type": "serial.issued", "department": D1, "occurred_at": "2020-09-01T10:00:00+08:00", "source": "tests",
        "serial": f"S-{name}", "item": "I1", **fields,
    })  # fmt: skip


@pytest.fixture(scope="module")
def system(kafka: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    held = System(kafka.address, "quarantine-", tmp_path_factory.mktemp("quarantine"), partitions=2)
    held.run("topics", "create")
    held.start("worker")
    yield held
    held.close()


@pytest.fixture(scope="module")
def put(system: System) -> Iterator[Put]:
    """Puts a record that cannot be used into a topic and waits until it is in quarantine; its id there."""
    producer = KafkaProducer(bootstrap_servers=system.broker, max_request_size=4_000_000, compression_type="gzip")

    def send(value: bytes, topic: str = "serials", key: bytes | None = D1.encode()) -> str:
        sent = producer.send(system.prefix + topic, key=key, value=value).get(timeout=60)
        name = f"{topic}|{sent.partition}|{sent.offset}"
        until(lambda: name in {entry["id"] for entry in listed(system)}, f"{name} is in quarantine", logs=system.logs)
        return name

    yield send
    producer.close()


def listed(system: System, *options: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in system.run("quarantine", "list", "--json", *options).stdout.splitlines()]


def entry_of(system: System, name: str) -> dict[str, Any]:
    return next(entry for entry in listed(system, "--state", "all") if entry["id"] == name)


def editor(tmp_path: Path, *contents: str) -> dict[str, str]:
    """An editor that writes these contents, one each time it is opened; then it leaves the file as it is."""
    for place, content in enumerate(contents):
        (tmp_path / f"{place}.content").write_text(content, encoding="utf-8")
    script = tmp_path / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "seen = here / 'seen'\n"
        "count = len(seen.read_text().splitlines()) if seen.exists() else 0\n"
        "with seen.open('a') as held: held.write('x\\n')\n"
        "(here / 'before').write_bytes(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "content = here / f'{count}.content'\n"
        "if content.exists(): pathlib.Path(sys.argv[1]).write_bytes(content.read_bytes())\n"
    )
    return {"VISUAL": f"{sys.executable} '{script}'"}


def test_what_lies_in_the_wrong_topic_or_under_the_wrong_key_goes_right(system: System, put: Put) -> None:
    names = [put(event("wrong-topic"), topic="cases"), put(event("wrong-key"), key=D2.encode()), put(event("no-key"), key=None)]
    broken = put(b'{"type": "serial.issued"')
    assert {entry["reason"] for entry in listed(system) if entry["id"] in names} == {"wrong_topic", "wrong_key"}
    done = system.run("quarantine", "retry", names[0], broken, *names[1:], "cases|0|999999", expect=1)
    refused = done.stderr.decode().splitlines()
    assert len(refused) == 2
    assert refused[0].startswith(f"{broken}: not_json: ")
    assert "correct it with --edit" in refused[0]
    assert "cases|0|999999: not in quarantine" in refused[1]
    until(lambda: {"wrong-topic", "wrong-key", "no-key"} <= system.facts(), "they are taken in")
    assert not {entry["id"] for entry in listed(system)} & set(names)
    for name in names:
        entry = entry_of(system, name)
        assert (entry["state"], entry["by"]) == ("retried", getpass.getuser())
        assert entry["at"] > entry["arrived_at"]
    assert entry_of(system, broken)["state"] == "open"
    arrivals = {fact[3]: arrival for record in system.chunks() for fact, arrival in zip(record.facts, record.arrivals, strict=True)}
    originals = {orjson.loads(r.value)["event_id"]: r.timestamp for r in system.read("cases") if r.value and b"wrong-topic" in r.value}
    assert arrivals["wrong-topic"] > originals["wrong-topic"], "a correction arrives when it is made"


def test_only_what_is_open_is_sent_unless_again(system: System, put: Put) -> None:
    name = put(event("once"), topic="cases")
    system.run("quarantine", "retry", name, "--by", "wang.li")
    done = system.run("quarantine", "retry", name, expect=1)
    assert b"retried by wang.li at " in done.stderr
    assert b"--again" in done.stderr
    system.run("quarantine", "retry", name, "--again", "--by", "zhao.min")
    assert entry_of(system, name)["by"] == "zhao.min"
    history = orjson.loads(system.run("quarantine", "show", name, "--json").stdout)["history"]
    assert [change["by"] for change in history] == ["wang.li", "zhao.min"]
    audit = sorted(audited(system, name), key=lambda record: record.at)
    assert [(r.action, r.by, r.department) for r in audit] == [("quarantine.retried", by, D1) for by in ("wang.li", "zhao.min")]
    assert audit[0].details == {"reason": "wrong_topic", "type": "serial.issued", "event_id": "once", "corrected": False}


def test_dismissed_with_the_reason(system: System, put: Put) -> None:
    name = put(b"[1]")
    assert b"--why" in system.run("quarantine", "dismiss", name, expect=2).stderr
    system.run("quarantine", "dismiss", name, "--why", "a test of ours", "--by", "wang.li")
    assert name not in {entry["id"] for entry in listed(system)}
    [entry] = [entry for entry in listed(system, "--state", "dismissed") if entry["id"] == name]
    assert (entry["by"], entry["why"], entry["reason"]) == ("wang.li", "a test of ours", "not_an_object")
    assert b"dismissed by wang.li" in system.run("quarantine", "dismiss", name, "--why", "again", expect=1).stderr
    [record] = audited(system, name)
    assert (record.action, record.by, record.department, record.why) == ("quarantine.dismissed", "wang.li", None, "a test of ours")
    shown = system.run("quarantine", "show", name).stdout.decode()
    assert "dismissed by wang.li: a test of ours" in shown
    assert shown.rstrip().endswith("[1]")


def test_filters(system: System, put: Put) -> None:
    name = put(event("filtered", source="case-store", serial=7))
    put(event("filtered-2", source="other", serial=7))
    found = listed(system, "--reason", "malformed_field", "--source", "case-store", "--topic", "serials")
    assert [entry["id"] for entry in found] == [name]
    assert listed(system, "--reason", "oversized", "--source", "case-store") == []


def test_shown_without_anything_a_terminal_obeys(system: System, put: Put) -> None:
    text = put(event("escape", source="\x1b[31mred\u202e", serial=7))
    binary = put(b"\x1b]0;owned\x07\xff\xfe")
    for name in (text, binary):
        for out in (system.run("quarantine", "show", name).stdout, system.run("quarantine", "list").stdout):
            assert b"\x1b" not in out
            assert "\u202e".encode() not in out
    assert b"1b 5d 30 3b" in system.run("quarantine", "show", binary).stdout
    assert system.run("quarantine", "show", binary, "--raw").stdout == b"\x1b]0;owned\x07\xff\xfe"


def test_corrected_in_an_editor_until_it_is_right(system: System, put: Put, tmp_path: Path) -> None:
    name = put(event("edited", serial=7))
    wrong, right = event("edited", serial="").decode(), event("edited").decode()
    done = system.run("quarantine", "retry", name, "--edit", **editor(tmp_path, wrong, right))
    assert b"malformed_field: serial" in done.stderr
    assert (tmp_path / "before").read_text() == wrong, "the mistake is there to be corrected"
    until(lambda: "edited" in system.facts(), "the correction is taken in")
    assert entry_of(system, name)["state"] == "retried"


def test_left_as_it_was_or_emptied_is_not_sent(system: System, put: Put, tmp_path: Path) -> None:
    name = put(event("left", serial=7))
    done = system.run("quarantine", "retry", name, "--edit", expect=1, **editor(tmp_path))
    assert b"left as it was" in done.stderr
    assert orjson.loads((tmp_path / "before").read_bytes())["event_id"] == "left"
    assert (tmp_path / "before").read_bytes().count(b"\n") > 5, "one field a line"
    assert b"left as it was" in system.run("quarantine", "retry", name, "--edit", expect=1, **editor(tmp_path, "", "  ")).stderr
    assert b"cannot be started" in system.run("quarantine", "retry", name, "--edit", expect=2, VISUAL="/no/editor").stderr
    assert entry_of(system, name)["state"] == "open"


def test_corrected_from_a_file(system: System, put: Put, tmp_path: Path) -> None:
    name = put(event("file", serial=7))
    path = tmp_path / "corrected.json"
    path.write_bytes(event("file", department="nobody"))
    assert b"malformed_field: department" in system.run("quarantine", "retry", name, "--with", str(path), expect=1).stderr
    path.write_bytes(orjson.dumps(orjson.loads(event("file")), option=orjson.OPT_INDENT_2))
    assert b"of one ID" in system.run("quarantine", "retry", name, "cases|0|1", "--with", str(path), expect=2).stderr
    system.run("quarantine", "retry", name, "--with", str(path))
    until(lambda: "file" in system.facts(), "the correction is taken in")
    assert [record.details["corrected"] for record in audited(system, name)] == [True]


def test_corrected_from_stdin(system: System, put: Put) -> None:
    name = put(event("stdin", serial=7))
    command = [sys.executable, "-m", "streams.cli.main", "quarantine", "retry", name, "--with", "-"]
    subprocess.run(command, env=system.environment, input=event("stdin"), check=True, timeout=120, capture_output=True)
    until(lambda: "stdin" in system.facts(), "the correction is taken in")


def test_an_id_with_another_content_needs_another_id(system: System, put: Put, tmp_path: Path) -> None:
    system.run("quarantine", "retry", put(event("same"), topic="cases"))
    until(lambda: "same" in system.facts(), "the first is taken in")
    name = put(event("same", item="I2"))
    assert entry_of(system, name)["reason"] == "conflicting_event_id"
    path = tmp_path / "corrected.json"
    path.write_bytes(event("same", item="I3"))
    for options in ([], ["--with", str(path)]):
        done = system.run("quarantine", "retry", name, *options, expect=1)
        assert b"give it another event_id with --edit" in done.stderr
    path.write_bytes(event("same-2", item="I3"))
    system.run("quarantine", "retry", name, "--with", str(path))
    until(lambda: "same-2" in system.facts(), "it is an event of its own")


def test_what_did_not_fit_into_quarantine_is_taken_from_its_topic(system: System, put: Put) -> None:
    value = event("large") + b" " * 1_500_000
    name = put(value)
    assert entry_of(system, name)["size"] == len(value)
    assert f"of {len(value)} bytes".encode() in system.run("quarantine", "show", name).stdout
    assert system.run("quarantine", "show", name, "--raw").stdout == value
    assert f"oversized: {len(value)} bytes".encode() in system.run("quarantine", "retry", name, expect=1).stderr


def test_a_broker_that_cannot_be_reached(system: System) -> None:
    for command in (["list"], ["show", "cases|0|0"], ["retry", "cases|0|0"]):
        done = system.run("quarantine", *command, expect=3, ONESTOP_BROKER="127.0.0.1:1")
        assert b"ONESTOP_BROKER" in done.stderr


def test_an_entry_put_there_twice_is_one_and_keeps_its_state() -> None:
    def record(value: bytes | None, **headers: str) -> SimpleNamespace:
        return SimpleNamespace(key=b"cases|0|7", value=value, headers=[(name, text.encode()) for name, text in headers.items()])

    first = record(b"first", reason="not_json", size="5")
    retried = record(None, state="retried", by="wang.li", at="1600000000000")
    [held] = fold([first, retried, record(b"again", reason="empty"), record(None, state="nonsense")], {"cases|0|7"}).values()
    assert (held.state, held.value, held.headers["reason"]) == ("retried", b"first", "not_json")
    assert fold([retried]) == {}, "a state alone is no entry"
