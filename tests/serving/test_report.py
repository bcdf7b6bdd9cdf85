"""Reports: what is written is read back and compared with the records, cell by cell, in every format and both languages."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import streams.serving.report
from models.records import AdjustmentRecord, ScoreRecord, TotalRecord
from models.rulesets import Policies, default_ruleset
from models.settings import Settings
from scoring.context import create_context
from scoring.indicators import BY_ID, INDICATORS
from scoring.report import Made, Report
from scoring.scores import AnyRecord, with_ranks
from streams.serving.layout import Layout
from streams.serving.read_model import Freshness, Period, ReadModel, Status
from streams.serving.report.as_csv import COLUMNS, csv_report
from streams.serving.report.as_html import STYLESHEET, html_report
from streams.serving.report.as_xlsx import xlsx_report
from streams.serving.report.counts import EvidenceCounts
from streams.serving.report.live import live_report
from streams.serving.report.texts import POLICIES, TEXTS, reasons_text, translator
from streams.serving.web import create_app
from streams.serving.workers import NoAnswerError, Workers
from streams.serving.writer import Writer
from streams.spreadsheets import FORMULA_STARTS
from tests.cli.conftest import Cli, cli  # noqa: F401  # a fixture
from tests.serving.client import ask
from tests.serving.records import BEFORE, NOW, PERIOD, SECOND, A, B, C, beat, score, scores, status, text, total, write
from tests.serving.test_pages import read
from tests.support.xlsx import MAIN, Sheet, read_xlsx

EVIL = ["=1+1", "+A1", "-2+3", "@SUM(A1)", "\t=1", "＝1", "http://evil", "<script>alert(\"&')</script>"]
MADE = Made("2020-11-10T12:00:05+08:00", "=cmd", "0.1.0")
LANGUAGES = ["zh", "en"]


def adjustment(event: str, indicator: str = "instant_items", **changes: Any) -> AdjustmentRecord:
    frozen, would_be = score().model_dump(), score(points=4.5, points_exact="9/2").model_dump()
    values = {
        "department": A, "period": PERIOD, "indicator": indicator, "event_id": event, "arrived_at": text(NOW - SECOND), "frozen": frozen,
        "would_be": would_be, **changes,
    }  # fmt: skip
    return AdjustmentRecord(**values)


def counts(department: str, period: str) -> dict[str, tuple[int, int]]:
    return {i.id: (i.number, int(department == A)) for i in INDICATORS}


def nobody(department: str, period: str) -> dict[str, tuple[int, int]]:
    raise NoAnswerError("no worker answers; start one")


def answered_by(answer: EvidenceCounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers' answer be this one."""
    monkeypatch.setattr(Workers, "evidence_counts", lambda self, department, period: answer(department, period))


class Fake:
    """A read model of two departments: B before A, whose name and identifiers are what a spreadsheet would run."""

    def __init__(self, *, closed: bool = False, **changes: Any) -> None:
        self.records: list[AnyRecord] = [*scores(A, points="50", **changes), *scores(B, points="181/3", **changes)]
        self.replace(
            score(
                "case_aggregation",
                **{**changes, "status": "zeroed", "points": 0, "points_exact": "0", "reasons": ["not_docked", f"complaint:{EVIL[0]}"]},
            )
        )
        self.replace(score("online_depth", status="no_data", numerator="0", denominator="0", points=0, points_exact="0", **changes))
        self.replace(score("overdue_completion", points=10, points_exact="10", numerator=str(2**60), denominator="201/20", **changes))
        self.closed = [PERIOD] if closed else []
        self.late = (
            [
                adjustment(EVIL[1]),
                adjustment("E2", would_be=score(points=2.5, points_exact="5/2").model_dump()),
                adjustment("E3", "total", frozen={}, would_be=total(A, points="-5/2").model_dump()),
            ]
            if closed
            else []
        )
        self.names = {A: EVIL[0], B: EVIL[-1]}
        self.fresh = Freshness(NOW, (), (), NOW)

    def replace(self, record: ScoreRecord) -> None:
        place = next(n for n, held in enumerate(self.records) if (held.department, held.indicator) == (record.department, record.indicator))
        self.records[place] = record

    def periods(self) -> list[Period]:
        return [Period(period=PERIOD, state="closed" if self.closed else "open", starts_at="", ends_at="", current=True)]

    def scores(self, period: str, department: str | None = None) -> list[AnyRecord]:
        return [r for r in with_ranks(self.records) if r.period == period and department in (None, r.department)]

    def status(self) -> Status:
        return Status({code: status(code, name, closed_periods=self.closed) for code, name in self.names.items()})

    def freshness(self, status: Status | None = None) -> Freshness:
        return self.fresh

    def adjustments(self, period: str, department: str | None = None, indicator: str | None = None) -> list[AdjustmentRecord]:
        return [held for held in self.late if department in (None, held.department)]


