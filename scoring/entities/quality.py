"""异议: an objection to a licence or to shared data (indicators 10 and 13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from models.facts import AT, Fact
from scoring.entities.base import FAR_FUTURE, Contribution, Entity

if TYPE_CHECKING:
    from scoring.department import Department

_SUBJECT = 5


class Objection(Entity):
    """Resolved at the later of repaired and passed, both needed; an upheld appeal removes it everywhere."""

    kind = "objection"
    components = frozenset({"objections_licence", "objections_data", "resolved_licence", "resolved_data"})
    flagged: Fact | None = None
    repaired: Fact | None = None
    passed: Fact | None = None
    upheld: bool = False

    @property
    def resolved_at(self) -> int | None:
        """The instant of resolution."""
        if self.repaired is None or self.passed is None:
            return None
        return int(max(self.repaired[AT], self.passed[AT]))

    def contributions(self, department: Department) -> list[Contribution]:
        """Counted in the period of its flag, and up to that of its resolution in those that carry it in; resolved in the last."""
        if self.flagged is None or self.upheld:
            return []
        time = department.context.time
        subject = self.flagged[_SUBJECT]
        first = time.period_of(self.flagged[AT])
        resolved = None if self.resolved_at is None else time.period_of(self.resolved_at)
        if resolved is not None and resolved < first:
            return []
        rules = department.context.rules

        def carried_into(period: int) -> bool:
            return (resolved is None or period <= resolved) and rules[period].policies.objection_carry_in

        out: list[Contribution] = [(f"objections_{subject}", first, "", 1)]
        counted = True
        after = first + 1 if resolved is None else resolved + 1
        for period in sorted({first + 1, after, *(change for change in department.context.rules_change_in if change > first)}):
            if carried_into(period) != counted:
                counted = not counted
                out.append((f"objections_{subject}", period, "", 1 if counted else -1))
        if resolved is not None and (resolved == first or carried_into(resolved)):
            out.append((f"resolved_{subject}", resolved, "", 1))
        return out

    def describe(self, department: Department, cutoff: int = FAR_FUTURE) -> dict[str, Any]:
        """Its stations."""
        stations = {"flagged_at": self.flagged, "repaired_at": self.repaired, "passed_at": self.passed}
        return {name: fact[AT] for name, fact in stations.items() if fact is not None}

    def sources(self, department: Department, part: str = "") -> Iterable[Fact | None]:
        """Its stations."""
        return self.flagged, self.repaired, self.passed
