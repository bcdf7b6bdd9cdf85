"""A chart of totals before and after: a row a department, a dot for each side and a line between them, as SVG that needs nothing else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from unicodedata import east_asian_width

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.records import TotalRecord
from scoring.comparing import Change
from streams.cli.changes import signed
from streams.cli.support import say, the_settings

# With more departments only those whose totals differ most.
SHOWN = 100
NAME_COLUMNS = 28
TICK_STEPS = (1, 2, 5, 10, 20, 50, 100)
TICKS = 10
# In pixels.
LEFT, PLOT, RIGHT, TOP, ROW, BOTTOM = 240, 480, 270, 84, 20, 30
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A department: its name, where its line and dots are, and what is written beside them."""

    name: str
    full_name: str
    y: int
    before: float
    after: float
    points: str
    difference: str
    ranks: str
    way: str  # up, down, same


def chart(changes: Sequence[Change], names: Mapping[str, str], subtitle: str) -> str:
    """The SVG of the last period in which a total differs, or of the last one. There must be a change."""
    totals = [change for change in changes if isinstance(change.before, TotalRecord)]
    label = max((c.before.period for c in totals if c.differs), default=totals[-1].before.period)
    held = [change for change in totals if change.before.period == label]
    shown = sorted(held, key=lambda change: -abs(change.difference))[:SHOWN]
    axis = _Axis([Fraction(record.points_exact) for change in shown for record in (change.before, change.after)])
    ordered = sorted(shown, key=lambda change: (-Fraction(change.after.points_exact), change.before.department))
    rows = [_row(change, names, axis, TOP + ROW * place + ROW // 2) for place, change in enumerate(ordered)]
    title = say(f"{label} 总分：两个规则集", f"Totals of {label} under two rulesets")
    if len(held) > len(shown):
        subtitle += say(
            f"；{len(held)} 个部门中差别最大的 {len(shown)} 个", f"; of {len(held)} departments the {len(shown)} that differ most"
        )
    height = TOP + ROW * len(rows) + BOTTOM
    return _TEMPLATES.get_template("dumbbell.svg").render(
        lang=the_settings().lang, title=title, subtitle=subtitle, rows=rows, ticks=axis.ticks, width=LEFT + PLOT + RIGHT, height=height,
        left=LEFT, right=LEFT + PLOT, top=TOP, bottom=height - BOTTOM, before=say("原规则集", "before"), after=say("新规则集", "after"),
        points=say("总分", "total"), rank=say("名次", "rank"),
    )  # fmt: skip


class _Axis:
    """Points to pixels, from a round number below all to one above all."""

    def __init__(self, points: list[Fraction]) -> None:
        low, high = min(points), max(points)
        step = next((step for step in TICK_STEPS if (high - low) / step <= TICKS), TICK_STEPS[-1])
        self._low = math.floor(low / step) * step
        self._high = max(math.ceil(high / step) * step, self._low + step)
        self.ticks = [(tick, self.at(Fraction(tick))) for tick in range(self._low, self._high + 1, step)]

    def at(self, points: Fraction) -> float:
        """Where some points are, from the left."""
        return round(LEFT + PLOT * float((points - self._low) / (self._high - self._low)), 1)


def _row(change: Change, names: Mapping[str, str], axis: _Axis, y: int) -> Row:
    before, after = change.before, change.after
    name = names[before.department]
    first, second = change.ranks
    return Row(
        name=_fitting(name),
        full_name=name if name == before.department else f"{name} {before.department}",
        y=y,
        before=axis.at(Fraction(before.points_exact)),
        after=axis.at(Fraction(after.points_exact)),
        points=f"{before.points:.2f} → {after.points:.2f}" if change.difference else f"{after.points:.2f}",
        difference=signed(change.difference) if change.difference else "",
        ranks=str(second) if first == second else f"{first} → {second}",
        way="up" if change.difference > 0 else "down" if change.difference < 0 else "same",
    )


def _fitting(name: str) -> str:
    """As much of a name as the margin holds: a Chinese character takes two columns.

    >>> _fitting("市政务服务和大数据管理局行政审批处"), _fitting("Housing")
    ('市政务服务和大数据管理局行…', 'Housing')
    """
    widths = [2 if east_asian_width(character) in "WF" else 1 for character in name]
    if sum(widths) <= NAME_COLUMNS:
        return name
    fitting = next(place for place in range(len(name)) if sum(widths[: place + 1]) > NAME_COLUMNS - 1)
    return name[:fitting] + "…"
