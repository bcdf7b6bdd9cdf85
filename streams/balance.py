"""The balance: whatever was consumed was taken in, or is a duplicate, late, quarantined or sent on; anything else is lost.

It is drawn from the chunk records of the changelog, those that recovery and recount read, not from counters bumped beside each other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from streams.changelog import ChunkRecord

# What can become of a record, each of them of one kind only: `late` ones are not among the `taken`.
OUTCOMES = ("taken", "duplicate", "late", "quarantined", "rerouted")
CONSUMED = "consumed"


class Balance:
    """By topic, how many records were consumed and what became of them. A chunk read twice is counted twice, and balances twice."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, record: ChunkRecord) -> None:
        """Add a chunk; of a split one the first part speaks for all."""
        if record.part:
            return
        held = self._of[record.topic]
        facts = len(record.facts) if record.taken < 0 else record.taken
        held[CONSUMED] += record.consumed
        held["taken"] += facts - record.copies - record.late
        held["duplicate"] += record.duplicates
        held["late"] += record.late
        held["quarantined"] += record.quarantined
        held["rerouted"] += record.rerouted

    def merge(self, other: "Balance") -> None:
        """Add another balance."""
        for topic, counts in other.rows():
            self._of[topic].update(counts)

    def counts(self, topic: str) -> dict[str, int]:
        """What was consumed of a topic, and what became of it."""
        held = self._of.get(topic, Counter[str]())
        return {name: held[name] for name in (CONSUMED, *OUTCOMES)}

    def difference(self, topic: str) -> int:
        """Records consumed of which nothing became; 0, or something is lost or counted twice."""
        counts = self.counts(topic)
        return counts.pop(CONSUMED) - sum(counts.values())

    def rows(self) -> list[tuple[str, dict[str, int]]]:
        """By topic what was counted, for snapshots."""
        return [(topic, dict(counts)) for topic, counts in self._of.items()]

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[str, dict[str, int]]]) -> "Balance":
        """The balance whose rows these are."""
        balance = cls()
        for topic, counts in rows:
            balance._of[topic].update(counts)
        return balance
