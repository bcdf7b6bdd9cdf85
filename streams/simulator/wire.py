"""Events as they travel: one JSON object a record, compact, UTF-8, fields in the order they were given."""

from typing import Any

import orjson

Event = dict[str, Any]
"""An event of the contract; times in it are RFC 3339 texts with an offset."""


def dump(event: Event) -> bytes:
    """The event as compact JSON in UTF-8, without a newline."""
    return orjson.dumps(event)