def made(fake: Fake, language: str = "en", department: str | None = None, asked: Any = counts) -> Report:
    found = live_report(fake, asked, lambda rulesets: Policies() if rulesets == ["default@0"] else None, PERIOD, department, MADE, language)  # type: ignore[arg-type]
    assert found is not None
    return found


def closed() -> Fake:
    return Fake(closed=True, provisional=False, reasons=[])


def by_key(fake: Fake) -> dict[tuple[str, str], Any]:
    return {(r.department, r.indicator): r for r in fake.scores(PERIOD)}


def csv_rows(content: bytes, language: str) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    t = translator(language)  # type: ignore[arg-type]
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert head == [t(name) for name in COLUMNS]
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def unescaped(cell: str) -> str:
    assert not cell.startswith(FORMULA_STARTS) or re.fullmatch(r"-\d+(\.\d+|/\d+)?", cell), cell
    return cell.removeprefix("'")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", [Fake, closed])
def test_csv_says_what_the_records_say(language: Any, source: Callable[[], Fake]) -> None:
    fake = source()
    t = translator(language)
    rows = csv_rows(csv_report(made(fake, language), language), language)
    records = by_key(fake)
    assert [(row["code"], row["indicator"]) for row in rows] == [(code, i) for code in (B, A) for i in [*BY_ID, "total"]]
    for row in rows:
        record = records[row["code"], row["indicator"]]
        assert (unescaped(row["department"]), row["period"]) == (fake.names[record.department], PERIOD)
        assert (row["points"], row["points_exact"], row["max_points"]) == (
            f"{record.points:.2f}",
            record.points_exact,
            str(record.max_points),
        )
        assert row["provisional"] == t("yes" if record.provisional else "no")
        assert row["reasons"] == reasons_text(record, language)
        assert (row["as_of"], row["ruleset"], row["version"]) == (record.as_of, record.ruleset, str(record.version))
        assert row["state"] == t("closed" if fake.closed else "open")
        assert (row["program"], row["made_at"], unescaped(row["made_by"])) == (MADE.version, MADE.at, MADE.by)
        late = [a for a in fake.late if (a.department, a.indicator) == (record.department, record.indicator)]
        last = [f"{late[-1].would_be['points']:.2f}", late[-1].would_be["points_exact"]] if late else ["", ""]
        assert [row["late"], row["would_be"], row["would_be_exact"]] == [str(len(late) or ""), *last]
        if isinstance(record, TotalRecord):
            assert [row[n] for n in ("rank", "ranked", "scored_max")] == [str(record.rank), "2", "100"]
            assert [row["base"], row["deductions"]] == [f"{record.base_points:.2f}", f"{record.deductions:.2f}"]
            assert [row[n] for n in ("number", "numerator", "for", "against")] == [""] * 4
        else:
            indicator = BY_ID[record.indicator]
            assert [row["number"], row["name"], row["formula"]] == [str(indicator.number), indicator.title.in_(language), indicator.formula]
            assert [row["numerator"], row["denominator"]] == [record.numerator, record.denominator]
            assert row["status"] == (t(record.status) or t("scored"))
            assert (int(row["for"]), int(row["against"])) == counts(record.department, PERIOD)[record.indicator]
            assert row["kind"] == t("deduction_kind" if indicator.number >= 14 else "base_kind")
            assert row["rank"] == row["base"] == ""


