"""Scores before and after, for people and for spreadsheets: a row a score, and tables of what differs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text

from models.records import ScoreRecord, TotalRecord
from scoring.comparing import Change
from scoring.indicators import BY_ID
from scoring.scores import AnyRecord, round_half_up
from streams.cli.support import output, say, the_settings

# The fields of a row that a spreadsheet has, in Chinese.
_COLUMNS = {
    "period": "考核期", "department": "部门代码", "name": "部门", "indicator": "指标", "status_before": "原状态", "status_after": "新状态",
    "points_before": "原得分", "points_after": "新得分", "difference": "差", "rank_before": "原名次", "rank_after": "新名次",
    "ruleset_before": "原规则集", "ruleset_after": "新规则集", "closed": "已关闭",
}  # fmt: skip


def row(change: Change, names: Mapping[str, str], closed: Collection[tuple[str, str]]) -> dict[str, Any]:
    """A score before and after as a JSON object."""
    before, after = change.before, change.after
    return {
        "period": before.period,
        "department": before.department,
        "name": names[before.department],
        "indicator": before.indicator,
        "status_before": before.status,
        "status_after": after.status,
        "points_before": before.points,
        "points_after": after.points,
        "difference": round_half_up(change.difference),
        "points_exact_before": before.points_exact,
        "points_exact_after": after.points_exact,
        "difference_exact": str(change.difference),
        "rank_before": change.ranks[0],
        "rank_after": change.ranks[1],
        "ruleset_before": before.ruleset,
        "ruleset_after": after.ruleset,
        "closed": (before.department, before.period) in closed,
    }


def cells(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """The titles and the rows of a spreadsheet, without exact fractions: it would take 1/2 for a date."""
    yield [say(chinese, name) for name, chinese in _COLUMNS.items()]
    yield from ([each[name] for name in _COLUMNS] for each in rows)


def signed(difference: Fraction) -> str:
    """A difference of points.

    >>> signed(Fraction(5, 2)), signed(Fraction(-1, 3)), signed(Fraction(0))
    ('+2.50', '-0.33', '+0.00')
    """
    return f"{round_half_up(difference):+.2f}"


def print_changes(changes: Sequence[Change], names: Mapping[str, str], closed: Collection[tuple[str, str]]) -> None:
    """For each period the sums, then by indicator and by department what differs."""
    console = output()
    if not changes:
        console.print(say("没有可比较的得分。", "There are no scores to compare."))
    for period, group in groupby(changes, key=lambda change: change.before.period):
        held = list(group)
        totals = [change for change in held if isinstance(change.before, TotalRecord)]
        scores = [change for change in held if isinstance(change.before, ScoreRecord) and change.differs]
        console.print(f"\n[bold]{period}[/bold]  {_sums(totals)}", highlight=False, soft_wrap=True)
        if scores:
            console.print(_by_indicator(scores))
        own: dict[str, list[Change]] = {}
        for change in scores:
            own.setdefault(change.before.department, []).append(change)
        if moved := [total for total in totals if total.before.department in own or total.differs or total.ranks[0] != total.ranks[1]]:
            console.print(_by_department(moved, own, names))
    if labels := sorted({c.before.period for c in changes if (c.before.department, c.before.period) in closed}):
        text = say(
            f"{'、'.join(labels)} 已关闭：这里两侧都按全部事件计算，如同从未冻结；有效的仍是冻结的得分。",
            f"Closed: {', '.join(labels)}. Here both sides count all events, as if nothing had been frozen; the frozen scores stand.",
        )
        console.print(text, highlight=False, soft_wrap=True)


def _sums(totals: list[Change]) -> str:
    before, after = (_mean(getattr(change, side) for change in totals) for side in ("before", "after"))
    mean = f"{round_half_up(before):.2f} → {round_half_up(after):.2f} ({signed(after - before)})"
    differ, moved = sum(change.differs for change in totals), sum(change.ranks[0] != change.ranks[1] for change in totals)
    return say(
        f"{len(totals)} 个部门；总分不同 {differ}，名次不同 {moved}；平均总分 {mean}",
        f"departments: {len(totals)}; totals that differ: {differ}; ranks that differ: {moved}; mean total {mean}",
    )


def _mean(totals: Iterable[AnyRecord]) -> Fraction:
    points = [Fraction(total.points_exact) for total in totals]
    return sum(points, Fraction(0)) / len(points)


def _table(*columns: tuple[str, bool]) -> Table:
    """`columns`: title, and whether it holds numbers."""
    table = Table(pad_edge=False, header_style="bold")
    for title, numbers in columns:
        table.add_column(title, justify="right" if numbers else "left")
    return table


def _by_indicator(scores: list[Change]) -> Table:
    table = _table(
        ("", True), (say("指标", "indicator"), False), (say("部门数", "departments"), True), (say("差之和", "sum of differences"), True),
        (say("最小", "least"), True), (say("最大", "greatest"), True),
    )  # fmt: skip
    for indicator in BY_ID.values():
        differences = [change.difference for change in scores if change.before.indicator == indicator.id]
        if differences:
            sums = [sum(differences, Fraction(0)), min(differences), max(differences)]
            title = Text(indicator.title.in_(the_settings().lang))
            table.add_row(str(indicator.number), title, str(len(differences)), *map(signed, sums))
    return table


def _by_department(totals: list[Change], own: Mapping[str, list[Change]], names: Mapping[str, str]) -> Table:
    table = _table(
        (say("名次", "rank"), True), (say("部门", "department"), False), (say("原总分", "before"), True), (say("新总分", "after"), True),
        (say("差", "difference"), True), (say("指标：原 → 新", "indicator: before → after"), False),
    )  # fmt: skip
    for total in sorted(totals, key=lambda change: (change.ranks[1] or 0, change.before.department)):
        code = total.before.department
        name = names[code]
        first, second = total.ranks
        rank = str(second) if first == second else f"{first} → {second}"
        colour = "green" if total.difference > 0 else "red" if total.difference < 0 else ""
        table.add_row(
            rank,
            Text(code if name == code else f"{name} {code}"),
            f"{total.before.points:.2f}",
            f"{total.after.points:.2f}",
            Text(signed(total.difference) if total.difference else "", style=colour),
            Text("  ".join(f"{BY_ID[c.before.indicator].number}: {_cell(c.before)} → {_cell(c.after)}" for c in own.get(code, ()))),
        )
    return table


def _cell(record: AnyRecord) -> str:
    return "–" if record.status == "no_data" else f"{record.points:g}"
