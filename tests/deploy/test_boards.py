"""The boards: written anew they are the same, and they keep the rules that a linter of boards would ask for."""

import importlib.util
import re
import sys
from itertools import product
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from scoring.indicators import BY_ID, INDICATORS
from tests.deploy.boards import BOARDS, DASHBOARDS, PANELS, columns, expressions, links, properties, ranges, shown_labels
from tests.deploy.promql import filled_in
from tests.deploy.tools import DEPLOY, passes
from tests.support.kafka import missing

LANGUAGES = ("zh", "en")
GRID = 24
CHINESE = re.compile("[\u4e00-\u9fff]")
NAMES = ("overview", "department", "indicator", "cases", "interfaces", "quality", "pipeline", "alerts")
VARIABLES = ["datasource", "period", "department", "program"]
SHOWN, HIDDEN = 0, 2
# Of Grafana's units, those that the metrics' base units and Grafana's own need.
UNITS = {"none", "short", "s", "percentunit", "cps", "dateTimeAsIso"}
BETTER = {"red": 0, "orange": 1, "yellow": 2, "green": 3}
# What a link may take from the place that is clicked.
PLACES = {
    "program", "department", "indicator", "__data.fields.department", "__field.labels.department", "__value.raw",
    "datasource:queryparam", "period:queryparam", "__url_time_range",
}  # fmt: skip
BOARD_LINK = re.compile(r"/d/onestop-(?P<name>\w+)-(?P<language>zh|en)\?(?P<parameters>.*)")

each_board = pytest.mark.parametrize("board", [pytest.param(board, id="-".join(key)) for key, board in BOARDS.items()])
each_panel = pytest.mark.parametrize("panel", [pytest.param(panel, id=name) for name, panel in PANELS])


def test_written_anew_the_boards_are_the_same(tmp_path: Path) -> None:
    if sys.version_info < (3, 11) or importlib.util.find_spec("grafana_foundation_sdk") is None:
        missing("grafana-foundation-sdk (the development extra, Python 3.11 or later) is not installed: boards are not written anew")
    passes([sys.executable, DEPLOY / "grafana" / "generate.py", "--output", tmp_path])
    kept, written = ({path.relative_to(top): path.read_bytes() for path in top.glob("*/*.json")} for top in (DASHBOARDS, tmp_path))
    assert written.keys() == kept.keys(), "run python deploy/grafana/generate.py"
    assert [path for path in kept if written[path] != kept[path]] == [], "run python deploy/grafana/generate.py"


def test_both_languages_are_there() -> None:
    assert set(BOARDS) == set(product(LANGUAGES, NAMES))


def test_boards_are_numbered_in_their_order() -> None:
    for language in LANGUAGES:
        assert [BOARDS[language, name]["title"].split()[0] for name in NAMES] == [str(number) for number in range(1, len(NAMES) + 1)]


@pytest.mark.parametrize("name", NAMES)
def test_languages_differ_in_texts_only(name: str) -> None:
    shapes = [
        [(panel["id"], panel["type"], panel["gridPos"], [target["expr"] for target in panel["targets"]]) for panel in board["panels"]]
        for board in (BOARDS[language, name] for language in LANGUAGES)
    ]
    assert shapes[0] == shapes[1]


@each_board
def test_a_board_is_in_its_language(board: dict[str, Any]) -> None:
    chinese = board["uid"].endswith("-zh")
    texts = [board["title"], board["description"], *(text for panel in board["panels"] for text in (panel["title"], panel["description"]))]
    texts += [variable["label"] for variable in board["templating"]["list"] if "label" in variable]
    assert all(bool(CHINESE.search(text)) == chinese for text in texts)


@each_board
def test_the_grid_has_no_holes(board: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [cell for at in places for cell in product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))]
    height = max(at["y"] + at["h"] for at in places)
    assert sorted(cells) == sorted(product(range(GRID), range(height)))


