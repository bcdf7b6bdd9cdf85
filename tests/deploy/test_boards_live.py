"""Every query, variable and link of every board, asked of the program as it runs: worker, projector, two web processes, Prometheus.

How many series a query has to have is told by the program's API (tests/deploy/expected.py).
"""

import math
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from tests.deploy.boards import BOARDS, columns, links, shown_labels
from tests.deploy.expected import EMPTY, EXPECTED, Expected, Facts
from tests.deploy.live import UNREGISTERED, Live
from tests.deploy.promql import filled_in
from tests.deploy.scraping import value
from tests.deploy.servers import ask, opened, until

# One that counts up to more being better, one that takes points off.
INDICATOR, DEDUCTION = "case_aggregation", "overdue_completion"
PANELS = [(name, panel) for (language, name), board in BOARDS.items() if language == "en" for panel in board["panels"]]
TARGETS = [
    pytest.param(name, panel, place, id=f"{name}-{panel['id']}{target['refId']}")
    for name, panel in PANELS
    for place, target in enumerate(panel["targets"])
]
# A deadline may pass between the two questions; more than two scrapes later they agree, or never will.
SECONDS = 3
Series = list[dict[str, Any]]


def answer(live: Live, board: str, target: dict[str, Any], indicator: str = INDICATOR) -> Series:
    """What a target answers, as Grafana asks for it: the city of the present period, or the one department."""
    query = filled_in(
        target["expr"],
        period=live.api("scores")["period"],
        department=live.department if board == "department" else ".*",
        indicator=indicator,
        __range="10m",
        __rate_interval="10m",
    )
    if target.get("instant"):
        return value(live.prometheus, query)
    now = time.time()
    held = ask(f"{live.prometheus}/api/v1/query_range", query=query, start=str(now - 1), end=str(now), step="1")
    found: Series = held["data"]["result"]
    return found


def expected(name: str, panel: dict[str, Any], place: int) -> Expected:
    """How many series; a panel of one number has one."""
    return 1 if panel["type"] == "stat" else EXPECTED[name, panel["title"]][place]


def key(panel: dict[str, Any], target: dict[str, Any], labels: dict[str, str]) -> tuple[str | None, ...]:
    """What a reader tells rows and lines by."""
    seen = shown_labels(panel) if panel["type"] == "table" else set(re.findall(r"{{(\w+)}}", target.get("legendFormat") or ""))
    return tuple(labels.get(label) for label in sorted(seen))


@pytest.mark.parametrize(("name", "panel", "place"), TARGETS)
def test_a_query_has_its_series_and_none_twice(
    live: Live, verified: Callable[[str], None], name: str, panel: dict[str, Any], place: int
) -> None:
    target = panel["targets"][place]
    wanted = expected(name, panel, place)

    def agrees() -> bool:
        count = wanted if isinstance(wanted, int) else wanted(Facts(live, INDICATOR))
        found = answer(live, name, target)
        seen.append((len(found), count))
        return len(found) == count

    seen: list[tuple[int, int]] = []
    try:
        until(agrees, SECONDS)
    except AssertionError:
        raise AssertionError(f"{seen[-1][0]} series instead of {seen[-1][1]}: {target['expr']}") from None
    found = answer(live, name, target)
    assert found or (name, panel["title"]) in EMPTY
    keys = [key(panel, target, series["metric"]) for series in found]
    assert len(set(keys)) == len(keys)
    numbers = [float(sample[1]) for series in found for sample in (series.get("values") or [series["value"]])]
    # No record of the topic `periods` was sent: a quantile of nothing is no number.
    idle = {series["metric"].get("topic") for series in found} & {"periods"}
    assert sum(map(math.isnan, numbers)) <= 2 * len(idle)
    verified("verified against the running program")


@pytest.mark.parametrize("indicator", [DEDUCTION])
def test_the_board_of_indicators_shows_deductions_too(live: Live, indicator: str) -> None:
    for panel in BOARDS["en", "indicator"]["panels"]:
        for place, target in enumerate(panel["targets"]):
            wanted = expected("indicator", panel, place)
            count = wanted if isinstance(wanted, int) else wanted(Facts(live, indicator))
            assert len(answer(live, "indicator", target, indicator)) == count, panel["title"]
    (mean,) = [panel for panel in BOARDS["en", "indicator"]["panels"] if panel["title"] == "Mean share kept"]
    (series,) = answer(live, "indicator", mean["targets"][0], indicator)
    records = Facts(live, indicator).points(indicator)
    share = sum(1 - record["points"] / record["max_points"] for record in records) / len(records)
    assert float(series["value"][1]) == pytest.approx(share, abs=0.001)


