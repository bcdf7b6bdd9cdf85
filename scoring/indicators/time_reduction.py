"""5 减时限成效: promised against statutory time."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, step, stock
from scoring.view import View

THRESHOLDS = ((Fraction(60, 100), 10), (Fraction(55, 100), 6), (Fraction(50, 100), 3))


class TimeReduction(Indicator):
    """Over active on-application commitment items that have a statutory limit."""

    id = "time_reduction"
    number = 5
    max_points = 10
    title = Text("减时限成效", "Time reduction")
    formula = "Y = 1 − N/M; Y < 50 % → 0; 50 % ≤ Y < 55 % → 3; 55 % ≤ Y < 60 % → 6; Y ≥ 60 % → 10"
    inputs = Text("N：总承诺时限；M：总法定时限（工作日）", "N: sum of promised days; M: sum of statutory days")
    lost = Text("承诺时限较长", "adds promised days")
    components = {"promised_days": stock(numerator=1), "statutory_days": stock(denominator=1)}
    reads_catalogue = True
    lower_is_better = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """By the thresholds."""
        return step(1 - numerator / denominator, THRESHOLDS)
