"""What a worker holds of a partition, as digests that do not depend on the order in which it came to know it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from scoring.entities.base import Entity

if TYPE_CHECKING:
    from scoring.department import Department
    from streams.partition import PartitionState

# Shared, derived at the moment, or what the publisher has not asked for yet.
LEFT_OUT = frozenset({"context", "_touched", "_shared", "changes"})


def memory_of(state: PartitionState) -> dict[str, Any]:
    """Digests of everything that is folded, once the counters are settled; `now` is the instant they hold as of (microseconds)."""
    city = state.city
    city.settle()
    found: dict[str, Any] = {f"department {code}": _digest(_department(department)) for code, department in city.departments.items()}
    found["ids"] = _digest(_text(city._digests))
    found["ahead"] = sorted(entry[1] for entry in city._ahead)
    found["alarms"] = _digest(_text({str(key): alarm for key, (alarm, _) in city.alarms.items()}))
    found["announced"] = sorted(state.announced)
    found["arrivals"] = _digest(_text({str(key): arrival for key, arrival in state.first_arrivals.items()}))
    found["frozen"] = _digest(_text({str(key): record.closing for key, record in state.frozen.items()}))
    found["intervals"] = {topic: [list(pair) for pair in held] for topic, held in sorted(state.intervals.items())}
    found["now"] = city.context.now
    found["recovered_to"] = state.recovered_to
    return found


def _department(department: Department) -> str:
    return _text({name: value for name, value in vars(department).items() if name not in LEFT_OUT})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(value: Any) -> str:
    """A text equal for equal contents: sequences are taken as sets with repetitions, their order is that of arrival or of their contents."""
    if isinstance(value, dict):
        # An empty list or set that stays behind is nothing.
        held = ((key, item) for key, item in value.items() if item or not isinstance(item, (list, set, dict)))
        return "{" + ",".join(sorted(f"{_text(key)}:{_text(item)}" for key, item in held)) + "}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ",".join(sorted(map(_text, value))) + "]"
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    if isinstance(value, Entity):
        # Entities name each other: one within another stands for its id.
        return "(" + ",".join(f"{name}={_within(getattr(value, name))}" for name in sorted(names)) + ")"
    if names:
        return "(" + ",".join(f"{name}={_text(getattr(value, name))}" for name in sorted(names)) + ")"
    return repr(value)


def _within(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], Entity):
        return _text([entity.id for entity in value])
    return _text(value)
