"""The pages in a browser: they show what the API says, follow what changes, and can be used by everyone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import NAMES, PAGES, SECONDS, Site, Watched, api_board, context_of, serious, shown_board, streaming
from tests.serving.records import NOW, PERIOD, A, B, C, alert, interface, score, total
from tests.serving.records import SECOND as MICROSECONDS

MARKED = "window.marker === 1"


@pytest.fixture
def watched(browser: Browser, site: Site) -> Iterator[Watched]:
    context = context_of(browser)
    yield Watched(context.new_page(), site.url)
    context.close()


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def until_shown(page: Page, site: Site) -> None:
    """Until the scoreboard shows what the API says."""
    end = time.monotonic() + SECONDS
    while (shown := shown_board(page)) != api_board(site.api):
        assert time.monotonic() < end, shown
        page.wait_for_timeout(50)


def test_the_scoreboard_shows_what_the_api_says(page: Page, site: Site) -> None:
    page.goto(site.url)
    shown = shown_board(page)
    assert shown == api_board(site.api)
    assert [row[0] for row in shown] == [C, B, A]
    assert all(len(cells) == 16 for _, _, cells in shown)
    ranks = page.locator(".board td.rank").all_inner_texts()
    assert ranks == [str(t["rank"]) for t in sorted(site.api("scores?indicator=total")["items"], key=lambda t: t["rank"])]


def test_a_change_appears_through_the_stream_without_a_reload(page: Page, site: Site) -> None:
    page.goto(site.url)
    streaming(page)
    page.evaluate("window.marker = 1")
    site.write(score("instant_items", A, version=10, points=4.5, points_exact="9/2"), total(A, points="95", version=10))
    expect(page.locator(".board tbody tr").first).to_have_attribute("id", f"d-{A}")
    assert shown_board(page) == api_board(site.api)
    assert page.evaluate(MARKED)
    streaming(page)
    site.write(total(A, points="50", version=11))
    until_shown(page, site)
    assert page.evaluate(MARKED)


def test_what_the_reader_is_doing_stays(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 390, "height": 600})
    page.goto(site.url)
    streaming(page)
    cell = page.locator(f"#d-{B} td.cell a").nth(5)
    cell.focus()
    page.evaluate("""document.querySelector('.heat').scrollLeft = 120; scrollTo(0, 200)""")
    before = page.evaluate("[document.querySelector('.heat').scrollLeft, scrollY, document.activeElement.getAttribute('href')]")
    site.write(total(B, points="99", version=20))
    expect(page.locator(".board tbody tr").first).to_have_attribute("id", f"d-{B}")
    assert page.evaluate("[document.querySelector('.heat').scrollLeft, scrollY, document.activeElement.getAttribute('href')]") == before
    site.write(total(B, points="60", version=21))
    until_shown(page, site)


def test_the_connection_that_is_lost_is_told_and_comes_back(browser: Browser, site: Site) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(site.url)
    streaming(page)
    lost = page.locator("#lost")
    expect(lost).to_be_hidden()
    context.set_offline(True)
    site.write(alert("LOST", due=NOW - MICROSECONDS))
    expect(lost).to_be_visible()
    context.set_offline(False)
    expect(lost).to_be_hidden()
    context.close()


def test_without_the_stream_the_page_asks_from_time_to_time(browser: Browser, site: Site) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.route("**/api/v1/stream*", lambda route: route.fulfill(status=503))
    page.goto(site.url)
    page.evaluate("window.marker = 1")
    site.write(total(C, points="97", version=30))
    expect(page.locator(f"#d-{C} td.strong")).to_contain_text("97.00")
    assert page.evaluate(MARKED)
    expect(page.locator("html")).to_have_attribute("data-live", "poll")
    site.write(total(C, points="181/3", version=31))
    context.close()


def test_a_department_follows_its_own_changes(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/departments/{A}")
    streaming(page)
    site.write(interface("JK9", A, up=False))
    expect(page.locator(f"#i-{A}-JK9")).to_contain_text("down")
    expect(page.locator(f"#s-instant_items a[href='/explain/{A}/{PERIOD}/instant_items']")).to_be_visible()
    assert page.locator("svg.trend title").text_content() == f"Totals by month: {NAMES[A]}"


def test_nothing_is_wrong_with_any_page(watched: Watched, site: Site) -> None:
    for path in PAGES:
        for query in ("lang=zh", "lang=en"):
            watched.page.goto(f"{site.url}{path}{'&' if '?' in path else '?'}{query}")
            if path != "/api/docs":
                streaming(watched.page)
            assert watched.faults == [], path


def test_a_policy_that_is_broken_would_be_seen(watched: Watched, site: Site) -> None:
    watched.page.goto(site.url)
    watched.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p><img src=\"http://example.invalid/x.png\">')"
    )
    watched.page.wait_for_timeout(100)
    assert any("style" in fault for fault in watched.faults)
    assert any("img" in fault for fault in watched.faults)


def test_the_language_is_switched_and_stays(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/departments/{A}")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", name="当前告警")).to_be_visible()
    page.goto(site.url)
    expect(page.get_by_role("heading", level=1)).to_contain_text("记分板")
    expect(page.get_by_role("link", name="中文")).to_have_attribute("aria-current", "true")
    page.goto(f"{site.url}/departments/none")
    expect(page.get_by_role("alert")).to_contain_text("读模型中没有部门 none")


def test_the_colours_follow_the_system_or_the_switch(browser: Browser, site: Site) -> None:
    context = context_of(browser, color_scheme="dark")
    page = context.new_page()

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.goto(site.url)
    dark = ground()
    page.get_by_role("link", name="light", exact=True).click()
    page.wait_for_url("**theme=light")
    light = ground()
    assert dark != light
    page.goto(f"{site.url}/interfaces")
    assert ground() == light
    page.get_by_role("link", name="as the system").click()
    page.wait_for_url("**theme=auto")
    assert ground() == dark
    page.emulate_media(color_scheme="light")
    assert ground() == light
    page.get_by_role("link", name="dark", exact=True).click()
    page.wait_for_url("**theme=dark")
    assert ground() == dark
    context.close()


def test_the_keyboard_alone_reaches_everything(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('td.cell') !== null"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "solid3px"
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/explain/{C}/{PERIOD}/online_depth"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_axe_finds_nothing_serious(browser: Browser, site: Site, language: str, theme: str) -> None:
    context = context_of(browser, bypass_csp=True)
    page = context.new_page()
    found = []
    for path in (*PAGES, "/nothing"):
        page.goto(f"{site.url}{path}{'&' if '?' in path else '?'}lang={language}&theme={theme}")
        found += [f"{path}: {each}" for each in serious(page)]
    assert found == []
    context.close()


@pytest.mark.parametrize("width", [1500, 390])
def test_no_page_is_wider_than_its_window(page: Page, site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        page.goto(f"{site.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
