"""The facts that the workers have taken in, read back from their changelog: for draws, and for the same events under another ruleset.

From the changelog and not from the input topics: there each event is once, validated, in its department's partition, and of an id with two
contents the one that stands.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kafka.errors import NotCoordinatorError

from models.events import INPUT_TOPICS
from models.facts import Fact
from models.instants import MILLISECOND
from models.settings import Settings
from scoring.city import City
from scoring.context import Context
from streams.changelog import facts_of
from streams.reading import LogReader
from streams.topics import CHANGELOG, admin, committed

Advance = Callable[[int], None]
POLL_SECONDS = 0.5


def _nobody(records: int) -> None:
    """Tell nobody how far it is."""


def facts(reader: LogReader, partition: int, advance: Advance = _nobody) -> Iterator[tuple[int, Fact]]:
    """The facts of a partition with their arrivals in microseconds; a copy that arrived earlier comes once more.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached, or has sent nothing for half a minute.
        ChangelogError: a record is damaged, or of a newer program.
    """
    for records in reader.read(CHANGELOG, partition):
        for arrived, fact in facts_of(record.value for record in records):
            yield arrived * MILLISECOND, fact
        advance(len(records))


def cities(
    reader: LogReader, new_context: Callable[[], Context], advance: Advance = _nobody, *, arrived_before: int | None = None
) -> Iterator[City]:
    """The city of each partition in turn, settled, as of its context's now: so that one partition is held at a time.

    Args:
        reader: reads the changelog.
        new_context: makes a context for a partition; all as of the same instant, or ranks mean nothing.
        advance: told how many changelog records have been read since it was last told.
        arrived_before: only facts that arrived before this instant, in microseconds; None for all.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached, or has sent nothing for half a minute.
        ChangelogError: a record is damaged, or of a newer program.
    """
    for partition in reader.partitions(CHANGELOG):
        city = City(new_context())
        for arrived, fact in facts(reader, partition, advance):
            if arrived_before is None or arrived < arrived_before:
                city.take(fact)
        city.settle()
        yield city


def _beyond_committed(settings: Settings, client: Any, ends: Mapping[tuple[str, int], int], *, give_up: bool) -> int:
    try:
        held = committed(settings, client)
    except NotCoordinatorError:  # seen for seconds after a broker has made the topic of the offsets
        if give_up:
            raise
        return sum(ends.values())
    return sum(max(0, end - held.get(place, 0)) for place, end in ends.items())


def not_taken_in(settings: Settings, reader: LogReader, seconds: float) -> int:
    """How many records of the input topics the workers have not taken in, of those there now; waits so many seconds until none.

    Looked at twice: what lay in a wrong partition is sent on before it is committed there.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached.
    """
    places = [(topic, number) for topic in INPUT_TOPICS for number in reader.partitions(topic)]
    until = time.monotonic() + seconds
    with admin(settings) as client:
        for _ in range(2):
            ends = reader.ends(places)
            while left := _beyond_committed(settings, client, ends, give_up=time.monotonic() > until):
                if time.monotonic() > until:
                    return left
                time.sleep(POLL_SECONDS)
    return 0
