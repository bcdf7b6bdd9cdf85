"""Mutated records: what broken, careless and hostile producers send, from valid simulated events; the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle
from random import Random
from typing import Any

import orjson

from models.events import CLASS_OF_TYPE, INPUT_TOPICS, MAX_RECORD_BYTES, TOPIC_OF_TYPE
from streams.intake import ARRIVAL_HEADER, partition_of
from streams.simulator import dump, simulate_months

# An input topic takes 1 MiB with the record's frame; the largest value that fits beside key and headers.
MEBIBYTE = 1024 * 1024 - 2_048
DEEP = 10_000


@dataclass(frozen=True)
class Sent:
    """A record to be sent; `mutation` is empty for one that was left as it is."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    mutation: str = field(default="", compare=False)


class Mutator:
    """Makes records from a simulated city's events: `good()` as they are, `mutated()` with one to three mutations."""

    def __init__(self, seed: int, partitions: int, departments: int = 8, volume: float = 1.0) -> None:
        self._rng = Random(f"mutations|{seed}")
        self._partitions = partitions
        self._made = 0
        self._pool = [
            {**event, "event_id": f"m{seed}-{event['event_id']}"}
            for event in simulate_months(departments, "2020-08", "2020-10", seed=seed, volume=volume)
        ]
        self.departments = sorted({event["department"] for event in self._pool})
        # Reopening changes no score of a period that was never closed; an order to close would.
        orders = [
            {"event_id": f"p{seed}-{number}", "type": "period.reopened", "department": code, "period": "2020-08", "source": "test",
             "occurred_at": "2020-09-30T12:00:00+08:00"}
            for number, code in enumerate(["*", *self.departments])
        ]  # fmt: skip
        self._pool += orders
        self._rng.shuffle(self._pool)
        self._good = cycle(self._pool)
        # Rare types are mutated as often as common ones.
        by_type: dict[str, list[dict[str, Any]]] = {}
        for event in self._pool:
            by_type.setdefault(event["type"], []).append(event)
        self._by_type = list(by_type.values())

    def good(self) -> Sent:
        """The next event as it is; from the beginning again after the last (copies)."""
        return self._sent(next(self._good))

    def mutated(self) -> Sent:
        """A record with one mutation, now and then with two or three."""
        rng = self._rng
        event = rng.choice(rng.choice(self._by_type))
        if rng.random() < 0.9:  # else its id is that of a good event: a copy, or a conflict
            self._made += 1
            event = {**event, "event_id": f"x{self._made}-{event['event_id']}"}
        content = dict(event)
        names = []
        for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
            change = _pick(rng, _CHANGES)
            names.append(change.__name__)
            change(rng, content)
        sent = self._sent(event)
        if rng.random() < 0.5:
            sent = self._sent(content) if rng.random() < 0.7 else replace(sent, value=orjson.dumps(content, option=orjson.OPT_INDENT_2))
        else:
            names = []
        for _ in range(1 if not names else rng.choice((0, 0, 0, 1))):
            damage = _pick(rng, _DAMAGES)
            names.append(damage.__name__)
            sent = damage(rng, sent, self)
        return replace(sent, mutation="+".join(name.strip("_") for name in names))

    def mixed(self, count: int, good_share: float = 0.2) -> Iterator[Sent]:
        """So many mutated records, and good ones among them."""
        mutated = 0
        while mutated < count:
            if self._rng.random() < good_share:
                yield self.good()
            else:
                mutated += 1
                yield self.mutated()

    def _sent(self, event: dict[str, Any]) -> Sent:
        topic = TOPIC_OF_TYPE.get(event.get("type"), "cases") if isinstance(event.get("type"), str) else "cases"
        department = event.get("department")
        key = department.encode(errors="replace") if isinstance(department, str) else b""
        return Sent(topic, partition_of(key.decode(), self._partitions), key, dump(event))

    def any_partition(self) -> int:
        return self._rng.randrange(self._partitions)


