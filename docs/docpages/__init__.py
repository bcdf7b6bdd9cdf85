"""The generated pages: which there are, and what is put into each."""

from collections.abc import Callable, Mapping

from docpages import commands, contract, http, indicators, metrics, performance, policies, records, schemas, security, settings
from docpages.parts import fill

# Of each page, the generated sections by the name that its hand-written part puts them in under.
PAGES: Mapping[str, Callable[[], dict[str, str]]] = {
    "commands": commands.sections,
    "contract": contract.sections,
    "http": http.sections,
    "indicators": indicators.sections,
    "metrics": metrics.sections,
    "performance": performance.sections,
    "policies": policies.sections,
    "records": records.sections,
    "security": security.sections,
    "settings": settings.sections,
}
# What nothing but the generator puts there.
OWNED = (*(f"{name}.md" for name in PAGES), performance.PLOT, "schemas/**/*.json")


def generate() -> dict[str, str]:
    """Every generated file, by its path relative to docs/."""
    pages = {f"{name}.md": fill(name, sections()) for name, sections in PAGES.items()}
    return {**pages, **performance.files(), **schemas.files()}
