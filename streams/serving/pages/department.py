"""`/departments/{code}`: one department's scores with what was lost, its months, alerts, interfaces and tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from models.records import AlertRecord, ScoreRecord, TotalRecord
from models.text import Text
from streams.serving.api import Model, PeriodQuery
from streams.serving.pages.frame import due_text, frame_of, local_text
from streams.serving.pages.rendering import Pages, get_pages, points_text
from streams.serving.problems import problem
from streams.serving.read_model import ReadModel
from streams.serving.texts import TEXTS

SHOWN_ALERTS = 50
SHOWN_PERIODS = 12
BAD_ALERTS = ("case_overdue", "request_overdue", "interface_failed", "indicator_zeroed")
# The picture of the months, in its own units.
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 640, 36, 620, 18, 150
router = APIRouter(default_response_class=HTMLResponse)


@router.get("/departments/{code}")
def department(request: Request, model: Model, code: str, period: PeriodQuery = None) -> Response:
    """One department: its scores with reasons, its history, alerts, interfaces and tables."""
    pages = get_pages(request)
    status = model.status()
    label = period or model.default_period()
    records = [] if label is None else model.scores(label, code)
    history = model.totals_of(code, model.period_labels()[:SHOWN_PERIODS])
    if not records and not history and code not in status.departments:
        raise problem(
            404,
            Text(
                f"读模型中没有部门 {code[:64]}；记分板（/）列出所有部门",
                f"there is no department {code[:64]} in the read model; / lists those there are",
            ),
        )
    page = model.alerts("firing", department=code, limit=SHOWN_ALERTS)
    scores = {r.indicator: r for r in records if isinstance(r, ScoreRecord)}
    return pages.render(
        "department.html",
        **frame_of(pages, model, status, label),
        code=code,
        name=status.names.get(code, code),
        total=next((r for r in records if isinstance(r, TotalRecord)), None),
        scores=scores,
        cells={name: pages.cell(record) for name, record in scores.items()},
        ratios={name: ratio_text(record) for name, record in scores.items()},
        history=history,
        trend=trend_of(history),
        held=status.departments.get(code),
        alerts=[_alert_row(pages, model, alert) for alert in page.items],
        more_alerts=page.cursor is not None,
        interfaces=[(i, local_text(model, i.since)) for i in status.interfaces if i.department == code],
        tables=[(t, local_text(model, t.last_update_at), due_text(model, t.next_due_at)) for t in status.tables if t.department == code],
    )


@dataclass(frozen=True, slots=True)
class Trend:
    """The totals by month as a line: where its points lie, and the lines of the scale."""

    points: list[tuple[float, float, str, str]]  # x, y, month, total
    scale: list[tuple[float, int]]  # y, points

    @property
    def line(self) -> str:
        """The points as SVG wants them."""
        return " ".join(f"{x:g},{y:g}" for x, y, _, _ in self.points)


def trend_of(history: Sequence[TotalRecord]) -> Trend | None:
    """The totals by month, the oldest first; None where there are fewer than two."""
    if len(history) < 2:
        return None
    months = sorted(history, key=lambda total: total.period)
    least = min(int(min(total.points for total in months) // 10 * 10), 90)

    def height(points: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (points - least) / (100 - least), 1)

    step = (RIGHT - LEFT - 40) / (len(months) - 1)
    places = [(round(LEFT + 20 + step * n, 1), height(t.points), t.period, points_text(t.points)) for n, t in enumerate(months)]
    return Trend(places, [(height(points), points) for points in sorted({least, (least + 100) // 2, 100})])


def ratio_text(record: ScoreRecord) -> str:
    """Numerator by denominator, in percent."""
    denominator = Fraction(record.denominator)
    return f"{float(Fraction(record.numerator) / denominator):.2%}" if denominator else ""


def _alert_row(pages: Pages, model: ReadModel, alert: AlertRecord) -> dict[str, Any]:
    details = "  ".join(f"{name}: {value}" for name, value in alert.details.items())
    return {
        "kind": TEXTS[alert.kind].in_(pages.language),
        "thing": details or alert.thing,
        "due": due_text(model, alert.due_at),
        "due_at": alert.due_at,
        "since": local_text(model, alert.since),
        "since_at": alert.since,
        "bad": alert.kind in BAD_ALERTS,
    }
