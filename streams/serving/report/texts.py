"""The texts of a report, in both languages; those that the pages have too lie in `streams.serving.texts`."""

from collections.abc import Callable, Mapping, Sequence

from models.records import ScoreRecord, TotalRecord
from models.text import Language, Text
from scoring.report import Line, Report
from streams.serving import texts

TEXTS: Mapping[str, Text] = {
    "title": Text("政务服务“一网通办”考核结果", "One-stop service assessment: results"),
    "period": Text("考核期", "Period"),
    "state": Text("状态", "State"),
    "as_of": Text("数据截至", "Scores as of"),
    "ruleset": Text("规则集", "Ruleset"),
    "program": Text("程序版本", "Program"),
    "made_at": Text("制表时间", "Made at"),
    "made_by": Text("制表人", "Made by"),
    "provisional": Text("暂定", "provisional"),
    "provisional_note": Text(
        "暂定结果：考核期未关闭、抽查未完成，或期限所依据的节假日尚未公布，得分还会变化。",
        "Provisional result: the period is open, inspections are outstanding, or holidays are unpublished; scores may still change.",
    ),
    "final_note": Text("最终结果。", "Final result."),
    "yes": Text("是", "yes"),
    "no": Text("否", "no"),
    "summary": Text("汇总", "Summary"),
    "details": Text("明细", "Details"),
    "adjustments": Text("关闭后调整", "Adjustments"),
    "notes": Text("说明", "Notes"),
    "rank": Text("名次", "Rank"),
    "ranked": Text("参评部门数", "of"),
    "department": Text("部门", "Department"),
    "code": Text("统一社会信用代码", "Code"),
    "number": Text("序号", "No."),
    "indicator": Text("指标标识", "Indicator id"),
    "name": Text("指标", "Indicator"),
    "kind": Text("类别", "Kind"),
    "base_kind": Text("基础分", "base"),
    "deduction_kind": Text("扣分", "deduction"),
    "total": Text("总分", "Total"),
    "formula": Text("计算公式", "Formula"),
    "numerator": Text("分子 N", "Numerator N"),
    "denominator": Text("分母 M", "Denominator M"),
    "status": Text("计分状态", "Status"),
    "scored": Text("正常计分", "scored"),
    "points": Text("得分", "Points"),
    "points_exact": Text("精确值", "Exact"),
    "max_points": Text("满分", "Weight"),
    "scored_max": Text("计分项满分", "Scored weight"),
    "for": Text("计入不失分", "Counted for"),
    "against": Text("计入失分", "Counted against"),
    "for_against": Text("计入：不失分 / 失分", "Counted for / against"),
    "reasons": Text("原因", "Reasons"),
    "base": Text("基础分", "Base"),
    "deductions": Text("扣分", "Deductions"),
    "late": Text("关闭后调整数", "Adjustments"),
    "would_be": Text("调整后得分", "Would be"),
    "would_be_exact": Text("调整后精确值", "Would be, exact"),
    "frozen": Text("冻结得分", "Frozen"),
    "frozen_exact": Text("冻结精确值", "Frozen, exact"),
    "version": Text("已计事件数", "Events counted"),
    "event": Text("事件编号", "Event id"),
    "arrived_at": Text("到达时间", "Arrived at"),
    "no_adjustments": Text("没有关闭后到达并会改变得分的事件。", "No event that arrived after closing would change a score."),
    "no_arrivals": Text(
        "由文件计算：文件中没有到达时间，无法得知关闭后到达的事件。",
        "Worked out from files, which do not say when events arrived: what came after closing is not known.",
    ),
    "no_counts": Text(
        "没有 worker 应答，计入项数未列出。", "No worker has answered: how many things were counted for and against is not listed."
    ),
    "deducted_note": Text("14 至 16 项为扣分项，所列为扣去的分数。", "Indicators 14 to 16 deduct: the points listed are those taken off."),
    "counts_note": Text(
        "计入项数为制表时的数目，关闭后到达的事件也在其中；冻结的得分不含这些事件。",
        "Counts are those of the time the report was made: events that arrived after closing are in them, and not in frozen scores.",
    ),
    "adjustments_note": Text(
        "每个关闭后到达的事件一行：冻结得分为归档结果，调整后得分为计入该事件及此前各事件后的结果。",
        "A row an event that arrived after closing: frozen is the result on file, would be is what it is with this event and those before.",
    ),
    "files_state_note": Text(
        "考核期状态由日历得出：文件不说明是谁在何时关闭的。",
        "The state of the period is that of the calendar: files do not say who closed it when.",
    ),
    "inputs": Text("数据口径", "Inputs"),
    "lost": Text("失分原因", "Counts against because"),
    "policies": Text("政策", "Policies"),
    "value": Text("取值", "Value"),
    "meaning": Text("含义", "Meaning"),
    "policies_elsewhere": Text(
        "规则集的各项政策由计分的机器上 onestop rules show 列出。",
        "The policies of the ruleset are listed by onestop rules show on the machines that score.",
    ),
    "prepared": Text("制表人（签字）", "Prepared by (signature)"),
    "checked": Text("审核人（签字）", "Checked by (signature)"),
    "approved": Text("负责人（签字、盖章）", "Approved by (signature, seal)"),
    "date": Text("日期", "Date"),
    "page": Text("第 &P 页，共 &N 页", "Page &P of &N"),
}
SIGNATURES = ("prepared", "checked", "approved", "date")
# The policies' descriptions are English; a policy that is not here keeps that.
POLICIES: Mapping[str, str] = {
    "zero_denominator": "没有业务量（分母为 0）的指标：full 记满分；zero 记 0 分；na 不计分，权重也不计入计分项满分。",
    "floor_total": "总分低于 0 时记 0。",
    "aggregation": "指标 4：cohort 为当月发号的办件中截止前归集的；flow 为当月归集的办件，不论何时发号，比值不超过 1。",
    "objection_carry_in": "指标 10 和 13：此前提出、仍未解决的异议再次计入；false 为只计当月提出的。",
    "sharing_workdays": "指标 11：没有 due_at 的共享申请，于提出之日后第几个工作日结束时到期。",
    "grace_workdays": "考核期于其最后一天之后第几个工作日结束时自动关闭，此前接收迟到的事件。",
    "visit_tail": "指标 7：没有尾号能抽足六项时，取抽得最多的尾号中的第一个（best），或第一个尾号（first）。",
}


