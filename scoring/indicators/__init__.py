"""The registry of the 16 indicators. Everything else iterates it: adding one is a file and a line here."""

from scoring.indicators.base import Indicator
from scoring.indicators.case_aggregation import CaseAggregation
from scoring.indicators.data_repair import DataRepair
from scoring.indicators.docking_depth import DockingDepth
from scoring.indicators.guide_accuracy import GuideAccuracy
from scoring.indicators.instant_items import InstantItems
from scoring.indicators.licence_generation import LicenceGeneration
from scoring.indicators.licence_repair import LicenceRepair
from scoring.indicators.material_reduction import MaterialReduction
from scoring.indicators.online_depth import OnlineDepth
from scoring.indicators.online_experience import OnlineExperience
from scoring.indicators.overdue_completion import OverdueCompletion
from scoring.indicators.sharing_timeliness import SharingTimeliness
from scoring.indicators.sharing_validity import SharingValidity
from scoring.indicators.step_reduction import StepReduction
from scoring.indicators.time_reduction import TimeReduction
from scoring.indicators.visit_reduction import VisitReduction

INDICATORS: tuple[Indicator, ...] = (
    OnlineDepth(), InstantItems(), DockingDepth(), CaseAggregation(), TimeReduction(), MaterialReduction(), VisitReduction(),
    StepReduction(), LicenceGeneration(), LicenceRepair(), SharingTimeliness(), SharingValidity(), DataRepair(),
    GuideAccuracy(), OnlineExperience(), OverdueCompletion(),
)  # fmt: skip
BY_ID: dict[str, Indicator] = {indicator.id: indicator for indicator in INDICATORS}
