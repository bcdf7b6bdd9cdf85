"""A report as CSV: one table, a row a department and indicator, that programs and spreadsheets read alike."""

from decimal import Decimal

from models.text import Language
from scoring.report import Report
from streams.serving.report.table import Cell, lines_of
from streams.serving.report.texts import translator
from streams.spreadsheets import csv_text

COLUMNS = (
    "period", "state", "code", "department", "rank", "ranked", "number", "indicator", "name", "kind", "formula", "numerator",
    "denominator", "status", "points", "points_exact", "max_points", "provisional", "reasons", "for", "against", "base", "deductions",
    "scored_max", "late", "would_be", "would_be_exact", "as_of", "ruleset", "version", "program", "made_at", "made_by",
)  # fmt: skip
BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for the encoding of the country


def csv_report(report: Report, language: Language) -> bytes:
    """The file's content."""
    t = translator(language)
    rows = ([_shown(row.get(name)) for name in COLUMNS] for row in lines_of(report, language))
    return (BYTE_ORDER_MARK + csv_text([[t(name) for name in COLUMNS], *rows])).encode()


def _shown(cell: Cell) -> Cell | Decimal:
    return Decimal(f"{cell:.2f}") if isinstance(cell, float) else cell
