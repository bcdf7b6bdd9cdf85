"""What whoever reads scores has to know of them: that they lag behind, or are still moving."""

from models.text import Language
from streams.serving.read_model import Freshness
from streams.serving.texts import span_text, translator

STALE_SECONDS = 60
SHOWN_PARTITIONS = 8


def warnings_of(fresh: Freshness, language: Language) -> list[str]:
    """The warnings, in sentences."""
    t = translator(language)
    warnings = []
    if fresh.missing:
        warnings.append(t("stale_missing").format(missing=some_of(fresh.missing)))
    elif fresh.age is not None and fresh.age > STALE_SECONDS:
        warnings.append(t("stale_age").format(age=span_text(fresh.age, language)))
    if fresh.catching_up:
        warnings.append(t("catching_up"))
    return warnings


def some_of(partitions: tuple[int, ...]) -> str:
    """The first of many."""
    return ", ".join(map(str, partitions[:SHOWN_PARTITIONS])) + (" …" if len(partitions) > SHOWN_PARTITIONS else "")
