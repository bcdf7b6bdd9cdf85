"""The entry point: registers the commands, and turns every end into an exit code and a sentence."""

import os
import sys
from importlib.metadata import version as installed_version
from typing import Any

import typer

from models.settings import SettingsError
from scoring.indicators import INDICATORS
from streams.cli import (
    audit,
    broker,
    doctor,
    explain,
    flow,
    offline,
    period,
    quarantine,
    record,
    recount,
    report,
    rules,
    sample,
    serving,
    simulate,
    up,
    users,
    what_if,
)
from streams.cli.offline import Json
from streams.cli.support import CommandError, Exit, output, print_json, the_ruleset

# Typer carries a click of its own since 0.26; this is the base of its usage errors in either case.
UsageError: Any = typer.BadParameter.__base__
LIVE = "Live: the processes and their topics"
SOURCES = "Events in"
RESULTS = "Scores out"
OFFLINE = "Offline: exact scores from files"

app = typer.Typer(
    name="onestop",
    help="Live, exact and explainable scores for one-stop government services (政务服务“一网通办”).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command(rich_help_panel=OFFLINE)(offline.score)
app.command(rich_help_panel=OFFLINE)(explain.explain)
app.command(rich_help_panel=OFFLINE)(simulate.simulate)
app.command(rich_help_panel=OFFLINE)(what_if.what_if)
app.add_typer(rules.app, name="rules", rich_help_panel=OFFLINE)
app.command(rich_help_panel=LIVE)(up.up)
app.command(rich_help_panel=LIVE)(broker.worker)
app.command(rich_help_panel=LIVE)(serving.projector)
app.command(rich_help_panel=LIVE)(serving.web)
app.command(rich_help_panel=LIVE)(doctor.doctor)
app.command(rich_help_panel=RESULTS)(serving.scores)
app.command(rich_help_panel=RESULTS)(report.report)
app.command(rich_help_panel=RESULTS)(recount.recount)
app.command(rich_help_panel=RESULTS)(audit.audit)
app.add_typer(period.app, name="period", rich_help_panel=RESULTS)
app.add_typer(sample.app, name="sample", rich_help_panel=SOURCES)
app.add_typer(record.app, name="record", rich_help_panel=SOURCES)
app.command(rich_help_panel=SOURCES)(broker.publish)
app.add_typer(broker.topics, name="topics", rich_help_panel=LIVE)
quarantine.app.command()(flow.pause)
quarantine.app.command()(flow.resume)
app.add_typer(users.app, name="users", rich_help_panel=LIVE)
app.add_typer(quarantine.app, name="quarantine", rich_help_panel=SOURCES)


@app.command(rich_help_panel="Other")
def version(json: Json = False) -> Exit:
    """Print the version of the program, and the ruleset in force."""
    number = installed_version("onestop")
    held = the_ruleset(None)
    if json:
        print_json({"version": number, "ruleset": held.name, "indicators": len(INDICATORS)})
    else:
        output().print(f"onestop {number}  ruleset {held.name}  {len(INDICATORS)} indicators", highlight=False)
    return Exit.RIGHT


def main() -> None:
    """Run a command. Ends with an exit code of `Exit`; a traceback never reaches a user."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:  # noqa: PLR0911  # one a way to end
    """Run a command with its arguments; the exit code."""
    try:
        code = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except CommandError as error:
        return _end(str(error), error.code)
    except SettingsError as error:
        return _end(str(error), Exit.USAGE)
    except UsageError as error:
        error.show()
        return Exit.USAGE
    except (typer.Abort, KeyboardInterrupt):
        return _end("interrupted", Exit.NOT_RIGHT)
    except typer.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        return _seen_enough()
    except SystemExit as end:  # click exits by itself on a broken pipe
        return _seen_enough() if isinstance(end.__context__, BrokenPipeError) else int(end.code or 0)
    except Exception as error:
        if os.environ.get("ONESTOP_DEBUG"):
            raise
        return _end(f"a fault of the program ({type(error).__name__}: {error}); set ONESTOP_DEBUG=1 for its place and report it", 1)
    return int(code or Exit.RIGHT)


def _seen_enough() -> int:
    """The reader of stdout has closed it: not a fault, and nothing more is to be written there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.RIGHT


def _end(sentence: str, code: int) -> int:
    sys.stderr.write(f"onestop: {sentence}\n")
    return code


if __name__ == "__main__":
    main()
