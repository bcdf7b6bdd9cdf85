"""`onestop quarantine`: the records that could not be used: looked at, sent again, or dismissed."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from models.events import INPUT_TOPICS, Envelope
from models.identifiers import EVERY_DEPARTMENT
from models.instants import MILLISECOND, format_instant
from models.records import QuarantineEntry
from models.settings import Settings
from models.wire import Reason, Rejection, parse_record
from streams import topics
from streams.cli.broker import reaching_kafka
from streams.cli.offline import Json
from streams.cli.support import By, Exit, errors, fail, output, print_json, printable, say, the_settings, the_user, the_zone
from streams.clock import SystemClock
from streams.quarantine import Change, Held, fold
from streams.reading import LogReader, read_topic
from streams.recording import Person, Recorder, recording

app = typer.Typer(help="Records that could not be used.", no_args_is_help=True)
QUARANTINE = "quarantine"
DUMPED_BYTES = 4_096
ROW = 16
Ids = Annotated[list[str], typer.Argument(help="As listed: topic|partition|offset; in quotes, because of the |.", metavar="ID…")]


class RefusedError(Exception):
    """What was asked for cannot be done with an entry; the text says why and what to do. The others go on."""


def held_entries(values_of: Container[str] = ()) -> dict[str, Held]:
    """All entries by id, with the bytes of some."""
    settings = the_settings()
    with reaching_kafka(settings):
        return fold(read_topic(settings, QUARANTINE), values_of)


def entries() -> list[QuarantineEntry]:
    """All entries, the oldest first; one for each record, however often it was put there."""
    return sorted((held.entry(the_zone()) for held in held_entries().values()), key=lambda entry: (entry.arrived_at, entry.id))


@app.command("list")
def list_entries(
    state: Annotated[Literal["open", "retried", "dismissed", "all"], typer.Option("--state", help="Only entries in this state.")] = "open",
    topic: Annotated[str | None, typer.Option("--topic", help="Only records of this topic.")] = None,
    reason: Annotated[Reason | None, typer.Option("--reason", help="Only records with this reason.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only records of this source system.")] = None,
    json: Json = False,
) -> Exit:
    """List the records in quarantine with the reason: those that nobody has dealt with, or others by state.

    Example: onestop quarantine list --topic cases --reason missing_field
    """
    found = [
        entry
        for entry in entries()
        if state in ("all", entry.state)
        and topic in (None, entry.id.split("|")[0])
        and reason in (None, entry.reason)
        and source in (None, entry.source)
    ]
    if json:
        for entry in found:
            print_json(entry.model_dump(exclude_none=True))
        return Exit.RIGHT
    table = Table(pad_edge=False)
    titles = [say("原因", "reason"), say("说明", "detail"), say("来源", "source"), say("到达", "arrived"), say("字节", "bytes")]
    if state != "open":
        titles += [say("状态", "state"), say("处理人", "by"), say("时间", "at")]
    for title in ("id", *titles):
        table.add_column(title)
    for entry in found:
        cells = [entry.id, entry.reason, entry.detail, entry.source or "", entry.arrived_at, str(entry.size)]
        if state != "open":
            cells += [entry.state, entry.by or "", entry.at or ""]
        table.add_row(*(escape(printable(cell)) for cell in cells))
    output().print(table if found else say("隔离区中没有这样的记录。", "There are no such records in quarantine."))
    return Exit.RIGHT


@app.command()
def show(
    entry_id: Annotated[str, typer.Argument(help="As listed: topic|partition|offset; in quotes, because of the |.", metavar="ID")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the record's bytes as they came, and nothing else.")] = False,
    json: Json = False,
) -> Exit:
    """Show a record in quarantine: where it came from, why it could not be used, what was done about it, and its bytes.

    Example: onestop quarantine show 'cases|3|1207'
    """
    settings = the_settings()
    held = held_entries({entry_id}).get(entry_id)
    if held is None:
        fail(_unknown(entry_id), Exit.NOT_RIGHT)
    if raw:
        try:
            sys.stdout.buffer.write(_whole(settings, held))
        except RefusedError as error:
            fail(str(error), Exit.NOT_RIGHT)
        return Exit.RIGHT
    if json:
        history = [{"state": change.state, "by": change.by, "at": _at(change), "why": change.why} for change in held.changes]
        print_json({**held.entry(the_zone()).model_dump(exclude_none=True), "key": held.headers.get("key"), "history": history})
        return Exit.RIGHT
    lines = [f"{name}: {printable(value)}" for name, value in held.headers.items()]
    lines += [f"arrived: {held.entry(the_zone()).arrived_at}", f"state: {held.state}"]
    for change in held.changes:
        why = f": {printable(change.why)}" if change.why else ""
        lines.append(f"  {_at(change)} {change.state} {say('由', 'by')} {printable(change.by)}{why}")
    _print([*lines, "", *_shown(held)])
    return Exit.RIGHT


@app.command()
def retry(
    ids: Ids,
    edit: Annotated[bool, typer.Option("--edit", help="Correct each record in $VISUAL or $EDITOR first.")] = False,
    corrected: Annotated[
        Path | None, typer.Option("--with", help="The corrected record of the one ID, from a file; - is stdin.", metavar="FILE")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what has been retried or dismissed before.")] = False,
    by: By = None,
) -> Exit:
    """Send records again, as they are or corrected, to the topic and key they belong to. What is still refused is named and stays.

    Example: onestop quarantine retry 'cases|3|1207' --edit
    """
    settings, user = the_settings(), the_user(by)
    if corrected is not None and (edit or len(set(ids)) > 1):
        fail("--with gives the corrected record of one ID, without --edit; for example retry 'cases|3|1207' --with corrected.json")
    replacement = None if corrected is None else _read(corrected)

    def one(recorder: Recorder, held: Held) -> None:
        if held.state != "open" and not again:
            raise RefusedError(_dealt_with(held) + say("；再次发送请加 --again", "; send it once more with --again"))
        original = _whole(settings, held)
        if edit:
            _retry_edited(recorder, held, original, user)
        else:
            value = original if replacement is None else replacement
            _send(recorder, held, original, value, _checked(held, original, value), user)

    return _each(settings, ids, user, one)


@app.command()
def dismiss(
    ids: Ids,
    why: Annotated[str, typer.Option("--why", help="Why it is not needed; recorded.", metavar="TEXT")],
    by: By = None,
) -> Exit:
    """Say that records are not needed: they are listed no longer, and kept.

    Example: onestop quarantine dismiss 'cases|3|1207' --why 'a test of the case store'
    """
    settings, user = the_settings(), the_user(by)
    if not why.strip():
        fail("--why: the reason is empty; for example --why 'a test of the case store'")

    def one(recorder: Recorder, held: Held) -> None:
        if held.state != "open":
            raise RefusedError(_dealt_with(held))
        recorder.note("quarantine.dismissed", held.id, why=why, details=_said_of(held))
        _record(recorder, held, Change("dismissed", user, _now(), why))

    return _each(settings, ids, user, one)


def _each(settings: Settings, ids: list[str], user: str, one: Any) -> Exit:
    """Do something with each entry; those it cannot be done with are named, the others go on."""
    wanted = list(dict.fromkeys(ids))
    held, refused = held_entries(set(wanted)), 0
    with reaching_kafka(settings), recording(settings, Person(user, "command", "onestop quarantine")) as recorder:
        for name in wanted:
            if name not in held:
                refused += 1
                sys.stderr.write(f"{_unknown(name)}\n")
                continue
            try:
                one(recorder, held[name])
                _print([f"{printable(name)}: {held[name].state}"])
            except RefusedError as error:
                refused += 1
                sys.stderr.write(f"{error}\n")
    return Exit.NOT_RIGHT if refused else Exit.RIGHT


def _checked(held: Held, original: bytes, value: bytes) -> Envelope:
    """The event of a record that is to be sent."""
    event = parse_record(value)
    if isinstance(event, Rejection):
        advice = say("；请用 --edit 改正", "; correct it with --edit")
        raise RefusedError(f"{printable(held.id)}: {event.reason}: {printable(event.detail)}{advice}")
    if held.headers.get("reason") == "conflicting_event_id":
        first = parse_record(original)
        if isinstance(first, Envelope) and first.event_id == event.event_id:
            raise RefusedError(
                say(
                    f"{printable(held.id)}: conflicting_event_id: 编号 {printable(event.event_id)} 已属于另一内容；请用 --edit 换一个编号",
                    f"{printable(held.id)}: conflicting_event_id: {printable(event.event_id)} is the id of another content; "
                    "give it another event_id with --edit",
                )
            )
    return event


def _send(recorder: Recorder, held: Held, original: bytes, value: bytes, event: Envelope, user: str) -> None:
    """Publish, wait until that is acknowledged, and only then say so: a crash in between leaves it open, and sent twice is one event."""
    recorder.sender.send(event.type, event.department, value)
    recorder.flush()
    department = None if event.department == EVERY_DEPARTMENT else event.department
    details = {**_said_of(held), "type": event.type, "event_id": event.event_id, "corrected": value != original}
    recorder.note("quarantine.retried", held.id, department=department, details=details)
    _record(recorder, held, Change("retried", user, _now()))


def _said_of(held: Held) -> dict[str, Any]:
    return {"reason": held.headers.get("reason")}


def _record(recorder: Recorder, held: Held, change: Change) -> None:
    recorder.sender.put(QUARANTINE, held.id.encode(), None, headers=change.headers)
    recorder.flush()
    held.changes.append(change)


def _retry_edited(recorder: Recorder, held: Held, original: bytes, user: str) -> None:
    """Let the user correct a record until it is right, or until it is left as it was or emptied."""
    with tempfile.NamedTemporaryFile(prefix="onestop-", suffix=".json", delete=False) as file:
        file.write(_pretty(original))
    path = Path(file.name)
    try:
        value, event = _edited(path, held, original)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    try:
        _send(recorder, held, original, value, event, user)
    except topics.UNREACHABLE:
        sys.stderr.write(
            say(f"改正后的记录保存在 {path}：用 --with 发送\n", f"the corrected record is kept in {path}: send it with --with\n")
        )
        raise
    path.unlink()


def _edited(path: Path, held: Held, original: bytes) -> tuple[bytes, Envelope]:
    before = path.read_bytes()
    while True:
        _open_editor(path)
        value = path.read_bytes() if path.exists() else b""
        if not value.strip() or value == before:
            raise RefusedError(say(f"{printable(held.id)}: 未改动，未发送", f"{printable(held.id)}: left as it was, not sent"))
        try:
            return value, _checked(held, original, value)
        except RefusedError as error:
            sys.stderr.write(f"{error}\n")
            if sys.stdin.isatty():
                errors.input(say("按回车再改，Ctrl-C 放弃 ", "Enter to correct it, Ctrl-C to leave it "))
            before = value


def _open_editor(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode  # noqa: S603  # the user's own editor
    except (OSError, ValueError) as error:
        fail(f"the editor {editor!r} cannot be started ({error}); name one with EDITOR, for example EDITOR=nano")
    if code:
        raise RefusedError(say(f"编辑器以 {code} 退出，未发送", f"the editor ended with {code}: not sent"))


def _pretty(value: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2) + b"\n"
    except ValueError:  # also what orjson reads and does not write
        return value


def _read(path: Path) -> bytes:
    try:
        return (sys.stdin.buffer if str(path) == "-" else path.open("rb")).read()
    except OSError as error:
        fail(f"--with: {path}: {error.strerror or error}: give a readable file")


def _whole(settings: Settings, held: Held) -> bytes:
    """All bytes of a record: what did not fit into quarantine lies in its topic, which never expires."""
    value = held.value or b""
    if held.size <= len(value):
        return value
    try:
        topic, partition, offset = held.place
        if topic not in INPUT_TOPICS:
            raise ValueError(topic)  # noqa: TRY301  # the same sentence
        with reaching_kafka(settings):
            reader = LogReader(settings)
            try:
                records = (record for chunk in reader.read(topic, partition, offset) for record in chunk)
                found = next((record for record in records if record.offset >= offset), None)
            finally:
                reader.close()
    except ValueError:
        found = None
    if found is None or found.offset != held.place[2]:
        raise RefusedError(
            say(f"{printable(held.id)}: 主题中已没有这条记录", f"{printable(held.id)}: its topic does not hold the record any more")
        )
    return found.value or b""


def _shown(held: Held) -> list[str]:
    """The bytes for people: text where they are text that no terminal obeys, else a dump."""
    value = held.value or b""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\x00"
    lines = text.split("\n")
    if not all(line.replace("\t", " ").isprintable() for line in lines):
        lines = _dump(value[:DUMPED_BYTES])
        value = value[:DUMPED_BYTES]
    if len(value) < held.size:
        raw = f"onestop quarantine show '{printable(held.id)}' --raw"
        lines.append(
            say(f"（{held.size} 字节中的前 {len(value)} 字节；全部：{raw}）", f"(the first {len(value)} of {held.size} bytes; all: {raw})")
        )
    return lines


def _dump(value: bytes) -> list[str]:
    rows = range(0, len(value), ROW)
    return [f"{at:08x}  {value[at : at + ROW].hex(' '):<47}  |{_ascii(value[at : at + ROW])}|" for at in rows]


def _ascii(value: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in value)


def _print(lines: list[str]) -> None:
    for line in lines:
        output().print(line, markup=False, highlight=False, soft_wrap=True)


def _unknown(name: str) -> str:
    return say(
        f"{printable(name)}: 隔离区中没有；用 onestop quarantine list --state all 查看",
        f"{printable(name)}: not in quarantine; see `onestop quarantine list --state all`",
    )


def _dealt_with(held: Held) -> str:
    last = held.changes[-1]
    by = printable(last.by)
    return say(
        f"{printable(held.id)}: 已于 {_at(last)} 由 {by} 处理（{last.state}）", f"{printable(held.id)}: {last.state} by {by} at {_at(last)}"
    )


def _at(change: Change) -> str:
    return format_instant(change.at * MILLISECOND, the_zone())


def _now() -> int:
    return SystemClock().now() // MILLISECOND
