"""Says how many tests of alerts there are, at the end of a run that has any of them."""

from __future__ import annotations

import pytest

from tests.deploy.tools import TESTS, alerts, load


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: alerts, and the cases that promtool tries them in."""
    tests = [test for path in TESTS for test in load(path)["tests"]]
    cases = sum(len(test.get("alert_rule_test", ())) for test in tests)
    terminalreporter.write_line(
        f"{len(alerts())} alerts, {len(tests)} courses of events with {cases} looks at an alert (promtool test rules)"
    )
