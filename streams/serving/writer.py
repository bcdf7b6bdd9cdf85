"""Writing the read model: rows and offsets of a consumed chunk in one atomic step, and the greater of two records stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis

from models.instants import parse_instant
from streams.serving.layout import Layout, Place, place_field, record_of
from streams.serving.rows import Row

# KEYS: offsets, periods, firing, the order of audit, changes.
# ARGV: whether records that were older have been appended again; the number of partitions;
#       for each partition its field, the offset expected there ('' for none) and the next one;
#       for each row its topic, key, field, value ('' deletes), index, and whether it is one that a projector has appended again.
APPLY = """
local offsets, periods, firing, audited, changes = unpack(KEYS)
local partitions = tonumber(ARGV[2])
local first = 3 + 3 * partitions
for i = 3, first - 1, 3 do
  if (redis.call('HGET', offsets, ARGV[i]) or '') ~= ARGV[i + 1] then return 'wiped' end
end

local function unindex(alert)
  local held = redis.call('HGET', firing, alert)
  if not held then return end
  local kind, department, due = string.match(held, '^([^|]*)|([^|]*)|(.*)$')
  redis.call('ZREM', firing .. ':' .. kind, due .. '|' .. alert)
  redis.call('ZREM', firing .. ':' .. kind .. '|' .. department, due .. '|' .. alert)
  redis.call('HDEL', firing, alert)
end

local function index_alert(alert, index)
  unindex(alert)
  if index == '' then return end
  local kind, department, due = string.match(index, '^([^|]*)|([^|]*)|(.*)$')
  redis.call('ZADD', firing .. ':' .. kind, 0, due .. '|' .. alert)
  redis.call('ZADD', firing .. ':' .. kind .. '|' .. department, 0, due .. '|' .. alert)
  redis.call('HSET', firing, alert, index)
end

local stale = {}
for i = first, #ARGV, 6 do
  local topic, key, name, value, index, again = unpack(ARGV, i, i + 5)
  local held = redis.call('HGET', key, name)
  local older = held and string.sub(held, 1, 42) > string.sub(value, 1, 42)
  if topic == 'adjustments' or topic == 'audit' then
    -- They say what has happened: the first of a name stays.
    if not held then
      redis.call('HSET', key, name, value)
      if topic == 'audit' then redis.call('ZADD', audited, 0, index) end
    end
  elseif topic == 'quarantine' then
    -- A record put there twice is one; what was done about one comes behind it.
    if (held ~= false) == (index == '') then
      local now = (held and string.match(held, '^(.*)|') or index) .. '|' .. value
      if held then redis.call('HINCRBY', key .. ':counts', held, -1) end
      redis.call('HINCRBY', key .. ':counts', now, 1)
      redis.call('HSET', key, name, now)
    end
  -- Between the older record and the one appended again, a worker may have deleted the key and begun anew: what is held then stays.
  elseif value ~= '' and held and (older or (again == '1' and held ~= value)) then
    stale[#stale + 1] = {(i - first) / 6, held}
  else
    if value == '' then redis.call('HDEL', key, name) else redis.call('HSET', key, name, value) end
    if topic == 'alerts' then index_alert(name, index) elseif index ~= '' and value ~= '' then redis.call('SADD', periods, index) end
    if (held or '') ~= value then
      redis.call('XADD', changes, 'MAXLEN', '~', 10000, '*', 'topic', topic, 'name', name, 'record', string.sub(value, 43))
    end
  end
end

if ARGV[1] == '1' or #stale == 0 then
  for i = 3, first - 1, 3 do redis.call('HSET', offsets, ARGV[i], ARGV[i + 2]) end
end
return stale
"""
FORGET = """
local forgotten = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then forgotten = forgotten + redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return forgotten
"""
SCANNED = 1_000


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a chunk: not written at all, or written but for rows older than the held values."""

    wiped: bool = False
    stale: Sequence[tuple[int, bytes]] = field(default_factory=list)  # index of the row, and the held value


class Writer:
    """Writes the read model. Safe to run several times over: who writes with wrong offsets writes nothing."""

    def __init__(self, client: Redis, layout: Layout) -> None:
        self._client: Any = client  # the stubs of redis-py answer for both clients at once
        self._layout = layout
        self._apply = self._client.register_script(APPLY)
        self._forget = self._client.register_script(FORGET)

    async def offsets(self) -> dict[Place, int]:
        """The next offset of each partition that has been read."""
        held = await self._client.hgetall(self._layout.offsets)
        fields = ((name.decode().rpartition("|"), int(offset)) for name, offset in held.items())
        return {(topic, int(partition)): offset for (topic, _, partition), offset in fields}

    async def apply(
        self,
        batch: Sequence[Row],
        offsets: Mapping[Place, int],
        expected: Mapping[Place, int | None],
        *,
        corrected: bool = False,
    ) -> Applied:
        """Write a chunk's rows and offsets in one step.

        Rows older than the held ones are not written but returned with what is held. While there are any, the offsets stay until
        this is called again with `corrected`, so that whoever ends in between comes upon the older records again.

        Args:
            batch: the rows, in the order of their partitions.
            offsets: the next offset of each partition in the batch.
            expected: the offset that should be stored for each of them; None for none.
            corrected: the held records have been appended to the topic again.
        """
        layout = self._layout
        arguments: list[str | bytes] = ["1" if corrected else "0", str(len(offsets))]
        for place, following in offsets.items():
            before = expected.get(place)
            arguments += [place_field(place), "" if before is None else str(before), str(following)]
        for row in batch:
            arguments += [row.topic, row.key, row.field, row.value or b"", row.index, "1" if row.again else "0"]
        keys = [layout.offsets, layout.periods, layout.firing, layout.audit_order, layout.changes]
        answer = await self._apply(keys=keys, args=arguments)
        if answer == b"wiped":
            return Applied(wiped=True)
        return Applied(stale=[(int(index), held) for index, held in answer])

    async def forget_resolved(self, before: int) -> int:
        """Remove resolved alerts that are older than an instant; how many."""
        forgotten = cursor = 0
        while True:
            cursor, found = await self._client.hscan(self._layout.alerts, cursor, count=SCANNED)
            old = [part for alert, value in found.items() if _resolved_before(value, before) for part in (alert, value)]
            if old:
                forgotten += await self._forget(keys=[self._layout.alerts], args=old)
            if not cursor:
                return forgotten


def _resolved_before(value: bytes, before: int) -> bool:
    record = orjson.loads(record_of(value))
    return bool(record["state"] == "resolved" and parse_instant(record["as_of"]) < before)
