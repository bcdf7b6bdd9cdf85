"""Commands that talk to Kafka: `topics`, `publish`, `worker`."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from models.settings import Settings
from models.wire import Rejection
from streams import acls as access
from streams import topics as topic_specs
from streams.cli.checking import check_files
from streams.cli.support import Exit, Rejections, fail, output, read_lines, say, the_calendar, the_ruleset, the_settings
from streams.kafka_clients import kafka_fault
from streams.sender import EventSender

topics = typer.Typer(help="Make and check the topics.", no_args_is_help=True)


def _principal(role: access.Role, who: str = "") -> Any:
    text = f"With --acls: who comes as {role}{f' ({who})' if who else ''}; several; by default {access.default_principal(role)}."
    return typer.Option(f"--{role}", help=text, metavar="PRINCIPAL")


def unreachable(settings: Settings, error: BaseException) -> str:
    """The sentence for a broker that does not answer a command, or refuses it."""
    return say(*kafka_fault(settings, error))


@contextmanager
def reaching_kafka(settings: Settings) -> Iterator[None]:
    """Ends the command with a sentence when Kafka cannot be reached."""
    try:
        yield
    except topic_specs.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)


@topics.command()
def create(
    mend: Annotated[bool, typer.Option("--mend", help="Also set the configuration of topics that exist.")] = False,
    acls: Annotated[bool, typer.Option("--acls", help="Also make the access rules at Kafka of the users below.")] = False,
    worker: Annotated[list[str] | None, _principal("worker")] = None,
    projector: Annotated[list[str] | None, _principal("projector")] = None,
    web: Annotated[list[str] | None, _principal("web")] = None,
    source: Annotated[
        list[str] | None, _principal("source", "those that publish; User:permits=cases,serials may write to these topics only")
    ] = None,
    operator: Annotated[list[str] | None, _principal("operator", "those who run commands")] = None,
) -> Exit:
    """Make the topics that are missing, with partitions, retention and timestamps as they have to be; with --acls the access rules too.

    Example: ONESTOP_REPLICATION=3 onestop topics create
    """
    settings = the_settings()
    given: dict[access.Role, list[str] | None] = {
        "worker": worker, "projector": projector, "web": web, "source": source, "operator": operator,
    }  # fmt: skip
    if any(given.values()) and not acls:
        named = [f"--{role}" for role in given]
        fail(say(f"{'、'.join(named)} 须与 --acls 同用", f"{', '.join(named)} need --acls"))
    principals = [_principal_of(role, text) for role, names in given.items() for text in names or [access.default_principal(role)]]
    made_rules: list[Any] = []
    try:
        with topic_specs.admin(settings) as client:
            made = topic_specs.create(settings, client)
            if mend:
                topic_specs.mend(settings, client)
            if acls:
                made_rules = access.create(settings, client, principals)
    except access.NoAuthorizerError:
        setting = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        fail(
            say(
                f"Kafka {settings.broker} 不检查访问规则：请在其配置中设置 {setting}",
                f"Kafka at {settings.broker} checks no access rules: set {setting} in its configuration",
            ),
            Exit.NOT_RIGHT,
        )
    except topic_specs.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    output().print("\n".join(made) if made else say("所有主题都已存在。", "All topics are there already."), highlight=False)
    for rule in made_rules:
        pattern = rule.resource_pattern
        line = f"{rule.principal} {rule.operation.name} {pattern.resource_type.name.lower()} {pattern.resource_name}"
        output().print(line, highlight=False, markup=False, soft_wrap=True)
    if acls and not made_rules:
        output().print(say("所有访问规则都已存在。", "All access rules are there already."))
    return Exit.RIGHT


def _principal_of(role: access.Role, text: str) -> access.Principal:
    try:
        return access.parse_principal(role, text)
    except ValueError as error:
        fail(f"--{role}: {error}")


@topics.command()
def check() -> Exit:
    """Check the topics: exit 0 when all is right, else 1 and each fault with the command that mends it.

    Example: onestop topics check
    """
    settings = the_settings()
    try:
        with topic_specs.admin(settings) as client:
            faults = topic_specs.check(settings, client)
    except topic_specs.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    for fault in faults:
        output().print(str(fault), highlight=False, soft_wrap=True)
    if not faults:
        output().print(say("主题都正确。", "The topics are right."))
    return Exit.NOT_RIGHT if faults else Exit.RIGHT


def publish(
    files: Annotated[list[Path], typer.Argument(help="Files of events, .jsonl or .jsonl.gz; - for stdin.", metavar="FILE…")],
    speed: Annotated[float | None, typer.Option("--speed", min=1, help="At most so many events a second.")] = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Send nothing and need no Kafka: say what would be sent, and what the source should mend.")
    ] = False,
) -> Exit:
    """Validate events and publish them with the right key; bad lines are named, left out, and make the exit code 1.

    Example: onestop publish city.jsonl --speed 1000
    """
    if check_only:
        return check_files(files)
    settings, rejections, sent = the_settings(), Rejections(), 0
    started = time.monotonic()
    try:
        sender = EventSender(settings)
        for lines in read_lines(files):
            for line in lines:
                if isinstance(line.event, Rejection):
                    rejections.add(line.place, line.event)
                    continue
                sender.send(line.event.type, line.event.department, line.value)
                sent += 1
                if speed is not None and sent % 50 == 0:
                    time.sleep(max(0.0, started + sent / speed - time.monotonic()))
        sender.flush()
        sender.close()
    except topic_specs.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    sys.stderr.write(
        say(f"已发布 {sent} 个事件，拒绝 {rejections.count} 行。\n", f"{sent} events published, {rejections.count} lines refused.\n")
    )
    return rejections.code


def worker() -> Exit:
    """Run a worker: it shares the partitions with the others of its group, and may be started and stopped at any time.

    Example: ONESTOP_WORKER_ADDRESS=127.0.0.1:9102 onestop worker
    """
    # Faust takes 0.7 s to import: only here.
    from streams.app import Composition  # noqa: PLC0415
    from streams.clock import GuardedClock, SystemClock  # noqa: PLC0415
    from streams.metrics import WorkerMetrics  # noqa: PLC0415
    from streams.worker import WorkerRefusedError, run  # noqa: PLC0415

    settings = the_settings()
    set_up_logging(settings)
    composition = Composition(settings, the_ruleset(None), the_calendar(), GuardedClock(SystemClock()), WorkerMetrics())
    try:
        run(composition)
    except WorkerRefusedError as error:
        fail(str(error), Exit.NOT_RIGHT)
    return Exit.RIGHT


class JsonFormatter(logging.Formatter):
    """Log lines as JSON objects."""

    def format(self, record: logging.LogRecord) -> str:
        """One object a line."""
        import orjson  # noqa: PLC0415

        line: dict[str, Any] = {
            "at": self.formatTime(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
        }  # fmt: skip
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def set_up_logging(settings: Settings) -> None:
    """Log to stderr. The root stays at info or above: on debug Faust spends 50 µs an event on it (measured)."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else text)
    logging.basicConfig(level=max(logging.INFO, logging.getLevelName(settings.log_level.upper())), handlers=[handler], force=True)
    for chatty in ("aiokafka", "kafka", "faust", "mode"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("streams").setLevel(settings.log_level.upper())
