"""With more departments than a table shows, its columns are of the same ones: those that need attention first."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.deploy import exporters
from tests.deploy.boards import BOARDS
from tests.deploy.promql import filled_in
from tests.deploy.scraping import prometheus, value
from tests.deploy.servers import until
from tests.support.builder import department_code

MANY, ROWS = 300, 200
PANELS = {(name, panel["title"]): panel for (language, name), board in BOARDS.items() if language == "en" for panel in board["panels"]}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes two exporters of a large city, in which many are equally late."""
    city = {department_code(n): (f"部门{n}", n % 3, 0, 1, {"query": n % 9 > 0}) for n in range(MANY)}
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(exporters, "CITY", city)
        page = exporters.exporter_page()
        targets = [stack.enter_context(exporters.served(lambda: page)) for _ in range(2)]
        url = stack.enter_context(prometheus(tmp_path_factory.mktemp("many"), targets, [], pace="2s"))
        until(lambda: value(url, f"count(count by(department) (govscore_department_points)) == {MANY} and on() count(up == 1) == 2"))
        yield url


def shown(url: str, board: str, title: str) -> list[set[str]]:
    """The departments of each column."""
    queries = [filled_in(target["expr"], period=exporters.PERIODS[0]) for target in PANELS[board, title]["targets"]]
    return [{series["metric"]["department"] for series in value(url, query)} for query in queries]


@pytest.mark.parametrize(
    ("board", "title"),
    [("overview", "Departments × 16 indicators"), ("indicator", "Departments"), ("cases", "Cases by department")],
)
def test_all_columns_are_of_the_same_departments(many: str, board: str, title: str) -> None:
    whole, *others = sorted(shown(many, board, title), key=len, reverse=True)
    assert len(whole) == ROWS
    assert all(column <= whole for column in others)
    assert sum(column == whole for column in others) >= len(others) - 2  # the oldest deadline and a share of nothing may be absent


def test_the_lowest_are_shown(many: str) -> None:
    (points, *_) = shown(many, "overview", "Departments × 16 indicators")
    assert points == set(by_points(many)[-ROWS:])


def by_points(url: str) -> list[str]:
    """The departments from the best to the lowest, as Prometheus has them."""
    query = f'max by(department) (govscore_department_points{{period="{exporters.PERIODS[0]}"}})'
    found = sorted(value(url, query), key=lambda series: -float(series["value"][1]))
    return [series["metric"]["department"] for series in found]


def test_the_ranking_is_whole(many: str) -> None:
    assert all(len(column) == MANY for column in shown(many, "overview", "Ranking"))


def test_the_latest_are_shown_first(many: str) -> None:
    columns = shown(many, "cases", "Cases by department")
    overdue = {series["metric"]["department"] for series in value(many, "govscore_cases_overdue > 0")}
    assert len(overdue) == ROWS
    assert columns[0] == overdue
