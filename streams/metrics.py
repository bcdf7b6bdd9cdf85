"""The workers' pipeline metrics, declared once. Whatever is labelled `department` belongs to the scoreboard exporter."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from models.events import INPUT_TOPICS
from models.wire import REASONS
from streams.balance import CONSUMED, OUTCOMES

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
STAGES = ("validate", "fold", "append", "settle", "score", "publish")
PUBLISHING = frozenset({"settle", "score", "publish"})


class WorkerMetrics:
    """All metrics of a worker, in a registry of their own. Known series start at 0: a counter born at 1 is missed by `increase`."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, that no board reads
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace="govscore", registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, namespace="govscore", registry=registry)

        self.consumed = counter("events_consumed_total", "Records consumed.", "topic")
        self.duplicates = counter("duplicate_events_total", "Events whose id was taken in before.", "topic")
        self.late = counter("late_events_total", "Events that arrived in a later period than they occurred in.", "topic")
        self.rerouted = counter("rerouted_events_total", "Records sent on to the partition of their department.", "topic")
        self.unknown_fields = counter("unknown_fields_total", "Fields that the contract does not know, ignored.", "topic")
        self.quarantined = counter("quarantined_events_total", "Records put into quarantine.", "topic", "reason")
        self.batch_seconds = Histogram(
            "batch_processing_seconds", "From the delivery of a chunk until everything it brought is durable.", ["topic"],
            namespace="govscore", registry=registry, buckets=BUCKETS,
        )  # fmt: skip
        self.end_to_end_seconds = Histogram(
            "event_end_to_end_seconds", "From an event's time at its source until its score is published.", ["topic"],
            namespace="govscore", registry=registry, buckets=(*BUCKETS, 60, 300),
        )  # fmt: skip
        self.stage_seconds = counter("stage_seconds_total", "CPU time of the main thread by stage of the pipeline.", "stage")
        self.lag = gauge("consumer_lag_records", "Records not finished yet.", "topic", "partition")
        self.heartbeat = gauge("heartbeat_processed_timestamp_seconds", "When a partition last was seen alive.", "topic", "partition")
        self.catching_up = gauge("catching_up", "1 until the end offsets seen at start are consumed.", "topic", "partition")
        self.recovery_in_progress = gauge("recovery_in_progress", "1 while the state is read from the changelog.")
        self.recovery_remaining = gauge("recovery_remaining_records", "Changelog records still to be read.")
        self.balance = gauge(
            "balance_records", "Records of the partitions owned: consumed, and what became of them, from the changelog.", "topic", "outcome"
        )
        self.balance_difference = gauge(
            "balance_difference_records", "Records consumed of which nothing became: 0, or something is lost.", "topic"
        )
        self.topic_paused = gauge("topic_paused", "1 while a topic is paused, too many of its records being bad.", "topic")
        self.snapshot_at = gauge("snapshot_timestamp_seconds", "When the snapshot of a partition was last written.", "partition")
        self.snapshot_failures = counter("snapshot_failures_total", "Snapshots that could not be written.")
        self.rebalances = counter("rebalances_total", "Rebalances of the consumer group seen by this worker.")
        self.calendar_until = gauge(
            "calendar_published_until_timestamp_seconds", "Until when holidays are published; deadlines beyond it are provisional."
        )
        for topic in INPUT_TOPICS:
            for by_topic in (self.consumed, self.duplicates, self.late, self.rerouted, self.unknown_fields):
                by_topic.labels(topic)
            for outcome in (CONSUMED, *OUTCOMES):
                self.balance.labels(topic, outcome)
            self.balance_difference.labels(topic)
            self.topic_paused.labels(topic)
            self.batch_seconds.labels(topic)
            self.end_to_end_seconds.labels(topic)
            for reason in REASONS:
                self.quarantined.labels(topic, reason)
        self.publishing_seconds = 0.0  # of the stages that make scores of what was taken in
        self._stages = {stage: self.stage_seconds.labels(stage) for stage in STAGES}

    def forget_partitions(self) -> None:
        """Drop what is said of partitions: another worker may have them now, and an old lag would stand for ever beside the true one."""
        for by_partition in (self.lag, self.heartbeat, self.catching_up):
            by_partition.clear()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the CPU time of this thread in a stage."""
        start = time.thread_time()
        yield
        used = time.thread_time() - start
        self._stages[name].inc(used)
        if name in PUBLISHING:
            self.publishing_seconds += used
