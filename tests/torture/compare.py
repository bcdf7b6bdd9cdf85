"""What the live system should show, from the ledger's events alone, and every difference of what it does show."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from models.facts import DEPARTMENT
from models.records import AlertRecord, Heartbeat
from models.rulesets import default_ruleset
from scoring.batch import fold_facts
from scoring.context import create_context
from scoring.evidence import evidence
from scoring.indicators import BY_ID
from scoring.local_time import parse_period
from scoring.scores import score_city
from scoring.view import View
from streams.partition import PartitionState
from streams.publisher import Publisher
from tests.support.desk import take
from tests.torture.memory import memory_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.serving.read_model import ReadModel, Status
    from tests.torture.ledger import Ledger

Shown = dict[str, Any]
MOVING = {"now", "recovered_to"}
RANKS = {"rank", "ranked"}
# An indicator's alert says since when its worker knows, and for which reasons it was zeroed then: it is not told again when these change.
AS_NOTICED = "indicator_zeroed"


@dataclass(slots=True)
class Expected:
    """All that must be shown, as of an instant."""

    scores: dict[str, Shown] = field(default_factory=dict)
    alerts: dict[str, Shown] = field(default_factory=dict)
    status: dict[str, Shown] = field(default_factory=dict)


def expected_of(ledger: Ledger, now: int | None = None) -> Expected:
    """Scores as `onestop score` has them; alerts and status as a live city that is told everything at once.

    Args:
        ledger: what was sent.
        now: the instant in microseconds; the present one unless given.
    """
    at = time.time_ns() // 1_000 if now is None else now
    found = Expected()
    for record in score_city(fold_facts((sent.fact for sent in ledger.sent.values()), at, default_ruleset())):
        found.scores[f"{record.department}|{record.period}|{record.indicator}"] = _shown(record)
    state = PartitionState(0, create_context(default_ruleset(), at), {})
    for sent in ledger.sent.values():
        take(state, sent.fact, sent.arrival)
    state.city.settle()
    state.caught_up = True
    publisher = Publisher(state)
    for _ in publisher.scores():
        pass
    news, _ = publisher.alerts()
    found.alerts = {alert: _alert(record) for alert, record in news.items()}
    found.status = {key: _status(record) for _, key, record in publisher.statuses() if record is not None}
    return found


def _shown(record: Any) -> Shown:
    return {name: value for name, value in orjson.loads(record.to_json()).items() if name != "as_of"}


def _status(record: Any) -> Shown:
    # It is told again when it changes, not when only the version does.
    return {name: value for name, value in _shown(record).items() if name != "version"}


def _alert(record: AlertRecord) -> Shown:
    left_out = {"version", "since", "details"} if record.kind == AS_NOTICED else {"version"}
    return {name: value for name, value in _shown(record).items() if name not in left_out}


def scores_in_topic(ledger: Ledger) -> dict[str, Shown]:
    """The score records that hold, of each key the greatest (version, as_of)."""
    return {
        key: {name: value for name, value in history.held.items() if name != "as_of"}
        for key, history in ledger.scores.items()
        if history.held is not None
    }


def scores_in(model: ReadModel) -> dict[str, Shown]:
    """The scores of the read model, with ranks."""
    records = (record for label in model.period_labels() for record in model.scores(label))
    return {f"{record.department}|{record.period}|{record.indicator}": _shown(record) for record in records}


def alerts_in(model: ReadModel) -> dict[str, Shown]:
    """The alerts that fire, through the indexes."""
    return {alert.id: _alert(alert) for alert in model.alerts("firing").items}


def alerts_held(model: ReadModel) -> dict[str, Shown]:
    """The alerts that fire, looked through one by one."""
    return {alert.id: _alert(alert) for alert in model.alerts(None).items if alert.state == "firing"}


def status_in(model: ReadModel) -> dict[str, Shown]:
    """Departments, interfaces and tables; heartbeats are another matter."""
    status: Status = model.status()
    found: dict[str, Shown] = {code: _status(record) for code, record in status.departments.items()}
    found |= {f"{record.department}|interface|{record.interface}": _status(record) for record in status.interfaces}
    found |= {f"{record.department}|table|{record.table}": _status(record) for record in status.tables}
    return found


def catching_up(model: ReadModel) -> list[str]:
    """Partitions whose heartbeat says that they lag."""
    beats: list[Heartbeat] = model.status().heartbeats
    return [f"partition {beat.partition} says it is catching up, lag {beat.lag}" for beat in beats if beat.catching_up or beat.lag]


def differences(shown: Mapping[str, Shown], expected: Mapping[str, Shown], without: Iterable[str] = ()) -> list[str]:
    """Field by field; a key missing on either side is a difference."""
    left_out = frozenset(without)
    found = [f"{key}: missing" for key in expected.keys() - shown.keys()]
    found += [f"{key}: should not be there: {shown[key]}" for key in shown.keys() - expected.keys()]
    for key in expected.keys() & shown.keys():
        for name in (expected[key].keys() | shown[key].keys()) - left_out:
            if expected[key].get(name) != shown[key].get(name):
                found.append(f"{key} {name}: shown {shown[key].get(name)!r}, expected {expected[key].get(name)!r}")
    return sorted(found)


def memory_faults(workers: Mapping[str, Mapping[str, Any]], ledger: Ledger) -> list[str]:
    """Where a worker's memory is not the fold of the changelog, and partitions that nobody or two hold."""
    found: list[str] = []
    owners: dict[int, str] = {}
    for name, memory in workers.items():
        for number in memory["owned"]:
            if number in owners:
                found.append(f"partition {number} is held by {owners[number]} and {name}")
            owners[number] = name
        for number, held in memory["partitions"].items():
            state = ledger.states.get(int(number))
            # What a worker that woke up late appended in between the owner has not read: it may have noted alerts of its own.
            reads_on = state is not None and held["recovered_to"] < state.recovered_to
            texts = [text for text in _memory_differences(held, state) if not (reads_on and text.startswith("announced:"))]
            found += [f"{name} partition {number}: {text}" for text in texts]
        for number, held in memory["standby"].items():
            found += [f"{name} standby of partition {number}: {text}" for text in _standby_differences(int(number), held, ledger)]
    found += [f"partition {number} is held by nobody" for number in sorted(ledger.states.keys() - owners.keys())]
    return found


