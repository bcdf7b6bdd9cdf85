"""`contract.md`: topics, types and fields from `models.events`."""

from docpages.markdown import blocks, code, codes, table
from docpages.parts import Meanings, must_fit, sentences
from docpages.schemas import said, schema_of
from models.events import CLASS_OF_TYPE, INPUT_TOPICS, TOPIC_OF_TYPE, Envelope
from models.wire import REASONS
from streams.topics import CONFIGS, OUTPUT_TOPICS

WHERE = "docs/parts/events.yaml"


def sections() -> dict[str, str]:
    """The tables of the page."""
    written = sentences("events")
    must_fit(f"{WHERE} types", written["types"], CLASS_OF_TYPE)
    must_fit(f"{WHERE} reasons", written["reasons"], REASONS)
    must_fit(f"{WHERE} topics", written["topics"], INPUT_TOPICS)
    must_fit(f"{WHERE} outputs", written["outputs"], OUTPUT_TOPICS)
    meanings = Meanings(f"{WHERE} fields", written["fields"])
    found = {
        "topics": _topics(written["topics"]),
        "envelope": _fields("event", Envelope, list(Envelope.model_fields), meanings),
        "types": blocks(_topic(topic, written, meanings) for topic in INPUT_TOPICS),
        "reasons": table(["reason", "the record"], ([code(reason), written["reasons"][reason]] for reason in REASONS)),
        "outputs": table(["topic", "key", "value"], ([code(topic), *row] for topic, row in written["outputs"].items())),
        "configs": _configs(),
    }
    meanings.must_be_used_up()
    return found


def types_of(topic: str) -> list[str]:
    """The types of a topic, in the order of the contract."""
    return [name for name, held in TOPIC_OF_TYPE.items() if held == topic]


def _topics(written: dict[str, str]) -> str:
    rows = ([f"[`{topic}`](#topic-{topic})", written[topic], codes(types_of(topic))] for topic in INPUT_TOPICS)
    return table(["topic", "what it is about", "types"], rows)


def _topic(topic: str, written: dict[str, dict[str, str]], meanings: Meanings) -> str:
    return blocks([f"### Topic `{topic}`", f"{written['topics'][topic]}.", *(_type(name, written, meanings) for name in types_of(topic))])


def _type(name: str, written: dict[str, dict[str, str]], meanings: Meanings) -> str:
    cls = CLASS_OF_TYPE[name]
    own = [field for field in cls.model_fields if field not in Envelope.model_fields]
    sentence = f"{written['types'][name]} [Schema](schemas/events/{name}.json)."
    return blocks([f"#### `{name}`", sentence, _fields(name, cls, own, meanings)])


def _fields(owner: str, cls: type[Envelope], names: list[str], meanings: Meanings) -> str:
    schema = schema_of(cls, "validation")
    required = set(schema["required"])
    rows = []
    for name in names:
        described = schema["properties"][name]
        meaning = meanings.of(owner, name, cls.model_fields[name].description)
        rows.append([code(name), said(described), "yes" if name in required else "no", meaning])
    return table(["field", "value", "required", "meaning"], rows)


def _configs() -> str:
    """Topics with the same settings in one row."""
    groups: dict[str, list[str]] = {}
    for topic, config in CONFIGS.items():
        groups.setdefault(codes((f"{key}={value}" for key, value in config.items()), " "), []).append(topic)
    return table(["topics", "settings"], ([codes(topics), config] for config, topics in groups.items()))
