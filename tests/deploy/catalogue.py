"""Every metric that rules and boards may use, with its labels: as the program declares them, and nothing else."""

from prometheus_client import Counter, Gauge, Histogram

from streams.metrics import WorkerMetrics
from streams.serving.metrics import METRICS as EXPORTER_METRICS
from streams.serving.metrics import PREFIX

TARGET_LABELS = frozenset({"job", "instance"})


def _of_workers() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for metric in vars(WorkerMetrics()).values():
        if isinstance(metric, Histogram):
            labels = frozenset(metric._labelnames)
            found |= {f"{metric._name}_bucket": labels | {"le"}, f"{metric._name}_sum": labels, f"{metric._name}_count": labels}
        elif isinstance(metric, Counter | Gauge):
            found[metric._name + ("_total" if isinstance(metric, Counter) else "")] = frozenset(metric._labelnames)
    return found


EXPORTER: dict[str, frozenset[str]] = {PREFIX + metric.name: frozenset(metric.labels) for metric in EXPORTER_METRICS}
WORKERS = _of_workers()
METRICS: dict[str, frozenset[str]] = {
    **{name: labels | TARGET_LABELS for name, labels in (EXPORTER | WORKERS).items()},
    # Prometheus writes these itself, for each target.
    "up": TARGET_LABELS,
    "scrape_samples_scraped": TARGET_LABELS,
}
# Of alerts: what Prometheus adds, what all rules set, and whatever the rules keep of the metrics' labels.
ALERT_LABELS = frozenset({"alertname", "alertstate", "severity", "audience", "depends_on"}).union(*METRICS.values())
METRICS |= {"ALERTS": ALERT_LABELS, "ALERTS_FOR_STATE": ALERT_LABELS - {"alertstate"}}
