"""Where the files are, and the tools that check them."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.kafka import missing

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
PACKAGES = {
    "promtool": "Debian's package prometheus",
    "prometheus": "Debian's package prometheus",
    "amtool": "Debian's package prometheus-alertmanager",
    "prometheus-alertmanager": "Debian's package prometheus-alertmanager",
    "check-jsonschema": "the development extra",
    "hadolint": "the development extra",
}


def tool(name: str) -> str:
    """The path of a tool, of this environment or of PATH; without it the test is skipped, or fails where all are required."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        missing(f"{name} ({PACKAGES[name]}) is not installed: what it checks is skipped")
    return found


def run(command: Sequence[str | Path], directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command; output and exit code."""
    return subprocess.run([str(part) for part in command], cwd=directory, capture_output=True, text=True, timeout=120, check=False)


def passes(command: Sequence[str | Path], directory: Path = ROOT) -> None:
    """Run a command that must find nothing wrong."""
    done = run(command, directory)
    assert done.returncode == 0, done.stdout + done.stderr


def load(path: Path) -> Any:
    """The content of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def alerts() -> list[dict[str, Any]]:
    """All alerting rules, each with the file that has it."""
    return [
        rule | {"file": path.stem}
        for path in RULES
        for group in load(path)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]  # fmt: skip
