"""The pages for people: scoreboard, department, indicator, cases. Plain HTML that brings itself up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from models.instants import from_instant, parse_instant
from models.records import AlertRecord, ScoreRecord, TotalRecord
from models.settings import Settings
from scoring.indicators import BY_ID, INDICATORS
from scoring.indicators.base import Indicator
from scoring.scores import AnyRecord
from streams.serving.api import Model, PeriodQuery
from streams.serving.problems import problem
from streams.serving.read_model import Freshness, ReadModel, Status
from streams.serving.texts import TEXTS, reason_text, span_text, translator

STALE_SECONDS = 60
SHOWN_ALERTS = 50
SHOWN_CASES = 100
SHOWN_PERIODS = 12
# Shares of the full points, from which on a cell has the shade; below all it has the last.
SHADES = ((Fraction(95, 100), "s4"), (Fraction(85, 100), "s3"), (Fraction(70, 100), "s2"), (Fraction(50, 100), "s1"))
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True, slots=True)
class Cell:
    """How a score is shown: its text, its share of the full points as a shade and a width, and what it says when pointed at."""

    text: str
    shade: str
    percent: int
    hint: str


class Pages:
    """Renders templates in the language of the settings. Everything is escaped."""

    def __init__(self, settings: Settings) -> None:
        self.language = settings.lang
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            t=translator(settings.lang), lang=settings.lang, indicators=INDICATORS, title_of=self.title_of, reason=self.reason
        )
        self._environment.filters.update(span=lambda seconds: span_text(seconds, settings.lang), points=_points)

    def title_of(self, indicator: Indicator) -> str:
        """The title of an indicator."""
        return indicator.title.in_(self.language)

    def reason(self, reason: str) -> str:
        """A reason for people."""
        return reason_text(reason, self.language)

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page."""
        return HTMLResponse(self._environment.get_template(template).render(**values), status)

    def cell(self, record: ScoreRecord) -> Cell:
        """A score."""
        indicator = BY_ID.get(record.indicator)
        hint = "；".join(filter(None, [self.status_text(record.status), *map(self.reason, record.reasons)]))
        if record.status == "no_data":
            return Cell("–", "none", 0, hint)
        share = Fraction(record.points_exact) / record.max_points if record.max_points else Fraction(0)
        deduction = indicator is not None and indicator.deduction
        good = 1 - share if deduction else share
        shade = next((shade for least, shade in SHADES if good >= least), "s0")
        if record.status != "scored":
            shade = record.status
        return Cell(_points(record.points), shade, round(float(min(share, Fraction(1))) * 100), hint)

    def status_text(self, status: str) -> str:
        """A status; nothing for an ordinary score."""
        return TEXTS[status].in_(self.language)


def _points(points: float) -> str:
    return f"{points:.2f}"


def get_pages(request: Request) -> Pages:
    """The application's pages."""
    return request.app.state.pages  # type: ignore[no-any-return]


@router.get("/")
def scoreboard(request: Request, model: Model, period: PeriodQuery = None) -> Response:
    """All departments by rank."""
    pages = get_pages(request)
    status = model.status()
    label = period or model.default_period()
    records = [] if label is None else model.scores(label)
    totals = sorted((r for r in records if isinstance(r, TotalRecord)), key=lambda total: (total.rank or 0, total.department))
    cells = {(r.department, r.indicator): pages.cell(r) for r in records if isinstance(r, ScoreRecord)}
    return pages.render(
        "scoreboard.html",
        **frame_of(pages, model, status, label),
        totals=totals,
        cells=cells,
        names=status.names,
        summary=_summary(totals, status),
    )


@router.get("/departments/{code}")
def department(request: Request, model: Model, code: str, period: PeriodQuery = None) -> Response:
    """One department: its scores with reasons, its history, alerts, interfaces and tables."""
    pages = get_pages(request)
    status = model.status()
    label = period or model.default_period()
    records = [] if label is None else model.scores(label, code)
    labels = model.period_labels()[:SHOWN_PERIODS]
    history = model.totals_of(code, labels)
    if not records and not history and code not in status.departments:
        raise problem(404, f"there is no department {code[:64]} in the read model; / lists those there are")
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
        ratios={name: _ratio(record) for name, record in scores.items()},
        history=history,
        held=status.departments.get(code),
        alerts=[_alert_row(pages, model, alert) for alert in page.items],
        more_alerts=page.cursor is not None,
        interfaces=[(i, local_text(model, i.since)) for i in status.interfaces if i.department == code],
        tables=[(t, local_text(model, t.last_update_at), due_text(model, t.next_due_at)) for t in status.tables if t.department == code],
    )


