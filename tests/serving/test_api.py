"""The HTTP API, and its errors: problem documents, every one of them."""

from __future__ import annotations

import csv
import gzip
import io
import re
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from models.settings import Settings, load_settings
from scoring.indicators import INDICATORS
from streams.serving import api_live
from streams.serving.api_live import CASE_COLUMNS
from streams.serving.layout import Layout
from streams.serving.read_model import ReadModel, open_read_model
from streams.serving.web import create_app
from streams.serving.workers import NoAnswerError
from streams.serving.writer import Writer
from tests.serving.client import Answer, ask
from tests.serving.conftest import StandingClock
from tests.serving.records import (
    BEFORE,
    NOW,
    PERIOD,
    SECOND,
    A,
    B,
    adjustment,
    alert,
    audit,
    beat,
    interface,
    scores,
    status,
    table,
    text,
    write,
)
from tests.serving.workers import CityWorkers, cases_of_two, city_of
from tests.support.builder import History

EXPLAIN = "/api/v1/explain/{department}/{period}/{indicator}"


@pytest.fixture
async def app(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> FastAPI:
    await write(
        writer, layout,
        *scores(A, points="50"), *scores(B, points="60"), *scores(A, BEFORE), status(A, "甲"), status(B, "乙"),
        interface("JK1"), interface("JK2", B, up=False), table("KB1"), table("KB2", B, overdue=True), beat(0, NOW - SECOND), beat(1),
        *(alert(f"S{n}", department=[A, B][n % 2], due=NOW - n * SECOND) for n in range(5)),
        alert("D1", "case_due_soon", due=NOW + SECOND), alert("R1", state="resolved"), alert("J", "interface_failed", B, due=None),
        adjustment("E1", period=PERIOD), adjustment("E2", department=B), audit("1", NOW - SECOND, department=A), audit("2", department=B),
    )  # fmt: skip
    workers = cases_of_two({f"S{n}": ([A, B][n % 2], -(n + 1) * SECOND) for n in range(5)} | {"D1": (A, SECOND)})
    return create_app(settings, model, workers)


def is_problem(answer: Answer, status: int, path: str) -> dict[str, Any]:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert document["status"] == status
    assert document["instance"] == path
    assert document["title"]
    assert document["detail"]
    return document


async def test_periods(app: FastAPI) -> None:
    answer = await ask(app, "/api/v1/periods")
    assert [(p["period"], p["state"], p["current"]) for p in answer.json["items"]] == [(PERIOD, "open", True), (BEFORE, "closing", False)]


async def test_scores_of_the_current_period_by_default(app: FastAPI) -> None:
    answer = (await ask(app, "/api/v1/scores")).json
    assert answer["period"] == PERIOD
    assert len(answer["items"]) == 34
    assert [i["rank"] for i in answer["items"] if i["indicator"] == "total"] == [2, 1]
    [one] = (await ask(app, f"/api/v1/scores?period={BEFORE}&department={A}&indicator=instant_items")).json["items"]
    assert one == scores(A, BEFORE)[1].model_dump(exclude_none=True)
    assert (await ask(app, "/api/v1/scores?period=2019-01")).json == {"period": "2019-01", "items": []}


async def test_status(app: FastAPI) -> None:
    answer = (await ask(app, "/api/v1/status")).json
    assert [d["name"] for d in answer["items"]] == ["甲", "乙"]
    assert answer["items"][0]["cases_due_soon"] == {"24h": 1, "72h": 3}
    assert (answer["as_of"], answer["last_update"], answer["missing_partitions"]) == (text(NOW), text(NOW - SECOND), [])
    assert [p["partition"] for p in answer["partitions"]] == [0, 1]
    assert len((await ask(app, f"/api/v1/status?department={B}")).json["items"]) == 1


async def test_interfaces_and_tables(app: FastAPI) -> None:
    assert [i["interface"] for i in (await ask(app, "/api/v1/interfaces")).json["items"]] == ["JK1", "JK2"]
    assert [i["interface"] for i in (await ask(app, "/api/v1/interfaces?up=false")).json["items"]] == ["JK2"]
    for name in ("interfaces", "tables"):
        answer = await ask(app, f"/api/v1/{name}?format=csv")
        titles, *rows = csv.reader(answer.body.decode("utf-8-sig").splitlines())
        items = (await ask(app, f"/api/v1/{name}")).json["items"]
        assert titles[:3] == ["department", "department_name", name.removesuffix("s")]
        assert [(row[0], row[2]) for row in rows] == [(item["department"], item[name.removesuffix("s")]) for item in items]
        assert "true" in str(rows) or "false" in str(rows)
    assert [i["table"] for i in (await ask(app, f"/api/v1/tables?department={A}")).json["items"]] == ["KB1"]
    assert [i["table"] for i in (await ask(app, "/api/v1/tables?overdue=true")).json["items"]] == ["KB2"]


async def test_alerts(app: FastAPI) -> None:
    assert (await ask(app, "/api/v1/alerts")).json["total"] == 7
    assert [a["id"].split("|")[2:4] for a in (await ask(app, "/api/v1/alerts?state=resolved")).json["items"]] == [["case", "R1"]]
    assert (await ask(app, "/api/v1/alerts?state=all")).json["total"] == 8
    found = (await ask(app, f"/api/v1/alerts?kind=interface_failed&kind=case_due_soon&department={B}")).json
    assert [a["kind"] for a in found["items"]] == ["interface_failed"]


async def test_cases_are_paged(app: FastAPI) -> None:
    first = (await ask(app, "/api/v1/cases?limit=3")).json
    assert (first["total"], [c["serial"] for c in first["items"]]) == (5, ["S4", "S3", "S2"])
    assert first["items"][0] == {
        "department": A, "department_name": "甲", "serial": "S4", "item": "I1", "item_name": None, "acceptance_no": "NS4",
        "accepted_at": "2020-11-02T12:00:00+08:00", "state": "overdue", "suspended": False, "due_at": text(NOW - 5 * SECOND),
        "seconds_left": -5, "due": first["items"][0]["due"],
    }  # fmt: skip
    assert first["items"][0]["due"]["given"]
    assert first["as_of"] == text(NOW)
    second = (await ask(app, f"/api/v1/cases?limit=3&cursor={first['next_cursor']}")).json
    assert ([c["serial"] for c in second["items"]], second["next_cursor"]) == (["S1", "S0"], None)
    assert [c["serial"] for c in (await ask(app, f"/api/v1/cases?department={B}")).json["items"]] == ["S3", "S1"]
    assert [c["serial"] for c in (await ask(app, "/api/v1/cases?state=due_soon")).json["items"]] == ["D1"]


async def test_cases_are_found_sorted_and_sent_as_a_file(app: FastAPI) -> None:
    async def serials(query: str) -> list[str]:
        return [case["serial"] for case in (await ask(app, f"/api/v1/cases?state=open&{query}")).json["items"]]

    assert await serials("sort=serial") == ["D1", "S0", "S1", "S2", "S3", "S4"]
    assert await serials("text=NS3") == ["S3"]
    assert await serials("item=I1&sort=department&text=S") == ["S4", "S2", "S0", "S3", "S1"]
    assert await serials("item=I2") == []
    answer = await ask(app, "/api/v1/cases?state=open&format=csv&limit=2")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="cases.csv"'
    head, *rows = csv.reader(io.StringIO(answer.body.decode("utf-8-sig")))
    assert head == list(CASE_COLUMNS)
    assert [row[head.index("serial")] for row in rows] == ["S4", "S3", "S2", "S1", "S0", "D1"], "all pages, whatever the limit"
    assert rows[0][:3] == [A, "甲", "S4"]


async def test_a_file_has_all_pages_to_a_bound(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serials() -> list[str]:
        answer = await ask(app, "/api/v1/cases?state=open&format=csv&sort=serial")
        return [row[2] for row in list(csv.reader(io.StringIO(answer.text)))[1:]]

    monkeypatch.setattr(api_live, "PAGE_ROWS", 2)
    assert await serials() == ["D1", "S0", "S1", "S2", "S3", "S4"]
    monkeypatch.setattr(api_live, "CSV_ROWS", 3)
    assert await serials() == ["D1", "S0", "S1", "S2"], "to the end of a page"


async def test_an_explanation_by_its_pages(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, status(A, "甲"), adjustment("E2", "case_aggregation"), adjustment("E3"))
    history = History(A).add("department.docking_changed", "2020-10-01")
    for n in range(5):
        history.case(f"S{n}", issued="2020-10-10", **({"passed": "2020-10-11"} if n < 2 else {}))
    app = create_app(settings, model, CityWorkers(city_of(history), closing="auto|2020-10"))
    whole = (await ask(app, f"/api/v1/explain/{A}/{BEFORE}/case_aggregation")).json
    assert (whole["record"]["numerator"], whole["record"]["denominator"]) == ("2", "5")
    assert whole["counted"] == {"against": 3, "for": 2}
    assert whole["closing"] == "auto|2020-10"
    assert [late["event_id"] for late in whole["adjustments"]] == ["E2"]
    rows, cursor = [], ""
    while cursor is not None:
        page = (await ask(app, f"/api/v1/explain/{A}/{BEFORE}/case_aggregation?limit=2{cursor and '&cursor=' + cursor}")).json
        rows, cursor = rows + page["evidence"], page["next_cursor"]
    assert rows == whole["evidence"]
    assert [row["id"] for row in rows] == ["S2", "S3", "S4", "S0", "S1"]
    for_ = (await ask(app, f"/api/v1/explain/{A}/{BEFORE}/case_aggregation?side=for")).json
    assert (for_["evidence"], for_["counted"]) == (rows[3:], whole["counted"])
    for path in (f"/api/v1/explain/{B}/{BEFORE}/case_aggregation", f"/api/v1/explain/{A}/{BEFORE}/nothing"):
        assert "no " in is_problem(await ask(app, path), 404, path)["detail"]


async def test_while_no_worker_answers_one_is_told_to_ask_again(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    def nobody(*_: Any, **__: Any) -> None:
        raise NoAnswerError("the worker at 10.1.2.3:9101 does not answer")

    for name in ("explain", "cases", "requests"):
        setattr(app.state.workers, name, nobody)
    for path in (f"/api/v1/explain/{A}/{PERIOD}/case_aggregation", "/api/v1/cases", "/requests", f"/explain/{A}/{PERIOD}/case_aggregation"):
        answer = await ask(app, path)
        assert "ask again" in is_problem(answer, 503, path)["detail"]
        assert answer.headers["retry-after"] == "5"
        assert "10.1.2.3" not in answer.text
    assert "10.1.2.3" in caplog.text


async def test_adjustments(app: FastAPI) -> None:
    answer = (await ask(app, "/api/v1/adjustments")).json
    assert (answer["period"], [a["event_id"] for a in answer["items"]]) == (PERIOD, ["E1"])
    assert (await ask(app, f"/api/v1/adjustments?period={BEFORE}")).json["items"] == [adjustment("E2", department=B).model_dump()]
    assert (await ask(app, f"/api/v1/adjustments?period={BEFORE}&department={A}")).json["items"] == []


async def test_audit(app: FastAPI) -> None:
    first = (await ask(app, "/api/v1/audit?limit=1")).json
    assert first["items"] == [audit("2", department=B).model_dump()]
    second = (await ask(app, f"/api/v1/audit?limit=1&cursor={first['next_cursor']}")).json
    assert ([a["id"] for a in second["items"]], second["next_cursor"]) == (["1"], None)
    assert [a["id"] for a in (await ask(app, f"/api/v1/audit?department={A}&action=period.closed")).json["items"]] == ["1"]
    assert (await ask(app, "/api/v1/audit?action=sample.drawn")).json["items"] == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/api/v1/audit?action=nothing", "action"),
        ("/api/v1/scores?period=2020-13", "period"),
        ("/api/v1/scores?indicator=other", "indicator"),
        ("/api/v1/cases?state=closed", "state"),
        ("/api/v1/requests?state=suspended", "state"),
        ("/api/v1/cases?sort=colour", "sort"),
        ("/api/v1/cases?format=xml", "format"),
        (f"/api/v1/explain/{A}/2020-13/case_aggregation", "period"),
        (f"/api/v1/explain/{A}/{PERIOD}/case_aggregation?side=both", "side"),
        ("/api/v1/cases?limit=0", "limit"),
        ("/api/v1/cases?limit=1001", "limit"),
        ("/api/v1/cases?cursor=%21%21", "next_cursor"),
        ("/api/v1/cases?cursor=_____w", "next_cursor"),
        ("/api/v1/alerts?kind=nothing", "kind"),
        ("/?period=november", "period"),
    ],
)
async def test_wrong_parameters_are_named(app: FastAPI, url: str, says: str) -> None:
    assert says in is_problem(await ask(app, url), 422, url.partition("?")[0])["detail"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing", "/departments/nobody", "/indicators/nothing", "/static/nothing.css"])
async def test_what_is_not_there(app: FastAPI, path: str) -> None:
    is_problem(await ask(app, path), 404, path)


async def test_other_methods(app: FastAPI) -> None:
    answer = await ask(app, "/api/v1/scores", method="OPTIONS")
    is_problem(answer, 405, "/api/v1/scores")
    assert answer.headers["allow"] == "GET"
    is_problem(await ask(app, "/api/v1/scores", method="POST"), 403, "/api/v1/scores")  # who has no user may only look


@pytest.mark.parametrize("path", ["/api/v1/scores", "/api/v1/cases", "/", "/readyz", "/cases"])
async def test_redis_down(path: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings(redis_url="redis://:secret@127.0.0.1:1/3")
    model = open_read_model(settings, StandingClock())
    answer = await ask(create_app(settings, model), path)
    detail = is_problem(answer, 503, path)["detail"]
    assert "cannot be read at the moment" in detail
    assert "127.0.0.1" not in answer.text
    assert "Redis at 127.0.0.1:1/3 cannot be read" in caplog.text
    assert "ONESTOP_REDIS_URL" in caplog.text
    assert "secret" not in answer.text + caplog.text
    assert answer.headers["retry-after"] == "5"


async def test_faults_of_the_program(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr(app.state.model, "periods", broken)
    answer = await ask(app, "/api/v1/periods")
    is_problem(answer, 500, "/api/v1/periods")
    assert "inner secret" not in answer.text


async def test_a_browser_gets_errors_as_pages(app: FastAPI) -> None:
    answer = await ask(app, "/departments/%3Cb%3E", accept="text/html,application/xhtml+xml")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<b>" not in answer.text
    is_problem(await ask(app, "/api/v1/nothing", accept="text/html"), 404, "/api/v1/nothing")


async def test_openapi_describes_every_answer(app: FastAPI) -> None:
    schema = (await ask(app, "/api/openapi.json")).json
    schema["paths"].pop("/api/v1/stream")  # tests/serving/test_stream.py
    assert set(schema["paths"]) == {
        f"/api/v1/{name}"
        for name in ("periods", "scores", "status", "interfaces", "tables", "alerts", "cases", "requests", "adjustments", "audit")
    } | {EXPLAIN}
    for path, operations in schema["paths"].items():
        described = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator({**described, "components": schema["components"]})
        url = path.format(department=A, period=PERIOD, indicator="case_aggregation")
        validator.validate((await ask(app, url)).json)
        live = {"404"} if path in (EXPLAIN, "/api/v1/cases", "/api/v1/requests") else set()
        assert set(operations["get"]["responses"]) == {"200", "401", "403", "422", "429", "503"} | live
        assert list(operations["get"]["responses"]["422"]["content"]) == ["application/problem+json"]


async def test_the_documentation_needs_nothing_from_elsewhere(app: FastAPI) -> None:
    page = (await ask(app, "/api/docs")).text
    for path in (await ask(app, "/api/openapi.json")).json["paths"]:
        assert path in page
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert all(indicator.id in page for indicator in INDICATORS)


async def test_health_and_readiness(app: FastAPI, clock: StandingClock, writer: Writer, layout: Layout) -> None:
    assert (await ask(app, "/healthz")).json == {"status": "ok"}
    clock.instant = NOW + 58 * SECOND
    assert (await ask(app, "/readyz")).json == {"status": "ready", "last_update": text(NOW - SECOND), "catching_up": []}
    clock.instant = NOW + 60 * SECOND
    assert "61 s old" in is_problem(await ask(app, "/readyz"), 503, "/readyz")["detail"]
    await write(writer, layout, beat(0, NOW + SECOND, catching_up=True))
    assert (await ask(app, "/readyz")).json["catching_up"] == [0]


async def test_not_ready_before_every_partition_has_been_heard_of(
    settings: Settings, model: ReadModel, writer: Writer, layout: Layout
) -> None:
    await write(writer, layout, beat(0))
    assert "partitions 1 " in is_problem(await ask(create_app(settings, model), "/readyz"), 503, "/readyz")["detail"]


async def test_metrics_as_text_and_openmetrics(app: FastAPI) -> None:
    answer = await ask(app, "/metrics", accept="text/plain;version=0.0.4")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert f'govscore_department_rank{{department="{A}",period="{PERIOD}"}} 2.0' in answer.text
    assert (await ask(app, "/metrics", accept="application/openmetrics-text;version=1.0.0")).text.endswith("# EOF\n")


async def test_answers_are_compressed_once(app: FastAPI) -> None:
    for url in ("/metrics", "/api/v1/scores", "/"):
        plain, packed = await ask(app, url), await ask(app, url, encoding="gzip")
        assert "content-encoding" not in plain.headers
        assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
        assert int(packed.headers.get("content-length", len(packed.body))) == len(packed.body)
        assert abs(len(gzip.decompress(packed.body)) - len(plain.body)) < 50  # scoreboard_collect_seconds has more or fewer digits


async def test_prometheus_gets_text_and_only_who_takes_nothing_else_openmetrics(app: FastAPI) -> None:
    asked = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.2"
    assert (await ask(app, "/metrics", accept=asked)).headers["content-type"].startswith("text/plain; version=0.0.4")
