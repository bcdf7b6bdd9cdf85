"""Asking workers: owners are found through Redis, several answers merged, and who does not answer is said in a sentence."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
import redis
from pydantic import SecretStr

from models.settings import Settings, load_settings
from scoring.live import LiveCity
from scoring.open_things import Filter, open_cases, open_requests
from streams.intake import partition_of
from streams.serving.layout import Layout
from streams.serving.workers import NoAnswerError, RefusedQueryError, Workers
from tests.serving.records import NOW, PERIOD, SECOND, A, B, text
from tests.serving.workers import CityWorkers, city_of, overdue
from tests.support.builder import D1, D2, D3, D4, History

Answer = Callable[[str, dict[str, str]], tuple[int, bytes]]


class Server:
    """A worker's server: `answer` is asked with the query and its parameters."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, dict[str, str], str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query, given = parts.path.removeprefix("/queries/"), dict(parse_qsl(parts.query))
                outer.asked.append((query, given, self.headers.get("Authorization")))
                status, body = answer(query, given)
                self.send_response(status)
                # Where more is announced than is sent: as by a worker that is killed meanwhile.
                self.send_header("Content-Length", str(len(body) + (1_000 if body.endswith(b"broken off") else 0)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Callable[[Answer], Server]]:
    held: list[Server] = []

    def start(answer: Answer) -> Server:
        held.append(Server(answer))
        return held[-1]

    yield start
    for each in held:
        each.close()


@pytest.fixture
def workers(settings: Settings) -> Iterator[Workers]:
    found = Workers(settings)
    yield found
    found.close()


@pytest.fixture
def own(settings: Settings, layout: Layout) -> Iterator[Callable[[int, str], None]]:
    with redis.Redis.from_url(settings.redis_url) as client:
        yield lambda partition, address: client.set(layout.owner(partition), address, ex=60) and None


def answers(status: int, body: bytes) -> Answer:
    return lambda query, asked: (status, body)


def test_the_owner_explains(workers: Workers, settings: Settings, server: Any, own: Any) -> None:
    expected = CityWorkers(city_of(History(A).case("S1", issued="2020-11-02"))).explain(A, PERIOD, "case_aggregation")
    worker = server(answers(200, expected.model_dump_json().encode()))
    own(partition_of(A, settings.partitions), worker.address)
    assert workers.explain(A, PERIOD, "case_aggregation", side="against", limit=7, after="0|case|S0") == expected
    asked = {"department": A, "period": PERIOD, "indicator": "case_aggregation", "side": "against", "limit": "7", "after": "0|case|S0"}
    assert worker.asked == [("explain", asked, None)]


def test_counts(workers: Workers, settings: Settings, server: Any, own: Any) -> None:
    worker = server(answers(200, b'{"online_depth": [3, 1]}'))
    own(partition_of(A, settings.partitions), worker.address)
    assert workers.evidence_counts(A, PERIOD) == {"online_depth": (3, 1)}
    assert worker.asked == [("counts", {"department": A, "period": PERIOD}, None)]


def test_the_token_is_sent(settings: Settings, server: Any, own: Any) -> None:
    worker = server(answers(200, b"{}"))
    own(partition_of(A, settings.partitions), worker.address)
    with_token = Workers(settings.model_copy(update={"query_token": SecretStr("a-token-for-queries")}))
    with_token.evidence_counts(A, PERIOD)
    with_token.close()
    assert worker.asked[0][2] == "Bearer a-token-for-queries"


def test_workers_are_asked_past_the_proxy_of_the_environment(
    workers: Workers, settings: Settings, server: Any, own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    own(partition_of(A, settings.partitions), server(answers(200, b"{}")).address)
    assert workers.evidence_counts(A, PERIOD) == {}


def test_without_an_owner_one_asks_again(workers: Workers, settings: Settings) -> None:
    with pytest.raises(NoAnswerError, match=f"no worker says that it has partition {partition_of(A, settings.partitions)}: .*ask again"):
        workers.explain(A, PERIOD, "online_depth")
    with pytest.raises(NoAnswerError, match="no worker says that it has partition 0, 1: "):
        workers.cases("open", Filter())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((503, b'{"detail": "partition 1 is not owned here"}'), "cannot answer now: partition 1 is not owned here"),
        ((401, b"queries need the bearer token\n"), "cannot answer now: queries need the bearer token$"),
        ((500, b"[1]"), r"cannot answer now: \[1\]"),
        ((200, b"{broken off"), "does not answer .*IncompleteRead.*its successor takes some seconds"),
        ((503, b"{broken off"), "cannot answer now: Service Unavailable"),
    ],
)
def test_a_worker_that_cannot_answer(workers: Workers, settings: Settings, server: Any, own: Any, answer: Any, says: str) -> None:
    worker = server(answers(*answer))
    own(partition_of(A, settings.partitions), worker.address)
    with pytest.raises(NoAnswerError, match=f"the worker at {worker.address} {says}"):
        workers.explain(A, PERIOD, "online_depth")


