"""A report as a workbook: a sheet each for the ranking, all indicators, adjustments and notes, ready to print on A4.

Texts are written as texts whatever they begin with: nothing of a record becomes a formula, a link or a number. Equal reports give equal
bytes.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_range

from models.instants import from_instant, parse_instant
from models.text import Language
from scoring.indicators import BY_ID, INDICATORS
from scoring.report import Part, Report
from streams.serving.report.table import Cell, adjustments_of, lines_of
from streams.serving.report.texts import SIGNATURES, heading, notices, policy_rows, reasons_text, remarks, translator

OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
A4 = 9
# Columns with their widths in characters; what would make the print too small to read stands behind the printed ones.
SUMMARY = {
    "rank": 6, "department": 24, "total": 9, "base": 9, "deductions": 9, **dict.fromkeys(BY_ID, 6.5), "provisional": 9,
    "code": 21, "points_exact": 14, "scored_max": 9, "reasons": 26, "state": 9, "as_of": 26,
}  # fmt: skip
DETAILS = {
    "department": 20, "number": 6, "name": 22, "formula": 32, "numerator": 10, "denominator": 10, "status": 9, "points": 9,
    "points_exact": 13, "max_points": 7, "for": 9, "against": 9, "provisional": 8, "reasons": 22,
    "code": 21, "kind": 10, "late": 9, "would_be": 9, "would_be_exact": 14,
}  # fmt: skip
PRINTED = {"summary": "provisional", "details": "reasons"}  # the last column that is printed; of other sheets all are
ADJUSTMENTS = {
    "department": 24, "code": 21, "name": 26, "event": 40, "arrived_at": 30, "frozen": 9, "frozen_exact": 14, "would_be": 9,
    "would_be_exact": 14,
}  # fmt: skip
NOTES = {"number": 20, "name": 28, "max_points": 10, "formula": 44, "inputs": 60, "lost": 34}
TWO_DECIMALS = ("points", "total", "base", "deductions", "frozen", "would_be")
TURNED_HEIGHT = 130  # points, of the longest title
LONGEST = 32_767  # characters in a cell
LARGEST = 2**53  # beyond it a spreadsheet's numbers are no longer exact


def xlsx_report(report: Report, language: Language) -> bytes:
    """The file's content."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, OPTIONS) as book:
        writer = _Writer(book, report, language)
        writer.summary()
        writer.details()
        writer.adjustments()
        writer.notes()
    return content.getvalue()


