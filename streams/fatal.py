"""Ending the process: the safe answer to any fault that could lose a fact, because everything undone is read again."""

import logging
import os
import sys
from typing import NoReturn

log = logging.getLogger(__name__)
EXIT_CODE = 70


def start_over(reason: str, seconds: float) -> NoReturn:
    """End the process at once as `end_process` does, and begin it again after so many seconds, in its own place.

    For what a quick start would find again: the group has to forget this member first.
    """
    log.critical("%s; the process begins again in %g s: nothing is lost, what was not committed is read again", reason, seconds)
    logging.shutdown()
    command = ["sh", "-c", 'sleep "$1"; shift; exec "$@"', "onestop", f"{seconds:g}", sys.executable, *sys.orig_argv[1:]]
    os.execvp("sh", command)  # noqa: S606, S607


def end_process(reason: str) -> NoReturn:
    """End the process at once, without committing or flushing anything.

    Faust and asyncio swallow exceptions of recovery, timers and tasks in many places; after a fault of the infrastructure a worker that
    goes on may acknowledge what is not durable. A process that ends is started again and reads on from what is committed.
    """
    log.critical("%s; the process ends and is to be started again: nothing is lost, what was not committed is read again", reason)
    logging.shutdown()
    os._exit(EXIT_CODE)
