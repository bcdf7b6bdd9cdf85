"""4 办件数据汇集: cases that reached the case store through the quality check, of the serials issued."""

from collections.abc import Iterable
from fractions import Fraction

from models.text import Text
from scoring.entities.base import Entity
from scoring.indicators.base import Indicator, flow
from scoring.view import View


class CaseAggregation(Indicator):
    """Zeroed while not docked, by an upheld complaint, or by a code defect; docked and without serials: full points."""

    id = "case_aggregation"
    number = 4
    max_points = 10
    title = Text("办件数据汇集", "Case aggregation")
    formula = "Y = N/M; points = 10·Y"
    inputs = Text(
        "M：当月发出的办件流水号数；N：其中在截止前通过质检入库的办件数",
        "M: serials issued in the period; N: of those, cases whose ingestion passed the quality check by the cut-off",
    )
    lost = Text("截止前未通过质检入库", "no ingestion passed the quality check by the cut-off")
    components = {"issued": flow(denominator=1), "ingested": flow(numerator=1)}
    always_full_when_vacuous = True

    def points_of(self, numerator: Fraction, denominator: Fraction, view: View) -> Fraction:
        """10·Y; under the policy `aggregation: flow` Y can pass 1 and is capped."""
        return self.max_points * min(Fraction(1), numerator / denominator)

    def zeroed(self, view: View) -> list[str]:
        """Not docked at the cut-off; complaints upheld for the period; defects confirmed in it and not cleared by its cut-off."""
        reasons = [] if view.docked else ["not_docked"]
        reasons += [f"complaint:{complaint}" for complaint in sorted(view.flow("complaints"))]
        return reasons + [f"defect:{defect}" for defect in sorted(view.flow("defects"))]

    def zeroing(self, view: View) -> Iterable[Entity]:
        """The complaints and defects."""
        department = view.department
        yield from (department.complaints[complaint] for complaint in view.flow("complaints"))
        yield from (department.defects[defect] for defect in view.flow("defects"))
