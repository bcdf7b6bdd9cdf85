"""Tables of figures, as the documents show them."""

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table: names on the left, figures on the right."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (titles, *rows)]
    return "\n".join([lines[0], "| --- |" + " ---: |" * (len(titles) - 1), *lines[1:]]) + "\n"


def stages(used: dict[str, float]) -> str:
    """µs by stage, with each one's share."""
    total = sum(used.values())
    rows = [(name, f"{each:.2f}", f"{each / total:.0%}") for name, each in used.items()]
    return table(["stage", "µs an event", "share"], [*rows, ("all of it", f"{total:.2f}", "")])
