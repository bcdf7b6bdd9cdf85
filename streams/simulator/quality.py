"""How well a department works, as rates that every part of the simulator reads."""

from dataclasses import dataclass
from random import Random

from streams.simulator.dice import dice

_JITTER = 0.06


@dataclass(frozen=True, slots=True)
class Quality:
    """Rates of one department; shares are from 0 to 1."""

    level: float
    """0 poor to 1 good; all the rest is drawn around it."""
    full_online: float
    """Share of items that can be done wholly online."""
    instant: float
    """Share of items done on the spot."""
    full_docking: float
    """Share of items docked at the deepest level."""
    ingested: float
    """Share of cases that get through the quality check."""
    time_cut: float
    """Share of the statutory time that is saved."""
    dispatched: float
    """Share of licences among the materials that are fetched instead of asked for."""
    visit_failure: float
    """Share of inspections that find more visits than promised."""
    step_cut: float
    """Share of the steps of 2019 that are gone."""
    generated: float
    """Share of granted cases whose licence is generated."""
    repaired: float
    """Share of objections that are repaired in time."""
    shared: float
    """Share of sharing requests handled in time."""
    interface_failure: float
    """Unplanned failures of an interface in a month."""
    table_miss: float
    """Chance that a table misses a due time in a month."""
    guide_errors: float
    """Errors an item's guide has when checked."""
    test_failure: float
    """Share of test cases that are not disposed of in time."""
    overdue: float
    """Cases completed late in a month, however many there are."""


_DIALS = {
    "full_online": (0.35, 0.97),
    "instant": (0.08, 0.42),
    "full_docking": (0.42, 0.99),
    "ingested": (0.94, 0.998),
    "time_cut": (0.51, 0.72),
    "dispatched": (0.60, 0.985),
    "visit_failure": (0.14, 0.01),
    "step_cut": (0.38, 0.68),
    "generated": (0.80, 0.995),
    "repaired": (0.68, 0.98),
    "shared": (0.75, 0.99),
    "interface_failure": (0.22, 0.02),
    "table_miss": (0.22, 0.02),
    "guide_errors": (0.15, 0.01),
    "test_failure": (0.06, 0.005),
    "overdue": (7.0, 0.3),
}
"""Each rate of a poor and of a good department."""


_TIERS = ((0.80, 1.0), (0.80, 1.0), (0.45, 0.8), (0.80, 1.0), (0.45, 0.8), (0.0, 0.25), (0.45, 0.8), (0.80, 1.0),
          (0.45, 0.8), (0.1, 0.35))  # fmt: skip


def levels(count: int, seed: int) -> list[float]:
    """Levels for so many departments: of each ten, four good, four middling and two poor, in the seed's order."""
    rng = dice(seed, "tiers")
    tiers = rng.sample(_TIERS, len(_TIERS))
    return [rng.uniform(*tiers[number % len(tiers)]) for number in range(count)]


def quality(level: float, rng: Random) -> Quality:
    """Rates around a level, each a little better or worse than it."""
    rates = {name: _rate(poor, good, level + rng.gauss(0, _JITTER)) for name, (poor, good) in _DIALS.items()}
    return Quality(level=level, **rates)


def _rate(poor: float, good: float, level: float) -> float:
    return poor + (good - poor) * min(1.0, max(0.0, level))
