"""Answers as files for spreadsheets."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from starlette.responses import Response

from models.records import Record
from streams.spreadsheets import Cell, csv_text

Format = Literal["json", "csv"]
BOM = "\ufeff"  # or spreadsheet programs take Chinese for something else


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A file with a row of titles."""
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(
        BOM + csv_text([columns, *([_cell(cell) for cell in row] for row in rows)]), headers=headers, media_type="text/csv; charset=utf-8"
    )


def csv_of_records(name: str, kind: type[Record], records: Iterable[Record], names: dict[str, str]) -> Response:
    """Records of a department as a file: a column a field, the department's name behind its code."""
    first, *others = kind.model_fields
    assert first == "department"

    def cells(values: dict[str, Any]) -> list[Cell]:
        code = values[first]
        return [code, names.get(code, code), *(values[field] for field in others)]

    return csv_response(name, [first, "department_name", *others], (cells(record.model_dump()) for record in records))


def _cell(value: Cell) -> Cell:
    return str(value).lower() if isinstance(value, bool) else value
