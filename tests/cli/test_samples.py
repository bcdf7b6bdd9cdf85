"""Drawing from files, which needs no broker, and what `sample` and `record` refuse, each in one sentence."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import AS_OF, Cli, lines
from tests.support.builder import D1, D2, SEPTEMBER, History

DRAW = ("sample", "draw", "--period", SEPTEMBER, "--indicator", "visit_reduction")


@pytest.fixture
def cases_file(tmp_path: Path) -> Path:
    h = History(D1).items(2)
    for number in range(4):
        h.case(f"S{number}-07", f"I{number % 2 + 1}", accepted=f"2020-09-0{number + 1}")
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b"\n".join(lines([*h.events, *History(D2).items(1).events])) + b"\n")
    return path


def test_drawn_from_a_file(cli: Cli, cases_file: Path) -> None:
    done = cli(*DRAW, "--file", cases_file, *AS_OF, "--json")
    assert done.code == 1, "one department has nothing to draw from"
    assert done.err == f"{D2} ({D2}) has nothing to draw from in {SEPTEMBER}\n"
    assert done.records == [
        {
            "department": D1, "sample": f"visit_reduction-{SEPTEMBER}-{D1}", "indicator": "visit_reduction", "period": SEPTEMBER,
            "selected": ["A-S0-07", "A-S1-07"], "tail": 7, "occurred_at": AS_OF[1], "recorded": False,
        }
    ]  # fmt: skip
    table = cli(*DRAW, "--file", cases_file, *AS_OF, "--department", D1)
    assert (table.code, table.err) == (0, "")
    assert "A-S0-07, A-S1-07" in table.out
    assert f"1 samples drawn as of {AS_OF[1]}, not recorded." in table.out


def test_from_a_file_what_is_drawn_already_is_drawn_again(cli: Cli, cases_file: Path) -> None:
    drawn = {"event_id": "drawn", "sample": "P", "selected": ("A-S3-07",)}
    h = History(D1).add("sample.drawn", "2020-10-01", **drawn)
    cases_file.write_bytes(cases_file.read_bytes() + json.dumps(h.events[0]).encode() + b"\n")
    assert cli(*DRAW, "--file", cases_file, *AS_OF, "--department", D1, "--json").records[0]["selected"] == ["A-S0-07", "A-S1-07"]


def test_bad_lines_make_the_exit_code_1(cli: Cli, cases_file: Path) -> None:
    cases_file.write_bytes(cases_file.read_bytes() + b"{\n")
    done = cli(*DRAW, "--file", cases_file, *AS_OF, "--department", D1)
    assert done.code == 1
    assert "not_json" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((*DRAW, *AS_OF), 2, "--file"),
        ((*DRAW, "--department", "x"), 2, "for example --department"),
        (("sample", "draw", "--period", "2020-13", "--indicator", "visit_reduction"), 2, "--period: '2020-13'"),
        (("sample", "draw", "--period", "2099-01", "--indicator", "guide_accuracy"), 1, "has not begun"),
        (("sample", "list", "--period", "September"), 2, "--period: 'September'"),
        (("sample", "check"), 2, "a sample's id, or --period"),
        (("record", "inspection", "P", "A", "--achieved", "--department", "x"), 2, "for example --department"),
        (("record", "inspection", "P", "A", "--achieved", "--department", D1, "--at", "yesterday"), 2, "--at: "),
        (("record", "inspection", "P", "A", "--achieved", "--department", D1, "--at", "2099-01-01T00:00:00+08:00"), 2, "lies ahead of now"),
        (("record", "inspection", "P", "A", "--achieved", "--department", D1, "--by", " "), 2, "--by: the name is empty"),
        (("record", "guide-check", "I", "--errors", "1", "--period", "x", "--department", D1), 2, "--period"),
    ],
)
def test_refused_in_a_sentence(cli: Cli, arguments: tuple[str, ...], code: int, says: str) -> None:
    cli(*arguments).ends_with_a_sentence(code, says)


@pytest.mark.parametrize(
    "arguments",
    [
        ("sample", "draw", "--period", SEPTEMBER, "--indicator", "step_reduction"),
        ("sample", "draw", "--indicator", "visit_reduction"),
        ("record", "inspection", "P", "A", "--department", D1),
        ("record", "guide-check", "I", "--department", D1),
        ("record", "test", "raise", "S", "I"),
        ("audit", "--action", "nothing"),
        ("audit", "--limit", "0"),
    ],
)
def test_wrong_usage(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Error: " in done.err
