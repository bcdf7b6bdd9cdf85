"""When people come: hours of the day, days of the week, and counts drawn around a mean."""

from math import exp
from random import Random

from streams.simulator.clock import HOUR
from streams.simulator.days import Day

_OFFICE_HOURS = {8: 4, 9: 16, 10: 18, 11: 9, 12: 2, 13: 3, 14: 16, 15: 16, 16: 9, 17: 3}
_ONLINE_HOURS = {
    0: 2, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16, 10: 18, 11: 12, 12: 8, 13: 8, 14: 16, 15: 15,
    16: 12, 17: 8, 18: 8, 19: 14, 20: 18, 21: 16, 22: 9, 23: 4,
}  # fmt: skip
_WEEKDAYS = (1.12, 1.04, 1.0, 0.98, 0.9, 0.95, 0.95)
_AFTER_BREAK = 1.15
_WEEKEND = 0.2
_HOLIDAY = 0.1


def _table(hours: dict[int, int]) -> tuple[int, ...]:
    return tuple(hour * HOUR for hour, weight in hours.items() for _ in range(weight))


_OFFICE = _table(_OFFICE_HOURS)
_ONLINE = _table(_ONLINE_HOURS)


def office_time(rng: Random) -> int:
    """A moment in office hours, microseconds after midnight; busiest from 9 to 11 and from 14 to 16."""
    return _OFFICE[int(rng.random() * len(_OFFICE))] + int(rng.random() * HOUR)


def online_time(rng: Random) -> int:
    """A moment when people use the web, microseconds after midnight; busy in the evening too."""
    return _ONLINE[int(rng.random() * len(_ONLINE))] + int(rng.random() * HOUR)


def busyness(day: Day) -> float:
    """How many cases begin on such a day, 1 on an ordinary workday."""
    if day.workday:
        return _WEEKDAYS[day.date.weekday()] * (_AFTER_BREAK if day.after_break else 1.0)
    return _WEEKEND if day.date.weekday() >= 5 else _HOLIDAY


def poisson(rng: Random, mean: float) -> int:
    """A count drawn around `mean` (rounded normal above 30)."""
    if mean > 30:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def between(rng: Random, low: int, high: int) -> int:
    """A whole number with low ≤ number < high, evenly; for spans of time in microseconds."""
    return low + int(rng.random() * (high - low))