def translator(language: Language) -> Callable[[str], str]:
    """Texts by name, in a language: those of a report, else those of the pages."""
    return lambda name: (TEXTS.get(name) or texts.TEXTS[name]).in_(language)


def when(instant: str) -> str:
    """An RFC 3339 time for people, to the second.

    >>> when("2020-10-03T12:00:00.5+08:00")
    '2020-10-03 12:00:00'
    """
    return f"{instant[:10]} {instant[11:19]}"


def reasons_text(record: ScoreRecord | TotalRecord, language: Language) -> str:
    """The reasons of a score in words."""
    return ("；" if language == "zh" else "; ").join(texts.reason_text(reason, language) for reason in record.reasons)


def kind_of(line: Line) -> str:
    """The name of the text that says whether an indicator gives points or takes them."""
    return "deduction_kind" if line.indicator.deduction else "base_kind"


def policy_rows(report: Report, language: Language) -> list[tuple[str, str, str]]:
    """Each policy with its value and what it means; none where they are not known."""
    if report.policies is None:
        return []
    fields = type(report.policies).model_fields
    meanings = {name: POLICIES.get(name) if language == "zh" else None for name in fields}
    return [(name, str(getattr(report.policies, name)).lower(), meanings[name] or fields[name].description or "") for name in fields]


def heading(report: Report, language: Language) -> list[tuple[str, str]]:
    """What stands above every report: name and value."""
    t = translator(language)
    return [
        (t("period"), report.period),
        (t("state"), t(report.state)),
        (t("as_of"), when(report.as_of)),
        (t("ruleset"), ", ".join(report.rulesets)),
        (t("program"), f"onestop {report.made.version}"),
        (t("made_at"), when(report.made.at)),
        (t("made_by"), report.made.by),
    ]


def notices(report: Report, language: Language) -> list[str]:
    """Whether the result is final, then what may be missing."""
    t = translator(language)
    return [t("provisional_note") if report.provisional else t("final_note"), *report.warnings]


def remarks(report: Report, language: Language) -> list[str]:
    """How to read the numbers."""
    t = translator(language)
    names: Sequence[str] = (
        ["deducted_note", "counts_note", "adjustments_note"] if report.knows_arrivals else ["deducted_note", "files_state_note"]
    )
    return [t(name) for name in names]
