"""Small pieces of Markdown."""

from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """A text inside a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; empty text when there are no rows."""
    lines = ["| " + " | ".join(map(cell, row)) + " |" for row in rows]
    if not lines:
        return ""
    head = "| " + " | ".join(titles) + " |"
    return "\n".join([head, "|" + " --- |" * len(titles), *lines]) + "\n"


def code(text: object) -> str:
    """Code in a line."""
    return f"`{text}`"


def codes(values: Iterable[object], between: str = ", ") -> str:
    """Several of them."""
    return between.join(map(code, values))


def first_sentence(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def blocks(parts: Iterable[str]) -> str:
    """Paragraphs with a blank line between, without the empty ones."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"
