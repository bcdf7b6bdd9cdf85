"""`onestop period`: which periods there are, closing one, and reopening it."""

from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from models.identifiers import EVERY_DEPARTMENT, DepartmentCodeOrEvery, PeriodLabel
from models.records import AuditAction
from scoring.local_time import local_time, period_label
from streams.cli.broker import reaching_kafka
from streams.cli.offline import Json
from streams.cli.serving import read_model
from streams.cli.support import By, Exit, fail, output, print_json, say, the_settings, the_user
from streams.clock import SystemClock
from streams.recording import Person, recording

app = typer.Typer(help="Assessment periods.", no_args_is_help=True)
KINDS: dict[str, AuditAction] = {"close": "period.closed", "reopen": "period.reopened"}
Period = Annotated[str, typer.Argument(help="YYYY-MM.")]
Department = Annotated[str, typer.Option("--department", help="One department's code; * is all.")]


@app.command("list")
def list_periods(json: Json = False) -> Exit:
    """List the periods with their state.

    Example: onestop period list
    """
    periods = read_model(lambda model: model.periods())
    if json:
        for period in periods:
            print_json(period)
        return Exit.RIGHT
    table = Table(pad_edge=False)
    for title in (say("考核期", "period"), say("状态", "state")):
        table.add_column(title)
    for period in periods:
        table.add_row(str(period["period"]), str(period["state"]))
    output().print(table if periods else say("还没有考核期。", "There are no periods yet."))
    return Exit.RIGHT


@app.command()
def close(
    period: Period,
    department: Department = EVERY_DEPARTMENT,
    why: Annotated[str | None, typer.Option("--why", help="Why now; recorded in the event.", metavar="TEXT")] = None,
    by: By = None,
) -> Exit:
    """Close a period: the scores are frozen with everything that has arrived; later facts become adjustments.

    Example: onestop period close 2020-09
    """
    return _order("close", period, department, why, by)


@app.command()
def reopen(
    period: Period,
    why: Annotated[str, typer.Option("--why", help="Why; recorded in the event.", metavar="TEXT")],
    department: Department = EVERY_DEPARTMENT,
    by: By = None,
) -> Exit:
    """Reopen a closed period: its scores are again those of everything, late facts included. Closed again by hand only.

    Example: onestop period reopen 2020-09 --why 'the case store sent a week late'
    """
    return _order("reopen", period, department, why, by)


def _order(command: Literal["close", "reopen"], period: str, department: str, why: str | None, by: str | None) -> Exit:
    """Publish `period.closed` or `period.reopened`.

    `reason` is a field of `period.reopened`; in `period.closed` it is one that the contract ignores: who reads the topic finds it.
    """
    try:
        TypeAdapter(PeriodLabel).validate_python(period)
        TypeAdapter(DepartmentCodeOrEvery).validate_python(department)
    except ValidationError as error:
        fail(f"{period} {department}: {error.errors()[0]['msg']}; for example onestop period {command} 2020-09")
    if why is not None and not why.strip():
        fail(f"--why: the reason is empty; for example onestop period {command} 2020-09 --why 'the case store sent a week late'")
    settings, user = the_settings(), the_user(by)
    now = SystemClock().now()
    if period > period_label(local_time(settings.timezone).period_of(now)):
        fail(say(f"{period} 尚未开始", f"{period} has not begun: give a month up to the present one"), Exit.NOT_RIGHT)
    with reaching_kafka(settings), recording(settings, Person(user, "command", f"onestop period {command}")) as recorder:
        recorder.event(KINDS[command], department, period, {"period": period}, why=why)
    whom = say("全部部门", "all departments") if department == EVERY_DEPARTMENT else department
    asked = say("已请求关闭", "closing asked for") if command == "close" else say("已请求重新打开", "reopening asked for")
    output().print(say(f"{period} {asked}（{whom}）。", f"{period}: {asked} ({whom})."), highlight=False)
    return Exit.RIGHT