def numbers(facts: Facts) -> dict[tuple[str, str], float]:
    """What panels of one number say, by the API. With two exporters a sum that counts twice would be double."""
    status, totals = facts.status, facts.totals
    own = facts.of_one(totals)[0]
    return {
        ("overview", "Mean score"): sum(total["points"] for total in totals) / len(totals),
        ("overview", "Lowest score"): min(total["points"] for total in totals),
        ("overview", "Overdue"): sum(held["cases_overdue"] for held in status),
        ("overview", "Due in 24 h"): sum(held["cases_due_soon"]["24h"] for held in status),
        ("overview", "Interfaces down"): sum(not held["up"] for held in facts.interfaces),
        ("overview", "Quarantined in 24 h"): 2,
        ("department", "Total"): own["points"],
        ("department", "Rank"): own["rank"],
        ("department", "Deducted"): own["deductions"],
        ("department", "Overdue requests"): facts.of_one(status)[0]["requests_overdue"],
        ("indicator", "Departments scored"): len(facts.points(INDICATOR)),
        ("indicator", "Forced to zero"): sum(record["status"] == "zeroed" for record in facts.points(INDICATOR)),
        ("cases", "Open"): sum(held["cases_open"] for held in status),
        ("cases", "Open requests"): sum(held["requests_open"] for held in status),
        ("cases", "Overdue requests"): sum(held["requests_overdue"] for held in status),
        ("interfaces", "Departments affected"): len({held["department"] for held in facts.interfaces if not held["up"]}),
        ("interfaces", "Failures in the period"): sum(held["failures_in_period"] for held in facts.interfaces),
        ("interfaces", "Tables late"): sum(held["overdue"] for held in facts.tables),
        ("quality", "Quarantined in 24 h"): 2,
        ("quality", "Duplicates in 24 h"): 20,
        ("quality", "Unknown fields in 24 h"): 1,
        ("pipeline", "Workers"): 1,
        ("pipeline", "Lag"): 0,
        ("pipeline", "Workers recovering"): 0,
        ("alerts", "Critical"): sum(held["severity"] == "critical" for held in facts.alerts),
        ("alerts", "Warning"): sum(held["severity"] == "warning" for held in facts.alerts),
        ("alerts", "Info"): sum(held["severity"] == "info" for held in facts.alerts),
        ("alerts", "Pending"): 0,
        ("alerts", "Alerting works"): 1,
    }


def test_numbers_are_those_of_the_api(live: Live) -> None:
    panels = {(name, panel["title"]): panel for name, panel in PANELS}

    def different() -> dict[tuple[str, str], tuple[float, float]]:
        found = {}
        for place, wanted in numbers(Facts(live, INDICATOR)).items():
            (series,) = answer(live, place[0], panels[place]["targets"][0])
            if float(series["value"][1]) != pytest.approx(wanted, abs=0.01):
                found[place] = (float(series["value"][1]), wanted)
        return found

    held: list[Any] = []
    try:
        until(lambda: not held.append(different()) and not held[-1], SECONDS)  # type: ignore[func-returns-value]
    except AssertionError:
        raise AssertionError(f"a board says, the API says: {held[-1]}") from None


def test_every_panel_with_several_series_is_expected() -> None:
    known = {(name, panel["title"]) for name, panel in PANELS if panel["type"] != "stat"}
    assert set(EXPECTED) == known
    assert set(EMPTY) <= known


def test_freshness_is_the_age_of_the_newest_exporter(live: Live) -> None:
    for name, panel in PANELS:
        if panel["title"] == "Freshness":
            (series,) = answer(live, name, panel["targets"][0])
            assert 0 <= float(series["value"][1]) < 60


def tables() -> list[Any]:
    return [pytest.param(name, panel, id=f"{name}-{panel['id']}") for name, panel in PANELS if panel["type"] == "table"]


