"""The hand-written parts: pages with places for generated sections, and sentences about what the code has only names for."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

PARTS = Path(__file__).parents[1] / "parts"
_PLACE = re.compile(r"^\{\{(\w+)\}\}$", re.MULTILINE)


class PartError(Exception):
    """A hand-written part and the code do not fit: something is not described, or is described and does not exist."""


def fill(page: str, sections: dict[str, str]) -> str:
    """A page: its hand-written part with each section in its place.

    Raises:
        PartError: a place without a section, or a section without a place.
    """
    text = (PARTS / f"{page}.md").read_text(encoding="utf-8")
    must_fit(f"docs/parts/{page}.md", _PLACE.findall(text), sections)
    head = f"<!-- Written by docs/generate.py from the code and docs/parts/{page}.md: change those, not this file. -->\n\n"
    return head + _PLACE.sub(lambda place: sections[place[1]].rstrip("\n"), text)


def sentences(name: str) -> dict[str, Any]:
    """The sentences of a YAML file."""
    content: dict[str, Any] = yaml.safe_load((PARTS / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def must_fit(where: str, written: Iterable[str], wanted: Iterable[str]) -> None:
    """Both directions at once: everything in the code is described, and everything described is in the code.

    Raises:
        PartError: it is not so.
    """
    described, there = set(written), set(wanted)
    missing, superfluous = there - described, described - there
    if missing or superfluous:
        faults = [f"{name} is not described" for name in sorted(missing)]
        faults += [f"{name} names nothing in the code" for name in sorted(superfluous)]
        raise PartError(f"{where}: {'; '.join(faults)}")


class Meanings:
    """What fields mean: `owner.field` where they differ by owner, else `field`. Remembers what was asked, to find what is left over."""

    def __init__(self, where: str, written: dict[str, str]) -> None:
        self._where, self._written = where, written
        self._used: set[str] = set()
        self._missing: set[str] = set()

    def of(self, owner: str, field: str, in_code: str | None) -> str:
        """The sentence about a field of an owner; the one in the code where none is written here."""
        key = next((key for key in (f"{owner}.{field}", field) if key in self._written), None)
        if key is not None:
            self._used.add(key)
            return self._written[key]
        if in_code is None:
            self._missing.add(f"{owner}.{field}")
        return in_code or ""

    def must_be_used_up(self) -> None:
        """Raise PartError unless every field asked for was there, and every one there was asked for."""
        must_fit(self._where, self._written, self._used | self._missing)
