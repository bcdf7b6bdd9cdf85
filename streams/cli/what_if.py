"""`onestop what-if`: the same events under another ruleset."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from models.instants import format_instant, to_instant
from scoring.city import City
from scoring.comparing import both_sides, closed_periods, compare
from scoring.context import Context
from scoring.scores import AnyRecord
from streams.cli.changes import cells, print_changes, row
from streams.cli.dumbbell import chart
from streams.cli.facts import reading_facts, telling_progress
from streams.cli.offline import AsOf, DepartmentOption, Json, PeriodOption, fold_files
from streams.cli.support import (
    Exit,
    Rejections,
    check_department,
    check_period,
    context_at,
    fail,
    output,
    parse_as_of,
    print_json,
    the_ruleset,
    the_settings,
    the_zone,
    without_collector,
)
from streams.clock import SystemClock
from streams.replay import cities
from streams.spreadsheets import csv_text
from streams.topics import CHANGELOG


@dataclass(slots=True)
class Sides:
    """What is known of a city under both rulesets, gathered part by part."""

    before: list[AnyRecord] = field(default_factory=list)
    after: list[AnyRecord] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)

    def add(self, city: City, other: Context, period: str | None) -> None:
        """Count a part of the city under both."""
        self.names |= {code: department.name for code, department in city.departments.items()}
        self.closed |= closed_periods(city)
        before, after = both_sides(city, other, period)
        self.before += before
        self.after += after


def what_if(
    ruleset: Annotated[
        str,
        typer.Option("--ruleset", help="The other ruleset: `default`, or a file; for every period asked for, whatever its valid_from."),
    ],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of events, .jsonl or .jsonl.gz; none: the live city.", metavar="FILE…")
    ] = None,
    as_of: AsOf = None,
    period: PeriodOption = None,
    department: DepartmentOption = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write every score before and after as CSV.", metavar="FILE")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", help="Also draw the totals before and after as SVG: of --period, or of the last one that differs.", metavar="FILE"
        ),
    ] = None,
    json: Json = False,
) -> Exit:
    """Score the same events under another ruleset, and show which scores, totals and ranks differ from those under the ruleset in force.

    Without files the events are those that the workers have taken in, as of now. Both sides count all of them, as if no closed period had
    been frozen; samples stay as they were drawn. Nothing is published. --json and --csv hold every score, the tables what differs.

    Example: onestop what-if --ruleset city.yaml city.jsonl --as-of 2020-11-10T12:00:00+08:00 --plot totals.svg
    """
    check_period(period)
    check_department(department)
    other, rejections = the_ruleset(ruleset).alone(), Rejections()
    now = to_instant(parse_as_of(as_of)) if files or as_of is not None else SystemClock().now()
    contexts = context_at(now), context_at(now, other)
    sides = Sides()
    if files:
        city = fold_files(files, as_of, None, rejections)
        with without_collector():
            sides.add(city, contexts[1], period)
    else:
        _read_live(sides, contexts, period)
    changes = [change for change in compare(sides.before, sides.after) if department in (None, change.before.department)]
    rows = [row(change, sides.names, sides.closed) for change in changes]
    if csv is not None:
        _write(csv, csv_text(cells(rows)).encode("utf-8-sig"), "--csv")
    if plot is not None and changes:
        _write(plot, chart(changes, sides.names, f"{contexts[0].identity} → {contexts[1].identity}").encode(), "--plot")
    if json:
        for each in rows:
            print_json(each)
    else:
        output().print(f"{contexts[0].identity} → {contexts[1].identity}  {format_instant(now, the_zone())}", highlight=False)
        print_changes(changes, sides.names, sides.closed)
    return rejections.code


def _read_live(sides: Sides, contexts: tuple[Context, Context], period: str | None) -> None:
    settings = the_settings()
    with reading_facts(settings) as reader:
        if not reader.partitions(CHANGELOG):
            fail(f"topic {settings.topic(CHANGELOG)} is missing: see `onestop topics check`", Exit.NOT_RIGHT)
        with telling_progress(reader) as advance:
            for city in cities(reader, lambda: contexts[0], advance):
                sides.add(city, contexts[1], period)


def _write(path: Path, content: bytes, option: str) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        fail(f"{option}: {path}: {error.strerror or error}: name a file that can be written")
