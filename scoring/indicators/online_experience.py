"""15 网办事项对接体验: test cases not disposed of in time; points deducted."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, flow, stock
from scoring.view import View

POINTS_PER_FAIL = 2
FULLY_TESTED_UP_TO = 10


class OnlineExperience(Indicator):
    """A test counts in the period raised, also when its deadline lies in the next."""

    id = "online_experience"
    number = 15
    max_points = 20
    title = Text("网办事项对接体验", "Online experience")
    formula = "2 a failed test; with 0 < n ≤ 10 active items, 20/n a failed test; at most 20"
    inputs = Text("当期发起、期限内未处置并入库的测试办件数；n：在用事项数", "failed tests raised in the period; n: active items")
    lost = Text("三个工作日内未处置并入库", "not disposed of and ingested within three workdays")
    components = {"tests_failed": flow(numerator=1), "active_items": stock(denominator=1)}
    deduction = True
    lower_is_better = True
    calendar = "test_calendar"

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """Before the cap."""
        few = 0 < denominator <= FULLY_TESTED_UP_TO
        return numerator * (self.max_points / denominator if few else POINTS_PER_FAIL)
