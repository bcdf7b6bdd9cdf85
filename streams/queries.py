"""Interactive queries: a worker answers from its memory about the departments whose partitions it owns.

Whoever asks finds the owner through the registry. While a partition moves, or its state is still read back, the answer is 503: ask again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from aiohttp import web
from aiokafka.errors import KafkaError
from pydantic import TypeAdapter, ValidationError

from models.explanations import CasePage, CaseState, Explanation, RequestPage, RequestState, Side
from models.identifiers import PeriodLabel
from models.records import Record, ScoreRecord
from models.settings import Settings
from scoring.city import City
from scoring.evidence import Evidence, evidence_in_slices
from scoring.explaining import explanation
from scoring.indicators import BY_ID, INDICATORS
from scoring.indicators.base import Indicator
from scoring.live import LiveCity
from scoring.local_time import parse_period
from scoring.open_things import Filter, Sort, merged_cases, merged_requests, open_cases, open_requests
from scoring.periods import Closing, city_at
from scoring.samples_state import sample_states
from scoring.scores import parse_record, score_indicator
from scoring.view import View, scored_periods
from streams.closing import read_log
from streams.intake import partition_of
from streams.partition import PartitionState
from streams.pipeline import Pipeline

PREFIX = "/queries/"
# Entities looked at in one go: some 5 ms.
SLICE = 500
# A department that changes all the time is then looked at in one piece.
TRIES = 5
# Cities as they stood at a closing, which cost the reading of a changelog partition.
KEPT_CITIES = 4
RETRY_SECONDS = "2"
EVERYTHING = 1 << 62
# Rows of an answer: some 30 ms.
MAX_LIMIT = 1_000
T = TypeVar("T")
Page = TypeVar("Page", CasePage, RequestPage)


class QueryError(Exception):
    """A query that gets no answer: the HTTP status, and a sentence that says why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Found:
    """A department in a period: what its scores are counted from, and of a closed period the records that are frozen."""

    city: City
    view: View
    closing: Closing | None = None
    frozen: Mapping[str, ScoreRecord] | None = None

    def record(self, indicator: Indicator) -> ScoreRecord:
        """The record of an indicator, as published."""
        return score_indicator(indicator, self.view)[0] if self.frozen is None else self.frozen[indicator.id]


