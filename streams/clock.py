"""The clock: the only place that reads the time of day. Everything else is given it."""

import time
from typing import Protocol


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
