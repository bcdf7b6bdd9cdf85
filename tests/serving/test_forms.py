"""Recording on the page: who may, what goes out under which name, and what is shown as outstanding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
import pytest
from fastapi import FastAPI
from kafka.errors import KafkaTimeoutError

from models.events import TOPIC_OF_TYPE
from models.records import AuditRecord, SampledThing, SampleState
from models.settings import Settings
from streams.recording import Person, Recorder
from streams.serving.layout import Layout
from streams.serving.read_model import ReadModel
from streams.serving.users import User, Users, write_users
from streams.serving.web import create_app
from streams.serving.writer import Writer
from streams.tokens import hash_of, new_token
from tests.serving.client import Answer, ask
from tests.serving.conftest import StandingClock
from tests.serving.records import BEFORE, NOW, PERIOD, A, B, score, status, text, write

TOKENS = {name: new_token() for name in ("viewer", "recorder", "of-a")}
SHOWN = {"accept": "text/html"}


def state(indicator: str, things: list[SampledThing], period: str = PERIOD) -> SampleState:
    return SampleState(
        sample=f"{indicator}-{period}-{A}", department=A, indicator=indicator, period=period, drawn_at=text(NOW), tail=None,
        selected=[thing.id for thing in things], things=things, outstanding=sum(thing.outstanding for thing in things),
    )  # fmt: skip


class FakeSamples:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.states = [
            state("visit_reduction", [
                SampledThing(id="N1", outstanding=True), SampledThing(id="N2", outstanding=False, achieved=False, withdrawn=True),
                SampledThing(id="<N3>", outstanding=True),
            ]),
            state("guide_accuracy", [SampledThing(id="I1", outstanding=False, errors=2, findings=["G1"]), SampledThing(id="I2", outstanding=True)]),
            state("online_experience", [SampledThing(id="I3", outstanding=False, findings=["Q1", "Q2"], undisposed=["Q2"])]),
        ]  # fmt: skip

    def samples(self, department: str, period: str) -> list[SampleState]:
        self.asked.append((department, period))
        return self.states


class Sent:
    """What was recorded; on `flush` it fails while it is told to."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes | None]] = []
        self.fails = False

    def send(self, kind: str, department: str, value: bytes) -> None:
        self.records.append((TOPIC_OF_TYPE[kind], department.encode(), value))

    def put(self, topic: str, key: bytes, value: bytes | None, partition: int | None = None, headers: object = None) -> None:
        self.records.append((topic, key, value))

    @contextmanager
    def recording(self, person: Person) -> Iterator[Recorder]:
        yield Recorder(self, person, ZoneInfo("Asia/Shanghai"), StandingClock())  # type: ignore[arg-type]
        if self.fails:
            raise KafkaTimeoutError("secret-broker")

    @property
    def event(self) -> dict[str, Any]:
        [event] = [orjson.loads(value or b"") for topic, _, value in self.records if topic == "oversight"]
        return event  # type: ignore[no-any-return]

    @property
    def audit(self) -> AuditRecord:
        [record] = [AuditRecord.model_validate_json(value or b"") for topic, _, value in self.records if topic == "audit"]
        return record


@pytest.fixture
def samples() -> FakeSamples:
    return FakeSamples()


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
async def app(
    settings: Settings, model: ReadModel, writer: Writer, layout: Layout, tmp_path: Path, samples: FakeSamples, sent: Sent
) -> FastAPI:
    path = tmp_path / "users.yaml"
    users = [
        User(name="viewer", token_sha256=hash_of(TOKENS["viewer"])),
        User(name="recorder", token_sha256=hash_of(TOKENS["recorder"]), role="recorder"),
        User(name="of-a", token_sha256=hash_of(TOKENS["of-a"]), role="recorder", departments=(A,)),
    ]
    write_users(path, Users(users=users))
    await write(writer, layout, score(), score(department=B), score(period=BEFORE), status(A, "甲"), status(B, "乙"))
    app = create_app(settings.model_copy(update={"users_file": path}), model)
    app.state.workers, app.state.recording = samples, sent.recording
    return app


async def get(app: FastAPI, path: str, user: str = "recorder") -> Answer:
    return await ask(app, path, headers={"Authorization": f"Bearer {TOKENS[user]}"}, **SHOWN)