def _standby_differences(number: int, held: Mapping[str, Any], ledger: Ledger) -> list[str]:
    prefix = ledger.state_at(number, held["recovered_to"])
    if prefix is None:
        return ["it is held by a worker that does not own it"]
    # A standby may have the end of the changelog still before it; what it was itself the owner of it may know already.
    return _memory_differences(held, prefix) and _memory_differences(held, ledger.states.get(number))


def _memory_differences(held: Mapping[str, Any], state: PartitionState | None) -> list[str]:
    if state is None:
        return [] if not held["intervals"] else ["the changelog has nothing of it"]
    state.city.advance(held["now"])
    own = memory_of(state)
    return [
        f"{name}: held {held.get(name)!s:.200}, by the changelog {own.get(name)!s:.200}"
        for name in sorted(held.keys() | own.keys())
        if name not in MOVING and held.get(name) != own.get(name)
    ]


def explain(key: str, ledger: Ledger, expected: Expected, shown: Mapping[str, Shown]) -> str:
    """What a wrong score is made of: the records, the facts missing, the evidence that differs, what was published."""
    code, label, indicator = key.split("|")
    lines = [f"{key}", f"  shown    {shown.get(key)}", f"  expected {expected.scores.get(key)}"]
    lost = [name for name in ledger.lost() if ledger.sent[name].fact[DEPARTMENT] == code]
    lines.append(
        f"  facts of the department: {sum(s.fact[DEPARTMENT] == code for s in ledger.sent.values())} sent, {len(lost)} not in the changelog"
    )
    lines += [f"    not in the changelog: {ledger.sent[name].place} {ledger.sent[name].fact}" for name in lost[:20]]
    now = time.time_ns() // 1_000
    sent = fold_facts((s.fact for s in ledger.sent.values() if s.fact[DEPARTMENT] == code), now, default_ruleset())
    of_log = [state.city.departments[code] for state in ledger.states.values() if code in state.city.departments]
    if indicator in BY_ID and code in sent.departments and of_log:
        views = [View(sent.departments[code], parse_period(label)), View(of_log[0], parse_period(label))]
        rows = [{f"{e.kind} {e.id} {e.numerator}/{e.denominator}": e.details for e in evidence(BY_ID[indicator], view)} for view in views]
        lines += [f"    counted by what was sent only: {row} {rows[0][row]}" for row in sorted(rows[0].keys() - rows[1].keys())[:20]]
        lines += [f"    counted by the changelog only: {row} {rows[1][row]}" for row in sorted(rows[1].keys() - rows[0].keys())[:20]]
        lines.append(f"    counted by both: {len(rows[0].keys() & rows[1].keys())}")
    history = ledger.scores.get(key)
    lines += [f"    published: {text}" for text in (history.last if history else ["never"])]
    return "\n".join(lines)


def first_wrong(ledger: Ledger, expected: Expected, shown: Mapping[str, Shown]) -> str | None:
    """The key of the first score that is wrong, a total last."""
    wrong = {text.split(": ")[0].split(" ")[0] for text in differences(shown, expected.scores, RANKS)}
    return min(wrong, key=lambda key: (key.endswith("|total"), key), default=None)
