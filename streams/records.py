"""Records as aiokafka decodes them, for consumers that read many.

aiokafka makes of each record an object with eleven attributes and a dict of its own, which the garbage collector then walks: 0.6 µs of the
1.7 that fetching an event takes. What it decodes from the wire has offset, timestamp, key, value and headers already. A
consumer asks for it by its value deserializer; the others in the process are served as ever.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException


def as_decoded(value: Any) -> Any:
    """The value deserializer of a consumer that wants records without topic and partition."""
    return value


class PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types for it
    """What was fetched of a partition."""

    next_fetch_offset: int

    def __iter__(self) -> Iterator[Any]:
        """Without a call of `__next__` for each record."""
        return self._records_iterator  # type: ignore[no-any-return]

    def _unpack_records(self) -> Iterator[Any]:
        if self._value_deserializer is not as_decoded or self._isolation_level == fetcher.READ_COMMITTED:
            return super()._unpack_records()  # type: ignore[no-any-return]
        return self._decoded()

    def _decoded(self) -> Iterator[Any]:
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"records of {self._tp} are damaged")
            if not batch.is_control_batch:
                for record in batch:
                    offset = record.offset
                    if offset >= self.next_fetch_offset:  # a fetch brings back the whole batch that its offset lies in
                        self.next_fetch_offset = offset + 1
                        yield record
            self.next_fetch_offset = batch.next_offset  # the log goes on there, also where compaction has taken the last records


fetcher.PartitionRecords = PartitionRecords
