"""`onestop recount`: everything counted again from the log and compared with the live scores."""

import atexit
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from redis import RedisError

from models.events import INPUT_TOPICS
from models.records import Recount, RecountCause, RecountDifference
from models.settings import Settings, SettingsError
from scoring.context import Context
from streams import topics
from streams.changelog import ChangelogError
from streams.cli.broker import unreachable
from streams.cli.offline import DepartmentOption, Json, PeriodOption
from streams.cli.serving import redis_unreachable
from streams.cli.support import (
    CommandError,
    Exit,
    check_department,
    check_period,
    context_at,
    fail,
    followed,
    output,
    print_json,
    printable,
    progress,
    say,
    the_settings,
    without_collector,
)
from streams.clock import SystemClock
from streams.intake import partition_of
from streams.reading import LogReader, PartitionReader
from streams.recount import Counting, PartitionCount, Recounter
from streams.serving.read_model import ReadModel, open_read_model
from streams.topics import CHANGELOG

KEPT_DIFFERENCES = 100
HOUR = 3_600
# Below, starting processes costs more than they bring.
LEAST_RECORDS = 300_000
TRY_AGAIN_SECONDS = 60


class Log:
    """The log on Kafka: topics read on, and what the workers have committed."""

    def __init__(self, settings: Settings) -> None:
        """Raises aiokafka.errors.KafkaError when the broker cannot be reached."""
        self._settings = settings
        self._reader = PartitionReader(settings, (*INPUT_TOPICS, CHANGELOG))

    def committed(self) -> Mapping[tuple[str, int], int]:
        """The committed offsets by topic, without prefix, and partition."""
        with topics.admin(self._settings) as client:
            return topics.committed(self._settings, client)

    def ends(self, topics: Iterable[str], partition: int) -> dict[str, int]:
        """The end offsets of now."""
        return self._reader.ends(topics, partition)

    def read(self, topic: str, partition: int, end: int | None = None) -> Iterator[list[Any]]:
        """The records since it was last read."""
        return self._reader.read(topic, partition, end)

    def rewind(self, topic: str, partition: int) -> None:
        """Read a partition from its start again."""
        self._reader.rewind(topic, partition)

    def records(self, department: str | None) -> dict[int, int]:
        """How many records of the inputs each partition has to be read; ends the command where a topic is not as it has to be."""
        count = self._settings.partitions
        numbers = range(count) if department is None else [partition_of(department, count)]
        with closing(LogReader(self._settings)) as reader:
            for topic in (*INPUT_TOPICS, CHANGELOG):
                if reader.partitions(topic) != list(range(count)):
                    fail(f"topic {self._settings.topic(topic)} has not {count} partitions: see `onestop topics check`", Exit.NOT_RIGHT)
            left = reader.remaining((topic, number) for topic in INPUT_TOPICS for number in numbers)
        return {number: sum(left[topic, number] for topic in INPUT_TOPICS) for number in numbers}

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()


def recount(
    period: PeriodOption = None,
    department: DepartmentOption = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, max=64, help="Partitions to count at once; by default as many as there are cores."),
    ] = None,
    every: Annotated[
        float | None, typer.Option("--every", min=0.001, help="Run for ever, a recount every so many hours.", metavar="HOURS")
    ] = None,
    json: Json = False,
) -> Exit:
    """Count everything again from the input topics and compare with the live scores, field by field; exit 1 when any differs.

    It reads the topics from their start and changes nothing. Scores that change while they are read are looked at again, and said to be
    not compared if they never stand still. A recount of everything is kept in the read model for `onestop doctor` and the metrics.

    Example: onestop recount --period 2020-09
    """
    check_period(period)
    check_department(department)
    if every is not None and (period or department):
        fail("--every counts everything: leave out --period and --department")
    while True:
        started = time.monotonic()
        try:
            result = _recount(the_settings(), period, department, processes)
        except CommandError as error:
            if every is None or error.code != Exit.UNREACHABLE:
                raise
            sys.stderr.write(f"onestop: {error}\n")
            time.sleep(TRY_AGAIN_SECONDS)
            continue
        if json:
            print_json(result.model_dump(exclude_none=True))
        else:
            _print(result)
        sys.stdout.flush()
        if every is None:
            return Exit.NOT_RIGHT if result.mismatches else Exit.RIGHT
        time.sleep(max(0.0, started + every * HOUR - time.monotonic()))


def _recount(settings: Settings, period: str | None, department: str | None, processes: int | None) -> Recount:
    try:
        with without_collector(), closing(open_read_model(settings)) as model, closing(Log(settings)) as log:
            model.ping()
            return _counted(settings, model, log, period, department, processes)
    except SettingsError as error:
        fail(str(error))
    except ChangelogError as error:
        fail(str(error), Exit.NOT_RIGHT)
    except RedisError as error:
        fail(redis_unreachable(settings, error), Exit.UNREACHABLE)
    except (*topics.UNREACHABLE, KafkaError) as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    finally:
        gc.collect()


