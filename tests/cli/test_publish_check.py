"""`onestop publish --check`: bad lines as `publish` names them, what would be sent, what a source should mend; and nothing is sent."""

import json
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.cli.checking import NAMED_PLACES, NAMED_SOURCES, NAMED_WARNINGS
from tests.cli.conftest import Cli, city, lines
from tests.support.builder import D1, D2, History


@pytest.fixture(autouse=True)
def no_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a producer fails: a check needs no broker and sends nothing."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a producer was made")

    monkeypatch.setattr(KafkaProducer, "__init__", refuse)


def write(path: Path, events: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"\n".join(lines(events)) + b"\n")
    return path


def rows(out: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]


def last_line(out: str) -> str:
    return out.rstrip("\n").split("\n")[-1]


def test_what_would_be_sent(cli: Cli, city_file: Path) -> None:
    result = cli("publish", city_file, "--check")
    assert (result.code, result.err) == (0, "")
    kinds: dict[str, int] = {}
    for event in city():
        kinds[event["type"]] = kinds.get(event["type"], 0) + 1
    topics = {"item.published": "catalogue", "serial.issued": "serials", "case.accepted": "cases", "licence.generated": "licences"}
    found = {kind: (topic, int(count)) for kind, topic, count in rows(result.out)}
    assert {kind: count for kind, (_, count) in found.items()} == kinds
    assert {kind: found[kind][0] for kind in topics} == topics
    assert (
        last_line(result.out) == f"{len(city())} events would be published (departments: 3; repeats, which are harmless: 0), "
        "0 lines refused. Nothing was sent."
    )
    assert ["item.published", "a-catalogue", "3"] in rows(cli("publish", city_file, "--check", TOPIC_PREFIX="a-").out)


def test_bad_lines_are_named_and_make_the_exit_code_1(cli: Cli, tmp_path: Path) -> None:
    good = lines(city())
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b"\n".join([b"hello", *good[:3], b"", json.dumps(city()[0] | {"department": "X"}).encode()]))
    result = cli("publish", path, "--check")
    assert result.code == 1
    named = [line.split(": ")[:2] for line in result.err.splitlines()]
    assert named == [[f"{path}:1", "not_json"], [f"{path}:5", "empty"], [f"{path}:6", "malformed_field"]]
    assert last_line(result.out).startswith("3 events would be published (departments: 1;")
    assert "3 lines refused" in last_line(result.out)


def test_repeats_are_counted_over_all_files(cli: Cli, city_file: Path) -> None:
    result = cli("publish", city_file, city_file, "--check")
    assert (result.code, result.err) == (0, "")
    assert f"{2 * len(city())} events would be published (departments: 3; repeats, which are harmless: {len(city())})" in result.out


def test_a_repeat_from_another_source_is_a_repeat_and_another_content_is_not(cli: Cli, tmp_path: Path) -> None:
    first = city()[0]
    path = write(tmp_path / "a.jsonl", [first, first | {"source": "other"}, first | {"name": "另一个"}, first])
    result = cli("publish", path, "--check")
    assert result.code == 0
    assert result.err.count("\n") == 1
    assert result.err.startswith("warning: event_id was read before with another content")
    assert result.err.endswith(f"(conflicting_event_id) (1 event: {path}:3)\n")
    assert "repeats, which are harmless: 2" in result.out


def test_unknown_fields_are_named_with_what_may_be_meant(cli: Cli, tmp_path: Path) -> None:
    events = [event | {"acceptence_no": "x"} if event["type"] == "case.accepted" else event for event in city()]
    events[0] |= {"zzz": 1, "\x1b[31m": 2}
    path = write(tmp_path / "a.jsonl", events)
    result = cli("publish", path, "--check")
    assert result.code == 0
    accepted = [f"{path}:{place}" for place, event in enumerate(events, start=1) if event["type"] == "case.accepted"]
    shown = ", ".join(accepted[:NAMED_PLACES])
    assert len(accepted) == 6 > NAMED_PLACES
    assert result.err.splitlines() == [
        f"warning: case.accepted has no field 'acceptence_no': it is ignored, is acceptance_no meant? (6 events: {shown}, …)",
        f"warning: department.registered has no field 'zzz': it is ignored (1 event: {path}:1)",
        rf"warning: department.registered has no field '\x1b[31m': it is ignored (1 event: {path}:1)",
    ]


def test_optional_fields_that_are_null_or_left_out_are_known(cli: Cli, tmp_path: Path) -> None:
    h = History(D1).add("department.registered", "2020-09-01").add("case.accepted", "2020-09-02", due_at="2020-09-10")
    path = write(tmp_path / "a.jsonl", [event | {"schema_version": None} for event in h.events])
    assert cli("publish", path, "--check").err == ""


def test_events_of_the_future(cli: Cli, tmp_path: Path) -> None:
    h = History(D1).add("department.registered", "2020-09-01").add("item.published", "2099-01-01")
    path = write(tmp_path / "a.jsonl", h.events)
    result = cli("publish", path, "--check")
    assert (result.code, result.err) == (0, f"warning: occurred_at lies in the future: it counts from then on (1 event: {path}:2)\n")


def test_sources_are_listed(cli: Cli, tmp_path: Path) -> None:
    events = History(D1).add("department.registered", "2020-09-01").events
    others = [events[0] | {"event_id": f"{number}", "source": f"[red]s{number}\x1b"} for number in range(NAMED_SOURCES + 2)]
    result = cli("publish", write(tmp_path / "a.jsonl", [*others, others[3]]), "--check")
    listed = next(line for line in result.out.splitlines() if line.startswith("sources: "))
    assert listed.startswith(r"sources: [red]s3\x1b 2, [red]s0\x1b 1, ")
    assert listed.endswith(", 2 more")
    assert "\x1b" not in result.out


def test_there_is_an_end_to_warnings(cli: Cli, tmp_path: Path) -> None:
    event = city()[0] | {f"x{number}": 0 for number in range(NAMED_WARNINGS + 7)}
    result = cli("publish", write(tmp_path / "a.jsonl", [event]), "--check")
    assert result.err.count("\n") == NAMED_WARNINGS + 1
    assert result.err.endswith("warning: 7 more kinds\n")


def test_an_order_for_all_departments_is_of_none(cli: Cli, tmp_path: Path) -> None:
    h = History(D2).add("department.registered", "2020-09-01").add("period.closed", "2020-10-01", period="2020-09")
    events = [event | {"department": "*"} if event["type"] == "period.closed" else event for event in h.events]
    result = cli("publish", write(tmp_path / "a.jsonl", events), "--check")
    assert (result.code, result.err) == (0, "")
    assert "2 events would be published (departments: 1;" in result.out


def test_an_empty_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    result = cli("publish", tmp_path / "a.jsonl", "--check")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("0 events would be published")


def test_stdin_and_chinese(cli: Cli, city_file: Path) -> None:
    event = city()[0] | {"nam": 1, "occurred_at": "2099-01-01T00:00:00Z"}
    result = cli("publish", "-", "--check", stdin=lines([event])[0], LANG="zh")
    assert result.code == 0
    assert "警告：department.registered 没有字段 'nam'：会被忽略，是否应为 name？（1 个事件：-:1）\n" in result.err
    assert "警告：occurred_at 在将来：到那时才计入（1 个事件：-:1）\n" in result.err
    assert all(word in result.out for word in ("类型", "主题", "来源：", "将发布 1 个事件", "未发送任何内容"))
    assert "published" not in result.out.replace("item.published", "")