def shown(value: str) -> float | str:
    """How the workbook holds an exact numerator: as a number where a spreadsheet can hold it exactly."""
    exact = Fraction(value)
    return float(exact) if exact.denominator == 1 and exact <= 2**53 else value


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", [Fake, closed])
def test_the_workbook_says_what_the_records_say(language: Any, source: Callable[[], Fake]) -> None:
    fake = source()
    t = translator(language)
    sheets = read_xlsx(xlsx_report(made(fake, language), language))
    assert list(sheets) == [t(name) for name in ("summary", "details", "adjustments", "notes")]
    records = by_key(fake)

    ranking = sheets[t("summary")].records(t("rank"))
    assert [row[t("code")] for row in ranking] == [B, A]
    for row in ranking:
        code = str(row[t("code")])
        held = records[code, "total"]
        assert (row[t("department")], row[t("rank")], row[t("total")], row[t("points_exact")]) == (
            fake.names[code],
            held.rank,
            held.points,
            held.points_exact,
        )
        assert (row[t("base")], row[t("deductions")], row[t("as_of")]) == (held.base_points, held.deductions, held.as_of)
        assert (row[t("state")], row[t("reasons")] or "") == (t("closed" if fake.closed else "open"), reasons_text(held, language))
        for indicator in INDICATORS:
            record = records[code, indicator.id]
            cell = row[f"{indicator.number} {indicator.title.in_(language)}"]
            assert cell == (t("no_data") if record.status == "no_data" else record.points)

    details = sheets[t("details")].records(t("department"))
    assert [(row[t("code")], row[t("number")]) for row in details] == [(code, i.number) for code in (B, A) for i in INDICATORS]
    for row in details:
        indicator = INDICATORS[int(row[t("number")]) - 1]  # type: ignore[arg-type]
        record = records[str(row[t("code")]), indicator.id]
        assert (row[t("name")], row[t("formula")]) == (indicator.title.in_(language), indicator.formula)
        assert (row[t("numerator")], row[t("denominator")]) == (shown(record.numerator), shown(record.denominator))
        assert (row[t("points")], row[t("points_exact")], row[t("max_points")]) == (record.points, record.points_exact, record.max_points)
        assert (row[t("status")], row[t("reasons")] or "") == (t(record.status) or t("scored"), reasons_text(record, language))
        assert (row[t("for")], row[t("against")]) == counts(record.department, PERIOD)[record.indicator]
        assert row[t("provisional")] == t("yes" if record.provisional else "no")

    late = sheets[t("adjustments")].records(t("department"))
    assert [(row[t("event")], row[t("arrived_at")], row[t("would_be")], row[t("would_be_exact")]) for row in late] == [
        (a.event_id, a.arrived_at, a.would_be["points"], a.would_be["points_exact"]) for a in fake.late
    ]
    assert [row[t("name")] for row in late] == [
        BY_ID[a.indicator].title.in_(language) if a.indicator in BY_ID else t("total") for a in fake.late
    ]
    assert [row[t("frozen_exact")] for row in late] == [a.frozen.get("points_exact") for a in fake.late]
    assert (t("no_adjustments") in sheets[t("adjustments")].texts) == (not late)

    notes = sheets[t("notes")]
    assert [row[t("inputs")] for row in notes.records(t("number"))] == [i.inputs.in_(language) for i in INDICATORS]
    assert set(Policies.model_fields) <= set(notes.texts)
    for sheet in sheets.values():
        heading = str(sheet.cells[1, 0])
        assert all(
            part in heading
            for part in (PERIOD, t("closed" if fake.closed else "open"), "default@0", "onestop 0.1.0", "=cmd", "2020-11-10 12:00:00")
        )
        assert (t("provisional_note") in sheet.texts) == (not fake.closed)
        assert (t("final_note") in sheet.texts) == bool(fake.closed)
    assert any(t("approved") in value for value in sheets[t("summary")].texts)


