"""The documents: which there are, and what Markdown says in them, read without the generator."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
READMES = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "deploy" / "README.md"]
PAGES = [*READMES, *sorted(DOCS.glob("*.md")), *sorted((DOCS / "adr").glob("*.md"))]


def text(name: str) -> str:
    """The text of a page of docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def without_code(content: str) -> str:
    """A text without blocks and lines of code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", content, flags=re.MULTILINE | re.DOTALL))


def links(content: str) -> list[str]:
    """The targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", without_code(content))


def headings(content: str) -> list[str]:
    """The headings, with their marks."""
    return re.findall(r"^#+ .*$", re.sub(r"^ *```.*?^ *```", "", content, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def anchors(content: str) -> set[str]:
    """What a link may point to inside a page: headings as the usual viewers name them, and marks put there by hand."""
    named = [re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-") for heading in headings(content)]
    return {*named, *re.findall(r'<a id="([^"]+)">', content)}


def first_cells(content: str, section: str = "") -> set[str]:
    """The code in the first cells of the tables of a section (of the whole page without one)."""
    part = content if not section else re.split(rf"^## {re.escape(section)}$", content, flags=re.MULTILINE)[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE))


def blocks(content: str) -> list[str]:
    """The blocks of code, those in lists too."""
    return re.findall(r"^ *```\w*\n(.*?)^ *```", content, re.MULTILINE | re.DOTALL)
