"""The table of a report, a row a department and indicator: what CSV and spreadsheets are written from."""

from collections.abc import Iterator
from fractions import Fraction

from models.records import ScoreRecord, TotalRecord
from models.text import Language
from scoring.indicators import BY_ID
from scoring.report import Line, Part, Report
from streams.serving.report.texts import kind_of, reasons_text, translator

Cell = str | int | float | Fraction | None
Row = dict[str, Cell]  # by the name of the column's text


def lines_of(report: Report, language: Language) -> Iterator[Row]:
    """A row an indicator of a department; the total of each department last."""
    for part in report.parts:
        for line in part.lines:
            yield {**_frame(report, part, language), **_line(part, line, language)}
        if part.total is not None:
            yield {**_frame(report, part, language), **_total(part, part.total, language)}


def adjustments_of(report: Report, language: Language) -> Iterator[Row]:
    """A row a late event and indicator, department by department, in the order of arrival."""
    t = translator(language)
    for part in report.parts:
        for late in part.adjustments:
            found = BY_ID.get(late.indicator)
            yield {
                "department": part.name,
                "code": part.code,
                "name": t("total") if found is None else found.title.in_(language),
                "indicator": late.indicator,
                "event": late.event_id,
                "arrived_at": late.arrived_at,
                "frozen": float(late.frozen["points"]) if late.frozen else None,
                "frozen_exact": _exact(late.frozen),
                "would_be": float(late.would_be["points"]),
                "would_be_exact": _exact(late.would_be),
            }


def _frame(report: Report, part: Part, language: Language) -> Row:
    t = translator(language)
    return {
        "period": report.period,
        "state": t("closed" if part.closed else report.state),
        "code": part.code,
        "department": part.name,
        "program": report.made.version,
        "made_at": report.made.at,
        "made_by": report.made.by,
    }


def _record(part: Part, record: ScoreRecord | TotalRecord, language: Language) -> Row:
    t = translator(language)
    late = part.adjusted(record.indicator)
    return {
        "indicator": record.indicator,
        "points": record.points,
        "points_exact": Fraction(record.points_exact),
        "max_points": record.max_points,
        "provisional": t("yes" if record.provisional else "no"),
        "reasons": reasons_text(record, language),
        "late": len(late) or None,
        "would_be": float(late[-1].would_be["points"]) if late else None,
        "would_be_exact": _exact(late[-1].would_be) if late else None,
        "as_of": record.as_of,
        "ruleset": record.ruleset,
        "version": record.version,
    }


def _line(part: Part, line: Line, language: Language) -> Row:
    t = translator(language)
    counted = line.counts or (None, None)
    return {
        **_record(part, line.record, language),
        "number": line.record.number,
        "name": line.indicator.title.in_(language),
        "kind": t(kind_of(line)),
        "formula": line.indicator.formula,
        "numerator": Fraction(line.record.numerator),
        "denominator": Fraction(line.record.denominator),
        "status": t(line.record.status) or t("scored"),
        "for": counted[0],
        "against": counted[1],
    }


def _total(part: Part, total: TotalRecord, language: Language) -> Row:
    t = translator(language)
    return {
        **_record(part, total, language),
        "name": t("total"),
        "kind": t("total"),
        "rank": total.rank,
        "ranked": total.ranked,
        "base": total.base_points,
        "deductions": total.deductions,
        "scored_max": total.scored_max,
    }


def _exact(record: dict[str, object]) -> Fraction | None:
    return Fraction(str(record["points_exact"])) if record else None