def child(sheet: Sheet, name: str) -> dict[str, str]:
    found = next(sheet.xml.iter(f"{MAIN}{name}"))
    return found.attrib


def test_the_workbook_is_set_up_for_paper_and_for_the_screen() -> None:
    content = xlsx_report(made(closed(), "zh"), "zh")
    sheets = read_xlsx(content)
    for sheet in sheets.values():
        assert child(sheet, "pageSetup").items() >= {"paperSize": "9", "orientation": "landscape", "fitToHeight": "0"}.items()
        assert child(sheet, "pageSetUpPr") == {"fitToPage": "1"}
        assert int(child(sheet, "pane")["ySplit"]) == 4  # title, heading, notice, titles of columns
        assert "&P" in (next(sheet.xml.iter(f"{MAIN}oddFooter")).text or "")
        assert all(float(column.attrib["width"]) >= 6 for column in sheet.xml.iter(f"{MAIN}col"))
    details = sheets["明细"]
    titles = [str(title) for title in details.row(details.row_of("部门"))]
    formats = {
        title: details.formats[details.row_of("部门") + 1, column]
        for column, title in enumerate(titles)
        if (details.row_of("部门") + 1, column) in details.formats
    }
    assert (formats["得分"], formats["精确值"], formats["序号"]) == ("0.00", "@", "0")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        book = archive.read("xl/workbook.xml").decode()
        assert re.findall(r'"_xlnm.Print_Area"[^>]*>(.*?)<', book) == ["明细!$A$1:$N$36", "汇总!$A$1:$V$14"]
        assert re.findall(r'"_xlnm.Print_Titles"[^>]*>(.*?)<', book) == [f"{name}!$4:$4" for name in ("关闭后调整", "明细", "汇总", "说明")]
        assert b"2020-11-10T04:00:00Z" in archive.read("docProps/core.xml")


def test_equal_reports_are_equal_files() -> None:
    for write_report in (xlsx_report, csv_report):
        assert write_report(made(closed(), "zh"), "zh") == write_report(made(closed(), "zh"), "zh")
    assert xlsx_report(made(closed()), "en") != xlsx_report(made(Fake()), "en")


@pytest.mark.parametrize("name", EVIL)
def test_no_text_is_run(name: str) -> None:
    fake = closed()
    fake.names[A] = name
    fake.late[0] = adjustment(name)
    fake.replace(score("docking_depth", reasons=[name]))
    report = made(fake)
    sheets = read_xlsx(xlsx_report(report, "en"))  # refuses formulas and links
    assert sheets["Summary"].records("Rank")[1]["Department"] == name
    assert sheets["Adjustments"].records("Department")[0]["Event id"] == name
    assert name in [row["Reasons"] for row in sheets["Details"].records("Department")]
    rows = csv_rows(csv_report(report, "en"), "en")
    assert {unescaped(row["department"]) for row in rows} == {name, fake.names[B]}
    assert name in {unescaped(row["reasons"]) for row in rows}
    page = read(html_report(report, "en", alone=False))
    assert any(name.strip() in part for part in page.texts)


def test_a_text_longer_than_a_cell_is_cut_and_says_so() -> None:
    fake = Fake()
    fake.replace(score("docking_depth", reasons=[f"complaint:{n:040d}" for n in range(1_000)]))
    [reasons] = [
        r["Reasons"] for r in read_xlsx(xlsx_report(made(fake), "en"))["Details"].records("Department") if r["Code"] == A and r["No."] == 3
    ]
    assert len(str(reasons)) == 32_767
    assert str(reasons).endswith("…")