def test_a_worker_that_has_gone(workers: Workers, settings: Settings, own: Any) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
    own(partition_of(A, settings.partitions), address)
    with pytest.raises(NoAnswerError, match=rf"the worker at {address} does not answer \(.*refused\): it may have ended"):
        workers.explain(A, PERIOD, "online_depth")


@pytest.mark.parametrize("status", [404, 422])
def test_what_is_refused_is_passed_on(workers: Workers, settings: Settings, server: Any, own: Any, status: int) -> None:
    own(partition_of(A, settings.partitions), server(answers(status, b'{"detail": "no such score"}')).address)
    with pytest.raises(RefusedQueryError, match="no such score") as refused:
        workers.explain(A, PERIOD, "online_depth")
    assert refused.value.status == status


def test_redis_that_is_away_is_an_error_of_its_own() -> None:
    workers = Workers(load_settings(redis_url="redis://127.0.0.1:1/0"))
    with pytest.raises(redis.RedisError):
        workers.explain(A, PERIOD, "online_depth")
    workers.close()


CODES = (A, B, D1, D2, D3, D4)


def list_answer(cities: dict[int, LiveCity]) -> Answer:
    """As a worker that owns these partitions."""

    def answer(query: str, asked: dict[str, str]) -> tuple[int, bytes]:
        departments = asked.get("departments")
        wanted = Filter(
            None if departments is None else departments.split(","), asked.get("item"), asked.get("text"), asked["sort"],  # type: ignore[arg-type]
            int(asked["limit"]), asked.get("after"),
        )  # fmt: skip
        [number] = map(int, asked["partitions"].split(","))
        ask: Any = open_cases if query == "cases" else open_requests
        return 200, ask(cities[number], asked["state"], wanted).model_dump_json().encode()

    return answer


def test_several_workers_give_one_list(workers: Workers, settings: Settings, server: Any, own: Any) -> None:
    due = {f"{code[-3:]}-{n}": (code, -(7 * n + place) * SECOND) for n in range(1, 4) for place, code in enumerate(CODES)}
    held = {0: server(list_answer({0: city_of(*(overdue(due, c) for c in CODES if partition_of(c, 2) == 0))})),
            1: server(list_answer({1: city_of(*(overdue(due, c) for c in CODES if partition_of(c, 2) == 1))}))}  # fmt: skip
    for number, worker in held.items():
        own(number, worker.address)
    assert {partition_of(code, settings.partitions) for code in CODES} == {0, 1}
    items, after = [], None
    while True:
        page = workers.cases("overdue", Filter(limit=4, after=after))
        assert (page.total, page.as_of) == (18, text(NOW))
        items += page.items
        if (after := page.next_cursor) is None:
            break
    assert [item.serial for item in items] == sorted(due, key=lambda serial: due[serial][1])
    for worker in held.values():
        worker.asked.clear()
    assert {item.department for item in workers.cases("open", Filter(departments=(A,), limit=100)).items} == {A}
    asked = {number: len(worker.asked) for number, worker in held.items()}
    assert asked == {partition_of(A, 2): 1, 1 - partition_of(A, 2): 0}, "only its owner is asked"
    assert workers.requests("open", Filter(limit=100)).items == []


def test_one_worker_with_all_partitions_is_asked_once(workers: Workers, server: Any, own: Any) -> None:
    empty = orjson.dumps({"as_of": text(NOW), "total": 0, "items": [], "next_cursor": None})
    worker = server(answers(200, empty))
    own(0, worker.address)
    own(1, worker.address)
    assert workers.cases("suspended", Filter(departments=(A, B), item="I1", text="a&b", sort="serial", limit=3)).items == []
    numbers = ",".join(map(str, sorted({partition_of(A, 2), partition_of(B, 2)})))
    assert worker.asked == [
        ("cases", {"state": "suspended", "departments": ",".join(sorted((A, B))), "item": "I1", "text": "a&b", "sort": "serial", "limit": "3",
                   "partitions": numbers}, None),
    ]  # fmt: skip
