"""7 减跑动成效: sampled cases that did need more than one visit."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, flow
from scoring.view import View

POINTS_PER_FAIL = 2


class VisitReduction(Indicator):
    """The first sample of the period holds; the first inspection of a number under its id decides. Not joined to cases."""

    id = "visit_reduction"
    number = 7
    max_points = 10
    title = Text("减跑动成效", "Visit reduction")
    formula = "points = max(0, 10 − 2·fails)"
    inputs = Text("抽查样本中未实现“最多跑一次”的受理号数", "fails: sampled acceptance numbers whose first inspection says not achieved")
    lost = Text("抽查未实现最多跑一次", "inspected and not achieved")
    components = {"sampled": flow(denominator=1), "not_achieved": flow(numerator=1)}
    lower_is_better = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """2 points a fail."""
        return max(Fraction(0), self.max_points - POINTS_PER_FAIL * numerator)

    def outstanding(self, view: View) -> list[str]:
        """Sampled but not inspected: no deduction yet."""
        return ["inspections_outstanding"] if view.flow("uninspected") else []
