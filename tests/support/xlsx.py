"""Reads a workbook back, with nothing but the archive and its XML: the values of its sheets, and how they are shown."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
ESCAPED = re.compile("_x([0-9A-F]{4})_")
Value = str | float


@dataclass
class Sheet:
    """Cells by row and column, from 0; `formats`: the number format of each. `xml`: the sheet itself."""

    xml: ET.Element
    cells: dict[tuple[int, int], Value] = field(default_factory=dict)
    formats: dict[tuple[int, int], str] = field(default_factory=dict)

    def row(self, number: int) -> list[Value | None]:
        width = 1 + max(column for row, column in self.cells if row == number)
        return [self.cells.get((number, column)) for column in range(width)]

    def row_of(self, first: str) -> int:
        """The row whose first cell says this."""
        return next(row for (row, column), value in self.cells.items() if column == 0 and value == first)

    def records(self, first: str) -> list[dict[str, Value | None]]:
        """The rows of the table whose first title this is, by title, up to the first row without borders: an empty one, or a text alone."""
        head = self.row_of(first)
        titles = [str(title) for title in self.row(head)]
        found = []
        row = head + 1
        while sum((row, column) in self.cells for column in range(len(titles))) > 1:
            found.append({title: self.cells.get((row, column)) for column, title in enumerate(titles)})
            row += 1
        return found

    @property
    def texts(self) -> list[str]:
        return [value for value in self.cells.values() if isinstance(value, str)]


def read_xlsx(content: bytes) -> dict[str, Sheet]:
    """The sheets by name. Nothing in them is a formula or a link."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        book = ET.fromstring(archive.read("xl/workbook.xml"))
        shared = [_text(entry) for entry in ET.fromstring(archive.read("xl/sharedStrings.xml"))]
        formats = _formats(ET.fromstring(archive.read("xl/styles.xml")))
        sheets = {}
        for number, sheet in enumerate(book.iter(f"{MAIN}sheet"), start=1):
            sheets[sheet.attrib["name"]] = _sheet(ET.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml")), shared, formats)
    return sheets


def _sheet(xml: ET.Element, shared: list[str], formats: list[str]) -> Sheet:
    assert not list(xml.iter(f"{MAIN}f")), "a formula"
    assert not list(xml.iter(f"{MAIN}hyperlink")), "a link"
    sheet = Sheet(xml)
    for cell in xml.iter(f"{MAIN}c"):
        letters, digits = re.fullmatch(r"([A-Z]+)(\d+)", cell.attrib["r"]).groups()  # type: ignore[union-attr]
        place = int(digits) - 1, _number(letters)
        value = cell.find(f"{MAIN}v")
        if value is not None:
            assert cell.attrib.get("t", "n") in ("s", "n")
            sheet.cells[place] = shared[int(value.text)] if cell.attrib.get("t") == "s" else float(value.text)
            sheet.formats[place] = formats[int(cell.attrib.get("s", 0))]
    return sheet


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _text(entry: ET.Element) -> str:
    text = "".join(part.text or "" for part in entry.iter(f"{MAIN}t"))
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _formats(styles: ET.Element) -> list[str]:
    named = {entry.attrib["numFmtId"]: entry.attrib["formatCode"] for entry in styles.iter(f"{MAIN}numFmt")}
    builtin = {"0": "General", "1": "0", "2": "0.00", "49": "@"}
    cells = styles.find(f"{MAIN}cellXfs")
    assert cells is not None
    return [{**builtin, **named}[entry.attrib["numFmtId"]] for entry in cells]
