"""`onestop simulate`: the same seed, the same bytes; chaos changes the order and the number of copies, never the set."""

import json

import pytest

from models.wire import Rejection, parse_chunk
from tests.cli.conftest import AS_OF, Cli

SMALL = ("simulate", "--departments", 2, "--months", "2020-09", "--volume", 0.02)


def test_the_same_seed_gives_the_same_bytes(cli: Cli) -> None:
    first = cli(*SMALL, "--seed", 5)
    assert (first.code, first.err) == (0, "")
    assert cli(*SMALL, "--seed", 5).out == first.out
    assert cli(*SMALL, "--seed", 6).out != first.out
    assert first.out.endswith("}\n")


def test_every_line_is_of_the_contract(cli: Cli) -> None:
    lines = cli(*SMALL).out.encode().splitlines()
    assert lines
    assert not [result for result in parse_chunk(lines) if isinstance(result, Rejection)]


def test_chaos_keeps_the_set_and_the_scores(cli: Cli) -> None:
    calm, wild = cli(*SMALL, "--seed", 5).out, cli(*SMALL, "--seed", 5, "--chaos").out
    assert set(wild.splitlines()) == set(calm.splitlines())
    assert len(wild.splitlines()) > len(calm.splitlines())
    assert cli(*SMALL, "--seed", 5, "--chaos").out == wild
    scores = [cli("score", "-", *AS_OF, "--json", stdin=stream.encode()) for stream in (calm, wild)]
    assert scores[0] == scores[1]
    assert scores[0].code == 0


def test_the_departments_and_months_asked_for(cli: Cli) -> None:
    events = [
        json.loads(line) for line in cli("simulate", "--departments", 3, "--months", "2020-09..2020-10", "--volume", 0.02).out.splitlines()
    ]
    assert len({event["department"] for event in events}) == 3
    assert {event["occurred_at"][:7] for event in events} >= {"2020-09", "2020-10"}


@pytest.mark.parametrize(
    "months",
    ["", "2020", "2020-10..2020-09", "2020-1..2020-2", "2020-09..", "2020-13", "1999-12", "2020-08..2020-09..2020-10", "２０２０-09"],
)
def test_wrong_months(cli: Cli, months: str) -> None:
    cli("simulate", "--months", months).ends_with_a_sentence(2, "--months", repr(months), "for example 2020-08..2020-10")


@pytest.mark.parametrize(
    ("option", "value"),
    [*(("--departments", value) for value in ("0", "-1", "3001", "many", "1.5")), *(("--volume", value) for value in ("0", "-1", "nan", "inf", "x")),
     ("--seed", "x"), ("--seed", "1.5"), ("--rate", "0")],
)  # fmt: skip
def test_wrong_numbers(cli: Cli, option: str, value: str) -> None:
    result = cli("simulate", option, value)
    assert (result.code, result.out) == (2, "")
    assert option in result.err
