"""The result of a period as an office files it: all that a report says, in one place. How it is written is not known here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from models.instants import parse_instant
from models.records import AdjustmentRecord, ScoreRecord, TotalRecord
from models.rulesets import Policies
from scoring.department import Department
from scoring.evidence import gather
from scoring.indicators import BY_ID, INDICATORS
from scoring.indicators.base import Indicator
from scoring.scores import AnyRecord
from scoring.view import View

PeriodState = Literal["open", "closing", "closed"]
Counts = Mapping[str, tuple[int, int]]  # indicator id → how many things count for, and how many against


@dataclass(frozen=True, slots=True)
class Line:
    """An indicator of a department. `counts`: how many things count for and against; None where nobody could be asked."""

    indicator: Indicator
    record: ScoreRecord
    counts: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Part:
    """A department: its lines by number, its total, and what came too late. `closed`: its scores are frozen."""

    code: str
    name: str
    closed: bool
    total: TotalRecord | None
    lines: list[Line]
    adjustments: list[AdjustmentRecord]

    def adjusted(self, indicator: str) -> list[AdjustmentRecord]:
        """The adjustments of an indicator, or of `total`, in the order of arrival: the last says what the record would be."""
        return [adjustment for adjustment in self.adjustments if adjustment.indicator == indicator]


@dataclass(frozen=True, slots=True)
class Made:
    """When (RFC 3339), by whom and with which version of the program a report was made."""

    at: str
    by: str
    version: str


@dataclass(frozen=True, slots=True)
class Report:
    """A period's result: departments by rank.

    `knows_arrivals`: adjustments could be asked for. `policies`: those of the ruleset of every record; None where they are not known here.
    `warnings`: sentences, for whoever reads it, on what may be missing.
    """

    period: str
    state: PeriodState
    parts: list[Part]
    knows_arrivals: bool
    policies: Policies | None
    warnings: list[str]
    made: Made

    @property
    def as_of(self) -> str:
        """The latest instant that a score in it holds for."""
        return max((record.as_of for record in self._records), key=parse_instant)

    @property
    def rulesets(self) -> list[str]:
        """The rulesets that its records were made with."""
        return sorted({record.ruleset for record in self._records})

    @property
    def provisional(self) -> bool:
        """Whether a score in it may still change."""
        return any(record.provisional for record in self._records)

    @property
    def adjustments(self) -> list[AdjustmentRecord]:
        """The adjustments of all departments."""
        return [adjustment for part in self.parts for adjustment in part.adjustments]

    @property
    def _records(self) -> list[AnyRecord]:
        lines: list[AnyRecord] = [line.record for part in self.parts for line in part.lines]
        return lines + [part.total for part in self.parts if part.total is not None]


def part_of(
    code: str, name: str, records: Sequence[AnyRecord], counts: Counts | None, adjustments: Sequence[AdjustmentRecord], *, closed: bool
) -> Part:
    """The part of a department.

    Args:
        code: its code.
        name: its name.
        records: its records of the period; one that is missing has no line.
        counts: how many things each indicator counts, where known.
        adjustments: of the period, in the order of arrival. Those of other departments are passed over, and those of an earlier closing,
            whose facts the scores have taken in since.
        closed: whether its scores are frozen.
    """
    scores = sorted((record for record in records if isinstance(record, ScoreRecord)), key=lambda record: record.number)
    lines = [
        Line(BY_ID[record.indicator], record, None if counts is None else counts.get(record.indicator, (0, 0)))
        for record in scores
        if record.indicator in BY_ID  # one of a newer version has no formula here
    ]
    total = next((record for record in records if isinstance(record, TotalRecord)), None)
    standing = {record.indicator: record.as_of for record in records}
    late = [a for a in adjustments if a.department == code and (not a.frozen or a.frozen["as_of"] == standing.get(a.indicator))]
    return Part(code, name, closed, total, lines, late)


def by_rank(part: Part) -> tuple[float, str]:
    """The order of departments in a report; one without a total comes last."""
    rank = None if part.total is None else part.total.rank
    return (float("inf") if rank is None else rank, part.code)


def count_things(department: Department, period: int) -> dict[str, tuple[int, int]]:
    """How many things each indicator counts for and against a department."""
    view = View(department, period)
    return {indicator.id: gather(indicator, view).counted() for indicator in INDICATORS}
