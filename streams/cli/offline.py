"""`onestop score` and `onestop explain --file`: exact scores from files, no broker."""

from pathlib import Path
from typing import Annotated

import typer

from models.instants import to_instant
from models.wire import parse_facts
from scoring.city import City
from scoring.context import Context
from scoring.scores import AnyRecord, score_city
from streams.cli.parallel import Scored, processes_for, score_in_parallel
from streams.cli.support import (
    Exit,
    Rejections,
    check_department,
    check_period,
    chunks_of_lines,
    context_at,
    parse_as_of,
    print_json,
    take_lines,
    the_ruleset,
    without_collector,
)
from streams.cli.tables import print_scores

Files = Annotated[list[Path], typer.Argument(help="Files of events, .jsonl or .jsonl.gz; - for stdin.", metavar="FILE…")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="The instant the scores hold for, RFC 3339.", metavar="T")]
PeriodOption = Annotated[str | None, typer.Option("--period", help="Only this period, YYYY-MM.")]
DepartmentOption = Annotated[str | None, typer.Option("--department", help="Only this department, by its code.")]
RulesetOption = Annotated[str | None, typer.Option("--ruleset", help="`default`, or a ruleset file in YAML.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def fold_files(files: list[Path], as_of: str | None, ruleset: str | None, rejections: Rejections) -> City:
    """The city that the good lines of files amount to; bad lines are named and left out."""
    return _fold(files, context_of(as_of, ruleset), rejections)


def context_of(as_of: str | None, ruleset: str | None) -> Context:
    """The context of `--as-of` and `--ruleset`."""
    return context_at(to_instant(parse_as_of(as_of)), the_ruleset(ruleset))


def _fold(files: list[Path], context: Context, rejections: Rejections) -> City:
    city = City(context)
    with without_collector():
        for file, first, values in chunks_of_lines(files):
            for place, rejection in take_lines(city, parse_facts(values)):
                rejections.add(f"{file}:{first + place}", rejection)
        city.settle()
    return city


def score(
    files: Files,
    as_of: AsOf = None,
    period: PeriodOption = None,
    department: DepartmentOption = None,
    ruleset: RulesetOption = None,
    json: Json = False,
) -> Exit:
    """Score files of events as of an instant, without a broker.

    Example: onestop score city.jsonl --as-of 2020-11-10T12:00:00+08:00
    """
    check_period(period)
    check_department(department)
    rejections = Rejections()
    scored = _scored(files, context_of(as_of, ruleset), rejections)
    records = select(scored.records, period, department)
    if json:
        for record in records:
            print_json(record.model_dump(exclude_none=True))
    else:
        print_scores(records, scored.names)
    return rejections.code


def _scored(files: list[Path], context: Context, rejections: Rejections) -> Scored:
    processes = processes_for(files)
    scored = score_in_parallel(files, context, processes) if processes > 1 else None
    if scored is None:
        city = _fold(files, context, rejections)
        return Scored(score_city(city), {code: held.name for code, held in city.departments.items()}, [])
    for place, rejection in scored.rejections:
        rejections.add(place, rejection)
    return scored


def select(records: list[AnyRecord], period: str | None, department: str | None) -> list[AnyRecord]:
    """The records of a period and a department, where one is named; ranks are over all departments all the same."""
    return [r for r in records if period in (None, r.period) and department in (None, r.department)]
