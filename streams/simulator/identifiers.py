"""Unified social credit codes (统一社会信用代码, GB 32100-2015) and the organisation codes in them (GB 11714)."""

from random import Random

from streams.simulator.dice import dice

REGION = "439900"
"""Administrative division of the simulated city: six digits that no real place has."""

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CODE_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_GOVERNMENT = "11"


def check_character(code: str) -> str:
    """The 18th character that belongs to the first 17 (GB 32100-2015)."""
    total = sum(_ALPHABET.index(char) * weight for char, weight in zip(code, _CODE_WEIGHTS, strict=False))
    return _ALPHABET[-total % 31]


def organisation_check(body: str) -> str:
    """The ninth character of an organisation code with these first eight (GB 11714)."""
    total = sum(_DIGITS.index(char) * weight for char, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def department_code(rng: Random) -> str:
    """A valid code of a government department in the simulated city."""
    body = "MB" + "".join(rng.choice(_ALPHABET) for _ in range(6))
    code = _GOVERNMENT + REGION + body + organisation_check(body)
    return code + check_character(code)


def department_codes(count: int, seed: int) -> list[str]:
    """`count` different codes; a greater count begins with the same ones."""
    rng = dice(seed, "codes")
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes[department_code(rng)] = None
    return list(codes)
