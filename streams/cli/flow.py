"""`onestop quarantine pause|resume`: whether the workers read an input topic."""

from typing import Annotated

import typer

from models.events import INPUT_TOPICS
from models.instants import format_instant
from models.records import TopicControl
from streams.cli.broker import reaching_kafka
from streams.cli.support import By, Exit, fail, output, say, the_settings, the_user, the_zone
from streams.clock import SystemClock
from streams.control import CLOCK_KEY, CONTROL, control_key
from streams.reading import LogReader, read_topic
from streams.recording import Person, recording

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
    by: By = None,
) -> Exit:
    """Have all workers stop reading an input topic; what is published meanwhile waits in it.

    Example: onestop quarantine pause cases --why "the hall system was deployed badly"
    """
    return _order(topic, "paused", why, by)


def resume(
    topic: Topic,
    why: Annotated[str, typer.Option("--why", help="What was done, for the record.")] = "",
    by: By = None,
) -> Exit:
    """Have the workers go on with a topic that was paused because too many of its records were bad.

    What lies in the topic now passes, bad records to quarantine, whatever their share; the limit holds for what is published from now on.

    Example: onestop quarantine resume cases
    """
    return _order(topic, "flowing", why, by)


def _order(topic: str, state: str, why: str, by: str | None) -> Exit:
    if topic not in INPUT_TOPICS:
        fail(say(f"{topic} 不是输入主题", f"{topic} is no input topic") + f": {', '.join(INPUT_TOPICS)}")
    settings, user = the_settings(), the_user(by)
    with reaching_kafka(settings):
        passing = {}
        if state == "flowing":
            reader = LogReader(settings)
            passing = {str(number): reader.end(topic, number) for number in range(settings.partitions)}
            reader.close()
        at = format_instant(SystemClock().now(), the_zone())
        order = TopicControl.model_validate({"topic": topic, "state": state, "by": user, "at": at, "why": why, "passing": passing})
        with recording(settings, Person(user, "command", "onestop quarantine")) as recorder:
            recorder.note("topic.paused" if state == "paused" else "topic.resumed", topic, why=why or None)
            recorder.sender.put(CONTROL, control_key(topic), order.to_json(), 0)
    done = say("已暂停", "is paused") if state == "paused" else say("已恢复", "flows again")
    output().print(f"{topic} {done}", highlight=False)
    return Exit.RIGHT
