"""CSV: no text of an event becomes a formula on somebody's desk; numbers stay numbers."""

import csv
import io
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.spreadsheets import FORMULA_STARTS, csv_text


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x")', "－1", "＝1", "＋1", "＠A", " =1", "-1.5"]
)  # fmt: skip
def test_a_text_like_a_formula_is_escaped(text: str) -> None:
    assert read(csv_text([[text]])) == [["'" + text]]


@pytest.mark.parametrize(
    ("cell", "shown"), [(-1.5, "-1.5"), (-3, "-3"), (Decimal("-0.10"), "-0.10"), (Fraction(-1, 3), "-1/3"), (0, "0"), (None, ""), ("甲", "甲"), ("a=b", "a=b"), ("", "")]
)  # fmt: skip
def test_other_cells_stay(cell: float | str | None, shown: str) -> None:
    assert read(csv_text([[cell, "x"]])) == [[shown, "x"]]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1), min_size=1))
def test_every_text_comes_back_and_none_is_a_formula(rows: list[list[str]]) -> None:
    found = read(csv_text(rows))
    for row, cells in zip(rows, found, strict=True):
        assert [cell.removeprefix("'") for cell in cells] == [cell.removeprefix("'") for cell in row]
        assert not any(cell.lstrip(" ").startswith(FORMULA_STARTS) for cell in cells)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))
