"""Explanations: a score, its formula with the numbers in it, and everything counted for and against, a page at a time.

Headline and evidence come from the same contributions: the numerators and denominators of all pages add up to those of the record. Only a
record that was frozen under other rules than those of now may be another one; then the explanation says so.
"""

from fractions import Fraction
from typing import Any

from models.events import EVENT_TYPES
from models.explanations import EvidenceRow, Explanation, Side, SourceEvent
from models.facts import AT, CODE, EVENT_ID
from models.instants import format_instant
from models.records import ScoreRecord
from models.text import Language, Text
from scoring.evidence import Evidence, Gathered, Order, gather, order_of
from scoring.indicators.base import Exact, Indicator
from scoring.scores import score_indicator
from scoring.view import View

# With more weights than these a sum is told without its terms.
SHOWN_TERMS = 6
OTHER_RULESET = Text(
    "本期按规则集 {held} 关闭，以下依据按 {used} 计算：各项之和与失分可能和冻结的得分不一致。",
    "The period was closed under ruleset {held} and is explained with {used}: sums and costs may differ from the frozen score.",
)
ZEROES = Text("使该项判零", "sets the indicator to 0")


def explain(indicator: Indicator, view: View) -> Explanation:
    """The whole explanation of a score as of the context's now. The counters must be settled."""
    record, _ = score_indicator(indicator, view)
    return explanation(indicator, view, record, gather(indicator, view))


def explanation(
    indicator: Indicator,
    view: View,
    record: ScoreRecord,
    gathered: Gathered,
    *,
    side: Side | None = None,
    limit: int | None = None,
    after: Order | None = None,
    closing: str | None = None,
) -> Explanation:
    """A page of an explanation.

    Args:
        indicator: what is explained.
        view: the department and period that the evidence is of.
        record: the score.
        gathered: all evidence.
        side: only what counts for, or against.
        limit: at most so many; None for all.
        after: the cursor of the page before.
        closing: of a closed period the id of its closing.
    """
    counted_for, counted_against = gathered.counted()
    shown, more = gathered.page(against=None if side is None else side == "against", limit=limit, after=after)
    costs = _Costs(indicator, view, record)
    return Explanation(
        record=record,
        title=indicator.title.zh,
        formula=indicator.formula,
        with_numbers=f"{sums_text(indicator, view, record)}; {points_text(indicator, record)}",
        counted={"against": counted_against, "for": counted_for},
        evidence=[_row(indicator, view, entry, costs) for entry in shown],
        next_cursor=cursor(order_of(shown[-1])) if more else None,
        closing=closing,
        other_ruleset=_other_ruleset(record.ruleset, view.rules.identity),
    )


def _other_ruleset(held: str, used: str) -> dict[Language, str] | None:
    """What is said of a record made under other rules than those that explain it: the rules of back then are not kept."""
    if held == used:
        return None
    said = OTHER_RULESET
    return {"zh": said.zh.format(held=held, used=used), "en": said.en.format(held=held, used=used)}


def cursor(order: Order) -> str:
    """Where a page ends, as text."""
    return "|".join((str(int(order[0])), *order[1:]))


def parse_cursor(text: str) -> Order:
    """Back again.

    Raises:
        ValueError: it is none.
    """
    later, kind, identifier = text.split("|", 2)
    return later == "1", kind, identifier


def sums_text(indicator: Indicator, view: View, record: ScoreRecord) -> str:
    """The two sums with the terms that they consist of, and their ratio: the same in every language."""
    text = f"N = {_terms(indicator, view, 0, record.numerator)}, M = {_terms(indicator, view, 1, record.denominator)}"
    if record.denominator == "0":
        return text
    ratio = Fraction(record.numerator) / Fraction(record.denominator)
    return f"{text}, N/M = {ratio} ≈ {float(ratio):.4%}"


def points_text(indicator: Indicator, record: ScoreRecord, verb: str | None = None) -> str:
    """The points, exact and as shown."""
    return f"{verb or ('deducted' if indicator.deduction else 'points')} = {record.points_exact} ≈ {record.points:.2f}"


def _terms(indicator: Indicator, view: View, place: int, total: str) -> str:
    """A sum as its terms, amount by weight, where there are several weights and not too many."""
    amounts: dict[Exact, int] = {}
    for name, component in indicator.components.items():
        for sub, amount in (view.stock(name) if component.is_stock else view.flow(name)).items():
            weight = component.weigh(view, sub)[place]
            if weight:
                amounts[weight] = amounts.get(weight, 0) + amount
    terms = {weight: amount for weight, amount in amounts.items() if amount}
    if not 1 <= len(terms) <= SHOWN_TERMS or set(terms) == {1} or sum(w * a for w, a in terms.items()) != Fraction(total):
        return total
    return f"{' + '.join(f'{weight}·{amount}' for weight, amount in sorted(terms.items(), reverse=True))} = {total}"


class _Costs:
    """What a thing costs as things stand: the points that there were more if it alone counted in full."""

    def __init__(self, indicator: Indicator, view: View, record: ScoreRecord) -> None:
        self._indicator = indicator
        self._view = view
        self._status = record.status
        self._points = Fraction(record.points_exact)
        self._sums = Fraction(record.numerator), Fraction(record.denominator)
        self._known: dict[tuple[Exact, Exact], str | None] = {}  # most things add the same

    def of(self, entry: Evidence) -> str | None:
        """Exact; None where the thing counts for, or where the score does not follow from the sums."""
        if not entry.against or entry.zeroes or self._status != "scored":
            return None
        added = entry.numerator, entry.denominator
        if added not in self._known:
            self._known[added] = self._of(*added)
        return self._known[added]

    def _of(self, up: Exact, down: Exact) -> str | None:
        numerator, denominator = self._sums
        numerator += -up if self._indicator.lower_is_better else down - up
        if not denominator and not self._indicator.deduction:
            return None
        points = self._indicator.points_of(numerator, denominator, self._view)
        if self._indicator.deduction:
            return str(self._points - min(points, Fraction(self._indicator.max_points)))
        return str(points - self._points)


def reason_of(indicator: Indicator, *, against: bool, zeroes: bool) -> Text | None:
    """Why a thing counts against; None where it does not. `zeroes`: it adds nothing to the sums, but a rule sets the score to 0 for it."""
    return (ZEROES if zeroes else indicator.lost) if against else None


def _row(indicator: Indicator, view: View, entry: Evidence, costs: _Costs) -> EvidenceRow:
    zone = view.context.time.zone
    reason = reason_of(indicator, against=entry.against, zeroes=entry.zeroes)
    return EvidenceRow(
        kind=entry.kind,
        id=entry.id,
        numerator=str(entry.numerator),
        denominator=str(entry.denominator),
        counts="against" if entry.against else "for",
        reason=None if reason is None else reason.en,
        costs=costs.of(entry),
        details=_readable(entry.details, zone),
        events=[
            SourceEvent(type=EVENT_TYPES[fact[CODE]], event_id=fact[EVENT_ID], at=format_instant(fact[AT], zone)) for fact in entry.facts
        ],
    )


def _readable(details: dict[str, Any], zone: Any) -> dict[str, Any]:
    def value_of(name: str, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return [_readable(entry, zone) for entry in value]
        return format_instant(value, zone) if name.endswith("_at") and value is not None else value

    return {name: value_of(name, value) for name, value in details.items()}
