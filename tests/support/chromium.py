"""The machine's chromium for the tests of the pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.kafka import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str:
    """Where chromium is; without it the test is skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or missing("chromium is not on PATH (Debian: apt-get install chromium): the tests of the pages in a browser are skipped")


@contextmanager
def browser() -> Iterator[Browser]:
    """A running chromium."""
    from playwright.sync_api import sync_playwright

    path = chromium_path()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield started
        finally:
            started.close()
