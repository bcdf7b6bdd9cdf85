"""12 数据共享有效性: interfaces without failures, and tables updated on schedule."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, flow, stock
from scoring.view import View


class SharingValidity(Indicator):
    """What failed is taken out of the numerator: N1 = M1 less failed interfaces, N2 = M2 less tables that missed an update."""

    id = "sharing_validity"
    number = 12
    max_points = 5
    title = Text("数据共享有效性", "Sharing validity")
    formula = "Y = (N1+N2)/(M1+M2); points = 5·Y"
    inputs = Text(
        "M1、M2：截止时登记的接口数、库表数；N1：未发生故障的接口数；N2：按期更新的库表数",
        "M1, M2: interfaces and tables registered at the cut-off; N1: interfaces without a failure; N2: tables updated on schedule",
    )
    lost = Text("当期发生故障或未按期更新", "failed, or missed an update, in the period")
    components = {
        "interfaces": stock(1, 1),
        "interfaces_failed": stock(-1, 0),
        "tables": stock(1, 1),
        "tables_missed": flow(-1, 0),
    }

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """5·Y."""
        return self.max_points * numerator / denominator
