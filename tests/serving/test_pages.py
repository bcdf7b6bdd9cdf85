"""The pages: they show what there is, in both languages, and escape everything."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

import streams.serving
from models.records import Recount, RecountCause, RecountDifference
from models.settings import Settings
from scoring.indicators import INDICATORS
from streams.serving.layout import Layout
from streams.serving.pages.audit import ACTIONS
from streams.serving.pages.department import trend_of
from streams.serving.read_model import ALERT_KINDS, ReadModel
from streams.serving.rows import row_of
from streams.serving.texts import REASONS, TEXTS, reason_text, span_text
from streams.serving.texts_live import LIVE_TEXTS
from streams.serving.users import User, Users, write_users
from streams.serving.web import create_app
from streams.serving.writer import Writer
from streams.tokens import hash_of, new_token
from tests.serving.client import ask
from tests.serving.conftest import StandingClock
from tests.serving.records import (
    BEFORE,
    HOUR,
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
    score,
    scores,
    status,
    table,
    text,
    total,
    write,
)
from tests.serving.workers import CityWorkers, cases_of_two, city_of
from tests.support.builder import History

EVIL = "<script>alert(\"&')</script>"
PAGES = [
    "/",
    f"/?period={BEFORE}",
    f"/departments/{A}",
    "/indicators/case_aggregation",
    "/indicators/guide_accuracy",
    "/cases",
    "/cases?state=due_soon",
    f"/cases?state=open&item=I1&text=S&sort=department&department={A}",
    "/requests",
    "/requests?state=open&sort=accepted",
    f"/explain/{A}/{BEFORE}/case_aggregation",
    f"/explain/{A}/{BEFORE}/case_aggregation?side=for",
    f"/explain/{A}/{BEFORE}/sharing_validity",
    f"/explain/{A}/{BEFORE}/guide_accuracy",
    f"/explain/{A}/{BEFORE}/online_depth?side=for",
    f"/explain/{A}/{BEFORE}/visit_reduction?side=for",
    "/interfaces",
    f"/interfaces?department={A}",
    "/quality",
    "/audit",
    "/audit?action=period.closed&department=",
    "/api/docs",
]


def everything() -> CityWorkers:
    """A thing of every kind, whose ids are to be escaped."""
    history = History(A).items(2, "2020-08-03").add("department.docking_changed", "2020-08-03")
    history.add("item.published", "2020-08-03", item=EVIL, name=EVIL, promised_days=1)
    history.case("S1", issued="2020-10-09", passed="2020-10-10").case(EVIL, EVIL, issued="2020-10-09", accepted="2020-10-09")
    history.add("case.suspended", "2020-10-12", serial=EVIL).add("case.resumed", "2020-10-14", serial=EVIL)
    history.case("D1", accepted="2020-10-10", due_at="2020-11-11T00:00:00").case("no item", "nowhere", accepted="2020-10-10")
    history.add("complaint.upheld", "2020-10-12", complaint=EVIL, period=BEFORE).add("defect.confirmed", "2020-10-12", defect=EVIL)
    history.add("interface.registered", "2020-08-03").add("interface.failed", "2020-10-12", failure=EVIL)
    history.add("interface.failed", "2020-10-13", failure="F2").add("interface.recovered", "2020-10-14", failure="F2")
    history.add("table.registered", "2020-08-03").add("table.updated", "2020-10-14")
    history.add("request.raised", "2020-10-12", request=EVIL, requester=B).add("request.raised", "2020-11-09", requester=B)
    history.add("guide.checked", "2020-10-12", period=BEFORE, notes=(EVIL,)).add("sample.drawn", "2020-11-01", period=BEFORE)
    return CityWorkers(city_of(history), closing=EVIL)


@pytest.fixture
async def fill(writer: Writer, layout: Layout, model: ReadModel) -> None:
    await write(
        writer, layout,
        *scores(A, points="50"), *scores(B, points="60"), *scores(A, BEFORE), status(A, EVIL), status(B, "乙"),
        score("case_aggregation", A, version=2, status="zeroed", points=0, points_exact="0", reasons=["not_docked", f"complaint:{EVIL}"]),
        score("online_depth", A, version=2, status="no_data", denominator="0", points=0, points_exact="0"),
        score("visit_reduction", A, version=2, status="vacuous", denominator="0", points=10, points_exact="10"),
        score("overdue_completion", A, version=2, points=10, points_exact="10", reasons=["capped"]),
        interface(EVIL, up=False), table(EVIL, overdue=True, last_update_at=None), beat(0), beat(1),
        alert(EVIL, due=NOW - 26 * HOUR), alert("D1", "case_due_soon", due=NOW + 12 * HOUR),
        alert("X", "interface_failed", details={EVIL: EVIL}, due=None), adjustment(EVIL, "guide_accuracy"), adjustment("OF-B", department=B),
        audit("1", department=A, subject=EVIL, why=EVIL, details={EVIL: EVIL}), audit("2", department=B), audit("3", action="topic.paused", department=None),
    )  # fmt: skip
    differences = [
        RecountDifference(department=code, period=PERIOD, indicator="instant_items", state="different", live={"points": 1.25}, log={EVIL: 2.5}, causes=[RecountCause(kind="lost", count=3, examples=[EVIL])])
        for code in (A, B)
    ]  # fmt: skip
    model.keep_recount(
        Recount(at=text(NOW), seconds=12.34, events=1000, records=340, mismatches=2, not_compared=1, differences=differences)
    )


class Reader(HTMLParser):
    """Finds what is not closed, and what the page takes from elsewhere or would run."""

    VOID = {"meta", "link", "input", "br", "option"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.faults.append(f"{tag} {name}: not allowed by the policy")
            if name in ("src", "href", "action") and re.match(r"(https?:)?//|javascript:", value or ""):
                self.faults.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and (not self.open or self.open.pop() != tag):
            self.faults.append(f"</{tag}> does not close what is open")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and data.strip():
            self.faults.append("a script inside the page")
        self.texts.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.faults == []
    assert reader.open == []
    return reader


def app_in(settings: Settings, model: ReadModel, language: str) -> FastAPI:
    return create_app(settings.model_copy(update={"lang": language}), model, everything())


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("url", PAGES)
@pytest.mark.usefixtures("fill")
async def test_pages_are_well_formed_and_escaped(settings: Settings, model: ReadModel, language: str, url: str) -> None:
    answer = await ask(app_in(settings, model, language), url)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>alert" not in answer.text
    read(answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/indicators/online_depth",
        "/cases",
        "/requests",
        f"/explain/{A}/{BEFORE}/case_aggregation",
        "/interfaces",
        "/quality",
        "/audit",
    ],
)
async def test_pages_of_an_empty_read_model(settings: Settings, model: ReadModel, language: str, url: str) -> None:
    answer = await ask(app_in(settings, model, language), url)
    assert answer.status == 200
    read(answer.text)


@pytest.mark.parametrize(
    ("url", "headers", "shown"),
    [
        ("/", {}, "en"), ("/?lang=zh", {}, "zh-CN"), ("/?lang=fr", {}, "en"), ("/", {"Cookie": "onestop-lang=zh"}, "zh-CN"), ("/", {"Accept-Language": "zh-TW,zh;q=0.9"}, "zh-CN"),
        ("/?lang=en", {"Cookie": "onestop-lang=zh", "Accept-Language": "zh"}, "en"), ("/", {"Accept-Language": "fr, en;q=0.2, zh;q=0.7"}, "zh-CN"),
        ("/", {"Accept-Language": "zh;q=x"}, "en"), ("/nothing", {"Cookie": "onestop-lang=zh"}, "zh-CN"),
    ],
)  # fmt: skip
async def test_each_reader_has_a_language(settings: Settings, model: ReadModel, url: str, headers: dict[str, str], shown: str) -> None:
    page = await ask(app_in(settings, model, "en"), url, "text/html", headers=headers)
    assert f'<html lang="{shown}">' in page.text
    chosen = re.search(r"lang=(zh|en)", url)
    assert page.headers.get("set-cookie", "") == (
        f"onestop-lang={chosen[1]}; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax" if chosen else ""
    )


async def test_each_reader_has_colours(settings: Settings, model: ReadModel) -> None:
    async def dark(url: str, cookie: str = "") -> str | None:
        page = (await ask(app_in(settings, model, "en"), url, headers={"Cookie": cookie})).text
        found = re.search(r'dark\.css" media="([^"]+)"', page)
        return None if found is None else found[1]

    system = "screen and (prefers-color-scheme: dark)"
    assert [await dark(url) for url in ("/", "/?theme=dark", "/?theme=light", "/?theme=red")] == [system, "screen", None, system]
    assert [await dark("/", f"onestop-theme={theme}") for theme in ("dark", "light", "x")] == ["screen", None, system]
    assert await dark("/?theme=auto", "onestop-theme=dark") == system


async def test_a_switch_keeps_what_was_asked_for(settings: Settings, model: ReadModel) -> None:
    page = (await ask(app_in(settings, model, "en"), f"/?period={BEFORE}&theme=dark")).text
    assert f'href="?period={BEFORE}&amp;theme=dark&amp;lang=zh"' in page
    assert f'href="?period={BEFORE}&amp;theme=auto"' in page


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/departments/x", "读模型中没有部门 x"),
        ("/indicators/x", "没有指标 x"),
        ("/nothing", "这里没有 GET /nothing"),
        ("/?period=x", "请改正下列参数：period"),
    ],
)
async def test_errors_are_told_in_the_readers_language(settings: Settings, model: ReadModel, url: str, says: str) -> None:
    app = app_in(settings, model, "en")
    chinese = await ask(app, url, "text/html", headers={"Accept-Language": "zh-CN"})
    assert says in chinese.text
    for_programs = await ask(app, url, headers={"Accept-Language": "zh-CN"})
    assert for_programs.json["detail"].isascii()


def test_the_trend_goes_from_the_oldest_month_to_the_newest() -> None:
    found = trend_of([total(period="2020-11", points="90"), total(period="2020-10", points="70"), total(period="2020-09", points="80")])
    assert found is not None
    assert [(month, points) for _, _, month, points in found.points] == [("2020-09", "80.00"), ("2020-10", "70.00"), ("2020-11", "90.00")]
    left, middle, right = found.points
    assert left[0] < middle[0] < right[0]
    assert right[1] < left[1] < middle[1], "more is higher"
    assert trend_of([total()]) is None


@pytest.mark.usefixtures("fill")
async def test_each_score_leads_to_its_reasons(settings: Settings, model: ReadModel) -> None:
    app = app_in(settings, model, "en")
    board, page = (await ask(app, "/")).text, (await ask(app, f"/departments/{A}")).text
    for found in INDICATORS:
        assert f'href="/explain/{A}/{PERIOD}/{found.id}"' in board
        assert f'href="/explain/{A}/{PERIOD}/{found.id}">' in page
    assert "3.75 / 5" in page
    assert ">1.25 <" in page  # lost of 5


@pytest.mark.usefixtures("fill")
async def test_the_scoreboard_ranks_and_marks(settings: Settings, model: ReadModel) -> None:
    page = (await ask(app_in(settings, model, "zh"), "/")).text
    assert page.index("乙") < page.index("&lt;script&gt;")  # 60 before 50
    assert 'class="cell zeroed' in page
    assert 'class="cell vacuous' in page
    assert '<td class="cell none' in page
    assert all(indicator.title.zh in page for indicator in INDICATORS)
    assert "未对接办件库" in page
    assert "数据可能已过时" not in page
    assert f'<option value="{PERIOD}" selected>' in page


@pytest.mark.usefixtures("fill")
async def test_a_department_shows_reasons_alerts_and_history(settings: Settings, model: ReadModel) -> None:
    texts = "|".join(read((await ask(app_in(settings, model, "en"), f"/departments/{A}")).text).texts)
    for shown in (
        "2 / 2",
        "zeroed",
        "not docked with the case store",
        "no data",
        "no workload",
        "capped",
        "interface failed",
        BEFORE,
        "never",
        EVIL,
    ):
        assert shown in texts


def shown(page: str) -> list[str]:
    return [found for text in read(page).texts if (found := " ".join(text.split()))]


@pytest.mark.usefixtures("fill")
async def test_cases_show_their_deadlines_and_how_they_come_about(settings: Settings, model: ReadModel) -> None:
    app = app_in(settings, model, "en")
    texts = shown((await ask(app, "/cases")).text)
    # Saturday, the 10th, is made up for the holidays; suspended from Monday to Wednesday it is two workdays more.
    for there in ("in all 1", EVIL, "2020-10-13 24:00", "27 d 12 h over", "1 workdays from the day after 2020-10-09"):
        assert there in texts
    assert "suspended for 2 workdays, which it moves on" in texts
    texts = shown((await ask(app, "/cases?state=open")).text)
    for there in ("in all 3", "2020-11-10 24:00", "12 h 0 min left", "given by the event itself", "no deadline"):
        assert there in texts
    assert "in all 0" in shown((await ask(app, f"/cases?department={B}")).text)
    chinese = shown((await ask(app_in(settings, model, "zh"), "/cases")).text)
    assert "自 2020-10-09 次日起 1 个工作日" in chinese
    assert "其间调休上班：2020-10-10" in chinese


@pytest.mark.usefixtures("fill")
async def test_requests_show_who_asks(settings: Settings, model: ReadModel) -> None:
    texts = shown((await ask(app_in(settings, model, "en"), "/requests?state=open")).text)
    assert "in all 2" in texts
    assert texts.count("乙") == 3, "twice as the one who asks, once to choose from"


async def test_lists_are_paged_and_keep_what_was_asked(settings: Settings, model: ReadModel) -> None:
    app = create_app(settings, model, cases_of_two({f"S{n:03d}": (A, -(n + 1) * SECOND) for n in range(250)}))
    url, serials = f"/cases?state=overdue&department={A}&text=S&sort=serial", []
    while url:
        page = (await ask(app, url)).text
        serials += re.findall(r">(S\d{3})<", page)
        following = re.search(r'href="(/cases\?[^"]*&amp;cursor=[^"]+)"', page)
        url = html.unescape(following[1]) if following else ""
        assert not url or f"department={A}" in url
    assert serials == [f"S{n:03d}" for n in range(250)]


@pytest.mark.usefixtures("fill")
async def test_an_explanation_shows_why(settings: Settings, model: ReadModel) -> None:
    app = app_in(settings, model, "en")
    base = f"/explain/{A}/{BEFORE}"
    texts = shown((await ask(app, f"{base}/case_aggregation")).text)
    for there in (
        EVIL,
        "sets the indicator to 0",
        "no ingestion passed the quality check by the cut-off",
        "N = 1, M = 2, N/M = 1/2 ≈ 50.0000%; Points = 0 ≈ 0.00",
    ):
        assert there in texts
    assert "S1" not in texts
    assert "S1" in shown((await ask(app, f"{base}/case_aggregation?side=for")).text)
    texts = shown((await ask(app, f"{base}/guide_accuracy")).text)
    assert "Facts that arrived after the closing and would change the score" in texts
    answer = await ask(app, f"{base}/nothing")
    assert answer.status == 404
    assert "is not an indicator" in answer.json["detail"]


@pytest.mark.parametrize(
    ("language", "says"), [("zh", "本期按规则集 <b>@1 关闭"), ("en", "was closed under ruleset <b>@1 and is explained with default@")]
)
@pytest.mark.parametrize("ruleset", ["<b>@1", None])
async def test_an_explanation_with_other_rules_than_those_of_the_closing_says_so(
    settings: Settings, model: ReadModel, language: str, says: str, ruleset: str | None
) -> None:
    workers = CityWorkers(city_of(History(A).case("S1", issued="2020-10-10")), closing="auto|2020-10", ruleset=ruleset)
    app = create_app(settings.model_copy(update={"lang": language}), model, workers)
    url = f"/explain/{A}/{BEFORE}/case_aggregation"
    texts = "".join(read((await ask(app, url)).text).texts)
    adds_up = {"zh": "与冻结的得分一致", "en": "it adds up to the frozen score"}[language]
    assert (says in texts, adds_up in texts) == (ruleset is not None, ruleset is None)
    said = (await ask(app, f"/api/v1{url}")).json["other_ruleset"]
    assert said is None if ruleset is None else says in said[language]


async def test_an_explanation_is_paged(settings: Settings, model: ReadModel) -> None:
    history = History(A).add("department.docking_changed", "2020-10-01")
    for n in range(250):
        history.case(f"S{n:03d}", issued="2020-10-10")
    app = create_app(settings, model, CityWorkers(city_of(history)))
    url, serials = f"/explain/{A}/{BEFORE}/case_aggregation", []
    while url:
        page = (await ask(app, url)).text
        serials += re.findall(r'class="code">(S\d{3})<', page)
        following = re.search(r'href="(/explain/[^"]*&amp;cursor=[^"]+)"', page)
        url = html.unescape(following[1]) if following else ""
    assert serials == [f"S{n:03d}" for n in range(250)]


@pytest.mark.usefixtures("fill")
async def test_what_is_down_comes_first(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, interface("AAA"), interface("ZZZ", B, up=False), table("AAB"), table("ZZA", B, overdue=True))
    app = app_in(settings, model, "en")
    page = (await ask(app, "/interfaces")).text
    assert page.index(">ZZZ<") < page.index(">AAA<") < page.index(">ZZA<") < page.index(">AAB<")
    of_a = (await ask(app, f"/interfaces?department={A}")).text
    assert ">AAA<" in of_a
    assert ">ZZZ<" not in of_a


@pytest.mark.usefixtures("fill")
async def test_data_quality(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, beat(1, NOW + 1, lag=5, catching_up=True))
    bad = [row_of(layout, "quarantine", b"cases|0|%d" % n, b"", headers=[("reason", EVIL.encode())]) for n in range(3)]
    await writer.apply([*bad, row_of(layout, "quarantine", b"cases|0|1", None, headers=[("state", b"dismissed")])], {}, {})
    texts = " ".join("".join(read((await ask(app_in(settings, model, "en"), f"/quality?period={BEFORE}")).text).texts).split())
    for shown in (
        "Records waiting 5", "1backlog5", "0in time0", "Ended 2020-11-10 12:00 after 12.3 s: read 1000 events, compared 340 records, 2 different, 1 not compared.",
        f"cases{EVIL}32", "Quarantine: Not dealt with 2", "points: 1.25", f"{EVIL}: 2.5", "events not in the changelog 3", "OF-B", "1 h 0 min ago", "A backlog is being worked through",
    ):  # fmt: skip
        assert shown in texts, shown


@pytest.mark.usefixtures("fill")
async def test_the_audit_trail_is_filtered_and_paged(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, *(audit(str(n), action="sample.drawn", subject=f"S{n:03d}") for n in range(100, 250)))
    app = app_in(settings, model, "zh")
    first = (await ask(app, "/audit?action=sample.drawn")).text
    following = re.search(r'href="(\?action=sample.drawn&amp;department=&amp;cursor=[^"]+)"', first)
    assert following is not None
    second = (await ask(app, "/audit" + following[1].replace("&amp;", "&"))).text
    assert re.findall(r">(S\d{3})<", first + second) == [f"S{n:03d}" for n in reversed(range(100, 250))]
    assert "抽取样本" in first
    only = (await ask(app, f"/audit?department={B}")).text
    assert re.findall(r'<tr id="a-(\w+)"', only) == ["2"]


@pytest.mark.usefixtures("fill")
async def test_who_sees_one_department_sees_the_quality_and_audit_of_it_only(settings: Settings, model: ReadModel, tmp_path: Path) -> None:
    token = new_token()
    write_users(tmp_path / "users.yaml", Users(users=[User(name="of-b", token_sha256=hash_of(token), departments=(B,))]))
    app = create_app(settings.model_copy(update={"users_file": tmp_path / "users.yaml"}), model)
    for path in ("/quality", "/audit", "/interfaces"):
        answer = await ask(app, path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200
        assert A not in answer.text


@pytest.mark.usefixtures("fill")
async def test_stale_data_says_so(settings: Settings, model: ReadModel, clock: StandingClock) -> None:
    clock.instant = NOW + 90 * SECOND
    assert "1 min 30 s old" in (await ask(app_in(settings, model, "en"), "/")).text


@pytest.mark.usefixtures("fill")
async def test_an_indicator_lists_the_best_first(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, score("guide_accuracy", B, version=2, points=1, points_exact="1"))
    base = (await ask(app_in(settings, model, "zh"), "/indicators/case_aggregation")).text
    deduction = (await ask(app_in(settings, model, "zh"), "/indicators/guide_accuracy")).text
    for page in (base, deduction):
        assert page.index("乙") < page.index("&lt;script&gt;")
    assert "Y = N/M; points = 10·Y" in base


async def test_a_department_without_status_has_its_code_for_a_name(
    settings: Settings, model: ReadModel, writer: Writer, layout: Layout
) -> None:
    await write(writer, layout, total(A))
    app = app_in(settings, model, "en")
    assert A in (await ask(app, "/")).text
    assert (await ask(app, f"/departments/{A}")).status == 200


@pytest.mark.parametrize("name", ["style.css", "dark.css", "refresh.js", "login.js", "icon.svg"])
async def test_static_files_are_served_and_take_nothing_from_elsewhere(settings: Settings, model: ReadModel, name: str) -> None:
    answer = await ask(create_app(settings, model), f"/static/{name}")
    assert answer.status == 200
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\(", answer.text)


def test_every_text_is_used_and_every_name_known() -> None:
    directory = Path(streams.serving.__file__).parent
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in [
            *directory.glob("templates/*.html"),
            *directory.glob("pages/*.py"),
            directory / "pages_live.py",
            directory / "staleness.py",
        ]
    )
    asked = set(re.findall(r"\bt\(\s*[\"'](\w+)[\"']\s*\)", source))
    assert asked <= set(TEXTS)
    named = set(re.findall(r"[\"'](\w+)[\"']", source))
    computed = {"scored", "vacuous", "zeroed", "no_data", "open", "closing", "closed", "different", "not_compared", *ALERT_KINDS, *ACTIONS}
    assert {
        name for name in TEXTS.keys() - LIVE_TEXTS.keys() if not name.startswith(("error_", "theme_", "cause_", "through_", "record_done_"))
    } - named <= computed


def test_reasons_and_spans() -> None:
    assert reason_text("complaint:C1", "zh") == "投诉成立 C1"
    assert reason_text("capped", "en") == "capped"
    assert reason_text("of_a_newer_version:x", "zh") == "of_a_newer_version:x"
    assert set(REASONS) == {"not_docked", "complaint", "defect", "capped", "calendar_provisional", "period_open", "inspections_outstanding"}
    assert [span_text(s, "en") for s in (0, 61, 3_600, 90_061)] == ["0 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]
