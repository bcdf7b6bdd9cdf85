"""Tables of scores for people, the same for `score` and `scores`."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from models.records import ScoreRecord, TotalRecord
from scoring.indicators import INDICATORS
from scoring.scores import AnyRecord
from streams.cli.support import output, say


def print_scores(records: Sequence[AnyRecord], names: Mapping[str, str]) -> None:
    """A ranked table for each period: departments by rank, the 16 indicators by number, base, deductions and total."""
    console = output()
    if not records:
        console.print(say("没有可显示的得分。", "There are no scores to show."))
    for period, group in groupby(sorted(records, key=lambda r: r.period), key=lambda r: r.period):
        console.print(_table(period, list(group), names))
    if any(record.provisional for record in records):
        console.print(
            say("* 暂定：考核期未关闭，或期限所依据的节假日尚未公布。", "* provisional: the period is open, or holidays are unpublished.")
        )


def _table(period: str, records: list[AnyRecord], names: Mapping[str, str]) -> Table:
    table = Table(title=period, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column(say("名次", "rank"), justify="right")
    table.add_column(say("部门", "department"), no_wrap=True)
    for indicator in INDICATORS:
        table.add_column(str(indicator.number), justify="right")
    for title in (say("基础分", "base"), say("扣分", "deducted"), say("总分", "total")):
        table.add_column(title, justify="right")
    totals = [record for record in records if isinstance(record, TotalRecord)]
    for total in sorted(totals, key=lambda record: (record.rank or 0, record.department)):
        own = {r.indicator: r for r in records if r.department == total.department and isinstance(r, ScoreRecord)}
        points = [_cell(own.get(indicator.id)) for indicator in INDICATORS]
        mark = "*" if total.provisional else ""
        name = names.get(total.department, total.department)
        label = total.department if name == total.department else f"{name} {total.department}"
        sums = [f"{total.base_points:.2f}", f"{total.deductions:.2f}", f"[bold]{total.points:.2f}[/bold]{mark}"]
        table.add_row(str(total.rank or ""), Text(label), *points, *sums)
    return table


def _cell(record: ScoreRecord | None) -> str:
    if record is None:
        return ""
    if record.status == "no_data":
        return "[dim]–[/dim]"
    text = f"{record.points:g}"
    return f"[red]{text}[/red]" if record.status == "zeroed" else text
