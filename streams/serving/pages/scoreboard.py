"""`/`: all departments by rank, each with its 16 scores."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from models.records import ScoreRecord, TotalRecord
from streams.serving.api import Model, PeriodQuery
from streams.serving.pages.frame import frame_of
from streams.serving.pages.rendering import get_pages, points_text
from streams.serving.read_model import Status

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/")
def scoreboard(request: Request, model: Model, period: PeriodQuery = None) -> Response:
    """All departments by rank."""
    pages = get_pages(request)
    status = model.status()
    label = period or model.default_period()
    records = [] if label is None else model.scores(label)
    totals = sorted((r for r in records if isinstance(r, TotalRecord)), key=lambda total: (total.rank or 0, total.department))
    return pages.render(
        "scoreboard.html",
        **frame_of(pages, model, status, label),
        totals=totals,
        cells={(r.department, r.indicator): pages.cell(r) for r in records if isinstance(r, ScoreRecord)},
        names=status.names,
        summary=_summary(totals, status),
    )


def _summary(totals: Sequence[TotalRecord], status: Status) -> dict[str, Any]:
    points = [Fraction(total.points_exact) for total in totals]
    held = status.departments.values()
    return {
        "mean": points_text(float(sum(points) / len(points))) if points else "–",
        "lowest": points_text(float(min(points))) if points else "–",
        "overdue": sum(department.cases_overdue for department in held),
        "due_24h": sum(department.cases_due_soon.within_24h for department in held),
        "down": sum(not interface.up for interface in status.interfaces),
    }