def _pick(rng: Random, of: list[tuple[int, Any]]) -> Any:
    return rng.choices([made for _, made in of], [weight for weight, _ in of])[0]


# --- changes of the content, still JSON

ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 4, 1.0, 1.5, -0.0, 1e308, 10_000, 10_001, 2**53, 2**63 - 1, 2**64 - 1, "", " ", "0", "true", "null",
    [], [None], [[]], {}, {"": ""}, "\x00", "a\x00b", "\u202e", "\ufeff", "\U0010ffff", "é", "é", "０", "|", "*", "=1+1", "'; --",
    "x" * 128, "x" * 129, "汉" * 128, "汉" * 129, "\n",
]  # fmt: skip
ODD_TIMES = [
    "2020-09-01", "2020-09-01T10:00:00", "2020-09-01 10:00:00+08:00", "2020-09-01t10:00:00z", "2020-09-01T24:00:00+08:00",
    "2020-09-01T10:00+08:00", "2020-02-30T10:00:00Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2099-12-31T23:59:59.999999Z",
    "2000-01-01T00:00:00+14:00", "2020-09-01T10:00:00.123456789+08:00", "2020-09-01T10:00:00." + "1" * 300 + "Z", "2020-W36-2T10:00:00Z",
    "2020-09-01T10:00:00+99:99", "2020-09-01T10:00:00-00:00", "2020-09-01T10:00:60Z", "２０２０-09-01T10:00:00Z", "1598925600", "now", "",
    "+002020-09-01T10:00:00Z", "2020-09-01T10:00:00+08:00[Asia/Shanghai]",
]  # fmt: skip


def _drop_field(rng: Random, event: dict[str, Any]) -> None:
    if event:
        del event[rng.choice(list(event))]


def _change_type_of_value(rng: Random, event: dict[str, Any]) -> None:
    if event:
        event[rng.choice(list(event))] = rng.choice(ODD_VALUES)


def _rename_field(rng: Random, event: dict[str, Any]) -> None:
    if event:
        name = rng.choice(list(event))
        event[rng.choice((name.upper(), f" {name}", name + "\x00", name[:-1], name.replace("_", "-")))] = event.pop(name)


def _another_type(rng: Random, event: dict[str, Any]) -> None:
    names = sorted(CLASS_OF_TYPE.keys() - {"period.closed"})
    event["type"] = rng.choice([*names, "case.unknown", "Case.Accepted", "case.accepted ", "__class__"])


def _odd_time(rng: Random, event: dict[str, Any]) -> None:
    event[rng.choice(("occurred_at", "due_at", "first_due_at"))] = rng.choice(ODD_TIMES)


def _odd_department(rng: Random, event: dict[str, Any]) -> None:
    code = str(event.get("department", ""))
    event["department"] = rng.choice(
        (code.lower(), code[:-1], code + " ", code[::-1], "*", "", code.replace("1", "１"), code[:17] + rng.choice("0123456789AX"))
    )


def _deep(rng: Random, event: dict[str, Any]) -> None:
    # As deep as can be written; deeper ones are damages, made of bytes.
    value: Any = "x"
    for _ in range(rng.choice((20, 200))):
        value = rng.choice(([value], {"a": value}))
    event[rng.choice([*event, "extra"])] = value


def _long_list(rng: Random, event: dict[str, Any]) -> None:
    event[rng.choice(("docking", "selected", "notes", "extra"))] = [rng.choice(ODD_VALUES[:20])] * rng.choice((10, 1_000, 30_000))


def _unknown_fields(rng: Random, event: dict[str, Any]) -> None:
    event.update({f"extra{number}": rng.choice(ODD_VALUES) for number in range(rng.choice((1, 3, 1_000)))})


