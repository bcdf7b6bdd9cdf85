"""The facts that the workers have taken in, read back from their changelog: for draws, and for the same events under another ruleset.

From the changelog and not from the input topics: there each event is once, validated, in its department's partition, and of an id with two
contents the one that stands.
"""

from collections.abc import Callable, Iterator

from scoring.city import City
from scoring.context import Context
from streams.changelog import facts_of
from streams.reading import LogReader
from streams.topics import CHANGELOG


def cities(reader: LogReader, new_context: Callable[[], Context], advance: Callable[[int], None] = lambda records: None) -> Iterator[City]:
    """The city of each partition in turn, settled, as of its context's now: so that one partition is held at a time.

    Args:
        reader: reads the changelog.
        new_context: makes a context for a partition; all as of the same instant, or ranks mean nothing.
        advance: told how many changelog records have been read since it was last told.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached, or has sent nothing for half a minute.
        ChangelogError: a record is damaged, or of a newer program.
    """
    for partition in reader.partitions(CHANGELOG):
        city = City(new_context())
        for records in reader.read(CHANGELOG, partition):
            for _, fact in facts_of(record.value for record in records):
                city.take(fact)
            advance(len(records))
        city.settle()
        yield city
