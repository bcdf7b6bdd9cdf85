"""The boards as they lie beside the code."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.deploy.tools import DEPLOY

DASHBOARDS = DEPLOY / "grafana" / "dashboards"
BOARDS: dict[tuple[str, str], dict[str, Any]] = {
    (path.parent.name, path.stem): json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*/*.json"))
}
PANELS = [(f"{language}-{name}-{panel['id']}", panel) for (language, name), board in BOARDS.items() for panel in board["panels"]]


def expressions() -> list[tuple[str, str]]:
    """Every query of the boards, with where it is; those of both languages are the same (a test says so)."""
    return [
        (f"{name}-{panel['id']}{target['refId']}", target["expr"])
        for (language, name), board in BOARDS.items()
        if language == "zh"
        for panel in board["panels"]
        for target in panel["targets"]
    ]


def properties(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """The field settings of a panel: its defaults, then those of each column."""
    config = panel["fieldConfig"]
    columns = [{entry["id"]: entry["value"] for entry in override["properties"]} for override in config["overrides"]]
    return [config["defaults"], *columns]


def links(panel: dict[str, Any]) -> Iterator[str]:
    """Every address that a cell or a number of a panel leads to."""
    for held in properties(panel):
        for link in held.get("links", []):
            assert link["title"]
            assert link["targetBlank"]
            yield link["url"]


def shown_labels(panel: dict[str, Any]) -> set[str]:
    """The labels by which the rows of a table are joined."""
    (kept,) = [step["options"]["include"]["pattern"] for step in panel["transformations"] if step["id"] == "filterFieldsByName"]
    return {name for name in kept.strip("^$()").split("|") if not name.startswith("Value")}


def columns(panel: dict[str, Any]) -> dict[str, str]:
    """The columns of a table: a label, or `Value` with the query's letter, and the title."""
    (organised,) = [step["options"] for step in panel["transformations"] if step["id"] == "organize"]
    titles: dict[str, str] = organised["renameByName"]
    return titles


def ranges(expression: str) -> list[tuple[str, str]]:
    """The functions over ranges of an expression, each with its range."""
    return re.findall(r"(\w+)\(\w+(?:\{[^}]*\})?\[([^\]:]+)\]", expression)
