"""What has to hold of mutated records: in process through `take_chunk`, and live through a worker on Apache Kafka."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import orjson
from kafka import KafkaProducer

from models.events import INPUT_TOPICS
from models.facts import Fact, digest, to_fact
from models.identifiers import EVERY_DEPARTMENT
from models.instants import parse_instant, to_instant
from models.rulesets import default_ruleset
from models.wire import REASONS, Rejection, misplaced, parse_chunk, parse_record
from scoring.batch import fold_facts
from scoring.context import create_context
from scoring.scores import score_city
from streams.intake import arrival_of, partition_of, take_chunk
from streams.partition import PartitionState
from tests.support.faust_fakes import Record
from tests.support.live import System, differences, until
from tests.support.mutations import Mutator, Sent

AS_OF = parse_instant("2020-12-15T12:00:00+08:00")
ARRIVAL = parse_instant("2020-12-14T12:00:00+08:00") // 1_000
CHUNKS = (1, 2, 7, 100, 500, 2_000)


@dataclass
class Report:
    """What was found. `verdicts`: new, duplicate, rerouted, or the reason of the rejection."""

    records: int = 0
    mutated: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def bad(self) -> int:
        return sum(number for verdict, number in self.verdicts.items() if verdict in REASONS)


@contextmanager
def untimed(_: str) -> Iterator[None]:
    yield


def judge(value: bytes | None, key: bytes | None, topic: str, partition: int, partitions: int) -> Fact | Rejection | int:
    """What a record is by itself: the fact that it brings, why it cannot be used, or the partition that it belongs to."""
    event = parse_record(value)
    if isinstance(event, Rejection):
        return event
    found = misplaced(to_fact(event), topic, key)
    if found is not None:
        return replace(found, source=event.source)
    right = partition if event.department == EVERY_DEPARTMENT else partition_of(event.department, partitions)
    return to_fact(event) if right == partition else right


def in_process(mutator: Mutator, count: int, partitions: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Send so many mutated records, and good ones among them, through `take_chunk` in chunks of every size."""
    context = create_context(default_ruleset(), AS_OF)
    states = [PartitionState(number, context.as_of(AS_OF), {}) for number in range(partitions)]
    held: list[dict[str, Fact]] = [{} for _ in states]
    report = Report()
    waiting: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
    offsets: Counter[tuple[str, int]] = Counter()

    def put(topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Any) -> None:
        place = topic, partition
        waiting[place].append(Record(topic, partition, offsets[place], value, key, ARRIVAL, headers=headers))
        offsets[place] += 1

    def flush(place: tuple[str, int]) -> None:
        records = waiting.pop(place)
        started = time.perf_counter()
        intake = take_chunk(states[place[1]], place[0], records[0].offset, records[-1].offset + 1, records, partitions, untimed)
        report.seconds += time.perf_counter() - started
        _check(report, place, records, intake, held[place[1]], partitions)
        for record, partition, arrival, _ in intake.rerouted:  # as the worker does: behind, with its arrival
            put(record.topic, partition, record.key, record.value, (("onestop-arrival", str(arrival).encode()),))

    sizes: dict[tuple[str, int], int] = {}
    for sent in mutator.mixed(count):
        put(sent.topic, sent.partition, sent.key, sent.value, sent.headers)
        report.mutated += bool(sent.mutation)
        place = sent.topic, sent.partition
        if len(waiting[place]) >= sizes.setdefault(place, CHUNKS[(seed + len(sizes)) % len(CHUNKS)]):
            flush(place)
            sizes[place] = CHUNKS[(CHUNKS.index(sizes[place]) + 1) % len(CHUNKS)]
        progress(report.mutated)
    while waiting:
        flush(next(iter(waiting)))
    for state, facts in zip(states, held, strict=True):
        state.city.settle()
        expected = fold_facts(facts.values(), AS_OF, default_ruleset())
        live = {f"{r.department}|{r.period}|{r.indicator}": orjson.loads(r.to_json()) for r in score_city(state.city)}
        wanted = {f"{r.department}|{r.period}|{r.indicator}": orjson.loads(r.to_json()) for r in score_city(expected)}
        report.faults += differences(live, wanted)[:20]
    return report


def _check(report: Report, place: tuple[str, int], records: list[Record], intake: Any, held: dict[str, Fact], partitions: int) -> None:
    """Compare a chunk's intake with the verdicts of its records one by one, in their order."""
    bad, rerouted, added, duplicates = [], [], [], 0
    for record in records:
        verdict = judge(record.value, record.key, *place, partitions)
        if isinstance(verdict, int):
            rerouted.append((record.offset, verdict))
            report.verdicts["rerouted"] += 1
            continue
        if isinstance(verdict, tuple):
            first = held.setdefault(verdict[3], verdict)
            if first is verdict or digest(first) == digest(verdict):
                duplicates += first is not verdict
                report.verdicts["new" if first is verdict else "duplicate"] += 1
                if first is verdict or arrival_of(record) != record.timestamp:
                    added.append(verdict)
                continue
            verdict = Rejection("conflicting_event_id", "")
        bad.append((record.offset, verdict.reason))
        report.verdicts[verdict.reason] += 1
    report.records += len(records)
    found = [(record.offset, rejection.reason) for record, rejection in intake.quarantined]
    if found != bad:
        report.faults.append(f"{place}: quarantined {sorted(set(found) ^ set(bad))[:5]}")
    if [(record.offset, right) for record, right, _, _ in intake.rerouted] != rerouted:
        report.faults.append(f"{place}: sent on {len(intake.rerouted)}, expected {len(rerouted)}")
    if intake.record.facts != added or intake.record.duplicates != duplicates:
        report.faults.append(f"{place}: {len(intake.record.facts)} facts, expected {len(added)}")
    if any(reason not in REASONS for _, reason in found):
        report.faults.append(f"{place}: a reason that is not of the list")
    if parse_chunk([record.value for record in records]) != [parse_record(record.value) for record in records]:
        report.faults.append(f"{place}: beside others a record is read otherwise than alone")


