"""From bytes to events: whatever a record holds, it gives its own event or its own rejection, and touches no other."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from models import decoding, wire
from models.decoding import decode_facts
from models.events import INPUT_TOPICS, MAX_RECORD_BYTES, Envelope, Event
from models.facts import Fact, to_fact
from models.wire import REASONS, Rejection, misplaced, parse_facts
from tests.support.builder import D1, D2, History

H = History()
H.add("item.published", "2020-09-01").add("serial.issued", "2020-09-02").add("case.accepted", "2020-09-03", due_at="2020-09-10")
H.add("sample.drawn", "2020-09-04", selected=("A1", "证")).add("guide.checked", "2020-09-05", notes=("漏项",)).add(
    "period.closed", "2020-10-05"
)
LINES = [orjson.dumps(event) for event in H.events]
SERIAL, CHECK = LINES[1], LINES[4]


def parse_chunk(values: Sequence[bytes | None], on_unknown: Callable[[int], None] | None = None) -> list[Any]:
    """The events or rejections; what is decoded the quick way says the same of each, or nothing."""
    results = wire.parse_chunk(values, on_unknown)
    facts = [found if isinstance(found, Rejection) else to_fact(found) for found in results]
    assert parse_facts(values) == facts
    for value, quick, fact in zip(values, decode_facts(values), facts, strict=True):
        assert quick is None or (quick == fact and [*map(type, quick)] == [*map(type, fact)]), value
    return results


def parse_record(value: bytes | None) -> Any:
    return parse_chunk([value])[0]


def fact(value: bytes) -> Fact:
    return to_fact(event(value))


def reason_of(value: bytes | None) -> str:
    result = parse_record(value)
    assert isinstance(result, Rejection), result
    return result.reason


def test_what_is_in_doubt_costs_its_neighbours_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    serial, check, first = map(fact, (SERIAL, CHECK, LINES[0]))
    decode, decoded = decoding._decode, []
    monkeypatch.setattr(decoding, "_decode", lambda value: decoded.append(value) or decode(value))
    unknown, no_time = SERIAL[:-1] + b',"more":1}', SERIAL.replace(b"2020-09-02", b"2020-19-02")
    values = [SERIAL, unknown, CHECK, no_time, b"{", LINES[0]]
    assert decode_facts(values) == [serial, None, check, None, None, first]
    assert decoded == values
    assert decode_facts([SERIAL, None, CHECK]) == [serial, None, check]


# --- one record


@pytest.mark.parametrize("name", ["type", "event_id", "department", "occurred_at", "errors", "notes", "schema_version"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("value", [b'"x"', b"null", b"1", b"1.0", b"true", b"[]", b'"serial.issued"', b'"guide.checked"'])
def test_a_field_twice(name: str, first: bool, value: bytes) -> None:
    more = b'"%s":%s' % (name.encode(), value)
    parse_record(b"{" + more + b"," + CHECK[1:] if first else CHECK[:-1] + b"," + more + b"}")


@pytest.mark.parametrize(
    "number",
    [b"1.0", b"1e0", b"10e-1", b"-0", b"-0.0", b"1E2", b"9223372036854775808", b"18446744073709551616", b"1" * 60, b'"1"', b"true"],
)
def test_numbers_of_every_form(number: bytes) -> None:
    parse_record(CHECK.replace(b'"errors":1', b'"errors":' + number))
    parse_record(CHECK[:-1] + b',"schema_version":' + number + b"}")


@pytest.mark.parametrize("escape", [rb"\u0065", rb"\u0045", rb"e\u0000", rb"\/e", rb"e\n"])
def test_escaped_names_and_values(escape: bytes) -> None:
    parse_record(CHECK.replace(b'"event_id"', b'"' + escape + b'vent_id"'))
    parse_record(CHECK.replace(b'"guide.checked"', b'"guid' + escape + b'.checked"'))
    parse_record(SERIAL.replace(b'"S1"', b'"S1' + escape + b'"'))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *((value, "empty") for value in (None, b"", b" ", b"\r", b"\n\t ")),
        *((value, "not_json") for value in (b"{", b"hello", b"\xff\xfe\x00", b"\x00", b"'a'", b"{a: 1}", b"\xef\xbb\xbf" + SERIAL)),
        *((SERIAL[:cut], "not_json") for cut in (1, 20, len(SERIAL) - 1)),
        *((SERIAL + more, "not_json") for more in (b",", b"]", b"}", SERIAL, b"," + SERIAL, b"\n" + SERIAL, b"\x00", b" x")),
        *((value, "not_json") for value in (b"1],[2", b"[" + SERIAL, SERIAL + b"],[" + SERIAL, b"]", b",", b"],[", b"//x\n" + SERIAL)),
        *((value, "not_an_object") for value in (b"1", b"null", b"true", b'"x"', b"[]", b"[" + SERIAL + b"]", b"1.5e3")),
        *((value, "missing_field") for value in (b"{}", b'{"type":null}', b'{"type":"serial.issued"}', b'{"Type":"serial.issued"}')),
        *((b'{"type":%s}' % name, "unknown_type") for name in (b'"x"', b'""', b"1", b"[]", b"{}", b"true", b'"Serial.issued"', b'"serial.issued "')),
    ],
)  # fmt: skip
def test_the_reason(value: bytes | None, reason: str) -> None:
    assert reason_of(value) == reason
    assert reason in REASONS


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"00", b"+1", b"1.", b"0x1", b"1_0"])
def test_numbers_that_are_not_json(number: bytes) -> None:
    assert reason_of(CHECK.replace(b'"errors":1', b'"errors":' + number)) == "not_json"


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udc00", rb"\ud800x", rb"\udc00\ud800", b"\xed\xa0\x80", b"\xc0\xaf", b"\xff", b"\x01"])
def test_texts_that_are_not_unicode(text: bytes) -> None:
    assert reason_of(SERIAL.replace(b"S1", text)) == "not_json"


def test_text_is_taken_as_it_is() -> None:
    """Pairs of escapes are characters, and two spellings of é stay two identifiers."""
    escaped = parse_record(SERIAL.replace(b"S1", rb"\ud840\udc00"))
    assert not isinstance(escaped, Rejection)
    assert escaped.serial == "\U00020000"  # type: ignore[attr-defined]
    composed, decomposed = (parse_record(SERIAL.replace(b"S1", text.encode())) for text in ("é", "e\u0301"))
    assert composed != decomposed


def padded(size: int) -> bytes:
    line = SERIAL[:-1] + b',"note":"' + b"x" * (size - len(SERIAL) - len(b',"note":""')) + b'"}'
    assert len(line) == size
    return line


def test_the_greatest_size_is_of_the_bytes() -> None:
    assert isinstance(parse_record(padded(MAX_RECORD_BYTES)), Envelope)
    assert reason_of(padded(MAX_RECORD_BYTES + 1)) == "oversized"
    assert reason_of(SERIAL + b" " * MAX_RECORD_BYTES) == "oversized"
    assert MAX_RECORD_BYTES == 262_144


@pytest.mark.parametrize("depth", [10, 1_000, 30_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nested_garbage(depth: int, opening: bytes, closing: bytes) -> None:
    nested = opening * depth + b"1" + closing * depth
    assert reason_of(nested[: len(nested) // 2]) == "not_json"
    assert reason_of(nested) in ("not_json", "not_an_object", "missing_field")
    assert reason_of(SERIAL.replace(b'"S1"', nested)) in ("not_json", "malformed_field")
    assert reason_of(b'{"type":' + nested + b"}") in ("not_json", "unknown_type")
    extra = parse_record(SERIAL[:-1] + b',"x":' + nested + b"}")
    assert extra == GOOD[SERIAL] or depth > 1_000


# --- unknown fields


def test_unknown_fields_are_ignored_and_counted() -> None:
    counted: list[int] = []
    more = [
        SERIAL[:-1] + b',"x":1,"Serial":"S9"}',
        b"garbage",
        CHECK,
        SERIAL[:-1] + b',"z":{"serial":"S9"},"schema_version":1,"is_test":null}',
    ]
    results = parse_chunk(more, counted.append)
    assert sum(counted) == 3
    assert results[0] == parse_record(SERIAL)
    assert results[3].serial == "S1"  # type: ignore[union-attr]


def test_where_every_field_is_known_nothing_is_counted() -> None:
    counted: list[int] = []
    parse_chunk(LINES, counted.append)
    assert sum(counted) == 0


# --- a bad record changes nothing about its neighbours


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good line with something done to it that may, or may not, leave it good."""
    line = draw(st.sampled_from(LINES))
    kind = draw(st.sampled_from(["cut", "byte", "insert", "field", "join", "garbage"]))
    place = draw(st.integers(0, len(line)))
    if kind == "cut":
        return line[:place]
    if kind == "byte":
        return line[:place] + draw(st.binary(min_size=1, max_size=1)) + line[place + 1 :]
    if kind == "insert":
        return line[:place] + draw(st.sampled_from([b",", b"],[", b"},{", b'"', b"\\", b"\n", b"}", b"[", b"null"])) + line[place:]
    if kind == "field":
        content = orjson.loads(line)
        content[draw(st.sampled_from(sorted(content)))] = draw(st.sampled_from([None, 0, -1, True, "", [], {}, "x" * 200, 1.5]))
        return orjson.dumps(content)
    if kind == "join":
        return draw(st.sampled_from([b",", b"],[", b"\n", b""])).join([line, draw(st.sampled_from(LINES))])
    return draw(st.binary(max_size=40))


