"""Sampling from the draw to the score on the embedded broker: drawn live, drawn again, recorded, and who did it."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from models.records import AuditRecord
from models.settings import settings
from streams.cli import sample
from streams.cli.main import run
from streams.embedded import EmbeddedBroker
from streams.serving.read_model import open_read_model
from streams.serving.users import User, Users, write_users
from streams.serving.web import create_app
from streams.tokens import hash_of, new_token
from tests.serving.client import ask
from tests.support.builder import D1, D2, D3, SEPTEMBER, Event, History
from tests.support.live import System, until

SAMPLE = f"visit_reduction-{SEPTEMBER}-{D1}"
KEY = f"{D1}|{SEPTEMBER}|visit_reduction"


@pytest.fixture
def system(embedded_broker: EmbeddedBroker, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    held = System(embedded_broker.address, unique_prefix, tmp_path, partitions=2)
    held.run("topics", "create")
    yield held
    held.close()


def city() -> list[Event]:
    """One department with four items and twenty cases of one tail in September, one with a single case, one that has none."""
    h = History(D1).items(4)
    for number in range(20):
        h.case(f"S{number:02d}-07", f"I{number % 4 + 1}", accepted=f"2020-09-{number + 1:02d}")
    other = History(D2).items(1).case("S01", accepted="2020-09-03")
    return [*h.events, *other.events, *History(D3).items(1).events]


def publish(system: System, events: list[Event]) -> Path:
    path = system.directory / "events.jsonl"
    path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    system.run("publish", str(path))
    return path


def take_in(system: System, events: list[Event]) -> Path:
    """Publish, and wait until all of it is in the changelog: the embedded broker tells end offsets that are too low."""
    path = publish(system, events)
    until(lambda: {event["event_id"] for event in events} <= system.facts(), "all is taken in", logs=system.logs)
    return path


def records(output: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in output.splitlines()]


def sample_draw(system: System, *more: str, expect: int = 0) -> tuple[list[dict[str, Any]], str]:
    done = system.run("sample", "draw", "--period", SEPTEMBER, "--json", *more, expect=expect)
    return records(done.stdout), done.stderr.decode()


def state_of(system: System, department: str = D1) -> dict[str, Any] | None:
    found = records(system.run("sample", "list", "--period", SEPTEMBER, "--department", department, "--json").stdout)
    return next(iter(found), None)


def points(system: System) -> float | None:
    return system.scores().get(KEY, {}).get("points")


def test_from_the_draw_to_the_score(system: System) -> None:
    system.start("worker")
    file = take_in(system, city())
    dry, said = sample_draw(system, "--indicator", "visit_reduction", "--dry-run", expect=1)
    assert [each["department"] for each in dry] == sorted([D1, D2])
    assert f"{D3} ({D3}) has nothing to draw from in {SEPTEMBER}" in said
    assert not any(each["recorded"] for each in dry)
    assert system.read("oversight") == system.read("audit") == []

    drawn, _ = sample_draw(system, "--indicator", "visit_reduction", "--by", "wang.li", expect=1)
    [one] = [each for each in drawn if each["department"] == D1]
    assert one["recorded"]
    assert len(one["selected"]) == 4, "four distinct items"
    assert [each["selected"] for each in drawn] == [each["selected"] for each in dry]
    events = [orjson.loads(record.value) for record in system.read("oversight")]
    [event] = [event for event in events if event["department"] == D1]
    assert (event["sample"], event["selected"], event["tail"], event["by"]) == (SAMPLE, one["selected"], one["tail"], "wang.li")
    assert (event["occurred_at"], event["source"]) == (one["occurred_at"], "onestop sample draw")
    # Anyone who has the events draws the same.
    again, _ = sample_draw(system, "--indicator", "visit_reduction", "--file", str(file), "--as-of", one["occurred_at"], expect=1)
    assert [{**each, "recorded": True} for each in again] == drawn

    # What arrives later changes nothing about the draw, and it is never drawn again.
    late = History(D1)
    for number in range(20):
        late.case(f"L{number:02d}-07", f"I{number % 4 + 1}", accepted="2020-09-01T08:00:00")
    publish(system, [event | {"event_id": f"late-{event['event_id']}"} for event in late.events])
    until(lambda: state_of(system) is not None, "the sample is taken in", logs=system.logs)
    _, said = sample_draw(system, "--indicator", "visit_reduction", "--department", D1, expect=1)
    assert f"is drawn ({SAMPLE})" in said
    checked = records(system.run("sample", "check", "--period", SEPTEMBER, "--json").stdout)
    assert {(each["sample"], each["same"]) for each in checked} == {(each["sample"], True) for each in drawn}

    first, *others = one["selected"]
    record = ("record", "inspection", SAMPLE, first, "--not-achieved", "--department", D1)
    until(lambda: points(system) == 10, "nothing is inspected yet")
    assert system.run(*record, "--by", "zhao.min").stdout.decode() == f"recorded: {SAMPLE}/{first}\n"
    until(lambda: points(system) == 8, "the inspection costs two points", logs=system.logs)
    state = state_of(system)
    assert state is not None
    assert (state["outstanding"], [thing["id"] for thing in state["things"] if thing["outstanding"]]) == (3, others)
    assert state["things"][0] == {
        "id": first, "outstanding": False, "achieved": False, "withdrawn": False, "findings": [], "undisposed": []
    }  # fmt: skip
    system.run("record", "withdraw", f"{SAMPLE}/{first}", "--department", D1, "--why", "the wrong case was looked at")
    until(lambda: points(system) == 10, "it counts no longer")

    audit = sorted((AuditRecord.model_validate_json(r.value) for r in system.read("audit")), key=lambda record: record.at)
    assert [(r.action, r.by, r.department, r.subject) for r in audit if r.department == D1] == [
        ("sample.drawn", "wang.li", D1, SAMPLE), ("inspection.recorded", "zhao.min", D1, f"{SAMPLE}/{first}"),
        ("finding.withdrawn", getpass.getuser(), D1, f"{SAMPLE}/{first}"),
    ]  # fmt: skip
    assert (audit[-1].why, audit[-1].through) == ("the wrong case was looked at", "command")
    assert audit[0].details["event_id"] in {event["event_id"] for event in events}


def test_a_sample_that_was_not_drawn_by_the_rules_is_named(system: System) -> None:
    system.start("worker")
    take_in(system, city())
    sample_draw(system, "--indicator", "guide_accuracy")
    h = History(D1).add("sample.drawn", "2020-09-25", sample="by hand", indicator="online_experience", selected=("I1",))
    publish(system, [event | {"event_id": "by hand"} for event in h.events])
    until(lambda: len(records(system.run("sample", "list", "--period", SEPTEMBER, "--json").stdout)) == 4, "both are taken in")
    done = system.run("sample", "check", "--period", SEPTEMBER, expect=1)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 4
    [wrong] = [line for line in lines if "not the same" in line]
    assert wrong.startswith("by hand: not the same. Recorded: I1; drawn again: ")
    assert system.run("sample", "check", f"guide_accuracy-{SEPTEMBER}-{D1}").returncode == 0
    assert "the log has no such sample" in system.run("sample", "check", "nothing", expect=1).stderr.decode()


def test_nothing_is_drawn_while_workers_lag(system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    publish(system, city())
    for name, value in system.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sample, "WAIT_SECONDS", 0.0)
    settings.cache_clear()
    assert run(["sample", "draw", "--period", SEPTEMBER, "--indicator", "visit_reduction"]) == 1
    settings.cache_clear()
    assert re.match(r"onestop: \d+ records have arrived that the workers have not taken in", capsys.readouterr().err)
    assert system.read("oversight") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("sample", "draw", "--period", SEPTEMBER, "--indicator", "visit_reduction"), ("sample", "list", "--period", SEPTEMBER),
        ("sample", "check", "P1"), ("record", "withdraw", "P/A", "--department", D1),
    ],
)  # fmt: skip
def test_a_broker_that_cannot_be_reached(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = System("127.0.0.1:1", "", tmp_path).run(*arguments, expect=3).stderr.decode()
    assert said.startswith("onestop: Kafka at 127.0.0.1:1 cannot be reached")
    assert said.count("\n") == 1


def test_a_topic_is_paused_and_resumed_by_somebody(system: System) -> None:
    system.run("quarantine", "pause", "cases", "--why", "a bad deployment", "--by", "wang.li")
    system.run("quarantine", "resume", "cases", "--by", "zhao.min")
    audit = sorted((AuditRecord.model_validate_json(r.value) for r in system.read("audit")), key=lambda record: record.at)
    assert [(r.action, r.by, r.subject, r.why) for r in audit] == [
        ("topic.paused", "wang.li", "cases", "a bad deployment"), ("topic.resumed", "zhao.min", "cases", None),
    ]  # fmt: skip


async def test_what_is_recorded_on_the_page_goes_out(system: System, tmp_path: Path) -> None:
    token, path = new_token(), tmp_path / "users.yaml"
    write_users(path, Users(users=[User(name="zhang", token_sha256=hash_of(token), role="recorder")]))
    settings = system.settings.model_copy(update={"users_file": path})
    model = open_read_model(settings)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
    body = f"department={D1}&period={SEPTEMBER}&sample=P1&acceptance_no=A1&achieved=no".encode()
    answer = await ask(create_app(settings, model), "/record/inspection", method="POST", headers=headers, body=body)
    model.close()
    assert (answer.status, answer.text) == (303, "")
    [event] = [orjson.loads(record.value) for record in system.read("oversight")]
    assert (event["department"], event["sample"], event["achieved"], event["by"]) == (D1, "P1", False, "zhang")
    [record] = [AuditRecord.model_validate_json(r.value) for r in system.read("audit")]
    assert (record.by, record.through, record.subject) == ("zhang", "page", "P1/A1")


def test_other_findings_are_recorded(system: System) -> None:
    of, by = ("--department", D1), ("--by", "wang.li")
    system.run(
        "record", "guide-check", "I1", "--errors", "2", "--period", SEPTEMBER, "--note", "no address", "--note", "no hours", *of, *by
    )
    system.run("record", "test", "raise", "S1", "I1", "--test", "Q1", "--at", "2020-09-02T09:00:00+08:00", *of, *by)
    system.run("record", "test", "dispose", "Q1", "answered", *of, *by)
    refused = system.run("record", "test", "dispose", "Q1", "", *of, *by, expect=2).stderr.decode()
    assert refused.startswith("onestop: outcome: ")
    events = {event["type"]: event for event in (orjson.loads(record.value) for record in system.read("oversight"))}
    check = events["guide.checked"]
    assert (check["item"], check["errors"], check["period"], check["notes"]) == ("I1", 2, SEPTEMBER, ["no address", "no hours"])
    assert check["check"].startswith(f"check-{SEPTEMBER}-")
    assert (events["test.raised"]["test"], events["test.raised"]["occurred_at"]) == ("Q1", "2020-09-02T09:00:00+08:00")
    assert (events["test.disposed"]["test"], events["test.disposed"]["outcome"]) == ("Q1", "answered")
    subjects = {record.action: record.subject for record in (AuditRecord.model_validate_json(r.value) for r in system.read("audit"))}
    assert subjects == {"guide.checked": check["check"], "test.raised": "Q1", "test.disposed": "Q1"}
