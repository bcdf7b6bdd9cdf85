"""A browser and web servers for a module. Playwright keeps a loop running in the thread of the tests, so nothing here outlives its module."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.settings import Settings, load_settings
from streams.embedded import EmbeddedRedis
from tests.serving.conftest import redis_server  # noqa: F401  # a fixture
from tests.support import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.site import Site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def settings(redis_server: EmbeddedRedis) -> Settings:  # noqa: F811  # the fixture
    return load_settings(redis_url=redis_server.url, topic_prefix=f"t{uuid.uuid4().hex[:8]}-", partitions=2, web_address="127.0.0.1:0")


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[Site]:
    """Everyone may look."""
    from tests.browser.site import fill, serving

    with serving(settings) as started:
        fill(started)
        yield started


@pytest.fixture(scope="module")
def guarded(site: Site, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same read model for users only."""
    from tests.browser.site import serving, with_users

    directory: Path = tmp_path_factory.mktemp("users")
    with serving(with_users(settings, directory)) as started:
        yield started
