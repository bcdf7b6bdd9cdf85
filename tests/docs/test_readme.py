"""What the README tells a newcomer to type does what it says, and it names what the program stands on."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from tests.docs.pages import ROOT, blocks
from tests.support.kafka import missing

README = (ROOT / "README.md").read_text(encoding="utf-8")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")}


def make(*arguments: str) -> str:
    """What make would do, without doing it."""
    if shutil.which("make") is None:
        missing("make is not on PATH: the Makefile is not looked at")
    command = ["make", "--dry-run", "--always-make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_offline_example_scores_and_explains(tmp_path: Path) -> None:
    example = next(block for block in blocks(README) if "onestop simulate" in block)
    script = "set -euo pipefail\n" + re.sub(r"^onestop ", f"{sys.executable} -m streams.cli.main ", example, flags=re.MULTILINE)
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2026-09" in done.stdout
    assert "points = " in done.stdout


def test_the_plain_lines_do_what_make_does() -> None:
    run, test = (block.strip() for block in blocks(README) if block.startswith("python3 -m venv"))
    for target, line in (("run", run), ("test", test)):
        _, install, *commands = line.split(" && ")
        does = make(target)
        assert install.removeprefix(".venv/bin/pip install -e ") in does
        at = [does.index(command) for command in commands]
        assert at == sorted(at), target


def test_every_make_target_named_exists() -> None:
    pages = README + (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", pages, re.MULTILINE)):
        assert make(target)


def test_the_dependencies_are_named_with_their_licences() -> None:
    licences = README.split("## Licence")[1]
    for requirement in requires("onestop") or []:
        name = re.match(r"[\w-]+", requirement)
        assert name
        if "extra == " not in requirement or "embedded" in requirement:
            assert re.search(rf"\b{name[0]}\b", licences, re.IGNORECASE), name[0]
