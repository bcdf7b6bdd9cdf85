"""13 数据质量修复情况: objections to shared data, resolved by the cut-off."""

from models.text import Text
from scoring.indicators.base import flow, stock
from scoring.indicators.licence_repair import LicenceRepair


class DataRepair(LicenceRepair):
    """As 10, over data objections."""

    id = "data_repair"
    number = 13
    title = Text("数据质量修复情况", "Data repair")
    inputs = Text(
        "M：截止前标记、且期初尚未解决的数据异议数；N：其中截止前修复并通过质检的数量",
        "M: data objections flagged by the cut-off and not resolved before the period; N: of those, resolved by the cut-off",
    )
    components = {"objections_data": stock(denominator=1), "resolved_data": flow(numerator=1)}
