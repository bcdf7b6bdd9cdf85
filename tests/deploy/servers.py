"""Prometheus and Alertmanager on loopback, with the project's own configuration."""

import contextlib
import http
import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

Found = TypeVar("Found")
START_SECONDS = 30


def ask(url: str, body: Any = None, **parameters: str) -> Any:
    """The JSON that a server answers; `body` is posted."""
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + query, data=data, headers={"Content-Type": "application/json"})
    with opened(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text.strip().startswith((b"{", b"[")) else text.decode()


def opened(request: str | urllib.request.Request, timeout: float) -> Any:
    """The answer to a request; when the server says that it is asked too often, asked again as late as it says."""
    while True:
        try:
            return urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.TOO_MANY_REQUESTS:
                raise
            time.sleep(int(error.headers["Retry-After"]))


def until(probe: Callable[[], Found], seconds: float = START_SECONDS) -> Found:
    """What a probe finds, asked again until it is something."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if found := probe():
                return found
        assert time.monotonic() < end, f"nothing within {seconds:g} s"
        time.sleep(0.1)


@contextlib.contextmanager
def running(command: Sequence[str | Path], ready: str, directory: Path) -> Iterator[None]:
    """A server while it is needed; its log is shown when it does not become ready."""
    log = directory / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen([str(part) for part in command], cwd=directory, stdout=output, stderr=subprocess.STDOUT)
        try:
            try:
                until(lambda: ask(ready) or process.poll() is not None)
            except AssertionError:
                raise AssertionError(log.read_text()[-2_000:]) from None
            assert process.poll() is None, log.read_text()[-2_000:]
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)
