"""`onestop score`: tables and JSON, filters, every kind of file, and bad lines that are named and left out."""

import gzip
import json
import zlib
from pathlib import Path

import pytest

from models.events import MAX_RECORD_BYTES
from models.records import ScoreRecord, TotalRecord
from tests.cli.conftest import AS_OF, Cli, city, lines
from tests.support.builder import D1, D2, D3, History, score

SCORE_FIELDS = [
    "department", "period", "indicator", "number", "status", "numerator", "denominator", "points", "points_exact", "max_points",
    "provisional", "reasons", "as_of", "ruleset", "version",
]  # fmt: skip
TOTAL_FIELDS = [
    "department", "period", "indicator", "status", "base_points", "deductions", "points", "points_exact", "max_points", "scored_max",
    "provisional", "reasons", "rank", "ranked", "as_of", "ruleset", "version",
]  # fmt: skip


def test_json_is_one_record_a_line_and_nothing_else(cli: Cli, city_file: Path) -> None:
    result = cli("score", city_file, *AS_OF, "--json")
    assert (result.code, result.err) == (0, "")
    assert [list(record) for record in result.records[:17]] == [SCORE_FIELDS] * 16 + [TOTAL_FIELDS]
    found = {(r["department"], r["period"], r["indicator"]): r for r in result.records}
    assert found == score(city(), AS_OF[1])
    assert len(found) == len(result.records) == 3 * 4 * 17
    assert set(TOTAL_FIELDS) == set(TotalRecord.model_fields)
    assert set(SCORE_FIELDS) == set(ScoreRecord.model_fields)


def test_a_line_is_exactly_this(cli: Cli, city_file: Path) -> None:
    result = cli("score", city_file, *AS_OF, "--json", "--period", "2020-09", "--department", D2)
    ruleset = result.records[0]["ruleset"]
    assert result.out.splitlines()[15] == (
        f'{{"department":"{D2}","period":"2020-09","indicator":"overdue_completion","number":16,"status":"scored","numerator":"1",'
        '"denominator":"2","points":1.0,"points_exact":"1","max_points":10,"provisional":false,"reasons":[],'
        f'"as_of":"2020-11-10T12:00:00+08:00","ruleset":"{ruleset}","version":11}}'
    )


def test_filters_leave_the_ranks_of_the_whole_city(cli: Cli, city_file: Path) -> None:
    result = cli("score", city_file, *AS_OF, "--json", "--period", "2020-09", "--department", D3)
    assert {(r["department"], r["period"]) for r in result.records} == {(D3, "2020-09")}
    assert [(r["rank"], r["ranked"]) for r in result.records if r["indicator"] == "total"] == [(2, 3)]
    every = cli("score", city_file, *AS_OF, "--json", "--period", "2020-09").records
    assert [(r["department"], r["rank"]) for r in every if r["indicator"] == "total"] == [(D1, 2), (D2, 1), (D3, 2)]


def test_the_table_is_ranked(cli: Cli, city_file: Path) -> None:
    result = cli("score", city_file, *AS_OF, "--period", "2020-09")
    assert (result.code, result.err) == (0, "")
    rows = [line for line in result.out.splitlines() if any(code in line for code in (D1, D2, D3))]
    assert [row.split("│")[1].strip() for row in rows] == ["1", "2", "2"]
    assert f"部门{D2[-6:-2]} {D2}" in rows[0]
    assert "provisional" not in result.out
    assert "provisional" in cli("score", city_file, "--as-of", "2020-09-30T12:00:00+08:00").out


@pytest.mark.parametrize("name", ["[/b]", "[red]x[/red]", ":100:", "a[b]c", "\\[x]"])
def test_names_are_shown_as_they_are(cli: Cli, tmp_path: Path, name: str) -> None:
    path = tmp_path / "names.jsonl"
    path.write_bytes(lines(History().add("department.registered", "2020-09-01", name=name).events)[0])
    assert f"{name} {D1}" in cli("score", path, *AS_OF).out


def test_chinese(cli: Cli, city_file: Path) -> None:
    result = cli("score", city_file, *AS_OF, LANG="zh")
    assert all(word in result.out for word in ("名次", "部门", "基础分", "扣分", "总分", "暂定"))
    assert "department" not in result.out
    arguments = ("score", city_file, *AS_OF, "--json")
    assert cli(*arguments, LANG="zh").out == cli(*arguments, LANG="en").out, "JSON is never translated"


def test_the_time_zone_of_the_settings(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(History().add("department.registered", "2020-08-31T20:00:00Z").events)[0])
    assert cli("score", path, *AS_OF, "--json").records[0]["period"] == "2020-09"
    berlin = cli("score", path, *AS_OF, "--json", TIMEZONE="Europe/Berlin").records[0]
    assert (berlin["period"], berlin["as_of"]) == ("2020-08", "2020-11-10T05:00:00+01:00")


