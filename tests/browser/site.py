"""A running web server over a filled read model, and what a test does with its pages."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from models.records import Record, Recount, RecountCause, RecountDifference
from models.settings import Settings
from streams.serving.connection import connect_async
from streams.serving.layout import layout_of
from streams.serving.read_model import open_read_model
from streams.serving.users import User, Users, write_users
from streams.serving.web import run
from streams.serving.writer import Writer
from streams.tokens import hash_of, new_token
from tests.serving.conftest import StandingClock
from tests.serving.records import (
    BEFORE,
    HOUR,
    NOW,
    PERIOD,
    A,
    B,
    C,
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
    write,
)

SECONDS = 20
expect.set_options(timeout=SECONDS * 1000)
NAMES = {A: "市公安局", B: "市民政局", C: "市档案局"}
TOKENS = {name: new_token() for name in ("张三", "viewer", "of-a")}
# Pages of the read model alone; those that ask the workers are looked at over a whole system.
PAGES = (
    "/", f"/?period={BEFORE}", f"/departments/{A}", f"/departments/{B}", "/indicators/instant_items", "/indicators/guide_accuracy", "/interfaces",
    f"/quality?period={BEFORE}", "/audit", "/api/docs",
)  # fmt: skip


def filled() -> list[Record]:
    """Records of every kind and state."""
    return [
        *scores(A, points="50"), *scores(B, points="60"), *scores(C, points="181/3", reasons=[], provisional=False), *scores(A, BEFORE, points="40"), *scores(B, BEFORE, points="70"),
        score("case_aggregation", A, version=2, status="zeroed", points=0, points_exact="0", reasons=["not_docked", "complaint:C1"]),
        score("online_depth", A, version=2, status="no_data", denominator="0", points=0, points_exact="0"),
        score("visit_reduction", A, version=2, status="vacuous", denominator="0", points=10, points_exact="10"),
        score("overdue_completion", B, version=2, points=10, points_exact="10", reasons=["capped"]),
        score("time_reduction", B, version=2, points=9, points_exact="9"), score("step_reduction", B, version=2, points=7.5, points_exact="15/2"), score("licence_repair", C, version=2, points=1, points_exact="1"),
        *(status(code, name) for code, name in NAMES.items()), interface("JK1"), interface("JK2", B, up=False), table("KB1"), table("KB2", B, overdue=True, last_update_at=None),
        beat(0), beat(1, catching_up=True, lag=12), alert("S1", due=NOW - 26 * HOUR), alert("D1", "case_due_soon", due=NOW + 12 * HOUR), adjustment("E1"),
        audit("1", department=A, why="补录"), audit("2", action="topic.paused", department=None),
    ]  # fmt: skip


def last_recount() -> Recount:
    causes = [RecountCause(kind="lost", count=3, examples=["E1"])]
    found = RecountDifference(
        department=A, period=PERIOD, indicator="instant_items", state="different", live={"points": 3.75}, log={"points": 4.0}, causes=causes
    )
    unread = found.model_copy(update={"department": B, "state": "not_compared"})
    return Recount(at=text(NOW), seconds=12, events=1000, records=51, mismatches=1, not_compared=1, differences=[found, unread])


@dataclass
class Site:
    """A server, and writing into its read model as the projector does."""

    url: str
    settings: Settings

    def write(self, *records: Record) -> None:
        with ThreadPoolExecutor(1) as pool:  # Playwright's own loop runs in this thread
            pool.submit(asyncio.run, self._write(records)).result()

    async def _write(self, records: tuple[Record, ...]) -> None:
        client = connect_async(self.settings)
        await write(Writer(client, layout_of(self.settings)), layout_of(self.settings), *records)
        await client.aclose()

    def api(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=SECONDS) as answer:
            return orjson.loads(answer.read())


@contextmanager
def serving(settings: Settings) -> Iterator[Site]:
    """A web server in a thread of its own."""
    ready, urls = threading.Event(), []
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def started(url: str) -> None:
        urls.append(url.rstrip("/"))
        ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run(settings, stop, clock=StandingClock(), on_start=started)))
    thread.start()
    try:
        assert ready.wait(SECONDS)
        yield Site(urls[0], settings)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(SECONDS)
        loop.close()


def fill(site: Site) -> None:
    site.write(*filled())
    model = open_read_model(site.settings)
    model.keep_recount(last_recount())
    model.close()


def with_users(settings: Settings, directory: Path) -> Settings:
    path = directory / "users.yaml"
    users = [
        User(name="张三", token_sha256=hash_of(TOKENS["张三"]), role="admin"), User(name="viewer", token_sha256=hash_of(TOKENS["viewer"])),
        User(name="of-a", token_sha256=hash_of(TOKENS["of-a"]), departments=(A,)),
    ]  # fmt: skip
    write_users(path, Users(users=users))
    return settings.model_copy(update={"users_file": path})


@dataclass
class Watched:
    """A page, and what went wrong with it."""

    page: Page
    home: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on(
            "console", lambda message: self.faults.append(f"console: {message.text}") if message.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI))"
        )

    def _asked(self, request: Any) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.home).netloc:
            self.faults.append(f"request to {request.url}")


def context_of(browser: Browser, **options: Any) -> BrowserContext:
    context = browser.new_context(**{"viewport": {"width": 1500, "height": 900}, "locale": "en-GB", **options})
    context.set_default_timeout(SECONDS * 1000)
    return context


def streaming(page: Page) -> None:
    """Wait until the page follows the stream."""
    expect(page.locator("html")).to_have_attribute("data-live", "stream")


def shown_board(page: Page) -> list[tuple[str, str, list[str]]]:
    """Of each row of the scoreboard: department, total, the 16 cells."""
    return [
        (row["id"], row["total"], row["cells"])
        for row in page.evaluate(
            """[...document.querySelectorAll('.board tbody tr')].map((row) => ({id: row.id.slice(2), total: row.querySelector('td.strong').firstChild.data,
            cells: [...row.querySelectorAll('td.cell')].map((cell) => cell.textContent)}))"""
        )
    ]


def api_board(site_api: Any) -> list[tuple[str, str, list[str]]]:
    """The same from the API."""
    records = site_api("scores")["items"]
    totals = sorted((r for r in records if r["indicator"] == "total"), key=lambda total: (total["rank"], total["department"]))
    return [
        (
            total["department"],
            f"{total['points']:.2f}",
            [
                "–" if record["status"] == "no_data" else f"{record['points']:.2f}"
                for record in sorted(
                    (r for r in records if r["department"] == total["department"] and r["indicator"] != "total"), key=lambda r: r["number"]
                )
            ],
        )
        for total in totals
    ]


def serious(page: Page) -> list[str]:
    """What axe-core finds on a page that is serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['target']} {node['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
