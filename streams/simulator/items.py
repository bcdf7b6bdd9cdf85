"""One item of the catalogue (政务服务事项) and how it is made, bettered and spoilt."""

from dataclasses import dataclass
from random import Random

from streams.simulator.agenda import Fields
from streams.simulator.quality import Quality

_DOCKING = ("serial", "auth", "case_store", "apply", "eform")
_DOCKED_PARTS = (0, 2, 3, 5)
_STATUTORY_DAYS = (5, 7, 10, 15, 15, 20, 20, 20, 30, 30, 45, 60)
_VISITS = {None: 1, 1: 3, 2: 2, 3: 1, 4: 0}
_NO_DEPTH = 0.03
_PUBLIC_SERVICE = 0.3


@dataclass(slots=True)
class Item:
    """An item as it is published. `level` is its docking level 0–3; `weight` how often it is asked for."""

    item: str
    name: str
    public_service: bool
    depth: int | None
    instant: bool
    promised_days: int
    statutory_days: int | None
    level: int
    max_visits: int
    licence_materials: int
    steps: int
    steps_2019: int | None
    yields_licence: bool
    weight: float
    retired: bool = False

    def fields(self) -> Fields:
        """The fields of `item.published`."""
        return {
            "item": self.item,
            "name": self.name,
            "category": "public_service" if self.public_service else "on_application",
            "online_depth": self.depth,
            "case_type": "instant" if self.instant else "commitment",
            "promised_days": self.promised_days,
            "statutory_days": self.statutory_days,
            "docking": list(_DOCKING[: _DOCKED_PARTS[self.level]]) or ["serial"],
            "max_visits": self.max_visits,
            "licence_materials": self.licence_materials,
            "steps": self.steps,
            "steps_2019": self.steps_2019,
            "yields_licence": self.yields_licence,
        }

    def improve(self, rng: Random) -> None:
        """One or more of its values get better; an instant item stays one."""
        if self.depth is None or (self.depth < 4 and rng.random() < 0.6):
            self.depth = min(4, (self.depth or 0) + 1)
            self.max_visits = min(self.max_visits, _VISITS[self.depth])
        if self.level < 3 and rng.random() < 0.6:
            self.level += 1
        if self.promised_days > 2 and rng.random() < 0.4:
            self.promised_days -= 1
        if self.steps > 2 and rng.random() < 0.2:
            self.steps -= 1


def make_item(code: str, name: str, quality: Quality, rng: Random) -> Item:
    """A new item of a department of this quality."""
    public = rng.random() < _PUBLIC_SERVICE
    instant = rng.random() < (quality.instant * 1.5 if public else quality.instant * 0.8)
    statutory = None if public or rng.random() < 0.04 else rng.choice(_STATUTORY_DAYS)
    depth = _depth(quality, rng)
    steps_2019 = None if rng.random() < 0.08 else rng.choice((3, 4, 5, 5, 6, 7, 8))
    return Item(
        item=code,
        name=name,
        public_service=public,
        depth=depth,
        instant=instant,
        promised_days=0 if instant else _promised(statutory, quality, rng),
        statutory_days=statutory,
        level=3 if rng.random() < quality.full_docking else rng.choice((2, 2, 2, 1, 0)),
        max_visits=_visits(depth, rng),
        licence_materials=rng.choices((0, 1, 2, 3, 4), (45, 30, 15, 7, 3))[0],
        steps=_steps(steps_2019, quality, rng),
        steps_2019=steps_2019,
        yields_licence=not public and rng.random() < 0.55,
        weight=rng.paretovariate(1.1) * (2.0 if instant else 1.0),
    )


def _depth(quality: Quality, rng: Random) -> int | None:
    if rng.random() < _NO_DEPTH * (1.5 - quality.level):
        return None
    return 4 if rng.random() < quality.full_online else rng.choice((1, 2, 3, 3))


def _promised(statutory: int | None, quality: Quality, rng: Random) -> int:
    if statutory is None:
        return rng.randint(1, 7)
    return max(1, round(statutory * (1 - quality.time_cut + rng.gauss(0, 0.06))))


def _visits(depth: int | None, rng: Random) -> int:
    return max(0, _VISITS[depth] - (rng.random() < 0.3))


def _steps(steps_2019: int | None, quality: Quality, rng: Random) -> int:
    return max(1, round((steps_2019 or 4) * (1 - quality.step_cut + rng.gauss(0, 0.08))))
