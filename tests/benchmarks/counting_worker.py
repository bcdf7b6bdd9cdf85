"""A worker that only counts, by department, month and type: driver, chunks, intervals, changelog and commits are those of `onestop worker`.

Run by compare.py. Counts of a chunk are durable as the one entry of its changelog record. There are no departments, so no scores.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import orjson

from streams import pipeline
from streams.changelog import ChunkRecord
from streams.cli.main import main
from streams.intake import Intake, take_chunk
from streams.partition import PartitionState


def count_chunk(
    state: PartitionState, topic: str, begin: int, end: int, records: Sequence[Any], partitions: int, timer: Callable[[str], Any]
) -> Intake:
    """In place of `take_chunk`: nothing is validated, no id remembered."""
    intake = Intake(ChunkRecord(topic, state.number, begin, end, consumed=len(records)))
    with timer("fold"):
        found: Counter[str] = Counter()
        for record in records:
            event = orjson.loads(record.value)
            found[f"{event['department']}|{event['occurred_at'][:7]}|{event['type']}"] += 1
        vars(state).setdefault("counted", Counter()).update(found)
        intake.record.add((), records[-1].timestamp, msgpack.packb(found))
    return intake


if __name__ == "__main__":
    assert pipeline.take_chunk is take_chunk  # or what is replaced is not what the pipeline calls
    pipeline.take_chunk = count_chunk
    main()
