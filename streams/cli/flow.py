"""`onestop quarantine pause|resume`: whether the workers read an input topic."""

import getpass
from datetime import datetime
from typing import Annotated

import typer
from kafka import TopicPartition

from models.events import INPUT_TOPICS
from models.records import TopicControl
from streams import topics
from streams.cli.broker import unreachable
from streams.cli.sender import EventSender
from streams.cli.support import Exit, fail, output, say, the_settings, the_zone
from streams.control import CLOCK_KEY, CONTROL, control_key
from streams.reading import consumer_for, read_topic

Topic = Annotated[str, typer.Argument(help="An input topic, for example cases.")]


def paused_topics() -> dict[str, TopicControl]:
    """The topics that are paused, with the record that says so.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached.
    """
    held = {}
    for record in read_topic(the_settings(), CONTROL):
        if record.key != CLOCK_KEY and record.value:
            order = TopicControl.model_validate_json(record.value)
            held[order.topic] = order
    return {topic: order for topic, order in held.items() if order.state == "paused"}


def pause(
    topic: Topic,
    why: Annotated[str, typer.Option("--why", help="The reason, for those who find it paused.")],
) -> Exit:
    """Have all workers stop reading an input topic; what is published meanwhile waits in it.

    Example: onestop quarantine pause cases --why "the hall system was deployed badly"
    """
    return _order(topic, "paused", why)


def resume(
    topic: Topic,
    why: Annotated[str, typer.Option("--why", help="What was done, for the record.")] = "",
) -> Exit:
    """Have the workers go on with a topic that was paused because too many of its records were bad.

    What lies in the topic now passes, bad records to quarantine, whatever their share; the limit holds for what is published from now on.

    Example: onestop quarantine resume cases
    """
    return _order(topic, "flowing", why)


def _order(topic: str, state: str, why: str) -> Exit:
    if topic not in INPUT_TOPICS:
        fail(say(f"{topic} 不是输入主题", f"{topic} is no input topic") + f": {', '.join(INPUT_TOPICS)}")
    settings = the_settings()
    try:
        passing = {}
        if state == "flowing":
            consumer = consumer_for(settings)
            places = [TopicPartition(settings.topic(topic), number) for number in range(settings.partitions)]
            passing = {str(place.partition): end for place, end in consumer.end_offsets(places).items()}
            consumer.close()
        at = datetime.now(tz=the_zone()).isoformat(timespec="seconds")
        order = TopicControl.model_validate(
            {"topic": topic, "state": state, "by": getpass.getuser(), "at": at, "why": why, "passing": passing}
        )
        sender = EventSender(settings)
        sender.put(CONTROL, control_key(topic), order.to_json(), 0)
        sender.flush()
        sender.close()
    except topics.UNREACHABLE as error:
        fail(unreachable(settings, error), Exit.UNREACHABLE)
    done = say("已暂停", "is paused") if state == "paused" else say("已恢复", "flows again")
    output().print(f"{topic} {done}", highlight=False)
    return Exit.RIGHT
