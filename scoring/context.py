"""What every count depends on besides the facts: policies, time zone, workdays, and the instant the scores hold as of."""

from dataclasses import dataclass, replace

from models.rulesets import Policies, Ruleset
from scoring.local_time import LocalTime, local_time, parse_period, period_label
from scoring.workdays import Workdays, published_workdays


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in one period: the policies, the seed of its draws, and the identity of its ruleset, which its records name."""

    policies: Policies
    seed: str
    identity: str


class RulesByPeriod(dict[int, Rules]):
    """The rules by period, each worked out when it is first asked for: contributions ask for them millions of times."""

    def __init__(self, ruleset: Ruleset, *environment: str) -> None:
        super().__init__()
        self._ruleset = ruleset
        self._environment = environment

    def __missing__(self, period: int) -> Rules:
        held = self._ruleset.in_period(period_label(period))
        rules = self[period] = Rules(held.policies, held.seed, held.identity(*self._environment))
        return rules


@dataclass(slots=True)
class Context:
    """Shared by all departments of a state. Only `now` moves, and only forward."""

    rules: RulesByPeriod
    # The periods from which another ruleset is in force than in the one before; none unless rulesets are chained.
    rules_change_in: tuple[int, ...]
    time: LocalTime
    workdays: Workdays
    now: int
    # That of the whole chain: contexts with the same one score alike.
    identity: str

    @property
    def period(self) -> int:
        """The period that `now` lies in."""
        return self.time.period_of(self.now)

    def closes_at(self, period: int) -> int:
        """The end of a period's grace time (**policy** `grace_workdays`): when it closes automatically."""
        deadline = self.workdays.after(self.time.last_day_of(period), self.rules[period].policies.grace_workdays)
        return self.time.end_of_day(deadline.day)

    def as_of(self, now: int) -> "Context":
        """The same context at another instant."""
        return replace(self, now=now)


def create_context(ruleset: Ruleset, now: int, *, timezone: str = "Asia/Shanghai", workdays: Workdays | None = None) -> Context:
    """A context as of `now`, an instant in microseconds; the calendar of the library alone unless another is given."""
    calendar = workdays or published_workdays()
    environment = (timezone, calendar.digest)
    return Context(
        RulesByPeriod(ruleset, *environment),
        tuple(parse_period(held.valid_from) for held in ruleset.chain() if held.valid_from is not None),
        local_time(timezone),
        calendar,
        now,
        ruleset.chain_identity(*environment),
    )
