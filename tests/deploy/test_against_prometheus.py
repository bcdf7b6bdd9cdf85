"""A real Prometheus scrapes two of the program's exporters and a worker: every query of every board has its rows, none twice."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from scoring.indicators import INDICATORS
from streams.embedded import free_ports
from tests.deploy.boards import BOARDS
from tests.deploy.exporters import CITY, PERIODS, exporter_page, served, worker_page
from tests.deploy.servers import ask, running, until
from tests.deploy.tools import DEPLOY, RULES, alerts, load, tool

PANELS = {panel["id"]: panel for panel in BOARDS["zh", "overview"]["panels"]}
ONE, EACH = 1, len(CITY)
LATE = sum(overdue + in_72h > 0 for _, overdue, _, in_72h, _ in CITY.values())
OVERDUE = sum(overdue > 0 for _, overdue, *_ in CITY.values())
DOWN = sum(1 - up for *_, interfaces in CITY.values() for up in interfaces.values())
# Rows of each query, by panel.
ROWS: dict[int, list[int]] = {
    **{key: [ONE] for key in range(1, 8)},
    8: [EACH] * 4,
    9: [LATE, LATE, LATE, OVERDUE],
    # A department without a catalogue has no points there, and no 0 that would look like a bad score.
    10: [EACH, *(EACH - indicator.reads_catalogue for indicator in INDICATORS)],
    11: [DOWN] * 2,
    12: [DOWN],
}
NUMBERS = {4: 3.0, 5: 2.0, 6: 1.0, 7: 0.0}
QUERIES = [
    pytest.param(panel["id"], target, rows, id=f"{panel['id']}{target['refId']}")
    for panel in PANELS.values()
    for target, rows in zip(panel["targets"], ROWS[panel["id"]], strict=True)
]


def _configuration(exporters: list[str], worker: str) -> dict[str, Any]:
    """The project's own, with targets on loopback and a quicker pace."""
    held: dict[str, Any] = load(DEPLOY / "prometheus" / "prometheus.yml")
    held["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    held["rule_files"] = [str(path) for path in RULES]
    del held["alerting"]
    jobs = {job["job_name"]: job for job in held["scrape_configs"]}
    del jobs["worker"]["dns_sd_configs"]
    jobs["web"]["static_configs"] = [{"targets": exporters}]
    jobs["worker"]["static_configs"] = [{"targets": [worker]}]
    held["scrape_configs"] = [jobs["web"], jobs["worker"]]
    return held


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = tool("prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as stack:
        exporters = [stack.enter_context(served(exporter_page)) for _ in range(2)]
        worker = stack.enter_context(served(worker_page))
        config = directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(_configuration(exporters, worker), allow_unicode=True), encoding="utf-8")
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        stack.enter_context(running(command, f"{url}/-/ready", Path(directory)))
        # `increase` needs two samples, and every rule has to have been evaluated.
        until(lambda: _value(url, "min(count_over_time(up[1m])) >= 3 and count(up) == 3"))
        yield url


def _value(url: str, query: str) -> list[Any]:
    found: list[Any] = ask(f"{url}/api/v1/query", query=query)["data"]["result"]
    return found


def _answer(url: str, target: dict[str, Any]) -> list[dict[str, Any]]:
    """What a target answers, as Grafana asks for it."""
    query = target["expr"].replace("$period", PERIODS[0]).replace("$department", ".*").replace("$__range", "60s")
    if target["instant"]:
        return _value(url, query)
    now = time.time()
    answer = ask(f"{url}/api/v1/query_range", query=query, start=str(now - 2), end=str(now), step="1")
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


@pytest.mark.parametrize(("panel", "target", "rows"), QUERIES)
def test_a_query_answers_with_its_rows_and_none_twice(prometheus: str, panel: int, target: dict[str, Any], rows: int) -> None:
    found = [series["metric"] for series in _answer(prometheus, target)]
    assert len(found) == rows
    assert not any({"instance", "job"} & labels.keys() for labels in found)
    keys = [(labels.get("department"), labels.get("interface")) for labels in found]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("panel", sorted(NUMBERS))
def test_numbers_are_not_doubled_by_a_second_exporter(prometheus: str, panel: int) -> None:
    ((series),) = _answer(prometheus, PANELS[panel]["targets"][0])
    assert float(series["value"][1]) == NUMBERS[panel]


def test_freshness_is_the_age_of_the_newest_exporter(prometheus: str) -> None:
    ((series),) = _answer(prometheus, PANELS[1]["targets"][0])
    assert 0 <= float(series["value"][1]) < 10


@pytest.mark.parametrize("panel", [8, 9, 10])
def test_rows_have_the_name_or_else_the_code(prometheus: str, panel: int) -> None:
    for target in PANELS[panel]["targets"]:
        for series in _answer(prometheus, target):
            code = series["metric"]["department"]
            assert series["metric"]["name"] == (CITY[code][0] or code)


def test_the_columns_of_a_table_share_their_labels(prometheus: str) -> None:
    shared = {"Time", "period", "indicator", "within"}
    for panel in (panel for panel in PANELS.values() if panel["type"] == "table"):
        (left_out,) = [step["options"]["exclude"]["pattern"] for step in panel["transformations"] if step["id"] == "filterFieldsByName"]
        assert set(left_out.strip("^$()").split("|")) == shared
        labels = {
            frozenset(series["metric"]) - shared for target in panel["targets"] for series in _answer(prometheus, target)
        }  # fmt: skip
        assert len(labels) == 1, panel["title"]


# Variables


def test_the_variable_of_departments_shows_names_and_means_codes(prometheus: str) -> None:
    (variable,) = [held for held in BOARDS["zh", "overview"]["templating"]["list"] if held["name"] == "department"]
    (query,) = re.findall(r"^query_result\((.*)\)$", variable["query"]["query"])
    # A line of Grafana's query_result: labels as Prometheus gives them, then the value and the time.
    lines = [
        "{" + ",".join(f'{name}="{value}"' for name, value in series["metric"].items()) + "} 1 1790000000000"
        for series in _value(prometheus, query)
    ]
    pattern = variable["regex"].strip("/").replace("(?<", "(?P<")
    found = {match["value"]: match["text"] for match in (re.search(pattern, line) for line in lines) if match}
    assert found == {code: name or code for code, (name, *_) in CITY.items()}


def test_the_variable_of_periods_lists_them(prometheus: str) -> None:
    (variable,) = [held for held in BOARDS["zh", "overview"]["templating"]["list"] if held["name"] == "period"]
    assert variable["query"]["query"] == "label_values(govscore_period_info, period)"
    found = ask(f"{prometheus}/api/v1/label/period/values", **{"match[]": "govscore_period_info"})
    assert found["data"] == sorted(PERIODS)


# Rules


def test_rules_evaluate_without_faults(prometheus: str) -> None:
    def evaluated() -> list[dict[str, Any]]:
        groups = ask(f"{prometheus}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    rules = until(evaluated)
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    assert len(rules) == len(alerts())


def test_alerts_of_the_city_are_pending_once_each(prometheus: str) -> None:
    until(lambda: ask(f"{prometheus}/api/v1/alerts")["data"]["alerts"])
    held = ask(f"{prometheus}/api/v1/alerts")["data"]["alerts"]
    found = sorted(alert["labels"]["alertname"] for alert in held)
    assert found == [
        "GovscoreCasesDueSoon", "GovscoreCasesOverdue", "GovscoreInterfaceDown", "GovscoreOverdueDeductionCap", "GovscoreWatchdog",
    ]  # fmt: skip
    (overdue,) = [alert for alert in held if alert["labels"]["alertname"] == "GovscoreCasesOverdue"]
    assert overdue["annotations"]["summary"] == "市人力资源和社会保障局有 3 件办件超期未办结"
