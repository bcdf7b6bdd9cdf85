"""A department: who it is, how big, how good, and its own dice and counters."""

from collections import Counter
from random import Random

from streams.simulator.clock import SECOND
from streams.simulator.days import Day
from streams.simulator.dice import dice
from streams.simulator.identifiers import department_codes
from streams.simulator.names import Trade, departments
from streams.simulator.quality import Quality, levels, quality
from streams.simulator.sources import LOCAL, ZULU, Source

_SIZE_SPREAD = 0.3
_DISTRICT_SPREAD = 0.7
_ZULU_SYSTEMS = 0.08
_POOR = 0.35
_UNDOCKED_CITY = 5


class Department:
    """One department. `size` is 1 for the mean one; `rng` is the only chance in all that it does."""

    __slots__ = ("_counts", "code", "index", "name", "others", "prefix", "quality", "rng", "size", "system", "trade",
                 "undocked")  # fmt: skip

    def __init__(self, index: int, code: str, named: tuple[str, Trade], level: float, seed: int) -> None:
        self.index, self.code = index, code
        self.name, self.trade = named
        self.prefix = f"{index + 1:04d}"
        self.rng = dice(seed, "department", index)
        self.quality: Quality = quality(level, self.rng)
        self.size = _size(self.trade, self.name, self.rng)
        clock = ZULU if self.rng.random() < _ZULU_SYSTEMS else LOCAL
        self.system = Source(f"{self.name}业务系统", clock, SECOND)
        self.undocked = False
        self.others: list[str] = []
        self._counts: Counter[str] = Counter()

    def count(self, kind: str) -> int:
        """The next number of a kind, from 1."""
        self._counts[kind] += 1
        return self._counts[kind]

    def name_of(self, kind: str, day: Day) -> str:
        """A new identifier with kind, department, day and number in it."""
        return f"{kind}{self.prefix}{day.stamp}{self.count(kind):06d}"


def _size(trade: Trade, name: str, rng: Random) -> float:
    """The trade's usual size, spread log-normally with mean 1; more widely in the districts."""
    spread = _SIZE_SPREAD if name.startswith("市") else _DISTRICT_SPREAD
    return trade.size * min(6.0, rng.lognormvariate(-spread * spread / 2, spread))


def make_departments(count: int, seed: int) -> list[Department]:
    """The departments of a city; one poor one of five or more is not docked with the case store at first."""
    named = zip(departments(count), department_codes(count, seed), levels(count, seed), strict=True)
    made = [Department(index, code, name, level, seed) for index, (name, code, level) in enumerate(named)]
    codes = [department.code for department in made]
    poor = [department for department in made if department.quality.level < _POOR]
    for department in made:
        department.others = codes
    if count >= _UNDOCKED_CITY and poor:
        poor[-1].undocked = True
    return made