class _Writer:
    """Writes the sheets, one after the other."""

    def __init__(self, book: Any, report: Report, language: Language) -> None:
        self._book = book
        self._report = report
        self._language = language
        self._t = translator(language)
        self._colon = "：" if language == "zh" else ": "
        # The only time in a workbook: not that of writing, so that equal reports are equal files.
        book.set_properties(
            {"title": f"{self._t('title')} {report.period}", "created": from_instant(parse_instant(report.as_of)).replace(tzinfo=None)}
        )
        shape = {"valign": "vcenter", "border": 1, "border_color": "#B8C2CC", "font_size": 10}
        self._title = book.add_format({"bold": True, "font_size": 15})
        self._bold = book.add_format({"bold": True})
        self._warning = book.add_format({"bold": True, "font_color": "#B3261E"})
        self._head = book.add_format({**shape, "bold": True, "bg_color": "#E6EEF9", "text_wrap": True, "align": "center"})
        self._turned = book.add_format({**shape, "bold": True, "bg_color": "#E6EEF9", "rotation": 90, "align": "center"})
        self._text = book.add_format({**shape, "text_wrap": True})
        self._whole = book.add_format({**shape, "num_format": "0"})
        self._points = book.add_format({**shape, "num_format": "0.00"})
        self._exact = book.add_format({**shape, "num_format": "@", "align": "right"})

    def summary(self) -> None:
        """Departments by rank, with the points of every indicator, and the place to sign."""
        indicators = {i.id: f"{i.number} {i.title.in_(self._language)}" for i in INDICATORS}
        sheet, first = self._sheet("summary", SUMMARY, [indicators.get(name) or self._t(name) for name in SUMMARY], frozen=2)
        sheet.set_row(first - 1, TURNED_HEIGHT)
        for column, name in enumerate(SUMMARY):
            if name in indicators:
                sheet.write_string(first - 1, column, indicators[name], self._turned)
        rows = [self._ranked(part) for part in self._report.parts]
        end = self._rows(sheet, first, list(SUMMARY), rows)
        for place, name in enumerate(SIGNATURES):
            sheet.write_string(end + 1 + 2 * place, 1, f"{self._t(name)}{self._colon}________________________", self._bold)
        self._print_up_to(sheet, "summary", SUMMARY, end + 2 * len(SIGNATURES))

    def _ranked(self, part: Part) -> dict[str, Cell]:
        total = part.total
        row: dict[str, Cell] = {
            "department": part.name,
            "code": part.code,
            **{line.indicator.id: line.record.points for line in part.lines},
        }
        row |= {line.indicator.id: self._t("no_data") for line in part.lines if line.record.status == "no_data"}
        if total is None:
            return row
        return {
            **row,
            "rank": total.rank,
            "total": total.points,
            "points_exact": Fraction(total.points_exact),
            "base": total.base_points,
            "deductions": total.deductions,
            "scored_max": total.scored_max,
            "provisional": self._t("yes" if total.provisional else "no"),
            "reasons": reasons_text(total, self._language),
            "state": self._t("closed" if part.closed else self._report.state),
            "as_of": total.as_of,
        }

    def details(self) -> None:
        """A row a department and indicator."""
        rows = [row for row in lines_of(self._report, self._language) if "number" in row]  # totals stand in the summary
        sheet, end = self._table("details", DETAILS, rows, frozen=3)
        self._print_up_to(sheet, "details", DETAILS, end)

    def adjustments(self) -> None:
        """A row a late event and indicator, or why there are none."""
        rows = list(adjustments_of(self._report, self._language))
        sheet, end = self._table("adjustments", ADJUSTMENTS, rows)
        if not rows:
            sheet.write_string(end, 0, self._t("no_adjustments" if self._report.knows_arrivals else "no_arrivals"))

    def notes(self) -> None:
        """What every number means: indicators with formulas and inputs, the policies, how to read the rest."""
        rows: list[dict[str, Cell]] = [
            {
                "number": i.number,
                "name": i.title.in_(self._language),
                "max_points": i.max_points,
                "formula": i.formula,
                "inputs": i.inputs.in_(self._language),
                "lost": i.lost.in_(self._language),
            }
            for i in INDICATORS
        ]
        sheet, end = self._table("notes", NOTES, rows)
        policies = policy_rows(self._report, self._language)
        sheet.write_string(end + 1, 0, self._t("policies"), self._bold)
        for place, policy in enumerate(policies, start=end + 2):
            for column, text in enumerate(policy):
                sheet.write_string(place, column, text)
        end += 2 + len(policies)
        lines = remarks(self._report, self._language) + ([] if policies else [self._t("policies_elsewhere")])
        for place, remark in enumerate(lines, start=end):
            sheet.write_string(place, 0, remark)

    def _table(self, name: str, widths: Mapping[str, float], rows: Sequence[dict[str, Cell]], frozen: int = 0) -> tuple[Any, int]:
        sheet, first = self._sheet(name, widths, [self._t(column) for column in widths], frozen)
        end = self._rows(sheet, first, list(widths), rows)
        if rows:
            sheet.autofilter(first - 1, 0, end - 1, len(widths) - 1)
        return sheet, end

    @staticmethod
    def _print_up_to(sheet: Any, name: str, columns: Mapping[str, float], end: int) -> None:
        sheet.print_area(0, 0, end - 1, list(columns).index(PRINTED[name]))

    def _sheet(self, name: str, widths: Mapping[str, float], titles: Sequence[str], frozen: int) -> tuple[Any, int]:
        """A sheet with the heading and the titles of its columns; and the number of the row after them."""
        sheet = self._book.add_worksheet(self._t(name))
        sheet.write_string(0, 0, f"{self._t('title')} {self._report.period} · {self._t(name)}", self._title)
        sheet.write_string(1, 0, "    ".join(f"{label}{self._colon}{value}" for label, value in heading(self._report, self._language)))
        said = notices(self._report, self._language)
        alarming = self._report.provisional or len(said) > 1
        for place, notice in enumerate(said, start=2):
            sheet.write_string(place, 0, notice, self._warning if alarming else self._bold)
        row = 2 + len(said)
        for column, (title, width) in enumerate(zip(titles, widths.values(), strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(row, column, title, self._head)
        sheet.freeze_panes(row + 1, frozen)
        sheet.repeat_rows(row)
        sheet.set_landscape()
        sheet.set_paper(A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer(f"&L{self._t('title')} {self._report.period}&R{self._t('page')}")
        return sheet, row + 1

    def _rows(self, sheet: Any, first: int, names: Sequence[str], rows: Iterable[dict[str, Cell]]) -> int:
        """Write rows; the number of the row after them."""
        end = first
        for end, row in enumerate(rows, start=first + 1):
            for column, name in enumerate(names):
                self._cell(sheet, end - 1, column, name, row.get(name))
        if end > first:
            # 3/4 and the like are texts on purpose.
            sheet.ignore_errors({"number_stored_as_text": xl_range(first, 0, end - 1, len(names) - 1)})
        return end

    def _cell(self, sheet: Any, row: int, column: int, name: str, value: Cell) -> None:
        if value is None:
            sheet.write_blank(row, column, None, self._text)
        elif isinstance(value, str):
            # Beyond that length nothing would be written, without a word.
            sheet.write_string(row, column, value if len(value) <= LONGEST else value[: LONGEST - 1] + "…", self._text)
        elif isinstance(value, Fraction) and (name.endswith("exact") or value.denominator != 1 or abs(value) > LARGEST):
            sheet.write_string(row, column, str(value), self._exact)
        else:
            two_decimals = name in TWO_DECIMALS or isinstance(value, float)
            sheet.write_number(row, column, float(value) if two_decimals else int(value), self._points if two_decimals else self._whole)