@settings(max_examples=20 * settings.default.max_examples)
@given(st.lists(st.one_of(st.sampled_from(LINES), mutated(), st.none()), max_size=12))
def test_in_any_mixture_each_gives_what_it_gives_alone(values: Sequence[bytes | None]) -> None:
    together = parse_chunk(values)
    assert together == [parse_record(value) for value in values]
    for value, result in zip(values, together, strict=True):
        if value in LINES:
            assert result == GOOD[value]


GOOD = dict(zip(LINES, parse_chunk(LINES), strict=True))


@pytest.mark.parametrize(
    "halves",
    [
        (SERIAL + b",", SERIAL),
        (SERIAL[:-1], b"}"),
        (SERIAL[:60], SERIAL[60:]),
        (b'{"a":"', b'"}'),
        (b"[", SERIAL, b"]"),
        (b"1],[2",),
        (SERIAL + b"],[" + SERIAL,),
        (SERIAL[:-1] + b"},{" + SERIAL[1:],),
        (b'{"type":"serial.issued","x":"', b'","y":"', b'"}'),
    ],
)
def test_records_that_would_be_good_when_joined_are_refused_each_by_itself(halves: tuple[bytes, ...]) -> None:
    results = parse_chunk([CHECK, *halves, CHECK])
    assert results[0] == results[-1] == GOOD[CHECK]
    for half, result in zip(halves, results[1:-1], strict=True):
        assert isinstance(result, Rejection) != (half == SERIAL)
    assert len(results) == len(halves) + 2


