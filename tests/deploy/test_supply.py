"""What the image holds: licences that may be shipped, and no version with a known weakness, where that can be found out."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest

from tests.deploy.tools import DEPLOY
from tests.support.kafka import missing


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", DEPLOY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


licences, audit = _script("licences"), _script("audit")


@pytest.mark.parametrize("name", licences.locked())
def test_the_licence_may_be_shipped(name: str) -> None:
    try:
        expression = licences.licence_of(name)
    except licences.PackageNotFoundError:
        missing(f"{name} is locked for the image and not installed here: its licence is not looked at")
    assert licences.is_allowed(expression), expression


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True), ("GPL-3.0-only", False), ("MIT AND GPL-3.0-only", False), ("MIT OR GPL-3.0-only", True), ("none stated", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True), ("MPL-2.0 AND (AGPL-3.0-only OR LGPL-3.0-only)", False), ("", False), ("MIT / GPLv3", False),
    ],
)  # fmt: skip
def test_expressions(expression: str, allowed: bool) -> None:
    assert licences.is_allowed(expression) is allowed


def test_the_lock_is_read_whole() -> None:
    assert {"aiokafka", "faust-streaming", "uvicorn", "yarl"} <= set(licences.locked())


# Weaknesses


class Database(BaseHTTPRequestHandler):
    """Knows a weakness of one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = asked["package"]["name"]
        weakness = {"id": "TEST-1", "summary": "bad", "affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [
            {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}
        ]}]}  # fmt: skip
        body = json.dumps({"vulns": [weakness]} if name == self.server.weak else {}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def database() -> Iterator[HTTPServer]:
    if importlib.util.find_spec("pip_audit") is None:
        missing("pip-audit is not installed: nothing is asked about weaknesses")
    server = HTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("weak", "code", "says"), [("uvicorn", 1, "TEST-1, mended in 999.0"), ("", 0, "dependencies, no known weakness")])
def test_a_finding_fails(database: Any, weak: str, code: int, says: str) -> None:
    database.weak = weak
    found = audit.audit("--osv-url", f"http://127.0.0.1:{database.server_port}/")
    assert found[0] == code
    assert says in found[1]


def test_no_answer_is_no_finding(database: Any) -> None:
    code, text = audit.audit("--osv-url", "http://127.0.0.1:1/")
    assert code == 0
    assert "cannot be reached" in text
    assert "nothing has been checked" in text


def test_a_failure_of_the_tool_is_one() -> None:
    assert audit.judge("", "pip-audit: error: unrecognized arguments: --x")[0] == 1
    assert audit.judge("", f"{sys.executable}: No module named pip_audit")[0] == 1


def test_no_locked_version_has_a_known_weakness(database: Any) -> None:
    code, text = audit.audit()
    print(text)
    assert code == 0, text