class Queries:
    """Answers about the partitions that this worker owns."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._closed: OrderedDict[tuple[str, str, str], City] = OrderedDict()  # by department, period and closing; last used at the end
        self._reading = asyncio.Lock()

    def owned(self) -> list[int]:
        """The partitions answered for: owned, and their state read back."""
        if self._pipeline.app.rebalancing:
            return []
        return [state.number for state in self._pipeline.owned_states()]

    def add_routes(self, server: web.Application) -> None:
        """Serve the queries."""
        answers: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "explain": self.explain, "counts": self.counts, "cases": self.cases, "requests": self.requests, "samples": self.samples,
        }  # fmt: skip
        for name, answer in answers.items():
            server.router.add_get(PREFIX + name, _handler(answer))

    async def explain(self, asked: Mapping[str, str]) -> Explanation:
        """The explanation of a score: `department`, `period`, `indicator`; `side`, `limit`, `after`."""
        indicator = BY_ID.get(asked.get("indicator", ""))
        if indicator is None:
            raise QueryError(404, f"there is no indicator {asked.get('indicator', '')[:64]!r}; the ids are: {', '.join(BY_ID)}")
        found = await self._find(asked)
        entries = await self._evidence(indicator, found)
        return explanation(
            indicator, found.view, found.record(indicator), entries,
            side=_one_of(asked, "side", get_args(Side)), limit=_limit(asked), after=asked.get("after"),
            closing=None if found.closing is None else found.closing.id,
        )  # fmt: skip

    async def counts(self, asked: Mapping[str, str]) -> dict[str, tuple[int, int]]:
        """How many things count for and against, by indicator: `department`, `period`."""
        found = await self._find(asked)
        counted = {}
        for indicator in INDICATORS:
            entries = await self._evidence(indicator, found)
            against = sum(entry.against for entry in entries)
            counted[indicator.id] = (len(entries) - against, against)
        return counted

    async def samples(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """The samples of a department for a period, and how far they are: `department`, `period`."""
        code = asked.get("department", "")
        department = self._state(partition_of(code, self._settings.partitions)).city.departments.get(code)
        if department is None:
            raise QueryError(404, f"nothing is known of a department {code[:64]}")
        return [state.model_dump() for state in sample_states(department, asked.get("period", ""))]

    async def cases(self, asked: Mapping[str, str]) -> CasePage:
        """Open cases: `state`, `partitions`; `departments`, `item`, `text`, `sort`, `limit`, `after`."""
        state: CaseState = _one_of(asked, "state", get_args(CaseState)) or "open"
        wanted = _filter(asked)
        return merged_cases([open_cases(city, state, wanted) for city in self._cities(asked)], wanted)

    async def requests(self, asked: Mapping[str, str]) -> RequestPage:
        """Open requests, in the same way."""
        state: RequestState = _one_of(asked, "state", get_args(RequestState)) or "open"
        wanted = _filter(asked)
        return merged_requests([open_requests(city, state, wanted) for city in self._cities(asked)], wanted)

    def _cities(self, asked: Mapping[str, str]) -> Iterable[LiveCity]:
        numbers = asked.get("partitions", "")
        if not all(number.isdigit() for number in numbers.split(",")):
            raise QueryError(422, "partitions: numbers with commas between them")
        return [self._state(int(number)).city for number in numbers.split(",")]

    def _state(self, number: int) -> PartitionState:
        if number not in self.owned():
            raise QueryError(503, f"partition {number} is not owned here, or its state is still read back; ask again")
        return self._pipeline.store.partition(number)

    async def _find(self, asked: Mapping[str, str]) -> Found:
        code, label = asked.get("department", ""), asked.get("period", "")
        state = self._state(partition_of(code, self._settings.partitions))
        department = state.city.departments.get(code)
        try:
            period = parse_period(TypeAdapter(PeriodLabel).validate_python(label))
        except ValidationError as error:
            raise QueryError(422, f"period: {error.errors()[0]['msg']}") from None
        if department is None or period not in scored_periods(department):
            raise QueryError(404, f"{code[:64]} has no score in {label}")
        closing = state.closed.get((code, label))
        if closing is None:
            return Found(state.city, View(department, period))
        records = map(parse_record, state.frozen[code, label].records)
        frozen = {record.indicator: record for record in records if isinstance(record, ScoreRecord)}
        city = await self._city_at(state, closing, label)
        return Found(city, View(city.department(code), period, closed=True), closing, frozen)

    async def _city_at(self, state: PartitionState, closing: Closing, label: str) -> City:
        """The department as it stood at a closing, from the changelog: the state holds what arrived later as well."""
        key = (closing.department, label, closing.id)
        async with self._reading:  # one at a time: reading and folding cost memory
            city = self._closed.get(key)
            if city is None:
                try:
                    log = await read_log(self._settings, state.number, {closing.department})
                except KafkaError as error:
                    raise QueryError(503, f"the changelog cannot be read at the moment ({type(error).__name__}); ask again") from None
                city = await asyncio.to_thread(city_at, closing, log[closing.department], state.city.context)
            self._closed[key] = city
            self._closed.move_to_end(key)
            if len(self._closed) > KEPT_CITIES:
                self._closed.popitem(last=False)
        return city

    async def _evidence(self, indicator: Indicator, found: Found) -> list[Evidence]:
        """Everything counted, looked at in slices that block no one for long; again from the start if something has changed in between."""
        department = found.view.department
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            if isinstance(found.city, LiveCity):
                found.city.settle_department(department.code)
            revision = department.revision
            entries: list[Evidence] = []
            for some in evidence_in_slices(indicator, found.view, EVERYTHING if last else SLICE):
                entries += some
                if last:
                    continue
                await asyncio.sleep(0)
                if department.revision != revision or not department.is_settled:
                    break
            else:
                return entries
        raise AssertionError  # the last attempt is not broken off


def _handler(answer: Callable[[Mapping[str, str]], Any]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        try:
            found = await answer(request.query)
        except QueryError as error:
            headers = {"Retry-After": RETRY_SECONDS} if error.status == web.HTTPServiceUnavailable.status_code else {}
            return web.json_response({"detail": str(error)}, status=error.status, headers=headers)
        except ValueError:
            return web.json_response({"detail": "cursor: give the next_cursor of the page before, or none for the first page"}, status=422)
        if isinstance(found, Record):
            return web.Response(body=found.model_dump_json().encode(), content_type="application/json")
        return web.json_response(found)

    return handle


def _one_of(asked: Mapping[str, str], name: str, values: tuple[T, ...]) -> T | None:
    given = asked.get(name)
    if given is None:
        return None
    for value in values:
        if value == given:
            return value
    raise QueryError(422, f"{name}: {given[:40]!r} is none of {', '.join(map(str, values))}")


def _limit(asked: Mapping[str, str]) -> int:
    given = asked.get("limit", str(MAX_LIMIT))
    if not given.isdigit() or not 1 <= int(given) <= MAX_LIMIT:
        raise QueryError(422, f"limit: a number from 1 to {MAX_LIMIT}")
    return int(given)


def _filter(asked: Mapping[str, str]) -> Filter:
    departments = asked.get("departments")
    return Filter(
        departments=None if departments is None else frozenset(departments.split(",")),
        item=asked.get("item"),
        text=asked.get("text"),
        sort=_one_of(asked, "sort", get_args(Sort)) or "due",
        limit=_limit(asked),
        after=asked.get("after"),
    )
