"""14 指南发布准确性: errors found in guides; points deducted."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, flow, stock
from scoring.view import View

POINTS_PER_ERROR = Fraction(1, 2)
FULLY_CHECKED_UP_TO = 20


class GuideAccuracy(Indicator):
    """A department with few items has all of them checked every month, so an error weighs in proportion."""

    id = "guide_accuracy"
    number = 14
    max_points = 10
    title = Text("指南发布准确性", "Guide accuracy")
    formula = "0.5 an error; with 0 < n ≤ 20 active items, 10/n an error; at most 10"
    inputs = Text("当期指南检查发现的错误数；n：在用事项数", "errors of the guide checks of the period; n: active items")
    lost = Text("指南检查发现错误", "errors found")
    components = {"guide_errors": flow(numerator=1), "active_items": stock(denominator=1)}
    deduction = True
    lower_is_better = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """Before the cap."""
        few = 0 < denominator <= FULLY_CHECKED_UP_TO
        return numerator * (self.max_points / denominator if few else POINTS_PER_ERROR)
