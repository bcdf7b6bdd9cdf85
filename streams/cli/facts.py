"""Reading the facts that the workers have taken in, for commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from models.settings import Settings
from streams.changelog import ChangelogError
from streams.cli.broker import reaching_kafka
from streams.cli.support import Exit, fail, progress, say, without_collector
from streams.reading import LogReader
from streams.replay import Advance
from streams.topics import CHANGELOG


@contextmanager
def reading_facts(settings: Settings) -> Iterator[LogReader]:
    """A reader of the changelog. What goes wrong ends the command with a sentence."""
    try:
        with without_collector(), reaching_kafka(settings):
            reader = LogReader(settings)
            try:
                yield reader
            finally:
                reader.close()
    except ChangelogError as error:
        fail(str(error), Exit.NOT_RIGHT)


@contextmanager
def telling_progress(reader: LogReader) -> Iterator[Advance]:
    """Progress on a terminal over what is left of the changelog."""
    total = sum(reader.remaining((CHANGELOG, number) for number in reader.partitions(CHANGELOG)).values())
    with progress(say("读取事实", "reading facts"), total) as advance:
        yield advance
