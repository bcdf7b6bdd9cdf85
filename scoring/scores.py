"""Scores: from the counters of a department to the 17 records of a period, and ranks over all departments."""

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

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


def exact_sum(points: Iterable[Fraction]) -> Fraction:
    """The sum over a common denominator: one fraction is made, not one for each addend.

    >>> exact_sum([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)])
    Fraction(1, 1)
    """
    addends = [each.as_integer_ratio() for each in points]
    common = lcm(*(denominator for _, denominator in addends))
    return Fraction(sum(numerator * (common // denominator) for numerator, denominator in addends), common)


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

    @property
    def adds(self) -> tuple[object, ...]:
        """What the total is made of."""
        return self.points, self.record.status, self.record.provisional, self.record.reasons


@dataclass(frozen=True, slots=True, eq=False)
class PeriodScores:
    """A department and period scored: its indicators and its total, and the view that was looked through."""

    view: View
    scored: list[Scored]
    total: TotalRecord

    @property
    def records(self) -> list[AnyRecord]:
        """The 17 records."""
        return [*(each.record for each in self.scored), self.total]

    def again(self, changed: AbstractSet[str]) -> "PeriodScores":
        """As it is now that these components have changed, and nothing that is looked up by the cut-off. The counters must be settled.

        Of the indicators those that looked at nothing of it stay as they are, and so does the total of equal addends: their records are
        the same, of an older version.
        """
        scored = [each if each.read.isdisjoint(changed) else _score(each.indicator, self.view) for each in self.scored]
        anew = any(was is not each and was.adds != each.adds for was, each in zip(self.scored, scored, strict=True))
        return PeriodScores(self.view, scored, _total_of(self.view, scored) if anew else self.total)

    def since(self, before: "PeriodScores") -> list[AnyRecord]:
        """The records that were made anew since the scores were those."""
        found: list[AnyRecord] = [each.record for was, each in zip(before.scored, self.scored, strict=True) if was is not each]
        return found if self.total is before.total else [*found, self.total]


def score_view(view: View) -> PeriodScores:
    """All indicators of a department and period, and the total. The counters must be settled."""
    scored = [_score(indicator, view) for indicator in INDICATORS]
    return PeriodScores(view, scored, _total_of(view, scored))


def _score(indicator: Indicator, view: View) -> Scored:
    view.read.clear()
    record, points = score_indicator(indicator, view)
    return Scored(indicator, record, points, frozenset(view.read))


def score_period(department: Department, period: int) -> list[AnyRecord]:
    """The 16 records of a department and period, and its total. The counters must be settled."""
    return score_view(View(department, period)).records


def _total_of(view: View, scored: Sequence[Scored]) -> TotalRecord:
    base = exact_sum([each.points for each in scored if not each.indicator.deduction])
    deductions = exact_sum([each.points for each in scored if each.indicator.deduction])
    total = base - deductions
    if view.rules.policies.floor_total:
        total = max(Fraction(0), total)
    records = [each.record for each in scored]
    reasons = set().union(*[record.reasons for record in records])
    return TotalRecord(
        department=view.department.code,
        period=view.label,
        base_points=round_half_up(base),
        deductions=round_half_up(deductions),
        points=round_half_up(total),
        points_exact=str(total),
        max_points=BASE_POINTS,
        scored_max=sum([each.record.max_points for each in scored if not each.indicator.deduction and each.record.status != "no_data"]),
        provisional=any(record.provisional for record in records),
        reasons=[reason for reason in _TOTAL_REASONS if reason in reasons],
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
