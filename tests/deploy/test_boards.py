"""The boards: written anew they are the same, and they keep the rules that a linter of boards would ask for."""

import importlib.util
import re
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from scoring.indicators import BY_ID, INDICATORS
from tests.deploy.boards import BOARDS, DASHBOARDS, PANELS, properties
from tests.deploy.tools import DEPLOY, passes
from tests.support.kafka import missing

LANGUAGES = ("zh", "en")
GRID = 24
CHINESE = re.compile("[\u4e00-\u9fff]")
VARIABLES = ("datasource", "period", "department", "program")
BETTER = {"red": 0, "orange": 1, "yellow": 2, "green": 3}
PATHS = re.compile(
    r"^\$\{program\}(/|/departments/\$\{(__data\.fields\.department|__field\.labels\.department)\}"
    r"|/cases\?state=(overdue|due_soon)(&department=\$\{__data\.fields\.department\})?|/indicators/(?P<indicator>\w+))$"
)

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
    names = {name for _, name in BOARDS}
    assert set(BOARDS) == set(product(LANGUAGES, names))
    assert "overview" in names


@pytest.mark.parametrize("name", sorted({name for _, name in BOARDS}))
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
    assert tuple(held) == VARIABLES
    assert held["datasource"]["query"] == "prometheus"
    assert held["period"]["sort"] == 2  # the newest first
    assert held["department"]["allValue"] == ".*"
    assert held["department"]["multi"]
    assert all(held[name]["datasource"]["uid"] == "${datasource}" for name in ("period", "department"))
    assert re.fullmatch(r"https?://[^/]+", held["program"]["query"])


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
def test_links_lead_to_pages_of_the_program(panel: dict[str, Any]) -> None:
    for held in properties(panel):
        for link in held.get("links", []):
            assert (found := PATHS.match(link["url"])), link["url"]
            assert found["indicator"] is None or found["indicator"] in BY_ID
            assert link["targetBlank"]


@each_panel
def test_columns_that_are_set_up_exist(panel: dict[str, Any]) -> None:
    if panel["type"] != "table":
        return
    (organised,) = [step["options"] for step in panel["transformations"] if step["id"] == "organize"]
    titles = set(organised["renameByName"].values())
    assert len(titles) == len(organised["renameByName"])
    assert {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]} <= titles | {"department"}
    assert {order["displayName"] for order in panel["options"]["sortBy"]} <= titles
    values = {f"Value #{target['refId']}" for target in panel["targets"]}
    assert len(values) > 1  # a single query's column would be called Value
    assert values == {name for name in organised["renameByName"] if name.startswith("Value")}


@each_board
def test_the_heat_table_has_all_indicators_coloured_the_right_way(board: dict[str, Any]) -> None:
    (heat,) = [panel for panel in board["panels"] if len(panel["targets"]) > len(INDICATORS)]
    columns = {
        override["matcher"]["options"]: held for override, held in zip(heat["fieldConfig"]["overrides"], properties(heat)[1:], strict=True)
    }
    language = board["uid"][-2:]
    for indicator in INDICATORS:
        (column,) = [
            held for title, held in columns.items() if re.match(rf"{indicator.number} .*{re.escape(indicator.title.in_(language))}$", title)
        ]
        steps = column["thresholds"]["steps"]
        assert (steps[0]["color"], steps[-1]["color"]) == (("green", "red") if indicator.deduction else ("red", "green"))
        assert (steps[-1]["value"] == indicator.max_points) == indicator.deduction
