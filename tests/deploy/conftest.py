"""One running city for all tests that look at it; at the end how many alerts were tried and how many queries of boards verified."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.deploy.live import Live, live_city
from tests.deploy.tools import TESTS, alerts, load

QUERIES = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The program running, with a Prometheus that scrapes it."""
    with live_city(tmp_path_factory.mktemp("live")) as city:
        yield city


@pytest.fixture
def verified(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Counts a query, under what became of it."""
    held = request.config.stash.setdefault(QUERIES, Counter())

    def count(what: str) -> None:
        held[what] += 1

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many."""
    tests = [test for path in TESTS for test in load(path)["tests"]]
    cases = sum(len(test.get("alert_rule_test", ())) for test in tests)
    terminalreporter.write_line(
        f"{len(alerts())} alerts, {len(tests)} courses of events with {cases} looks at an alert (promtool test rules)"
    )
    for what, number in config.stash.get(QUERIES, Counter()).items():
        terminalreporter.write_line(f"queries of the boards {what}: {number}")