def costs(mutator: Mutator, count: int) -> tuple[float, float, list[tuple[float, str, int]]]:
    """CPU µs a good record, a bad one, and those of each single mutation, the dearest first, with its mean size."""
    samples: defaultdict[str, list[Sent]] = defaultdict(list)
    for _ in range(count):
        sent = mutator.mutated()
        if isinstance(judge(sent.value, sent.key, sent.topic, sent.partition, 1), Rejection):
            samples[sent.mutation].append(sent)
    good = _cpu([mutator.good() for _ in range(count)])
    bad = _cpu([sent for held in samples.values() for sent in held])
    kinds = [
        (_cpu(held), name, sum(len(sent.value or b"") for sent in held) // len(held)) for name, held in samples.items() if "+" not in name
    ]
    return good, bad, sorted(kinds, reverse=True)


def _cpu(sent: list[Sent]) -> float:
    state = PartitionState(0, create_context(default_ruleset(), AS_OF), {})
    chunks = [sent[begin : begin + 1_000] for begin in range(0, len(sent), 1_000)]
    records = [[Record(one.topic, 0, place, one.value, one.key, ARRIVAL) for place, one in enumerate(chunk)] for chunk in chunks]
    used = time.process_time()
    for chunk in records:
        by_topic: defaultdict[str, list[Record]] = defaultdict(list)
        for record in chunk:
            by_topic[record.topic].append(record)
        for topic, held in by_topic.items():
            take_chunk(state, topic, 0, 1, held, 1, untimed)
    return (time.process_time() - used) / len(sent) * 1e6


# --- live


def send(system: System, records: Iterable[Sent], progress: Callable[[int], None] = lambda _: None) -> int:
    """Send records to the topics and partitions they name; how many."""
    producer = KafkaProducer(bootstrap_servers=system.broker, max_request_size=2_000_000, batch_size=256 * 1024, linger_ms=20)
    failed: list[BaseException] = []
    number = 0
    for number, sent in enumerate(records, start=1):
        headers = [(name, value) for name, value in sent.headers if value is not None]  # kafka-python sends no null ones
        future = producer.send(system.prefix + sent.topic, sent.value, key=sent.key, partition=sent.partition, headers=headers)
        future.add_errback(failed.append)
        progress(number)
    producer.flush()
    producer.close()
    assert not failed, f"{len(failed)} records were not taken by the broker: {failed[0]!r}"
    return number


def verify(system: System) -> Report:
    """Compare quarantine, facts and scores with the input topics as they lie on the broker, every record judged by itself."""
    report = Report()
    until(lambda: not system.holes(), "every record is finished", 900, logs=system.logs)
    held: dict[tuple[int, str], Fact] = {}
    for chunk in system.chunks():
        for fact in chunk.facts:
            held.setdefault((chunk.partition, fact[3]), fact)
    expected: dict[str, tuple[str, bytes]] = {}
    brought: set[tuple[int, str]] = set()
    for topic in INPUT_TOPICS:
        for record in system.read(topic):
            report.records += 1
            verdict = judge(record.value, record.key, topic, record.partition, system.partitions)
            if isinstance(verdict, int):
                report.verdicts["rerouted"] += 1
                continue
            if isinstance(verdict, tuple):
                place = record.partition, verdict[3]
                first = held.get(place)
                if first is None:
                    report.faults.append(f"{topic}|{record.partition}|{record.offset} is good and was not taken in")
                    continue
                if digest(first) == digest(verdict):
                    report.verdicts["copy" if place in brought else "new"] += 1
                    brought.add(place)
                    continue
                verdict = Rejection("conflicting_event_id", "")
            report.verdicts[verdict.reason] += 1
            expected[f"{topic}|{record.partition}|{record.offset}"] = verdict.reason, record.value or b""
    report.faults += [f"fact {place} was taken in and never sent" for place in held.keys() - brought]
    found = {}
    for record in system.read("quarantine"):
        headers = dict(record.headers)
        found[record.key.decode()] = headers["reason"].decode(), record.value or b""
    report.faults += [f"{key} is not in quarantine" for key in expected.keys() - found.keys()]
    report.faults += [f"{key} is in quarantine and good" for key in found.keys() - expected.keys()]
    report.faults += [
        f"{key}: {found[key]!r:.100}, expected {expected[key]!r:.100}"
        for key in expected.keys() & found.keys()
        if found[key] != expected[key]
    ]
    facts: defaultdict[int, list[Fact]] = defaultdict(list)
    for (partition, _), fact in held.items():
        facts[partition].append(fact)

    def scores() -> list[str]:
        wanted = {}
        for part in facts.values():
            city = fold_facts(part, to_instant(datetime.now(tz=timezone.utc)), default_ruleset())
            wanted.update({f"{r.department}|{r.period}|{r.indicator}": orjson.loads(r.to_json()) for r in score_city(city)})
        return differences(system.scores(), wanted)

    until(lambda: not scores(), "the scores are those of the good records", 600)
    return report
