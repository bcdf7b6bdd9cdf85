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
from models.settings import Settings
from scoring.indicators import INDICATORS
from streams.serving.layout import Layout
from streams.serving.read_model import ReadModel
from streams.serving.texts import REASONS, TEXTS, reason_text, span_text
from streams.serving.web import create_app
from streams.serving.writer import Writer
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
    beat,
    interface,
    score,
    scores,
    status,
    table,
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
async def fill(writer: Writer, layout: Layout) -> None:
    await write(
        writer, layout,
        *scores(A, points="50"), *scores(B, points="60"), *scores(A, BEFORE), status(A, EVIL), status(B, "乙"),
        score("case_aggregation", A, version=2, status="zeroed", points=0, points_exact="0", reasons=["not_docked", f"complaint:{EVIL}"]),
        score("online_depth", A, version=2, status="no_data", denominator="0", points=0, points_exact="0"),
        score("visit_reduction", A, version=2, status="vacuous", denominator="0", points=10, points_exact="10"),
        score("overdue_completion", A, version=2, points=10, points_exact="10", reasons=["capped"]),
        interface(EVIL, up=False), table(EVIL, overdue=True, last_update_at=None), beat(0), beat(1),
        alert(EVIL, due=NOW - 26 * HOUR), alert("D1", "case_due_soon", due=NOW + 12 * HOUR),
        alert("X", "interface_failed", details={EVIL: EVIL}, due=None), adjustment(EVIL, "guide_accuracy"),
    )  # fmt: skip


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
@pytest.mark.parametrize("url", ["/", "/indicators/online_depth", "/cases", "/requests", f"/explain/{A}/{BEFORE}/case_aggregation"])
async def test_pages_of_an_empty_read_model(settings: Settings, model: ReadModel, language: str, url: str) -> None:
    answer = await ask(app_in(settings, model, language), url)
    assert answer.status == 200
    read(answer.text)


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


@pytest.mark.parametrize("name", ["style.css", "refresh.js", "icon.svg"])
async def test_static_files_are_served_and_take_nothing_from_elsewhere(settings: Settings, model: ReadModel, name: str) -> None:
    answer = await ask(create_app(settings, model), f"/static/{name}")
    assert answer.status == 200
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\(", answer.text)


def test_every_text_is_used_and_every_name_known() -> None:
    directory = Path(streams.serving.__file__).parent
    paths = [*directory.glob("templates/*.html"), directory / "pages.py", directory / "pages_live.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in paths)
    known = set(re.findall(r"\bt\(\s*\"(\w+)\"\s*[).]", source)) | set(re.findall(r"\bt\(\"(\w+)\" if", source))
    beginnings = set(re.findall(r"\bt\(\"(\w+)\" ~", source))
    assert beginnings == {"counted_", "nothing_", "sort_", "state_"}
    known |= {"left", "left_over", "deducted", "points"} | {n for n in TEXTS if any(map(n.startswith, beginnings))}
    assert known <= set(TEXTS)
    computed = {"open", "closing", "closed", "scored", "vacuous", "zeroed", "no_data"} | {
        n for n in TEXTS if n.startswith(("error_", "record_done_"))
    }
    kinds = {
        "case_due_soon",
        "case_overdue",
        "request_due_soon",
        "request_overdue",
        "interface_failed",
        "table_overdue",
        "indicator_zeroed",
        "period_closed",
    }
    assert set(TEXTS) - known == (computed | kinds | {"overdue_cases", "due_soon_cases"}) - known


def test_reasons_and_spans() -> None:
    assert reason_text("complaint:C1", "zh") == "投诉成立 C1"
    assert reason_text("capped", "en") == "capped"
    assert reason_text("of_a_newer_version:x", "zh") == "of_a_newer_version:x"
    assert set(REASONS) == {"not_docked", "complaint", "defect", "capped", "calendar_provisional", "period_open", "inspections_outstanding"}
    assert [span_text(s, "en") for s in (0, 61, 3_600, 90_061)] == ["0 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]
