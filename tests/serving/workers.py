"""Workers as the web part sees them, without any: a city in memory that answers."""

from __future__ import annotations

from typing import Any

from models.explanations import CasePage, CaseState, Explanation, RequestPage, RequestState
from models.rulesets import default_ruleset
from scoring.context import create_context
from scoring.evidence import gather
from scoring.explaining import explanation, parse_cursor
from scoring.indicators import BY_ID
from scoring.live import LiveCity
from scoring.local_time import parse_period
from scoring.open_things import Filter, merged_cases, merged_requests, open_cases, open_requests
from scoring.scores import score_indicator
from scoring.view import View, scored_periods
from streams.serving.workers import RefusedQueryError, Workers
from tests.serving.records import NOW, A, B, text
from tests.support.builder import History
from tests.support.faust_fakes import facts_of_events


def city_of(*histories: History, now: int = NOW) -> LiveCity:
    city = LiveCity(create_context(default_ruleset(), now))
    for history in histories:
        for fact in facts_of_events(history.events):
            city.take(fact)
    city.settle()
    return city


class CityWorkers(Workers):
    """`closing`: all periods are said to have been closed by it; `ruleset`: under that one, where it was another."""

    def __init__(self, city: LiveCity, closing: str | None = None, ruleset: str | None = None) -> None:
        self.city = city
        self.closing = closing
        self.ruleset = ruleset
        self.asked: list[Filter] = []

    def close(self) -> None:
        """It has no connections to give back."""

    def explain(self, department: str, period: str, indicator: str, *, after: str | None = None, **given: Any) -> Explanation:
        held = self.city.departments.get(department)
        if held is None or parse_period(period) not in scored_periods(held):
            raise RefusedQueryError(404, f"{department} has no score in {period}")
        if indicator not in BY_ID:
            raise RefusedQueryError(404, f"there is no indicator {indicator!r}")
        found, view = BY_ID[indicator], View(held, parse_period(period))
        record, _ = score_indicator(found, view)
        record = record.model_copy(update={"ruleset": self.ruleset or record.ruleset})
        begin = None if after is None else parse_cursor(after)
        return explanation(found, view, record, gather(found, view), after=begin, closing=self.closing, **given)

    def cases(self, state: CaseState, wanted: Filter) -> CasePage:
        self.asked.append(wanted)
        return merged_cases([open_cases(self.city, state, wanted)], wanted)

    def requests(self, state: RequestState, wanted: Filter) -> RequestPage:
        self.asked.append(wanted)
        return merged_requests([open_requests(self.city, state, wanted)], wanted)


def overdue(serials: dict[str, tuple[str, int]], department: str) -> History:
    """Open cases with explicit due times: serial → (department, microseconds after now)."""
    history = History(department)
    for serial, (of, due) in serials.items():
        if of == department:
            history.add("case.accepted", "2020-11-02", serial=serial, acceptance_no=f"N{serial}", due_at=text(NOW + due))
    return history


def cases_of_two(serials: dict[str, tuple[str, int]]) -> CityWorkers:
    """Cases of A and B."""
    return CityWorkers(city_of(overdue(serials, A), overdue(serials, B)))
