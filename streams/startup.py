"""What a worker makes sure of before it starts: that its clock is right, and that its snapshots are of this changelog."""

import logging
import time

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from models.settings import Settings
from streams.clock import JUMP_SECONDS
from streams.control import CLOCK_KEY, CONTROL
from streams.kafka_clients import client_arguments, kafka_fault
from streams.reading import LogReader
from streams.snapshots import Snapshots
from streams.topics import CHANGELOG, UNREACHABLE
from streams.waiting import SaysOnce

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0
READ_SECONDS = 30.0


def wait_for_clock(settings: Settings) -> None:
    """Wait until this machine's clock and the broker's agree; a sentence when they do not.

    Scores hold as of this clock and arrivals are stamped by that one: with hours between them deadlines would be wrong.
    """
    waits_for = SaysOnce(log)
    while True:
        try:
            apart = _seconds_ahead(settings)
        except UNREACHABLE as error:
            waits_for(f"Kafka cannot be asked for the time: {kafka_fault(settings, error)[1]}; trying again every {RETRY_SECONDS:g} s")
        else:
            if abs(apart) <= JUMP_SECONDS:
                return
            where = "ahead of" if apart > 0 else "behind"
            sentence = (
                f"the clock of this machine is far {where} that of Kafka at {settings.broker}: synchronise both (NTP); waiting for it"
            )
            if waits_for(sentence):
                log.error("the clocks are %.0f s apart", abs(apart))
        time.sleep(RETRY_SECONDS)


def _seconds_ahead(settings: Settings) -> float:
    producer = KafkaProducer(**client_arguments(settings), acks="all", bootstrap_timeout_ms=5_000)
    try:
        written = producer.send(settings.topic(CONTROL), key=CLOCK_KEY, value=b"{}", partition=0).get(timeout=READ_SECONDS)
        return time.time() - float(written.timestamp) / 1_000
    finally:
        producer.close()


def check_snapshots(settings: Settings) -> None:
    """Put aside the snapshots that are not of this changelog; waits for the broker where there are any."""
    waits_for = SaysOnce(log)
    while True:
        try:
            return _check_snapshots(settings)
        except UNREACHABLE as error:
            waits_for(f"Kafka cannot be asked for the changelog: {kafka_fault(settings, error)[1]}; trying again")
            time.sleep(RETRY_SECONDS)


def _check_snapshots(settings: Settings) -> None:
    snapshots = Snapshots(settings, settings.topic(CHANGELOG))
    headers = snapshots.headers()
    if not headers:
        return
    reader = LogReader(settings)
    try:

        def value_at(number: int, offset: int) -> bytes | None:
            try:
                first = next((records[0] for records in reader.read(CHANGELOG, number, offset)), None)
            except KafkaTimeoutError:
                return None
            return first.value if first is not None and first.offset == offset else None

        snapshots.check_against({number: reader.end(CHANGELOG, number) for number in headers}, value_at)
    finally:
        reader.close()