def _counted(settings: Settings, model: ReadModel, log: Log, period: str | None, department: str | None, processes: int | None) -> Recount:
    clock = SystemClock()
    context = context_at(clock.now())
    records = log.records(department)
    left = sum(records.values())
    wanted = processes or (1 if left < LEAST_RECORDS else os.cpu_count() or 1)
    asked = (settings, context, period, department)
    with progress(say("重算", "recounting"), left) as advance:
        counting = in_processes(min(wanted, settings.partitions), asked, records, advance) if wanted > 1 and department is None else None
        result = Recounter(log, model, settings.partitions, context, clock, time.sleep).run(period, department, advance, counting)
    if period is None and department is None:
        model.keep_recount(result.model_copy(update={"differences": result.differences[:KEPT_DIFFERENCES]}))
    return result


Asked = tuple[Settings, Context, str | None, str | None]


def in_processes(processes: int, asked: Asked, records: Mapping[int, int], advance: Callable[[int], None]) -> Counting:
    """Count partitions in processes of their own, each with its own connections; those of most records first, so that all end together."""
    # Not a fork: this process has connections, and those of Kafka's client are not to be shared.
    spawned = multiprocessing.get_context("spawn")

    def count(numbers: Sequence[int], served: set[str]) -> Iterator[PartitionCount]:
        read = spawned.Array("Q", max(numbers) + 1, lock=False)
        with ProcessPoolExecutor(processes, spawned, initializer=_begin, initargs=(asked, served, read)) as pool:
            largest_first = sorted(numbers, key=records.__getitem__, reverse=True)
            yield from followed([pool.submit(_count, number) for number in largest_first], read, advance)

    return count


_process: dict[str, Any] = {}


def _begin(asked: Asked, served: set[str], read: Any) -> None:
    settings, context, period, department = asked
    gc.disable()
    log = Log(settings)
    atexit.register(log.close)  # aiokafka says so on stderr where it is left open
    recounter = Recounter(log, open_read_model(settings), settings.partitions, context, SystemClock(), time.sleep)
    _process.update(recounter=recounter, served=served, period=period, department=department, read=read)


def _count(number: int) -> PartitionCount:
    def advance(records: int) -> None:
        _process["read"][number] += records

    held = _process
    recounter: Recounter = held["recounter"]
    return recounter.partition(number, held["served"], held["period"], held["department"], advance)


def _print(result: Recount) -> None:
    lines = []
    for found in result.differences:
        state = say("不一致", "different") if found.state == "different" else say("未比较", "not compared")
        lines.append(f"{state} {printable(f'{found.department} {found.period} {found.indicator}{_says(found)}')}")
        lines += [f"  {_why(each)}" for each in found.causes]
    lines.append(
        say(
            f"{result.at}：读取 {result.events} 条记录，核对 {result.records} 项得分，不一致 {result.mismatches}，"
            f"未比较 {result.not_compared}，用时 {result.seconds:.1f} 秒。",
            f"{result.at}: {result.events} records read, {result.records} scores looked at, {result.mismatches} different, "
            f"{result.not_compared} not compared, in {result.seconds:.1f} s.",
        )
    )
    for line in lines:
        output().print(line, markup=False, highlight=False, soft_wrap=True)


def _says(found: RecountDifference) -> str:
    live, log = found.live, found.log
    if live is None and log is None:
        return say("：事件不一致", ": the events differ")
    if live is None:
        return say("：实时没有此记录", ": the live system has no such record")
    if log is None:
        return say("：日志中没有依据", ": nothing in the log stands behind it")
    pairs = [(name, live[name], log[name]) for name in live]
    return ": " + "; ".join(say(f"{name} 实时 {x!r}，重算 {y!r}", f"{name} live {x!r}, counted {y!r}") for name, x, y in pairs)


def _why(cause: RecountCause) -> str:
    count = cause.count
    text = {
        "lost": say(f"{count} 个事件已提交却不在变更日志中", f"events that were committed and are not in the changelog: {count}"),
        "not_in_log": say(f"变更日志中有 {count} 个事件不在任何输入主题中", f"events of the changelog that are in no input topic: {count}"),
        "other_content": say(f"{count} 个事件在变更日志中内容不同", f"events with another content in the changelog: {count}"),
        "not_consumed": say(f"{count} 个事件尚未处理：worker 落后或未运行", f"events not consumed yet, workers lag or do not run: {count}"),
        "not_sent_on": say(f"{count} 个事件在错误的分区，未被转发", f"events that lie in a wrong partition and were not sent on: {count}"),
        "conflict": say(f"{count} 个编号有两种内容，先处理者有效", f"ids with two contents, the one taken in first stands: {count}"),
        "other_closing": say("按另一次关闭冻结", "it was frozen under another closing"),
        "other_ruleset": say(
            "规则、时区或节假日不同：核对各 worker 与本命令的 ONESTOP_RULESET、ONESTOP_TIMEZONE、ONESTOP_CALENDAR_FILE",
            "another ruleset, time zone or calendar: compare ONESTOP_RULESET, ONESTOP_TIMEZONE, ONESTOP_CALENDAR_FILE of the workers",
        ),
        "moving": say("读取期间一直在变", "it went on changing while it was read"),
        "same_facts": say(
            "事实相同：得分在计算或传送途中（主题 scores、projector、Redis）出错",
            "the facts are the same: the score went wrong when it was made or on its way (topic scores, projector, Redis)",
        ),
    }[cause.kind]
    return text + (f" ({printable(', '.join(cause.examples))})" if cause.examples else "")
