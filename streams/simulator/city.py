"""The city: its departments, and all their events in the order of time."""

from collections.abc import Iterator
from datetime import date, datetime, timezone
from itertools import islice
from zoneinfo import ZoneInfo

from streams.simulator.agenda import Agenda, Step
from streams.simulator.bureau import Bureau
from streams.simulator.clock import DAY, MILLISECOND, MINUTE, TimeText, ZoneText, micros
from streams.simulator.days import Days
from streams.simulator.department import make_departments
from streams.simulator.dice import dice
from streams.simulator.findings import Findings
from streams.simulator.oversight import Oversight
from streams.simulator.setting import Setting
from streams.simulator.wire import Event

_OPENING = 4 * MINUTE
_OPENING_GAP = 50 * MILLISECOND


class City:
    """A city of so many departments, the same for the same arguments.

    `volume` multiplies the cases a day; at 1 a department has about 29 on a workday, and 20 departments send some
    200,000 events in three months. `timezone` is where its office hours and most of its texts are.
    """

    def __init__(self, departments: int, seed: int, timezone: str = "Asia/Shanghai", volume: float = 1.0) -> None:
        if volume <= 0:
            raise ValueError(f"volume must be greater than 0, not {volume}")
        self._key = f"{seed}|{departments}|{timezone}|{volume}"
        self._days = Days(timezone)
        self._clocks = _clocks(self._days.zone)
        setting = Setting(self._days, ZoneText(self._days.zone), Findings(), volume)
        made = make_departments(departments, seed)
        self._bureaus = [Bureau(department, setting) for department in made]
        self._oversight = Oversight(self._bureaus, setting.findings, dice(self._key, "oversight"))
        self.codes: list[str] = [department.code for department in made]
        self._ids = dice(self._key, "ids")
        self._agenda: Agenda | None = None
        self._reading = False
        self._now = self._next_day = self._block = self._done = 0
        self._steps: list[Step] = []

    def events(self, start: datetime, end: datetime) -> Iterator[Event]:
        """All events with start ≤ occurred_at < end, in the order of time, lazily.

        Both are aware datetimes. The first call makes the city begin at its `start`, with all that is registered;
        every later one must start where the one before ended, after that was read to its end, and goes on with the
        open cases as if the two had been one.

        Raises:
            ValueError: at the first event, when a datetime is naive or `start` is not where the city stands.
        """
        begin, stop = micros(start), micros(end)
        agenda = self._agenda or self._begin(begin)
        if self._reading:
            raise ValueError("the events asked for before were not read to their end; read them first")
        if begin != self._now:
            raise ValueError(f"the city stands at {self._clocks[0](self._now)}; go on from there, not from {start}")
        self._reading = True
        while (self._block + 1) * DAY <= stop:
            yield from self._until((self._block + 1) * DAY)
            self._enter(agenda, self._block + 1)
        yield from self._until(stop)
        self._now, self._reading = max(begin, stop), False

    def _begin(self, origin: int) -> Agenda:
        self._agenda = agenda = Agenda(origin)
        self._ids = dice(self._key, origin, "ids")
        self._now, self._next_day = origin, self._days.number(origin)
        today = self._days.day(self._next_day)
        opening = [(b.department.code, *what) for b in self._bureaus for what in b.opening(today)]
        gap = min(_OPENING_GAP, _OPENING // len(opening))
        for place, (code, kind, source, fields) in enumerate(opening):
            agenda.add(origin + place * gap, code, kind, source, fields)
        self._enter(agenda, origin // DAY)
        return agenda

    def _enter(self, agenda: Agenda, block: int) -> None:
        """Goes on to a day of UTC: lets every local day begin that does so in it, and sorts what is to happen."""
        while self._days.start(self._next_day) < (block + 1) * DAY:
            day = self._days.day(self._next_day)
            for bureau in self._bureaus:
                bureau.day(agenda, day)
            self._oversight.day(agenda, day)
            self._next_day += 1
        self._block, self._done, self._steps = block, 0, agenda.take(block)

    def _until(self, stop: int) -> Iterator[Event]:
        for step in islice(self._steps, self._done, None):
            if step[0] >= stop:
                return
            self._done += 1
            yield self._event(step)

    def _event(self, step: Step) -> Event:
        at, _, department, kind, source, fields = step
        return {
            "event_id": f"{self._ids.getrandbits(128):032x}",
            "type": kind,
            "department": department,
            "occurred_at": self._clocks[source.clock](at),
            "source": source.name,
            **source.extra,
            **fields,
        }


def _clocks(zone: ZoneInfo) -> tuple[TimeText, ...]:
    """One for each clock of `sources`, in the order of their numbers."""
    utc = timezone.utc
    return ZoneText(zone), ZoneText(utc, "Z"), ZoneText(utc), ZoneText(ZoneInfo("Asia/Tokyo"))


def simulate_months(departments: int, first: str, last: str, seed: int, volume: float = 1.0) -> Iterator[Event]:
    """All events of the months `first` to `last` (`YYYY-MM`, both included) in Asia/Shanghai.

    What would come after the last month is left out: its open cases stay open.
    """
    city = City(departments, seed, volume=volume)
    start, end = _month_start(first), _month_start(last, 1)
    if start >= end:
        raise ValueError(f"the months {first}..{last} run backwards")
    return city.events(start, end)


def _month_start(month: str, later: int = 0) -> datetime:
    """The first instant, in Asia/Shanghai, of the month that comes so many months later."""
    first = date.fromisoformat(f"{month}-01")
    years, index = divmod(first.month - 1 + later, 12)
    return datetime(first.year + years, index + 1, 1, tzinfo=ZoneInfo("Asia/Shanghai"))
