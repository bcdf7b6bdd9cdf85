"""Signing in and out in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.site import TOKENS, Site, Watched, context_of, serious, streaming
from tests.serving.records import A, B


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = context_of(browser)
    yield opened
    opened.close()


def sign_in(page: Page, name: str, token: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_leads_back_and_signing_out_ends_it(context: BrowserContext, guarded: Site) -> None:
    watched = Watched(context.new_page(), guarded.url)
    page = watched.page
    page.goto(f"{guarded.url}/departments/{A}?period=2020-10")
    expect(page).to_have_url(f"{guarded.url}/login?next=/departments/{A}%3Fperiod%3D2020-10")
    expect(page.get_by_label("Name")).to_be_focused()
    sign_in(page, "张三", TOKENS["张三"])
    expect(page).to_have_url(f"{guarded.url}/departments/{A}?period=2020-10")
    expect(page.locator(".who")).to_have_text("张三")
    streaming(page)
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == "onestop-session"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{guarded.url}/login")
    assert [cookie for cookie in context.cookies() if cookie["name"] == "onestop-session"] == []
    page.goto(guarded.url)
    expect(page).to_have_url(f"{guarded.url}/login?next=/")
    assert watched.faults == []


def test_a_wrong_token_is_told(context: BrowserContext, guarded: Site) -> None:
    page = context.new_page()
    page.goto(f"{guarded.url}/cases")
    sign_in(page, "viewer", "wrong")
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("Name and token do not belong together")
    expect(page.get_by_label("Name")).to_have_value("viewer")
    expect(page.get_by_label("Token")).to_have_value("")
    page.goto(f"{guarded.url}/login?next=/quality")
    sign_in(page, "viewer", TOKENS["viewer"])
    expect(page).to_have_url(f"{guarded.url}/quality")


def test_who_only_looks_sees_no_form_but_the_one_to_sign_out(context: BrowserContext, guarded: Site) -> None:
    page = context.new_page()
    page.goto(f"{guarded.url}/login")
    sign_in(page, "viewer", TOKENS["viewer"])
    for path in ("/", f"/departments/{A}", "/interfaces", "/quality", "/audit"):
        page.goto(guarded.url + path)
        forms = page.locator("form[method=post]").evaluate_all("forms => forms.map((form) => form.getAttribute('action'))")
        assert forms == ["/logout"], path


def test_who_sees_one_department_sees_one_row(context: BrowserContext, guarded: Site) -> None:
    page = context.new_page()
    page.goto(f"{guarded.url}/login")
    sign_in(page, "of-a", TOKENS["of-a"])
    expect(page.locator(".board tbody tr")).to_have_count(1)
    expect(page.locator(f"#d-{A}")).to_be_visible()
    page.goto(f"{guarded.url}/departments/{B}")
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("is not among those that of-a may see")


def test_a_session_that_ends_leads_to_the_page_for_signing_in(context: BrowserContext, guarded: Site) -> None:
    page = context.new_page()
    page.goto(f"{guarded.url}/login?next=/interfaces")
    sign_in(page, "viewer", TOKENS["viewer"])
    streaming(page)
    context.clear_cookies(name="onestop-session")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it comes back into view
    expect(page).to_have_url(f"{guarded.url}/login?next=/interfaces")


def test_who_comes_from_another_site_need_not_sign_in_again(context: BrowserContext, guarded: Site) -> None:
    page = context.new_page()
    page.goto(f"{guarded.url}/login")
    sign_in(page, "viewer", TOKENS["viewer"])
    expect(page.locator(".who")).to_be_visible()
    page.route(
        "http://another.example/", lambda route: route.fulfill(content_type="text/html", body=f"<a href='{guarded.url}/quality'>link</a>")
    )
    page.goto("http://another.example/")
    page.get_by_role("link").click()
    expect(page).to_have_url(f"{guarded.url}/quality")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_axe_finds_nothing_serious(browser: Browser, guarded: Site, language: str, theme: str) -> None:
    context = context_of(browser, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{guarded.url}/login?lang={language}&theme={theme}")
    assert serious(page) == []
    context.close()