# --- files


def same_as(cli: Cli, city_file: Path, *files: object, stdin: bytes = b"") -> None:
    expected = cli("score", city_file, *AS_OF, "--json").out
    result = cli("score", *files, *AS_OF, "--json", stdin=stdin)
    assert (result.code, result.err) == (0, "")
    assert result.out == expected


def test_a_packed_file(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "city.jsonl.gz"
    packed.write_bytes(gzip.compress(city_file.read_bytes()))
    same_as(cli, city_file, packed)
    halves = lines(city())[:10], lines(city())[10:]
    packed.write_bytes(b"".join(gzip.compress(b"\n".join(half) + b"\n") for half in halves))
    same_as(cli, city_file, packed)


def test_stdin(cli: Cli, city_file: Path) -> None:
    same_as(cli, city_file, "-", stdin=city_file.read_bytes())


def test_several_files_in_any_order_and_one_twice(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    parts = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for place, part in enumerate(parts):
        part.write_bytes(b"\n".join(lines(city())[place::2]))
    same_as(cli, city_file, parts[1], parts[0], parts[1])


@pytest.mark.parametrize("text", [b"\r\n".join(lines(city())) + b"\r\n", b"\n".join(lines(city())), b" \n".join(lines(city()))])
def test_ends_of_lines(cli: Cli, city_file: Path, tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(text)
    same_as(cli, city_file, path)


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.jsonl.gz"])
def test_an_empty_file_has_no_scores(cli: Cli, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    result = cli("score", tmp_path / name, *AS_OF)
    assert (result.code, result.out.strip(), result.err) == (0, "There are no scores to show.", "")
    assert cli("score", tmp_path / name, *AS_OF, LANG="zh").out.strip() == "没有可显示的得分。"
    assert cli("score", tmp_path / name, *AS_OF, "--json").out == ""


def corrupt(packed: bytes) -> bytes:
    """With a block in it that no gzip file has."""
    for place in range(12, len(packed)):
        broken = packed[:place] + b"\xff\xff\xff" + packed[place + 3 :]
        try:
            gzip.decompress(broken)
        except zlib.error:
            return broken
        except (OSError, EOFError):
            continue
    raise AssertionError("every change is found by the checksum alone")


def test_files_that_cannot_be_read_end_with_a_sentence(cli: Cli, tmp_path: Path) -> None:
    packed = gzip.compress(b"\n".join(lines(city())))
    contents = {
        "cut.jsonl.gz": packed[:-20],
        "plain.jsonl.gz": lines(city())[0],
        "corrupt.jsonl.gz": corrupt(packed),
        "sum.jsonl.gz": packed[:-8] + b"\0" * 8,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "directory.jsonl").mkdir()
    for name in [*contents, "directory.jsonl", "missing.jsonl"]:
        cli("score", tmp_path / name, *AS_OF).ends_with_a_sentence(2, name, "give a readable .jsonl or .jsonl.gz file")


# --- bad lines


def test_bad_lines_are_named_after_which_the_good_ones_are_scored(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    good = lines(city())
    wrong = json.dumps(city()[0] | {"event_id": "w", "department": "X"}).encode()
    conflict = json.dumps(city()[0] | {"name": "另一个"}).encode()
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b"\n".join([b"hello", *good[:3], b"", wrong, *good[3:], conflict, good[0], b'{"type":"x"}', b"{}", b"[1]"]))
    result = cli("score", path, *AS_OF, "--json")
    assert result.code == 1
    assert result.out == cli("score", city_file, *AS_OF, "--json").out
    named = [line.split(": ")[:2] for line in result.err.splitlines()]
    end = len(good) + 4
    assert named == [
        [f"{path}:1", "not_json"], [f"{path}:5", "empty"], [f"{path}:6", "malformed_field"], [f"{path}:{end}", "conflicting_event_id"],
        [f"{path}:{end + 2}", "unknown_type"], [f"{path}:{end + 3}", "missing_field"], [f"{path}:{end + 4}", "not_an_object"],
    ]  # fmt: skip
    table = cli("score", path, *AS_OF)
    assert table.code == 1
    assert D1 in table.out


def test_lines_are_counted_on_over_chunks_and_anew_for_each_file(cli: Cli, tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"]
    text = b"\n".join([lines(city())[0]] * 4_321 + [b"bad"])
    paths[0].write_bytes(text)
    paths[1].write_bytes(gzip.compress(text))
    result = cli("score", *paths, "-", *AS_OF, stdin=b"bad")
    assert [line.split(": ")[0] for line in result.err.splitlines()] == [f"{paths[0]}:4322", f"{paths[1]}:4322", "-:1"]


def padded(size: int) -> bytes:
    line = lines(city())[0]
    return line[:-1] + b',"x":"' + b"y" * (size - len(line) - 7) + b'"}'


@pytest.mark.parametrize(
    "size", [MAX_RECORD_BYTES + 1, MAX_RECORD_BYTES + 2, MAX_RECORD_BYTES + 3, 300_000, 2 * MAX_RECORD_BYTES + 4, 900_000]
)
def test_a_line_too_long_is_one_bad_line(cli: Cli, city_file: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "long.jsonl"
    for ending in (b"\n" + city_file.read_bytes(), b"\r\n" + city_file.read_bytes(), b""):
        path.write_bytes(city_file.read_bytes() + padded(size) + ending)
        result = cli("score", path, *AS_OF, "--json")
        assert result.code == 1
        assert [line.split(": ")[:2] for line in result.err.splitlines()] == [[f"{path}:{len(city()) + 1}", "oversized"]]
        assert result.out == cli("score", city_file, *AS_OF, "--json").out


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_the_longest_line(cli: Cli, city_file: Path, tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(padded(MAX_RECORD_BYTES) + ending)
    assert len(padded(MAX_RECORD_BYTES)) == MAX_RECORD_BYTES
    assert (cli("score", path, *AS_OF).code, cli("score", path, *AS_OF).err) == (0, "")


def test_binary_garbage(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "garbage.jsonl"
    path.write_bytes(bytes(range(256)) * 40 + b"\x1b[31m" + b"\xff" * 100)
    result = cli("score", path, *AS_OF)
    assert (result.code, result.out.strip()) == (1, "There are no scores to show.")
    assert all(line.startswith(f"{path}:") for line in result.err.splitlines())
    assert "\x1b" not in result.err


def test_a_rejection_is_one_line_whatever_it_names(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    event = city()[0] | {"event_id": "e\n\x1b[31m1"}
    other = event | {"name": "x"}
    path.write_bytes(
        b"\n".join(lines([event, other, event | {"type": "a\nb"}, event | {"source": "a\nb", "name": "\n" * 9, "department": "a\nb"}]))
    )
    result = cli("score", path, *AS_OF)
    assert [line.split(": ")[0] for line in result.err.splitlines()] == [f"{path}:2", f"{path}:3", f"{path}:4"]
    assert "\x1b" not in result.err


# --- wrong arguments


@pytest.mark.parametrize("as_of", ["", "yesterday", "2020-11-10", "2020-11-10T12:00:00", "2020-11-10T24:00:00Z", "2100-01-01T00:00:00Z"])
def test_a_wrong_as_of(cli: Cli, city_file: Path, as_of: str) -> None:
    cli("score", city_file, "--as-of", as_of).ends_with_a_sentence(2, "--as-of", "such as 2020-09-01T09:30:00+08:00")


def test_as_of_is_needed(cli: Cli, city_file: Path) -> None:
    cli("score", city_file).ends_with_a_sentence(2, "--as-of is needed", "for example --as-of 2020-")


@pytest.mark.parametrize("period", ["2020-13", "2020-9", "september", "", "２０２０-09"])
def test_a_wrong_period_is_not_an_empty_result(cli: Cli, city_file: Path, period: str) -> None:
    cli("score", city_file, *AS_OF, "--period", period).ends_with_a_sentence(2, "--period")


def test_a_department_or_period_without_scores(cli: Cli, city_file: Path) -> None:
    for arguments in (("--period", "2019-01"), ("--department", "91350100M000100Y43")):
        assert "no scores" in cli("score", city_file, *AS_OF, *arguments).out
        assert cli("score", city_file, *AS_OF, *arguments, "--json").out == ""


@pytest.mark.parametrize("content", [None, b"\xff", b"name: x", b"seed: [", b"[]"])
def test_a_wrong_ruleset(cli: Cli, city_file: Path, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "city.yaml"
    if content is not None:
        path.write_bytes(content)
    cli("score", city_file, *AS_OF, "--ruleset", path).ends_with_a_sentence(2, f"ruleset {path}")
    cli("score", city_file, *AS_OF, RULESET=str(path)).ends_with_a_sentence(2, "ONESTOP_RULESET", str(path))


def test_another_ruleset(cli: Cli, city_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "city.yaml"
    path.write_text("name: city\nseed: x\npolicies: {zero_denominator: zero}\n", encoding="utf-8")
    by_option = cli("score", city_file, *AS_OF, "--json", "--ruleset", path)
    assert by_option.records[0]["ruleset"].startswith("city@")
    assert by_option.out == cli("score", city_file, *AS_OF, "--json", RULESET=str(path)).out
    points = {r["indicator"]: r["points"] for r in by_option.records if (r["department"], r["period"]) == (D1, "2020-09")}
    assert points["licence_repair"] == 0
