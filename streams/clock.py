"""The clock: the only place that reads the time of day. Everything else is given it."""

import time
from typing import Protocol

from models.instants import SECOND
from streams.fatal import end_process

# Network time keeps clocks within milliseconds; a step of a minute is a mistake of someone's, or a machine that slept.
JUMP_SECONDS = 60


class Clock(Protocol):
    """Tells now, in microseconds since the epoch."""

    def now(self) -> int:
        """The present instant."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The present instant."""
        return time.time_ns() // 1_000


class GuardedClock:
    """Ends the process when another clock jumps, before anything is scored as of a time that is not.

    Deadlines fire by the clock: set forward by hours it would announce cases overdue that are not, with records that no later one of the
    right time can beat; set back, scores would stand still. A process started again asks the broker for the time before it goes on.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = clock.now() - _uptime()

    def now(self) -> int:
        """The present instant."""
        now = self._clock.now()
        ahead = now - _uptime()
        jumped = (ahead - self._ahead) / SECOND
        if abs(jumped) > JUMP_SECONDS:
            end_process(f"the clock of this machine was set {abs(jumped):.0f} s {'forward' if jumped > 0 else 'back'}")
        self._ahead = ahead  # small steps are corrections
        return now


def _uptime() -> int:
    """Microseconds of a clock that nobody sets; where there is one that counts sleep of the machine, that one."""
    kind = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(kind) // 1_000
