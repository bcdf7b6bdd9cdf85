"""What is generated is as the generator would write it now, and it refuses what the code and the hand-written parts do not share."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT


def generate(docs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(docs / "generate.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCS, tmp_path / "docs"))


def test_nothing_differs() -> None:
    done = generate(DOCS, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_differs_is_named_and_then_written(copy: Path) -> None:
    (copy / "settings.md").write_text("changed by hand\n", encoding="utf-8")
    (copy / "metrics.md").unlink()
    (copy / "schemas" / "events" / "case.forgotten.json").write_text("{}", encoding="utf-8")
    names = ["docs/metrics.md", "docs/schemas/events/case.forgotten.json", "docs/settings.md"]
    done = generate(copy, "--check")
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == names
    assert generate(copy).returncode == 0
    assert generate(copy, "--check").returncode == 0


@pytest.mark.parametrize(
    ("part", "old", "new", "fault"),
    [
        ("events.yaml", "  case.voided:", "  case.forgotten:", "case.voided is not described; case.forgotten names nothing in the code"),
        ("events.yaml", "  acceptance_no:", "  acceptance:", "acceptance names nothing"),
        ("records.yaml", "  heartbeat:", "  heart:", "heartbeat is not described"),
        ("settings.md", "{{settings}}", "", "settings is not described"),
    ],
)
def test_a_part_that_does_not_fit_the_code_is_refused(copy: Path, part: str, old: str, new: str, fault: str) -> None:
    path = copy / "parts" / part
    content = path.read_text(encoding="utf-8")
    assert content.count(old) == 1
    path.write_text(content.replace(old, new), encoding="utf-8")
    done = generate(copy)
    assert done.returncode == 1
    assert fault in done.stderr
    assert "Traceback" not in done.stderr
