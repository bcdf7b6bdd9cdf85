"""A live system for tests: worker processes on a broker, what they published, and the comparison with `onestop score`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaConsumer, TopicPartition

from models.facts import to_fact
from models.instants import parse_instant, to_instant
from models.rulesets import default_ruleset
from models.settings import PREFIX, Settings, load_settings
from models.wire import Rejection, parse_chunk
from scoring.batch import fold_facts
from scoring.scores import score_city
from streams.changelog import ChunkRecord, Parts, decode
from streams.intervals import Intervals
from streams.kafka_clients import client_arguments
from streams.topics import CHANGELOG

ONESTOP = [sys.executable, "-m", "streams.cli.main"]
DEADLINE_SECONDS = 180
# What a record says about when it was made, not about what was scored.
MADE = ("as_of", "rank", "ranked")


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS, *, logs: Callable[[], str] = str) -> Any:
    """Poll until a condition is true; fail with what was waited for, and with what the logs say by then."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}\n{logs()}".rstrip())
        time.sleep(0.2)


@dataclass
class System:
    """Worker processes sharing a broker under a topic prefix."""

    broker: str
    prefix: str
    directory: Path
    partitions: int = 4
    extra: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every command."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")}
        return {
            **clean,
            "ONESTOP_BROKER": self.broker,
            "ONESTOP_TOPIC_PREFIX": self.prefix,
            "ONESTOP_PARTITIONS": str(self.partitions),
            "ONESTOP_DATA_DIR": str(self.directory / "data"),
            "ONESTOP_WORKER_ADDRESS": "127.0.0.1:0",
            "ONESTOP_QUARANTINE_LIMIT": "1",  # many tests send more bad records than any source would
            **self.extra,
        }

    @property
    def settings(self) -> Settings:
        """The same as an object."""
        given = {name.removeprefix(PREFIX).lower(): value for name, value in self.environment.items() if name.startswith(PREFIX)}
        return load_settings(**given)

    def run(self, *arguments: str, expect: int | None = 0, **settings: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        done = subprocess.run([*ONESTOP, *arguments], env={**self.environment, **settings}, capture_output=True, check=False, timeout=300)
        assert expect is None or done.returncode == expect, done.stderr.decode()
        return done

    def start(self, name: str, command: str | list[str] = "worker", **settings: str) -> subprocess.Popen[bytes]:
        """Start a process; its log is `NAME.log`."""
        line = [*ONESTOP, command] if isinstance(command, str) else command
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(line, env={**self.environment, **settings}, stdout=log, stderr=log)
        self.processes[name] = process
        return process

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a process and, unless it only pauses, wait for its end."""
        process = self.processes[name]
        process.send_signal(how)
        if how not in (signal.SIGSTOP, signal.SIGCONT):
            process.wait(timeout=60)
            del self.processes[name]

    def close(self) -> None:
        """End everything."""
        for name in list(self.processes):
            self.kill(name, signal.SIGKILL)

    def logs(self) -> str:
        """The ends of all logs, for a failure's message."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-15:]) for path in sorted(self.directory.glob("*.log"))
        )

    def read(self, topic: str) -> list[Any]:
        """All records of a topic, to the end offsets of now."""
        consumer = KafkaConsumer(
            **client_arguments(self.settings), enable_auto_commit=False, group_id=None, max_partition_fetch_bytes=8_000_000
        )
        try:
            name = self.prefix + topic
            places = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())]
            consumer.assign(places)
            ends = consumer.end_offsets(places)
            consumer.seek_to_beginning(*places)
            found: list[Any] = []
            end = time.monotonic() + DEADLINE_SECONDS
            while any(consumer.position(place) < ends[place] for place in places):
                for records in consumer.poll(timeout_ms=200).values():
                    found += records
                assert time.monotonic() < end, f"{topic} could not be read to its end"
            return found
        finally:
            consumer.close()

    def scores(self) -> dict[str, dict[str, Any]]:
        """The score records that hold: of each key the one of the greatest (version, as_of)."""
        held: dict[str, dict[str, Any]] = {}
        for record in self.read("scores"):
            key = record.key.decode()
            if record.value is None:
                held.pop(key, None)
                continue
            found = orjson.loads(record.value)
            if key not in held or _order(found) >= _order(held[key]):
                held[key] = found
        return held

    def chunks(self) -> list[ChunkRecord]:
        """The chunk records of the changelog."""
        decoded = [decode(record.value) for record in self.read(CHANGELOG)]
        return [record for record in decoded if isinstance(record, ChunkRecord)]

    def facts(self) -> set[str]:
        """The ids of all facts in the changelog."""
        return {fact[3] for record in self.chunks() for fact in record.facts}

    def holes(self) -> list[str]:
        """What the changelog's intervals leave out of the input partitions; empty when they tile."""
        from models.events import INPUT_TOPICS

        held: dict[tuple[str, int], Intervals] = {}
        parts = Parts()
        for record in self.chunks():
            if parts.complete(record):
                held.setdefault((record.topic, record.partition), Intervals()).add(record.begin, record.end)
        consumer = KafkaConsumer(**client_arguments(self.settings))
        try:
            places = [TopicPartition(self.prefix + topic, number) for topic in INPUT_TOPICS for number in range(self.partitions)]
            ends = consumer.end_offsets(places)
        finally:
            consumer.close()
        found = []
        for place in places:
            topic = place.topic.removeprefix(self.prefix)
            for hole in held.get((topic, place.partition), Intervals()).holes(0, ends[place]):
                found.append(f"{topic}-{place.partition}: {hole}")
        return found


def _order(record: dict[str, Any]) -> tuple[int, int]:
    return record["version"], parse_instant(record["as_of"])


def expected_scores(lines: Iterable[bytes], as_of: datetime | None = None) -> dict[str, dict[str, Any]]:
    """What `onestop score` says of the good lines, by key."""
    events = [event for event in parse_chunk(list(lines)) if not isinstance(event, Rejection)]
    city = fold_facts(map(to_fact, events), to_instant(as_of or datetime.now(tz=timezone.utc)), default_ruleset())
    return {f"{r.department}|{r.period}|{r.indicator}": orjson.loads(r.to_json()) for r in score_city(city)}


def differences(live: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> list[str]:
    """Field by field, what differs; a key missing on either side is a difference."""
    found = [f"{key}: only expected" for key in expected.keys() - live.keys()]
    found += [f"{key}: only live" for key in live.keys() - expected.keys()]
    for key in expected.keys() & live.keys():
        for name in expected[key].keys() | live[key].keys():
            if name not in MADE and expected[key].get(name) != live[key].get(name):
                found.append(f"{key} {name}: live {live[key].get(name)!r}, expected {expected[key].get(name)!r}")
    return sorted(found)
