"""Writes the expected values anew: `python -m tests.golden.regenerate`. Look at the difference before committing it.

- `facts.json`: the codes of the event types and the own fields of each, which the changelog keeps for ever. What is written there may
  never change, only be added to: this program refuses anything else.
- `scores.json`: the exact total of every department and period of the simulated city of `CITY`, as of `AS_OF`. It changes with the rules,
  with the simulator, and with nothing else.
"""

import json
from pathlib import Path
from typing import Any

from models.events import EVENT_TYPES
from models.facts import OWN_FIELDS
from models.rulesets import default_ruleset
from scoring.batch import score_events
from streams.simulator import simulate_months
from tests.support.builder import instant

HERE = Path(__file__).parent
CITY: dict[str, Any] = {"departments": 3, "first": "2020-08", "last": "2020-09", "seed": 3, "volume": 0.2}
AS_OF = "2020-10-20T12:00:00+08:00"


def read(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def write(name: str, text: str) -> None:
    (HERE / name).write_text(text + "\n", encoding="utf-8")


def city() -> list[dict[str, Any]]:
    """The events of the golden city."""
    return list(simulate_months(**CITY))


def facts() -> list[list[str]]:
    """Of each code the type and its own fields."""
    return [[name, *fields] for name, fields in zip(EVENT_TYPES, OWN_FIELDS, strict=True)]


def totals(records: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """`points_exact` of the totals, by period and department."""
    found: dict[str, dict[str, str]] = {}
    for record in records:
        if record["indicator"] == "total":
            found.setdefault(record["period"], {})[record["department"]] = record["points_exact"]
    return found


def appended_only(old: list[list[str]], new: list[list[str]]) -> bool:
    """Whether every code of before is there with its type and its fields in their places."""
    return len(old) <= len(new) and all(now[: len(before)] == before for before, now in zip(old, new, strict=False))


if __name__ == "__main__":
    if (HERE / "facts.json").exists() and not appended_only(read("facts.json"), facts()):
        raise SystemExit("facts.json: codes and fields are append-only; the changelog of every city that runs holds the old ones")
    write("facts.json", "[\n" + ",\n".join(map(json.dumps, facts())) + "\n]")
    write("scores.json", json.dumps(totals(score_events(city(), instant(AS_OF), default_ruleset())), indent=2))
