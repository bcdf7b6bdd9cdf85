"""事项: an item of the catalogue; every publication is a version, retirement too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import field

from models.facts import AT, CODE, CODE_OF_TYPE, Fact, field_of
from scoring.entities.base import FAR_FUTURE, Contribution, Entity, State, Versions, stock

if TYPE_CHECKING:
    from scoring.department import Department

PUBLISHED = CODE_OF_TYPE["item.published"]
_LEVEL_1 = {"serial", "auth"}
_LEVEL_2 = _LEVEL_1 | {"case_store"}
_LEVEL_3 = _LEVEL_2 | {"apply", "eform"}


class Item(Entity):
    """`versions` are all, `published` only the publications: what a case's item is, retirement disregarded."""

    kind = "item"
    components = frozenset({"active_items", "depth", "instant_items", "docking", "statutory_days", "promised_days"})
    versions: Versions = field(default_factory=Versions)
    published: Versions = field(default_factory=Versions)
    # The cases accepted under it, and the latest acceptance: a version dated back moves the deadlines of those after it. Any, for the
    # decoder of snapshots asks for the type, and the module of `Case` need not be known here.
    cases: list[Any] = field(default_factory=list)
    last_acceptance: int = -1

    def add(self, fact: Fact) -> None:
        """Take in a version."""
        self.versions.add(fact)
        if fact[CODE] == PUBLISHED:
            self.published.add(fact)

    def contributions(self, department: Department) -> list[Contribution]:
        """Stock for indicators 1, 2, 3, 5, 14 and 15."""
        time = department.context.time
        periods = [time.period_of(version[AT]) for version in self.versions.facts]
        return stock(periods, lambda period: self._state(self.versions.before(time.end_of(period))))

    def _state(self, version: Fact | None) -> State:
        if version is None or version[CODE] != PUBLISHED:
            return {}
        (_, _, _, _, _, _, category, depth, case_type, promised, statutory, docking, *_) = version
        state: State = {("active_items", ""): 1}
        if depth is not None:
            state["depth", str(depth)] = 1
        if case_type == "instant":
            state["instant_items", ""] = 1
        if level := docking_level(docking):
            state["docking", str(level)] = 1
        if category == "on_application" and case_type == "commitment" and statutory is not None:
            state["statutory_days", ""] = statutory
            if promised:
                state["promised_days", ""] = promised
        return state

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """The fields of the last publication by the cut-off."""
        last = self.published.before(cutoff)
        if last is None:
            return {}
        names = ("name", "category", "online_depth", "case_type", "promised_days", "statutory_days", "docking")
        return {"published_at": last[AT], **{name: field_of(last, name) for name in names}}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its versions."""
        return self.versions.facts


def docking_level(docking: list[str]) -> int:
    """The deepest level that a docking reaches (indicator 3); 0 when not even the first.

    >>> docking_level(["serial", "auth", "case_store"]), docking_level(["case_store", "apply", "eform"])
    (2, 0)
    """
    present = set(docking)
    return sum(present >= level for level in (_LEVEL_1, _LEVEL_2, _LEVEL_3))
