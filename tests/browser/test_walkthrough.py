"""Every step of docs/walkthrough.md, in both languages, and that the page shows each of its pictures."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

from tests.browser.site import Watched, context_of
from tests.browser.test_system import ZONE, Whole, whole
from tests.browser.walk import Walk
from tests.serving.conftest import broker  # noqa: F401  # a fixture
from tests.support.live import until

__all__ = ["whole"]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def story(whole: Whole) -> Whole:
    """One case of a department is overdue, another was completed too late, whatever the simulated city has."""
    now = datetime.now(tz=ZoneInfo(ZONE))

    def publish(kind: str, serial: str, ago: timedelta, **fields: Any) -> None:
        event = {
            **whole.case,
            "type": kind,
            "event_id": f"{kind}-{serial}",
            "serial": serial,
            "occurred_at": (now - ago).isoformat(),
            **fields,
        }
        wanted = ("event_id", "type", "department", "occurred_at", "source", "serial", "item", *fields)
        whole.publish({name: event[name] for name in wanted} if kind == "case.completed" else event)

    month, day = timedelta(days=40), timedelta(days=1)
    publish("case.accepted", "overdue-since-yesterday", month, due_at=(now - day).isoformat())
    publish("case.accepted", "completed-late", month, due_at=(now - day).isoformat())
    publish("case.completed", "completed-late", timedelta(0), outcome="granted")
    alert = f"alerts?kind=case_overdue&department={whole.case['department']}"
    until(lambda: "overdue-since-yesterday" in str(whole.api(alert)), "the alert fires", logs=whole.system.logs)
    return whole


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_walk(browser: Browser, story: Whole, language: str, tmp_path: Path) -> None:
    context = context_of(browser)
    watched = Watched(context.new_page(), story.url)
    Walk(watched.page, story.url, language, story.system.run, tmp_path).all()
    assert [fault for fault in watched.faults if "file:" not in fault] == []
    context.close()


@pytest.mark.parametrize("page", ["walkthrough.md", "walkthrough.zh.md"])
def test_every_step_has_its_picture(page: str) -> None:
    source = (Path(__file__).parent / "walk.py").read_text(encoding="utf-8")
    shown = re.findall(r"\]\(images/walk-([\w-]+?)(?:\.zh)?\.png\)", (DOCS / page).read_text(encoding="utf-8"))
    assert shown == re.findall(r'self\.take\("([\w-]+)"\)', source)
    for name in shown:
        ending = ".zh.png" if page.endswith(".zh.md") else ".png"
        assert (DOCS / "images" / f"walk-{name}{ending}").is_file()
