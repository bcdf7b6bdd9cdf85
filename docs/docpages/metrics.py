"""`metrics.md`: the metrics that workers and the scoreboard exporter declare."""

from collections.abc import Iterator
from dataclasses import dataclass

from docpages.markdown import code, codes, table
from streams.metrics import WorkerMetrics
from streams.serving.metrics import METRICS, PREFIX


@dataclass(frozen=True)
class Metric:
    """A metric as it is declared."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def worker_metrics() -> Iterator[Metric]:
    """The metrics of a worker, from its registry."""
    for collector in WorkerMetrics().registry._collector_to_names:  # noqa: SLF001  # the registry has no public way to its collectors
        for family in collector.describe():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Metric(name, family.type, collector._labelnames, family.documentation)  # noqa: SLF001  # nor to the labels


def exporter_metrics() -> Iterator[Metric]:
    """The metrics of the scoreboard exporter."""
    for metric in METRICS:
        yield Metric(PREFIX + metric.name, metric.kind, metric.labels, metric.help)


def sections() -> dict[str, str]:
    """The tables of the page."""
    return {"worker": _table(worker_metrics()), "exporter": _table(exporter_metrics())}


def _table(metrics: Iterator[Metric]) -> str:
    return table(["metric", "type", "labels", "meaning"], ([code(m.name), m.kind, codes(m.labels), m.text] for m in metrics))