def _edit_text(rng: Random, event: dict[str, Any]) -> None:
    texts = [name for name, value in event.items() if isinstance(value, str) and value]
    if texts:
        name = rng.choice(texts)
        text = event[name]
        place = rng.randrange(len(text))
        event[name] = text[:place] + rng.choice(("", "0", "9", "A", "汉", "\t")) + text[place + 1 :]


def _own_id(rng: Random, event: dict[str, Any]) -> None:
    event["event_id"] = f"{event.get('event_id')}-{rng.random()}"


def _large_text(rng: Random, event: dict[str, Any]) -> None:
    room = MAX_RECORD_BYTES - len(orjson.dumps(event)) - 14
    event["extra"] = "x" * (max(0, room) + rng.choice((-1, 0, 1, 2)))


_CHANGES: list[tuple[int, Callable[[Random, dict[str, Any]], None]]] = [
    (60, _drop_field), (120, _change_type_of_value), (30, _rename_field), (60, _another_type), (60, _odd_time), (40, _odd_department),
    (10, _deep), (2, _long_list), (5, _unknown_fields), (60, _edit_text), (40, _own_id), (1, _large_text),
]  # fmt: skip


# --- damages of the bytes and of where they lie


def _flip_bytes(rng: Random, sent: Sent, _: Mutator) -> Sent:
    value = bytearray(sent.value or b"x")
    for _ in range(rng.choice((1, 1, 2, 8))):
        value[rng.randrange(len(value))] ^= rng.choice((1, 2, 4, 8, 16, 32, 64, 128, 255))
    return replace(sent, value=bytes(value))


def _cut(rng: Random, sent: Sent, _: Mutator) -> Sent:
    value = sent.value or b"x"
    place = rng.randrange(len(value))
    return replace(sent, value=rng.choice((value[:place], value[place:], value + value[:place], value[:place] + value)))


def _put_in(rng: Random, sent: Sent, _: Mutator) -> Sent:
    value = sent.value or b""
    place = rng.randrange(len(value) + 1)
    return replace(sent, value=value[:place] + rng.randbytes(rng.choice((1, 4, 100))) + value[place:])


def _encoding(rng: Random, sent: Sent, _: Mutator) -> Sent:
    text = (sent.value or b"").decode(errors="replace")
    name = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "gbk", "gb18030", "big5", "latin-1", "utf-7", "utf-8-sig", "cp037"))
    return replace(sent, value=text.encode(name, errors="replace"))


def _with_text(sent: Sent, put: bytes) -> Sent:
    """The value with something put where a text's content begins."""
    value = sent.value or b""
    place = value.find(b'":"')
    return replace(sent, value=value[: place + 3] + put + value[place + 3 :] if place >= 0 else put)


def _surrogate(rng: Random, sent: Sent, _: Mutator) -> Sent:
    put = (
        rb"\ud800",
        rb"\udfff",
        rb"\ud83d",
        rb"\udc00\ud800",
        b"\xed\xa0\x80",
        b"\xed\xb0\x80",
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        rb"\u0000",
    )
    return _with_text(sent, rng.choice(put))


def _number(rng: Random, sent: Sent, _: Mutator) -> Sent:
    """A field, known or not, as a number that JSON does not know or nothing can hold."""
    name = rng.choice((b"extra", b"errors", b"steps", b"tail", b"event_id", b"schema_version", b"promised_days"))
    number = rng.choice((
        b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 400, b"9" * 100_000, b"1." + b"0" * 5_000 + b"1", b"0x10", b"01",
        b"+1", b".5", b"1e-400", b"18446744073709551616", b"-9223372036854775809", b"10000", b"10001", b"1", b"-0",
    ))  # fmt: skip
    return replace(sent, value=(sent.value or b"").rstrip()[:-1] + b',"' + name + b'":' + number + b"}")


