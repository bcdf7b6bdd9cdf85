"""What a worker answers from its memory: on a real state, over HTTP; while facts come in, partitions move and periods are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from models.explanations import Explanation
from models.facts import DEPARTMENT, Fact
from models.instants import parse_instant
from models.rulesets import default_ruleset
from models.settings import Settings
from scoring.batch import fold_facts
from scoring.context import create_context
from scoring.explaining import explain
from scoring.indicators import BY_ID, INDICATORS
from scoring.local_time import parse_period
from scoring.scores import parse_record
from scoring.view import View
from streams import queries
from streams.closing import _frozen
from streams.intake import partition_of
from streams.partition import PartitionState
from streams.queries import KEPT_CITIES, Queries
from tests.support.builder import D1, D2, D3, D4, History, when
from tests.support.desk import take
from tests.support.faust_fakes import facts_of_events
from tests.support.histories import histories

NOW = "2020-10-20T12:00:00"
MILLISECOND = 1_000
Get = Callable[..., Coroutine[Any, Any, tuple[int, dict[str, str], Any]]]


def instant(text: str) -> int:
    return parse_instant(when(text))


class Worker:
    """Partitions with their states, owned or not, as the pipeline has them."""

    def __init__(self, partitions: int = 1, now: str = NOW) -> None:
        self.settings = Settings(partitions=partitions)
        self.states = [PartitionState(number, create_context(default_ruleset(), instant(now)), {}) for number in range(partitions)]
        self.owned = set(range(partitions))
        self.app = SimpleNamespace(rebalancing=False)
        self.store = SimpleNamespace(partition=self.states.__getitem__)
        self.log: list[tuple[int, Fact]] = []

    def owned_states(self) -> list[PartitionState]:
        return [state for state in self.states if state.number in self.owned]

    def take(self, arrival: str, *histories: History) -> None:
        for history in histories:
            for fact in facts_of_events(history.events):
                self.log.append((instant(arrival), fact))
                take(self.states[partition_of(fact[DEPARTMENT], self.settings.partitions)], fact, instant(arrival) // MILLISECOND)

    def close_periods(self) -> None:
        """Freeze what is to be closed, from the log."""
        for state in self.states:
            state.look_at_closings()
            for closing in list(state.pending_closings.values()):
                log = [entry for entry in self.log if entry[1][DEPARTMENT] == closing.department]
                state.freeze(closing, *_frozen(state.number, closing, log, state.city.context))


def queries_of(worker: Any) -> Queries:
    return Queries(worker.settings, worker)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Worker], Coroutine[Any, Any, Get]]]:
    runners: list[web.AppRunner] = []
    client = ClientSession()

    async def start(worker: Worker) -> Get:
        server = web.Application()
        queries_of(worker).add_routes(server)
        runner = web.AppRunner(server)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]

        async def get(query: str, **asked: str) -> tuple[int, dict[str, str], Any]:
            async with client.get(f"http://127.0.0.1:{port}/queries/{query}", params=asked) as answer:
                return answer.status, dict(answer.headers), await answer.json()

        return get

    yield start
    await client.close()
    for runner in runners:
        await runner.cleanup()


def cases(department: str, count: int, passed: int) -> History:
    history = History(department).items(2, "2020-08-20").add("department.docking_changed", "2020-08-20")
    for number in range(count):
        history.case(f"S{number}", issued="2020-09-10", accepted="2020-09-10")
    for number in range(passed):
        history.add("case.ingested", "2020-09-12", serial=f"S{number}")
    return history


SCORE = {"department": D1, "period": "2020-09", "indicator": "case_aggregation"}


# --- who is answered, and how


async def test_a_score_is_explained_page_by_page(serve: Any) -> None:
    worker = Worker()
    worker.take("2020-09-15", cases(D1, 5, 2))
    get = await serve(worker)
    status, headers, whole = await get("explain", **SCORE)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    fact_fold = fold_facts([fact for _, fact in worker.log], instant(NOW), default_ruleset())
    assert Explanation(**whole) == explain(BY_ID["case_aggregation"], View(fact_fold.departments[D1], parse_period("2020-09")))
    rows, after = [], {}
    while True:
        _, _, page = await get("explain", **SCORE, **after, limit="2")
        rows += page["evidence"]
        if page["next_cursor"] is None:
            break
        after = {"after": page["next_cursor"]}
    assert rows == whole["evidence"]
    assert (await get("counts", department=D1, period="2020-09"))[2]["case_aggregation"] == [2, 3]


async def test_a_page_is_bounded_whatever_is_asked_for(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "EXPLAINED_ROWS", 3)
    worker = Worker()
    worker.take("2020-09-15", cases(D1, 5, 2))
    get = await serve(worker)
    for asked in ({}, {"limit": "4"}, {"limit": "1000"}):
        _, _, page = await get("explain", **SCORE, **asked)
        assert len(page["evidence"]) == 3
        _, _, rest = await get("explain", **SCORE, **asked, after=page["next_cursor"])
        assert (len(rest["evidence"]), rest["next_cursor"]) == (2, None)


async def test_counts_are_those_of_every_explanation(serve: Any) -> None:
    worker = Worker()
    worker.take("2020-09-15", cases(D1, 5, 2))
    get = await serve(worker)
    _, _, counts = await get("counts", department=D1, period="2020-09")
    assert counts.keys() == {indicator.id for indicator in INDICATORS}
    for indicator, (counts_for, against) in counts.items():
        assert (await get("explain", **{**SCORE, "indicator": indicator}))[2]["counted"] == {"for": counts_for, "against": against}


@pytest.mark.parametrize(
    ("query", "asked", "status", "says"),
    [
        ("explain", {"indicator": "nothing"}, 404, "there is no indicator 'nothing'; the ids are: online_depth"),
        ("explain", {"department": D2}, 404, f"{D2} has no score in 2020-09"),
        ("explain", {"period": "2020-07"}, 404, "has no score in 2020-07"),
        ("explain", {"period": "2020-13"}, 422, "period: "),
        ("explain", {"side": "both"}, 422, "side: 'both' is none of against, for"),
        ("explain", {"limit": "0"}, 422, "limit: a number from 1 to 1000"),
        ("explain", {"limit": "1001"}, 422, "limit: "),
        ("explain", {"limit": "²"}, 422, "limit: "),
        ("explain", {"after": "x"}, 422, "cursor: "),
        ("counts", {"department": "x"}, 404, "x has no score"),
        ("cases", {"partitions": ""}, 422, "partitions: numbers"),
        ("cases", {"partitions": "0,x"}, 422, "partitions: numbers"),
        ("cases", {"partitions": "7"}, 503, "partition 7 is not owned here"),
        ("cases", {"partitions": "0", "state": "lost"}, 422, "state: 'lost' is none of open, due_soon, overdue, suspended"),
        ("cases", {"partitions": "0", "sort": "colour"}, 422, "sort: "),
        ("cases", {"partitions": "0", "after": "0|case|S1"}, 422, "cursor: "),
        ("requests", {"partitions": "0", "state": "suspended"}, 422, "state: "),
        ("requests", {"partitions": "0", "limit": "-1"}, 422, "limit: "),
    ],
)
async def test_what_is_wrong_is_said(serve: Any, query: str, asked: dict[str, str], status: int, says: str) -> None:
    worker = Worker()
    worker.take("2020-09-15", cases(D1, 1, 1))
    get = await serve(worker)
    found, headers, body = await get(query, **{**SCORE, **asked})
    assert (found, says in body["detail"]) == (status, True), body
    assert ("Retry-After" in headers) == (status == 503)


async def test_while_a_partition_moves_one_is_told_to_ask_again(serve: Any) -> None:
    worker = Worker(2)
    worker.take("2020-09-15", cases(D1, 3, 1))
    own = partition_of(D1, 2)
    get = await serve(worker)
    queries = queries_of(worker)
    assert queries.owned() == [0, 1]
    for change in ({"rebalancing": True}, {"owned": {1 - own}}):
        worker.app.rebalancing, worker.owned = change.get("rebalancing", False), change.get("owned", {0, 1})
        for query, asked in (
            ("explain", SCORE),
            ("counts", SCORE),
            ("cases", {"partitions": str(own)}),
            ("requests", {"partitions": str(own)}),
        ):
            status, headers, body = await get(query, **asked)
            assert (status, headers["Retry-After"]) == (503, "2")
            assert "ask again" in body["detail"]
    assert queries.owned() == [1 - own]
    worker.owned = {0, 1}
    assert (await get("explain", **SCORE))[0] == 200


async def test_cases_of_several_partitions_are_one_list(serve: Any) -> None:
    worker = Worker(3)
    worker.take("2020-09-15", *(cases(department, 4, 0) for department in (D1, D2, D3, D4)))
    for state in worker.states:
        state.city.settle()
    get = await serve(worker)
    _, _, page = await get("cases", partitions="0,1,2", limit="5", departments=f"{D1},{D2},{D3}")
    assert (page["total"], len(page["items"])) == (12, 5)
    assert {case["department"] for case in page["items"]} <= {D1, D2, D3}
    _, _, rest = await get("cases", partitions="2,1,0", after=page["next_cursor"], departments=f"{D3},{D1},{D2}")
    everything = (await get("cases", partitions="0,1,2", departments=f"{D1},{D2},{D3}"))[2]["items"]
    assert page["items"] + rest["items"] == everything


# --- while facts come in


@given(data=st.data(), size=st.integers(1, 4))
def test_an_answer_is_what_held_at_one_moment(data: st.DataObject, size: int) -> None:
    """Facts come in between the slices: the answer is that of the facts taken in by some moment, all of them and no others."""
    indicator = BY_ID[
        data.draw(st.sampled_from(["case_aggregation", "licence_generation", "overdue_completion", "online_depth"]), label="of")
    ]
    facts = facts_of_events(data.draw(histories(40, indicator.id), label="events"))
    code = data.draw(st.sampled_from(sorted({fact[DEPARTMENT] for fact in facts} - {"*"}) or [D1]), label="department")
    own = [fact for fact in facts if fact[DEPARTMENT] == code]
    begin = data.draw(st.integers(1, max(1, len(own))), label="held at first")
    worker = Worker(now="2027-02-01")
    for fact in own[:begin]:
        take(worker.states[0], fact, 0)
    held = worker.states[0].city.departments.get(code)
    if held is None:
        return
    label = data.draw(st.sampled_from(["2020-09", "2020-10", "2026-12"]), label="period")

    async def ask() -> Explanation | None:
        task = asyncio.ensure_future(queries_of(worker).explain({"department": code, "period": label, "indicator": indicator.id}))
        for fact in own[begin:]:
            take(worker.states[0], fact, 0)
            worker.states[0].city.settle_some(1)
            await asyncio.sleep(0)
        try:
            return await task
        except queries.QueryError as error:
            assert error.status == 404
            return None

    slice_size, queries.SLICE = queries.SLICE, size
    try:
        found = asyncio.run(ask())
    finally:
        queries.SLICE = slice_size
    assert held.watchers == []
    if found is None:
        return
    for count in range(1, len(own) + 1):
        city = fold_facts(own[:count], instant("2027-02-01"), default_ruleset())
        department = city.departments.get(code)
        if department is not None and department.version == found.record.version:
            assert found == explain(indicator, View(department, parse_period(label)))
            return
    raise AssertionError("of no moment")


async def test_a_department_that_changes_all_the_time_is_answered_for(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()
    worker.take("2020-09-15", cases(D1, 60, 0))
    monkeypatch.setattr(queries, "SLICE", 10)
    task = asyncio.ensure_future(queries_of(worker).explain(SCORE))
    number = 0
    while not task.done():
        worker.take("2020-09-16", History(D1).add("case.ingested", "2020-09-16", serial=f"S{number % 60}", event_id=f"more-{number}"))
        number += 1
        assert number < 1_000, "no answer"
        await asyncio.sleep(0)
    found = task.result()
    assert found.record.numerator == str(found.counted["for"])
    assert 0 < found.counted["for"] <= number
    assert sum(found.counted.values()) == 60


# --- closed periods


def closed_worker() -> Worker:
    """September closes with the 14th of October; a serial passes after that."""
    worker = Worker()
    worker.take("2020-09-15", cases(D1, 5, 2))
    worker.close_periods()
    worker.take("2020-10-19", History(D1).add("case.ingested", "2020-09-20", serial="S4", event_id="late"))
    return worker


@pytest.fixture
def reads() -> list[int]:
    """The partitions whose log was read."""
    return []


def with_log(worker: Worker, monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    async def read_log(_: Settings, partition: int, departments: set[str]) -> dict[str, list[tuple[int, Fact]]]:
        reads.append(partition)
        await asyncio.sleep(0)
        return {code: [entry for entry in worker.log if entry[1][DEPARTMENT] == code] for code in departments}

    monkeypatch.setattr(queries, "read_log", read_log)


async def test_a_closed_period_is_explained_by_what_had_arrived(serve: Any, monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    worker = closed_worker()
    with_log(worker, monkeypatch, reads)
    get = await serve(worker)
    [closing] = [held.id for held in worker.states[0].closed.values() if held.period == parse_period("2020-09")]
    records = {record.indicator: record for record in map(parse_record, worker.states[0].frozen[D1, "2020-09"].records)}
    for indicator in INDICATORS:
        status, _, body = await get("explain", **{**SCORE, "indicator": indicator.id})
        assert (status, body["closing"]) == (200, closing)
        found = Explanation(**body)
        assert found.record == records[indicator.id]
        assert sum(row.counts == "for" for row in found.evidence) == found.counted["for"]
    _, _, body = await get("explain", **SCORE)
    assert (body["record"]["numerator"], [row["id"] for row in body["evidence"]]) == ("2", ["S2", "S3", "S4", "S0", "S1"])
    assert reads == [0], "the log is read once"
    _, _, october = await get("explain", **{**SCORE, "period": "2020-10"})
    assert october["closing"] is None


async def test_a_record_frozen_under_other_rules_says_that_it_is_explained_with_those_of_now(
    serve: Any, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    worker, history = Worker(), cases(D1, 5, 2)
    # By the flow of cases, unlike by the cohort, it counts in the month in which it was ingested.
    history.case("early", issued="2020-08-25", accepted="2020-08-25").add("case.ingested", "2020-09-12", serial="early")
    worker.take("2020-09-15", history)
    worker.close_periods()
    with_log(worker, monkeypatch, reads)
    context = worker.states[0].city.context
    before = context.rules[parse_period("2020-09")].identity
    assert (await queries_of(worker).explain(SCORE)).other_ruleset is None
    changed = create_context(default_ruleset().with_policies(aggregation="flow"), context.now)
    context.rules, context.identity = changed.rules, changed.identity  # as after a restart with another file
    get = await serve(worker)
    _, _, body = await get("explain", **SCORE)
    found = Explanation(**body)
    assert found.record.ruleset == before
    assert sum(Fraction(row.numerator) for row in found.evidence) != Fraction(found.record.numerator), "why it has to be said"
    assert found.other_ruleset is not None
    after = context.rules[parse_period("2020-09")].identity
    assert found.other_ruleset.keys() == {"zh", "en"}
    assert all(before in sentence and after in sentence for sentence in found.other_ruleset.values())
    _, _, october = await get("explain", **{**SCORE, "period": "2020-10"})
    assert october["other_ruleset"] is None, "an open period is scored with the rules of now"


async def test_cities_of_closings_are_kept_as_long_as_they_are_asked_for(
    serve: Any, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    worker = Worker(now="2021-06-20T12:00:00")
    worker.take("2020-09-15", cases(D1, 1, 1))
    for month in ("2020-10", "2020-11", "2020-12", "2021-01"):
        worker.take(f"{month}-15", History(D1).add("serial.issued", f"{month}-02", serial=month, event_id=month))
    worker.close_periods()
    with_log(worker, monkeypatch, reads)
    get = await serve(worker)
    labels = sorted(label for _, label in worker.states[0].closed)
    assert len(labels) == KEPT_CITIES + 1
    for asked, read in ((labels[0], 1), (labels[0], 1), (labels[1], 2), (labels[2], 3), (labels[3], 4), (labels[0], 4), (labels[4], 5),
                        (labels[0], 5), (labels[1], 6)):  # fmt: skip
        assert (await get("explain", **{**SCORE, "period": asked}))[0] == 200
        assert len(reads) == read


async def test_two_who_ask_at_once_read_the_log_once(monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    worker = closed_worker()
    with_log(worker, monkeypatch, reads)
    held = queries_of(worker)
    first, second = await asyncio.gather(held.explain(SCORE), held.explain(SCORE))
    assert first == second
    assert reads == [0]


async def test_a_broker_that_is_away_is_said(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(queries, "read_log", away)
    get = await serve(closed_worker())
    status, headers, body = await get("explain", **SCORE)
    assert (status, headers["Retry-After"]) == (503, "2")
    assert "the changelog cannot be read at the moment (KafkaConnectionError)" in body["detail"]


async def test_closed_before_anything_had_arrived(serve: Any, monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    worker = Worker()
    worker.take("2020-10-02", History("*").add("period.closed", "2020-10-02", period="2020-09", event_id="order"))
    worker.take("2020-10-15", cases(D1, 1, 1))
    worker.close_periods()
    assert worker.states[0].frozen[D1, "2020-09"].records == []
    with_log(worker, monkeypatch, reads)
    status, _, body = await (await serve(worker))("explain", **SCORE)
    assert (status, "had no score in 2020-09 when it was closed" in body["detail"]) == (404, True)
    assert reads == []
