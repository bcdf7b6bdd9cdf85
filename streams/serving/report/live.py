"""The report of a period from the read model and the workers."""

from collections.abc import Callable, Sequence
from itertools import groupby

from models.rulesets import Policies
from models.text import Language
from scoring.report import Made, Report, by_rank, part_of
from streams.serving.read_model import ReadModel
from streams.serving.report.counts import EvidenceCounts
from streams.serving.report.texts import TEXTS as REPORT_TEXTS
from streams.serving.staleness import warnings_of


def live_report(
    source: ReadModel,
    counts: EvidenceCounts | None,
    policies_of: Callable[[Sequence[str]], Policies | None],
    period: str,
    department: str | None,
    made: Made,
    language: Language,
) -> Report | None:
    """The report of a period, or None when there are no scores to report.

    Args:
        source: the read model.
        counts: asks how many things are counted; None leaves that out, and the report says so.
        policies_of: the policies of the rulesets that the records name, where they are known.
        period: its label.
        department: only this one; ranks are among all.
        made: when and by whom.
        language: of the warnings.

    Raises:
        NoAnswerError: no worker answers.
        redis.RedisError: the read model cannot be asked.
    """
    records = source.scores(period, department)
    if not records:
        return None
    status = source.status()
    adjustments = source.adjustments(period, department)
    parts = []
    for code, group in groupby(records, key=lambda record: record.department):
        held = status.departments.get(code)
        closed = held is not None and period in held.closed_periods
        counted = None if counts is None else counts(code, period)
        parts.append(part_of(code, status.names.get(code, code), list(group), counted, adjustments, closed=closed))
    return Report(
        period=period,
        state=next(held["state"] for held in source.periods() if held["period"] == period),
        parts=sorted(parts, key=by_rank),
        knows_arrivals=True,
        policies=policies_of(sorted({record.ruleset for record in records})),
        warnings=warnings_of(source.freshness(status), language) + ([REPORT_TEXTS["no_counts"].in_(language)] if counts is None else []),
        made=made,
    )
