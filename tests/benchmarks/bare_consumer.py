"""What fetching and decoding alone cost: aiokafka over all partitions of the input topics and `orjson.loads` of each value, nothing else.

Run by compare.py, settings in the environment. Prints what it used as JSON: from the start, for the first fetch brings a good part of all.
"""

import asyncio
import os
import time

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from models.events import INPUT_TOPICS
from streams.app import FETCH_BYTES
from tests.benchmarks.machine import peak_bytes

BROKER = os.environ["ONESTOP_BROKER"]
PREFIX = os.environ["ONESTOP_TOPIC_PREFIX"]
PARTITIONS = int(os.environ["ONESTOP_PARTITIONS"])
MOST_RECORDS = 5_000  # at once, as a worker


async def consume() -> dict[str, float]:
    """From the start of the logs to their ends of now."""
    places = [TopicPartition(PREFIX + topic, number) for topic in INPUT_TOPICS for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BROKER, auto_offset_reset="earliest", enable_auto_commit=False, max_partition_fetch_bytes=FETCH_BYTES
    )
    await consumer.start()
    started, used = time.monotonic(), time.process_time()
    consumer.assign(places)
    total, read = sum((await consumer.end_offsets(places)).values()), 0
    while read < total:
        for records in (await consumer.getmany(timeout_ms=1_000, max_records=MOST_RECORDS)).values():
            for record in records:
                orjson.loads(record.value)
            read += len(records)
    seconds, cpu = time.monotonic() - started, time.process_time() - used
    await consumer.stop()
    return {"records": read, "seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak_bytes(os.getpid())}


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(consume())).decode())