@pytest.mark.parametrize(("name", "panel"), tables())
def test_the_queries_of_a_table_share_the_labels_that_are_shown(live: Live, name: str, panel: dict[str, Any]) -> None:
    shown = shown_labels(panel)
    found = [frozenset(series["metric"].keys() & shown) for target in panel["targets"] for series in answer(live, name, target)]
    if name == "alerts" and len(panel["targets"]) == 1:
        return  # each alert has the labels of its own metric, and a lone query has nothing to be joined with
    assert len(set(found)) <= 1
    assert all(
        labels == {label for label in columns(panel) if not label.startswith("Value")} | (labels & {"department"}) for labels in found
    )


@pytest.mark.parametrize(("name", "panel"), tables())
def test_rows_have_the_name_or_else_the_code(live: Live, name: str, panel: dict[str, Any]) -> None:
    names = {held["department"]: held["name"] for held in live.api("status")["items"]}
    for target in panel["targets"]:
        for series in answer(live, name, target) if "name" in shown_labels(panel) else []:
            code = series["metric"].get("department")
            assert series["metric"].get("name") == (names[code] if code else None)


# Variables


@pytest.mark.parametrize("name", sorted({name for _, name in BOARDS}))
def test_the_variable_of_departments_shows_names_and_means_codes(live: Live, name: str) -> None:
    (variable,) = [held for held in BOARDS["zh", name]["templating"]["list"] if held["name"] == "department"]
    (query,) = re.findall(r"^query_result\((.*)\)$", variable["query"]["query"])
    # A line of Grafana's query_result: labels as Prometheus gives them, then the value and the time.
    lines = [
        "{" + ",".join(f'{label}="{text}"' for label, text in series["metric"].items()) + "} 1 1790000000000"
        for series in value(live.prometheus, query)
    ]
    pattern = variable["regex"].strip("/").replace("(?<", "(?P<")
    found = {match["value"]: match["text"] for match in (re.search(pattern, line) for line in lines) if match}
    assert found == {held["department"]: held["name"] for held in live.api("status")["items"]}
    assert found[UNREGISTERED] == UNREGISTERED
    assert len(lines) == len(found)


@pytest.mark.parametrize("name", sorted({name for _, name in BOARDS}))
def test_the_variable_of_periods_lists_them(live: Live, name: str) -> None:
    (variable,) = [held for held in BOARDS["zh", name]["templating"]["list"] if held["name"] == "period"]
    assert variable["query"]["query"] == "label_values(govscore_period_info, period)"
    found = ask(f"{live.prometheus}/api/v1/label/period/values", **{"match[]": "govscore_period_info"})
    assert sorted(found["data"]) == sorted(held["period"] for held in live.api("periods")["items"])


# Links


def addresses(live: Live) -> set[str]:
    """Every address of the program that the boards of the city lead to, with what the rows have in its place."""
    held = Facts(live, INDICATOR)
    codes = sorted({record["department"] for record in held.status})
    found = set()
    for board in BOARDS.values():
        urls = [link["url"] for link in board["links"] if link["type"] == "link"]
        urls += [url for panel in board["panels"] for url in links(panel)]
        for url, code in product((url for url in urls if not url.startswith("/d/")), codes):
            filled = url.replace("${program}", "").replace("${__value.raw}", INDICATOR).replace("${indicator}", INDICATOR)
            for place in ("${__data.fields.department}", "${__field.labels.department}", "${department}"):
                filled = filled.replace(place, code)
            found.add(filled)
    return found


def test_links_lead_to_pages_that_exist(live: Live) -> None:
    found = addresses(live)
    assert {"/", f"/departments/{UNREGISTERED}", "/cases?state=overdue", f"/indicators/{INDICATOR}"} <= found
    wrong = {}
    for path in sorted(found):
        try:
            with opened(f"http://{live.web[0]}{path}", timeout=30) as page:
                text = page.read().decode()
                assert page.headers["content-type"].startswith("text/html")
                assert "<table" in text or "<h1" in text
        except urllib.error.HTTPError as error:
            wrong[path] = error.code
    assert wrong == {}


def test_a_page_that_does_not_exist_would_be_noticed(live: Live) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        opened(f"http://{live.web[0]}/departments/none", timeout=30)
    error.value.close()


def test_the_list_behind_a_number_has_as_many_rows(live: Live) -> None:
    for held in live.api("status")["items"]:
        cases = live.api("cases", state="overdue", department=held["department"])
        assert cases["total"] == held["cases_overdue"]
