"""Who hears of an alert, and which alerts are held back while another fires."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.embedded import free_ports
from tests.deploy.servers import ask, running, until
from tests.deploy.tools import DEPLOY, alerts, load, passes, run, tool

CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
A, B = "11439900MBCEU9EF55", "11439900MBBCD28M9B"
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
    sources = {"GovscoreScoreboardStale", "GovscoreScoreboardAbsent"}
    assert all("depends_on" not in rule["labels"] for rule in alerts() if rule["alert"] in sources)


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


def _fire(url: str, *firing: tuple[str, dict[str, str]]) -> dict[tuple[str, str], bool]:
    """Post alerts with the labels of their rules; which of them are held back, by alert and department."""
    rules = {rule["alert"]: rule["labels"] for rule in alerts()}
    posted = [{"labels": rules[name] | labels | {"alertname": name}} for name, labels in firing]
    ask(f"{url}/api/v2/alerts", posted)
    held = until(lambda: _all(ask(f"{url}/api/v2/alerts"), len(posted)))
    return {(alert["labels"]["alertname"], alert["labels"].get("department", "")): bool(alert["status"]["inhibitedBy"]) for alert in held}


def _all(found: list[Any], count: int) -> list[Any]:
    return found if len(found) == count else []


def test_a_stale_scoreboard_holds_back_what_rests_on_it(alertmanager: str) -> None:
    held = _fire(
        alertmanager,
        ("GovscoreScoreboardStale", {}),
        ("GovscoreCasesOverdue", {"department": A}),
        ("GovscoreInterfaceDown", {"department": B, "interface": "x"}),
        ("GovscoreAllInterfacesDown", {}),
        ("GovscoreWorkerDown", {}),
        ("GovscoreQuarantine", {"topic": "cases"}),
        ("GovscoreWatchdog", {}),
    )
    assert {name for (name, _), is_held in held.items() if is_held} == {
        "GovscoreCasesOverdue", "GovscoreInterfaceDown", "GovscoreAllInterfacesDown",
    }  # fmt: skip


def test_an_absent_scoreboard_is_not_told_to_be_old_as_well(alertmanager: str) -> None:
    held = _fire(
        alertmanager, ("GovscoreScoreboardAbsent", {}), ("GovscoreScoreboardStale", {}), ("GovscoreCasesDueSoon", {"department": A})
    )
    assert held == {
        ("GovscoreScoreboardAbsent", ""): False, ("GovscoreScoreboardStale", ""): True, ("GovscoreCasesDueSoon", A): True,
    }  # fmt: skip


def test_all_interfaces_down_is_one_message(alertmanager: str) -> None:
    held = _fire(
        alertmanager,
        ("GovscoreAllInterfacesDown", {}),
        ("GovscoreInterfaceDown", {"department": A, "interface": "x"}),
        ("GovscoreCasesOverdue", {"department": A}),
    )
    assert held == {
        ("GovscoreAllInterfacesDown", ""): False, ("GovscoreInterfaceDown", A): True, ("GovscoreCasesOverdue", A): False,
    }  # fmt: skip


def test_a_department_at_the_cap_holds_back_its_own_overdue_cases_only(alertmanager: str) -> None:
    held = _fire(
        alertmanager,
        ("GovscoreOverdueDeductionCap", {"department": A}),
        ("GovscoreCasesOverdue", {"department": A}),
        ("GovscoreCasesOverdue", {"department": B}),
    )
    assert held == {
        ("GovscoreOverdueDeductionCap", A): False, ("GovscoreCasesOverdue", A): True, ("GovscoreCasesOverdue", B): False,
    }  # fmt: skip
