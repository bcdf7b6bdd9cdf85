"""Takes the pictures of the pages for the READMEs, from a real run of the demonstration: `python docs/pictures.py`.

Needs the extra `embedded`, and chromium with fonts for Chinese (Debian: chromium, fonts-noto-cjk). It takes some minutes.
It takes none of the Grafana boards: they show the same data, but a true picture of them needs a Grafana.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

from prometheus_client.parser import text_string_to_metric_families

from streams.embedded import free_ports

IMAGES = Path(__file__).parent / "images"
ONESTOP = [sys.executable, "-m", "streams.cli.main"]
START_SECONDS, HISTORY_SECONDS = 120, 1_200
LANGUAGES = {"en": "", "zh": ".zh"}  # and what stands before the ending of a picture's name
# Pages by the picture's name, with the size of the window.
PAGES: dict[str, tuple[str, int, int]] = {
    "scoreboard": ("/", 1500, 1100),
    "department": ("/departments/{department}", 1500, 880),
}


def main() -> int:
    """Take all pictures; the exit code."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("chromium is not on PATH: install it (Debian: apt-get install chromium fonts-noto-cjk)\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="onestop-pictures-") as scratch:
        directory = Path(scratch)
        with demonstration(directory) as (redis, web, worker), second_language(directory, redis) as chinese:
            _until(lambda: _is_scored(worker, directory), "the history is scored", HISTORY_SECONDS)
            department = _lowest(web)
            for language, address in {"en": web, "zh": chinese}.items():
                for name, (path, width, height) in PAGES.items():
                    picture = IMAGES / f"{name}{LANGUAGES[language]}.png"
                    page = f"http://{address}{path.format(department=department)}?lang={language}"  # whatever the browser's own
                    _take(chromium, page, picture, (width, height), directory)
                    sys.stdout.write(f"docs/images/{picture.name}: written\n")
    return 0


@contextmanager
def demonstration(directory: Path) -> Iterator[tuple[str, str, str]]:
    """`onestop up --demo` while it is needed; the addresses of Redis, the pages and the worker."""
    broker, web, worker = (f"127.0.0.1:{port}" for port in free_ports(3))
    settings = {"ONESTOP_BROKER": broker, "ONESTOP_WEB_ADDRESS": web, "ONESTOP_WORKER_ADDRESS": worker, "ONESTOP_LANG": "en"}
    with _running(["up", "--demo"], settings, directory / "up.log", f"http://{web}/healthz"):
        redis = re.findall(r"redis://\S+", (directory / "up.log").read_text())
        yield redis[0], web, worker


@contextmanager
def second_language(directory: Path, redis: str) -> Iterator[str]:
    """The same pages in Chinese: a second web process over the same read model."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    settings = {"ONESTOP_REDIS_URL": redis, "ONESTOP_WEB_ADDRESS": address, "ONESTOP_LANG": "zh"}
    with _running(["web"], settings, directory / "web.log", f"http://{address}/healthz"):
        yield address


@contextmanager
def _running(command: list[str], settings: dict[str, str], log: Path, ready: str) -> Iterator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONESTOP_")} | settings
    with log.open("wb") as output:
        process = subprocess.Popen([*ONESTOP, *command], env=environment, cwd=log.parent, stdout=output, stderr=output)  # noqa: S603  # our own
        try:
            _until(lambda: process.poll() is not None or (_ask(ready) and _told(log)), f"{ready} answers", START_SECONDS)
            if process.poll() is not None:
                raise SystemExit(f"onestop {command[0]} ended:\n{log.read_text()}")
            yield
        finally:
            process.terminate()
            process.wait(60)


def _told(log: Path) -> bool:
    """Whether `up` has told its addresses; `web` tells none."""
    return log.name != "up.log" or "redis://" in log.read_text()


def _is_scored(worker: str, directory: Path) -> bool:
    if "history published" not in (directory / "up.log").read_text():
        return False
    families = {family.name: family for family in text_string_to_metric_families(_ask(f"http://{worker}/metrics"))}
    # The city goes on; what is left are the events of this moment.
    return sum(sample.value for sample in families["govscore_consumer_lag_records"].samples) < 100


def _lowest(address: str) -> str:
    """The department with the most to show: the lowest total."""
    totals: list[dict[str, Any]] = json.loads(_ask(f"http://{address}/api/v1/scores?indicator=total"))["items"]
    return str(min(totals, key=lambda total: total["points"])["department"])


def _take(chromium: str, page: str, picture: Path, size: tuple[int, int], directory: Path) -> None:
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        f"--user-data-dir={directory / 'chromium'}",
    ]
    window = [f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}", "--virtual-time-budget=3000"]
    subprocess.run([chromium, *options, *window, page], check=True, capture_output=True, timeout=120)  # noqa: S603  # our own page


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