def _repeated_key(rng: Random, sent: Sent, mutator: Mutator) -> Sent:
    again = orjson.dumps(mutator.good().value.decode() if rng.random() < 0.1 else rng.choice(ODD_VALUES))  # type: ignore[union-attr]
    name = rng.choice((b"type", b"department", b"event_id", b"source", b"item"))
    value = sent.value or b""
    front = b'{"' + name + b'":' + again + b"," + value.lstrip()[1:]
    return replace(sent, value=rng.choice((front, value.rstrip()[:-1] + b',"' + name + b'":' + again + b"}")))


def _very_deep(rng: Random, sent: Sent, _: Mutator) -> Sent:
    depth = rng.choice((1_000, 1_024, 1_030, DEEP, DEEP))
    nested = rng.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth, b"[" * depth, b'[{"a":' * (depth // 2)))
    inside = (sent.value or b"").rstrip()[:-1] + b',"extra":' + nested + b"}"
    return replace(sent, value=rng.choice((nested, inside)))


def _mebibyte(rng: Random, sent: Sent, _: Mutator) -> Sent:
    value = sent.value or b""
    room = max(0, MEBIBYTE - len(value))
    rest = (
        b" " * room + value,
        value + b"\n" * room,
        value + b"x" * room,
        rng.randbytes(64) * (room // 64),
        b"[" * room,
        b'"' + b"\\u0000" * (room // 6),
    )
    return replace(sent, value=rng.choice(rest))


def _no_value(rng: Random, sent: Sent, _: Mutator) -> Sent:
    return replace(sent, value=rng.choice((None, b"", b" ", b"\n\t\r ", b"\x00", b"\xef\xbb\xbf")))


def _another_json(rng: Random, sent: Sent, mutator: Mutator) -> Sent:
    value = sent.value or b""
    other = mutator.good().value or b""
    many = (
        b"null", b"true", b"7", b'"x"', b"[]", b"{}", b"[" + value + b"]", value + other, value + b"\n" + other, value + b"," + other,
        b"[" + value + b"," + other + b"]", value[:-1] + b"},{" + other[1:], orjson.dumps(value.decode(errors="replace")), b"<xml/>",
    )  # fmt: skip
    return replace(sent, value=rng.choice(many))


def _topic(rng: Random, sent: Sent, _: Mutator) -> Sent:
    return replace(sent, topic=rng.choice(INPUT_TOPICS))


def _partition(rng: Random, sent: Sent, mutator: Mutator) -> Sent:
    return replace(sent, partition=mutator.any_partition())


def _key(rng: Random, sent: Sent, mutator: Mutator) -> Sent:
    key = sent.key or b""
    other = rng.choice(mutator.departments).encode()
    return replace(
        sent,
        key=rng.choice((None, b"", key.lower(), key + b" ", b"*", other, rng.randbytes(8), key.decode().encode("utf-16"), b"k" * 1_000)),
    )


def _headers(rng: Random, sent: Sent, _: Mutator) -> Sent:
    # None is a time before now: one would let the period of a live worker's fact close by itself, as it should.
    values = (
        None, b"", b"-1", b"x", b"-1599000000000", b"9" * 13, b"9" * 14, b"9" * 1_000, b" 1599000000000", b"1e12", b"\xff\xfe",
        "١٥٩٩٠٠٠٠٠٠٠٠٠".encode(), "１５９９".encode(),
    )  # fmt: skip
    names = (ARRIVAL_HEADER, ARRIVAL_HEADER, ARRIVAL_HEADER, "", "traceparent", "汉", ARRIVAL_HEADER.upper())
    return replace(sent, headers=tuple((rng.choice(names), rng.choice(values)) for _ in range(rng.choice((1, 1, 2, 40)))))


_DAMAGES: list[tuple[int, Callable[[Random, Sent, Mutator], Sent]]] = [
    (2_000, _flip_bytes), (600, _cut), (500, _put_in), (500, _encoding), (400, _surrogate), (500, _number), (500, _repeated_key),
    (60, _very_deep), (6, _mebibyte), (200, _no_value), (400, _another_json), (400, _topic), (300, _partition), (400, _key), (500, _headers),
]  # fmt: skip
