"""The state of one partition: a live city, the intervals consumed, the alerts announced. A fold over changelog records that commutes."""

from collections import defaultdict
from collections.abc import MutableMapping

from models.facts import Fact
from scoring.city import Outcome
from scoring.context import Context
from scoring.department import Counters
from scoring.live import LiveCity
from streams.changelog import AlertsRecord, ChunkRecord, FrozenRecord
from streams.intervals import Intervals


class PartitionState:
    """What a worker knows of a partition it owns."""

    def __init__(self, number: int, context: Context, counters: MutableMapping[str, Counters]) -> None:
        self.number = number
        self.city = LiveCity(context, counters)
        self.intervals: defaultdict[str, Intervals] = defaultdict(Intervals)
        self._parts: dict[tuple[str, int, int], set[int]] = {}
        self.announced: dict[str, bytes] = {}  # alerts that fire, as last published
        self.frozen: dict[tuple[str, str], FrozenRecord] = {}
        # Of the changelog: everything before it has been applied.
        self.recovered_to = 0
        # The offsets to reach in each input topic before alerts are published; None until they have been asked for.
        self.targets: dict[str, int] | None = None
        self.caught_up = False

    def take(self, fact: Fact) -> Outcome:
        """Take in a fact of a live chunk."""
        return self.city.take(fact)

    def apply(self, record: ChunkRecord | AlertsRecord | FrozenRecord) -> None:
        """Take in a changelog record: at recovery, also one written by another worker or twice."""
        if isinstance(record, ChunkRecord):
            for fact in record.facts:
                self.city.take(fact)
            self.note_interval(record)
        elif isinstance(record, AlertsRecord):
            self.note_alerts(record)
        else:
            self.note_frozen(record)

    def note_interval(self, record: ChunkRecord) -> None:
        """Note that a chunk is durable; of a split one, once all its parts are."""
        if record.parts > 1:
            seen = self._parts.setdefault((record.topic, record.begin, record.end), set())
            seen.add(record.part)
            if len(seen) < record.parts:
                return
            del self._parts[record.topic, record.begin, record.end]
        self.intervals[record.topic].add(record.begin, record.end)

    def note_alerts(self, record: AlertsRecord) -> None:
        """Note announced and resolved alerts, in the order of the log.

        Should a worker that woke up late append an announcement after its resolution, the owner's comparison with the alarms that are
        on resolves it again.
        """
        self.announced.update(record.announced)
        for alert in record.resolved:
            self.announced.pop(alert, None)

    def note_frozen(self, record: FrozenRecord) -> None:
        """Note frozen records: of two for one closing the greater (version, as_of) holds, of two closings the later."""
        key = (record.department, record.period)
        held = self.frozen.get(key)
        if held is None or (held.closed_at, held.version, held.as_of) < (record.closed_at, record.version, record.as_of):
            self.frozen[key] = record
