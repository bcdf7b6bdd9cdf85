"""The golden city: its totals are those written down, and every field of every record is the oracle's."""

from typing import Any

import pytest

from models.rulesets import default_ruleset
from scoring.batch import score_events
from streams.simulator import chaos
from tests.golden.regenerate import AS_OF, appended_only, city, facts, read, totals
from tests.support.builder import instant
from tests.support.reference import reference_scores

HINT = "; when that is meant: python -m tests.golden.regenerate"


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return city()


def scored(events: list[dict[str, Any]], as_of: str = AS_OF) -> list[dict[str, Any]]:
    return score_events(events, instant(as_of), default_ruleset())


def test_totals_are_those_written_down(events: list[dict[str, Any]]) -> None:
    assert totals(scored(events)) == read("scores.json"), "the rules or the simulator have changed" + HINT


@pytest.mark.parametrize("as_of", [AS_OF, "2020-10-01T00:00:00+08:00", "2020-09-16T10:30:00+08:00"])
def test_the_oracle_agrees_on_every_field(events: list[dict[str, Any]], as_of: str) -> None:
    found = {(r.pop("department"), r.pop("period"), r.pop("indicator")): r for r in scored(events, as_of)}
    expected = {(r.pop("department"), r.pop("period"), r.pop("indicator")): r for r in reference_scores(events, instant(as_of))}
    assert found.keys() == expected.keys()
    for key, record in found.items():
        assert record.pop("ruleset").startswith("default@")
        assert record == expected[key], key


def test_the_same_city_out_of_order_and_with_repeats(events: list[dict[str, Any]]) -> None:
    assert scored(list(chaos(events, 1))) == scored(events)


def test_codes_of_events_and_their_fields_are_only_ever_added_to() -> None:
    assert facts() == read("facts.json"), "a code or a field of the changelog has changed" + HINT


@pytest.mark.parametrize(
    ("new", "right"),
    [
        ([["a", "x"], ["b"]], True),
        ([["a", "x"], ["b", "y"], ["c"]], True),
        ([["a", "x"]], False),
        ([["b"], ["a", "x"]], False),
        ([["a", "y", "x"], ["b"]], False),
        ([["a"], ["b"]], False),
    ],
)
def test_what_only_added_to_means(new: list[list[str]], right: bool) -> None:
    assert appended_only([["a", "x"], ["b"]], new) == right
