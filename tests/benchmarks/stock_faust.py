"""A stock Faust agent that folds the same events one at a time into tables, for comparison: ordinary topics, agents and tables.

Run by compare.py, settings in the environment.
"""

import os

import faust
import orjson

from models.events import INPUT_TOPICS

BROKER = os.environ["ONESTOP_BROKER"]
PREFIX = os.environ["ONESTOP_TOPIC_PREFIX"]
PARTITIONS = int(os.environ["ONESTOP_PARTITIONS"])

app = faust.App(
    os.environ["STOCK_APP"], broker=f"kafka://{BROKER}", store="memory://", topic_partitions=PARTITIONS, topic_disable_leader=True,
    web_enabled=False, consumer_auto_offset_reset="earliest", table_standby_replicas=0,
)  # fmt: skip
counts = app.Table("counts", default=int, partitions=PARTITIONS)


async def fold(stream):
    async for event in stream:
        parsed = orjson.loads(event)
        key = f"{parsed['department']}|{parsed['occurred_at'][:7]}|{parsed['type']}"
        counts[key] += 1
        yield


for name in INPUT_TOPICS:
    app.agent(app.topic(PREFIX + name, value_type=bytes, value_serializer="raw"), name=f"stock.{name}")(fold)

if __name__ == "__main__":
    app.main()
