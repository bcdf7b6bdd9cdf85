"""A whole system, from an event to the page: embedded broker, Redis, worker, projector, web."""

from __future__ import annotations

import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from playwright.sync_api import Browser, expect

from streams.embedded import EmbeddedBroker, EmbeddedRedis, free_ports
from streams.sender import EventSender
from streams.simulator import City, dump
from tests.browser.site import SECONDS, Watched, api_board, context_of, serious, shown_board, streaming
from tests.serving.conftest import broker  # noqa: F401  # a fixture
from tests.support.live import System, until

ZONE = "Asia/Shanghai"
DEPARTMENTS = 3


@dataclass
class Whole:
    """What runs, and what is published while it does."""

    system: System
    url: str
    case: dict[str, Any]  # an event of a case that is accepted
    explanations: str  # those of a department for the month before this one: this one may have begun a minute ago, and have no rows

    def api(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=SECONDS) as answer:
                return orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            return {"items": [], "detail": error.read()}

    def accepted(self) -> dict[str, Any]:
        """A case that is accepted now."""
        name = f"LS{uuid.uuid4().hex[:12]}"
        return {**self.case, "event_id": name, "serial": name, "occurred_at": datetime.now(tz=ZoneInfo(ZONE)).isoformat()}

    def publish(self, event: dict[str, Any]) -> None:
        """Publish an event as a source does."""
        sender = EventSender(self.system.settings)
        sender.send(event["type"], event["department"], dump(event))
        sender.flush()
        sender.close()


@pytest.fixture(scope="module")
def whole(broker: EmbeddedBroker, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:  # noqa: F811  # the fixture
    (port,) = free_ports(1)
    extra = {"ONESTOP_REDIS_URL": redis_server.url, "ONESTOP_WEB_ADDRESS": f"127.0.0.1:{port}", "ONESTOP_TIMEZONE": ZONE}
    system = System(broker.address, f"t{uuid.uuid4().hex[:8]}-", tmp_path_factory.mktemp("system"), 2, extra)
    now = datetime.now(tz=ZoneInfo(ZONE)).replace(microsecond=0)
    city = City(DEPARTMENTS, 1, ZONE, 0.3)
    history = system.directory / "history.jsonl"
    history.write_bytes(b"".join(dump(event) + b"\n" for event in city.events((now - timedelta(days=70)).replace(hour=0), now)))
    try:
        system.run("topics", "create")
        for name in ("worker", "projector", "web"):
            system.start(name, name)
        system.run("publish", str(history))
        accepted = [event for event in city.events(now, now + timedelta(days=3)) if event["type"] == "case.accepted"]
        month_before = now.replace(day=1) - timedelta(days=1)
        found = Whole(system, f"http://127.0.0.1:{port}", accepted[0], f"/explain/{accepted[0]['department']}/{month_before:%Y-%m}")
        until(lambda: _settled(found), "everything is scored", logs=system.logs)
        yield found
    finally:
        system.close()


def _settled(whole: Whole) -> bool:
    try:
        status = whole.api("status")
        return (
            len(whole.api("scores?indicator=total")["items"]) == DEPARTMENTS
            and len(status["partitions"]) == 2
            and not any(beat["catching_up"] or beat["lag"] for beat in status["partitions"])
            and whole.api("cases?state=open")["total"] == sum(held["cases_open"] for held in status["items"])
        )
    except (OSError, KeyError):
        return False


def test_an_event_appears_in_the_page(browser: Browser, whole: Whole) -> None:
    event = whole.accepted()
    department = event["department"]
    context = context_of(browser)
    watched = Watched(context.new_page(), whole.url)
    page = watched.page
    page.goto(f"{whole.url}/departments/{department}")
    streaming(page)
    page.evaluate("window.marker = 1")
    tile = page.locator(".tile", has_text="Open cases").locator(".value")
    before = int(tile.inner_text())
    whole.publish(event)
    expect(tile).to_have_text(str(before + 1))
    assert page.evaluate("window.marker") == 1
    assert page.evaluate("document.documentElement.dataset.live") == "stream"
    assert watched.faults == []
    context.close()


def test_text_being_typed_and_open_details_stay(browser: Browser, whole: Whole) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(f"{whole.url}/cases?state=open")
    streaming(page)
    count = int(page.locator("h1 .dim").inner_text().rpartition(" ")[2])
    typed = page.get_by_role("searchbox")
    typed.press_sequentially("half a wo")
    whole.publish(whole.accepted())
    expect(page.locator("h1 .dim")).to_contain_text(str(count + 1))
    expect(typed).to_be_focused()
    expect(typed).to_have_value("half a wo")
    page.goto(f"{whole.url}{whole.explanations}/case_aggregation?side=for")
    streaming(page)
    page.locator("summary").first.click()
    with page.expect_response(lambda answer: "/explain/" in answer.url):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(lambda: not page.evaluate("asking"), "what came is merged", SECONDS)
    assert page.locator("details").first.get_attribute("open") is not None
    context.close()


def test_the_scoreboard_is_that_of_the_api_and_its_cells_lead_to_their_reasons(browser: Browser, whole: Whole) -> None:
    context = context_of(browser)
    watched = Watched(context.new_page(), whole.url)
    page = watched.page
    page.goto(whole.url)
    until(lambda: shown_board(page) == api_board(whole.api), "the page shows what the API says", SECONDS)
    page.locator("td.cell a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Why this score")
    assert watched.faults == []
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_axe_finds_nothing_serious(browser: Browser, whole: Whole, language: str, theme: str) -> None:
    context = context_of(browser, bypass_csp=True)
    page = context.new_page()
    found = []
    explained = [f"{whole.explanations}/{rest}" for rest in ("case_aggregation", "overdue_completion?side=for")]
    for path in ("/cases?state=open", "/requests?state=open", *explained, "/"):
        page.goto(f"{whole.url}{path}{'&' if '?' in path else '?'}lang={language}&theme={theme}")
        found += [f"{path}: {each}" for each in serious(page)]
    assert found == []
    context.close()
