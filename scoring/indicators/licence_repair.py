"""10 电子证照及时修复率: objections to licences, resolved by the cut-off."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, flow, stock
from scoring.view import View


class LicenceRepair(Indicator):
    """Unresolved objections are carried into the next period (**policy** `objection_carry_in`)."""

    id = "licence_repair"
    number = 10
    max_points = 5
    title = Text("电子证照及时修复率", "Licence repair")
    formula = "Y = N/M; points = 5·Y"
    inputs = Text(
        "M：截止前标记、且期初尚未解决的证照异议数；N：其中截止前修复并通过质检的数量",
        "M: licence objections flagged by the cut-off and not resolved before the period; N: of those, resolved by the cut-off",
    )
    lost = Text("截止前未修复并通过复检", "not repaired and passed by the cut-off")
    components = {"objections_licence": stock(denominator=1), "resolved_licence": flow(numerator=1)}

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """5·Y."""
        return self.max_points * numerator / denominator
