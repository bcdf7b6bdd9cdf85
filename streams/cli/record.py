"""`onestop record`: what people found out, one finding a command: an event together with who recorded it."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from models.instants import format_instant, parse_instant
from models.records import AuditAction
from scoring.local_time import local_time, period_label
from streams.cli.broker import reaching_kafka
from streams.cli.support import By, Exit, check_department, check_period, fail, output, printable, say, the_settings, the_user, the_zone
from streams.clock import SystemClock
from streams.recording import InvalidEventError, Person, recording

app = typer.Typer(help="Record inspections, guide checks, test cases, and what is withdrawn.", no_args_is_help=True)
test = typer.Typer(help="Test cases.", no_args_is_help=True)
app.add_typer(test, name="test")
Department = Annotated[str, typer.Option("--department", help="The department's code.")]
At = Annotated[str | None, typer.Option("--at", help="When it happened, RFC 3339; now if not given.", metavar="T")]


@app.command()
def inspection(
    sample: Annotated[str, typer.Argument(help="The sample's id, as `onestop sample list` says.")],
    acceptance_no: Annotated[str, typer.Argument(help="The acceptance number that was inspected.")],
    department: Department,
    achieved: Annotated[bool, typer.Option("--achieved/--not-achieved", help="Whether at most one visit was needed.")],
    at: At = None,
    by: By = None,
) -> Exit:
    """Record an inspection of a case of a sample (indicator 7). The first one of a number holds.

    Example: onestop record inspection visit_reduction-2020-09-91350100M000100Y43 N-0717 --achieved --department 91350100M000100Y43
    """
    fields = {"sample": sample, "acceptance_no": acceptance_no, "achieved": achieved}
    return _record("inspection.recorded", department, f"{sample}/{acceptance_no}", fields, at, by)


@app.command("guide-check")
def guide_check(
    item: Annotated[str, typer.Argument(help="The item whose guide was checked.")],
    department: Department,
    errors: Annotated[int, typer.Option("--errors", help="How many errors were found; 0 is a finding too.")],
    period: Annotated[str | None, typer.Option("--period", help="The period that it counts in, YYYY-MM; the present one.")] = None,
    note: Annotated[list[str] | None, typer.Option("--note", help="What was found; several.", metavar="TEXT")] = None,
    check: Annotated[str | None, typer.Option("--check", help="The check's id; one is made if not given.", metavar="ID")] = None,
    at: At = None,
    by: By = None,
) -> Exit:
    """Record a check of an item's guide (indicator 14): its errors count in the period named.

    Example: onestop record guide-check I0001 --errors 2 --period 2020-09 --note 'no address' --department 91350100M000100Y43
    """
    check_period(period)
    label = period or period_label(local_time(the_settings().timezone).period_of(SystemClock().now()))
    name = check or f"check-{label}-{uuid.uuid4().hex[:8]}"
    fields = {"check": name, "item": item, "period": label, "errors": errors, "notes": note or None}
    return _record("guide.checked", department, name, fields, at, by)


@test.command("raise")
def raise_test(
    serial: Annotated[str, typer.Argument(help="The serial number of the test case.")],
    item: Annotated[str, typer.Argument(help="The item that is tested.")],
    department: Department,
    name: Annotated[str | None, typer.Option("--test", help="The test's id; one is made if not given.", metavar="ID")] = None,
    at: At = None,
    by: By = None,
) -> Exit:
    """Record that a test case was raised (indicator 15): it counts in the month of that time.

    Example: onestop record test raise S-T0001 I0001 --department 91350100M000100Y43
    """
    found = name or f"test-{uuid.uuid4().hex[:8]}"
    return _record("test.raised", department, found, {"test": found, "serial": serial, "item": item}, at, by)


@test.command()
def dispose(
    name: Annotated[str, typer.Argument(help="The test's id.", metavar="TEST")],
    outcome: Annotated[str, typer.Argument(help="How the department disposed of it.")],
    department: Department,
    at: At = None,
    by: By = None,
) -> Exit:
    """Record that a department disposed of a test case (indicator 15); the first disposal holds.

    Example: onestop record test dispose test-1f0c2a4b answered --department 91350100M000100Y43
    """
    return _record("test.disposed", department, name, {"test": name, "outcome": outcome}, at, by)


@app.command()
def withdraw(
    ref: Annotated[str, typer.Argument(help="What does not hold: sample/acceptance_no, a check, a test or a defect.")],
    department: Department,
    why: Annotated[str | None, typer.Option("--why", help="Why; recorded.", metavar="TEXT")] = None,
    at: At = None,
    by: By = None,
) -> Exit:
    """Withdraw a finding: it counts no longer, whenever it was made.

    Example: onestop record withdraw check-2020-09-1f0c2a4b --why 'another item was meant' --department 91350100M000100Y43
    """
    return _record("finding.withdrawn", department, ref, {"ref": ref}, at, by, why)


def _record(
    kind: AuditAction, department: str, subject: str, fields: Mapping[str, Any], at: str | None, by: str | None, why: str | None = None
) -> Exit:
    check_department(department)
    settings, user = the_settings(), the_user(by)
    instant = _instant(at)
    try:
        with reaching_kafka(settings), recording(settings, Person(user, "command", "onestop record")) as recorder:
            recorder.event(kind, department, subject, fields, at=instant, why=why)
    except InvalidEventError as error:
        fail(say(f"{error}；未记录", f"{printable(str(error))}: nothing is recorded, give another value"))
    output().print(say(f"已记录：{printable(subject)}", f"recorded: {printable(subject)}"), markup=False, highlight=False, soft_wrap=True)
    return Exit.RIGHT


def _instant(at: str | None) -> int:
    now = SystemClock().now()
    if at is None:
        return now
    try:
        instant = parse_instant(at)
    except ValueError as error:
        fail(f"--at: {error}")
    if instant > now:
        fail(f"--at: {at} lies ahead of now, {format_instant(now, the_zone())}; give the time when it happened")
    return instant
