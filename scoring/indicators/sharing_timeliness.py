"""11 共享审批及时性: requests of other departments, handled in time."""

from fractions import Fraction

from models.text import Text
from scoring.indicators.base import Indicator, flow
from scoring.view import View


class SharingTimeliness(Indicator):
    """A request counts in the period of its due time, once it is due or handled."""

    id = "sharing_timeliness"
    number = 11
    max_points = 5
    title = Text("共享审批及时性", "Sharing timeliness")
    formula = "Y = N/M; points = 5·Y"
    inputs = Text(
        "M：到期时间在当期、已到期或已处理的其他部门请求数；N：其中按时处理的数量",
        "M: requests from other departments due in the period, due or handled by now; N: of those, handled in time",
    )
    lost = Text("未按时处理", "not handled in time")
    components = {"requests_due": flow(denominator=1), "requests_in_time": flow(numerator=1)}
    calendar = "request_calendar"

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """5·Y."""
        return self.max_points * numerator / denominator