@router.get("/indicators/{identifier}")
def indicator(request: Request, model: Model, identifier: str, period: PeriodQuery = None) -> Response:
    """One indicator: its formula, and the scores of all departments, the best first."""
    found = BY_ID.get(identifier)
    if found is None:
        raise problem(404, f"{identifier[:64]} is not an indicator; the ids are: {', '.join(BY_ID)}")
    pages = get_pages(request)
    status = model.status()
    label = period or model.default_period()
    records = [] if label is None else model.scores(label, indicator=identifier)
    scores = sorted((r for r in records if isinstance(r, ScoreRecord)), key=lambda record: _best_first(found, record))
    return pages.render(
        "indicator.html",
        **frame_of(pages, model, status, label),
        indicator=found,
        scores=[(record, pages.cell(record), _ratio(record)) for record in scores],
        names=status.names,
    )


@router.get("/api/docs")
def docs(request: Request) -> Response:
    """The operations of the API: a page of our own, for a closed network has no assets of others."""
    return get_pages(request).render("api.html", schema=request.app.openapi(), type_of=_type_of)


def error_page(request: Request, status: int, detail: str) -> Response:
    """An error for people."""
    name = f"error_{status}"
    return get_pages(request).render("error.html", status, title=name if name in TEXTS else "error_other", detail=detail)


def frame_of(pages: Pages, model: ReadModel, status: Status, label: str | None) -> dict[str, Any]:
    """What every page shows: the periods, how old the data are, and warnings."""
    fresh = model.freshness(status)
    periods = model.periods()
    return {
        "periods": periods,
        "period": label,
        "period_state": next((period["state"] for period in periods if period["period"] == label), None),
        "fresh": fresh,
        "updated": None if fresh.last_update is None else from_instant(fresh.last_update, model.time.zone).strftime("%m-%d %H:%M:%S"),
        "warnings": _warnings(pages, fresh),
    }


def _warnings(pages: Pages, fresh: Freshness) -> list[str]:
    t = translator(pages.language)
    warnings = []
    if fresh.missing:
        some = ", ".join(map(str, fresh.missing[:8])) + (" …" if len(fresh.missing) > 8 else "")
        warnings.append(t("stale_missing").format(missing=some))
    elif fresh.age is not None and fresh.age > STALE_SECONDS:
        warnings.append(t("stale_age").format(age=span_text(fresh.age, pages.language)))
    if fresh.catching_up:
        warnings.append(t("catching_up"))
    return warnings


def _summary(totals: Sequence[TotalRecord], status: Status) -> dict[str, Any]:
    points = [Fraction(total.points_exact) for total in totals]
    held = status.departments.values()
    return {
        "mean": _points(float(sum(points) / len(points))) if points else "–",
        "lowest": _points(float(min(points))) if points else "–",
        "overdue": sum(department.cases_overdue for department in held),
        "due_24h": sum(department.cases_due_soon.within_24h for department in held),
        "down": sum(not interface.up for interface in status.interfaces),
    }


def _alert_row(pages: Pages, model: ReadModel, alert: AlertRecord) -> dict[str, Any]:
    details = "  ".join(f"{name}: {value}" for name, value in alert.details.items())
    return {
        "kind": TEXTS[alert.kind].in_(pages.language),
        "thing": details or alert.thing,
        "due": due_text(model, alert.due_at),
        "since": local_text(model, alert.since),
        "bad": alert.kind in ("case_overdue", "request_overdue", "interface_failed", "indicator_zeroed"),
    }


def local_text(model: ReadModel, instant: str | None) -> str:
    """A time for people, in the zone of the periods."""
    return "" if instant is None else from_instant(parse_instant(instant), model.time.zone).strftime("%Y-%m-%d %H:%M")


def due_text(model: ReadModel, instant: str | None) -> str:
    """A deadline: midnight as the end of the day before, for that is the day which a deadline in days is meant to include."""
    if instant is None:
        return ""
    moment = from_instant(parse_instant(instant), model.time.zone)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return (moment - timedelta(days=1)).strftime("%Y-%m-%d 24:00")
    return moment.strftime("%Y-%m-%d %H:%M")


def _ratio(record: ScoreRecord) -> str:
    denominator = Fraction(record.denominator)
    return f"{float(Fraction(record.numerator) / denominator):.2%}" if denominator else ""


def _best_first(found: Indicator, record: AnyRecord) -> tuple[bool, Fraction, str]:
    points = Fraction(record.points_exact)
    return (record.status == "no_data", points if found.deduction else -points, record.department)


def _type_of(schema: dict[str, Any]) -> str:
    """A parameter's type for people."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type_of(part) for part in schema["anyOf"] if part.get("type") != "null")
    if schema.get("type") == "array":
        return f"{_type_of(schema['items'])} …"
    return str(schema.get("const") or schema.get("pattern") or schema.get("type") or schema.get("$ref", "").rpartition("/")[2])
