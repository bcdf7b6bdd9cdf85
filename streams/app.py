"""The Faust application: an agent for each input topic, the tables, and the pipeline they share."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import faust

from models.events import INPUT_TOPICS
from models.instants import SECOND
from models.rulesets import Ruleset
from models.settings import Settings
from scoring.context import Context, create_context
from scoring.local_time import local_time
from scoring.workdays import Workdays
from streams.chunks import ChunkSchema, chunk_scheduler
from streams.clock import Clock
from streams.control import Gatekeeper
from streams.fatal import end_process
from streams.kafka_clients import faust_credentials, servers
from streams.metrics import WorkerMetrics
from streams.pipeline import SESSION_SECONDS, Pipeline
from streams.snapshots import Snapshots
from streams.tables import FACTS, CountersTable, FactsTable
from streams.topics import APP, CHANGELOG

# Of a topic. A fetch brings up to one of each partition: where they do not fit, Faust leaves partitions out of the next fetch, and aiokafka
# then fetches nothing for 100 ms.
QUEUED_CHUNKS = 32
FETCH_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 1024 * 1024
REQUEST_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Composition:
    """What an application is made of; tests give their own clock."""

    settings: Settings
    ruleset: Ruleset
    workdays: Workdays
    clock: Clock
    metrics: WorkerMetrics

    def new_context(self) -> Context:
        """A context as of now, of its own for each partition."""
        return create_context(self.ruleset, self.clock.now(), timezone=self.settings.timezone, workdays=self.workdays)


class Application(faust.App):  # type: ignore[misc]  # Faust has no types
    """Runs tasks from its start on.

    Faust begins those of `app.task` only after the first recovery: a watchdog among them would not see that recovery stop silently, and
    neither metrics nor progress would be told while it lasts.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at_start: list[Callable[[], Coroutine[Any, Any, None]]] = []

    async def on_start(self) -> None:
        """Also begin the tasks."""
        await super().on_start()
        for task in self.at_start:
            self.add_future(task())


def create_app(composition: Composition) -> tuple[Application, Pipeline]:
    """The application and its pipeline, ready to be run by a worker."""
    settings = composition.settings
    inputs = frozenset(settings.topic(name) for name in INPUT_TOPICS)
    brokers = ";".join(f"onestop://{address}" for address in servers(settings))
    app = Application(
        settings.topic(APP),
        broker=brokers,
        broker_credentials=faust_credentials(settings),
        topic_allow_declare=False,  # `onestop topics create` makes them; a worker needs no right to
        store="memory://",
        origin="streams",
        autodiscover=False,
        datadir=str(settings.data_dir / (settings.topic_prefix or APP)),
        web_enabled=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        table_standby_replicas=0,  # until the torture test passes with 1
        ConsumerScheduler=chunk_scheduler(inputs | {settings.topic(CHANGELOG)}),
        stream_buffer_maxsize=QUEUED_CHUNKS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.worker_id if settings.static_membership else None,
        consumer_max_fetch_size=FETCH_BYTES,
        broker_max_poll_records=5_000,
        broker_session_timeout=SESSION_SECONDS,
        broker_rebalance_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 10,  # a member hears of a rebalance with its next heartbeat, and all wait for it
        broker_request_timeout=60.0,
        broker_commit_interval=0.5,
        producer_linger=0.01,  # seconds
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=REQUEST_BYTES,
    )
    app.input_topics = inputs
    gatekeeper = Gatekeeper(settings)
    app.held_topics = gatekeeper.held
    # With a recovery buffer of 1 Faust reads changelogs on after the recovery: every chunk of our own would be decoded and folded again.
    facts = FactsTable(
        app, name=FACTS, partitions=settings.partitions, schema=ChunkSchema(), recovery_buffer_size=2,
        help="The state of each partition.",
    )  # fmt: skip
    app.tables.add(facts)
    counters = CountersTable(app, name="counters", partitions=settings.partitions, help="Monthly counters by department.")
    facts.store.new_context = composition.new_context
    facts.store.counters = counters.data.data
    facts.store.snapshots = Snapshots(settings, settings.topic(CHANGELOG))
    time = local_time(settings.timezone)
    composition.metrics.calendar_until.set_function(
        lambda: time.end_of_day(composition.workdays.published_until(time.day_of(composition.clock.now())) - 1) / SECOND
    )
    pipeline = Pipeline(app, facts.store, composition.settings, composition.clock, composition.metrics, gatekeeper)
    for name in INPUT_TOPICS:
        app.agent(app.topic(settings.topic(name), schema=ChunkSchema(), partitions=settings.partitions), name=f"{APP}.{name}")(
            _consumer_of(name, pipeline)
        )
    app.on_partitions_assigned.connect(pipeline.on_assigned)
    return app, pipeline


def _consumer_of(name: str, pipeline: Pipeline) -> Callable[[Any], Any]:
    async def consume(stream: Any) -> None:  # not a generator: Faust writes a line of its log for whatever one yields
        # Faust skips and commits an event whose agent raises; a fault that is not the record's own ends the process instead.
        try:
            async for _ in stream:
                await pipeline.process(name, stream.current_event.message)
        except Exception as error:  # noqa: BLE001
            end_process(f"processing a chunk of {name} failed: {type(error).__name__}: {error}")

    return consume
