"""What the guides for operators tell people to type is what the program has: options, settings, files, and services that it can run as."""

import re
from configparser import ConfigParser
from typing import Any

import pytest
import typer.main

from models.settings import PREFIX, Settings
from streams.cli.main import app
from streams.cli.support import Exit
from streams.fatal import EXIT_CODE
from tests.docs.pages import ROOT, blocks, text

GUIDES = ["operations.md", "operations.zh.md"]
# A command in a line of a block or in code within a sentence, up to its end.
TYPED = re.compile(r"(?:`|^ *(?:\S+/)?)onestop ([^`\n]+)", re.MULTILINE)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_option_named_exists(guide: str) -> None:
    typed = TYPED.findall(text(guide))
    assert len(typed) > 30
    for line in typed:
        command: Any = typer.main.get_command(app)
        for word in line.split():
            command = getattr(command, "commands", {}).get(word, command)
        known = {option for parameter in command.params for option in parameter.opts}
        if not hasattr(command, "commands"):  # whether the command itself exists: test_commands_exist.py
            assert set(re.findall(r"(?<=\s)--[a-z-]+", line)) <= known, line


@pytest.mark.parametrize("guide", GUIDES)
def test_every_setting_named_exists(guide: str) -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", text(guide)))
    assert len(named) > 10
    assert named <= {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_the_units_of_systemd_start_commands_that_run_for_ever() -> None:
    units = [ConfigParser(interpolation=None, strict=False) for _ in range(2)]
    for unit, block in zip(units, (block for block in blocks(text("operations.md")) if block.startswith("[Unit]")), strict=True):
        unit.read_string(block)
        assert unit.sections() == ["Unit", "Service", "Install"]
        # Ended by itself on purpose: started again, whatever the code but that of a wrong setting.
        assert unit["Service"]["Restart"] == "always"
        assert int(unit["Service"]["RestartPreventExitStatus"]) == Exit.USAGE != EXIT_CODE
    assert [unit["Service"]["ExecStart"].split("/onestop ")[1] for unit in units] == ["worker", "%i"]
    started = "onestop-worker@01 onestop-worker@02 onestop@projector onestop@web"
    assert f"systemctl enable --now {started}\n" in text("operations.md")


def test_paths_of_the_installation_exist() -> None:
    named = set(re.findall(r"-r (\S+)", "\n".join(blocks(text("operations.md")))))
    assert named
    assert {path for path in named if not (ROOT / path).exists()} == set()
