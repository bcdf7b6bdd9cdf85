"""Event in, message out: an overdue case and a failed interface end in the groups of WeCom and DingTalk, and so does their end.

Every part is real but the robots: Apache Kafka, redis-server, `onestop worker`, `projector` and `web`, Prometheus and Alertmanager, with
the rules, routes and scrape configuration of this repository. Of copies of these are changed: hosts and ports; the paces (scraping,
`for`, `keep_firing_for`, group and repeat intervals), to seconds; working hours, to always, because the test runs at any hour; and
DingTalk is added to the receivers, as the comment in alertmanager.yml says.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from streams.embedded import EmbeddedRedis, free_ports
from tests.deploy.promql import selectors
from tests.deploy.receiver import Receiver
from tests.deploy.servers import ask, running
from tests.deploy.tools import DEPLOY, RULES, alerts, load, tool
from tests.serving.robot_server import DINGTALK_SECRET, RobotServer
from tests.support.kafka import KafkaCluster, kafka_jars, missing
from tests.support.live import System, until

DEPARTMENT, NAME, INTERFACE = "11439900MBCEU9EF55", "市人力资源和社会保障局", "household-query"
TOKEN = "the-token-of-this-test"
STALE, REQUESTS = f"{NAME}的库表 insured-persons 未按周期更新", f"{NAME}有 1 件共享申请将在 24 小时内到期"
OVERDUE, DOWN = f"{NAME}有 1 件办件超期未办结", f"{NAME}的接口 {INTERFACE} 故障"
ROBOTS = ("wecom", "dingtalk")


@dataclass
class Chain:
    """Everything running."""

    system: System
    robots: RobotServer
    watchdog: Receiver
    prometheus: str
    alertmanager: str

    def publish(self, name: str, *events: dict[str, Any]) -> None:
        """Publish events as a source system would; `ago` is minutes."""
        now = datetime.now(timezone.utc)
        lines = []
        for place, event in enumerate(events):
            at = now - timedelta(minutes=event.pop("ago", 0))
            envelope = {"event_id": f"{name}-{place}", "department": DEPARTMENT, "source": "test", "occurred_at": at.isoformat()}
            lines.append(orjson.dumps(envelope | event))
        path = self.system.directory / f"{name}.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        self.system.run("publish", str(path))

    def said(self, robot: str, *parts: str) -> list[str]:
        """The messages in a group that have all of the parts."""
        return [text for text in self.robots.accepted[robot] if all(part in text for part in parts)]

    def wait_said(self, *parts: str) -> None:
        """Until both groups have such a message."""
        for robot in ROBOTS:
            until(lambda: self.said(robot, *parts), f"{parts} in {robot}")  # noqa: B023  # asked within the turn

    def report(self) -> str:
        """Where it has got to, for a failure's message."""
        fired = [alert["labels"]["alertname"] for alert in ask(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]]
        held = [(alert["labels"]["alertname"], alert["status"]) for alert in ask(f"{self.alertmanager}/api/v2/alerts")]
        return f"Prometheus: {fired}\nAlertmanager: {held}\nrobots: {self.robots.accepted} {self.robots.refused}\n{self.system.logs()}"


@contextmanager
def robot_server() -> Iterator[RobotServer]:
    """The robots, in a thread of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = RobotServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(30)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def machine_redis() -> Path:
    """The machine's own redis-server, not the one in the wheel."""
    path = ":".join(str(part) for part in map(Path, os.environ["PATH"].split(":")) if part != Path(sys.prefix) / "bin")
    found = shutil.which("redis-server", path=path)
    if found is None:
        missing("redis-server is not on PATH: the test of the whole chain is skipped")
    return Path(found)


