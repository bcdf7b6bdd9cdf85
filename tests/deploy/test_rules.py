"""The alerting rules: their tests, their texts, their pages; and that the tests would notice a changed rule."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, ROOT, RULES, TESTS, alerts, load, passes, run, tool

PROMETHEUS = DEPLOY / "prometheus"
SECTIONS = ["含义", "影响", "诊断", "处置"]
REQUIRED = {
    f"Govscore{name}"
    for name in (
        "Watchdog ScoreboardAbsent ScoreboardStale WorkerDown HeartbeatStuck ConsumerStalled LagGrowing ScoringSlowBudgetBurn RecoverySlow "
        "Quarantine TopicPaused BalanceDifference SnapshotFailing RecountMismatch RecountStale DuplicateStorm LateEventsHigh WrongPartitioner "
        "DepartmentUnscored ScoreJump CasesDueSoon CasesOverdue OverdueDeductionCap IndicatorForcedZero IndicatorNearCliff RequestsDueSoon "
        "InterfaceDown InterfaceFlapping TableStale AllInterfacesDown HolidayCalendarMissing CardinalityBudget RobotFailing RulesetsDiffer ShardAbsent"
    ).split()
}
ABOUT_THE_PIPELINE = {"pipeline", "sources", "speed", "days"}
SECONDS = {"s": 1, "m": 60, "h": 3600}
DEDUPLICATION = re.compile(r"(?:max|min|sum) without\([\w, ]*\) \(")
CHINESE = re.compile("[\u4e00-\u9fff]")

ALWAYS = "GovscoreWatchdog"

each_alert = pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
each_alert_with_a_condition = pytest.mark.parametrize(
    "rule", [rule for rule in alerts() if rule["alert"] != ALWAYS], ids=lambda rule: rule["alert"]
)


def test_the_configuration_is_right() -> None:
    passes([tool("promtool"), "check", "config", PROMETHEUS / "prometheus.yml"])


def test_the_rules_are_right() -> None:
    passes([tool("promtool"), "check", "rules", *RULES])


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_tests_say(path: Path) -> None:
    passes([tool("promtool"), "test", "rules", path.name], path.parent)


def test_the_alerts_are_those_that_operators_are_told_of() -> None:
    assert {rule["alert"] for rule in alerts()} == REQUIRED


@each_alert
def test_an_alert_says_how_grave_for_whom_and_resting_on_what(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Govscore([A-Z][a-z]+)+", rule["alert"])
    labels = rule["labels"]
    assert labels["severity"] in {"critical", "warning", "info"}
    assert labels["audience"] in {"ops", "department"}
    # What is said of departments and interfaces rests on the pipeline; what is said of the pipeline does not.
    assert labels.get("depends_on") == (None if rule["file"] in ABOUT_THE_PIPELINE else "pipeline")
    assert rule["alert"] == ALWAYS or "for" in rule


@each_alert
def test_an_alert_has_chinese_texts_without_the_label_that_renders_empty(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    for name in ("summary", "description"):
        assert CHINESE.search(annotations[name])
        assert "\n" not in annotations[name]
        assert "alertname" not in annotations[name]


@each_alert
def test_an_alert_has_a_page_that_says_what_to_do(rule: dict[str, Any]) -> None:
    url = rule["annotations"]["runbook_url"]
    assert url == f"deploy/runbooks/{rule['alert']}.md"
    page = (ROOT / url).read_text(encoding="utf-8")
    assert page.startswith(f"# {rule['alert']}：")
    assert re.findall("^## (.*)$", page, re.MULTILINE) == SECTIONS
    diagnosis = page.split("## 诊断")[1].split("## 处置")[0]
    assert re.search("onestop (doctor|scores|explain|quarantine|topics|recount)", diagnosis)


def test_every_page_belongs_to_an_alert() -> None:
    assert {page.stem for page in (DEPLOY / "runbooks").glob("*.md")} == {rule["alert"] for rule in alerts()}


def test_pages_name_commands_and_pages_that_exist() -> None:
    commands = {
        "doctor", "scores", "explain", "quarantine list", "quarantine show", "quarantine retry", "quarantine resume", "publish", "recount",
        "topics check", "worker", "web", "score", "period list", "simulate", "rules show", "version",
    }  # fmt: skip
    for page in (DEPLOY / "runbooks").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"onestop ([a-z]+(?: (?:list|show|retry|resume|check|create))?)", text):
            assert command in commands, (page.name, command)
        for state in re.findall(r"[?&]state=([a-z_]+)", text):
            assert state in {"open", "due_soon", "overdue"}, (page.name, state)


# The tests of the rules


def _cases(alert: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for path in TESTS:
        for test in load(path)["tests"]:
            for case in test.get("alert_rule_test", ()):
                if case["alertname"] == alert:
                    yield test, case


@each_alert_with_a_condition
def test_the_tests_see_an_alert_silent_firing_and_resolved(rule: dict[str, Any]) -> None:
    courses: dict[str, list[bool]] = {}
    for test, case in _cases(rule["alert"]):
        courses.setdefault(test["name"], []).append(bool(case["exp_alerts"]))
    whole = [course for course in courses.values() if not course[0] and any(course) and not course[-1]]
    assert whole, "no test shows it silent, then firing, then resolved"


@each_alert_with_a_condition
def test_the_tests_give_the_alert_two_sources(rule: dict[str, Any]) -> None:
    instances = [
        {match for series in test["input_series"] for match in re.findall('instance="([^"]*)"', series["series"])}
        for test, case in _cases(rule["alert"])
        if case["exp_alerts"] or rule["alert"] == "GovscoreScoreboardAbsent"
    ]
    assert max(map(len, instances)) >= 2


def _seconds(duration: str) -> int:
    return sum(int(count) * SECONDS[unit] for count, unit in re.findall(r"(\d+)([smh])", duration))


def _cuts(expression: str) -> Iterator[str]:
    """The expression up to each `and` or `unless` that no parenthesis encloses."""
    for found in re.finditer(r"\s(and|unless)\b", expression):
        before = expression[: found.start()]
        if before.count("(") == before.count(")"):
            yield before


def _changes() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Each way in which each rule could be wrong: alert, file, what is wrong, the rule with it."""
    for path in RULES:
        step = _seconds(load(PROMETHEUS / "tests" / path.name)["evaluation_interval"])
        for rule in load(path)["groups"][0]["rules"]:
            alert, expression = rule["alert"], rule["expr"]
            for name in ("for", "keep_firing_for"):
                if name in rule:
                    yield alert, path.name, f"{name} shorter", rule | {name: f"{_seconds(rule[name]) - step}s"}
                    yield alert, path.name, f"{name} longer", rule | {name: f"{_seconds(rule[name]) + step}s"}
            for found in sorted(set(DEDUPLICATION.findall(expression))):
                yield alert, path.name, f"duplicates by {found}", rule | {"expr": expression.replace(found, "(")}
            for place, cut in enumerate(_cuts(expression)):
                yield alert, path.name, f"conditions after {place} left out", rule | {"expr": cut}


