"""`onestop doctor`: checks what the system stands on; each fault with what to do."""

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import redis
import typer
from kafka import TopicPartition
from rich.markup import escape

from models.events import INPUT_TOPICS
from models.instants import SECOND, parse_instant
from models.settings import Settings, masked
from streams import topics
from streams.balance import CONSUMED, OUTCOMES, Balance
from streams.changelog import ChunkRecord, Parts, decode
from streams.cli.flow import paused_topics
from streams.cli.offline import Json
from streams.cli.quarantine import entries
from streams.cli.support import Exit, output, print_json, say, the_calendar, the_ruleset, the_settings, the_zone
from streams.intervals import Intervals
from streams.kafka_clients import kafka_fault
from streams.reading import consumer_for, read_topic
from streams.serving.connection import redis_address
from streams.serving.read_model import open_read_model
from streams.topics import CHANGELOG

FRESH_SECONDS = 60
CLOCK_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: right or not, in a sentence that says what to do."""

    check: str
    right: bool
    text: str


Check = Callable[[Settings], Iterator[Finding]]


def doctor(
    settings_only: Annotated[bool, typer.Option("--settings", help="Print the settings in force, secrets masked.")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read the changelog: does it tile the inputs and balance; who uses a wrong partitioner?")
    ] = False,
    json: Json = False,
) -> Exit:
    """Check broker, topics, Redis, calendar, clock, lag and read model; exit 1 when anything is not right.

    Example: onestop doctor --deep
    """
    settings = the_settings()
    if settings_only:
        _print_settings(settings)
        return Exit.RIGHT
    checks: list[Check] = [_rules, _calendar, _broker, _redis, _read_model, _rules_of_workers, _quarantine, _paused, _recount]
    findings = [finding for check in (*checks, *([_changelog] if deep else [])) for finding in check(settings)]
    for finding in findings:
        if json:
            print_json({"check": finding.check, "right": finding.right, "text": finding.text})
        else:
            mark = "[green]✓[/green]" if finding.right else "[red]✗[/red]"
            output().print(f"{mark} {finding.check:<12} {escape(finding.text)}", highlight=False, soft_wrap=True)
    return Exit.RIGHT if all(finding.right for finding in findings) else Exit.NOT_RIGHT


def _print_settings(settings: Settings) -> None:
    for name, field in type(settings).model_fields.items():
        source = "" if name in settings.model_fields_set else say("（默认）", " (default)")
        output().print(
            f"ONESTOP_{name.upper()}={masked(settings, name)}{source}  # {field.description}", highlight=False, markup=False, soft_wrap=True
        )


def _rules(settings: Settings) -> Iterator[Finding]:
    held = the_ruleset(None)
    yield Finding("ruleset", right=True, text=held.chain_identity(settings.timezone, the_calendar().digest))


def _calendar(settings: Settings) -> Iterator[Finding]:
    year = datetime.now(tz=the_zone()).year
    calendar = the_calendar()
    for wanted in (year, year + 1):
        # The State Council publishes the next year's holidays in November: until then nothing is wrong.
        overdue = wanted == year or datetime.now(tz=the_zone()).month == 12
        if calendar.covers(wanted):
            yield Finding("calendar", right=True, text=say(f"{wanted} 年节假日已知", f"the holidays of {wanted} are known"))
        else:
            text = say(
                f"{wanted} 年节假日未知：升级 chinesecalendar，或用 ONESTOP_CALENDAR_FILE 提供；在此之前期限为暂定",
                f"the holidays of {wanted} are not known: upgrade chinesecalendar or give ONESTOP_CALENDAR_FILE; deadlines are provisional",
            )
            yield Finding("calendar", right=not overdue, text=text)


def _broker(settings: Settings) -> Iterator[Finding]:
    try:
        with topics.admin(settings) as client:
            yield Finding("broker", right=True, text=settings.broker)
            faults = topics.check(settings, client)
            for fault in faults:
                yield Finding("topics", right=False, text=str(fault))
            if not faults:
                yield Finding(
                    "topics", right=True, text=say("分区、保留期、时间戳均正确", "partitions, retention and timestamps are right")
                )
                yield from _lag(settings, client)
    except topics.UNREACHABLE as error:
        yield Finding("broker", right=False, text=say(*kafka_fault(settings, error)))


def _unreachable(address: str, error: BaseException, setting: str) -> str:
    return say(
        f"无法连接 {address}（{error!r:.80}）：启动它或改 {setting}",
        f"{address} cannot be reached ({error!r:.80}): start it, or set {setting}",
    )


def _lag(settings: Settings, client: Any) -> Iterator[Finding]:
    held = topics.committed(settings, client)
    consumer = consumer_for(settings)
    try:
        inputs = [(topic, number) for topic in INPUT_TOPICS for number in range(settings.partitions)]
        committed = {TopicPartition(settings.topic(topic), number): held.get((topic, number), 0) for topic, number in inputs}
        places = list(committed)
        ends, starts = consumer.end_offsets(places), consumer.beginning_offsets(places)
    finally:
        consumer.close()
    # The embedded broker tells end offsets that are too low.
    lag = sum(max(0, ends[place] - max(starts[place], committed[place])) for place in places)
    yield Finding("lag", right=True, text=say(f"未提交 {lag} 条", f"{lag} records are not committed yet"))
    for place in places:
        if starts[place] > committed[place]:
            # Input topics never expire: what was deleted before it was consumed is lost to the scores.
            text = f"{place.topic}-{place.partition} begins at {starts[place]}, after what is committed ({committed[place]})"
            yield Finding("log", right=False, text=f"{text}: records were deleted unread; restore them and publish them again")


def _redis(settings: Settings) -> Iterator[Finding]:
    try:
        model = open_read_model(settings)
        model.ping()
        seconds = redis.Redis.from_url(settings.redis_url, socket_timeout=5).time()[0]
    except (redis.RedisError, OSError) as error:
        yield Finding("redis", right=False, text=_unreachable(redis_address(settings), error, "ONESTOP_REDIS_URL"))
        return
    yield Finding("redis", right=True, text=redis_address(settings))
    apart = abs(time.time() - seconds)
    text = say(f"与 Redis 相差 {apart:.0f} 秒", f"{apart:.0f} s apart from that of Redis")
    yield Finding(
        "clock", right=apart <= CLOCK_SECONDS, text=text if apart <= CLOCK_SECONDS else text + say("：请校时", ": synchronise the clocks")
    )


def _read_model(settings: Settings) -> Iterator[Finding]:
    try:
        freshness = open_read_model(settings).freshness()
    except (redis.RedisError, OSError):
        return
    if freshness.age is None:
        text = say(
            f"分区 {list(freshness.missing)} 从未报告：启动 onestop worker 与 onestop projector",
            f"partitions {list(freshness.missing)} were never heard of: start `onestop worker` and `onestop projector`",
        )
        yield Finding("read model", right=False, text=text)
    else:
        fresh = freshness.age <= FRESH_SECONDS
        text = say(f"最旧心跳 {freshness.age:.0f} 秒前", f"the oldest heartbeat is {freshness.age:.0f} s old")
        advice = say("：检查 worker 与 projector 的日志", ": look at the logs of the workers and the projector")
        yield Finding("read model", right=fresh, text=text if fresh else text + advice)
    if freshness.catching_up:
        text = say(f"分区 {list(freshness.catching_up)} 正在追赶", f"partitions {list(freshness.catching_up)} are catching up")
        yield Finding("read model", right=True, text=text)


def _rules_of_workers(settings: Settings) -> Iterator[Finding]:
    """Whether all workers count by the ruleset, time zone and calendar of these settings; those of older versions do not say."""
    try:
        heartbeats = open_read_model(settings).status().heartbeats
    except (redis.RedisError, OSError):
        return
    own = the_ruleset(None).chain_identity(settings.timezone, the_calendar().digest)
    workers: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for beat in heartbeats:
        if beat.ruleset is not None:
            workers[beat.ruleset][beat.worker].append(beat.partition)
    for ruleset, held in sorted(workers.items()):
        parts = {worker: sorted(numbers) for worker, numbers in sorted(held.items())}
        named = ", ".join(say(f"{worker}（分区 {numbers}）", f"{worker} (partitions {numbers})") for worker, numbers in parts.items())
        text = say(f"{named} 按 {ruleset} 计分", f"{named}: scores by {ruleset}")
        advice = say(
            f"，而这里的设置是 {own}：让各处的 ONESTOP_RULESET、ONESTOP_TIMEZONE、ONESTOP_CALENDAR_FILE 相同，再重启 worker",
            f", but the settings here say {own}: let ONESTOP_RULESET, ONESTOP_TIMEZONE and ONESTOP_CALENDAR_FILE be the same everywhere, "
            "then restart the workers",
        )
        yield Finding("ruleset", right=ruleset == own, text=text if ruleset == own else text + advice)


def _quarantine(settings: Settings) -> Iterator[Finding]:
    try:
        count = sum(entry.state == "open" for entry in entries())
    except Exception:  # noqa: BLE001  # the broker's own check has said it
        return
    text = say(f"隔离区未处理 {count} 条", f"{count} records in quarantine that nobody has dealt with")
    yield Finding("quarantine", right=True, text=text + (say("：onestop quarantine list", ": `onestop quarantine list`") if count else ""))


def _paused(settings: Settings) -> Iterator[Finding]:
    try:
        paused = paused_topics()
    except Exception:  # noqa: BLE001  # the broker's own check has said it
        return
    for topic, order in paused.items():
        text = say(
            f"{topic} 已由 {order.by} 于 {order.at} 暂停（{order.why}）", f"{topic} was paused by {order.by} at {order.at}: {order.why}"
        )
        advice = say("；处理后运行", "; when it is mended run")
        yield Finding("paused", right=False, text=f"{text}{advice} `onestop quarantine resume {topic}`")


def _recount(settings: Settings) -> Iterator[Finding]:
    try:
        model = open_read_model(settings)
        last = model.recount()
    except (redis.RedisError, OSError):
        return
    if last is None:
        text = say("从未重算：onestop recount", "never: `onestop recount` compares the live scores with the log")
        yield Finding("recount", right=True, text=text)
        return
    hours = max(0, model.now() - parse_instant(last.at)) / SECOND / 3_600
    text = say(
        f"{hours:.1f} 小时前：{last.records} 项得分中 {last.mismatches} 项不一致，{last.not_compared} 项未比较",
        f"{hours:.1f} h ago: of {last.records} scores {last.mismatches} different, {last.not_compared} not compared",
    )
    advice = say("：运行 onestop recount 查看原因", ": run `onestop recount`, it says what differs and why")
    yield Finding("recount", right=not last.mismatches, text=text if not last.mismatches else text + advice)


def _changelog(settings: Settings) -> Iterator[Finding]:
    """What the changelog's chunk records add up to: they tile what is committed and balance, and say who uses a wrong partitioner."""
    held: dict[tuple[str, int], Intervals] = {}
    parts, balance = Parts(), Balance()
    sources: Counter[tuple[str, str]] = Counter()
    quarantined: list[ChunkRecord] = []
    # Asked before the changelog is read: what is committed meanwhile, on a system that lives, would look like a hole.
    with topics.admin(settings) as client:
        committed = topics.committed(settings, client)
    for record in read_topic(settings, CHANGELOG):
        decoded = decode(record.value)
        if not isinstance(decoded, ChunkRecord):
            continue
        balance.add(decoded)
        sources.update({(decoded.topic, source): count for source, count in decoded.sources.items()})
        if parts.complete(decoded):
            held.setdefault((decoded.topic, decoded.partition), Intervals()).add(decoded.begin, decoded.end)
        if decoded.quarantined:
            quarantined.append(decoded)
    yield _tiling(committed, held)
    yield from _balance(settings, balance, quarantined)
    for (topic, source), count in sorted(sources.items()):
        text = say(
            f"{source or '?'} 向 {topic} 发布的 {count} 条记录不在其部门的分区，已转发：请该系统改用 murmur2 分区器（Kafka 默认）",
            f"{count} records of {source or '?'} in {topic} lay in a wrong partition and were sent on: "
            "let it use Kafka's default partitioner (murmur2)",
        )
        yield Finding("partitioner", right=False, text=text)


