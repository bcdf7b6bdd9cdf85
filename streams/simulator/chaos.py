"""What a network does to a stream: out of order, twice, and very late, but nothing lost and nothing new."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from random import Random

from streams.simulator.dice import dice
from streams.simulator.wire import Event

WINDOW = 256
"""Most events wait among at most so many others."""
REPEATED = 0.03
"""Share of events that come twice."""
LATE = 0.02
"""Share of deliveries that are held back for long."""
LATE_BY = (1_000, 40_000)
"""For how many events of the stream the late ones are held back, at least and below."""

Place = tuple[int, int]
Late = tuple[int, Place, Event]


def chaos(events: Iterable[Event], seed: int) -> Iterator[Event]:
    """The same events shuffled within a window, some repeated exactly, some long delayed.

    Deterministic by `seed`. Holds the window and the delayed ones (about 2 % of the last 40,000) in memory.
    """
    rng = dice(seed, "chaos")
    window: list[Event] = []
    late: list[Late] = []
    for now, event in enumerate(events):
        _deliver(rng, (now, 0), event, window, late)
        if rng.random() < REPEATED:
            _deliver(rng, (now, 1), dict(event), window, late)
        while late and late[0][0] <= now:
            window.append(heappop(late)[2])
        while len(window) > WINDOW:
            yield _draw(rng, window)
    window.extend(heappop(late)[2] for _ in range(len(late)))
    while window:
        yield _draw(rng, window)


def _deliver(rng: Random, place: Place, event: Event, window: list[Event], late: list[Late]) -> None:
    if rng.random() < LATE:
        heappush(late, (place[0] + rng.randrange(*LATE_BY), place, event))
    else:
        window.append(event)


def _draw(rng: Random, window: list[Event]) -> Event:
    place = int(rng.random() * len(window))
    window[place], window[-1] = window[-1], window[place]
    return window.pop()
