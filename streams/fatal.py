"""Ending the process: the safe answer to any fault that could lose a fact, because everything undone is read again."""

import logging
import os
from typing import NoReturn

log = logging.getLogger(__name__)
EXIT_CODE = 70


def end_process(reason: str) -> NoReturn:
    """End the process at once, without committing or flushing anything.

    Faust and asyncio swallow exceptions of recovery, timers and tasks in many places; after a fault of the infrastructure a worker that
    goes on may acknowledge what is not durable. A process that ends is started again and reads on from what is committed.
    """
    log.critical("%s; the process ends and is to be started again: nothing is lost, what was not committed is read again", reason)
    logging.shutdown()
    os._exit(EXIT_CODE)
