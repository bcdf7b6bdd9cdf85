"""The alerting rules: their tests, their texts, their pages; and that the tests would notice a changed rule."""

import copy
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, ROOT, RULES, alerts, load, passes, run, tool

PROMETHEUS = DEPLOY / "prometheus"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
SECTIONS = ["含义", "影响", "诊断", "处置"]
REQUIRED = {"GovscoreCasesOverdue", "GovscoreCasesDueSoon", "GovscoreInterfaceDown", "GovscoreScoreboardStale"}
ABOUT_THE_PIPELINE = {"pipeline"}
SECONDS = {"s": 1, "m": 60, "h": 3600}
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


def test_the_alerts_of_the_first_day_are_there() -> None:
    assert {rule["alert"] for rule in alerts()} >= REQUIRED


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
    assert re.search("onestop (doctor|scores|explain|quarantine|topics)", diagnosis)


def test_every_page_belongs_to_an_alert() -> None:
    assert {page.stem for page in (DEPLOY / "runbooks").glob("*.md")} == {rule["alert"] for rule in alerts()}


def test_pages_name_commands_and_pages_that_exist() -> None:
    commands = {
        "doctor", "scores", "explain", "quarantine list", "quarantine show", "quarantine retry", "publish", "recount", "topics check",
        "worker", "web", "score", "period", "simulate",
    }  # fmt: skip
    for page in (DEPLOY / "runbooks").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"onestop ([a-z]+(?: (?:list|show|retry|check|create))?)", text):
            assert command in commands, (page.name, command)
        for state in re.findall(r"[?&]state=([a-z_]+)", text):
            assert state in {"open", "due_soon", "overdue"}, (page.name, state)


# The tests of the rules


def _cases(alert: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for path in TESTS:
        for test in load(path)["tests"]:
            for case in test["alert_rule_test"]:
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


def _changes() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Each way in which each rule could be wrong: alert, file, what is wrong, the file's content with it."""
    for path in RULES:
        whole = load(path)
        step = _seconds(load(PROMETHEUS / "tests" / path.name)["evaluation_interval"])
        for place, rule in enumerate(whole["groups"][0]["rules"]):

            def changed(name: str, value: str, place: int = place, whole: dict[str, Any] = whole) -> dict[str, Any]:
                copied: dict[str, Any] = copy.deepcopy(whole)
                copied["groups"][0]["rules"][place][name] = value
                return copied

            for name in ("for", "keep_firing_for"):
                if name in rule:
                    yield rule["alert"], path.name, f"{name} shorter", changed(name, f"{_seconds(rule[name]) - step}s")
                    yield rule["alert"], path.name, f"{name} longer", changed(name, f"{_seconds(rule[name]) + step}s")
            for found, put in (("max without(instance) (", "("), ("sum without(instance) (", "(")):
                if found in rule["expr"]:
                    yield rule["alert"], path.name, "duplicates", changed("expr", rule["expr"].replace(found, put))
            if " and" in rule["expr"]:
                yield rule["alert"], path.name, "no condition", changed("expr", re.split(r"\s+and\b", rule["expr"])[0])


@pytest.mark.parametrize(
    ("alert", "file", "wrong", "content"), [pytest.param(*change, id=f"{change[0]}-{change[2]}") for change in _changes()]
)
def test_the_tests_notice_a_wrong_rule(alert: str, file: str, wrong: str, content: dict[str, Any], tmp_path: Path) -> None:
    promtool = tool("promtool")
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "rules" / file).write_text(yaml.safe_dump(content, allow_unicode=True, width=10_000), encoding="utf-8")
    shutil.copy(PROMETHEUS / "tests" / file, tmp_path / "tests" / file)
    done = run([promtool, "test", "rules", file], tmp_path / "tests")
    assert done.returncode == 1, f"{alert}: no test fails with {wrong}"
    assert alert in done.stdout + done.stderr
