"""Where chromium is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chromium import chromium_path


def test_without_chromium_it_skips_with_a_sentence_and_fails_where_all_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ONESTOP_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="chromium is not on PATH"):
        chromium_path()
    monkeypatch.setenv("ONESTOP_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="chromium is not on PATH"):
        chromium_path()
    (tmp_path / "chromium").touch(0o755)
    assert chromium_path() == str(tmp_path / "chromium")
