"""`onestop report`: the result of a period for filing, from the read model or from files of events."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version as installed_version
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from models.instants import SECOND, format_instant
from models.rulesets import Policies
from models.text import Language
from scoring.city import City
from scoring.local_time import parse_period
from scoring.report import Made, PeriodState, Report, by_rank, count_things, part_of
from scoring.scores import score_city
from streams.cli.offline import AsOf, DepartmentOption, fold_files, select
from streams.cli.serving import read_model
from streams.cli.support import (
    By,
    Exit,
    Rejections,
    check_department,
    check_period,
    fail,
    say,
    the_calendar,
    the_ruleset,
    the_settings,
    the_user,
    the_zone,
)
from streams.clock import SystemClock
from streams.serving.read_model import ReadModel
from streams.serving.report.live import live_report
from streams.serving.workers import NoAnswerError, RefusedQueryError, Workers

Format = Literal["xlsx", "csv", "html"]


def report(
    period: Annotated[str, typer.Option("--period", help="The period, YYYY-MM.")],
    format: Annotated[Format, typer.Option("--format", help="A workbook, a table for programs and spreadsheets, or a page to print.")],  # noqa: A002  # the option's name
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of events, to report on them without a broker; - for stdin.", metavar="FILE…")
    ] = None,
    department: DepartmentOption = None,
    output_file: Annotated[str, typer.Option("--output", help="Where to write it; - is stdout, for csv and html.", metavar="FILE")] = "-",
    as_of: AsOf = None,
    by: By = None,
) -> Exit:
    """Write the result of a period for filing: every department and indicator with formula, numbers, reasons, and what came too late.

    Live from the read model and the workers; from files of events with --as-of.

    Example: onestop report --period 2020-09 --format xlsx --output 2020-09.xlsx
    """
    check_period(period)
    check_department(department)
    if format == "xlsx" and output_file == "-":
        fail("--output is needed: a workbook is not for a terminal, for example --output report.xlsx")
    if as_of is not None and not files:
        fail("--as-of goes with files of events; live scores hold as of now")
    now = SystemClock().now()
    made = Made(format_instant(now - now % SECOND, the_zone()), the_user(by), installed_version("onestop"))
    rejections = Rejections()
    found = _offline(fold_files(files, as_of, None, rejections), period, department, made) if files else _live(period, department, made)
    _write(_content(found, format, the_settings().lang), output_file)
    return rejections.code


def _live(period: str, department: str | None, made: Made) -> Report:
    settings = the_settings()

    def read(model: ReadModel) -> Report:
        with closing(Workers(settings)) as workers:
            found = live_report(model, workers.evidence_counts, _policies_of, period, department, made, settings.lang)
        return found or _nothing(period, department, model.period_labels())

    try:
        return read_model(read)
    except NoAnswerError as error:
        fail(str(error), Exit.UNREACHABLE)
    except RefusedQueryError as error:
        fail(str(error), Exit.NOT_RIGHT)


def _offline(city: City, period: str, department: str | None, made: Made) -> Report:
    records = score_city(city)
    held = select(records, period, department)
    if not held:
        _nothing(period, department, sorted({record.period for record in records}, reverse=True))
    parts = []
    for code, group in groupby(held, key=lambda record: record.department):
        own = city.departments[code]
        counts = count_things(own, parse_period(period))
        parts.append(part_of(code, own.name, list(group), counts, [], closed=False))
    return Report(
        period=period,
        state=_state(city, parse_period(period)),
        parts=sorted(parts, key=by_rank),
        knows_arrivals=False,
        policies=city.context.rules[parse_period(period)].policies,
        warnings=[],
        made=made,
    )


def _state(city: City, period: int) -> PeriodState:
    """By the calendar: files do not say what had arrived when somebody closed the period."""
    context = city.context
    if context.now < context.time.end_of(period):
        return "open"
    return "closing" if context.now < context.closes_at(period) else "closed"


def _policies_of(rulesets: Sequence[str]) -> Policies | None:
    """The policies of the ruleset of the records, if it is one of those in force here."""
    environment = (the_settings().timezone, the_calendar().digest)
    return next((held.policies for held in the_ruleset(None).chain() if list(rulesets) == [held.identity(*environment)]), None)


def _nothing(period: str, department: str | None, periods: Sequence[str]) -> NoReturn:
    whom = "" if department is None else f"{department} "
    listed = ", ".join(periods)
    fail(
        say(
            f"{whom}{period} 没有得分；有得分的考核期：{listed or '暂无'}",
            f"there are no scores {f'of {whom}' if whom else ''}in {period}; periods with scores: {listed or 'none yet'}",
        ),
        Exit.NOT_RIGHT,
    )


def _content(found: Report, kind: Format, language: Language) -> bytes:
    # What writes a format takes its time to import.
    if kind == "xlsx":
        from streams.serving.report.as_xlsx import xlsx_report  # noqa: PLC0415

        return xlsx_report(found, language)
    if kind == "csv":
        from streams.serving.report.as_csv import csv_report  # noqa: PLC0415

        return csv_report(found, language)
    from streams.serving.report.as_html import html_report  # noqa: PLC0415

    return html_report(found, language, alone=True).encode()


def _write(content: bytes, name: str) -> None:
    """Write a file, whole or not at all."""
    if name == "-":
        sys.stdout.buffer.write(content)
        return
    path = Path(name).resolve()  # what a link names is replaced, not the link
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            raise OSError("is not a file")  # noqa: TRY301  # one sentence for every fault
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        fail(f"--output {name}: cannot be written ({error.strerror or error}); name a file in a directory that you may write to")