async def post(app: FastAPI, path: str, user: str = "recorder", **fields: str) -> Answer:
    headers = {"Authorization": f"Bearer {TOKENS[user]}", "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"department": A, "period": PERIOD, **fields}).encode()
    return await ask(app, path, method="POST", headers=headers, body=body)


def forms_of(page: str) -> list[dict[str, str]]:
    """The hidden fields of each form that is posted, and where to."""
    found = []
    for action, content in re.findall(r'<form method="post" action="(/record/[^"]*)">(.*?)</form>', page, re.DOTALL):
        found.append({"action": action, **dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', content))})
    return found


async def test_what_is_outstanding_is_shown_with_its_forms(app: FastAPI, samples: FakeSamples) -> None:
    page = (await get(app, f"/record?department={A}&lang=en")).text
    assert samples.asked == [(A, PERIOD)]
    forms = forms_of(page)
    assert [(f["action"], f.get("acceptance_no") or f.get("item") or f.get("test")) for f in forms] == [
        ("/record/inspection", "N1"), ("/record/inspection", "&lt;N3&gt;"), ("/record/guide-check", "I1"), ("/record/guide-check", "I2"),
        ("/record/test", "I3"), ("/record/test-disposal", "Q2"),
    ]  # fmt: skip
    assert all((f["department"], f["period"]) == (A, PERIOD) for f in forms)
    assert all("csrf" in f for f in forms)
    assert forms[0]["sample"] == samples.states[0].sample
    assert "<N3>" not in page
    assert re.search(r"2 / 3</span>", page)
    assert "refresh" not in page, "what is being typed would be lost"
    earlier = forms_of((await get(app, f"/record?department={A}&period={BEFORE}")).text)
    assert samples.asked[1:] == [(A, BEFORE)]
    assert "/record/test" not in {form["action"] for form in earlier}, "a test counts in the month in which it is raised"


async def test_the_only_department_is_chosen_and_others_are_kept_away(app: FastAPI, samples: FakeSamples) -> None:
    page = (await get(app, "/record", "of-a")).text
    assert samples.asked == [(A, PERIOD)]
    assert "甲" in page
    assert "乙" not in page
    assert 'action="/record/' not in (await get(app, "/record")).text
    assert len(samples.asked) == 1, "nobody is asked before a department is chosen"
    assert (await get(app, f"/record?department={B}", "of-a")).status == 403


@pytest.mark.parametrize("user", ["viewer"])
async def test_who_may_only_look_records_nothing(app: FastAPI, user: str, sent: Sent) -> None:
    assert (await get(app, f"/record?department={A}", user)).status == 403
    assert (await post(app, "/record/inspection", user, sample="P", acceptance_no="N1", achieved="yes")).status == 403
    assert sent.records == []


async def test_nobody_records_without_a_name(settings: Settings, model: ReadModel, sent: Sent) -> None:
    app = create_app(settings, model)
    app.state.recording = sent.recording
    assert (await ask(app, "/record")).status == 403
    assert (await ask(app, "/record/inspection", method="POST", body=b"department=x")).status == 403


async def test_an_inspection(app: FastAPI, sent: Sent) -> None:
    answer = await post(app, "/record/inspection", sample="P", acceptance_no="N1", achieved="no")
    assert (answer.status, answer.headers["location"]) == (303, f"/record?department={A}&period={PERIOD}&done=inspection")
    event = sent.event
    assert (event["type"], event["department"], event["occurred_at"], event["by"]) == ("inspection.recorded", A, text(NOW), "recorder")
    assert (event["sample"], event["acceptance_no"], event["achieved"], event["source"]) == ("P", "N1", False, "onestop web")
    audit = sent.audit
    assert (audit.action, audit.by, audit.through, audit.subject) == ("inspection.recorded", "recorder", "page", "P/N1")
    assert 'role="status"' in (await get(app, answer.headers["location"])).text


async def test_a_guide_check(app: FastAPI, sent: Sent) -> None:
    answer = await post(app, "/record/guide-check", item="I2", errors="2", notes="缺地址\r\n\r\n 缺电话 \r\n")
    assert answer.headers["location"].endswith("&done=guide-check")
    event = sent.event
    assert (event["item"], event["errors"], event["period"], event["notes"]) == ("I2", 2, PERIOD, ["缺地址", "缺电话"])
    assert event["check"].startswith(f"check-{PERIOD}-")
    assert sent.audit.subject == event["check"]


async def test_a_test_and_its_disposal(app: FastAPI, sent: Sent) -> None:
    await post(app, "/record/test", item="I3", serial=" S1 ")
    assert (sent.event["type"], sent.event["serial"], sent.event["item"]) == ("test.raised", "S1", "I3")
    sent.records.clear()
    await post(app, "/record/test-disposal", test="Q2", outcome="answered")
    assert (sent.event["type"], sent.event["test"], sent.event["outcome"]) == ("test.disposed", "Q2", "answered")


@pytest.mark.parametrize(
    ("path", "fields", "says"),
    [
        ("inspection", {"sample": "P", "acceptance_no": "N1"}, "achieved is missing"),
        ("inspection", {"sample": "P", "acceptance_no": "N1", "achieved": "maybe"}, "achieved is missing"),
        ("inspection", {"sample": "P", "achieved": "yes"}, "acceptance_no is missing"),
        ("inspection", {"sample": "P", "acceptance_no": "N1", "achieved": "yes", "department": "x"}, "department: "),
        ("guide-check", {"item": "I1", "errors": "two"}, "errors: "),
        ("guide-check", {"item": "I1", "errors": "10001"}, "errors: "),
        ("guide-check", {"item": "I1", "errors": "1", "period": "2020-13"}, "period: "),
        ("test", {"item": "I1", "serial": "  "}, "serial: "),
        ("test-disposal", {"test": "Q1", "outcome": ""}, "outcome: "),
    ],
)
async def test_what_the_contract_forbids_is_said(app: FastAPI, sent: Sent, path: str, fields: dict[str, str], says: str) -> None:
    answer = await post(app, f"/record/{path}", **fields)
    assert answer.status == 422
    assert answer.json["detail"].startswith(says)
    assert sent.records == []


async def test_of_other_departments_nothing_is_recorded(app: FastAPI, sent: Sent) -> None:
    fields = {"sample": "P", "acceptance_no": "N1", "achieved": "yes"}
    assert (await post(app, "/record/inspection", "of-a", **fields, department=B)).status == 403
    assert sent.records == []
    assert (await post(app, "/record/inspection", "of-a", **fields)).status == 303


async def test_a_broker_that_does_not_answer(app: FastAPI, sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    sent.fails = True
    answer = await post(app, "/record/inspection", sample="P", acceptance_no="N1", achieved="yes")
    assert answer.status == 503
    assert "it may not be recorded" in answer.json["detail"]
    assert "secret-broker" not in answer.text
    assert "secret-broker" in caplog.text


async def test_while_no_worker_answers(settings: Settings, app: FastAPI, model: ReadModel) -> None:
    other = create_app(app.state.settings, model)
    answer = await get(other, f"/record?department={A}")
    assert answer.status == 503
    assert "ask again in a few seconds" in answer.text
