"""Reading topics to their ends, on each broker."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaProducer

from models.settings import load_settings
from streams import topics
from streams.reading import LogReader, read_topic


@pytest.mark.parametrize("broker", ["kafka", "embedded_broker"])
def test_everything_is_read_once_and_read_on(broker: str, request: pytest.FixtureRequest, unique_prefix: str) -> None:
    settings = load_settings(broker=request.getfixturevalue(broker).address, topic_prefix=unique_prefix, partitions=2)
    with topics.admin(settings) as client:
        topics.create(settings, client)
    producer = KafkaProducer(bootstrap_servers=settings.broker, linger_ms=50)

    def put(*values: bytes) -> None:
        for value in values:
            producer.send(settings.topic("cases"), value=value, partition=1)
        producer.flush()

    def read(begin: int | None = None) -> list[Any]:
        return [record.value for records in reader.read("cases", 1, begin) for record in records]

    first = [b"%d" % number for number in range(1_300)]
    put(*first)
    reader = LogReader(settings)
    assert reader.partitions("cases") == [0, 1]
    assert reader.partitions("no-such-topic") == []
    assert read() == first
    assert read() == []
    put(b"more")
    assert read() == [b"more"]
    assert read(1_299) == [b"1299", b"more"]
    reader.rewind("cases", 1)
    assert len(read()) == 1_301
    reader.close()
    producer.close()
    assert sum(1 for _ in read_topic(settings, "cases")) == 1_301
