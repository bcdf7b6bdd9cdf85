"""The texts of the pages, in both languages."""

from collections.abc import Callable, Mapping

from models.text import Language, Text
from streams.serving.texts_live import LIVE_TEXTS

TEXTS: Mapping[str, Text] = {
    "title": Text("政务服务“一网通办”考核", "One-stop service scoreboard"),
    "scoreboard": Text("记分板", "Scoreboard"),
    "period": Text("考核期", "Period"),
    "report": Text("考核报表", "Report for filing"),
    "show": Text("显示", "Show"),
    "open": Text("进行中", "open"),
    "closing": Text("待关闭", "closing"),
    "closed": Text("已关闭", "closed"),
    "last_update": Text("数据时间", "Data as of"),
    "mean": Text("平均总分", "Mean total"),
    "lowest": Text("最低总分", "Lowest total"),
    "departments": Text("部门数", "Departments"),
    "cases_open": Text("在办件", "Open cases"),
    "cases_overdue": Text("超期未办结", "Overdue cases"),
    "due_24h": Text("24 小时内到期", "Due within 24 h"),
    "due_72h": Text("72 小时内到期", "Due within 72 h"),
    "interfaces_down": Text("故障接口", "Interfaces down"),
    "requests_open": Text("待审批共享申请", "Open requests"),
    "requests_overdue": Text("超期共享申请", "Overdue requests"),
    "rank": Text("名次", "Rank"),
    "department": Text("部门", "Department"),
    "base": Text("基础分", "Base"),
    "deducted": Text("扣分", "Deducted"),
    "total": Text("总分", "Total"),
    "points": Text("得分", "Points"),
    "of": Text("满分", "of"),
    "cap": Text("最多扣", "at most"),
    "indicator": Text("指标", "Indicator"),
    "formula": Text("计算公式", "Formula"),
    "inputs": Text("数据口径", "Inputs"),
    "numerator": Text("分子 N", "N"),
    "denominator": Text("分母 M", "M"),
    "ratio": Text("N/M", "N/M"),
    "reasons": Text("说明", "Reasons"),
    "status": Text("状态", "Status"),
    "scored": Text("", ""),
    "vacuous": Text("无业务量", "no workload"),
    "zeroed": Text("判零", "zeroed"),
    "no_data": Text("无数据", "no data"),
    "provisional": Text("暂定", "provisional"),
    "legend_provisional": Text(
        "* 暂定：考核期未关闭、抽查未完成，或期限所依据的节假日尚未公布。",
        "* provisional: the period is open, inspections are outstanding, or holidays are unpublished.",
    ),
    "legend_zeroed": Text("判零：规则规定该项记 0 分。", "zeroed: a rule sets the indicator to 0."),
    "legend_vacuous": Text("斜体：本期没有业务量。", "italic: no workload in the period."),
    "legend_no_data": Text("–：没有事项目录，不计分。", "–: no catalogue, not scored."),
    "history": Text("历期总分", "Totals by period"),
    "alerts": Text("当前告警", "Alerts firing"),
    "no_alerts": Text("当前没有告警。", "Nothing is firing."),
    "more_alerts": Text("另有更多，见 /api/v1/alerts", "there are more: /api/v1/alerts"),
    "alert": Text("告警", "Alert"),
    "thing": Text("对象", "Thing"),
    "due": Text("到期时间", "Due"),
    "since": Text("开始时间", "Since"),
    "interfaces": Text("数据接口", "Interfaces"),
    "interface": Text("接口", "Interface"),
    "up": Text("正常", "up"),
    "down": Text("故障", "down"),
    "failures": Text("本期故障次数", "Failures in the period"),
    "tables": Text("库表", "Tables"),
    "table": Text("库表", "Table"),
    "table_updated": Text("最近更新", "Last update"),
    "next_due": Text("下次应更新", "Next due"),
    "overdue": Text("超期", "overdue"),
    "on_time": Text("按时", "on time"),
    "never": Text("从未", "never"),
    "serial": Text("办件流水号", "Serial"),
    "item": Text("事项", "Item"),
    "acceptance_no": Text("受理号", "Acceptance no."),
    "overdue_cases": Text("超期未办结的办件", "Overdue cases"),
    "due_soon_cases": Text("24 小时内到期的办件", "Cases due within 24 hours"),
    "in_all": Text("共", "in all"),
    "next_page": Text("下一页", "Next page"),
    "first_page": Text("第一页", "First page"),
    "all_departments": Text("全部部门", "All departments"),
    "no_scores": Text(
        "还没有得分。worker 发布得分后，本页自动显示。", "There are no scores yet. They appear here once a worker publishes them."
    ),
    "stale_age": Text(
        "数据可能已过时：最后一次心跳在 {age}前，请检查 worker 与 projector。",
        "The data may be out of date: the last heartbeat is {age} old; look at worker and projector.",
    ),
    "stale_missing": Text(
        "数据可能已过时：没有收到分区 {missing} 的心跳，请检查 worker。",
        "The data may be out of date: no heartbeat of partitions {missing} yet; look at the workers.",
    ),
    "catching_up": Text("正在处理积压数据，得分会继续变化。", "A backlog is being worked through; scores are still moving."),
    "lost": Text("与服务器的连接已中断，显示的是此前的数据。", "The connection is lost; what is shown is older."),
    "error_404": Text("没有这个页面", "There is no such page"),
    "error_422": Text("地址中的参数有误", "A parameter of the address is wrong"),
    "error_503": Text("暂时无法读取数据", "The data cannot be read at the moment"),
    "error_500": Text("程序故障", "A fault of the program"),
    "error_other": Text("请求无法完成", "The request cannot be answered"),
    "error_back": Text("返回记分板", "Back to the scoreboard"),
    "api": Text("接口文档", "API"),
    "api_note": Text(
        "所有地址只读。错误以 RFC 9457 problem+json 返回。机器可读的描述：",
        "Everything is read-only. Errors are RFC 9457 problem documents. For machines:",
    ),
    "parameter": Text("参数", "Parameter"),
    "type": Text("类型", "Type"),
    "meaning": Text("含义", "Meaning"),
    "required": Text("必填", "required"),
    "case_due_soon": Text("办件即将到期", "case due soon"),
    "case_overdue": Text("办件超期", "case overdue"),
    "request_due_soon": Text("共享申请即将到期", "request due soon"),
    "request_overdue": Text("共享申请超期", "request overdue"),
    "interface_failed": Text("接口故障", "interface failed"),
    "table_overdue": Text("库表未按时更新", "table overdue"),
    "indicator_zeroed": Text("指标判零", "indicator zeroed"),
    "period_closed": Text("考核期已关闭", "period closed"),
    **LIVE_TEXTS,
    # /record
    "record": Text("记录", "Record"),
    "record_choose": Text("请选择部门。", "Choose a department."),
    "record_nothing_drawn": Text(
        "本期还没有抽取样本：onestop sample draw 抽取。", "Nothing is drawn for this month yet: onestop sample draw does it."
    ),
    "record_outstanding": Text("未完成", "outstanding"),
    "record_drawn": Text("抽取于", "drawn"),
    "record_so_far": Text("已有记录", "So far"),
    "record_nothing": Text("未记录", "nothing"),
    "record_achieved": Text("已实现最多跑一次", "at most one visit"),
    "record_not_achieved": Text("未实现", "more visits"),
    "record_withdrawn": Text("已撤回", "withdrawn"),
    "record_errors": Text("错误数", "Errors"),
    "record_notes": Text("说明（每行一条）", "Notes, one a line"),
    "record_check": Text("记录检查", "Record the check"),
    "record_raise": Text("记录发起测试", "Record a test raised"),
    "record_raised": Text("待处置", "raised"),
    "record_disposed": Text("已处置", "disposed of"),
    "record_outcome": Text("处置结果", "Outcome of"),
    "record_dispose": Text("记录处置", "Record the disposal"),
    "record_test_month": Text(
        "测试计入发起的月份，此处只能为本月发起；补记用 onestop record test raise --at。",
        "A test counts in the month that it is raised in, here the present one; for others there is onestop record test raise --at.",
    ),
    "record_done_inspection": Text("抽查结果已记录，几秒后计入得分。", "The inspection is recorded; the score follows within seconds."),
    "record_done_guide-check": Text("指南检查已记录，几秒后计入得分。", "The guide check is recorded; the score follows within seconds."),
    "record_done_test": Text("测试已记录。", "The test is recorded."),
    "record_done_test-disposal": Text("处置已记录。", "The disposal is recorded."),
}
REASONS: Mapping[str, Text] = {
    "not_docked": Text("未对接办件库", "not docked with the case store"),
    "complaint": Text("投诉成立", "complaint upheld"),
    "defect": Text("编码缺陷未消除", "code defect not cleared"),
    "capped": Text("已达上限", "capped"),
    "calendar_provisional": Text("节假日未公布", "holidays unpublished"),
    "period_open": Text("考核期未关闭", "period open"),
    "inspections_outstanding": Text("抽查未完成", "inspections outstanding"),
}


def translator(language: Language) -> Callable[[str], str]:
    """Texts by name, in a language."""
    return lambda name: TEXTS[name].in_(language)


def reason_text(reason: str, language: Language) -> str:
    """A reason of a score for people; an identifier stays as it is."""
    kind, colon, identifier = reason.partition(":")
    known = REASONS.get(kind)
    return reason if known is None else f"{known.in_(language)}{' ' if colon else ''}{identifier}"


def span_text(seconds: float, language: Language) -> str:
    """A span of time in its two largest units.

    >>> span_text(93_600, "en"), span_text(42.4, "zh")
    ('1 d 2 h', '42 秒')
    """
    left = max(0, int(seconds))
    units = ((86_400, Text("天", "d")), (3_600, Text("小时", "h")), (60, Text("分", "min")), (1, Text("秒", "s")))
    parts: list[str] = []
    for size, unit in units:
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {unit.in_(language)}")
    return " ".join(parts[:2]) or f"0 {units[-1][1].in_(language)}"
