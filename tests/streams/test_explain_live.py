"""Explanations by two workers on Apache Kafka: as offline, of a closed period as frozen, and after the owner was killed from its successor."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from models.explanations import Explanation
from models.rulesets import default_ruleset
from scoring.batch import fold_facts
from scoring.explaining import explain
from scoring.indicators import BY_ID, INDICATORS
from scoring.local_time import parse_period
from scoring.view import View
from streams.cli.explain import _whole
from streams.intake import partition_of
from streams.serving.connection import connect
from streams.serving.layout import layout_of
from streams.serving.read_model import open_read_model
from streams.serving.web import create_app
from streams.serving.workers import NoAnswerError, RefusedQueryError, Workers
from tests.serving.client import ask
from tests.streams.test_closing_live import AFTER, BEFORE, IN_TIME, LATE, NEXT_DAY, Timeline, august, late
from tests.support.builder import D1, D2, D3, D4
from tests.support.clocked_worker import read_clock
from tests.support.live import System, until

DEPARTMENTS = (D1, D2, D3, D4)
AUGUST, SEPTEMBER = "2020-08", "2020-09"


@pytest.fixture
def timeline(kafka: Any, redis_server: Any, unique_prefix: str, tmp_path: Path) -> Iterator[Timeline]:
    held = Timeline(System(kafka.address, unique_prefix, tmp_path, partitions=2, extra={"ONESTOP_REDIS_URL": redis_server.url}))
    held.system.run("topics", "create")
    yield held
    held.system.close()


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def by_pages(workers: Workers, department: str, period: str, indicator: str) -> Explanation:
    """All pages of three rows."""
    rows: list[Any] = []
    after = None
    while True:
        page = workers.explain(department, period, indicator, limit=3, after=after)
        rows += page.evidence
        if (after := page.next_cursor) is None:
            return page.model_copy(update={"evidence": rows})


def content(explanation: Explanation) -> dict[str, Any]:
    found = explanation.model_dump()
    del found["record"]["as_of"]
    return found


def answered(workers: Workers) -> bool:
    try:
        return all(workers.explain(department, AUGUST, "online_depth") for department in DEPARTMENTS)
    except (NoAnswerError, RefusedQueryError):
        return False


async def test_live_as_offline_closed_as_frozen_and_by_the_successor(timeline: Timeline) -> None:
    system = timeline.system
    ports = {name: free_port() for name in ("one", "two")}
    timeline.set(BEFORE)
    timeline.send(IN_TIME, *map(august, DEPARTMENTS))
    for name, port in ports.items():
        timeline.start(name, ONESTOP_WORKER_ADDRESS=f"127.0.0.1:{port}", ONESTOP_WORKER_ID=name)
    system.start("projector", "projector")
    settings, workers = system.settings, Workers(system.settings)
    client, layout = connect(settings), layout_of(settings)

    def owner_of(partition: int) -> str:
        found: Any = client.get(layout.owner(partition))
        return "nobody" if found is None else found.decode()

    until(
        lambda: {owner_of(0), owner_of(1)} == {f"127.0.0.1:{port}" for port in ports.values()},
        "each has a partition",
        logs=system.logs,
    )
    until(lambda: not system.holes() and answered(workers), "every department is answered for", logs=system.logs)

    # Live as offline, by pages and all at once.
    assert timeline.closed() == set()
    for department in DEPARTMENTS:
        for period in (AUGUST, SEPTEMBER):
            for indicator in INDICATORS:
                held = fold_facts((fact for _, fact in timeline.log), read_clock(timeline.clock), default_ruleset()).departments[department]
                expected = content(explain(indicator, View(held, parse_period(period))))
                assert content(_whole(workers, department, period, indicator.id)) == expected
                assert content(by_pages(workers, department, period, indicator.id)) == expected
    told = system.run("explain", D1, AUGUST, "case_aggregation", "--json").stdout
    assert content(Explanation(**orjson.loads(told))) == content(workers.explain(D1, AUGUST, "case_aggregation"))

    # Closed as frozen, with what came too late beside it.
    timeline.set(AFTER)
    until(lambda: timeline.frozen_records().keys() >= {(department, AUGUST) for department in DEPARTMENTS}, "August is frozen")
    timeline.set(NEXT_DAY)
    timeline.send(LATE, late(D1))
    until(lambda: not system.holes() and timeline.adjusted(), "what is late adjusts")
    app = create_app(settings, open_read_model(settings), workers)

    async def explained(indicator: str) -> dict[str, Any]:
        answer = await ask(app, f"/api/v1/explain/{D1}/{AUGUST}/{indicator}")
        assert answer.status == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    frozen = {record["indicator"]: record for record in map(orjson.loads, timeline.frozen_records()[D1, AUGUST].records)}
    for indicator in BY_ID:
        found = Explanation.model_validate({k: v for k, v in (await explained(indicator)).items() if k != "adjustments"})
        assert orjson.loads(found.record.to_json()) == frozen[indicator]
        assert found.closing == f"auto|{AUGUST}"
    case_aggregation = await explained("case_aggregation")
    assert (case_aggregation["record"]["numerator"], case_aggregation["counted"]) == ("4", {"against": 2, "for": 4})
    until(lambda: client.exists(layout.adjustments(AUGUST)), "the projector has brought the adjustments")
    assert [entry["event_id"] for entry in (await explained("case_aggregation"))["adjustments"]] == [f"{D1}-late-1"]

    # The owner is killed: nobody answers for a while, then its successor does, and right.
    place = partition_of(D1, 2)
    owner = owner_of(place)
    [name] = [name for name, port in ports.items() if owner.endswith(f":{port}")]
    before = {indicator: content(workers.explain(D1, AUGUST, indicator)) for indicator in BY_ID}
    system.kill(name, signal.SIGKILL)
    with pytest.raises(NoAnswerError, match="ask again in a moment"):
        workers.explain(D1, AUGUST, "online_depth")
    assert (await ask(app, f"/explain/{D1}/{AUGUST}/online_depth")).status == 503
    until(lambda: answered(workers), "the successor answers", logs=system.logs)
    assert owner_of(place) not in ("nobody", owner)
    client.close()
    assert {indicator: content(workers.explain(D1, AUGUST, indicator)) for indicator in BY_ID} == before
    workers.close()
