"""2 即办程度: the share of items handled instantly."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, step, stock
from scoring.view import View

THRESHOLDS = ((Fraction(10, 100), 5), (Fraction(7, 100), 4), (Fraction(5, 100), 2))


class InstantItems(Indicator):
    """Thresholds are inclusive from below and compared exactly: 15/300 is 5 %."""

    id = "instant_items"
    number = 2
    max_points = 5
    title = Text("即办程度", "Instant items")
    formula = "Y = N/M; Y < 5 % → 0; 5 % ≤ Y < 7 % → 2; 7 % ≤ Y < 10 % → 4; Y ≥ 10 % → 5"
    inputs = Text("N：标记为即办件的在用事项数；M：在用事项总数", "N: active items marked instant; M: active items")
    lost = Text("不是即办件", "not marked instant")
    components = {"active_items": stock(denominator=1), "instant_items": stock(numerator=1)}
    reads_catalogue = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """By the thresholds."""
        return step(numerator / denominator, THRESHOLDS)
