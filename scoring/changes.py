"""What of a department's scores may have changed: which components of the counters, in which periods."""

from collections.abc import Set as AbstractSet


class Changes:
    """Noted as counters are settled, taken by whoever scores. A component that lasts changes its period and all after it."""

    def __init__(self) -> None:
        self.in_periods: dict[int, set[str]] = {}  # the components that changed in a period alone
        self.lasting_from: dict[str, int] = {}  # the first period in which a component changed for good
        self.everything_from: int | None = None

    def note(self, component: str, period: int, *, lasts: bool) -> None:
        """Note that a component changed in a period, or in it and all after it."""
        if self.everything_from is not None and period >= self.everything_from:
            return
        if lasts:
            self.lasting_from[component] = min(period, self.lasting_from.get(component, period))
        else:
            held = self.in_periods.get(period)
            if held is None:
                held = self.in_periods[period] = set()
            held.add(component)

    def note_everything(self, period: int) -> None:
        """Note that anything may have changed in a period and all after it, also what is in no counter."""
        self.everything_from = period if self.everything_from is None else min(period, self.everything_from)

    def of(self, period: int) -> AbstractSet[str] | None:
        """The components that changed for a period; None: anything may have."""
        if self.everything_from is not None and period >= self.everything_from:
            return None
        return self.in_periods.get(period, set()) | {component for component, first in self.lasting_from.items() if period >= first}

    def concern(self, period: int) -> bool:
        """Whether the scores of a period may have changed."""
        return self.of(period) != set()

    def merge(self, other: "Changes") -> None:
        """Note what others have noted."""
        for period, components in other.in_periods.items():
            self.in_periods[period] = self.in_periods.get(period, set()) | components
        for component, first in other.lasting_from.items():
            self.note(component, first, lasts=True)
        if other.everything_from is not None:
            self.note_everything(other.everything_from)
