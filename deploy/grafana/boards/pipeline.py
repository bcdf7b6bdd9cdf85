"""Board 7, 管道: how far behind, how slow, what recovers, where the time goes."""

from kit.frame import Board, Row, freshness
from kit.looks import BAD, FEW_ARE_GOOD, GOOD, NOTICE, SOME_IS_GOOD, UP, WARN, Steps
from kit.panels import Column, Line, Lines, Number, Table, by_label
from kit.queries import LINES, grown, latest, quantile, rate

from models.text import Text

TARGET_SECONDS = 10
LAG: Steps = [(None, GOOD), (1_000, NOTICE), (100_000, BAD)]
END_TO_END: Steps = [(None, GOOD), (TARGET_SECONDS / 2, NOTICE), (TARGET_SECONDS, BAD)]
STATE = Text("状态", "State")

NUMBERS = [
    freshness(),
    Number(
        title=Text("worker 进程", "Workers"),
        description=Text("能抓取到的 worker 进程。一个也没有时不再计分。", "Worker processes that answer. With none, nothing is scored."),
        width=3,
        query='sum(up{job="worker"}) or vector(0)',
        steps=SOME_IS_GOOD,
    ),
    Number(
        title=Text("积压", "Lag"),
        description=Text("已到达而未处理完的记录，全部分区。", "Records that arrived and are not finished, of all partitions."),
        width=4,
        query="sum(max by(topic, partition) (govscore_consumer_lag_records))",
        steps=LAG,
    ),
    Number(
        title=Text("端到端 p99", "End to end, p99"),
        description=Text(
            "从事件在来源系统发生到得分发布，99% 不超过此值；补发的旧事件也算在内。",
            "From an event's time at its source to its published score; history that is sent later counts too.",
        ),
        width=4,
        nothing=Text("没有事件", "no events"),
        query=quantile(0.99, "event_end_to_end_seconds"),
        steps=END_TO_END,
        unit="s",
        decimals=1,
    ),
    Number(
        title=Text("恢复中的 worker", "Workers recovering"),
        description=Text("正在从变更日志读回状态的 worker；其分区暂不计分。", "Workers that read their state back; their partitions wait."),
        width=3,
        query="sum(govscore_recovery_in_progress)",
        steps=FEW_ARE_GOOD,
    ),
    Number(
        title=Text("24 小时内再均衡", "Rebalances in 24 h"),
        description=Text(
            "各 worker 见到的再均衡次数之和；频繁发生说明有 worker 反复退出。",
            "Seen by all workers together; many of them mean that a worker keeps ending.",
        ),
        width=3,
        query=grown("rebalances_total"),
        steps=[(None, GOOD), (10, NOTICE), (50, WARN)],
    ),
    Number(
        title=Text("生效的规则集", "Rulesets in force"),
        description=Text(
            "各分区心跳中不同的规则集数。应为 1；多于 1 时各部门的得分不可比，onestop doctor 指出是哪些 worker。0：还没有心跳写明。",
            "Different rulesets in the heartbeats of the partitions: 1, or scores cannot be compared; `onestop doctor` names the workers. "
            "0: no heartbeat names one yet.",
        ),
        width=3,
        query=f"max({latest('rulesets_in_force')})",
        steps=[(None, GOOD), (2, BAD)],
    ),
]

FLOW = [
    Lines(
        title=Text("读入速率", "Records consumed"),
        description=Text("每秒读入的记录，按主题。", "Records a second, by topic."),
        width=12,
        lines=[by_label(rate("events_consumed_total", "topic"), "topic")],
        unit="cps",
        stacked=True,
    ),
    Lines(
        title=Text("各主题积压", "Lag by topic"),
        description=Text("已到达而未处理完的记录。", "Records that arrived and are not finished."),
        width=12,
        lines=[by_label("sum by(topic) (max by(topic, partition) (govscore_consumer_lag_records))", "topic")],
        stacked=True,
    ),
]

TIMES = [
    Lines(
        title=Text("端到端用时", "End to end"),
        description=Text(
            "从事件在来源系统发生到得分发布，全部主题。", "From an event's time at its source to its published score, all topics."
        ),
        width=12,
        lines=[
            Line(query=quantile(share, "event_end_to_end_seconds"), legend=Text(f"p{share:.0%}"[:-1], f"p{share:.0%}"[:-1]))
            for share in (0.5, 0.95, 0.99)
        ],
        unit="s",
        steps=END_TO_END,
    ),
    Lines(
        title=Text("一批的用时，p95", "Time of a chunk, p95"),
        description=Text(
            "从取到一批记录到其结果全部落盘，按主题。", "From the delivery of a chunk until all it brought is durable, by topic."
        ),
        width=12,
        lines=[by_label(quantile(0.95, "batch_processing_seconds", ["topic"]), "topic")],
        unit="s",
    ),
]

