"""Both directions: what the code has is documented, and what is documented is in the code. Read from the pages, not from the generator."""

import json
import re
from typing import Any, get_args

import jsonschema
import pytest
import typer

from models.events import EVENT_TYPES, INPUT_TOPICS
from models.records import AlertKind, AlertRecord, ScoreStatus
from models.rulesets import Policies, Ruleset
from models.settings import PREFIX, Settings
from models.wire import REASONS
from scoring.batch import score_events
from scoring.indicators import INDICATORS
from streams.cli.main import app
from streams.metrics import WorkerMetrics
from streams.serving.metrics import METRICS
from streams.simulator import simulate_months
from streams.topics import CONFIGS
from tests.docs.pages import DOCS, ROOT, first_cells, headings, text
from tests.support.builder import default_ruleset, instant


def test_indicators() -> None:
    page = text("indicators.md")
    found = re.findall(r"^### (\d+) (\S+) · (.*)$", page, re.MULTILINE)
    assert found == [(str(i.number), i.title.zh, i.title.en) for i in INDICATORS]
    for indicator in INDICATORS:
        section = page.split(f'<a id="{indicator.id}">')[1].split("<a id=")[0]
        assert indicator.formula in section
        assert f"| {indicator.max_points} |" in section


def test_reasons_of_scores() -> None:
    documented = {reason.removesuffix(":ID") for reason in first_cells(text("indicators.md"), "Reasons")}
    held = {r.split(":")[0] for record in _records() for r in record["reasons"]}
    assert held <= documented
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "scoring").rglob("*.py"))
    assert all(f'"{reason}' in sources for reason in documented - {"complaint", "defect"})


def test_statuses_of_scores_and_kinds_of_alerts() -> None:
    assert first_cells(text("indicators.md"), "Statuses") == set(get_args(ScoreStatus))
    assert first_cells(text("records.md"), "Alert") == {*get_args(AlertKind), *AlertRecord.model_fields}


def test_events_and_topics() -> None:
    page = text("contract.md")
    assert re.findall(r"^#### `(.*)`$", page, re.MULTILINE) == list(EVENT_TYPES)
    assert re.findall(r"^### Topic `(.*)`$", page, re.MULTILINE) == list(INPUT_TOPICS)
    assert first_cells(page, "What goes to quarantine") == set(REASONS)
    configured = page.split("## Settings of the topics")[1]
    assert {name for row in re.findall(r"^\| (`.*?) \|", configured, re.MULTILINE) for name in re.findall("`([^`]+)`", row)} == set(CONFIGS)
    assert {path.stem for path in (DOCS / "schemas" / "events").iterdir()} == set(EVENT_TYPES)


def test_settings() -> None:
    assert first_cells(text("settings.md")) == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_policies() -> None:
    assert first_cells(text("policies.md")) == {*Policies.model_fields, *Ruleset.model_fields}


def test_metrics() -> None:
    page = text("metrics.md")
    families = list(WorkerMetrics().registry.collect())
    workers = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    assert first_cells(page, "Workers") == workers
    assert first_cells(page, "Scoreboard exporter") == {f"govscore_{metric.name}" for metric in METRICS}


def test_commands() -> None:
    def names(command: Any, before: str) -> list[str]:
        held = getattr(command, "commands", None)
        return [before] if held is None else [name for key, sub in held.items() for name in names(sub, f"{before} {key}")]

    documented = [heading.removeprefix("### ") for heading in headings(text("commands.md")) if heading.startswith("### ")]
    assert sorted(documented) == sorted(names(typer.main.get_command(app), "onestop"))


def test_options_of_commands() -> None:
    page = text("commands.md")

    def check(command: Any, name: str) -> None:
        for key, sub in getattr(command, "commands", {}).items():
            check(sub, f"{name} {key}")
        if not hasattr(command, "commands"):
            section = page.split(f"\n### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
            options = {
                option for p in command.params for option in (*p.opts, *p.secondary_opts) if option.startswith("-") and option != "--help"
            }
            assert {o for cell in first_cells(section) for o in cell.split(", ") if o.startswith("-")} == options, name

    check(typer.main.get_command(app), "onestop")


def _records() -> list[dict[str, Any]]:
    events = list(simulate_months(2, "2020-08", "2020-09", seed=5, volume=0.1))
    return score_events(events, instant("2020-09-30T12:00:00+08:00"), default_ruleset())


def _validator(path: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((DOCS / "schemas" / path).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_simulated_events_are_of_their_schemas() -> None:
    validators = {name: _validator(f"events/{name}.json") for name in EVENT_TYPES}
    for event in simulate_months(2, "2020-08", "2020-09", seed=5, volume=0.1):
        validators[event["type"]].validate(event)


def test_score_records_are_of_their_schemas() -> None:
    validators = {"total": _validator("records/total.json"), "score": _validator("records/score.json")}
    for record in _records():
        validators["total" if record["indicator"] == "total" else "score"].validate(record)


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": "2020-09-01 09:00:00+08:00"},
        {"serial": ""},
        {"item": None},
        {"is_test": "yes"},
        {"type": "serial.voided"},
        {"source": 7},
    ],
)
def test_a_schema_refuses_what_the_contract_forbids(change: dict[str, Any]) -> None:
    events = simulate_months(1, "2020-08", "2020-08", seed=5, volume=0.1)
    event = next(event for event in events if event["type"] == "serial.issued")
    validator = _validator("events/serial.issued.json")
    assert validator.is_valid(event)
    assert not validator.is_valid(event | change)
