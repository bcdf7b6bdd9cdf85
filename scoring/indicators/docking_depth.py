"""3 一窗通办推进: how deep the items are docked with the unified acceptance platform."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, stock, stock_by_sub
from scoring.view import View

LEVEL_WEIGHTS = {"1": Fraction(1, 10), "2": Fraction(1, 2), "3": Fraction(1)}


class DockingDepth(Indicator):
    """Each active item counts once, at its deepest level: {serial, auth}; + {case_store}; + {apply, eform}."""

    id = "docking_depth"
    number = 3
    max_points = 10
    title = Text("一窗通办推进", "Docking depth")
    formula = "Y = 0.1·N1/M + 0.5·N2/M + 1.0·N3/M; points = 10·Y"
    inputs = Text("Nk：最深对接到第 k 层的在用事项数；M：在用事项总数", "Nk: active items whose deepest level is k; M: active items")
    lost = Text("未对接全部接口", "not docked with all interfaces")
    components = {
        "active_items": stock(denominator=1),
        "docking": stock_by_sub({level: (weight, 0) for level, weight in LEVEL_WEIGHTS.items()}),
    }
    reads_catalogue = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """10·Y."""
        return self.max_points * numerator / denominator
