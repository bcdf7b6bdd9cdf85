"""16 按时办结率: cases completed after their due time; points deducted."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, flow
from scoring.view import View

POINTS_PER_CASE = 1


class OverdueCompletion(Indicator):
    """Open overdue cases raise alerts and cost nothing until completed."""

    id = "overdue_completion"
    number = 16
    max_points = 10
    title = Text("按时办结率", "Overdue completion")
    formula = "1 a case; at most 10"
    inputs = Text("当期办结且超期的办件数（分母为当期办结数）", "cases completed in the period after their due time; of those completed")
    lost = Text("超期办结", "completed after the due time")
    components = {"overdue": flow(numerator=1), "completed": flow(denominator=1)}
    deduction = True
    lower_is_better = True
    calendar = "case_calendar"

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """Before the cap."""
        return POINTS_PER_CASE * numerator
