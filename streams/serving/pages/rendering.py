"""From values to a page, in the language and the colours that its reader has chosen. Everything is escaped."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from models.records import ScoreRecord
from models.settings import Settings
from models.text import Language
from scoring.indicators import BY_ID, INDICATORS
from streams.serving.access import EVERYONE
from streams.serving.problems import Detail
from streams.serving.texts import TEXTS, reason_text, span_text, translator

Theme = Literal["auto", "light", "dark"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
THEMES: tuple[Theme, ...] = get_args(Theme)
LANGUAGE_COOKIE, THEME_COOKIE = "onestop-lang", "onestop-theme"
COOKIE_SECONDS = 365 * 86_400
# Shares of the full points, from which on a cell has the shade; below all it has the last.
SHADES = ((Fraction(95, 100), "s4"), (Fraction(85, 100), "s3"), (Fraction(70, 100), "s2"), (Fraction(50, 100), "s1"), (Fraction(0), "s0"))


@dataclass(frozen=True, slots=True)
class Cell:
    """How a score is shown: its text, its share of the full points as a shade and a width, what was lost, and what it says besides."""

    text: str
    shade: str
    percent: int
    lost: str
    hint: str


class Templates:
    """The templates, for each language."""

    def __init__(self) -> None:
        self._environments = {language: self._environment(language) for language in LANGUAGES}

    def render(self, template: str, language: Language, values: Mapping[str, Any]) -> str:
        """A page's text."""
        return self._environments[language].get_template(template).render(values)

    @staticmethod
    def _environment(language: Language) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(
            t=translator(language),
            lang=language,
            indicators=INDICATORS,
            shades=SHADES,
            title_of=lambda indicator: indicator.title.in_(language),
            reason=lambda reason: reason_text(reason, language),
        )
        environment.filters.update(span=lambda seconds: span_text(seconds, language), points=points_text)
        return environment


class Pages:
    """Renders templates for who asks."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._settings: Settings = request.app.state.settings
        self.language = language_of(request, self._settings.lang)
        self.theme = next((t for t in (request.query_params.get("theme"), request.cookies.get(THEME_COOKIE)) if t in THEMES), "auto")

    def reason(self, reason: str) -> str:
        """A reason for people."""
        return reason_text(reason, self.language)

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page."""
        request = self._request
        user = getattr(request.state, "user", EVERYONE)  # who is refused has none
        common = {
            "path": request.url.path,
            "here": self._here,
            "theme": self.theme,
            "user_name": None if user == EVERYONE else user.name,
            "records": user.may("recorder"),
            "signed_in": getattr(request.state, "signed_in", False),
            "csrf": getattr(request.state, "csrf", ""),
        }
        templates: Templates = request.app.state.templates
        response = HTMLResponse(templates.render(template, self.language, {**common, **values}), status)
        for name, cookie, chosen in (("lang", LANGUAGE_COOKIE, self.language), ("theme", THEME_COOKIE, self.theme)):
            if request.query_params.get(name) == chosen:
                response.set_cookie(cookie, chosen, COOKIE_SECONDS, secure=is_https(request, self._settings), httponly=True, samesite="lax")
        return response

    def _here(self, **changed: str) -> str:
        """The address of this page with other parameters."""
        return "?" + urlencode({**self._request.query_params, **changed})

    def cell(self, record: ScoreRecord) -> Cell:
        """A score."""
        indicator = BY_ID.get(record.indicator)
        hint = "；".join(filter(None, [self.status_text(record.status), *map(self.reason, record.reasons)]))
        if record.status == "no_data":
            return Cell("–", "none", 0, "–", hint)
        points = Fraction(record.points_exact)
        share = points / record.max_points if record.max_points else Fraction(0)
        deduction = indicator is not None and indicator.deduction
        good = 1 - share if deduction else share
        shade = next((shade for least, shade in SHADES if good >= least), "s0")
        if record.status != "scored":
            shade = record.status
        lost = record.points if deduction else round(record.max_points - record.points, 2)
        return Cell(points_text(record.points), shade, round(float(min(share, Fraction(1))) * 100), points_text(lost), hint)

    def status_text(self, status: str) -> str:
        """A status; nothing for an ordinary score."""
        return TEXTS[status].in_(self.language)


def points_text(points: float) -> str:
    """Points with their two decimals."""
    return f"{points:.2f}"


def get_pages(request: Request) -> Pages:
    """The pages for who asks."""
    return Pages(request)


def error_page(request: Request, status: int, detail: Detail) -> Response:
    """An error for people."""
    pages, name = get_pages(request), f"error_{status}"
    said = detail if isinstance(detail, str) else detail.in_(pages.language)
    return pages.render("error.html", status, title=name if name in TEXTS else "error_other", detail=said)


def language_of(request: Request, default: Language) -> Language:
    """The language that was chosen, else the one that the browser asks for, else the one of the settings."""
    chosen = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), _accepted(request.headers.get("accept-language", "")))
    return next((language for wanted in chosen for language in LANGUAGES if language == wanted), default)


def _accepted(header: str) -> str | None:
    """The first of our languages by weight.

    >>> _accepted("fr, en;q=0.5, zh-CN;q=0.8"), _accepted("fr")
    ('zh', None)
    """
    found: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, weight = part.replace(" ", "").partition(";q=")
        language = tag.partition("-")[0].lower()
        if language in LANGUAGES:
            try:
                found.append((-float(weight or 1), language))
            except ValueError:
                continue
    return min(found, key=lambda one: one[0])[1] if found else None


def is_https(request: Request, settings: Settings) -> bool:
    """Whether the browser speaks TLS, here or with the trusted proxy."""
    forwarded = request.headers.get("x-forwarded-proto", "") if settings.trusted_proxy else ""
    return "https" in (request.url.scheme, forwarded.rpartition(",")[2].strip().lower())
