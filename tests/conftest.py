"""What holds for every test: Hypothesis profiles, and settings that come from the test alone."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from models.settings import PREFIX, SECRETS, Settings
from models.settings import settings as the_settings

# `ci`: the same examples in every run. HYPOTHESIS_PROFILE=thorough: new ones, many more.
_SHARED = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("ci", max_examples=10, derandomize=True, **_SHARED)
settings.register_profile("thorough", max_examples=1_000, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def settings_of_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the environment, no `.env` of the working directory, nothing cached from another test."""
    for name in [*Settings.model_fields, *(f"{secret}_file" for secret in SECRETS), "debug"]:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    the_settings.cache_clear()
    yield
    the_settings.cache_clear()
