"""The program's `/metrics` pages of a small city: its own collector and its own worker metrics, over a read model held in memory."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from zoneinfo import ZoneInfo

from prometheus_client import generate_latest

from models.instants import SECOND, format_instant
from models.records import DepartmentStatus, DueSoon, InterfaceStatus, ScoreRecord, TotalRecord
from scoring.indicators import INDICATORS
from scoring.scores import AnyRecord
from streams.metrics import WorkerMetrics
from streams.serving.exporter import ScoreboardCollector
from streams.serving.read_model import Freshness, Period, ReadModel, Snapshot, Status

PERIODS = ("2026-11", "2026-10")
ZONE = ZoneInfo("Asia/Shanghai")
# Code → name, overdue, due within 24 h, within 72 h, interfaces (name → up). Nobody has registered the last one.
CITY: dict[str, tuple[str, int, int, int, dict[str, bool]]] = {
    "11439900MBCEU9EF55": ("市人力资源和社会保障局", 3, 2, 4, {"social-security-query": False, "pension-query": True}),
    "11439900MBBCD28M9B": ("市自然资源和规划局", 0, 0, 1, {"title-deeds": True}),
    "11439900MB3G29GR93": ("", 0, 0, 0, {"household-query": True}),
}
WITHOUT_CATALOGUE = "11439900MB3G29GR93"


class CityInMemory:
    """What the exporter asks of the read model."""

    def snapshot(self, shows: object = None) -> Snapshot:
        """The city as of now."""
        now = int(time.time() * SECOND)
        as_of, yesterday = format_instant(now, ZONE), format_instant(now - 86_400 * SECOND, ZONE)
        common: dict[str, Any] = {"as_of": as_of, "version": 1}
        status = Status()
        for code, (name, overdue, in_24h, in_72h, interfaces) in CITY.items():
            status.departments[code] = DepartmentStatus(
                department=code, name=name, cases_open=9, cases_overdue=overdue, cases_due_soon=DueSoon(within_24h=in_24h, within_72h=in_72h),
                oldest_overdue_due_at=yesterday if overdue else None, requests_open=0, requests_overdue=0, last_event_at=as_of, **common,
            )  # fmt: skip
            status.interfaces += [
                InterfaceStatus(department=code, interface=interface, up=up, since=yesterday, failures_in_period=1 - up, **common)
                for interface, up in interfaces.items()
            ]
        periods = [
            Period(
                period=label, state="open", starts_at=f"{label}-01T00:00:00+08:00", ends_at=f"{label}-30T00:00:00+08:00", current=not place
            )
            for place, label in enumerate(PERIODS)
        ]
        scores = [record for label in PERIODS for record in _scores(label, common)]
        return Snapshot(now, periods, scores, status, len(CITY), Freshness(now, (), (), now))


def _scores(period: str, common: dict[str, Any]) -> Iterator[AnyRecord]:
    for rank, code in enumerate(CITY, 1):
        envelope = common | {"department": code, "period": period, "provisional": True, "reasons": [], "ruleset": "default"}
        yield TotalRecord(
            base_points=92 - rank,
            deductions=2,
            points=90 - rank,
            points_exact=str(90 - rank),
            scored_max=100,
            rank=rank,
            ranked=3,
            **envelope,
        )
        for indicator in INDICATORS:
            nothing = code == WITHOUT_CATALOGUE and indicator.reads_catalogue
            yield ScoreRecord(
                indicator=indicator.id, number=indicator.number, status="no_data" if nothing else "scored", numerator="1", denominator="1",
                points=0 if nothing else indicator.max_points / rank, points_exact="0", max_points=indicator.max_points, **envelope,
            )  # fmt: skip


def exporter_page() -> bytes:
    """The text of `/metrics` of `onestop web`."""
    return ScoreboardCollector(cast("ReadModel", CityInMemory())).text()


def worker_page() -> bytes:
    """The text of `/metrics` of a worker that has just started."""
    metrics = WorkerMetrics()
    metrics.calendar_until.set(time.time() + 365 * 86_400)  # whatever year it is
    return generate_latest(metrics.registry)


@contextmanager
def served(page: Callable[[], bytes]) -> Iterator[str]:
    """A page on loopback; its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
