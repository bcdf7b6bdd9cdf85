"""`onestop quarantine`: the records that could not be used."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from models.instants import format_instant
from models.records import QuarantineEntry
from streams import topics
from streams.cli.broker import unreachable
from streams.cli.offline import Json
from streams.cli.reading import read_topic
from streams.cli.support import Exit, fail, output, print_json, say, the_settings, the_zone

app = typer.Typer(help="Records that could not be used.", no_args_is_help=True)
MILLISECOND = 1_000


def entry_of(record: Any) -> QuarantineEntry:
    """The entry of a record of the quarantine topic."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    return QuarantineEntry.model_validate({
        "id": record.key.decode(errors="replace"),
        "reason": headers.get("reason"),
        "detail": headers.get("detail", ""),
        "source": headers.get("source") or None,
        "arrived_at": format_instant(int(headers.get("arrived_at", "0")) * MILLISECOND, the_zone()),
        "size": int(headers.get("size", len(record.value or b""))),
        "state": "open",
    })  # fmt: skip


def entries() -> list[QuarantineEntry]:
    """All entries, the oldest first; one for each record, however often it was put there."""
    settings = the_settings()
    try:
        held = {entry.id: entry for entry in map(entry_of, read_topic(settings, "quarantine"))}
    except topics.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    return sorted(held.values(), key=lambda entry: (entry.arrived_at, entry.id))


@app.command("list")
def list_entries(
    topic: Annotated[str | None, typer.Option("--topic", help="Only records of this topic.")] = None,
    json: Json = False,
) -> Exit:
    """List the records in quarantine with the reason; the id says topic, partition and offset.

    Example: onestop quarantine list --topic cases
    """
    found = [entry for entry in entries() if topic in (None, entry.id.split("|")[0])]
    if json:
        for entry in found:
            print_json(entry.model_dump(exclude_none=True))
        return Exit.RIGHT
    table = Table(pad_edge=False)
    for title in ("id", say("原因", "reason"), say("说明", "detail"), say("来源", "source"), say("到达", "arrived"), say("字节", "bytes")):
        table.add_column(title)
    for entry in found:
        table.add_row(entry.id, entry.reason, escape(entry.detail), escape(entry.source or ""), entry.arrived_at, str(entry.size))
    output().print(table if found else say("隔离区为空。", "The quarantine is empty."))
    return Exit.RIGHT
