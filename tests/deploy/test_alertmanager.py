"""Who hears of an alert, and which alerts are held back while another fires."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
import yaml

from streams.embedded import free_ports
from tests.deploy.receiver import Receiver
from tests.deploy.servers import ask, running, until
from tests.deploy.tools import DEPLOY, ROOT, alerts, load, passes, run, tool

CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
A, B = "11439900MBCEU9EF55", "11439900MBBCD28M9B"
PIPELINE_FAULTS = {"GovscoreScoreboardStale", "GovscoreScoreboardAbsent", "GovscoreHeartbeatStuck", "GovscoreConsumerStalled"}
RECEIVERS = {"ops": "operations", "department": "departments"}


def test_the_configuration_is_right() -> None:
    passes([tool("amtool"), "check-config", CONFIG])


def test_alerts_are_grouped_by_alert_and_department() -> None:
    assert load(CONFIG)["route"]["group_by"] == ["alertname", "department"]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_goes_to_those_it_is_for(rule: dict[str, Any]) -> None:
    labels = [f"{name}={value}" for name, value in (rule["labels"] | {"alertname": rule["alert"]}).items()]
    done = run([tool("amtool"), "config", "routes", "test", f"--config.file={CONFIG}", *labels])
    expected = "watchdog" if rule["alert"] == "GovscoreWatchdog" else RECEIVERS[rule["labels"]["audience"]]
    assert (done.returncode, done.stdout.split()) == (0, [expected])


ROUTES = [
    ("an alert of others, which nobody has told for whom it is", ["alertname=NodeDown"], "operations"),
    ("grave, and for a department", ["alertname=X", "severity=critical", "audience=department", f"department={A}"], "departments"),
    ("for operators, and of a department", ["alertname=X", "severity=warning", "audience=ops", f"department={A}"], "operations"),
    ("the watchdog, whoever it is for", ["alertname=GovscoreWatchdog", "audience=department"], "watchdog"),
]


@pytest.mark.parametrize(("labels", "receiver"), [pytest.param(labels, receiver, id=name) for name, labels, receiver in ROUTES])
def test_any_alert_goes_somewhere(labels: list[str], receiver: str) -> None:
    passes([tool("amtool"), "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *labels])


def test_receivers_are_the_bridge_and_the_watchdog_leaves_the_machine() -> None:
    receivers = {receiver["name"]: receiver["webhook_configs"] for receiver in load(CONFIG)["receivers"]}
    assert set(receivers) == {"operations", "departments", "watchdog"}
    for name in ("operations", "departments"):
        for hook in receivers[name]:
            assert re.fullmatch(r"http://web:8080/alerts/(wecom|dingtalk)", hook["url"])
            assert hook["send_resolved"]
            assert hook["http_config"]["authorization"] == {"credentials_file": "/run/secrets/alert_token"}
    (outside,) = receivers["watchdog"]
    assert urlsplit(outside["url"]).hostname not in {*load(ROOT / "docker-compose.yml")["services"], "127.0.0.1", "localhost"}


def test_the_token_is_where_alertmanager_looks_for_it() -> None:
    service = load(ROOT / "docker-compose.yml")["services"]["alertmanager"]
    (command,) = service["command"]
    assert 'printf %s "$$ALERT_TOKEN" >/run/secrets/alert_token && exec /bin/alertmanager' in command
    assert service["environment"]["ALERT_TOKEN"].startswith("${ONESTOP_ALERT_TOKEN:?")
    assert service["tmpfs"] == ["/run/secrets:size=64k,mode=1777"]


def test_departments_are_told_in_working_hours_of_their_city() -> None:
    (hours,) = load(CONFIG)["time_intervals"]
    assert hours == {
        "name": "working-hours",
        "time_intervals": [
            {"weekdays": ["monday:friday"], "times": [{"start_time": "08:30", "end_time": "18:00"}], "location": "Asia/Shanghai"}
        ],
    }
    timed = {route["receiver"]: route.get("active_time_intervals") for route in load(CONFIG)["route"]["routes"]}
    assert timed == {"watchdog": None, "departments": ["working-hours"], "operations": None}


def test_inhibitions_name_alerts_that_exist() -> None:
    known = {rule["alert"] for rule in alerts()}
    named = {
        name
        for rule in load(CONFIG)["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        if matcher.startswith("alertname")
        for name in matcher.split('"')[1].split("|")
    }
    assert named <= known


def test_no_alert_holds_itself_back() -> None:
    assert all("depends_on" not in rule["labels"] for rule in alerts() if rule["alert"] in PIPELINE_FAULTS)


# A real Alertmanager


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    program = tool("prometheus-alertmanager")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        program, f"--config.file={CONFIG}", f"--storage.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, f"{url}/-/ready", tmp_path):
        yield url


def _fire(url: str, *firing: tuple[str, dict[str, str]], held_back: set[tuple[str, str]]) -> None:
    """Post alerts with the labels of their rules, and wait until those of an alert and a department, and no others, are held back.

    Alertmanager takes in what holds back beside what is held back: what it says first may be about the one without the other.
    """
    rules = {rule["alert"]: rule["labels"] for rule in alerts()}
    posted = [{"labels": rules[name] | labels | {"alertname": name}} for name, labels in firing]
    ask(f"{url}/api/v2/alerts", posted)

    def settled() -> bool:
        found = ask(f"{url}/api/v2/alerts")
        held = {(a["labels"]["alertname"], a["labels"].get("department", "")) for a in found if a["status"]["inhibitedBy"]}
        return len(found) == len(posted) and held == held_back

    until(settled)


def test_a_stale_scoreboard_holds_back_what_rests_on_it(alertmanager: str) -> None:
    _fire(
        alertmanager,
        ("GovscoreScoreboardStale", {}),
        ("GovscoreCasesOverdue", {"department": A}),
        ("GovscoreInterfaceDown", {"department": B, "interface": "x"}),
        ("GovscoreAllInterfacesDown", {}),
        ("GovscoreWorkerDown", {}),
        ("GovscoreQuarantine", {"topic": "cases"}),
        ("GovscoreWatchdog", {}),
        held_back={("GovscoreCasesOverdue", A), ("GovscoreInterfaceDown", B), ("GovscoreAllInterfacesDown", "")},
    )


def test_an_absent_scoreboard_is_not_told_to_be_old_as_well(alertmanager: str) -> None:
    _fire(
        alertmanager,
        ("GovscoreScoreboardAbsent", {}),
        ("GovscoreScoreboardStale", {}),
        ("GovscoreCasesDueSoon", {"department": A}),
        held_back={("GovscoreScoreboardStale", ""), ("GovscoreCasesDueSoon", A)},
    )


def test_all_interfaces_down_is_one_message(alertmanager: str) -> None:
    _fire(
        alertmanager,
        ("GovscoreAllInterfacesDown", {}),
        ("GovscoreInterfaceDown", {"department": A, "interface": "x"}),
        ("GovscoreCasesOverdue", {"department": A}),
        held_back={("GovscoreInterfaceDown", A)},
    )


def test_a_department_at_the_cap_holds_back_its_own_overdue_cases_only(alertmanager: str) -> None:
    _fire(
        alertmanager,
        ("GovscoreOverdueDeductionCap", {"department": A}),
        ("GovscoreCasesOverdue", {"department": A}),
        ("GovscoreCasesOverdue", {"department": B}),
        held_back={("GovscoreCasesOverdue", A)},
    )


@pytest.mark.parametrize("source", ["GovscoreConsumerStalled", "GovscoreHeartbeatStuck"])
def test_a_partition_that_nobody_looks_after_holds_back_what_rests_on_it(alertmanager: str, source: str) -> None:
    _fire(alertmanager, (source, {}), ("GovscoreTableStale", {"department": A, "table": "t"}), held_back={("GovscoreTableStale", A)})


def test_an_interface_that_is_down_explains_a_late_table_of_its_department_only(alertmanager: str) -> None:
    _fire(
        alertmanager,
        ("GovscoreInterfaceDown", {"department": A, "interface": "x"}),
        ("GovscoreTableStale", {"department": A, "table": "t"}),
        ("GovscoreTableStale", {"department": B, "table": "t"}),
        held_back={("GovscoreTableStale", A)},
    )


@pytest.mark.parametrize("working", [True, False])
def test_what_is_told_when(working: bool, tmp_path: Path) -> None:
    """A real Alertmanager with this configuration, whose working hours are changed to be now, or every other day of the week."""
    program = tool("prometheus-alertmanager")
    held = load(CONFIG)
    today = datetime.now(ZoneInfo("Asia/Shanghai"))
    # The day before and after too: the test may run at midnight.
    near = {f"{today + timedelta(days=shift):%A}".lower() for shift in (-1, 0, 1)}
    week = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    (interval,) = held["time_intervals"][0]["time_intervals"]
    interval["weekdays"] = [day for day in week if (day in near) == working]
    del interval["times"]
    held["route"]["group_wait"] = "100ms"
    for route in held["route"]["routes"]:
        route["group_wait"] = "100ms"
    with Receiver() as operations, Receiver() as departments:
        for receiver in held["receivers"]:
            at = departments if receiver["name"] == "departments" else operations
            receiver["webhook_configs"] = [{"url": at.url}]
        config = tmp_path / "alertmanager.yml"
        config.write_text(yaml.safe_dump(held), encoding="utf-8")
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        command = [
            program, f"--config.file={config}", f"--storage.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]  # fmt: skip
        with running(command, f"{url}/-/ready", tmp_path):
            _fire(url, ("GovscoreCasesOverdue", {"department": A}), held_back=set())
            _fire(url, ("GovscoreCasesOverdue", {"department": A}), ("GovscoreWorkerDown", {}), held_back=set())
            until(lambda: operations.names("GovscoreWorkerDown"))
            if working:
                until(lambda: departments.names("GovscoreCasesOverdue"))
            else:
                # It was due before the other, which has been told.
                assert not departments.names("GovscoreCasesOverdue")
