"""Rulesets on Apache Kafka and a real Redis: one that takes effect from a period on, what another would give, workers that differ."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.simulator import chaos, dump, simulate_months
from tests.support.live import System, differences, until

OLD = "name: old\nseed: s\npolicies: {objection_carry_in: false, sharing_workdays: 3}\n"
NEW = "name: new\nseed: s\nvalid_from: 2020-09\nprevious: old.yaml\npolicies: {aggregation: flow, zero_denominator: zero}\n"


@pytest.fixture
def system(kafka: Any, redis_server: Any, unique_prefix: str, tmp_path: Path) -> Iterator[System]:
    """Two workers, a projector and a web server by a chain of two rulesets."""
    (tmp_path / "old.yaml").write_text(OLD, encoding="utf-8")
    (tmp_path / "new.yaml").write_text(NEW, encoding="utf-8")
    settings = {"ONESTOP_REDIS_URL": redis_server.url, "ONESTOP_RULESET": str(tmp_path / "new.yaml")}
    held = System(kafka.address, unique_prefix, tmp_path, partitions=3, extra=settings)
    held.run("topics", "create")
    for name in ("one", "two"):
        held.start(name, ONESTOP_WORKER_ID=name)
    held.start("projector", "projector")
    yield held
    held.close()


def objects(output: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in output.splitlines()]


def said_of_workers(system: System) -> dict[str, bool]:
    """What doctor finds of the rulesets of the workers, and whether it is right."""
    found = objects(system.run("doctor", "--json", expect=None).stdout)
    return {each["text"]: each["right"] for each in found if each["check"] == "ruleset" and "scores by" in each["text"]}


def test_a_city_by_two_rulesets(system: System) -> None:
    path = system.directory / "city.jsonl"
    events = chaos(simulate_months(4, "2020-08", "2020-09", seed=7, volume=0.1), seed=7)
    path.write_bytes(b"\n".join(map(dump, events)) + b"\n")
    system.run("publish", str(path))

    now = datetime.now(tz=timezone.utc).isoformat()
    records = objects(system.run("score", str(path), "--as-of", now, "--json").stdout)
    expected = {f"{r['department']}|{r['period']}|{r['indicator']}": r for r in records}
    until(lambda: not differences(system.scores(), expected), "the live scores are those of the chain")
    names = {record["period"] >= "2020-09": record["ruleset"].partition("@")[0] for record in expected.values()}
    assert names == {False: "old", True: "new"}

    # The same events under another ruleset, read from the changelog as of now.
    live = objects(system.run("what-if", "--ruleset", "default", "--period", "2020-09", "--json").stdout)
    files = objects(system.run("what-if", "--ruleset", "default", "--period", "2020-09", "--json", str(path), "--as-of", now).stdout)
    assert live == files
    assert any(record["difference"] for record in live)

    # All workers agree, until one of them is started with another ruleset.
    assert set(said_of_workers(system).values()) == {True}
    system.kill("two", signal.SIGTERM)
    system.start("three", ONESTOP_WORKER_ID="three", ONESTOP_RULESET=str(system.directory / "old.yaml"))
    until(lambda: len(said_of_workers(system)) == 2, "the heartbeats name two rulesets")
    found = said_of_workers(system)
    (wrong,) = [text for text, right in found.items() if not right]
    assert wrong.startswith("three (partitions [")
    assert "but the settings here say new@" in wrong
