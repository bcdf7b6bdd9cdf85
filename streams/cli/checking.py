"""What `onestop publish --check` says of files of events: what would be sent, and what a source should mend though it may be sent."""

import sys
from collections import Counter
from difflib import get_close_matches
from pathlib import Path

import orjson
from rich.table import Table

from models.events import TOPIC_OF_TYPE, Envelope
from models.facts import digest, to_fact
from models.identifiers import EVERY_DEPARTMENT
from models.instants import SECOND
from models.wire import Rejection
from streams.cli.support import Exit, Line, Rejections, output, read_lines, say, the_settings
from streams.clock import SystemClock

# The clocks of two machines are never quite equal.
AHEAD = 60 * SECOND
NAMED_PLACES = 5
NAMED_WARNINGS = 50
NAMED_SOURCES = 10


def check_files(files: list[Path]) -> Exit:
    """Name the bad lines, warn, and say what `publish` would send; nothing is sent. The exit code is that of `publish`."""
    rejections, found = Rejections(), Inspection(SystemClock().now())
    for lines in read_lines(files):
        for line in lines:
            if isinstance(line.event, Rejection):
                rejections.add(line.place, line.event)
            else:
                found.add(line, line.event)
    found.warn()
    found.report(rejections.count)
    return rejections.code


class Inspection:
    """What there is to say of the good lines of files together."""

    def __init__(self, now: int) -> None:
        """`now` in microseconds since the epoch."""
        self._now = now
        self._contents: dict[str, int] = {}
        self._copies = 0
        self._types: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._departments: set[str] = set()
        self._warnings: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def add(self, line: Line, event: Envelope) -> None:
        """Take a good line in."""
        self._types[event.type] += 1
        self._sources[event.source] += 1
        if event.department != EVERY_DEPARTMENT:
            self._departments.add(event.department)
        if event.occurred_at > self._now + AHEAD:
            self._note(line, say("occurred_at 在将来：到那时才计入", "occurred_at lies in the future: it counts from then on"))
        known = type(event).model_fields
        for name in orjson.loads(line.value):
            if name not in known:
                self._note(line, _unknown_field(event.type, name, [*known]))
        # The judgement of the workers, by the same digest.
        content = digest(to_fact(event))
        held = self._contents.get(event.event_id)
        if held is None:
            self._contents[event.event_id] = content
        elif held == content:
            self._copies += 1
        else:
            self._note(
                line,
                say(
                    "event_id 已用于另一内容：先到的有效，这一条会进入隔离区（conflicting_event_id）",
                    "event_id was read before with another content: the first stands, this one would be quarantined (conflicting_event_id)",
                ),
            )

    def _note(self, line: Line, sentence: str) -> None:
        self._warnings[sentence] += 1
        places = self._places.setdefault(sentence, [])
        if len(places) < NAMED_PLACES:
            places.append(line.place)

    def warn(self) -> None:
        """Print the warnings to stderr, the most frequent first, each with where it was first met."""
        for sentence, count in self._warnings.most_common(NAMED_WARNINGS):
            places = ", ".join(self._places[sentence]) + (", …" if count > NAMED_PLACES else "")
            events = say(f"{count} 个事件", f"{count} events" if count > 1 else "1 event")
            sys.stderr.write(say(f"警告：{sentence}（{events}：{places}）\n", f"warning: {sentence} ({events}: {places})\n"))
        if len(self._warnings) > NAMED_WARNINGS:
            more = len(self._warnings) - NAMED_WARNINGS
            sys.stderr.write(say(f"警告：另有 {more} 种\n", f"warning: {more} more kinds\n"))

    def report(self, refused: int) -> None:
        """Print what would be sent to stdout."""
        total = sum(self._types.values())
        if total:
            table = Table(pad_edge=False)
            table.add_column(say("类型", "type"))
            table.add_column(say("主题", "topic"))
            table.add_column(say("事件", "events"), justify="right")
            for kind in sorted(self._types, key=lambda kind: (TOPIC_OF_TYPE[kind], kind)):
                table.add_row(kind, the_settings().topic(TOPIC_OF_TYPE[kind]), str(self._types[kind]))
            output().print(table)
            named = [f"{repr(source)[1:-1]} {count}" for source, count in self._sources.most_common(NAMED_SOURCES)]
            more = [say(f"另有 {len(self._sources) - len(named)} 个", f"{len(self._sources) - len(named)} more")]
            sources = ", ".join(named + more * (len(self._sources) > len(named)))
            output().print(say("来源：", "sources: ") + sources, markup=False, soft_wrap=True)
        departments, copies = len(self._departments), self._copies
        output().print(
            say(
                f"将发布 {total} 个事件（部门 {departments} 个；重复 {copies} 个，无害），拒绝 {refused} 行。未发送任何内容。",
                f"{total} events would be published (departments: {departments}; repeats, which are harmless: {copies}), "
                f"{refused} lines refused. Nothing was sent.",
            ),
            soft_wrap=True,
        )


def _unknown_field(kind: str, name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    meant = say(f"，是否应为 {close[0]}？", f", is {close[0]} meant?") if close else ""
    return say(f"{kind} 没有字段 {name[:60]!r}：会被忽略{meant}", f"{kind} has no field {name[:60]!r}: it is ignored{meant}")
