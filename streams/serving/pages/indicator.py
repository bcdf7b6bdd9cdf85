"""`/indicators/{id}`: one indicator's formula, and what each department has."""

from fractions import Fraction

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from models.records import ScoreRecord
from models.text import Text
from scoring.indicators import BY_ID
from scoring.indicators.base import Indicator
from streams.serving.api import Model, PeriodQuery
from streams.serving.pages.department import ratio_text
from streams.serving.pages.frame import frame_of
from streams.serving.pages.rendering import get_pages
from streams.serving.problems import problem

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/indicators/{identifier}")
def indicator(request: Request, model: Model, identifier: str, period: PeriodQuery = None) -> Response:
    """One indicator: its formula, and the scores of all departments, the best first."""
    found = BY_ID.get(identifier)
    if found is None:
        ids = ", ".join(BY_ID)
        raise problem(
            404, Text(f"没有指标 {identifier[:64]}；可用的是：{ids}", f"{identifier[:64]} is not an indicator; the ids are: {ids}")
        )
    pages = get_pages(request)
    status = model.status()
    label = period or model.default_period()
    records = [] if label is None else model.scores(label, indicator=identifier)
    scores = sorted((r for r in records if isinstance(r, ScoreRecord)), key=lambda record: _best_first(found, record))
    return pages.render(
        "indicator.html",
        **frame_of(pages, model, status, label),
        indicator=found,
        scores=[(record, pages.cell(record), ratio_text(record)) for record in scores],
        names=status.names,
    )


def _best_first(found: Indicator, record: ScoreRecord) -> tuple[bool, Fraction, str]:
    points = Fraction(record.points_exact)
    return (record.status == "no_data", points if found.deduction else -points, record.department)
