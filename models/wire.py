"""From bytes to events: each record parsed by itself, the parsed objects validated in one call.

Parsing the records one by one is a rule, not a habit: joined into one JSON array, records smuggle others in (four byte strings,
three of them invalid, were once read as four valid events).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson
from pydantic import TypeAdapter, ValidationError

from models.decoding import decode_facts
from models.events import CLASS_OF_TYPE, EVENT_TYPES, MAX_RECORD_BYTES, TOPIC_OF_TYPE, Envelope, Event
from models.facts import CODE, DEPARTMENT, Fact, to_fact

Reason = Literal[
    "empty", "oversized", "not_json", "not_an_object", "unknown_type", "wrong_topic", "missing_field", "malformed_field",
    "wrong_key", "conflicting_event_id",
]  # fmt: skip
REASONS: tuple[Reason, ...] = get_args(Reason)
TOPIC_OF_CODE = tuple(TOPIC_OF_TYPE[name] for name in EVENT_TYPES)
_EVENTS: TypeAdapter[list[Envelope]] = TypeAdapter(list[Event])


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record cannot be used: a reason of the closed list, a sentence, and the source where it could be read."""

    reason: Reason
    detail: str
    source: str | None = None


def parse_chunk(values: Sequence[bytes | None], on_unknown: Callable[[int], None] | None = None) -> list[Envelope | Rejection]:
    """Each value's event or rejection, in order. A bad value changes nothing about its neighbours.

    Args:
        values: the records' values.
        on_unknown: told the number of fields that the contract does not know, where there are any (ignored and counted).
    """
    parsed: list[Any] = [_parse(value) for value in values]
    good = [index for index, item in enumerate(parsed) if type(item) is dict]
    results = list(parsed)
    while good:
        try:
            events = _EVENTS.validate_python([parsed[index] for index in good])
        except ValidationError as error:
            bad = _first_faults(error)
            for place, rejection in bad.items():
                results[good[place]] = _with_source(rejection, parsed[good[place]])
            good = [index for place, index in enumerate(good) if place not in bad]
        else:
            if on_unknown is not None:
                unknown = sum(len(parsed[index]) - len(event.model_fields_set) for index, event in zip(good, events, strict=True))
                if unknown:
                    on_unknown(unknown)
            if len(good) == len(results):
                return [*events]
            for index, event in zip(good, events, strict=True):
                results[index] = event
            break
    return results


def parse_facts(values: Sequence[bytes | None], on_unknown: Callable[[int], None] | None = None) -> list[Fact | Rejection]:
    """As `parse_chunk`, with the events as facts: what the workers and all counting from files and logs read with.

    What is plainly good is decoded in a third of the time; whatever is in doubt is parsed and judged as ever.
    """
    results: list[Any] = decode_facts(values)
    doubtful = [place for place, fact in enumerate(results) if fact is None]
    if doubtful:
        for place, event in zip(doubtful, parse_chunk([values[place] for place in doubtful], on_unknown), strict=True):
            results[place] = event if isinstance(event, Rejection) else to_fact(event)
    return results


def parse_record(value: bytes | None) -> Envelope | Rejection:
    """One value's event or rejection."""
    return parse_chunk([value])[0]


def misplaced(fact: Fact, topic: str, key: bytes | None) -> Rejection | None:
    """The rejection, without source, of an event that lies in another topic than its type's or under another key than its department."""
    right = TOPIC_OF_CODE[fact[CODE]]
    if right != topic:
        return Rejection("wrong_topic", f"{EVENT_TYPES[fact[CODE]]} belongs in topic {right}, not in {topic}")
    if key is None or key != fact[DEPARTMENT].encode():
        shown = "null" if key is None else repr(key[:64])
        return Rejection("wrong_key", f"the record key is {shown}, not the department {fact[DEPARTMENT]}")
    return None


def _parse(value: bytes | None) -> dict[str, Any] | Rejection:  # one return a reason
    if not value or not value.strip():
        return Rejection("empty", "the value is empty or null: publish one JSON object")
    if len(value) > MAX_RECORD_BYTES:
        return Rejection("oversized", f"{len(value)} bytes, more than {MAX_RECORD_BYTES}")
    try:
        parsed = orjson.loads(value)
    except ValueError as error:  # JSONDecodeError; also too deep a nesting
        return Rejection("not_json", str(error))
    if type(parsed) is not dict:
        return Rejection("not_an_object", f"a JSON {type(parsed).__name__}, not an object")
    name = parsed.get("type")
    if isinstance(name, str) and name in CLASS_OF_TYPE:
        return parsed
    missing = Rejection("missing_field", "type is missing")
    return _with_source(missing if name is None else Rejection("unknown_type", f"no event has the type {_shown(name)}"), parsed)


def _first_faults(error: ValidationError) -> dict[int, Rejection]:
    faults: dict[int, Rejection] = {}
    for fault in error.errors(include_url=False, include_context=False):
        place, *path = fault["loc"]
        if isinstance(place, int) and place not in faults:
            field = ".".join(str(part) for part in path[1:])
            missing = fault["type"] == "missing"
            detail = f"{field} is missing" if missing else f"{field}: {fault['msg']}, not {_shown(fault['input'])}"
            faults[place] = Rejection("missing_field" if missing else "malformed_field", detail)
    return faults


def _shown(value: object) -> str:
    # Only plain values: the text of a deeply nested one takes more recursion than there is.
    return repr(value)[:60] if isinstance(value, (str, int, float, bool, type(None))) else f"a JSON {type(value).__name__}"


def _with_source(rejection: Rejection, parsed: dict[str, Any]) -> Rejection:
    source = parsed.get("source")
    known = source if isinstance(source, str) and 0 < len(source) <= 128 else None
    return Rejection(rejection.reason, rejection.detail, known)
