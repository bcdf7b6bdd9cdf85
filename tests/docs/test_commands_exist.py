"""Every `onestop …` command that documents, runbooks and alert texts name is one the program has."""

import re
from pathlib import Path

import pytest
import typer.main

from streams.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("docs/adr/*.md"),
    *ROOT.glob("deploy/**/*.md"),
    *ROOT.glob("deploy/**/*.yml"),
]
# In running text the name may stand before a verb; in code it is always a command.
NAMED = re.compile(r"(?:`|^\s*|exec \S+ |用 )onestop ([a-z][a-z-]*)(?: ([a-z][a-z-]+))?", re.MULTILINE)


def commands() -> dict[str, set[str]]:
    """Each command with its subcommands."""
    group = typer.main.get_command(app)
    return {name: set(getattr(command, "commands", ())) for name, command in group.commands.items()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_named_exists(page: Path) -> None:
    known = commands()
    for command, sub in NAMED.findall(page.read_text(encoding="utf-8")):
        if command == "reads":
            continue  # "onestop reads what these systems say"
        assert command in known, f"onestop {command}"
        assert not known[command] or sub in known[command], f"onestop {command} {sub}"
