"""Identifiers with their checks: 统一社会信用代码 (GB 32100-2015) and 行政区划代码."""

from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUES = {character: value for value, character in enumerate(USCC_ALPHABET)}
_WEIGHTS = [pow(3, place, 31) for place in range(17)]

EVERY_DEPARTMENT = "*"


def uscc_check_character(body: str) -> str:
    """The 18th character that GB 32100-2015 (5.5) gives the first 17.

    >>> uscc_check_character("91350100M000100Y4")
    '3'

    Raises:
        KeyError: a character is not of the standard's alphabet (it has no I, O, S, V, Z).
    """
    total = sum(_VALUES[character] * weight for character, weight in zip(body, _WEIGHTS, strict=True))
    return USCC_ALPHABET[-total % 31]


@lru_cache(maxsize=65_536)
def check_uscc(code: str) -> str:
    """Return the code when it is a valid 统一社会信用代码.

    Raises:
        ValueError: wrong length, a character outside the alphabet, or a wrong check character.
    """
    if len(code) != 18 or not _VALUES.keys() >= set(code):
        raise ValueError(f"{code[:40]!r} is not 18 characters of 0-9 and A-Z without I, O, S, V, Z")
    expected = uscc_check_character(code[:17])
    if code[17] != expected:
        raise ValueError(f"the check character of {code} should be {expected} (GB 32100-2015)")
    return code


@lru_cache(maxsize=65_536)
def check_uscc_or_every(code: str) -> str:
    """As `check_uscc`, but `*` (every department) is allowed: `period.*` events only."""
    return code if code == EVERY_DEPARTMENT else check_uscc(code)


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=257)]
_USCC_SCHEMA = Field(description="统一社会信用代码, GB 32100-2015", examples=["91350100M000100Y43"])
DepartmentCode = Annotated[str, AfterValidator(check_uscc), _USCC_SCHEMA]
DepartmentCodeOrEvery = Annotated[str, AfterValidator(check_uscc_or_every), _USCC_SCHEMA]
RegionCode = Annotated[str, StringConstraints(pattern=r"^([0-9]{6}|[0-9]{12})$")]
PeriodLabel = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
