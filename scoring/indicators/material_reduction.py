"""6 减材料成效: electronic licences used instead of paper."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, Weight, by_sub, flow
from scoring.view import View

_LICENCE_MATERIALS = 13


def _demand(view: View, item: str) -> Weight:
    version = view.item(item)
    return 0, 0 if version is None else version[_LICENCE_MATERIALS]


class MaterialReduction(Indicator):
    """The item of `serial.issued` tells how many licences one of its cases needs; an item never published adds 0."""

    id = "material_reduction"
    number = 6
    max_points = 10
    title = Text("减材料成效", "Material reduction")
    formula = "Y = min(1, N / Σ Lᵢ·Mᵢ); points = 10·Y"
    inputs = Text(
        "N：当月分发的（流水号，证照）对数；Lᵢ：事项 i 当月流水号数；Mᵢ：事项 i 申请材料中的证照数",
        "N: distinct (serial, licence) pairs dispatched in the period; Lᵢ: serials of item i issued in it; "
        "Mᵢ: licences among its materials",
    )
    lost = Text("所需证照未分发电子证照", "licences needed and not dispatched")
    components = {"dispatched": flow(numerator=1), "issued": by_sub(_demand)}
    reads_catalogue = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """10·Y."""
        return self.max_points * min(Fraction(1), numerator / denominator)