def prometheus_files(directory: Path, own: int, ports: dict[str, int]) -> Path:
    """The configuration and the rules, copied and changed as said above."""
    held = load(DEPLOY / "prometheus" / "prometheus.yml")
    held["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (directory / "rules").mkdir()
    for path in RULES:
        rules = load(path)
        for rule in rules["groups"][0]["rules"]:
            rule |= {name: "1s" for name in ("for", "keep_firing_for") if name in rule}
        (directory / "rules" / path.name).write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    jobs = {job["job_name"]: job for job in held["scrape_configs"]}
    (found,) = jobs["worker"].pop("dns_sd_configs")
    jobs["worker"]["static_configs"] = [{"targets": [f"{name}:{found['port']}" for name in found["names"]]}]
    text = yaml.safe_dump(held, allow_unicode=True).replace("127.0.0.1:9090", f"127.0.0.1:{own}")
    for target, port in ports.items():
        assert target in text
        text = text.replace(target, f"127.0.0.1:{port}")
    config = directory / "prometheus.yml"
    config.write_text(text, encoding="utf-8")
    return config


def alertmanager_file(directory: Path, web: int, watchdog: str) -> Path:
    """The configuration, copied and changed as said above."""
    held = load(DEPLOY / "alertmanager" / "alertmanager.yml")

    def quicken(route: dict[str, Any]) -> None:
        route |= {name: "1s" for name in ("group_wait", "group_interval") if name in route}
        for inner in route.get("routes", ()):
            quicken(inner)

    quicken(held["route"])
    held["time_intervals"][0]["time_intervals"] = [{"weekdays": ["sunday:saturday"]}]
    token = directory / "alert_token"
    token.write_text(TOKEN)
    for receiver in held["receivers"]:
        for hook in list(receiver["webhook_configs"]):
            if receiver["name"] == "watchdog":
                hook["url"] = watchdog
                continue
            hook["url"] = hook["url"].replace("web:8080", f"127.0.0.1:{web}")
            hook["http_config"] = {"authorization": {"credentials_file": str(token)}}
            receiver["webhook_configs"].append(hook | {"url": hook["url"].replace("/wecom", "/dingtalk")})
    config = directory / "alertmanager.yml"
    config.write_text(yaml.safe_dump(held, allow_unicode=True), encoding="utf-8")
    return config


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    programs = {name: tool(name) for name in ("prometheus", "prometheus-alertmanager")}
    worker, web, prometheus, alertmanager = free_ports(4)
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(jars=kafka_jars()))
        redis = stack.enter_context(EmbeddedRedis(binary=machine_redis()))
        robots = stack.enter_context(robot_server())
        watchdog = stack.enter_context(Receiver())
        system = System(
            kafka.address, "chain-", tmp_path, partitions=2,
            extra={
                "ONESTOP_REDIS_URL": redis.url, "ONESTOP_WORKER_ADDRESS": f"127.0.0.1:{worker}", "ONESTOP_WEB_ADDRESS": f"127.0.0.1:{web}",
                "ONESTOP_ALERT_TOKEN": TOKEN, "ONESTOP_WECOM_WEBHOOK": robots.wecom, "ONESTOP_DINGTALK_WEBHOOK": robots.dingtalk,
                "ONESTOP_DINGTALK_SECRET": DINGTALK_SECRET,
            },
        )  # fmt: skip
        stack.callback(system.close)
        system.run("topics", "create")
        for name in ("worker", "projector", "web"):
            system.start(name, name)
        directories = {name: tmp_path / name for name in programs}
        for directory in directories.values():
            directory.mkdir()
        urls = {"prometheus": f"http://127.0.0.1:{prometheus}", "prometheus-alertmanager": f"http://127.0.0.1:{alertmanager}"}
        config = alertmanager_file(directories["prometheus-alertmanager"], web, watchdog.url)
        stack.enter_context(
            running(
                [
                    programs["prometheus-alertmanager"], f"--config.file={config}", "--cluster.listen-address=",
                    f"--web.listen-address=127.0.0.1:{alertmanager}", f"--storage.path={directories['prometheus-alertmanager'] / 'data'}",
                ],
                f"{urls['prometheus-alertmanager']}/-/ready", directories["prometheus-alertmanager"],
            )
        )  # fmt: skip
        ports = {"web:8080": web, "worker:9101": worker, "alertmanager:9093": alertmanager}
        config = prometheus_files(directories["prometheus"], prometheus, ports)
        stack.enter_context(
            running(
                [
                    programs["prometheus"], f"--config.file={config}", f"--web.listen-address=127.0.0.1:{prometheus}",
                    f"--storage.tsdb.path={directories['prometheus'] / 'data'}",
                ],
                f"{urls['prometheus']}/-/ready", directories["prometheus"],
            )
        )  # fmt: skip
        yield Chain(system, robots, watchdog, urls["prometheus"], urls["prometheus-alertmanager"])


def test_an_overdue_case_and_a_failed_interface_reach_the_groups_and_so_does_their_end(chain: Chain) -> None:
    now = datetime.now(timezone.utc)
    due, soon = ((now + shift).isoformat() for shift in (timedelta(minutes=-30), timedelta(hours=5)))
    try:
        chain.publish(
            "trouble",
            {"type": "department.registered", "name": NAME, "ago": 120},
            {"type": "interface.registered", "interface": INTERFACE, "ago": 110},
            {"type": "case.accepted", "serial": "S1", "item": "I1", "acceptance_no": "A1", "due_at": due, "ago": 100},
            {"type": "interface.failed", "interface": INTERFACE, "failure": "F1", "ago": 20},
        )
        chain.wait_said(f"【警告】{OVERDUE}", f"部门：{NAME}（{DEPARTMENT}）", "deploy/runbooks/GovscoreCasesOverdue.md")
        chain.wait_said(f"【警告】{DOWN}", "deploy/runbooks/GovscoreInterfaceDown.md")
        chain.publish(
            "more",
            {"type": "table.registered", "table": "insured-persons", "cycle_days": 7, "first_due_at": due, "ago": 110},
            {"type": "request.raised", "request": "R1", "requester": "11439900MBBCD28M9B", "due_at": soon, "ago": 10},
        )
        chain.wait_said(f"【提示】{REQUESTS}")
        # While an interface of the department is down, its late table is not told.
        assert not chain.said("wecom", STALE)
        until(lambda: chain.watchdog.names("GovscoreWatchdog"), "the watchdog outside")
        chain.publish(
            "mended",
            {"type": "case.completed", "serial": "S1", "item": "I1", "outcome": "granted"},
            {"type": "interface.recovered", "interface": INTERFACE, "failure": "F1"},
        )
        chain.wait_said(f"【已恢复】{OVERDUE}")
        chain.wait_said(f"【已恢复】{DOWN}")
        chain.wait_said(f"【警告】{STALE}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{chain.report()}") from None
    # Nothing was too long, too often or wrongly signed.
    assert chain.robots.refused == []
    # Every metric of the rules that is exported from the start has come from the real processes.
    there = set(ask(f"{chain.prometheus}/api/v1/label/__name__/values")["data"])
    read = {selector.metric for rule in alerts() for selector in selectors(rule["expr"])}
    assert read - there <= {"govscore_recount_mismatches", "govscore_recount_timestamp_seconds"}  # absent before the first recount
