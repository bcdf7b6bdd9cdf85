"""`onestop explain`: the formula with its numbers, and the very cases counted for and against."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text as RichText

from models.instants import format_instant
from models.records import ScoreRecord
from scoring.evidence import Evidence, evidence
from scoring.indicators import BY_ID
from scoring.indicators.base import Indicator
from scoring.local_time import parse_period
from scoring.scores import score_indicator
from scoring.view import View, scored_periods
from streams.cli.offline import AsOf, Json, RulesetOption, fold_files
from streams.cli.support import Exit, Rejections, fail, is_period, output, print_json, say, the_settings, the_zone

SHOWN_ROWS = 200


def explain(
    department: Annotated[str, typer.Argument(help="The department's code.")],
    period: Annotated[str, typer.Argument(help="YYYY-MM.")],
    indicator: Annotated[str, typer.Argument(help="The indicator's id, for example licence_generation.")],
    file: Annotated[list[Path] | None, typer.Option("--file", help="Files of events; may be repeated.")] = None,
    as_of: AsOf = None,
    ruleset: RulesetOption = None,
    json: Json = False,
) -> Exit:
    """Explain a score: the formula with its numbers, and every thing counted, what counts against first.

    Example: onestop explain 91350100M000100Y43 2020-09 licence_generation --file city.jsonl --as-of 2020-11-10T12:00:00+08:00
    """
    found = BY_ID.get(indicator) or fail(f"{indicator!r} is not an indicator; the ids are: {', '.join(BY_ID)}")
    if not file:
        fail("--file is needed: the events to explain the score from, for example --file city.jsonl")
    rejections = Rejections()
    city = fold_files(file, as_of, ruleset, rejections)
    held = city.departments.get(department)
    if held is None:
        fail(f"no event of department {department} was read; `onestop score` lists the departments", Exit.NOT_RIGHT)
    if not is_period(period) or parse_period(period) not in scored_periods(held):
        fail(f"{department} has no score in {period!r}; `onestop score --department {department}` lists its periods", Exit.NOT_RIGHT)
    view = View(held, parse_period(period))
    record, points = score_indicator(found, view)
    explanation = explanation_of(found, record, points, evidence(found, view))
    print_json(explanation) if json else _print(found, record, explanation)
    return rejections.code


def explanation_of(indicator: Indicator, record: ScoreRecord, points: Fraction, entries: list[Evidence]) -> dict[str, Any]:
    """The explanation as a JSON object."""
    return {
        "record": record.model_dump(),
        "title": indicator.title.zh,
        "formula": indicator.formula,
        "with_numbers": _with_numbers(record, points, "deducted" if indicator.deduction else "points"),
        "evidence": [
            {
                "kind": entry.kind,
                "id": entry.id,
                "numerator": str(entry.numerator),
                "denominator": str(entry.denominator),
                "counts": "against" if entry.against else "for",
                "reason": indicator.lost.en if entry.against else None,
                "details": _readable(entry.details),
            }
            for entry in entries
        ],
    }


def _with_numbers(record: ScoreRecord, points: Fraction, verb: str) -> str:
    ratio = ""
    if record.denominator != "0":
        value = Fraction(record.numerator) / Fraction(record.denominator)
        ratio = f", N/M = {value} ≈ {float(value):.4%}"
    return f"N = {record.numerator}, M = {record.denominator}{ratio}; {verb} = {points} ≈ {record.points:.2f}"


def _readable(details: dict[str, Any]) -> dict[str, Any]:
    def value_of(name: str, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return [_readable(entry) for entry in value]
        return format_instant(value, the_zone()) if name.endswith("_at") and value is not None else value

    return {name: value_of(name, value) for name, value in details.items()}


def _print(indicator: Indicator, record: ScoreRecord, explanation: dict[str, Any]) -> None:
    console = output()
    language = the_settings().lang
    console.print(f"[bold]{indicator.number} {indicator.title.in_(language)}[/bold]  {record.department}  {record.period}  {record.as_of}")
    console.print(f"{indicator.formula}\n{indicator.inputs.in_(language)}")
    verb = say("扣分", "deducted") if indicator.deduction else say("得分", "points")
    numbers = _with_numbers(record, Fraction(record.points_exact), verb)
    console.print(RichText(numbers, style="bold").append(f"  ({', '.join([record.status, *record.reasons])})", "not bold"))
    entries = explanation["evidence"]
    against = sum(entry["counts"] == "against" for entry in entries)
    console.print(say(f"计入 {len(entries)} 项，其中 {against} 项失分。", f"{len(entries)} things counted, {against} of them against."))
    table = Table(pad_edge=False)
    for title in (say("类别", "kind"), "id", "N", "M", say("原因", "reason"), say("依据", "facts")):
        table.add_column(title)
    for entry in entries[:SHOWN_ROWS]:
        facts = "  ".join(f"{name}={value}" for name, value in entry["details"].items())
        against = entry["counts"] == "against"
        identifier = RichText(entry["id"], style="red" if against else "green")
        reason = indicator.lost.in_(language) if against else ""
        table.add_row(entry["kind"], identifier, entry["numerator"], entry["denominator"], reason, RichText(facts))
    console.print(table)
    if len(entries) > SHOWN_ROWS:
        hidden = len(entries) - SHOWN_ROWS
        console.print(say(f"另有 {hidden} 项未显示，--json 输出全部。", f"{hidden} more; --json prints them all."))
