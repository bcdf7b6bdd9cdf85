"""What every count depends on besides the facts: policies, time zone, workdays, and the instant the scores hold as of."""

from dataclasses import dataclass, replace

from models.rulesets import Policies, Ruleset
from scoring.local_time import LocalTime, local_time
from scoring.workdays import Workdays, published_workdays


@dataclass(slots=True)
class Context:
    """Shared by all departments of a state. Only `now` moves, and only forward."""

    ruleset: Ruleset
    time: LocalTime
    workdays: Workdays
    now: int
    identity: str

    @property
    def policies(self) -> Policies:
        """The policies of the ruleset."""
        return self.ruleset.policies

    @property
    def period(self) -> int:
        """The period that `now` lies in."""
        return self.time.period_of(self.now)

    def closes_at(self, period: int) -> int:
        """The end of a period's grace time (**policy** `grace_workdays`): when it closes automatically."""
        deadline = self.workdays.after(self.time.last_day_of(period), self.policies.grace_workdays)
        return self.time.end_of_day(deadline.day)

    def as_of(self, now: int) -> "Context":
        """The same context at another instant."""
        return replace(self, now=now)


def create_context(ruleset: Ruleset, now: int, *, timezone: str = "Asia/Shanghai", workdays: Workdays | None = None) -> Context:
    """A context as of `now`, an instant in microseconds; the calendar of the library alone unless another is given."""
    calendar = workdays or published_workdays()
    return Context(ruleset, local_time(timezone), calendar, now, ruleset.identity(timezone, calendar.digest))