@pytest.mark.parametrize(
    ("alert", "file", "wrong", "rule"), [pytest.param(*change, id=f"{change[0]}-{change[2]}") for change in _changes()]
)
def test_the_tests_notice_a_wrong_rule(alert: str, file: str, wrong: str, rule: dict[str, Any], tmp_path: Path) -> None:
    promtool = tool("promtool")
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    # That rule alone and what tests it: a fraction of the time.
    (tmp_path / "rules" / file).write_text(_yaml({"groups": [{"name": "changed", "rules": [rule]}]}), encoding="utf-8")
    # As texts: `0x30`, thirty-one times 0, would be the number 48.
    tests = yaml.load((PROMETHEUS / "tests" / file).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    tests["tests"] = [
        test | {"alert_rule_test": [case for case in test["alert_rule_test"] if case["alertname"] == alert]}
        for test in tests["tests"]
        if any(case["alertname"] == alert for case in test.get("alert_rule_test", ()))
    ]
    (tmp_path / "tests" / file).write_text(_yaml(tests), encoding="utf-8")
    done = run([promtool, "test", "rules", file], tmp_path / "tests")
    assert done.returncode == 1, f"{alert}: no test fails with {wrong}"
    assert alert in done.stdout + done.stderr


def _yaml(content: Any) -> str:
    return yaml.safe_dump(content, allow_unicode=True, width=10_000)