def _tiling(committed: dict[tuple[str, int], int], held: dict[tuple[str, int], Intervals]) -> Finding:
    """Whether the intervals tile each input partition from its start to the committed offset."""
    holes = []
    for (name, number), offset in committed.items():
        for begin, end in held.get((name, number), Intervals()).holes(0, max(0, offset)):
            holes.append(f"{name}-{number} [{begin}, {end})")
    text = say("区间完整覆盖已提交的偏移", "the intervals tile what is committed")
    lost = say(
        f"缺失 {holes[:5]}：请报告，并用输入主题重建", f"missing {holes[:5]}: report it, and rebuild the state from the input topics"
    )
    return Finding("intervals", right=not holes, text=lost if holes else text)


def _balance(settings: Settings, balance: Balance, quarantined: list[ChunkRecord]) -> Iterator[Finding]:
    for topic in INPUT_TOPICS:
        counts = balance.counts(topic)
        if not counts[CONSUMED]:
            continue
        names = {
            "taken": say("计入", "taken in"), "duplicate": say("重复", "duplicate"), "late": say("迟到", "late"),
            "quarantined": say("隔离", "quarantined"), "rerouted": say("转发", "sent on"),
        }  # fmt: skip
        sums = " + ".join(f"{counts[outcome]} {names[outcome]}" for outcome in OUTCOMES)
        off = balance.difference(topic)
        text = f"{topic}: {counts[CONSUMED]} = {sums}" if not off else f"{topic}: {counts[CONSUMED]} ≠ {sums} ({off:+d})"
        advice = say("：请报告，并运行 onestop recount", ": report it, and run `onestop recount`")
        yield Finding("balance", right=not off, text=text + (advice if off else ""))
    # What the chunks say they put into quarantine has to be there: counted by place, because a chunk may have been read twice.
    places: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for record in read_topic(settings, "quarantine"):
        topic, partition, offset = record.key.decode().split("|")
        places[topic, int(partition)].add(int(offset))
    held = {place: sorted(offsets) for place, offsets in places.items()}
    missing = 0
    for chunk in quarantined:
        offsets = held.get((chunk.topic, chunk.partition), [])
        missing += max(0, chunk.quarantined - (bisect_left(offsets, chunk.end) - bisect_left(offsets, chunk.begin)))
    text = say("隔离的记录都在隔离区", "what was quarantined is there")
    lost = say(f"隔离区缺 {missing} 条：请报告", f"{missing} records are not in quarantine: report it")
    yield Finding("quarantined", right=not missing, text=lost if missing else text)
