"""The texts of the pages, in both languages."""

from collections.abc import Callable, Mapping

from models.text import Language, Text
from streams.serving.texts_live import LIVE_TEXTS

TEXTS: Mapping[str, Text] = {
    "title": Text("政务服务“一网通办”考核", "One-stop service scoreboard"),
    "scoreboard": Text("记分板", "Scoreboard"),
    "skip": Text("跳到正文", "Skip to the content"),
    "sections": Text("栏目", "Sections"),
    "sign_in": Text("登录", "Sign in"),
    "sign_out": Text("退出登录", "Sign out"),
    "user_name": Text("用户名", "Name"),
    "token": Text("令牌", "Token"),
    "login_note": Text(
        "令牌由管理员用 onestop users add 生成，只显示一次；遗失时请管理员重新生成。登录 12 小时内有效。",
        "An administrator makes the token with onestop users add; it is shown once, a lost one is replaced. A session lasts 12 hours.",
    ),
    "wrong_token": Text("用户名与令牌不符，请检查后再试。", "Name and token do not belong together; check them and try again."),
    "colours": Text("配色", "Colours"),
    "theme_auto": Text("跟随系统", "as the system"),
    "theme_light": Text("浅色", "light"),
    "theme_dark": Text("深色", "dark"),
    "language": Text("语言", "Language"),
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
    "trend": Text("历期总分走势", "Totals by month"),
    "trend_about": Text(
        "总分从 {first} 的 {begin} 到 {last} 的 {end}；数值见下表。",
        "From {begin} in {first} to {end} in {last}; the table below has the numbers.",
    ),
    "explain": Text("查看依据", "why"),
    "scores_of": Text("16 项指标得分", "The 16 indicators"),
    "heat_caption": Text(
        "各部门总分与 16 项指标得分；点击分数查看依据", "Totals and the 16 indicators of all departments; each score leads to its reasons"
    ),
    "legend": Text("图例：得分占满分的比例", "Legend: share of the full points"),
    "legend_below": Text("低于 {percent}%", "below {percent} %"),
    "legend_from": Text("{percent}% 起", "from {percent} %"),
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
    "failure": Text("故障编号", "Failure"),
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
    "error_401": Text("请先登录", "Please sign in"),
    "error_403": Text("无权查看或修改", "Not for this user"),
    "error_429": Text("请求太多", "Too many requests"),
    "error_422": Text("地址中的参数有误", "A parameter of the address is wrong"),
    "error_503": Text("暂时无法读取数据", "The data cannot be read at the moment"),
    "error_500": Text("程序故障", "A fault of the program"),
    "error_other": Text("请求无法完成", "The request cannot be answered"),
    "error_back": Text("返回记分板", "Back to the scoreboard"),
    "quality": Text("数据质量", "Data quality"),
    "audit": Text("操作记录", "Audit"),
    "all": Text("全部", "all"),
    "tables_overdue": Text("超期库表", "Tables overdue"),
    "no_interfaces": Text("没有登记的数据接口或库表。", "No interfaces or tables are registered."),
    "partitions": Text("分区", "Partitions"),
    "partition": Text("分区", "Partition"),
    "worker": Text("处理进程", "Worker"),
    "heartbeat": Text("心跳", "Heartbeat"),
    "lag": Text("待处理记录", "Records waiting"),
    "ago": Text("{span}前", "{span} ago"),
    "backlog": Text("处理积压中", "backlog"),
    "in_time": Text("正常", "in time"),
    "partitions_silent": Text("无心跳分区", "Partitions not heard of"),
    "last_events": Text("各部门最近的事件", "Last event of each department"),
    "last_event": Text("最近事件", "Last event"),
    "recount": Text("最近一次复核", "Last recount"),
    "no_recount": Text(
        "还没有复核过。用 onestop recount 从日志重新计算并比对。",
        "There has been none. onestop recount counts again from the log and compares.",
    ),
    "recount_result": Text(
        "{at} 结束，用时 {seconds} 秒，读取 {events} 个事件，比对 {records} 条得分：{mismatches} 条不一致，{not_compared} 条未能比对。",
        "Ended {at} after {seconds} s: read {events} events, compared {records} records, {mismatches} different, "
        "{not_compared} not compared.",
    ),
    "recount_equal": Text("显示的得分与日志一致。", "What is shown is what the log amounts to."),
    "as_shown": Text("显示", "Shown"),
    "by_the_log": Text("按日志", "By the log"),
    "causes": Text("原因", "Causes"),
    "different": Text("不一致", "different"),
    "not_compared": Text("未能比对", "not compared"),
    "cause_lost": Text("事件未进变更日志", "events not in the changelog"),
    "cause_not_in_log": Text("事件不在输入主题中", "events in no input topic"),
    "cause_other_content": Text("内容不同", "other content"),
    "cause_not_consumed": Text("尚未读取", "not read yet"),
    "cause_not_sent_on": Text("尚未转发", "not sent on yet"),
    "cause_conflict": Text("同号事件冲突", "conflicting events"),
    "cause_other_closing": Text("关闭方式不同", "another closing"),
    "cause_other_ruleset": Text("规则不同", "another ruleset"),
    "cause_moving": Text("仍在变化", "still moving"),
    "cause_same_facts": Text("事实相同", "the same facts"),
    "late": Text("关闭后到达的事实", "Facts that came after the closing"),
    "no_late": Text("本期没有关闭后才到达的事实。", "None came after the closing of this period."),
    "quarantine_note": Text(
        "隔离区的记录用 onestop quarantine list 查看，数量见监控看板“数据质量”。",
        "onestop quarantine list shows quarantined records; the board on data quality counts them.",
    ),
    "no_audit": Text("没有这样的操作记录。", "There are no such records."),
    "action": Text("操作", "Action"),
    "who": Text("操作人", "By"),
    "when": Text("时间", "At"),
    "subject": Text("内容", "Subject"),
    "why_done": Text("原因", "Why"),
    "through": Text("方式", "Through"),
    "through_command": Text("命令", "command"),
    "through_page": Text("页面", "page"),
    "period.closed": Text("关闭考核期", "period closed"),
    "period.reopened": Text("重新打开考核期", "period reopened"),
    "quarantine.retried": Text("重试隔离记录", "quarantined record retried"),
    "quarantine.dismissed": Text("放弃隔离记录", "quarantined record dismissed"),
    "topic.paused": Text("暂停主题", "topic paused"),
    "topic.resumed": Text("恢复主题", "topic resumed"),
    "sample.drawn": Text("抽取样本", "sample drawn"),
    "inspection.recorded": Text("登记抽查结果", "inspection recorded"),
    "guide.checked": Text("登记指南检查", "guide checked"),
    "test.raised": Text("登记测试问题", "test problem raised"),
    "test.disposed": Text("处理测试问题", "test problem disposed of"),
    "finding.withdrawn": Text("撤销结论", "finding withdrawn"),
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
