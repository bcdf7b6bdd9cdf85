"""The report of a department for the web: the page that `onestop report` writes, with its stylesheet linked."""

from importlib.metadata import version as installed_version

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from models.instants import SECOND
from models.settings import Settings
from models.text import Language
from scoring.report import Made, Report
from streams.serving.api import Model, PeriodQuery
from streams.serving.api_live import Asked
from streams.serving.problems import problem
from streams.serving.read_model import ReadModel
from streams.serving.report.as_html import html_report
from streams.serving.report.counts import EvidenceCounts
from streams.serving.report.live import live_report
from streams.serving.workers import NoAnswerError, Workers

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/departments/{code}/report")
def report(request: Request, model: Model, workers: Asked, code: str, period: PeriodQuery = None) -> Response:
    """The result of a department for filing. Where no worker can say what was counted it says so, and shows the rest."""
    settings: Settings = request.app.state.settings
    label = period or model.default_period()
    now = model.now()
    made = Made(model.text(now - now % SECOND), request.state.user.name, installed_version("onestop"))
    found = None if label is None else _report(model, workers, settings.lang, label, code, made)
    if found is None:
        when, listed = f" in {period}" if period else "", ", ".join(model.period_labels()) or "none yet"
        raise problem(404, f"there are no scores of {code[:64]}{when}; periods with scores: {listed}")
    return HTMLResponse(html_report(found, settings.lang, alone=False))


def _report(model: ReadModel, workers: Workers, language: Language, period: str, code: str, made: Made) -> Report | None:
    def with_counts(counts: EvidenceCounts | None) -> Report | None:
        # Workers say what they score by; this process knows no ruleset, so it lists no policies.
        return live_report(model, counts, lambda rulesets: None, period, code, made, language)

    try:
        return with_counts(workers.evidence_counts)
    except NoAnswerError:
        return with_counts(None)
