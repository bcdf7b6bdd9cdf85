"""`onestop report` of files: the numbers are those of `score` and `explain`; a file is written whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import pytest

from scoring.indicators import INDICATORS
from tests.cli.conftest import AS_OF, Cli, city, lines
from tests.support.builder import D1, D2, D3
from tests.support.xlsx import read_xlsx

REPORT = ("report", "--period", "2020-09", "--by", "wang.li")
CLOSED = "2020-10-31T12:00:00+08:00"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_it_says_what_score_and_explain_say(cli: Cli, city_file: Path) -> None:
    records = {(r["department"], r["indicator"]): r for r in cli("score", city_file, *AS_OF, "--period", "2020-09", "--json").records}
    done = cli(*REPORT, "--format", "csv", city_file, *AS_OF)
    assert (done.code, done.err) == (0, "")
    rows = rows_of(done.out)
    assert [row["Code"] for row in rows[::17]] == [D2, D1, D3]
    assert len(rows) == len(records) == 51
    for row in rows:
        record = records[row["Code"], row["Indicator id"]]
        assert (row["Exact"], row["Points"], row["Rank"]) == (
            record["points_exact"],
            f"{record['points']:.2f}",
            str(record.get("rank", "")),
        )
        assert (row["Numerator N"], row["Denominator M"]) == (record.get("numerator", ""), record.get("denominator", ""))
        assert (row["Scores as of"], row["Ruleset"], row["Made by"]) == (record["as_of"], record["ruleset"], "wang.li")
    for indicator in INDICATORS:
        [explained] = cli("explain", D2, "2020-09", indicator.id, "--file", city_file, *AS_OF, "--json").records
        counted = [entry["counts"] for entry in explained["evidence"]]
        [row] = [row for row in rows if (row["Code"], row["Indicator id"]) == (D2, indicator.id)]
        assert (int(row["Counted for"]), int(row["Counted against"])) == (counted.count("for"), counted.count("against"))
    assert any(row["Counted against"] not in ("", "0") for row in rows)


@pytest.mark.parametrize(
    ("as_of", "state"),
    [("2020-09-20T00:00:00+08:00", "open"), ("2020-10-02T00:00:00+08:00", "closing"), (CLOSED, "closed")],
)
def test_the_state_is_that_of_the_calendar(cli: Cli, city_file: Path, as_of: str, state: str) -> None:
    page = cli(*REPORT, "--format", "html", city_file, "--as-of", as_of).out
    assert f"<dt>State</dt><dd>{state}</dd>" in page
    assert ("Provisional result" in page) == (state != "closed")
    assert "do not say when events arrived" in page


def test_the_workbook_and_the_page_are_written_to_files(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "month"
    for kind, language, seen in (("xlsx", "zh", "汇总"), ("html", "en", "Summary")):
        done = cli(*REPORT, "--format", kind, "--output", path, city_file, "--as-of", CLOSED, LANG=language)
        assert (done.code, done.out, done.err) == (0, "", "")
        content = path.read_bytes()
        assert seen in (read_xlsx(content) if kind == "xlsx" else content.decode())
        assert ("grace_workdays" in content.decode()) if kind == "html" else ("grace_workdays" in read_xlsx(content)["说明"].texts)
        assert sorted(os.listdir(tmp_path)) == ["city.jsonl", "month"]


def test_one_department_keeps_its_rank_among_all(cli: Cli, city_file: Path) -> None:
    rows = rows_of(cli(*REPORT, "--format", "csv", "--department", D1, "--output", "-", city_file, *AS_OF).out)
    assert {row["Code"] for row in rows} == {D1}
    assert (rows[-1]["Rank"], rows[-1]["of"]) == ("2", "3")


@pytest.mark.parametrize(("language", "said"), [("en", "there are no scores"), ("zh", "没有得分")])
def test_no_scores_are_told_with_the_periods_that_have_some(cli: Cli, city_file: Path, language: str, said: str) -> None:
    arguments = ("--format", "csv", city_file, *AS_OF)
    cli("report", "--period", "2019-09", *arguments, LANG=language).ends_with_a_sentence(
        1, said, "2019-09", "2020-11, 2020-10, 2020-09, 2020-08"
    )
    nobody = "11439900MB0WCABG3U"
    cli(*REPORT, "--department", nobody, *arguments, LANG=language).ends_with_a_sentence(1, nobody)
    city_file.write_bytes(b"")
    cli(*REPORT, *arguments).ends_with_a_sentence(1, "none yet")


def test_wrong_usage(cli: Cli, city_file: Path) -> None:
    cli(*REPORT, "--format", "xlsx", city_file, *AS_OF).ends_with_a_sentence(2, "--output is needed")
    cli(*REPORT, "--format", "csv", city_file).ends_with_a_sentence(2, "--as-of is needed")
    cli(*REPORT, "--format", "csv", *AS_OF).ends_with_a_sentence(2, "--as-of goes with files")
    cli("report", "--period", "09", "--format", "csv", city_file, *AS_OF).ends_with_a_sentence(2, "--period")
    assert cli(*REPORT, "--format", "pdf", city_file, *AS_OF).code == 2


def test_an_output_that_cannot_be_written_leaves_nothing_behind(
    cli: Cli, city_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path, tmp_path / "missing" / "report.html", city_file / "report.html"):
        cli(*REPORT, "--format", "html", "--output", path, city_file, *AS_OF).ends_with_a_sentence(2, "--output", "cannot be written")
    held = tmp_path / "report.html"
    held.write_text("last month's")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    cli(*REPORT, "--format", "html", "--output", held, city_file, *AS_OF).ends_with_a_sentence(2, "No space left")
    assert held.read_text() == "last month's"
    assert sorted(os.listdir(tmp_path)) == ["city.jsonl", "report.html"]


def test_a_link_stays_a_link(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    target.write_text("")
    link.symlink_to(target)
    assert cli(*REPORT, "--format", "csv", "--output", link, city_file, *AS_OF).code == 0
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"\xef\xbb\xbf")


def test_bad_lines_are_named_and_the_rest_is_reported(cli: Cli, city_file: Path) -> None:
    city_file.write_bytes(city_file.read_bytes() + b"{\n")
    done = cli(*REPORT, "--format", "csv", city_file, *AS_OF)
    assert done.code == 1
    assert f"{city_file}:" in done.err
    assert len(rows_of(done.out)) == 51


def test_what_events_say_is_never_run(cli: Cli, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = city()
    for event in events:
        if event["type"] == "department.registered":
            event["name"] = "=HYPERLINK(1)"
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines(events)))
    rows = rows_of(cli(*REPORT, "--format", "csv", path, *AS_OF).out)
    assert {row["Department"] for row in rows} == {"'=HYPERLINK(1)"}
    written = tmp_path / "report.xlsx"
    assert cli(*REPORT, "--format", "xlsx", "--output", written, path, *AS_OF).code == 0
    assert "=HYPERLINK(1)" in read_xlsx(written.read_bytes())["Summary"].texts  # refuses formulas


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_the_same_result_is_the_same_file(cli: Cli, city_file: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.clock.SystemClock.now", lambda self: 1_604_980_800_000_000)
    contents = []
    for name in ("first", "second"):
        path = tmp_path / name
        cli(*REPORT, "--format", kind, "--output", path, city_file, *AS_OF)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_the_policies_listed_are_those_of_the_month(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    chained = tmp_path / "later.yaml"
    chained.write_text("name: later\nseed: x\nvalid_from: 2020-10\npolicies: {sharing_workdays: 77}\n", encoding="utf-8")
    for period, listed in (("2020-09", False), ("2020-10", True)):
        page = cli("report", "--period", period, "--format", "html", city_file, *AS_OF, RULESET=str(chained)).out
        assert "sharing_workdays" in page
        assert ("77" in page.split("sharing_workdays")[1][:100]) == listed
