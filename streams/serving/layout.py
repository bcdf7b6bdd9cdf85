"""Where the read model lies in Redis, and how each value says how new it is.

Every stored value is `version|as_of|` in digits of a fixed width, then the record's JSON: of two values the greater stamp, compared
as text, is right, so that Redis itself can compare and write in one step.
"""

from dataclasses import dataclass

from models.settings import Settings

STAMP_LENGTH = 42
Place = tuple[str, int]  # a topic, without prefix, and a partition


def stamped(version: int, as_of: int, record: bytes) -> bytes:
    """The value of a record.

    >>> stamped(7, 1_600_000_000_000_000, b"{}")
    b'00000000000000000007|00001600000000000000|{}'
    """
    return b"%020d|%020d|%s" % (version, as_of, record)


def record_of(value: bytes) -> bytes:
    """The record's JSON in a value."""
    return value[STAMP_LENGTH:]


def place_field(place: Place) -> str:
    """The field of a partition in the hash of offsets."""
    return f"{place[0]}|{place[1]}"


def order_of(instant: int, name: str) -> str:
    """How firing alerts and audit records are ordered: by due time, or time, then id. It is also a cursor."""
    return f"{instant:020d}|{name}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of the keys."""

    base: str

    def scores(self, period: str) -> str:
        """Hash `department|indicator` → value."""
        return f"{self.base}scores:{period}"

    @property
    def periods(self) -> str:
        """Set of the periods with scores."""
        return f"{self.base}periods"

    @property
    def status(self) -> str:
        """Hash record key → value."""
        return f"{self.base}status"

    @property
    def alerts(self) -> str:
        """Hash alert id → value."""
        return f"{self.base}alerts"

    @property
    def firing(self) -> str:
        """Hash id of a firing alert → `kind|department|due`: where it stands in the two sorted sets."""
        return f"{self.base}firing"

    def firing_of(self, kind: str, department: str | None = None) -> str:
        """Sorted set of `order_of`, all scores 0: the firing alerts of a kind, or of a kind and a department."""
        return f"{self.firing}:{kind}" if department is None else f"{self.firing}:{kind}|{department}"

    def adjustments(self, period: str) -> str:
        """Hash `department|indicator|event_id` → value."""
        return f"{self.base}adjustments:{period}"

    @property
    def audit(self) -> str:
        """Hash id of an audit record → value."""
        return f"{self.base}audit"

    @property
    def audit_order(self) -> str:
        """Sorted set of `order_of`, all scores 0: the audit records."""
        return f"{self.base}audit:order"

    @property
    def quarantine(self) -> str:
        """Hash id of a quarantined record → `topic|reason|state`."""
        return f"{self.base}quarantine"

    @property
    def quarantine_counts(self) -> str:
        """Hash `topic|reason|state` → how many records."""
        return f"{self.quarantine}:counts"

    @property
    def changes(self) -> str:
        """Stream of the last some 10,000 changes: `topic` (scores, status, alerts), `name` (the field), `record` (JSON; empty: gone)."""
        return f"{self.base}changes"

    @property
    def recount(self) -> str:
        """The value of the last recount."""
        return f"{self.base}recount"

    def owner(self, partition: int) -> str:
        """Who owns a partition: where the worker is reached; it expires."""
        return f"{self.base}owner:{partition}"

    @property
    def offsets(self) -> str:
        """Hash `topic|partition` → next offset."""
        return f"{self.base}offsets"


def layout_of(settings: Settings) -> Layout:
    """The layout under the prefix of the settings."""
    return Layout(f"{settings.topic_prefix}onestop:")