WORK = [
    Lines(
        title=Text("各阶段占用 CPU", "CPU by stage"),
        description=Text(
            "每秒的 CPU 秒数，全部 worker；一个 worker 接近 1 即已占满。",
            "CPU seconds a second, of all workers; near 1 a worker is at its limit.",
        ),
        width=12,
        lines=[by_label(rate("stage_seconds_total", "stage"), "stage")],
        unit="percentunit",
        stacked=True,
    ),
    Lines(
        title=Text("最久没有心跳的分区", "Partitions without a heartbeat the longest"),
        description=Text(f"距最近一次心跳的秒数，最久的至多 {LINES} 个。", f"Seconds since the last heartbeat, at most {LINES}."),
        width=12,
        lines=[
            Line(
                query=f"topk({LINES}, time() - max by(topic, partition) (govscore_heartbeat_processed_timestamp_seconds))",
                legend=Text("{{topic}} {{partition}}", "{{topic}} {{partition}}"),
            )
        ],
        unit="s",
        steps=[(None, GOOD), (60, WARN), (120, BAD)],
    ),
]

RECOVERY = [
    Lines(
        title=Text("恢复与追赶", "Recovery and catching up"),
        description=Text(
            "还要从变更日志读回的记录；仍在追赶启动时积压的分区。",
            "Changelog records still to be read; partitions that have not reached the end they saw at start.",
        ),
        width=12,
        lines=[
            Line(query="sum(govscore_recovery_remaining_records)", legend=Text("待读回的记录", "records to read")),
            Line(query="sum(max by(topic, partition) (govscore_catching_up))", legend=Text("追赶中的分区", "partitions catching up")),
        ],
    ),
    Lines(
        title=Text("再均衡", "Rebalances"),
        description=Text("每秒次数，全部 worker。", "A second, of all workers."),
        width=12,
        lines=[Line(query=rate("rebalances_total"), legend=Text("再均衡", "rebalances"))],
        unit="cps",
    ),
]

SERVING = [
    Lines(
        title=Text("读取得分用时", "Reading the read model"),
        description=Text("网页进程为一次抓取读取 Redis 的时间，最慢的一个。", "Time that a web process takes for a scrape, the slowest."),
        width=8,
        lines=[Line(query="max(govscore_scoreboard_collect_seconds)", legend=Text("最慢", "slowest"))],
        unit="s",
    ),
    Lines(
        title=Text("Redis 读取失败", "Redis failures"),
        description=Text("每秒有多少次抓取读不到 Redis 而沿用旧值。", "Scrapes a second that could not read Redis and served old values."),
        width=8,
        lines=[Line(query=rate("redis_errors_total"), legend=Text("失败", "failures"))],
        unit="cps",
    ),
    Table(
        title=Text("进程", "Processes"),
        description=Text("Prometheus 抓取的每个进程。", "Each process that Prometheus scrapes."),
        width=8,
        columns=[
            Column(title=Text("作业", "Job"), label="job"),
            Column(title=Text("地址", "Address"), label="instance"),
            Column(title=STATE, query='up{job=~"web|worker"}', states=UP, width=80),
        ],
        sort=STATE,
        descending=False,
    ),
]

SNAPSHOTS = [
    Lines(
        title=Text("快照的年龄", "Age of snapshots"),
        description=Text(
            "各分区距上次写成状态快照的时间；越久，恢复时要读的越多。",
            "Since a partition's state was last written; the older, the more a recovery has to read.",
        ),
        width=12,
        lines=[
            Line(
                query="time() - max by(partition) (govscore_snapshot_timestamp_seconds > 0)",
                legend=Text("分区 {{partition}}", "partition {{partition}}"),
            )
        ],
        unit="s",
    ),
    Number(
        title=Text("24 小时内快照失败", "Snapshot failures in 24 h"),
        description=Text("没有写成的快照；恢复会变慢，不会丢失数据。", "Snapshots not written: a recovery gets slower, nothing is lost."),
        width=12,
        query=grown("snapshot_failures_total"),
        steps=FEW_ARE_GOOD,
    ),
]

BOARD = Board(
    number=7,
    name="pipeline",
    title=Text("管道", "Pipeline"),
    description=Text("积压、端到端用时、恢复与再均衡、各阶段耗时。", "Lag, end to end, recovery and rebalances, stages."),
    by_department=False,
    rows=[Row(4, NUMBERS), Row(8, FLOW), Row(8, TIMES), Row(8, WORK), Row(8, RECOVERY), Row(8, SERVING), Row(8, SNAPSHOTS)],
)
