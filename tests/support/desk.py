"""A partition with its publisher, and histories for it."""

from __future__ import annotations

from itertools import count
from typing import Any

from models.facts import Fact, pack
from models.instants import parse_instant
from models.records import Record
from models.rulesets import default_ruleset
from scoring.city import Outcome
from scoring.context import create_context
from streams.changelog import AlertsRecord, ChunkRecord
from streams.partition import PartitionState
from streams.publisher import Publisher
from tests.support.builder import D1, History, when
from tests.support.faust_fakes import facts_of_events


def instant(text: str) -> int:
    return parse_instant(when(text))


def take(state: PartitionState, fact: Fact, arrival: int) -> Outcome:
    """Take in one fact of a live chunk; arrival in ms since the epoch."""
    [outcome] = state.take_each([fact], [arrival], [pack(fact)])
    return outcome


class More(History):
    """What happens later: ids go on from test to test, so that nothing is taken for a copy."""

    _count = count(1)

    def add(self, type_: str, at: str, **fields: Any) -> More:
        super().add(type_, at, **{"event_id": f"more-{next(self._count)}", **fields})
        return self


class Desk:
    """A partition with its publisher, and rounds as the pipeline makes them."""

    def __init__(self, now: str, *histories: History, caught_up: bool = True, state: PartitionState | None = None) -> None:
        self.state = state or PartitionState(3, create_context(default_ruleset(), instant(now)), {})
        self.state.caught_up = caught_up
        self.publisher = Publisher(self.state)
        self.log: list[tuple[int, Fact]] = []
        self.take(*histories)

    @property
    def now(self) -> int:
        return self.state.city.context.now

    def take(self, *histories: History, arrival: str | None = None) -> Desk:
        for fact in facts_of_events(event for history in histories for event in history.events):
            arrived = self.now if arrival is None else instant(arrival)
            if take(self.state, fact, arrived // 1_000) == "new":
                self.log.append((arrived, fact))
        return self

    def at(self, now: str | int) -> Desk:
        self.state.city.advance(instant(now) if isinstance(now, str) else now)
        return self

    def later(self, microseconds: int) -> Desk:
        return self.at(self.now + microseconds)

    def scores(self) -> dict[str, Record]:
        """The score records of a round, by key."""
        self.state.city.settle()
        messages = [message for messages in self.publisher.scores() for message in messages]
        assert {topic for topic, _, _ in messages} <= {"scores"}
        found = {key: record for _, key, record in messages}
        assert len(found) == len(messages), "a record twice in a round"
        return found

    def statuses(self) -> dict[str, Record]:
        found = {}
        for topic, key, record in self.publisher.statuses():
            assert topic == "status"
            assert key not in found
            found[key] = record
        return found

    def alerts(self) -> tuple[list[str], list[str]]:
        """The ids of the alerts announced and resolved in a round, noted as the pipeline notes them."""
        news, over = self.publisher.alerts()
        for record in (*news.values(), *over):
            assert record.as_of == self.publisher._text(self.now)
        assert {record.state for record in news.values()} <= {"firing"}
        assert {record.state for record in over} <= {"resolved"}
        assert all(alert == record.id for alert, record in news.items())
        self.state.note_alerts(AlertsRecord(3, {alert: record.to_json() for alert, record in news.items()}, [record.id for record in over]))
        return sorted(news), sorted(record.id for record in over)

    def round(self) -> tuple[list[str], list[str]]:
        """A whole round; the alerts of it."""
        self.scores()
        self.statuses()
        return self.alerts()


def city() -> History:
    return (
        History().items(1, "2020-08-20").add("department.registered", "2020-08-20").case("S1", issued="2020-09-01", accepted="2020-09-02")
    )


def case_due(at: str = "2020-09-11T12:00:00") -> History:
    """A case that will be due, of a department without a zeroed indicator."""
    return More().add("case.accepted", "2020-09-02", serial="S1", due_at=at).add("department.docking_changed", "2020-09-01")


OVERDUE = f"case_overdue|{D1}|case|S1|2020-09-11T12:00:00+08:00"
DUE_SOON = f"case_due_soon|{D1}|case|S1|2020-09-11T12:00:00+08:00"


def recovered(desk: Desk, *records: Any) -> PartitionState:
    """The state that another worker makes of the log."""
    state = PartitionState(3, create_context(default_ruleset(), desk.now), {})
    chunk = ChunkRecord("cases", 3, 0, 1, [fact for _, fact in desk.log], [arrival // 1_000 for arrival, _ in desk.log])
    for record in (chunk, *records):
        state.apply(record)
    state.city.settle()
    return state
