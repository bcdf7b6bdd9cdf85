"""Interactive queries: a worker answers from its memory about the departments whose partitions it owns.

Whoever asks finds the owner through the registry. While a partition moves, or its state is still read back, the answer is 503: ask again.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
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
from scoring.department import Department
from scoring.entities.base import Entity
from scoring.evidence import Gathered
from scoring.explaining import explanation, parse_cursor
from scoring.indicators import BY_ID, INDICATORS
from scoring.indicators.base import Indicator
from scoring.live import LiveCity
from scoring.local_time import parse_period
from scoring.open_things import Filter, Sort, merged_cases, merged_requests, open_cases, open_requests, parse_order
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
# Cities as they stood at a closing, which cost the reading of a changelog partition.
KEPT_CITIES = 4
RETRY_SECONDS = "2"
MAX_LIMIT = 1_000
# Rows of an explanation on a page, whatever more is asked for: some 30 ms.
EXPLAINED_ROWS = 500
NUMBER = re.compile("[0-9]{1,6}")
T = TypeVar("T")


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
        side, limit, after = _one_of(asked, "side", get_args(Side)), min(EXPLAINED_ROWS, _limit(asked)), _cursor(asked, parse_cursor)
        found = await self._find(asked)
        gathered = await self._gather(indicator, found)
        closing = None if found.closing is None else found.closing.id
        return explanation(indicator, found.view, found.record(indicator), gathered, side=side, limit=limit, after=after, closing=closing)

    async def counts(self, asked: Mapping[str, str]) -> dict[str, tuple[int, int]]:
        """How many things count for and against, by indicator: `department`, `period`."""
        found = await self._find(asked)
        return {indicator.id: (await self._gather(indicator, found)).counted() for indicator in INDICATORS}

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
        return merged_cases([open_cases(city, state, wanted) async for city in self._cities(asked)], wanted)

    async def requests(self, asked: Mapping[str, str]) -> RequestPage:
        """Open requests, in the same way."""
        state: RequestState = _one_of(asked, "state", get_args(RequestState)) or "open"
        wanted = _filter(asked)
        return merged_requests([open_requests(city, state, wanted) async for city in self._cities(asked)], wanted)

    async def _cities(self, asked: Mapping[str, str]) -> AsyncIterator[LiveCity]:
        numbers = asked.get("partitions", "").split(",")
        if not all(map(NUMBER.fullmatch, numbers)):
            raise QueryError(422, "partitions: numbers with commas between them")
        for number in numbers:
            yield self._state(int(number)).city
            await asyncio.sleep(0)  # a partition at a time: each may take some 10 ms

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
        if not frozen:
            raise QueryError(404, f"{code} had no score in {label} when it was closed: nothing of it had arrived")
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
                except (KafkaError, OSError) as error:
                    raise QueryError(503, f"the changelog cannot be read at the moment ({type(error).__name__}); ask again") from None
                city = await asyncio.to_thread(city_at, closing, log[closing.department], state.city.context)
            self._closed[key] = city
            self._closed.move_to_end(key)
            if len(self._closed) > KEPT_CITIES:
                self._closed.popitem(last=False)
        return city

    async def _gather(self, indicator: Indicator, found: Found) -> Gathered:
        """All evidence, as it stands at the end, looked at in slices that block no one for long: what changes meanwhile once more."""
        department = found.view.department
        await _settle(found.city, department)
        gathered, changed = Gathered(indicator, found.view), set[Entity]()
        department.watchers.append(changed)
        try:
            entities = gathered.entities()
            while len(entities) > SLICE:
                for begin in range(0, len(entities), SLICE):
                    gathered.look_at(entities[begin : begin + SLICE])
                    await asyncio.sleep(0)
                await _settle(found.city, department)
                gathered.forget(changed)
                entities = list(changed)
                changed.clear()
        finally:
            department.watchers.remove(changed)
        gathered.look_at(entities)
        gathered.look_at_zeroing()
        return gathered


async def _settle(city: City, department: Department) -> None:
    """Bring a department up to date, in slices; with nothing awaited after the last one."""
    if isinstance(city, LiveCity):
        city.settle_department(department.code, SLICE)
        while not department.is_settled:
            await asyncio.sleep(0)
            city.settle_department(department.code, SLICE)


def _handler(answer: Callable[[Mapping[str, str]], Any]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        try:
            found = await answer(request.query)
        except QueryError as error:
            headers = {"Retry-After": RETRY_SECONDS} if error.status == web.HTTPServiceUnavailable.status_code else {}
            return web.json_response({"detail": str(error)}, status=error.status, headers=headers)
        await asyncio.sleep(0)  # to write it down takes as long again
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
    if not NUMBER.fullmatch(given) or not 1 <= int(given) <= MAX_LIMIT:
        raise QueryError(422, f"limit: a number from 1 to {MAX_LIMIT}")
    return int(given)


def _cursor(asked: Mapping[str, str], parse: Callable[[str], T]) -> T | None:
    given = asked.get("after")
    try:
        return None if given is None else parse(given)
    except ValueError:
        raise QueryError(422, "cursor: give the next_cursor of the page before, or none for the first page") from None


def _filter(asked: Mapping[str, str]) -> Filter:
    departments = asked.get("departments")
    _cursor(asked, parse_order)
    return Filter(
        departments=None if departments is None else frozenset(departments.split(",")),
        item=asked.get("item"),
        text=asked.get("text"),
        sort=_one_of(asked, "sort", get_args(Sort)) or "due",
        limit=_limit(asked),
        after=asked.get("after"),
    )
