"""A real Prometheus evaluates the project's rules over two of the program's exporters and a worker."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.deploy.exporters import exporter_page, served, worker_page
from tests.deploy.scraping import prometheus as scraping
from tests.deploy.scraping import value
from tests.deploy.servers import ask, until
from tests.deploy.tools import alerts


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ExitStack() as stack:
        exporters = [stack.enter_context(served(exporter_page)) for _ in range(2)]
        worker = stack.enter_context(served(worker_page))
        url = stack.enter_context(scraping(tmp_path_factory.mktemp("prometheus"), exporters, [worker]))
        # `increase` needs two samples, and every rule has to have been evaluated.
        until(lambda: value(url, "min(count_over_time(up[1m])) >= 3 and count(up) == 3"))
        yield url


def test_rules_evaluate_without_faults(prometheus: str) -> None:
    def evaluated() -> list[dict[str, Any]]:
        groups = ask(f"{prometheus}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    rules = until(evaluated)
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    assert len(rules) == len(alerts())


def test_alerts_of_the_city_are_pending_once_each(prometheus: str) -> None:
    until(lambda: ask(f"{prometheus}/api/v1/alerts")["data"]["alerts"])
    held = ask(f"{prometheus}/api/v1/alerts")["data"]["alerts"]
    found = sorted(alert["labels"]["alertname"] for alert in held)
    assert found == [
        "GovscoreCasesDueSoon", "GovscoreCasesOverdue", "GovscoreInterfaceDown", "GovscoreOverdueDeductionCap", "GovscoreWatchdog",
    ]  # fmt: skip
    (overdue,) = [alert for alert in held if alert["labels"]["alertname"] == "GovscoreCasesOverdue"]
    assert overdue["annotations"]["summary"] == "市人力资源和社会保障局有 3 件办件超期未办结"
