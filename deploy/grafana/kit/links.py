"""Links from cells and panels: to the program's pages, and from board to board with time, period and data source kept."""

from dataclasses import dataclass

from models.text import Text

KEPT = "${datasource:queryparam}&${period:queryparam}&${__url_time_range}"


@dataclass(frozen=True, slots=True)
class Link:
    """A title and where it leads, in each language."""

    title: Text
    url: Text


def page(title: Text, path: str) -> Link:
    """A page of the program."""
    return Link(title, Text("${program}" + path, "${program}" + path))


def board(title: Text, name: str, parameters: str) -> Link:
    """Another board, in the same language."""
    return Link(title, Text(*(f"/d/onestop-{name}-{language}?{KEPT}&{parameters}" for language in ("zh", "en"))))


# Of a row; the code is kept in a column that is not shown.
ROW = "${__data.fields.department}"
DEPARTMENT_PAGE = page(Text("部门页面", "Department's page"), f"/departments/{ROW}")
DEPARTMENT_BOARD = board(Text("部门看板", "Department's board"), "department", f"var-department={ROW}")
OVERDUE_PAGE = page(Text("超期办件名单", "List of overdue cases"), f"/cases?state=overdue&department={ROW}")
DUE_PAGE = page(Text("即将到期名单", "List of cases due soon"), f"/cases?state=due_soon&department={ROW}")
# Of a cell that holds an indicator's id; what is shown there is its title.
INDICATOR_PAGE = page(Text("指标页面", "Indicator's page"), "/indicators/${__value.raw}")
INDICATOR_BOARD = board(Text("指标看板", "Indicator's board"), "indicator", "var-indicator=${__value.raw}")
# Of everything that is selected.
ALL_OVERDUE = page(OVERDUE_PAGE.title, "/cases?state=overdue")
ALL_DUE = page(DUE_PAGE.title, "/cases?state=due_soon")
