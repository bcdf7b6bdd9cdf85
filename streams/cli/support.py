"""What all commands share: language, errors that end a command with a sentence, output, progress, and reading files of events."""

import gc
import getpass
import gzip
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn, TypeVar, cast

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.events import MAX_RECORD_BYTES, Envelope
from models.facts import EVENT_ID, Fact
from models.identifiers import check_uscc
from models.instants import from_instant, parse_instant
from models.rulesets import Ruleset, RulesetError, load_ruleset
from models.settings import Settings, SettingsError, settings
from models.text import Text
from models.wire import Rejection, parse_chunk
from scoring.city import City
from scoring.context import Context, create_context
from scoring.workdays import EXAMPLE as CALENDAR_EXAMPLE
from scoring.workdays import Workdays, override_of, published_workdays

CHUNK_LINES = 2_000
LOOK_SECONDS = 0.2
T = TypeVar("T")
errors = Console(stderr=True, soft_wrap=True, emoji=False, highlight=False)


class Exit(IntEnum):
    """Exit codes of every command."""

    RIGHT = 0
    NOT_RIGHT = 1
    USAGE = 2
    UNREACHABLE = 3


class CommandError(Exception):
    """Ends a command: one sentence on stderr that says what to do, and an exit code."""

    def __init__(self, sentence: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(sentence)
        self.code = code


def fail(sentence: str, code: Exit = Exit.USAGE) -> NoReturn:
    """End the command."""
    raise CommandError(sentence, code)


def say(zh: str, en: str) -> str:
    """The text in the language of `ONESTOP_LANG`."""
    return Text(zh, en).in_(the_settings().lang)


def the_settings() -> Settings:
    """The settings, or the end of the command with what is wrong in them."""
    try:
        return settings()
    except SettingsError as error:
        fail(str(error))


def the_ruleset(name: str | None) -> Ruleset:
    """The ruleset named on the command line, else by the settings."""
    try:
        return load_ruleset(name or the_settings().ruleset)
    except RulesetError as error:
        fail(str(error) if name else f"ONESTOP_RULESET: {error}")


def the_calendar() -> Workdays:
    """The workday calendar with the override file of the settings."""
    path = the_settings().calendar_file
    if path is None:
        return published_workdays()
    try:
        content = orjson.loads(path.read_bytes())
        entries = content if isinstance(content, list) else [content]
        overrides = [override_of(entry) for entry in entries]
        if len({override.year for override in overrides}) < len(overrides):
            raise ValueError("a year is listed twice; give each year once")  # noqa: TRY301  # one sentence for every fault of the file
        return Workdays(overrides)
    except (OSError, ValueError) as error:
        example = "" if "for example" in str(error) else f"; for example {CALENDAR_EXAMPLE}"
        fail(f"ONESTOP_CALENDAR_FILE: {path}: {error}{example}")


def parse_as_of(text: str | None) -> datetime:
    """The instant of `--as-of`, in the zone of the settings."""
    if text is None:
        fail("--as-of is needed: the instant the scores hold for, for example --as-of 2020-11-10T12:00:00+08:00")
    try:
        return from_instant(parse_instant(text), the_zone())
    except ValueError as error:
        fail(f"--as-of: {error}")


def is_period(text: str) -> bool:
    """Whether a text is a period, `YYYY-MM`."""
    return re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) is not None


def check_department(code: str | None) -> None:
    """End the command when a department is given whose code is none."""
    try:
        if code is not None:
            check_uscc(code)
    except ValueError as error:
        fail(f"--department: {error}; for example --department 91350100M000100Y43")


def check_period(text: str | None) -> None:
    """End the command when a period is given that is none."""
    if text is not None and not is_period(text):
        fail(f"--period: {text!r} should be a month, for example --period 2020-09")


def the_zone() -> Any:
    """The time zone of the settings."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    return ZoneInfo(the_settings().timezone)


def print_json(record: Any) -> None:
    """One JSON object on a line of stdout."""
    sys.stdout.buffer.write(orjson.dumps(record) + b"\n")


def printable(text: str) -> str:
    """One line, and nothing in it that a terminal would obey, whatever a record says."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


By = Annotated[str | None, typer.Option("--by", help="Who orders it; the login name if not given.", metavar="NAME")]


def the_user(named: str | None) -> str:
    """Who runs the command: the one named with `--by`, else the login name."""
    if named is None:
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):  # an account without a name, as in containers
            fail("--by is needed: this account has no login name, for example --by wang.li")
    if not named.strip():
        fail("--by: the name is empty, for example --by wang.li")
    return named


def output() -> Console:
    """The console for results; wide enough for its tables when not on a terminal."""
    console = Console(emoji=False, highlight=False)
    return console if console.is_terminal else Console(width=200, emoji=False, highlight=False)


