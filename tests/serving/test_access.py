"""Who is let in, as whom, and what each sees; what is too much."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import pytest
import yaml
from fastapi import Depends, FastAPI

from models.settings import Settings, SettingsError
from streams.serving.access import may_alert
from streams.serving.layout import Layout
from streams.serving.limits import BURST, MAX_BODY_BYTES, MAX_CLIENTS, MAX_URL_BYTES, Buckets
from streams.serving.read_model import ReadModel
from streams.serving.sessions import FORM_TYPE, checked_form, form_token, holder, issue
from streams.serving.users import User, Users, UsersFile, read_users, write_users
from streams.serving.web import create_app
from streams.serving.writer import Writer
from streams.tokens import hash_of, new_token
from tests.serving.client import Answer, ask
from tests.serving.conftest import StandingClock
from tests.serving.records import BEFORE, HOUR, NOW, PERIOD, SECOND, A, B, C, alert, beat, interface, scores, status, table, write
from tests.serving.workers import cases_of_two
from tests.support.builder import History
from tests.support.faust_fakes import facts_of_events

TOKENS = {name: new_token() for name in ("张三", "viewer", "recorder", "of-a")}
METRICS_TOKEN = "a-token-for-prometheus"
ALERT_TOKEN = "a-token-for-alertmanager"
PATHS = (
    "/", "/cases", "/cases?state=due_soon", "/requests", f"/explain/{A}/{PERIOD}/case_aggregation", f"/departments/{A}", "/indicators/instant_items", "/api/docs", "/api/openapi.json", "/readyz",
    *(f"/api/v1/{name}" for name in ("periods", "scores", "status", "interfaces", "tables", "alerts", "alerts?state=all", "cases", "requests", "adjustments", "audit")),
    f"/api/v1/explain/{A}/{PERIOD}/case_aggregation", "/api/v1/cases?format=csv", "/api/v1/requests?format=csv",
)  # fmt: skip


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    users = [
        User(name="张三", token_sha256=hash_of(TOKENS["张三"]), role="admin"),
        User(name="viewer", token_sha256=hash_of(TOKENS["viewer"])),
        User(name="recorder", token_sha256=hash_of(TOKENS["recorder"]), role="recorder"),
        User(name="of-a", token_sha256=hash_of(TOKENS["of-a"]), role="recorder", departments=(A,)),
    ]
    write_users(path, Users(users=users))
    return path


@pytest.fixture
async def written(writer: Writer, layout: Layout) -> None:
    await write(
        writer, layout,
        *scores(A, points="50"), *scores(B, points="60"), *scores(B, BEFORE), status(A, "甲"), status(B, "乙"),
        interface("JK1"), interface("JK2", B, up=False), table("KB1"), table("KB2", B, overdue=True), beat(0, NOW - SECOND), beat(1),
        *(alert(f"S{n}", department=[A, B][n % 2], due=NOW - n * SECOND) for n in range(5)), alert("D1", "case_due_soon", B, due=NOW + SECOND),
        alert("R1", state="resolved"), alert("R2", department=B, state="resolved"),
    )  # fmt: skip


@pytest.fixture
def app(settings: Settings, model: ReadModel, users_file: Path, written: None) -> FastAPI:
    workers = cases_of_two({f"S{n}": ([A, B][n % 2], -(n + 1) * SECOND) for n in range(5)} | {"D1": (B, SECOND)})
    for department in (A, B):
        for fact in facts_of_events(
            History(department).add("request.raised", "2020-10-12", requester=C, event_id=f"request-{department}").events
        ):
            workers.city.take(fact)
    workers.city.settle()
    return create_app(settings.model_copy(update={"users_file": users_file}), model, workers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(name: str, token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{token}".encode()).decode()}


# Who is let in


@pytest.mark.parametrize("path", [*PATHS, "/metrics", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {}, bearer("x" * 43), bearer(""), bearer(hash_of(TOKENS["张三"])), basic("张三", TOKENS["viewer"]), basic("张三", ""), basic("", TOKENS["viewer"]),
        {"Authorization": "Basic %%%"}, {"Authorization": "Basic"}, {"Authorization": "Negotiate abc"}, {"Authorization": TOKENS["viewer"]},
        {"X-Forwarded-User": "张三"},
    ],
)  # fmt: skip
async def test_without_a_right_token_nothing_is_seen(app: FastAPI, path: str, headers: dict[str, str]) -> None:
    headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    answer = await ask(app, path, headers=headers)
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="onestop", Basic realm="onestop", charset="UTF-8"'
    assert A not in answer.text.replace(path, "")
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/static/style.css"])
async def test_health_and_the_style_are_open(app: FastAPI, path: str) -> None:
    assert (await ask(app, path)).status == 200


@pytest.mark.parametrize("headers", [bearer(TOKENS["viewer"]), basic("viewer", TOKENS["viewer"]), basic("张三", TOKENS["张三"])])
@pytest.mark.parametrize("path", [*PATHS, "/metrics"])
async def test_a_user_sees_everything(app: FastAPI, path: str, headers: dict[str, str]) -> None:
    assert (await ask(app, path, headers=headers)).status == 200


async def test_a_browser_is_sent_to_the_page_for_signing_in(app: FastAPI) -> None:
    for path in ("/cases?state=due_soon", "/api/docs", "/api/v1/scores"):
        answer = await ask(app, path, accept="text/html")
        assert (answer.status, answer.headers["location"]) == (303, f"/login?next={quote(path, safe='/')}")
        assert "www-authenticate" not in answer.headers
    assert (await ask(app, "/", accept="text/html", headers=bearer("x" * 43))).status == 401
    fetched = await ask(app, "/api/v1/scores", headers={"Sec-Fetch-Mode": "cors"})
    assert fetched.headers["www-authenticate"] == 'Bearer realm="onestop"', "no window of the browser's own"


# Sessions


async def sign_in(app: FastAPI, name: str, token: str, following: str = "/", **headers: str) -> Answer:
    body = urlencode({"name": name, "token": token, "next": following}).encode()
    return await ask(app, "/login", method="POST", headers={"Content-Type": FORM_TYPE, **headers}, body=body)


async def session_of(app: FastAPI, name: str) -> str:
    answer = await sign_in(app, name, TOKENS[name])
    assert answer.status == 303
    return answer.headers["set-cookie"].partition(";")[0]


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", list(TOKENS))
async def test_signing_in_begins_a_session_that_sees_what_the_user_may(app: FastAPI, name: str) -> None:
    answer = await sign_in(app, name, TOKENS[name], "/cases?state=overdue")
    assert (answer.status, answer.headers["location"]) == (303, "/cases?state=overdue")
    assert re.fullmatch(r"onestop-session=[\w.=-]+; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", answer.headers["set-cookie"])
    cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    page = await ask(app, "/", accept="text/html", headers=cookie)
    assert page.status == 200
    assert f'<span class="who">{name}</span>' in page.text
    assert ('href="/record"' in page.text) == (name != "viewer")
    assert (await ask(app, f"/departments/{B}", headers=cookie)).status == (403 if name == "of-a" else 200)
    assert (await ask(app, "/login", accept="text/html", headers=cookie)).headers["location"] == "/"


async def test_behind_tls_the_cookie_goes_over_tls_only(app: FastAPI, settings: Settings, model: ReadModel, users_file: Path) -> None:
    forwarded = {"X-Forwarded-Proto": "https"}
    assert "Secure" not in (await sign_in(app, "viewer", TOKENS["viewer"], **forwarded)).headers["set-cookie"], "anyone can write that"
    proxied = create_app(settings.model_copy(update={"users_file": users_file, "trusted_proxy": True}), model)
    assert "; Secure" in (await sign_in(proxied, "viewer", TOKENS["viewer"], **forwarded)).headers["set-cookie"]
    assert "; Secure" not in (await sign_in(proxied, "viewer", TOKENS["viewer"])).headers["set-cookie"]


@pytest.mark.parametrize(
    ("name", "token"),
    [("viewer", TOKENS["张三"]), ("nobody", TOKENS["viewer"]), ("viewer", ""), ("", ""), ("viewer", hash_of(TOKENS["viewer"])), ("张三", "x" * 43)],
    ids=["of-another", "of-nobody", "none", "nothing", "the-hash", "as-long"],  # tokens are other ones each time
)  # fmt: skip
async def test_a_wrong_token_begins_none_and_is_not_logged(app: FastAPI, caplog: pytest.LogCaptureFixture, name: str, token: str) -> None:
    answer = await sign_in(app, name, token, "/cases")
    assert (answer.status, "set-cookie" in answer.headers) == (403, False)
    assert "Name and token do not belong together" in answer.text
    assert 'name="next" value="/cases"' in answer.text
    assert f"Signing in as {name!r} from 127.0.0.1 failed" in caplog.text
    assert not token or token not in caplog.text + answer.text


async def test_who_fails_often_has_to_wait(app: FastAPI) -> None:
    statuses = [(await sign_in(app, "viewer", "x")).status for _ in range(12)]
    assert statuses == [403] * 10 + [429] * 2
    assert (await sign_in(app, "viewer", TOKENS["viewer"])).status == 429, "nor may he try the right one"
    body = urlencode({"name": "viewer", "token": TOKENS["viewer"]}).encode()
    elsewhere = await ask(app, "/login", method="POST", headers={"Content-Type": FORM_TYPE}, body=body, client="10.0.0.9")
    assert elsewhere.status == 303


async def test_signing_in_is_for_our_own_page(app: FastAPI) -> None:
    assert (await sign_in(app, "viewer", TOKENS["viewer"], **{"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await sign_in(app, "viewer", TOKENS["viewer"], **{"Sec-Fetch-Site": "same-origin"})).status == 303


@pytest.mark.parametrize(
    "wanted",
    [
        "//example.org",
        "/\\example.org",
        "https://example.org",
        "/\t/example.org",
        "\\example.org",
        "javascript:x",
        "",
        "cases",
        "/a b",
        "/甲",
    ],
)
async def test_signing_in_leads_to_no_other_site(app: FastAPI, wanted: str) -> None:
    assert (await sign_in(app, "viewer", TOKENS["viewer"], wanted)).headers["location"] == "/"
    page = await ask(app, f"/login?{urlencode({'next': wanted})}", accept="text/html")
    assert 'name="next" value="/"' in page.text


async def test_a_session_ends_after_twelve_hours_and_holds_with_every_process(
    app: FastAPI, settings: Settings, model: ReadModel, users_file: Path, clock: StandingClock
) -> None:
    cookie = {"Cookie": await session_of(app, "viewer")}
    another = create_app(settings.model_copy(update={"users_file": users_file}), model)
    clock.instant += 12 * HOUR - SECOND
    assert (await ask(another, "/api/v1/scores", headers=cookie)).status == 200
    clock.instant += SECOND
    assert (await ask(app, "/api/v1/scores", headers=cookie)).status == 401
    clock.instant -= 14 * HOUR
    assert (await ask(app, "/api/v1/scores", headers=cookie)).status == 401, "one of a time that has not come"


async def test_who_is_removed_or_has_another_token_or_role_has_it_with_the_next_request(app: FastAPI, users_file: Path) -> None:
    cookies = {name: {"Cookie": await session_of(app, name)} for name in TOKENS}
    held = {user.name: user for user in read_users(users_file).users}
    changed = held["recorder"].model_copy(update={"token_sha256": hash_of(new_token())})
    limited = held["viewer"].model_copy(update={"departments": (A,)})
    write_users(users_file, Users(users=[held["张三"], changed, limited]))
    statuses = {name: (await ask(app, f"/departments/{B}", headers=cookie)).status for name, cookie in cookies.items()}
    assert statuses == {"张三": 200, "recorder": 401, "viewer": 403, "of-a": 401}


async def test_a_cookie_is_believed_only_as_it_was_signed(app: FastAPI) -> None:
    good = (await session_of(app, "viewer")).partition("=")[2]
    issued, name, signature = good.split(".")
    admin = (await session_of(app, "张三")).split(".")[1]
    forged = [
        f"{issued}.{admin}.{signature}", f"{int(issued) + 1}.{name}.{signature}", f"{issued}.{name}.{'0' * 64}", f"{issued}.{name}", f"{issued}.{name}.",
        f"{issued}.%.{signature}", f"x.{name}.{signature}", f"{issued}.{name}.{signature}.x", "", "...", f"{issued}.{name}.\u00e9",
    ]  # fmt: skip
    assert (await ask(app, "/api/v1/scores", headers={"Cookie": f"onestop-session={good}"})).status == 200
    for value in forged:
        assert (await ask(app, "/api/v1/scores", headers={"Cookie": f"onestop-session={value}"})).status == 401, value
    nobody = User(name="proxied", token_sha256="0" * 64)
    assert holder(Users(users=[nobody]), issue(nobody, NOW), NOW) is None, "whose token is none, anyone could sign for"


async def test_signing_out(app: FastAPI) -> None:
    cookie = {"Cookie": await session_of(app, "viewer")}
    csrf = csrf_in((await ask(app, "/", accept="text/html", headers=cookie)).text)
    form = {**cookie, "Content-Type": FORM_TYPE}
    assert (await ask(app, "/logout", method="POST", headers=form)).status == 403
    answer = await ask(app, "/logout", method="POST", headers=form, body=f"csrf={csrf}".encode())
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert answer.headers["set-cookie"].startswith('onestop-session=""; ')


async def test_without_users_nobody_signs_in(settings: Settings, model: ReadModel) -> None:
    app = create_app(settings, model)
    assert (await ask(app, "/login")).status == 404
    assert "/logout" not in (await ask(app, "/")).text


# Forms


@pytest.fixture
def form_app(app: FastAPI) -> FastAPI:
    @app.post("/form")
    async def take(form: Annotated[dict[str, str], Depends(checked_form)]) -> dict[str, str]:
        return form

    return app


async def send(app: FastAPI, headers: dict[str, str], **form: str) -> Answer:
    return await ask(app, "/form", method="POST", headers={"Content-Type": FORM_TYPE, **headers}, body=urlencode(form).encode())


async def test_a_form_carries_the_token_of_its_session(form_app: FastAPI) -> None:
    cookies = {name: {"Cookie": await session_of(form_app, name)} for name in ("recorder", "张三", "viewer")}
    csrf = {name: csrf_in((await ask(form_app, "/", accept="text/html", headers=cookie)).text) for name, cookie in cookies.items()}
    answer = await send(form_app, cookies["recorder"], csrf=csrf["recorder"], why="因为 a&b", empty="")
    assert (answer.status, answer.json) == (200, {"why": "因为 a&b", "empty": ""})
    for wrong in ("", csrf["张三"], csrf["recorder"][:-1], csrf["recorder"] + "0", "é"):
        refused = await send(form_app, cookies["recorder"], csrf=wrong)
        assert (refused.status, "does not come from a page of your session" in refused.json["detail"]) == (403, True)
    assert (await send(form_app, cookies["viewer"], csrf=csrf["viewer"])).status == 403


async def test_a_token_of_an_earlier_session_is_none(form_app: FastAPI, clock: StandingClock) -> None:
    first = {"Cookie": await session_of(form_app, "recorder")}
    csrf = csrf_in((await ask(form_app, "/", accept="text/html", headers=first)).text)
    clock.instant += SECOND
    second = {"Cookie": await session_of(form_app, "recorder")}
    assert (await send(form_app, second, csrf=csrf)).status == 403


async def test_basic_sends_no_form_and_bearer_needs_no_token(form_app: FastAPI) -> None:
    cookie = {"Cookie": await session_of(form_app, "recorder")}
    csrf = csrf_in((await ask(form_app, "/", accept="text/html", headers=cookie)).text)
    known = basic("recorder", TOKENS["recorder"])
    for given in ("", csrf):
        assert (await send(form_app, known, csrf=given)).status == 403
        assert (await send(form_app, {**known, **cookie}, csrf=given)).status == 403
    assert (await send(form_app, bearer(TOKENS["recorder"]), why="x")).json == {"why": "x"}


async def test_whom_a_proxy_names_has_a_token_too(form_app: FastAPI, settings: Settings, model: ReadModel, users_file: Path) -> None:
    app = create_app(settings.model_copy(update={"trusted_proxy": True, "proxy_user_header": "X-Remote", "users_file": users_file}), model)
    app.router.routes.append(next(route for route in form_app.routes if getattr(route, "path", "") == "/form"))
    named = {"X-Remote": "recorder"}
    assert (await send(app, named)).status == 403
    page = (await ask(app, "/", accept="text/html", headers=named)).text
    assert "/logout" not in page, "the proxy signs people out"
    assert (await send(app, named, csrf=form_token(read_users(users_file).users[2], "proxy"))).status == 200


async def test_what_is_no_form_is_refused(form_app: FastAPI) -> None:
    headers = bearer(TOKENS["recorder"])

    async def status(body: bytes, kind: str = FORM_TYPE) -> int:
        return (await ask(form_app, "/form", method="POST", headers={**headers, "Content-Type": kind}, body=body)).status

    assert await status(b"a=1", "text/plain") == await status(b"a=1", "") == 415
    assert await status(b"a=1", f"{FORM_TYPE}; charset=utf-8") == 200
    assert await status(b"a=%ff") == await status("a=甲".encode()) == await status(b"a&" * 201) == 422
    assert await status(b"a=" + b"x" * MAX_BODY_BYTES) == 413


@pytest.mark.parametrize(("name", "status"), [("viewer", 403), ("recorder", 405), ("张三", 405)])
async def test_who_only_looks_changes_nothing(app: FastAPI, name: str, status: int) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await ask(app, "/api/v1/scores", method=method, headers=bearer(TOKENS[name]))).status == status


async def test_who_is_removed_is_out_at_once_and_a_broken_file_lets_nobody_in(
    app: FastAPI, users_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await ask(app, "/", headers=bearer(TOKENS["viewer"]))).status == 200
    held = read_users(users_file)
    write_users(users_file, Users(users=[user for user in held.users if user.name != "viewer"]))
    assert (await ask(app, "/", headers=bearer(TOKENS["viewer"]))).status == 401
    assert (await ask(app, "/", headers=bearer(TOKENS["张三"]))).status == 200
    users_file.write_text("users: [", encoding="utf-8")
    assert (await ask(app, "/", headers=bearer(TOKENS["张三"]))).status == 401
    assert "is not YAML at line 1" in caplog.text
    write_users(users_file, held)
    assert (await ask(app, "/", headers=bearer(TOKENS["viewer"]))).status == 200
    users_file.unlink()
    assert (await ask(app, "/", headers=bearer(TOKENS["viewer"]))).status == 401


# What each sees


@pytest.mark.parametrize("path", PATHS)
async def test_a_department_sees_nothing_of_another(app: FastAPI, path: str) -> None:
    for accept in ("*/*", "text/html"):
        answer = await ask(app, path, accept=accept, headers=bearer(TOKENS["of-a"]))
        assert answer.status == 200
        for hidden in (B, "乙", "JK2", "KB2"):
            assert hidden not in answer.text


async def test_a_department_sees_its_own(app: FastAPI) -> None:
    async def get(path: str) -> Any:
        return (await ask(app, f"/api/v1/{path}", headers=bearer(TOKENS["of-a"]))).json

    whole = (await ask(app, f"/api/v1/scores?department={A}", headers=bearer(TOKENS["viewer"]))).json
    assert (await get("scores")) == (await get(f"scores?department={A}")) == whole
    [total] = (await get("scores?indicator=total"))["items"]
    assert (total["rank"], total["ranked"]) == (2, 2), "the rank is that among all"
    assert (await get(f"scores?period={BEFORE}"))["items"] == []
    found = await get("alerts")
    assert (found["total"], [item["thing"] for item in found["items"]]) == (3, [f"{A}|case|S{n}" for n in (4, 2, 0)])
    first = await get("alerts?limit=2")
    assert (first["total"], len(first["items"])) == (3, 2)
    rest = await get(f"alerts?limit=2&cursor={first['next_cursor']}")
    assert [item["id"] for item in first["items"] + rest["items"]] == [item["id"] for item in found["items"]]
    assert {item["department"] for item in (await get("alerts?state=all"))["items"]} == {A}
    assert (await get("alerts?state=all"))["total"] == 4
    assert [(case["department"], case["serial"]) for case in (await get("cases"))["items"]] == [(A, f"S{n}") for n in (4, 2, 0)]
    assert (await get("cases"))["total"] == 3
    assert await get("cases") == await get(f"cases?department={A}")
    assert [request["department"] for request in (await get("requests"))["items"]] == [A]
    assert (await get(f"explain/{A}/{PERIOD}/case_aggregation"))["record"]["department"] == A
    assert [item["period"] for item in (await get("periods"))["items"]] == [PERIOD, BEFORE]
    assert [item["department"] for item in (await get("status"))["items"]] == [A]
    assert (await ask(app, f"/departments/{A}", headers=bearer(TOKENS["of-a"]))).status == 200


@pytest.mark.parametrize(
    "path",
    [f"/departments/{B}", "/departments/x", f"/cases?department={B}", f"/api/v1/scores?department={B}", f"/api/v1/alerts?department={A}&department={B}",
     f"/requests?department={B}", f"/api/v1/cases?department={B}", f"/api/v1/cases?department={B}&format=csv", f"/api/v1/requests?department={B}",
     f"/explain/{B}/{PERIOD}/case_aggregation", f"/api/v1/explain/{B}/{PERIOD}/case_aggregation", f"/api/v1/explain/x/{PERIOD}/nothing",
     f"/explain/{B}/{PERIOD}/case_aggregation?department={A}", f"/cases?department={A}&department={B}"],
)  # fmt: skip
async def test_asking_for_another_department_is_refused_whether_or_not_it_is_there(app: FastAPI, path: str) -> None:
    answer = await ask(app, path, headers=bearer(TOKENS["of-a"]))
    assert answer.status == 403
    assert "is not among those that of-a may see" in answer.json["detail"]


# Scrapers and Alertmanager


async def test_metrics(settings: Settings, model: ReadModel, users_file: Path, written: None) -> None:
    async def get(headers: dict[str, str], **changes: Any) -> Answer:
        held = Settings(**{**settings.model_dump(), "metrics_token": METRICS_TOKEN, **changes})
        return await ask(create_app(held, model), "/metrics", headers=headers)

    assert (await get(bearer(METRICS_TOKEN))).status == 200
    assert (await get({})).status == (await get(bearer("another-token-that-is-wrong"))).status == 401
    assert (await get(bearer(METRICS_TOKEN), users_file=users_file)).status == 200
    assert (await get(bearer(TOKENS["viewer"]), users_file=users_file)).status == 200
    assert (await get(bearer(TOKENS["of-a"]), users_file=users_file)).status == 401
    held = Settings(**{**settings.model_dump(), "metrics_token": METRICS_TOKEN, "users_file": users_file})
    assert (await ask(create_app(held, model), "/api/v1/scores", headers=bearer(METRICS_TOKEN))).status == 401


async def test_alerts_come_with_their_token(settings: Settings, model: ReadModel, users_file: Path) -> None:
    def with_(**changes: Any) -> Settings:
        return Settings(**{**settings.model_dump(), **changes})

    assert may_alert(with_(), None)
    assert not may_alert(with_(users_file=users_file), None)
    assert not may_alert(with_(web_address="0.0.0.0:80", trusted_proxy=True), None)
    guarded = with_(alert_token=ALERT_TOKEN, users_file=users_file)
    assert may_alert(guarded, f"Bearer {ALERT_TOKEN}")
    for wrong in (None, "", "Bearer", "Bearer x", ALERT_TOKEN, f"Basic {ALERT_TOKEN}"):
        assert not may_alert(guarded, wrong)
    app = create_app(guarded, model)
    # Let in, it finds that there is no such robot.
    assert (await ask(app, "/alerts/test", method="POST", headers=bearer(ALERT_TOKEN))).status == 404
    for headers in ({}, bearer(TOKENS["张三"])):
        assert (await ask(app, "/alerts/test", method="POST", headers=headers)).status == 401
    assert (await ask(app, "/api/v1/scores", headers=bearer(ALERT_TOKEN))).status == 401


# A proxy that names users


async def test_a_proxy_names_the_user(settings: Settings, model: ReadModel, users_file: Path, written: None) -> None:
    held = settings.model_copy(update={"trusted_proxy": True, "proxy_user_header": "X-Remote", "users_file": users_file})
    app = create_app(held, model)

    async def statuses(name: str | None) -> list[int]:
        headers = {} if name is None else {"X-Remote": name.encode().decode("latin-1")}
        return [(await ask(app, path, headers=headers)).status for path in (f"/departments/{A}", f"/departments/{B}")]

    assert await statuses("viewer") == [200, 200]
    assert await statuses("of-a") == [200, 403]
    assert await statuses("nobody") == [403, 403]
    assert await statuses(None) == [401, 401]
    assert (await ask(app, "/", headers=bearer(TOKENS["viewer"]))).status == 200
    without_file = create_app(held.model_copy(update={"users_file": None}), model)
    assert (await ask(without_file, "/", headers={"X-Remote": "anyone"})).status == 200
    assert (await ask(without_file, "/")).status == 401
    assert (await ask(without_file, "/api/v1/scores", method="POST", headers={"X-Remote": "anyone"})).status == 403


# Limits and headers


async def test_too_many_requests_of_one_client(app: FastAPI) -> None:
    headers = bearer(TOKENS["viewer"])
    found = [await ask(app, "/healthz", headers=headers, client="10.0.0.9") for _ in range(int(BURST) * 3)]
    refused = [answer for answer in found if answer.status == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json["title"] == "Too Many Requests"
    assert all(answer.status == 200 for answer in found[: int(BURST)])
    assert (await ask(app, "/healthz", client="10.0.0.10")).status == 200


async def test_behind_a_proxy_clients_are_told_apart(settings: Settings, model: ReadModel) -> None:
    app = create_app(settings.model_copy(update={"trusted_proxy": True}), model)
    for _ in range(int(BURST) * 3):
        last = await ask(app, "/healthz", headers={"X-Forwarded-For": "forged, 10.0.0.9"})
    assert last.status == 429
    assert (await ask(app, "/healthz", headers={"X-Forwarded-For": "10.0.0.9, 10.0.0.10"})).status == 200


def test_buckets_fill_again_and_are_forgotten() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    assert sum(buckets.seconds_to_wait("a") == 0 for _ in range(1_000)) == BURST
    wait = buckets.seconds_to_wait("a")
    assert 0 < wait < 1
    now += wait + 1e-6
    assert buckets.seconds_to_wait("a") == 0
    for number in range(MAX_CLIENTS * 2):
        buckets.seconds_to_wait(str(number))
    assert len(buckets._held) == MAX_CLIENTS


async def test_long_addresses_and_large_bodies(app: FastAPI) -> None:
    headers = bearer(TOKENS["张三"])

    @app.post("/body")
    async def take(body: dict[str, Any]) -> int:
        return len(body)

    assert (await ask(app, "/api/v1/scores?x=" + "x" * MAX_URL_BYTES, headers=headers)).status == 414
    json = {**headers, "Content-Type": "application/json"}
    assert (await ask(app, "/body", method="POST", headers=json, body=b'{"a": 1}')).json == 1
    for length in (str(MAX_BODY_BYTES + 1), "-1", "x", ""):
        assert (await ask(app, "/body", method="POST", headers={**json, "Content-Length": length}, body=b"{}")).status == 413
    large = await ask(app, "/body", method="POST", headers=json, body=b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}')
    assert large.status == 413


@pytest.mark.parametrize("path", [*PATHS, "/metrics", "/healthz", "/nothing", "/api/v1/scores?period=x"])
async def test_headers_of_every_answer(app: FastAPI, path: str) -> None:
    for headers in ({}, bearer(TOKENS["viewer"])):
        answer = await ask(app, path, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors" in policy
        assert "default-src 'none'" in policy
        assert "server" not in answer.headers


async def test_the_style_may_be_kept(app: FastAPI) -> None:
    assert (await ask(app, "/static/style.css")).headers["cache-control"] == "no-cache"


# The file


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "the file"), ("users: [", "is not YAML"), ("[]", "the file"), ("users: x", "users"), ("users: [{name: a}]", "users.0.token_sha256"),
        (f"users: [{{name: 'a b', token_sha256: '{'0' * 64}'}}]", "users.0.name"), (f"users: [{{name: a, token_sha256: '{'0' * 64}', role: king}}]", "users.0.role"),
        (f"users: [{{name: a, token_sha256: '{'0' * 64}', departments: []}}]", "users.0.departments"),
        (f"users: [{{name: a, token_sha256: '{'0' * 64}', departments: [x]}}]", "users.0.departments.0"),
        (f"users: [{{name: a, token_sha256: '{'0' * 64}'}}, {{name: a, token_sha256: '{'1' * 64}'}}]", "a is there twice"),
        (f"users: [{{name: a, token_sha256: '{'0' * 64}', more: 1}}]", "users.0.more"), ("[" * 5_000, "is not YAML"),
    ],
)  # fmt: skip
def test_a_wrong_users_file_stops_the_start(tmp_path: Path, settings: Settings, model: ReadModel, content: str, says: str) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        create_app(settings.model_copy(update={"users_file": path}), model)
    assert str(raised.value).startswith(f"ONESTOP_USERS_FILE={path}: ")
    assert says in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory; make it with `onestop users add NAME --role admin`"):
        UsersFile(tmp_path / "none.yaml")


def test_json_is_yaml(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text('{"users": [{"name": "a", "token_sha256": "%s", "role": "admin"}]}' % ("0" * 64), encoding="utf-8")
    assert read_users(path).users[0].may("recorder")


def test_a_new_file_is_its_owners_and_a_mode_set_by_hand_stays(tmp_path: Path, users_file: Path) -> None:
    assert stat.S_IMODE(users_file.stat().st_mode) == 0o600
    users_file.chmod(0o640)
    write_users(users_file, read_users(users_file))
    assert stat.S_IMODE(users_file.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["users.yaml"]
    content = yaml.safe_load(users_file.read_text(encoding="utf-8"))
    assert content["users"][3] == {"name": "of-a", "token_sha256": hash_of(TOKENS["of-a"]), "role": "recorder", "departments": [A]}
    assert not any(token in users_file.read_text(encoding="utf-8") for token in TOKENS.values())
