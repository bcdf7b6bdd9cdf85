"""`onestop what-if`: what differs and nothing else in the tables, everything in CSV and JSON, files and the live city alike."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from kafka.errors import KafkaConnectionError

from models.facts import pack, to_fact
from models.identifiers import EVERY_DEPARTMENT
from models.instants import parse_instant
from models.wire import parse_chunk
from streams.changelog import ChunkRecord, encode_chunk
from streams.cli import dumbbell, facts, what_if
from streams.cli.dumbbell import SHOWN
from streams.intake import partition_of
from tests.cli.conftest import AS_OF, Cli, city, lines
from tests.support.builder import D1, D2, D3, History, department_code

SVG = "{http://www.w3.org/2000/svg}"
# Of the city's two cases S2 is never ingested, and only D2 is docked; nobody has licence objections, requests or interfaces.
OTHER = "name: other\nseed: onestop\npolicies: {zero_denominator: zero}\n"
LOST = 5 + 5 + 5 + 5 + 10  # 10, 11, 12, 13 and 7 are without workload


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.yaml"
    path.write_text(OTHER, encoding="utf-8")
    return path


def by_key(records: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(r["department"], r["period"], r["indicator"]): r for r in records}


def test_json_holds_what_score_says_under_either_ruleset(cli: Cli, city_file: Path, other: Path) -> None:
    result = cli("what-if", "--ruleset", other, city_file, *AS_OF, "--json")
    assert (result.code, result.err) == (0, "")
    found = by_key(result.records)
    sides = {
        "before": by_key(cli("score", city_file, *AS_OF, "--json").records),
        "after": by_key(cli("score", city_file, *AS_OF, "--json", "--ruleset", other).records),
    }
    assert len(found) == len(result.records) == 3 * 4 * 17
    for side, scored in sides.items():
        assert found.keys() == scored.keys()
        for key, record in scored.items():
            for name in ("status", "points", "points_exact", "ruleset"):
                assert found[key][f"{name}_{side}"] == record[name]
            assert found[key][f"rank_{side}"] == record.get("rank")
    total = found[D2, "2020-09", "total"]
    assert (total["difference"], total["difference_exact"]) == (-LOST, str(-LOST))
    assert [total["closed"], found[D2, "2020-11", "total"]["closed"]] == [True, False]
    assert cli("what-if", "--ruleset", other, city_file, *AS_OF, "--json", LANG="zh").records == result.records


def test_the_tables_hold_what_differs_with_the_sums_on_top(cli: Cli, city_file: Path, other: Path) -> None:
    result = cli("what-if", "--ruleset", other, city_file, *AS_OF, "--period", "2020-09")
    assert (result.code, result.err) == (0, "")
    text = [line for line in result.out.splitlines() if line]
    assert "default@" in text[0]
    assert "→ other@" in text[0]
    assert text[1].startswith("2020-09  departments: 3; totals that differ: 3; ranks that differ: 0; mean total ")
    assert f"({-LOST:+.2f})" in text[1]
    rows = {cells[0]: cells for line in text if len(cells := [cell.strip() for cell in line.strip("│").split("│")]) == 6}
    assert rows["11"] == ["11", "Sharing timeliness", "3", "-15.00", "-5.00", "-5.00"]
    assert "Online depth" not in result.out, "it is the same"
    (row,) = [line for line in text if D2 in line]
    assert "7: 10 → 0  10: 5 → 0  11: 5 → 0  12: 5 → 0  13: 5 → 0" in row
    assert text[-1].startswith("Closed: 2020-09. Here both sides count all events")
    assert "2020-10" not in result.out
    open_one = cli("what-if", "--ruleset", other, city_file, *AS_OF, "--period", "2020-11").out
    assert "Closed" not in open_one
    chinese = cli("what-if", "--ruleset", other, city_file, *AS_OF, "--period", "2020-09", LANG="zh").out
    assert all(word in chinese for word in ("3 个部门", "平均总分", "共享审批及时性", "已关闭"))
    assert "differ" not in chinese


def test_nothing_differs_under_the_ruleset_in_force(cli: Cli, city_file: Path) -> None:
    result = cli("what-if", "--ruleset", "default", city_file, *AS_OF)
    assert "totals that differ: 0; ranks that differ: 0" in result.out
    assert "│" not in result.out


def test_ranks_differ_and_are_of_the_whole_city(cli: Cli, tmp_path: Path) -> None:
    """Under `flow` D1, whose case came a month late, passes D3, which is ahead by its docking."""
    events = []
    for department, passed, docking in ((D1, "2020-10-05", ("serial",)), (D3, "2020-09-30", ("serial", "auth"))):
        h = History(department).add("department.docking_changed", "2020-08-20").add("item.published", "2020-08-20", docking=docking)
        events += h.case("S1", issued="2020-09-29", passed=passed).case("S2", issued="2020-10-02").events
    path, flow = tmp_path / "a.jsonl", tmp_path / "flow.yaml"
    path.write_bytes(b"\n".join(lines(events)))
    flow.write_text("name: flow\nseed: x\npolicies: {aggregation: flow}\n", encoding="utf-8")
    arguments = ("what-if", "--ruleset", flow, path, *AS_OF, "--period", "2020-10")
    whole = by_key(cli(*arguments, "--json").records)
    ranks = {code: (whole[code, "2020-10", "total"]["rank_before"], whole[code, "2020-10", "total"]["rank_after"]) for code in (D1, D3)}
    assert ranks == {D1: (2, 1), D3: (1, 2)}
    own = by_key(cli(*arguments, "--json", "--department", D3).records)
    assert own == {key: record for key, record in whole.items() if key[0] == D3}
    rows = [[cell.strip() for cell in line.split("│")] for line in cli(*arguments).out.splitlines() if D1 in line or D3 in line]
    assert [row[1] for row in rows] == ["2 → 1", "1 → 2"]
    assert rows[1][5:7] == ["", ""], "D3 has its points"


def test_the_other_ruleset_is_applied_to_every_period_and_that_in_force_as_it_stands(cli: Cli, city_file: Path, other: Path) -> None:
    chained = other.parent / "chained.yaml"
    chained.write_text(f"{OTHER.replace('other', 'chained')}valid_from: 2020-10\n", encoding="utf-8")
    found = by_key(cli("what-if", "--ruleset", chained, city_file, *AS_OF, "--json").records)
    assert found[D1, "2020-09", "total"]["difference"] == -LOST
    found = by_key(cli("what-if", "--ruleset", other, city_file, *AS_OF, "--json", RULESET=str(chained)).records)
    assert [found[D1, period, "total"]["difference"] for period in ("2020-09", "2020-10")] == [-LOST, 0]
    assert found[D1, "2020-10", "total"]["ruleset_before"].startswith("chained@")


def test_orders_say_what_is_closed(cli: Cli, city_file: Path, other: Path) -> None:
    orders = History().add("period.closed", "2020-11-02", period="2020-10", department=EVERY_DEPARTMENT, event_id="o1")
    orders.add("period.reopened", "2020-11-03", period="2020-09", department=D1, event_id="o2")
    orders.add("period.reopened", "2020-11-03", period="2020-09", department=D3, event_id="o3")
    orders.add("period.closed", "2020-11-04", period="2020-09", department=D3, event_id="o4")
    city_file.write_bytes(city_file.read_bytes() + b"\n".join(lines(orders.events)))
    found = by_key(cli("what-if", "--ruleset", other, city_file, "--as-of", "2020-11-05T00:00:00+08:00", "--json").records)
    closed = {(code, period) for (code, period, _), record in found.items() if record["closed"]}
    assert closed == {(D2, "2020-09"), (D3, "2020-09")} | {(code, period) for code in (D1, D2, D3) for period in ("2020-08", "2020-10")}


def test_csv_holds_every_score_and_no_formula(cli: Cli, tmp_path: Path, other: Path) -> None:
    source, target = tmp_path / "a.jsonl", tmp_path / "out.csv"
    source.write_bytes(b"\n".join(lines(History().add("department.registered", "2020-09-01", name="=1+1").events)))
    result = cli("what-if", "--ruleset", other, source, *AS_OF, "--csv", target)
    assert result.code == 0
    assert "│" in result.out
    content = target.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "else Excel takes it for another encoding"
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    records = cli("what-if", "--ruleset", other, source, *AS_OF, "--json").records
    assert len(rows) == len(records) == 3 * 17
    for row, record in zip(rows, records, strict=True):
        assert row == {name: "" if record[name] is None else str(record[name]) for name in row} | {"name": "'=1+1"}
    assert set(records[0]) - set(rows[0]) == {"points_exact_before", "points_exact_after", "difference_exact"}
    cli("what-if", "--ruleset", other, source, *AS_OF, "--csv", target, LANG="zh")
    assert target.read_text(encoding="utf-8-sig").splitlines()[0].startswith("考核期,部门代码,部门,")


# --- the chart


def drawn(path: Path) -> tuple[ET.Element, list[ET.Element]]:
    root = ET.parse(path).getroot()  # written by the test's own command
    return root, root.findall(f"{SVG}g")


def many(count: int) -> list[dict[str, Any]]:
    """Departments with catalogues of different depth, the first ones docked."""
    events = []
    for number in range(count):
        h = History(department_code(20001 + number))
        h.add("department.registered", "2020-08-20", name=f"<市民政局&{number}>" + "很长的名称" * (number % 3))
        h.items(1 + number % 7, online_depth=1 + number % 4).add("department.docking_changed", "2020-08-20", docked=number < count // 2)
        h.case("S1", issued="2020-09-29", passed="2020-10-05" if number % 2 else "2020-09-30").case("S2", issued="2020-10-03")
        events += h.events
    return events


@pytest.mark.parametrize("rises", [True, False])
def test_the_chart_has_a_row_a_department(cli: Cli, tmp_path: Path, rises: bool) -> None:
    source, target, flow = tmp_path / "a.jsonl", tmp_path / "totals.svg", tmp_path / "flow.yaml"
    source.write_bytes(b"\n".join(lines(many(60))))
    flow.write_text("name: flow\nseed: x\npolicies: {aggregation: flow}\n", encoding="utf-8")
    arguments = ("what-if", "--ruleset", flow if rises else "default", source, *AS_OF, "--period", "2020-10")
    settings = {"RULESET": "default" if rises else str(flow)}
    assert cli(*arguments, "--plot", target, **settings).code == 0
    found = by_key(cli(*arguments, "--json", **settings).records)
    root, rows = drawn(target)
    assert len(rows) == 60
    assert root.findtext(f"{SVG}title") == "Totals of 2020-10 under two rulesets"
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    places, ways = [], set()
    for row in rows:
        assert "<市民政局&" in row.findtext(f"{SVG}title", ""), "escaped, not left out"
        code = row.findtext(f"{SVG}title", "").split()[1]
        before, after = ([float(circle.attrib[c]) for c in ("cx", "cy")] for circle in row.findall(f"{SVG}circle"))
        total = found[code, "2020-10", "total"]
        assert (after[0] > before[0], after[0] < before[0]) == (total["difference"] > 0, total["difference"] < 0)
        ways.add(total["difference"])
        assert dumbbell.LEFT <= min(before[0], after[0]) <= max(before[0], after[0]) <= dumbbell.LEFT + dumbbell.PLOT < width
        assert before[1] == after[1] < height
        places.append(after[1])
        texts = [text.text or "" for text in row.findall(f"{SVG}text")]
        assert f"{total['points_after']:.2f}" in texts[1]
        assert texts[3].split()[-1] == str(total["rank_after"])
    assert [b - a for a, b in pairwise(places)] == [dumbbell.ROW] * 59
    assert ways == {0, 10 if rises else -10}
    assert not root.findall(f".//{SVG}image")
    assert "http" not in target.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", ""), "it needs nothing else"
    cli(*arguments, "--plot", target, LANG="zh", **settings)
    assert drawn(target)[0].findtext(f"{SVG}title") == "2020-10 总分：两个规则集"


def test_the_chart_of_several_periods_is_of_the_last_that_differs(cli: Cli, tmp_path: Path) -> None:
    source, target, flow = tmp_path / "a.jsonl", tmp_path / "totals.svg", tmp_path / "flow.yaml"
    source.write_bytes(b"\n".join(lines(many(SHOWN + 5))))
    flow.write_text("name: flow\nseed: x\npolicies: {aggregation: flow}\n", encoding="utf-8")
    cli("what-if", "--ruleset", flow, source, *AS_OF, "--plot", target)
    root, rows = drawn(target)
    assert root.findtext(f"{SVG}title") == "Totals of 2020-10 under two rulesets"
    assert len(rows) == SHOWN
    assert f"of {SHOWN + 5} departments the {SHOWN} that differ most" in root.findtext(f"{SVG}desc", "")
    cli("what-if", "--ruleset", "default", source, *AS_OF, "--plot", target)
    assert "2020-11" in drawn(target)[0].findtext(f"{SVG}title", "")


# --- faults


def test_faults_end_with_a_sentence(cli: Cli, city_file: Path, other: Path, tmp_path: Path) -> None:
    cli("what-if", "--ruleset", tmp_path / "none.yaml", city_file, *AS_OF).ends_with_a_sentence(2, "none.yaml")
    cli("what-if", "--ruleset", other, city_file).ends_with_a_sentence(2, "--as-of is needed")
    cli("what-if", "--ruleset", other, city_file, *AS_OF, "--period", "2020").ends_with_a_sentence(2, "--period")
    cli("what-if", "--ruleset", other, city_file, *AS_OF, "--department", "x").ends_with_a_sentence(2, "--department")
    for option in ("--csv", "--plot"):
        cli("what-if", "--ruleset", other, city_file, *AS_OF, option, tmp_path / "no" / "f").ends_with_a_sentence(2, option, "name a file")


def test_bad_lines_are_named_and_left_out(cli: Cli, city_file: Path, other: Path) -> None:
    expected = cli("what-if", "--ruleset", other, city_file, *AS_OF).out
    city_file.write_bytes(b"bad\n" + city_file.read_bytes())
    result = cli("what-if", "--ruleset", other, city_file, *AS_OF)
    assert (result.code, result.out) == (1, expected)
    assert result.err.startswith(f"{city_file}:1: not_json")


def test_no_events_have_no_scores_and_no_chart(cli: Cli, tmp_path: Path, other: Path) -> None:
    empty, target = tmp_path / "empty.jsonl", tmp_path / "totals.svg"
    empty.write_bytes(b"")
    result = cli("what-if", "--ruleset", other, empty, *AS_OF, "--plot", target)
    assert (result.code, result.out.splitlines()[-1]) == (0, "There are no scores to compare.")
    assert not target.exists()


# --- the live city


class FakeLog:
    """The changelog of a city in memory: its events by partition, some of them twice."""

    partitions_there: tuple[int, ...] = (0, 1, 2)

    def __init__(self, _: Any) -> None:
        self.closed = False

    def partitions(self, topic: str) -> list[int]:
        assert topic == "onestop-facts-changelog"
        return list(self.partitions_there)

    def remaining(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return dict.fromkeys(places, 1)

    def read(self, _: str, partition: int) -> Iterator[list[Any]]:
        held = [to_fact(event) for event in parse_chunk(lines(city()))]  # type: ignore[arg-type]
        chunk = ChunkRecord("cases", partition, 0, 1)
        for fact in held:
            if partition_of(fact[1], 3) == partition:
                chunk.add(fact, parse_instant("2020-11-10T00:00:00Z") // 1_000, pack(fact))
        values = encode_chunk(chunk)
        yield [SimpleNamespace(value=value) for value in [*values, *values]]

    def close(self) -> None:
        self.closed = True


def test_the_live_city_is_that_of_the_files(cli: Cli, city_file: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "LogReader", FakeLog)
    monkeypatch.setattr(what_if.SystemClock, "now", lambda _: parse_instant(AS_OF[1]))
    live = cli("what-if", "--ruleset", other, "--json")
    assert (live.code, live.err) == (0, "")
    assert len({partition_of(code, 3) for code in (D1, D2, D3)}) > 1, "ranks are over all partitions"
    assert live.records == cli("what-if", "--ruleset", other, city_file, *AS_OF, "--json").records
    assert json.loads(live.out.splitlines()[0])["ruleset_before"].startswith("default@")


def test_a_live_city_that_is_not_there(cli: Cli, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Any) -> Any:
        raise KafkaConnectionError

    monkeypatch.setattr(facts, "LogReader", away)
    cli("what-if", "--ruleset", other).ends_with_a_sentence(3, "127.0.0.1:9092")
    monkeypatch.setattr(facts, "LogReader", FakeLog)
    monkeypatch.setattr(FakeLog, "partitions_there", ())
    cli("what-if", "--ruleset", other).ends_with_a_sentence(1, "is missing: see `onestop topics check`")
