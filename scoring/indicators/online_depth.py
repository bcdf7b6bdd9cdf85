"""1 事项办理深度: how deep the items can be handled online."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, stock, stock_by_sub
from scoring.view import View

DEPTH_WEIGHTS = {"1": Fraction(5, 100), "2": Fraction(15, 100), "3": Fraction(45, 100), "4": Fraction(1)}


class OnlineDepth(Indicator):
    """An item without a depth stays in M and adds nothing."""

    id = "online_depth"
    number = 1
    max_points = 5
    title = Text("事项办理深度", "Online depth of items")
    formula = "Y = (0.05·N1 + 0.15·N2 + 0.45·N3 + 1.00·N4) / M; points = 5·Y"
    inputs = Text("Nk：网办深度为 k 的在用事项数；M：在用事项总数", "Nk: active items of depth k; M: active items")
    lost = Text("网办深度未达到 4 级", "the online depth is below 4")
    components = {
        "active_items": stock(denominator=1),
        "depth": stock_by_sub({depth: (weight, 0) for depth, weight in DEPTH_WEIGHTS.items()}),
    }
    reads_catalogue = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """5·Y."""
        return self.max_points * numerator / denominator
