"""8 减环节成效: steps now against steps at the end of 2019, weighted by cases completed."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, Weight, by_sub
from scoring.view import View

FULL_AT = Fraction(60, 100)
_STEPS, _STEPS_2019 = 14, 15


def _steps(view: View, item: str) -> Weight:
    version = view.item(item)
    if version is None or version[_STEPS_2019] is None:
        return 0, 0
    return version[_STEPS], version[_STEPS_2019]


class StepReduction(Indicator):
    """An item without a figure for 2019 is left out of both sums."""

    id = "step_reduction"
    number = 8
    max_points = 10
    title = Text("减环节成效", "Step reduction")
    formula = "Y = 1 − Σ Pᵢ·Nᵢ / Σ Pᵢ·Mᵢ, floor 0; Y ≥ 60 % → 10, else 10·Y/0.6"
    inputs = Text(
        "Pᵢ：事项 i 当月办结数；Nᵢ：现环节数；Mᵢ：2019 年底环节数",
        "Pᵢ: cases of item i completed in the period; Nᵢ: steps now; Mᵢ: steps at the end of 2019",
    )
    lost = Text("环节仍较多", "adds steps")
    components = {"completed": by_sub(_steps)}
    reads_catalogue = True
    lower_is_better = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """Full from 60 %, in proportion below."""
        ratio = max(Fraction(0), 1 - numerator / denominator)
        return self.max_points * min(Fraction(1), ratio / FULL_AT)
