"""Board 3, 指标: one indicator in all departments, and all sixteen side by side."""

from boards.department import INDICATOR, KEPT
from boards.overview import NO_SCORES
from kit.frame import Board, Row, freshness
from kit.links import DEPARTMENT_PAGE, page
from kit.looks import FEW_ARE_GOOD, INDICATOR_NAMES, PLAIN, more_is_better
from kit.panels import NAME, Column, Line, Lines, Number, Table, by_label
from kit.queries import IN_PERIOD, ROWS, SELECTED, count, first, kept, kept_by_indicator, latest, named

from models.text import Text

CHOSEN = 'indicator="$indicator"'
OF_CHOSEN = kept(CHOSEN)
ZEROED = latest("indicator_override", IN_PERIOD, SELECTED, 'reason!="vacuous"')
MEAN_SHARES = kept_by_indicator("avg", "avg")
SCORED = (
    "(" + " or ".join(f"count by(indicator) ({latest(m, IN_PERIOD, SELECTED)})" for m in ("indicator_points", "deduction_points")) + ")"
)
PAGE = page(Text("指标页面", "Indicator's page"), "/indicators/${indicator}")
MEAN = Text("平均得分率", "Mean share kept")


def _lowest(query: str) -> str:
    return named(first(query, f"-1 * {OF_CHOSEN}"))


def _input(component: str) -> str:
    return latest("indicator_input", IN_PERIOD, SELECTED, CHOSEN, f'component="{component}"')


NUMBERS = [
    freshness(),
    Number(
        title=MEAN,
        description=Text(
            "所选部门得分率的平均：得分占满分的比例，扣分项为未扣的比例。",
            "Mean over the departments of the share of the full points, of deductions of the part not deducted.",
        ),
        width=5,
        nothing=NO_SCORES,
        query=f"avg({OF_CHOSEN})",
        steps=more_is_better(1),
        unit="percentunit",
        decimals=1,
        links=[PAGE],
    ),
    Number(
        title=Text("最低得分率", "Lowest share kept"),
        description=Text("得分率最低的部门。", "The department with the lowest share."),
        width=5,
        nothing=NO_SCORES,
        query=named(f"bottomk(1, {OF_CHOSEN})"),
        steps=more_is_better(1),
        unit="percentunit",
        decimals=1,
        legend="{{name}}",
        links=[page(DEPARTMENT_PAGE.title, "/departments/${__field.labels.department}")],
    ),
    Number(
        title=Text("计分部门", "Departments scored"),
        description=Text("该指标有数据的部门数。", "Departments that have data for the indicator."),
        width=5,
        query=count(OF_CHOSEN),
        steps=PLAIN,
    ),
    Number(
        title=Text("判零部门", "Forced to zero"),
        description=Text("被规则记 0 分的部门数。", "Departments for which a rule sets the indicator to 0."),
        width=5,
        query=count(latest("indicator_override", IN_PERIOD, SELECTED, CHOSEN, 'reason!="vacuous"')),
        steps=FEW_ARE_GOOD,
    ),
]

DEPARTMENTS = Table(
    title=Text("各部门", "Departments"),
    description=Text(
        f"指标 14–16 的分数是扣分。部门超过 {ROWS} 个时列得分率最低的 {ROWS} 个。",
        f"The points of indicators 14–16 are deductions. Of more than {ROWS} departments the {ROWS} with the lowest share.",
    ),
    width=14,
    nothing=NO_SCORES,
    columns=[
        NAME,
        Column(
            title=Text("分数", "Points"),
            query=_lowest(" or ".join(latest(m, IN_PERIOD, SELECTED, CHOSEN) for m in ("indicator_points", "deduction_points"))),
            decimals=2,
        ),
        Column(title=KEPT, query=_lowest(OF_CHOSEN), unit="percentunit", decimals=1, steps=more_is_better(1), background=True),
        Column(
            title=Text("比率", "Ratio"),
            query=_lowest(latest("indicator_ratio", IN_PERIOD, SELECTED, CHOSEN)),
            unit="percentunit",
            decimals=2,
        ),
        Column(title=Text("分子", "Numerator"), query=_lowest(_input("numerator")), decimals=None),
        Column(title=Text("分母", "Denominator"), query=_lowest(_input("denominator")), decimals=None),
    ],
    sort=KEPT,
    descending=False,
)

COURSE = Lines(
    title=Text("得分率变化", "Course of the share kept"),
    description=Text("所选指标的平均和最低得分率。", "Mean and lowest share of the indicator chosen."),
    width=10,
    lines=[
        Line(query=f"avg({OF_CHOSEN})", legend=Text("平均", "mean")),
        Line(query=f"min({OF_CHOSEN})", legend=Text("最低", "lowest")),
    ],
    unit="percentunit",
    most=1,
)

ALL = Table(
    title=Text("全部指标", "All indicators"),
    description=Text(
        "所选部门的平均与最低得分率；点指标看其看板或页面。",
        "Mean and lowest share over the departments; an indicator leads to its board or page.",
    ),
    width=14,
    nothing=NO_SCORES,
    columns=[
        INDICATOR,
        Column(
            title=MEAN,
            query=MEAN_SHARES,
            unit="percentunit",
            decimals=1,
            steps=more_is_better(1),
            background=True,
        ),
        Column(
            title=Text("最低", "Lowest"),
            query=kept_by_indicator("min", "max"),
            unit="percentunit",
            decimals=1,
            steps=more_is_better(1),
        ),
        Column(title=Text("计分部门", "Scored"), query=SCORED),
        Column(
            title=Text("判零", "Zeroed"),
            query=f"count by(indicator) ({ZEROED}) or 0 * {SCORED}",
            steps=FEW_ARE_GOOD,
        ),
    ],
    sort=MEAN,
    descending=False,
)

ALL_COURSE = Lines(
    title=Text("各指标的平均得分率", "Mean share kept by indicator"),
    description=Text("所选部门的平均，每项指标一条线。", "Mean over the departments, a line an indicator."),
    width=10,
    lines=[by_label(MEAN_SHARES, "indicator")],
    unit="percentunit",
    most=1,
    names=INDICATOR_NAMES,
    points=60,  # each reads all points of all departments
)

BOARD = Board(
    number=3,
    name="indicator",
    title=Text("指标", "Indicator"),
    description=Text("一项指标在各部门的情况，以及全部指标的比较。", "One indicator in all departments, and all indicators compared."),
    by_period=True,
    by_indicator=True,
    rows=[Row(4, NUMBERS), Row(12, [DEPARTMENTS, COURSE]), Row(13, [ALL, ALL_COURSE])],
)
