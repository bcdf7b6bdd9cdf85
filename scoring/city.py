"""A city, or the part of it in one partition: departments, the index of event ids, and what is dated ahead."""

import heapq
from collections.abc import Iterable, MutableMapping
from typing import Literal

from models.facts import AT, CODE, CODE_OF_TYPE, DEPARTMENT, EVENT_ID, Fact, digest, digest_of, shared_digest
from scoring.context import Context
from scoring.department import Counters, Department
from scoring.folding import FOLDS

PERIOD_CODES = frozenset({CODE_OF_TYPE["period.closed"], CODE_OF_TYPE["period.reopened"]})
Outcome = Literal["new", "duplicate", "conflict"]


class City:
    """The fold of a set of facts as of the context's now; the order in which they come does not matter."""

    def __init__(self, context: Context, counters: MutableMapping[str, Counters] | None = None) -> None:
        """`counters` is where the departments' counters live, by code: in the worker a Faust table."""
        self.context = context
        self._counters: MutableMapping[str, Counters] = {} if counters is None else counters
        self.departments: dict[str, Department] = {}
        # period.* facts, which say when scores are frozen and nothing about the scores.
        self.period_facts: list[Fact] = []
        # Departments with something that is not settled.
        self._unsettled: set[str] = set()
        self._digests: dict[str, int] = {}
        self._ahead: list[tuple[int, str, Fact]] = []

    def take(self, fact: Fact, packed: bytes | None = None) -> Outcome:
        """Take in a fact unless its id was taken in before.

        Of one id with two contents the first stands, also when it lies after now (`events.md`, Values). A fact dated ahead waits for
        its time.

        Args:
            fact: the fact.
            packed: its bytes, where the caller has them already.
        """
        content = digest(fact) if packed is None else digest_of(packed)
        known = len(self._digests)
        held = self._digests.setdefault(fact[EVENT_ID], content)  # one look into a table that is in no cache
        if len(self._digests) == known:
            return "duplicate" if held == content else "conflict"
        self.take_new(fact)
        return "new"

    def take_new(self, fact: Fact) -> None:
        """Take in a fact of which the caller knows that none with its id has been; the id is not noted."""
        if fact[AT] <= self.context.now:
            self._apply(fact)
        else:
            heapq.heappush(self._ahead, (fact[AT], fact[EVENT_ID], fact))

    def note_ids(self, event_ids: Iterable[str], digests: Iterable[int]) -> None:
        """Note events that were taken in before, with the digests of their contents; equal digests share one integer."""
        self._digests.update(zip(event_ids, map(shared_digest, digests), strict=True))

    def event_ids(self) -> Iterable[str]:
        """The ids of all events taken in, also of those dated ahead."""
        return self._digests.keys()

    def take_all(self, facts: Iterable[Fact]) -> None:
        """Take in facts and settle the counters."""
        for fact in facts:
            self.take(fact)
        self.settle()

    def _apply(self, fact: Fact) -> None:
        if fact[CODE] in PERIOD_CODES:
            self.period_facts.append(fact)
            return
        code = fact[DEPARTMENT]
        department = self.departments.get(code)
        if department is None:
            department = self.department(code)
        department.arrived(fact[AT])
        FOLDS[fact[CODE]](department, fact)
        self._unsettled.add(code)

    def department(self, code: str) -> Department:
        """The department of that code, made if it is new."""
        department = self.departments.get(code)
        if department is None:
            department = self.departments[code] = Department(code, self.context, self._counters.setdefault(code, {}))
        return department

    def settle(self) -> None:
        """Bring the counters of every department up to date."""
        for department in self.departments.values():
            department.settle()
        self._unsettled.clear()