@each_board
def test_freshness_comes_first(board: dict[str, Any]) -> None:
    first = min(board["panels"], key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
    assert "govscore_scoreboard_last_update_timestamp_seconds" in first["targets"][0]["expr"]


@each_board
def test_variables(board: dict[str, Any]) -> None:
    held = {variable["name"]: variable for variable in board["templating"]["list"]}
    name = board["uid"].split("-")[1]
    assert sorted(held) == sorted([*VARIABLES, "indicator"] if name == "indicator" else VARIABLES)
    assert held["datasource"]["query"] == "prometheus"
    assert held["period"]["sort"] == 2  # the newest first
    if name == "department":
        assert not held["department"].get("multi")
    else:
        assert held["department"]["allValue"] == ".*"
        assert held["department"]["multi"]
    for variable in (held["period"], held["department"]):
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["refresh"] == 2  # when the time range changes
    assert re.fullmatch(r"https?://[^/]+", held["program"]["query"])


@each_board
def test_variables_are_shown_where_something_reads_them(board: dict[str, Any]) -> None:
    read = "".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    for variable in board["templating"]["list"]:
        if variable["name"] in {"period", "department", "indicator"}:
            assert variable.get("hide", SHOWN) == (SHOWN if f"${variable['name']}" in read else HIDDEN), variable["name"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_variable_of_indicators_has_each_by_number_and_title(language: Any) -> None:
    (variable,) = [held for held in BOARDS[language, "indicator"]["templating"]["list"] if held["name"] == "indicator"]
    options = [re.fullmatch(r"(.+)\s:\s(.+)", option.strip()) for option in variable["query"].split(",")]
    assert [option[2] for option in options if option] == list(BY_ID)
    for option, indicator in zip(options, INDICATORS, strict=True):
        assert option
        assert option[1].startswith(f"{indicator.number} {indicator.title.in_(language)}")


@each_board
def test_a_board_is_changed_in_the_code_only(board: dict[str, Any]) -> None:
    assert board["editable"] is False


@each_board
def test_boards_of_one_language_keep_time_and_variables(board: dict[str, Any]) -> None:
    (others,) = [link for link in board["links"] if link["type"] == "dashboards"]
    assert (others["keepTime"], others["includeVars"]) == (True, True)
    assert set(others["tags"]) <= set(board["tags"])


def test_numbers_and_names_of_boards_are_unique() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for board in BOARDS.values():
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


# Panels


@each_panel
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["noValue"]
    assert panel["fieldConfig"]["defaults"]["unit"]


@each_panel
def test_a_panel_reads_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert {owner["datasource"]["uid"] for owner in (panel, *panel["targets"])} == {"${datasource}"}


@each_panel
def test_there_is_no_panel_for_each_department(panel: dict[str, Any]) -> None:
    assert not panel.get("repeat")


@each_panel
def test_thresholds_are_stated_and_rise(panel: dict[str, Any]) -> None:
    assert "thresholds" in panel["fieldConfig"]["defaults"]
    for held in properties(panel):
        steps = held.get("thresholds", {}).get("steps", [])
        bounds = [step["value"] for step in steps[1:]]
        assert all(step["value"] is None for step in steps[:1])
        assert bounds == sorted(set(bounds))


@each_panel
def test_colours_go_one_way(panel: dict[str, Any]) -> None:
    for held in properties(panel):
        colours = [BETTER[step["color"]] for step in held.get("thresholds", {}).get("steps", []) if step["color"] in BETTER]
        assert colours in (sorted(colours), sorted(colours, reverse=True))


@each_panel
def test_units_are_known(panel: dict[str, Any]) -> None:
    assert {held["unit"] for held in properties(panel) if "unit" in held} <= UNITS


@pytest.mark.parametrize(("place", "panel"), PANELS, ids=[name for name, _ in PANELS])
def test_links_lead_to_pages_and_boards(place: str, panel: dict[str, Any]) -> None:
    for url in links(panel):
        assert set(re.findall(r"\$\{([^}]+)\}", url)) <= PLACES
        if found := BOARD_LINK.fullmatch(url):
            assert found["language"] == place.split("-", maxsplit=1)[0]
            target = {variable["name"] for variable in BOARDS[found["language"], found["name"]]["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", url)) <= target
            assert found["parameters"].startswith("${datasource:queryparam}&${period:queryparam}&${__url_time_range}&var-")
            assert set(re.findall(r"var-indicator=(\w+)", url)) <= set(BY_ID)
        else:  # whether the page is there is asked of the program (test_boards_live)
            assert url.startswith("${program}/")


@each_panel
def test_the_department_of_a_row_is_kept_for_its_links(panel: dict[str, Any]) -> None:
    if any("__data.fields.department" in url for url in links(panel)):
        assert "department" in shown_labels(panel)
    if any("__value.raw" in url for url in links(panel)):
        assert "indicator" in shown_labels(panel)


@each_panel
def test_columns_that_are_set_up_exist(panel: dict[str, Any]) -> None:
    if panel["type"] != "table":
        return
    held = columns(panel)
    titles = set(held.values())
    assert len(titles) == len(held)
    assert {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]} <= titles | {"department"}
    assert {order["displayName"] for order in panel["options"]["sortBy"]} <= titles
    values = {name for name in held if name.startswith("Value")}
    letters = {f"Value #{target['refId']}" for target in panel["targets"]}
    # Grafana calls the values of a lone query plainly; a table of labels shows none.
    assert values == letters if len(letters) > 1 else values <= {"Value"}


@each_panel
def test_queries_of_a_table_are_as_of_the_end(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert bool(target.get("instant")) == (panel["type"] in {"table", "stat"})
        assert bool(target.get("range")) != bool(target.get("instant"))


# The rules of Grafana's own linter of boards that are not above. Those on variables `job` and `instance` are not kept: a board
# shows the program as one, and what a second exporter or worker adds is put together in the query.


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in expressions()])
def test_queries_are_promql(query: str) -> None:
    promql_parser.parse(filled_in(query))


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in expressions()])
def test_rates_are_over_the_rate_interval(query: str) -> None:
    allowed = {
        "rate": {"$__rate_interval"},
        "increase": {"24h", "$__range"},
        "min_over_time": {"$__range"},
    }
    assert all(span in allowed[function] for function, span in ranges(query))
    assert query.count("[") == len(ranges(query))


@each_board
def test_queries_of_variables_are_promql(board: dict[str, Any]) -> None:
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"query_result\((.*)\)|label_values\((\w+), \w+\)", variable["query"]["query"])
            assert found
            promql_parser.parse(found[1] or found[2])


# The heat table


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_heat_table_has_all_indicators_coloured_the_right_way(language: Any) -> None:
    (heat,) = [panel for panel in BOARDS[language, "overview"]["panels"] if len(panel["targets"]) > len(INDICATORS)]
    set_up = {
        override["matcher"]["options"]: held for override, held in zip(heat["fieldConfig"]["overrides"], properties(heat)[1:], strict=True)
    }
    for indicator in INDICATORS:
        (column,) = [
            held for title, held in set_up.items() if re.match(rf"{indicator.number} .*{re.escape(indicator.title.in_(language))}$", title)
        ]
        steps = column["thresholds"]["steps"]
        assert (steps[0]["color"], steps[-1]["color"]) == (("green", "red") if indicator.deduction else ("red", "green"))
        assert (steps[-1]["value"] == indicator.max_points) == indicator.deduction