class Tables(HTMLParser):
    """The rows of all tables, each cell's text with its parts apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[list[str]]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append([])
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.rows[-1][-1].append(data.strip())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", [Fake, closed])
def test_the_page_says_what_the_records_say(language: Any, source: Callable[[], Fake]) -> None:
    fake = source()
    t = translator(language)
    page = html_report(made(fake, language), language, alone=False)
    texts = read(page).texts
    rows = Tables(page).rows
    records = by_key(fake)
    for code in (A, B):
        held = records[code, "total"]
        [ranked] = [row for row in rows if row[0] == [str(held.rank)] and row[1] == [fake.names[code]]]
        assert [cell[0].rstrip("*") for cell in ranked[2:5]] == [f"{held.points:.2f}", f"{held.base_points:.2f}", f"{held.deductions:.2f}"]
        assert [cell[0] for cell in ranked[5:]] == [
            "–" if records[code, i.id].status == "no_data" else f"{records[code, i.id].points:.2f}" for i in INDICATORS
        ]
    for place, (code, indicator) in enumerate([(code, i) for code in (B, A) for i in INDICATORS]):
        found = [row for row in rows if len(row) == 9 and row[1] == [indicator.title.in_(language), indicator.formula]]
        assert len(found) == 2
        row, record = found[place // 16], records[code, indicator.id]
        minus = "−" if indicator.deduction and record.points else ""
        expected = [
            [str(indicator.number)], [indicator.title.in_(language), indicator.formula], [record.numerator], [record.denominator],
            [t(record.status) or t("scored"), *([t("provisional")] if record.provisional else [])],
            [f"{minus}{record.points:.2f}", record.points_exact], [f"{'−' if indicator.deduction else ''}{record.max_points}"],
            ["{} / {}".format(*counts(code, PERIOD)[indicator.id])], [reasons_text(record, language)] if record.reasons else [],
        ]  # fmt: skip
        assert row == expected
    events = [[row[1][0], row[2][0], row[4]] for row in rows if row[1:] and row[1][:1] and row[1][0] in {a.event_id for a in fake.late}]
    assert events == [[a.event_id, "2020-11-10 11:59:59", [f"{a.would_be['points']:.2f}", a.would_be["points_exact"]]] for a in fake.late]
    assert (t("provisional_note") in texts) == (not fake.closed)
    assert texts.count(t("approved")) == 3
    assert all(value in texts for value in ("default@0", "2020-11-10 12:00:00", "onestop 0.1.0", "2020-11-10 12:00:05", "=cmd"))
    assert t("no_adjustments") in texts  # of B


def test_a_page_in_a_file_stands_alone() -> None:
    page = html_report(made(closed(), "zh"), "zh", alone=True)
    assert STYLESHEET.read_text(encoding="utf-8") in page
    assert not re.search(r"<script|<link|src=|href=|@import|url\(|https?:", page.replace("http://evil", ""))
    assert 'lang="zh-CN"' in page


def test_one_department() -> None:
    fake = closed()
    report = made(fake, department=B)
    assert [part.code for part in report.parts] == [B]
    assert (report.parts[0].total.rank, report.parts[0].total.ranked) == (1, 2)  # type: ignore[union-attr]
    page = html_report(report, "en", alone=False)
    assert A not in page
    assert 'class="sheet summary"' not in page


def test_what_a_second_closing_took_in_is_no_adjustment_any_more() -> None:
    fake = closed()
    before = score(as_of=text(NOW - 48 * 3_600 * SECOND)).model_dump()
    fake.late.insert(0, adjustment("of the first closing", frozen=before))
    assert [a.event_id for a in made(fake).adjustments] == [a.event_id for a in fake.late[1:]]
    fake.records = Fake(as_of=text(NOW + SECOND)).records  # reopened since
    assert [a.event_id for a in made(fake).adjustments if a.frozen] == []


def test_a_department_that_is_closed_in_a_period_that_is_not() -> None:
    fake = closed()
    fake.closed = []
    whole = fake.status()
    whole.departments[A] = status(A, "甲", closed_periods=[PERIOD])
    fake.status = lambda: whole  # type: ignore[method-assign]
    report = made(fake)
    assert {row["code"]: row["state"] for row in csv_rows(csv_report(report, "en"), "en")} == {A: "closed", B: "open"}
    assert [(row["Code"], row["State"]) for row in read_xlsx(xlsx_report(report, "en"))["Summary"].records("Rank")] == [
        (B, "open"),
        (A, "closed"),
    ]
    assert re.findall(r"<dt>State</dt><dd>(\w+)</dd>", html_report(report, "en", alone=False)) == ["open", "open", "open", "open", "closed"]


def test_no_scores_are_no_report() -> None:
    fake = Fake()
    fake.records = []
    assert live_report(fake, nobody, lambda rulesets: None, PERIOD, None, MADE, "en") is None


def test_what_may_be_missing_is_said() -> None:
    fake = Fake()
    assert made(fake).warnings == []
    fake.fresh = Freshness(NOW - 90 * SECOND, (), (1,), NOW)
    assert [warning[:23] for warning in made(fake, asked=None).warnings] == [
        "The data may be out of ",
        "A backlog is being work",
        "No worker has answered:",
    ]
    fake.fresh = Freshness(None, (3, 4), (), NOW)
    report = made(fake, "zh", asked=None)
    assert "3, 4" in report.warnings[0]
    assert all(line.counts is None for part in report.parts for line in part.lines)
    page = read(html_report(report, "zh", alone=False)).texts
    assert set(report.warnings) <= set(page)
    assert set(report.warnings) <= set(read_xlsx(xlsx_report(report, "zh"))["汇总"].texts)
    assert {row["for"] for row in csv_rows(csv_report(report, "zh"), "zh")} == {""}


def test_records_that_are_not_all_there() -> None:
    """While a projector catches up: an indicator and a total are missing, and one of a newer version is there."""
    fake = Fake()
    newer = score(department=A).model_copy(update={"indicator": "of_a_newer_version", "number": 17})
    fake.records = [r for r in fake.records if r.department == A and r.indicator not in ("docking_depth", "total")] + [newer]
    report = made(fake)
    assert len(report.parts[0].lines) == 15
    assert len(read_xlsx(xlsx_report(report, "en"))["Details"].records("Department")) == 15
    assert len(csv_rows(csv_report(report, "en"), "en")) == 15
    read(html_report(report, "en", alone=False))


def test_policies_are_those_of_the_records_or_not_listed() -> None:
    report = made(Fake(ruleset="city@1"))
    assert report.policies is None
    for texts in (read(html_report(report, "en", alone=False)).texts, read_xlsx(xlsx_report(report, "en"))["Notes"].texts):
        assert "grace_workdays" not in texts
        assert TEXTS["policies_elsewhere"].en in texts


def test_every_text_is_used_and_every_policy_has_one() -> None:
    directory = Path(streams.serving.report.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in [*directory.glob("*.py"), directory.parent / "templates" / "report.html"])
    used = {name for name in TEXTS if len(re.findall(rf"[\"']{name}[\"']", source)) > 1}
    assert used == set(TEXTS)
    assert set(POLICIES) <= set(Policies.model_fields)


# The web


@pytest.fixture
async def filled(writer: Writer, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    late = [adjustment("E1")]
    monkeypatch.setattr(
        ReadModel,
        "adjustments",
        lambda self, period, department=None, indicator=None: [a for a in late if department in (None, a.department)],
        raising=False,
    )
    await write(
        writer,
        layout,
        *scores(A, points="50"),
        *scores(B, points="60"),
        *scores(A, BEFORE),
        status(A, EVIL[-1]),
        status(B, "乙"),
        beat(0),
        beat(1),
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.usefixtures("filled")
async def test_the_web_serves_the_report(settings: Settings, model: ReadModel, language: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answered_by(counts, monkeypatch)
    app = create_app(settings.model_copy(update={"lang": language}), model)
    t = translator(language)
    answer = await ask(app, f"/departments/{A}/report?period={PERIOD}")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    texts = read(answer.text).texts
    assert {"E1", "2 / 2", "2 / 1", "everyone", t("provisional_note"), t("policies_elsewhere")} <= set(texts)
    assert t("no_counts") not in texts
    assert '<link rel="stylesheet" href="/static/report.css">' in answer.text
    assert B not in answer.text
    assert answer.text.count(PERIOD) > 1
    assert (await ask(app, f"/departments/{A}/report?period={BEFORE}")).text.count(BEFORE) > 1
    assert f'href="/departments/{A}/report?period={PERIOD}"' in (await ask(app, f"/departments/{A}")).text


@pytest.mark.usefixtures("filled")
async def test_the_web_shows_the_report_without_counts(settings: Settings, model: ReadModel, monkeypatch: pytest.MonkeyPatch) -> None:
    answered_by(nobody, monkeypatch)
    answer = await ask(create_app(settings, model), f"/departments/{A}/report")
    assert answer.status == 200
    assert TEXTS["no_counts"].en in read(answer.text).texts


@pytest.mark.usefixtures("filled")
async def test_there_is_no_report_without_scores(settings: Settings, model: ReadModel) -> None:
    app = create_app(settings, model)
    for url in (f"/departments/{C}/report", f"/departments/{A}/report?period=2019-01"):
        answer = await ask(app, url, accept="text/html")
        assert answer.status == 404
        assert f"{PERIOD}, {BEFORE}" in answer.text


async def test_an_empty_read_model_has_no_report(settings: Settings, model: ReadModel) -> None:
    answer = await ask(create_app(settings, model), f"/departments/{A}/report")
    assert answer.status == 404
    assert "none yet" in answer.text


async def test_the_stylesheet_takes_nothing_from_elsewhere(settings: Settings, model: ReadModel) -> None:
    answer = await ask(create_app(settings, model), "/static/report.css")
    assert answer.status == 200
    assert not re.search(r"https?://|@import|url\(", answer.text)


# The command, live


def environment(settings: Settings) -> dict[str, str]:
    return {"REDIS_URL": settings.redis_url, "TOPIC_PREFIX": settings.topic_prefix, "PARTITIONS": "2"}


@pytest.mark.usefixtures("filled")
async def test_the_command_reports_live(settings: Settings, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    answered_by(counts, monkeypatch)
    done = cli("report", "--period", PERIOD, "--format", "csv", "--by", "wang", **environment(settings))
    assert (done.code, done.err) == (0, "")
    rows = csv_rows(done.out.encode(), "en")
    assert [row["code"] for row in rows[::17]] == [B, A]
    assert {row["made_by"] for row in rows} == {"wang"}
    assert [row["late"] for row in rows if row["late"]] == ["1"]


@pytest.mark.usefixtures("filled")
async def test_the_command_ends_when_no_worker_answers(
    settings: Settings,
    cli: Cli,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered_by(nobody, monkeypatch)
    path = tmp_path / "report.html"
    cli("report", "--period", PERIOD, "--format", "html", "--output", path, **environment(settings)).ends_with_a_sentence(
        3, "no worker answers; start one"
    )
    assert not path.exists()


@pytest.mark.usefixtures("filled")
async def test_the_command_lists_the_periods(settings: Settings, cli: Cli) -> None:  # noqa: F811
    for more in ([], ["--department", C]):
        done = cli("report", "--period", "2019-01", "--format", "csv", *more, **environment(settings))
        done.ends_with_a_sentence(1, "2019-01", f"{PERIOD}, {BEFORE}", *more[1:])


@pytest.mark.usefixtures("filled")
async def test_the_command_lists_the_policies_of_the_records_ruleset(
    settings: Settings,
    writer: Writer,
    layout: Layout,
    cli: Cli,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    answered_by(counts, monkeypatch)
    arguments = ("report", "--period", BEFORE, "--format", "html")
    assert "grace_workdays" not in cli(*arguments, **environment(settings)).out
    identity = create_context(default_ruleset(), NOW).identity
    await write(writer, layout, *scores(A, BEFORE, version=2, ruleset=identity))
    page = cli(*arguments, **environment(settings)).out
    assert identity in page
    assert "grace_workdays" in page
    later = tmp_path / "later.yaml"  # the ruleset in force is the previous one of another by now
    later.write_text("name: later\nseed: x\nvalid_from: 2099-01\n", encoding="utf-8")
    assert "grace_workdays" in cli(*arguments, **environment(settings), RULESET=str(later)).out
