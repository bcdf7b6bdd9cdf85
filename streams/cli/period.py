"""`onestop period`: which periods there are, and closing one."""

import uuid
from datetime import datetime, timezone
from typing import Annotated

import orjson
import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from models.identifiers import EVERY_DEPARTMENT, DepartmentCodeOrEvery, PeriodLabel
from streams import topics
from streams.cli.broker import unreachable
from streams.cli.offline import Json
from streams.cli.sender import EventSender
from streams.cli.serving import read_model
from streams.cli.support import Exit, fail, output, print_json, say, the_settings

app = typer.Typer(help="Assessment periods.", no_args_is_help=True)


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
    period: Annotated[str, typer.Argument(help="YYYY-MM.")],
    department: Annotated[str, typer.Option("--department", help="One department's code; * is all.")] = EVERY_DEPARTMENT,
) -> Exit:
    """Close a period: the scores are frozen with everything that has arrived; later facts become adjustments.

    Example: onestop period close 2020-09
    """
    try:
        TypeAdapter(PeriodLabel).validate_python(period)
        TypeAdapter(DepartmentCodeOrEvery).validate_python(department)
    except ValidationError as error:
        fail(f"{period} {department}: {error.errors()[0]['msg']}; for example onestop period close 2020-09")
    now = datetime.now(tz=timezone.utc)
    if period > now.strftime("%Y-%m"):
        fail(say(f"{period} 尚未开始，不能关闭", f"{period} has not begun and cannot be closed"), Exit.NOT_RIGHT)
    event = {
        "event_id": str(uuid.uuid4()), "type": "period.closed", "department": department, "occurred_at": now.isoformat(),
        "source": "onestop period close", "period": period,
    }  # fmt: skip
    settings = the_settings()
    try:
        sender = EventSender(settings)
        sender.send("period.closed", department, orjson.dumps(event))
        sender.flush()
        sender.close()
    except topics.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    whom = say("全部部门", "all departments") if department == EVERY_DEPARTMENT else department
    output().print(say(f"{period} 已请求关闭（{whom}）。", f"{period}: closing asked for ({whom})."), highlight=False)
    return Exit.RIGHT
