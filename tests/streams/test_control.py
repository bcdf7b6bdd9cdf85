"""Topics of which too much is bad are held back, for as long as someone says so; nothing is read before that is known."""

from __future__ import annotations

from typing import Any

import pytest

from models.events import INPUT_TOPICS
from models.records import TopicControl
from models.settings import Settings
from streams.control import LEAST_RECORDS, WINDOW_RECORDS, Gatekeeper


def keeper(**settings: Any) -> Gatekeeper:
    held = Gatekeeper(Settings(topic_prefix="city-a-", **settings))
    held.enforce()
    return held


def order(topic: str = "cases", state: str = "paused", **more: Any) -> TopicControl:
    return TopicControl.model_validate({"topic": topic, "state": state, "by": "x", "at": "2020-09-01T00:00:00+08:00", "why": "y", **more})


def test_nothing_flows_before_the_control_topic_has_been_read() -> None:
    held = Gatekeeper(Settings(topic_prefix="city-a-"))
    assert held.held == {f"city-a-{name}" for name in INPUT_TOPICS}
    held.apply(order())
    assert len(held.held) == len(INPUT_TOPICS)
    same = held.held
    held.enforce()
    assert held.held == {"city-a-cases"}
    assert held.held is same, "the driver looks at it"


def test_the_last_order_of_a_topic_holds(caplog: pytest.LogCaptureFixture) -> None:
    held = keeper()
    held.apply(order())
    held.enforce()
    assert (held.held, held.is_paused("cases")) == ({"city-a-cases"}, True)
    assert caplog.messages == ["topic city-a-cases is paused: y; when it is mended: onestop quarantine resume cases"]
    held.enforce()
    assert len(caplog.messages) == 1
    held.apply(order(state="flowing"))
    held.enforce()
    assert (held.held, held.is_paused("cases")) == (set(), False)


def test_an_order_for_no_input_topic_is_passed_over() -> None:
    held = keeper()
    held.apply(order("scores"))
    held.enforce()
    assert held.held == set()


def test_a_share_above_the_limit_is_a_reason_to_pause() -> None:
    held = keeper()
    assert held.note("cases", 0, 0, LEAST_RECORDS, LEAST_RECORDS // 5) is None
    assert held.note("cases", 1, 0, 10, 10) == "24% of its last records could not be used, more than ONESTOP_QUARANTINE_LIMIT=0.2"
    assert held.note("serials", 0, 0, LEAST_RECORDS, 0) is None


def test_a_few_records_say_nothing() -> None:
    held = keeper()
    assert held.note("cases", 0, 0, LEAST_RECORDS - 1, LEAST_RECORDS - 1) is None
    assert held.note("cases", 0, 0, 1, 0) is not None


def test_the_share_is_of_the_last_records() -> None:
    held = keeper()
    for number in range(20):
        assert held.note("cases", 0, number, WINDOW_RECORDS, 0) is None
    assert held.note("cases", 0, 20, 249, 249) is None
    assert held.note("cases", 0, 21, 2, 2) is not None, "what lies further back makes nothing better"


def test_a_limit_of_one_is_none() -> None:
    assert keeper(quarantine_limit=1).note("cases", 0, 0, WINDOW_RECORDS, WINDOW_RECORDS) is None


def test_what_lay_there_when_it_was_resumed_passes_and_what_follows_is_limited_anew() -> None:
    held = keeper()
    assert held.note("cases", 0, 0, 900, 900)
    held.apply(order())
    assert held.note("cases", 0, 900, 900, 900) is None, "it is paused already"
    held.apply(order(state="flowing", passing={"0": 5_000}))
    assert held.note("cases", 0, 4_999, 900, 900) is None
    assert held.note("cases", 0, 5_000, LEAST_RECORDS, 0) is None
    assert held.note("cases", 1, 0, 900, 900), "another partition, where nothing lay"


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"topic":"cases"}'])
def test_a_record_that_makes_no_sense_is_passed_over(value: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    held = keeper()
    held._take(value)
    assert "is passed over" in caplog.text
    assert not held.is_paused("cases")
