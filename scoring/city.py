"""A city, or the part of it in one partition: departments, the index of event ids, and what is dated ahead."""

import heapq
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Literal

from models.facts import AT, CODE, CODE_OF_TYPE, DEPARTMENT, EVENT_ID, Fact, digests_of, pack, shared_digest
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

    def take(self, fact: Fact) -> Outcome:
        """Take in a fact unless its id was taken in before."""
        return self.take_each((fact,))[0]

    def take_each(self, facts: Sequence[Fact], packed: Iterable[bytes] | None = None) -> list[Outcome]:
        """Take in facts, each unless its id was taken in before; what became of each.

        Of one id with two contents the first stands, also when it lies after now (`events.md`, Values). A fact dated ahead waits for
        its time.

        Args:
            facts: the facts.
            packed: the bytes of each, where the caller has them already.
        """
        contents = digests_of(map(pack, facts) if packed is None else packed)
        ids = [fact[EVENT_ID] for fact in facts]
        digests = self._digests
        if len(set(ids)) == len(ids) and digests.keys().isdisjoint(ids):  # nearly always
            digests.update(zip(ids, contents, strict=True))
            self.take_new(facts)
            return ["new"] * len(ids)
        outcomes: list[Outcome] = []
        new: list[Fact] = []
        known = len(digests)
        for fact, content in zip(facts, contents, strict=True):
            held = digests.setdefault(fact[EVENT_ID], content)
            if len(digests) > known:
                known += 1
                new.append(fact)
                outcomes.append("new")
            else:
                outcomes.append("duplicate" if held == content else "conflict")
        self.take_new(new)
        return outcomes

    def take_new(self, facts: Iterable[Fact]) -> None:
        """Take in facts of which the caller knows that none with their ids has been; the ids are not noted."""
        now, departments = self.context.now, self.departments
        # One loop and not a call for each: calls were a fifth of what folding an event takes.
        for fact in facts:
            at = fact[AT]
            if at > now:
                heapq.heappush(self._ahead, (at, fact[EVENT_ID], fact))
                continue
            fold = FOLDS.get(fact[CODE])
            if fold is None:
                self.period_facts.append(fact)
                continue
            code = fact[DEPARTMENT]
            department = departments.get(code)
            if department is None:
                department = self.department(code)
            department.arrived(at)
            fold(department, fact)
            self._unsettled.add(code)

    def knows(self, event_id: str) -> bool:
        """Whether an event of that id was taken in."""
        return event_id in self._digests

    def note_ids(self, event_ids: Iterable[str], digests: Iterable[int]) -> None:
        """Note events that were taken in before, with the digests of their contents; equal digests share one integer."""
        self._digests.update(zip(event_ids, map(shared_digest, digests), strict=True))

    def event_ids(self) -> Iterable[str]:
        """The ids of all events taken in, also of those dated ahead."""
        return self._digests.keys()

    def take_all(self, facts: Iterable[Fact]) -> None:
        """Take in facts and settle the counters."""
        self.take_each(tuple(facts))
        self.settle()

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
