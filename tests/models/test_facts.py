"""Facts: what of an event is kept, and the digest that tells a copy from another content. Codes: `tests/golden`."""

import subprocess
import sys
from typing import Any

import pytest

from models.facts import CODE_OF_TYPE, OWN_FIELDS, Fact, digest, field_of, to_fact
from models.instants import parse_instant
from tests.models.test_events import TYPES, full, minimal, parsed

ACCEPTED = minimal("case.accepted") | {"event_id": "e1", "serial": "S1", "item": "证", "acceptance_no": "A1"}


def fact(content: dict[str, Any]) -> Fact:
    return to_fact(parsed(content))


def test_a_fact_is_flat_in_the_order_of_the_contract() -> None:
    at = parse_instant(ACCEPTED["occurred_at"])
    assert fact(ACCEPTED) == (CODE_OF_TYPE["case.accepted"], ACCEPTED["department"], at, "e1", "S1", "证", "A1", None)
    assert fact(ACCEPTED | {"due_at": "2020-01-01T00:00:00Z"})[-1] == parse_instant("2020-01-01T00:00:00Z")


@pytest.mark.parametrize("name", TYPES)
def test_own_fields_are_found_by_name(name: str) -> None:
    held = fact(full(name))
    assert len(held) == 4 + len(OWN_FIELDS[held[0]])
    for field, (kind, _) in TYPES[name].items():
        value = full(name)[field]
        assert field_of(held, field) == (parse_instant(value) if kind == "time" else value)


def test_a_copy_sent_on_by_another_system_is_a_copy() -> None:
    copy = ACCEPTED | {
        "source": "other",
        "schema_version": 1,
        "unknown": True,
        "due_at": None,
        "occurred_at": "2020-09-01T01:30:00.0000009Z",
    }
    assert fact(copy) == fact(ACCEPTED)
    assert digest(fact(copy)) == digest(fact(ACCEPTED))


@pytest.mark.parametrize(
    "change",
    [{"serial": "S2"}, {"item": "I"}, {"acceptance_no": "A2"}, {"due_at": "2020-09-09T00:00:00Z"}, {"event_id": "e2"},
     {"occurred_at": "2020-09-01T01:30:00.000001Z"}, {"department": "11439900MBCEU9EF55"}],
)  # fmt: skip
def test_another_content_has_another_digest(change: dict[str, str]) -> None:
    assert digest(fact(ACCEPTED | change)) != digest(fact(ACCEPTED))


def test_values_that_only_look_alike_have_other_digests() -> None:
    """Fields run into each other, or change type, without the digest noticing, if it were over their texts."""
    assert digest((0, "d", 1, "e", "ab", "c")) != digest((0, "d", 1, "e", "a", "bc"))
    assert digest((0, "d", 1, "e", None)) != digest((0, "d", 1, "e", "None"))
    assert digest((0, "d", 1, "e", True)) != digest((0, "d", 1, "e", 1))


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_digest_is_the_same_in_every_process(seed: str) -> None:
    held = fact(full("item.published"))
    program = f"from models.facts import digest; print(digest({held!r}))"
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True)
    assert int(done.stdout) == digest(held)


def test_the_digest_is_never_another() -> None:
    """Of the index of event ids, which is kept."""
    issued = (CODE_OF_TYPE["serial.issued"], "91350100M000100Y43", 1_598_923_800_000_000, "e1", "S1", "证", None)
    assert digest(issued) == 43846