def test_a_chunk_of_nothing() -> None:
    assert parse_chunk([]) == []
    assert [result.reason for result in parse_chunk([None, b"", b"{}"]) if isinstance(result, Rejection)] == [
        "empty",
        "empty",
        "missing_field",
    ]


def test_many_bad_records_of_one_chunk() -> None:
    values = [SERIAL if place % 3 else SERIAL.replace(b"S1", b"") for place in range(3_000)]
    results = parse_chunk(values)
    assert [isinstance(result, Rejection) for result in results] == [place % 3 == 0 for place in range(3_000)]


# --- topic and key


def event(value: bytes) -> Envelope:
    result = parse_record(value)
    assert isinstance(result, Envelope)
    return result


@pytest.mark.parametrize(("type_", "name"), [("item.published", "docking"), ("sample.drawn", "selected"), ("guide.checked", "notes")])
def test_of_a_list_only_the_first_bad_entry_is_reported(type_: str, name: str) -> None:
    # 100,000 reports of one record held the event loop of a worker for half a second.
    event = History().add(type_, "2020-09-03").events[0] | {name: [1] * 1_000}
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Event).validate_python(event)
    assert refused.value.error_count() == 1


def test_in_its_place() -> None:
    assert misplaced(fact(SERIAL), "serials", D1.encode()) is None
    closing = fact(LINES[-1].replace(D1.encode(), b"*"))
    assert misplaced(closing, "periods", b"*") is None


@pytest.mark.parametrize("topic", [topic for topic in INPUT_TOPICS if topic != "serials"])
def test_a_type_in_another_topic(topic: str) -> None:
    rejection = misplaced(fact(SERIAL), topic, D1.encode())
    assert rejection is not None
    assert rejection.reason == "wrong_topic"
    assert "serials" in rejection.detail


@pytest.mark.parametrize("key", [None, b"", b"*", D2.encode(), D1.encode() + b" ", D1.lower().encode(), b"\xff"])
def test_a_key_that_is_not_the_department(key: bytes | None) -> None:
    rejection = misplaced(fact(SERIAL), "serials", key)
    assert rejection is not None
    assert rejection.reason == "wrong_key"
    assert D1 in rejection.detail