@contextmanager
def without_collector() -> Iterator[None]:
    """Facts and entities are not cyclic; the collector would walk millions of them again and again (measured: two thirds of the time)."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def context_at(instant: int, ruleset: Ruleset | None = None) -> Context:
    """The context as of an instant in microseconds, under the ruleset of the settings unless another is given."""
    return create_context(ruleset or the_ruleset(None), instant, timezone=the_settings().timezone, workdays=the_calendar())


def followed(futures: Iterable[Future[T]], read: Any, advance: Callable[[int], None]) -> Iterator[T]:
    """What processes of a pool answer, as they end; told meanwhile how much all have read, which each adds up in its place of `read`."""
    left, done = set(futures), 0
    while left:
        ended, left = wait(left, LOOK_SECONDS, FIRST_COMPLETED)
        advance(sum(read) - done)
        done = sum(read)
        yield from (future.result() for future in ended)


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Progress on a terminal, on stderr; calls take what has been done since the last."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task: TaskID = bar.add_task(description, total=total)
        yield lambda done: bar.advance(task, done)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: its bytes, and the event it holds or why it holds none."""

    place: str  # FILE:LINE
    value: bytes
    event: Envelope | Rejection


def read_lines(paths: list[Path]) -> Iterator[list[Line]]:
    """The lines of `.jsonl` and `.jsonl.gz` files, `-` for stdin, validated a chunk at a time, with progress."""
    for path, first, values in chunks_of_lines(paths):
        yield [
            Line(f"{path}:{first + place}", value, event)
            for place, (value, event) in enumerate(zip(values, parse_chunk(values), strict=True))
        ]


def chunks_of_lines(paths: list[Path]) -> Iterator[tuple[Path, int, list[bytes]]]:
    """The lines of such files a chunk at a time, with progress: the file, the number of the first line, and the lines."""
    sizes = [path.stat().st_size for path in paths if str(path) != "-" and path.exists()]
    with progress(say("读取事件", "reading events"), sum(sizes) or None) as advance:
        for file, first, values in raw_lines(paths, advance):
            yield paths[file], first, values


def raw_lines(paths: list[Path], advance: Callable[[int], None]) -> Iterator[tuple[int, int, list[bytes]]]:
    """The lines of files a chunk at a time: the number of the file, that of the first line in it, and the lines.

    A line longer than the contract allows is not read into memory whole.

    Raises:
        CommandError: a file cannot be read.
    """
    for file, path in enumerate(paths):
        try:
            with _open(path) as (stream, position):
                first, done = 1, 0
                while values := _some_lines(stream):
                    yield file, first, values
                    first += len(values)
                    advance(position() - done)
                    done = position()
        except (OSError, EOFError, zlib.error) as error:
            fail(f"{path}: {getattr(error, 'strerror', None) or error}: give a readable .jsonl or .jsonl.gz file")


@contextmanager
def _open(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    if str(path) == "-":
        yield sys.stdin.buffer, lambda: 0
        return
    with path.open("rb") as raw:
        if path.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                yield cast("IO[bytes]", unpacked), raw.tell
        else:
            yield raw, raw.tell


def _some_lines(stream: IO[bytes]) -> list[bytes]:
    values: list[bytes] = []
    while len(values) < CHUNK_LINES:
        value = stream.readline(MAX_RECORD_BYTES + 2)
        if not value:
            break
        ended = value.endswith(b"\n")
        while not ended and (rest := stream.readline(MAX_RECORD_BYTES + 2)):
            ended = rest.endswith(b"\n")  # too long: known to be oversized, the rest is passed over
        values.append(value.removesuffix(b"\n").removesuffix(b"\r"))
    return values


def take_lines(city: City, parsed: Sequence[Fact | Rejection]) -> list[tuple[int, Rejection]]:
    """Fold the facts of lines; the places of those that are not taken, and why, in their order."""
    refused = [(place, fact) for place, fact in enumerate(parsed) if isinstance(fact, Rejection)]
    facts = [(place, fact) for place, fact in enumerate(parsed) if not isinstance(fact, Rejection)]
    for (place, fact), outcome in zip(facts, city.take_each([fact for _, fact in facts]), strict=True):
        if outcome == "conflict":
            detail = f"{fact[EVENT_ID]} was read before with another content; the first one stands"
            refused.append((place, Rejection("conflicting_event_id", detail)))
    return sorted(refused, key=lambda entry: entry[0])


class Rejections:
    """Names bad lines on stderr and keeps count of them."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, place: str, rejection: Rejection) -> None:
        """Name a line (FILE:LINE) that the contract forbids."""
        self.count += 1
        sys.stderr.write(f"{place}: {rejection.reason}: {printable(rejection.detail)}\n")

    @property
    def code(self) -> Exit:
        """Of a command that has printed the result of the good lines."""
        return Exit.NOT_RIGHT if self.count else Exit.RIGHT
