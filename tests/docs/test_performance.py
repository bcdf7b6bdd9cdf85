"""The page of measurements says what docs/performance.json says; what was not measured is said to be so, and quick figures are never written."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest

from tests.benchmarks.compare import TITLES
from tests.benchmarks.suite import NAMES
from tests.docs.pages import DOCS, ROOT

SVG = "{http://www.w3.org/2000/svg}"
ABOUT = {"date": "2020-09-29", "machine": "A machine, 2 cores, 8 GB", "load": 0.04, "versions": {"Python": "3.11.7", "orjson": "3.10.0"}}
# CPU µs an event, of two runs each.
USED = {"worker": (20.0, 21.5), "counting": (8.0, 8.0), "stock": (300.0, 310.0), "bare": (3.0, 3.25)}


def run_of(used: float) -> dict[str, Any]:
    stages = {"validate": 6.0, "fold": 9.0}
    return {"records": 1_000_000, "seconds": 25.0, "cpu_seconds": used, "peak_bytes": 400_000_000, "stages": stages}


COMPARED = {
    "broker": "A broker", "events": 990_000, "records": 1_000_000, "runs": {name: list(map(run_of, used)) for name, used in USED.items()},
}  # fmt: skip
SCORED = {"events": 100, "bytes_an_event": 260, "stages": {"parse": 4.0, "fold": 6.0}, "cases": 10, "bytes_a_case": 1_500}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCS, tmp_path / "docs"))


def generate(docs: Path, measured: dict[str, Any], *arguments: str) -> int:
    (docs / "performance.json").write_bytes(orjson.dumps(measured))
    return subprocess.run([sys.executable, str(docs / "generate.py"), *arguments], cwd=ROOT, timeout=120, check=False).returncode


def test_what_was_measured_is_shown_and_what_was_not_is_said(copy: Path) -> None:
    measured = {name: {**ABOUT, "figures": figures} for name, figures in {"compare": COMPARED, "offline": SCORED}.items()}
    assert generate(copy, measured, "--check") == 1
    assert generate(copy, measured) == 0
    page = (copy / "performance.md").read_text(encoding="utf-8")
    assert page.count("Not measured yet.") == len(NAMES) - len(measured)
    assert page.count("Measured on 2020-09-29: A machine, 2 cores, 8 GB, load 0.0 before; Python 3.11.7, orjson 3.10.0.") == len(measured)
    assert f"| {TITLES['worker']} | 20.0 | 20.0–21.5 | 40,000 | 400 | 1,000,000 |" in page
    assert f"| {TITLES['counting']} | 8.0 | 8.0 | 40,000 | 400 | 1,000,000 |" in page
    assert "| fold | 9.00 | 60% |" in page
    assert "CPU time: 100,000 events/s on one core" in page
    assert "](performance.svg)" in page


def test_the_plot_has_a_bar_for_each_and_a_line_to_its_greatest(copy: Path) -> None:
    assert generate(copy, {"compare": {**ABOUT, "figures": COMPARED}}) == 0
    picture = ET.parse(copy / "performance.svg").getroot()
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert {*TITLES.values(), "20.0–21.5", "8.0", "300.0–310.0", "3.0–3.2"} <= set(texts)
    bars = [float(each.attrib["width"]) for each in picture.iter(f"{SVG}rect") if each.attrib["class"] == "bar"]
    lines = [each.attrib for each in picture.iter(f"{SVG}line") if each.attrib["class"] == "whisker"][::2]
    spreads = [float(each["x2"]) - float(each["x1"]) for each in lines]
    order = sorted(range(4), key=bars.__getitem__)
    assert [list(TITLES)[place] for place in order] == ["bare", "counting", "worker", "stock"]
    assert [spread > 0 for spread in spreads] == [True, False, True, True]
    ticks = {text for text in texts if text and re.fullmatch(r"\d+", text)}
    assert ticks == {"1", "2", "5", "10", "20", "50", "100", "200", "500"}


def test_without_figures_there_is_no_plot(copy: Path) -> None:
    assert generate(copy, {"compare": {**ABOUT, "figures": COMPARED}}) == 0
    assert generate(copy, {}) == 0
    assert not (copy / "performance.svg").exists()
    assert "performance.svg" not in (copy / "performance.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--quick", "--write"], "figures of a quick run mean nothing and are not written"),
        (["speed"], "there is no benchmark speed: choose from compare, stages"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_a_sentence(arguments: list[str], sentence: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
