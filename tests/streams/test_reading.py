"""Reading topics to their ends, on each broker."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from kafka import KafkaProducer

from models.settings import load_settings
from streams import topics
from streams.reading import LogReader, PartitionReader, read_topic


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


@pytest.mark.parametrize("broker", ["kafka", "embedded_broker"])
def test_partitions_of_topics_are_read_in_turn_and_read_on(broker: str, request: pytest.FixtureRequest, unique_prefix: str) -> None:
    settings = load_settings(broker=request.getfixturevalue(broker).address, topic_prefix=unique_prefix, partitions=2)
    with topics.admin(settings) as client:
        topics.create(settings, client)
    producer = KafkaProducer(bootstrap_servers=settings.broker, linger_ms=50)

    def put(topic: str, partition: int, *values: bytes) -> None:
        for value in values:
            producer.send(settings.topic(topic), value=value, partition=partition)
        producer.flush()

    def read(topic: str, partition: int, end: int | None = None) -> list[bytes]:
        return [record.value for records in reader.read(topic, partition, end) for record in records]

    many = [b"%d" % number for number in range(12_000)]  # more than a chunk
    put("cases", 0, *many)
    put("serials", 0, b"s0")
    put("cases", 1, b"c1")
    reader = PartitionReader(settings, ("cases", "serials"))
    assert read("cases", 0) == many
    assert read("cases", 0) == []
    assert read("serials", 0) == [b"s0"]
    assert (read("cases", 1), read("serials", 1)) == ([b"c1"], [])
    put("cases", 0, b"more")
    assert read("cases", 0) == [b"more"], "on from there after another partition"
    put("serials", 0, b"s1")
    if broker == "kafka":  # the embedded broker tells end offsets that are too low
        assert reader.ends(("cases", "serials"), 0) == {"cases": 12_001, "serials": 2}
    assert read("serials", 0, 2) == [b"s1"], "up to an end that was asked for before"
    reader.rewind("cases", 0)
    assert read("cases", 0) == [*many, b"more"]
    reader.rewind("serials", 1)
    assert read("serials", 1) == []
    reader.close()
    producer.close()


def test_a_partition_reader_without_a_broker() -> None:
    with pytest.raises(KafkaConnectionError):
        PartitionReader(load_settings(broker="127.0.0.1:9"), ("cases",))
