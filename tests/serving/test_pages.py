"""The pages: they show what there is, in both languages, and escape everything."""

from __future__ import annotations

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

EVIL = "<script>alert(\"&')</script>"
PAGES = [
    "/",
    f"/?period={BEFORE}",
    f"/departments/{A}",
    "/indicators/case_aggregation",
    "/indicators/guide_accuracy",
    "/cases",
    "/cases?state=due_soon",
    "/api/docs",
]


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
        alert("X", "interface_failed", details={EVIL: EVIL}, due=None),
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
    return create_app(settings.model_copy(update={"lang": language}), model)


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
@pytest.mark.parametrize("url", ["/", "/indicators/online_depth", "/cases"])
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


@pytest.mark.usefixtures("fill")
async def test_cases_show_their_deadlines(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, alert("midnight", due=NOW - 12 * HOUR))
    texts = read((await ask(app_in(settings, model, "en"), "/cases")).text).texts
    assert {"2020-11-09 10:00", "1 d 2 h", "2020-11-09 24:00", "12 h 0 min"} <= set(texts)
    assert "in all 0" in "".join(read((await ask(app_in(settings, model, "en"), f"/cases?department={B}")).text).texts)


@pytest.mark.usefixtures("fill")
async def test_cases_are_paged(settings: Settings, model: ReadModel, writer: Writer, layout: Layout) -> None:
    await write(writer, layout, *(alert(f"S{n:03d}") for n in range(150)))
    app = app_in(settings, model, "en")
    first = (await ask(app, "/cases?state=overdue")).text
    following = re.search(r'href="(\?state=overdue&(?:amp;)?cursor=[^"]+)"', first)
    assert following is not None
    second = (await ask(app, "/cases" + following[1].replace("&amp;", "&"))).text
    serials = re.findall(r">(S\d{3})<", first + second)
    assert sorted(serials) == [f"S{n:03d}" for n in range(150)]


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
    source = "".join(path.read_text(encoding="utf-8") for path in [*directory.glob("templates/*.html"), directory / "pages.py"])
    known = set(re.findall(r"\bt\(\s*\"(\w+)\"", source))
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
