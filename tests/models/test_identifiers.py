"""统一社会信用代码 (GB 32100-2015): real codes pass, and every single wrong or swapped character is found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.identifiers import USCC_ALPHABET, check_uscc, check_uscc_or_every, uscc_check_character

# Published codes: 国家市场监督管理总局's example of the standard, 华为, 阿里巴巴 (中国), 腾讯.
REAL = ("91350100M000100Y43", "914403001922038216", "91330100799655058B", "9144030071526726XG")


@pytest.mark.parametrize("code", REAL)
def test_real_codes_are_valid(code: str) -> None:
    assert check_uscc(code) == code


@settings(max_examples=20 * settings.default.max_examples)
@given(st.sampled_from(REAL), st.integers(0, 17), st.sampled_from(USCC_ALPHABET))
def test_any_wrong_character_is_found(code: str, place: int, character: str) -> None:
    wrong = code[:place] + character + code[place + 1 :]
    if wrong != code:
        with pytest.raises(ValueError, match="check character"):
            check_uscc(wrong)


@settings(max_examples=20 * settings.default.max_examples)
@given(st.sampled_from(REAL), st.integers(0, 15))
def test_neighbours_swapped_are_found(code: str, place: int) -> None:
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    if swapped != code:
        with pytest.raises(ValueError, match="check character"):
            check_uscc(swapped)


@given(st.text(USCC_ALPHABET, min_size=17, max_size=17))
def test_the_check_character_completes_any_body(body: str) -> None:
    assert check_uscc(body + uscc_check_character(body))


@pytest.mark.parametrize(
    "code", ["", "9135", REAL[0] + "3", REAL[0].lower(), "91350100I000100Y43", "９1350100M000100Y43", " " + REAL[0][1:]]
)
def test_what_is_no_code_at_all(code: str) -> None:
    with pytest.raises(ValueError, match="is not 18 characters"):
        check_uscc(code)


def test_every_department() -> None:
    assert check_uscc_or_every("*") == "*"
    assert check_uscc_or_every(REAL[0]) == REAL[0]
    for wrong in ("**", "", REAL[0][:-1] + "4"):
        with pytest.raises(ValueError, match=r"18 characters|check character"):
            check_uscc_or_every(wrong)
