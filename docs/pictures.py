"""Takes the pictures of the walkthrough and the READMEs, from a real run of the demonstration: `python docs/pictures.py`.

Walks as `tests/browser/walk.py` says, in both languages. Needs the extras `embedded` and `dev`, and chromium with fonts for Chinese
(Debian: chromium, fonts-noto-cjk). It takes some minutes. It takes none of the Grafana boards: they show the same data, but a true picture
of them needs a Grafana.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

from prometheus_client.parser import text_string_to_metric_families

from streams.embedded import free_ports

sys.path.insert(0, str(Path(__file__).parent.parent))  # the walk lies with the tests
from tests.browser.walk import Walk
from tests.support import chromium

IMAGES = Path(__file__).parent / "images"
ONESTOP = [sys.executable, "-m", "streams.cli.main"]
START_SECONDS, HISTORY_SECONDS = 120, 1_200
LANGUAGES = {"en": "", "zh": ".zh"}  # and what stands before the ending of a picture's name
WINDOW = {"width": 1500, "height": 950}


def main() -> int:
    """Take all pictures; the exit code."""
    with tempfile.TemporaryDirectory(prefix="onestop-pictures-") as scratch:
        directory = Path(scratch)
        with demonstration(directory) as (settings, worker), chromium.browser() as browser:
            overdue = f"http://{settings['ONESTOP_WEB_ADDRESS']}/api/v1/alerts?kind=case_overdue&limit=1"
            _until(
                lambda: _is_scored(worker, directory) and '"due_at"' in _ask(overdue),
                "the history is scored, and alerts fire",
                HISTORY_SECONDS,
            )
            for language, ending in LANGUAGES.items():
                page = browser.new_page(viewport=WINDOW)

                def take(name: str, page: Any = page, ending: str = ending) -> None:
                    picture = IMAGES / f"walk-{name}{ending}.png"
                    page.screenshot(path=picture)
                    sys.stdout.write(f"docs/images/{picture.name}: written\n")

                command = partial(_command, settings | {"ONESTOP_LANG": language})
                Walk(page, f"http://{settings['ONESTOP_WEB_ADDRESS']}", language, command, directory, take).all()
    return 0


def _command(settings: dict[str, str], *arguments: str, expect: int = 0) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")} | settings
    done = subprocess.run([*ONESTOP, *arguments], env=environment, capture_output=True, check=False)  # noqa: S603  # our own
    if done.returncode != expect:
        raise SystemExit(f"onestop {arguments[0]} ended with {done.returncode}: {done.stderr.decode()}")
    return done


@contextmanager
def demonstration(directory: Path) -> Iterator[tuple[dict[str, str], str]]:
    """`onestop up --demo` while it is needed; the settings for commands, and the address of the worker."""
    broker, web, worker = (f"127.0.0.1:{port}" for port in free_ports(3))
    settings = {"ONESTOP_BROKER": broker, "ONESTOP_WEB_ADDRESS": web, "ONESTOP_WORKER_ADDRESS": worker, "ONESTOP_LANG": "en"}
    with _running(["up", "--demo"], settings, directory / "up.log", f"http://{web}/healthz"):
        redis = re.findall(r"redis://\S+", (directory / "up.log").read_text())
        yield settings | {"ONESTOP_REDIS_URL": redis[0]}, worker


@contextmanager
def _running(command: list[str], settings: dict[str, str], log: Path, ready: str) -> Iterator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")} | settings
    with log.open("wb") as output:
        process = subprocess.Popen([*ONESTOP, *command], env=environment, cwd=log.parent, stdout=output, stderr=output)  # noqa: S603  # our own
        try:
            _until(lambda: process.poll() is not None or (_ask(ready) and "redis://" in log.read_text()), f"{ready} answers", START_SECONDS)
            if process.poll() is not None:
                raise SystemExit(f"onestop {command[0]} ended:\n{log.read_text()}")
            yield
        finally:
            process.terminate()
            process.wait(60)


def _is_scored(worker: str, directory: Path) -> bool:
    if "history published" not in (directory / "up.log").read_text():
        return False
    families = {family.name: family for family in text_string_to_metric_families(_ask(f"http://{worker}/metrics"))}
    # The city goes on; what is left are the events of this moment.
    return sum(sample.value for sample in families["govscore_consumer_lag_records"].samples) < 100


def _ask(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # loopback
            return str(answer.read().decode())
    except (URLError, ConnectionError, TimeoutError):
        return ""


def _until(condition: Callable[[], Any], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:g} s: {what}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
