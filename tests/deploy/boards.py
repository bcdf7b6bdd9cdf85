"""The boards as they lie beside the code."""

import json
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
