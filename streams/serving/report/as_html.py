"""A report as a page: served with its stylesheet linked, or written to a file with the stylesheet in it, so that it stands alone."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.text import Language
from scoring.indicators import INDICATORS
from scoring.report import Report
from streams.serving.report.texts import SIGNATURES, heading, kind_of, notices, policy_rows, reasons_text, remarks, translator, when

HERE = Path(__file__).parents[1]
STYLESHEET = HERE / "static" / "report.css"


def html_report(report: Report, language: Language, *, alone: bool) -> str:
    """The page.

    Args:
        report: what it shows.
        language: of its texts.
        alone: to be written to a file: with the stylesheet in it, and nothing of the web server around it.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html").render(
        report=report,
        lang=language,
        text=translator(language),
        style=Markup(STYLESHEET.read_text(encoding="utf-8")) if alone else None,  # noqa: S704  # our own file
        indicators=INDICATORS,
        heading=heading(report, language),
        notices=notices(report, language),
        remarks=remarks(report, language),
        policies=policy_rows(report, language),
        signatures=SIGNATURES,
        kind_of=kind_of,
        reasons=lambda record: reasons_text(record, language),
        when=when,
        points=lambda points: f"{points:.2f}",
    )
