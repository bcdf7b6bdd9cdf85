"""Scores: from the counters of a department to the 17 records of a period, and ranks over all departments."""

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction

from models.records import ScoreRecord, ScoreStatus, TotalRecord
from scoring.city import City
from scoring.department import Department
from scoring.indicators import INDICATORS
from scoring.indicators.base import Indicator
from scoring.view import View, scored_periods

BASE_POINTS = 100
_TOTAL_REASONS = ("calendar_provisional", "period_open", "inspections_outstanding")
AnyRecord = ScoreRecord | TotalRecord


def round_half_up(points: Fraction) -> float:
    """To two decimals, a half upwards: 0.125 is 0.13. For showing only, never fed back.

    >>> round_half_up(Fraction(1, 8)), round_half_up(Fraction(201, 20))
    (0.13, 10.05)
    """
    # In integers, for it is asked for with every score: the floor of 100·points + 1/2.
    return (200 * points.numerator + points.denominator) // (2 * points.denominator) / 100


def score_indicator(indicator: Indicator, view: View) -> tuple[ScoreRecord, Fraction]:
    """The record of an indicator, and its exact points (`indicators.md`, Rules that hold for every indicator)."""
    numerator, denominator = indicator.measure(view)
    status: ScoreStatus = "scored"
    points = Fraction(0)
    reasons: list[str] = []
    if indicator.reads_catalogue and not view.has_catalogue:
        status, numerator, denominator = "no_data", Fraction(0), Fraction(0)
    elif zeroed := indicator.zeroed(view):
        status, reasons = "zeroed", zeroed
    elif indicator.deduction:
        raw = indicator.points_of(numerator, denominator, view)
        points = min(raw, Fraction(indicator.max_points))
        reasons = ["capped"] if raw > points else []
    elif denominator == 0:
        status, points = _without_workload(indicator, view)
    else:
        points = indicator.points_of(numerator, denominator, view)
    doubts = _doubts(indicator, view)
    record = ScoreRecord(
        department=view.department.code,
        period=view.label,
        indicator=indicator.id,
        number=indicator.number,
        status=status,
        numerator=str(numerator),
        denominator=str(denominator),
        points=round_half_up(points),
        points_exact=str(points),
        max_points=indicator.max_points,
        provisional=bool(doubts),
        reasons=reasons + doubts,
        as_of=view.as_of,
        ruleset=view.rules.identity,
        version=view.department.version,
    )
    return record, points


def _without_workload(indicator: Indicator, view: View) -> tuple[ScoreStatus, Fraction]:
    policy = view.rules.policies.zero_denominator
    if policy == "full" or indicator.always_full_when_vacuous:
        return "vacuous", Fraction(indicator.max_points)
    return ("vacuous" if policy == "zero" else "no_data"), Fraction(0)


def _doubts(indicator: Indicator, view: View) -> list[str]:
    doubts = []
    if indicator.calendar is not None and view.flow(indicator.calendar):
        doubts.append("calendar_provisional")
    if view.is_open:
        doubts.append("period_open")
    return doubts + indicator.outstanding(view)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """An indicator scored: its record, its exact points, and the components of the counters that were looked at."""

    indicator: Indicator
    record: ScoreRecord
    points: Fraction
    read: frozenset[str]


def score_indicators(view: View, held: Sequence[Scored] = (), changed: AbstractSet[str] | None = None) -> list[Scored]:
    """All indicators of a department and period. The counters must be settled.

    Args:
        view: of the department and period.
        held: as they were scored before; those that looked at nothing of what has changed are as they were.
        changed: the components that have changed since; None where anything may have.
    """
    if held and changed is not None:
        return [scored if scored.read.isdisjoint(changed) else _score(scored.indicator, view) for scored in held]
    return [_score(indicator, view) for indicator in INDICATORS]


def _score(indicator: Indicator, view: View) -> Scored:
    view.read.clear()
    record, points = score_indicator(indicator, view)
    return Scored(indicator, record, points, frozenset(view.read))


def score_period(department: Department, period: int, view: View | None = None) -> list[AnyRecord]:
    """The 16 records of a department and period, and its total. The counters must be settled."""
    view = view or View(department, period)
    scored = score_indicators(view)
    return [*(each.record for each in scored), total_of(view, scored)]


def total_of(view: View, scored: Sequence[Scored]) -> TotalRecord:
    """The total of a department and period from its indicators."""
    base = sum((each.points for each in scored if not each.indicator.deduction), Fraction(0))
    deductions = sum((each.points for each in scored if each.indicator.deduction), Fraction(0))
    total = base - deductions
    if view.rules.policies.floor_total:
        total = max(Fraction(0), total)
    return TotalRecord(
        department=view.department.code,
        period=view.label,
        base_points=round_half_up(base),
        deductions=round_half_up(deductions),
        points=round_half_up(total),
        points_exact=str(total),
        max_points=BASE_POINTS,
        scored_max=sum(each.record.max_points for each in scored if not each.indicator.deduction and each.record.status != "no_data"),
        provisional=any(each.record.provisional for each in scored),
        reasons=[reason for reason in _TOTAL_REASONS if any(reason in each.record.reasons for each in scored)],
        as_of=view.as_of,
        ruleset=view.rules.identity,
        version=view.department.version,
    )


def parse_record(value: bytes) -> AnyRecord:
    """A score or total record from its JSON."""
    if json.loads(value)["indicator"] == "total":
        return TotalRecord.model_validate_json(value)
    return ScoreRecord.model_validate_json(value)


def score_department(department: Department) -> list[AnyRecord]:
    """All records of a department, period by period."""
    return [record for period in scored_periods(department) for record in score_period(department, period)]


def ranks(points: Sequence[Fraction]) -> list[int]:
    """The rank of each of the totals: by exact total, equal totals share a rank.

    >>> ranks([Fraction(9), Fraction(7), Fraction(9), Fraction(5)])
    [1, 3, 1, 4]
    """
    ordered = sorted(points, reverse=True)
    first: dict[Fraction, int] = {}
    for place, value in enumerate(ordered, start=1):
        first.setdefault(value, place)
    return [first[value] for value in points]


def with_ranks(records: Iterable[AnyRecord]) -> list[AnyRecord]:
    """The same records; every total has its rank among the totals of its period."""
    held = list(records)
    totals: dict[str, list[TotalRecord]] = {}
    for record in held:
        if isinstance(record, TotalRecord):
            totals.setdefault(record.period, []).append(record)
    ranked: dict[tuple[str, str], TotalRecord] = {}
    for period, group in totals.items():
        for record, rank in zip(group, ranks([Fraction(total.points_exact) for total in group]), strict=True):
            ranked[period, record.department] = record.model_copy(update={"rank": rank, "ranked": len(group)})
    return [ranked[r.period, r.department] if isinstance(r, TotalRecord) else r for r in held]


def score_city(city: City) -> list[AnyRecord]:
    """All records of all departments, with ranks: by period, then department."""
    records = [r for code in sorted(city.departments) for r in score_department(city.departments[code])]
    return sorted(with_ranks(records), key=lambda record: record.period)
