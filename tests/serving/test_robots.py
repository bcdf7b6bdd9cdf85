"""From Alertmanager's notification to messages that a robot has accepted: formats, sizes, rates, digests, robots that are away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from models.settings import SettingsError, load_settings
from streams.serving.layout import Layout
from streams.serving.limits import MAX_BODY_BYTES
from streams.serving.notifications import Alert, Notification, digest, lines_of, messages
from streams.serving.read_model import ReadModel
from streams.serving.robots import KINDS, Robot, UndeliveredError, no_messages, open_robots
from streams.serving.web import create_app
from streams.serving.writer import Writer
from tests.serving.client import Answer, ask
from tests.serving.records import A, status, write
from tests.serving.robot_server import DINGTALK_SECRET, WECOM_KEY, RobotServer

TOKEN = "the-token-of-alertmanager"


def alert(number: int = 0, severity: str = "warning", **changes: Any) -> dict[str, Any]:
    """An alert as Alertmanager posts it."""
    return {
        "status": "firing", "labels": {"alertname": "GovscoreCasesOverdue", "severity": severity, "department": A},
        "annotations": {
            "summary": f"市公安局有 {number} 件办件超期未办结", "description": "请从最早到期的办起。",
            "runbook_url": "deploy/runbooks/GovscoreCasesOverdue.md",
        },
        "startsAt": "2026-11-24T02:00:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://x/graph",
        "fingerprint": "e1", **changes,
    }  # fmt: skip


def posted(*alerts: dict[str, Any], **changes: Any) -> bytes:
    return orjson.dumps({
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "operations", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://x", "alerts": alerts, **changes,
    })  # fmt: skip


def alerts_of(*alerts: dict[str, Any]) -> list[Alert]:
    return Notification.model_validate_json(posted(*alerts)).alerts


@pytest.fixture
async def server() -> AsyncIterator[RobotServer]:
    async with RobotServer() as running:
        yield running


async def closing(robot: Robot) -> AsyncIterator[Robot]:
    yield robot
    await robot.close()


def robot_of(server: RobotServer, name: str = "wecom", **changes: Any) -> Robot:
    settings = load_settings(
        alert_token=TOKEN, wecom_webhook=server.wecom, dingtalk_webhook=server.dingtalk, dingtalk_secret=DINGTALK_SECRET
    )
    robot = open_robots(settings, no_messages())[name]
    robot.first_retry = 0.01
    for key, value in changes.items():
        setattr(robot, key, value)
    return robot


# What people read


def test_an_alert_in_full() -> None:
    (firing,) = alerts_of(alert(3))
    zone = load_settings().timezone
    from zoneinfo import ZoneInfo

    assert lines_of(firing, {A: "市公安局"}, ZoneInfo(zone)) == [
        "**【警告】市公安局有 3 件办件超期未办结**",
        "> 请从最早到期的办起。",
        f"> 部门：市公安局（{A}）",
        "> 开始：2026-11-24 10:00:00",
        "> 手册：deploy/runbooks/GovscoreCasesOverdue.md",
    ]
    (over,) = alerts_of(alert(3, status="resolved", endsAt="2026-11-24T03:30:00Z"))
    assert lines_of(over, {}, ZoneInfo(zone)) == [
        "**【已恢复】市公安局有 3 件办件超期未办结**",
        "> 请从最早到期的办起。",
        f"> 部门：{A}",
        "> 开始：2026-11-24 10:00:00",
        "> 恢复：2026-11-24 11:30:00",
    ]


def test_names_of_others_neither_link_nor_call_anyone() -> None:
    (found,) = alerts_of(alert(annotations={"summary": "<@all> [看这里](http://evil.example)\n# 标题"}))
    assert found.title == "【警告】＜@all＞ ［看这里］(http://evil.example) # 标题"


def test_an_alert_of_others_without_texts() -> None:
    (found,) = alerts_of(alert(labels={"alertname": "NodeDown", "severity": "page"}, annotations={}))
    assert found.title == "【page】NodeDown"


@pytest.mark.parametrize("limit", [7, 16, 100])
def test_messages_keep_within_bytes_and_lose_no_character(limit: int) -> None:
    paragraphs = ["一二三四五六七八九十", "abc", "", "😀😀😀", "尾"]
    found = messages(paragraphs, limit, "\n")
    assert all(len(text.encode()) <= limit for text in found)
    assert "".join(found).replace("\n", "") == "".join(paragraphs)


def test_a_digest_counts_and_begins_with_the_most_severe() -> None:
    held = alerts_of(alert(1, "info"), alert(2, status="resolved"), alert(3, "critical"), alert(4), alert(5, "critical"))
    assert digest(held, 4_096, "\n").splitlines() == [
        "**告警摘要：共 5 条，严重 2，警告 1，提示 1，已恢复 1**",
        "【严重】市公安局有 3 件办件超期未办结", "【严重】市公安局有 5 件办件超期未办结", "【警告】市公安局有 4 件办件超期未办结",
        "【提示】市公安局有 1 件办件超期未办结", "【已恢复】市公安局有 2 件办件超期未办结",
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [200, 4_096])
def test_a_digest_of_very_many_fits_and_says_how_many_it_leaves_out(limit: int) -> None:
    held = alerts_of(*(alert(number, annotations={"summary": "长" * 300}) for number in range(900)))
    text = digest(held, limit, "\n")
    assert len(text.encode()) <= limit
    shown = text.count("【警告】")
    assert text.endswith(f"另有 {900 - shown} 条，请看 Alertmanager 页面")


# Robots


@pytest.mark.parametrize("name", KINDS)
async def test_a_robot_accepts_what_is_sent(server: RobotServer, name: str) -> None:
    async for robot in closing(robot_of(server, name)):
        await robot.deliver(alerts_of(alert(1), alert(2, "critical")), {A: "市公安局"})
        (text,) = server.accepted[name]
        assert text.index("【严重】") < text.index("【警告】")
        # DingTalk joins lines that do not end in two spaces.
        assert ("  \n" in text) == (name == "dingtalk")
        assert robot.counts == no_messages() | {(name, "sent"): 1}


async def test_what_is_too_long_for_one_message_comes_in_several(server: RobotServer) -> None:
    async for robot in closing(robot_of(server)):
        long = {"summary": "标题", "description": "说" * 1_000}
        await robot.deliver(alerts_of(*(alert(annotations=long) for _ in range(3))), {})
        assert len(server.accepted["wecom"]) == 3
        await robot.deliver(alerts_of(*(alert(annotations=long) for _ in range(30))), {})
        assert server.accepted["wecom"][3].startswith("**告警摘要：共 30 条")
        assert len(server.accepted["wecom"]) == 4
        assert server.refused == []


@pytest.mark.parametrize("answer", [500, 503, 429, "<html>log in</html>", "[]", -1])
async def test_what_may_pass_is_tried_again(server: RobotServer, answer: Any) -> None:
    server.script.extend([answer, answer])
    async for robot in closing(robot_of(server)):
        await robot.deliver(alerts_of(alert()), {})
        assert len(server.accepted["wecom"]) == 1
        assert robot.counts == no_messages() | {("wecom", "sent"): 1, ("wecom", "failed"): 2}


@pytest.mark.parametrize("name", KINDS)
async def test_a_robot_that_is_called_too_often_is_left_alone_for_a_while(server: RobotServer, name: str) -> None:
    server.rate, server.window = 2, 0.5
    async for robot in closing(robot_of(server, name, window=0.5)):  # its own limit is 20: others use the robot too
        for number in range(4):
            await robot.deliver(alerts_of(alert(number)), {})
        assert len(server.accepted[name]) == 4
        assert len(server.refused) <= 1


async def test_a_refusal_is_told_at_once_and_costs_no_other(server: RobotServer) -> None:
    async for robot in closing(robot_of(server)):
        server.script.append(40_058)
        with pytest.raises(UndeliveredError, match="errcode 40058, scripted"):
            await robot.deliver(alerts_of(alert(1)), {})
        await robot.deliver(alerts_of(alert(2)), {})
        assert len(server.accepted["wecom"]) == 1


async def test_a_wrong_signature_is_refused(server: RobotServer) -> None:
    async for robot in closing(robot_of(server, "dingtalk", secret="wrong")):
        with pytest.raises(UndeliveredError, match="errcode 310000"):
            await robot.deliver(alerts_of(alert()), {})
        assert server.accepted["dingtalk"] == []


async def test_a_storm_becomes_a_digest_and_stays_within_the_rate(server: RobotServer) -> None:
    server.rate, server.window = 5, 1.0
    async for robot in closing(robot_of(server, rate=5, window=1.0)):
        severities = ["info"] * 15 + ["critical"] + ["warning"] * 14
        await asyncio.gather(*(robot.deliver(alerts_of(alert(number, severity)), {}) for number, severity in enumerate(severities)))
        (told,) = server.accepted["wecom"]
        assert told.splitlines()[:2] == ["**告警摘要：共 30 条，严重 1，警告 14，提示 15**", "【严重】市公安局有 15 件办件超期未办结"]
        for number in range(12):
            await robot.deliver(alerts_of(alert(number)), {})
        assert len(server.accepted["wecom"]) == 13
        assert server.refused == []


async def test_the_most_severe_goes_first(server: RobotServer) -> None:
    async for robot in closing(robot_of(server)):
        await asyncio.gather(
            *(robot.deliver(alerts_of(alert(n, severity)), {}) for n, severity in enumerate(["info", "critical", "warning"]))
        )
        assert [text[:6] for text in server.accepted["wecom"]] == ["**【严重】", "**【警告】", "**【提示】"]


async def test_a_robot_that_stays_away_is_said_to_be_and_nothing_is_sent_later(
    server: RobotServer, caplog: pytest.LogCaptureFixture
) -> None:
    robot = robot_of(server, patience=0.3)
    await server.__aexit__()
    with caplog.at_level(logging.DEBUG):
        async for _ in closing(robot):
            with pytest.raises(UndeliveredError, match=r"cannot be reached \(ClientConnectorError\)"):
                await robot.deliver(alerts_of(alert(1)), {})
            async with server:
                robot._not_before = 0.0
                await robot.deliver(alerts_of(alert(2)), {})
    assert len(server.accepted["wecom"]) == 1  # the first is Alertmanager's to say again
    assert "cannot be reached" in caplog.text
    assert WECOM_KEY not in caplog.text


async def test_at_the_end_who_waits_is_told_so(server: RobotServer) -> None:
    server.script.extend([500] * 50)
    robot = robot_of(server, first_retry=5)
    waiting = asyncio.create_task(robot.deliver(alerts_of(alert()), {}))
    while not robot._failures:
        await asyncio.sleep(0.01)
    await robot.close()
    with pytest.raises(UndeliveredError, match="ending"):
        await waiting
    with pytest.raises(UndeliveredError, match="ending"):
        await robot.deliver(alerts_of(alert()), {})


async def test_very_many_waiting_are_not_taken(server: RobotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.serving.robots.MOST_WAITING", 0)
    async for robot in closing(robot_of(server)):
        with pytest.raises(UndeliveredError, match="wait already"):
            await robot.deliver(alerts_of(alert()), {})


# Settings


def test_a_robot_needs_a_token_and_an_address() -> None:
    assert open_robots(load_settings(wecom_webhook="", dingtalk_webhook=""), no_messages()) == {}
    with pytest.raises(SettingsError, match="ONESTOP_ALERT_TOKEN: has to be set together with ONESTOP_WECOM_WEBHOOK"):
        open_robots(load_settings(wecom_webhook="https://robots.example/?key=1"), no_messages())
    for wrong in ("qyapi.example/send?key=hush", "ftp://robots.example/?key=hush", "http://[hush", "https://"):
        with pytest.raises(SettingsError, match="ONESTOP_DINGTALK_WEBHOOK: is not") as refused:
            open_robots(load_settings(alert_token=TOKEN, dingtalk_webhook=wrong), no_messages())
        assert "hush" not in str(refused.value)


# The bridge


@pytest.fixture
async def app(server: RobotServer, model: ReadModel) -> AsyncIterator[FastAPI]:
    settings = load_settings(alert_token=TOKEN, wecom_webhook=server.wecom)
    made = create_app(settings, model)
    made.state.robots["wecom"].first_retry = 0.01
    yield made
    await made.state.robots["wecom"].close()


async def post(app: FastAPI, body: bytes, robot: str = "wecom", token: str = f"Bearer {TOKEN}") -> Answer:
    return await ask(app, f"/alerts/{robot}", method="POST", body=body, authorization=token)


async def test_a_notification_ends_in_the_group_with_the_departments_name(
    app: FastAPI, server: RobotServer, writer: Writer, layout: Layout
) -> None:
    await write(writer, layout, status(A, "市公安局"))
    answer = await post(app, posted(alert(3)))
    assert (answer.status, answer.body) == (200, b"")
    assert f"> 部门：市公安局（{A}）" in server.accepted["wecom"][0]
    metrics = (await ask(app, "/metrics")).text
    assert 'govscore_robot_messages_total{robot="wecom",outcome="sent"} 1.0' in metrics
    assert 'govscore_robot_messages_total{robot="dingtalk",outcome="failed"} 0.0' in metrics


async def test_with_redis_down_alerts_are_told_all_the_same(server: RobotServer) -> None:
    from streams.serving.read_model import open_read_model

    settings = load_settings(alert_token=TOKEN, wecom_webhook=server.wecom, redis_url="redis://127.0.0.1:1/0")
    made = create_app(settings, open_read_model(settings))
    assert (await post(made, posted(alert()))).status == 200
    await made.state.robots["wecom"].close()
    assert f"> 部门：{A}" in server.accepted["wecom"][0]


async def test_what_the_robot_does_not_accept_is_left_to_alertmanager(app: FastAPI, server: RobotServer) -> None:
    server.script.append(93_000)
    answer = await post(app, posted(alert()))
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json["detail"] == "the robot wecom has not accepted it: errcode 93000, scripted; Alertmanager tries again"


async def test_no_secret_is_in_an_answer_or_in_the_log(server: RobotServer, model: ReadModel, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings(alert_token=TOKEN, wecom_webhook=server.wecom.replace(WECOM_KEY, "a-stale-key"))
    made = create_app(settings, model)
    with caplog.at_level(logging.DEBUG):
        answer = await post(made, posted(alert()))  # this server repeats the key in its errmsg
    await made.state.robots["wecom"].close()
    assert answer.json["detail"].endswith("errcode 93000, invalid webhook url, key …; Alertmanager tries again")
    logged = "".join(record.getMessage() for record in caplog.records if record.name.startswith("streams"))
    assert logged
    assert "a-stale-key" not in logged + answer.text
    assert TOKEN not in logged + repr(settings)


@pytest.mark.parametrize("token", ["", TOKEN, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer 错"])
async def test_without_the_token_nothing_is_read(app: FastAPI, server: RobotServer, token: str) -> None:
    answer = await post(app, posted(alert()), token=token)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert server.accepted["wecom"] == []


async def test_where_no_token_is_set_there_is_no_robot(model: ReadModel) -> None:
    made = create_app(load_settings(), model)
    for token in ("", "Bearer ", "Bearer x"):
        assert (await post(made, posted(alert()), token=token)).status == 404


@pytest.mark.parametrize(
    ("robot", "said"),
    [("dingtalk", "the robot dingtalk has no address: set ONESTOP_DINGTALK_WEBHOOK"), ("slack", "there is no robot 'slack'")],
)
async def test_a_robot_that_is_not_there(app: FastAPI, robot: str, said: str) -> None:
    answer = await post(app, posted(alert()), robot)
    assert answer.status == 404
    assert said in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body: Invalid JSON"),
        (b"{}", "version: Field required"),
        (b"[1]", "the body: Input should be an object"),
        (posted(alert(), version="5"), "version: Input should be '4'"),
        (posted(), "alerts: List should have at least 1 item"),
        (posted(alert(status="odd")), "alerts.0.status"),
        (posted(alert(startsAt="yesterday")), "alerts.0.startsAt"),
        (posted(alert(labels={"department": 3})), "alerts.0.labels.department"),
    ],
)
async def test_what_is_no_notification_is_a_problem(app: FastAPI, body: bytes, said: str) -> None:
    answer = await post(app, body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert f"not a notification of Alertmanager (version 4): {said}" in answer.json["detail"]


async def test_a_body_beyond_the_limit_is_not_read_to_its_end(app: FastAPI) -> None:
    assert (await post(app, b" " * MAX_BODY_BYTES + posted(alert()))).status == 413


async def test_it_is_asked_by_post_only(app: FastAPI) -> None:
    assert (await ask(app, "/alerts/wecom", authorization=f"Bearer {TOKEN}")).status == 405
