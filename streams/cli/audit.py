"""`onestop audit`: who ordered and recorded what."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from models.records import AuditAction
from streams.cli.offline import DepartmentOption, Json
from streams.cli.serving import read_model
from streams.cli.support import Exit, check_department, output, print_json, printable, say


def audit(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    action: Annotated[AuditAction | None, typer.Option("--action", help="Only what was done so.")] = None,
    department: DepartmentOption = None,
    json: Json = False,
) -> Exit:
    """Print who ordered and recorded what through commands and pages, the newest first.

    Example: onestop audit --action period.closed
    """
    check_department(department)
    page = read_model(lambda model: model.audit(limit, action=action, department=department))
    if json:
        for record in page.items:
            print_json(record.model_dump(exclude_none=True))
        return Exit.RIGHT
    table = Table(pad_edge=False)
    for title in (
        say("时间", "at"),
        say("何人", "by"),
        say("何事", "action"),
        say("对象", "subject"),
        say("部门", "department"),
        say("原因", "why"),
    ):
        table.add_column(title, overflow="fold")
    for record in page.items:
        cells = (record.at, record.by, record.action, record.subject, record.department or "", record.why or "")
        table.add_row(*(escape(printable(cell)) for cell in cells))
    output().print(table if page.items else say("还没有记录。", "There are no records yet."))
    if page.cursor is not None:
        output().print(say("还有更早的记录，用 --limit 显示。", "There are older ones: --limit shows more."))
    return Exit.RIGHT
