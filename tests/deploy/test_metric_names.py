"""Rules and boards read only metrics and labels that the program declares."""

import re

import pytest

from scoring.indicators import BY_ID
from streams.serving.metrics import PREFIX
from tests.deploy.boards import expressions
from tests.deploy.catalogue import EXPORTER, METRICS, WORKERS
from tests.deploy.promql import grouping_labels, selectors
from tests.deploy.tools import alerts

QUERIES = [(rule["alert"], rule["expr"]) for rule in alerts()] + expressions()
COUNTERS = ("_total", "_bucket", "_count", "_sum")
COUNTER_FUNCTIONS = {"rate", "increase", "irate", "resets"}
each_query = pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in QUERIES])


@each_query
def test_metrics_and_labels_are_those_of_the_catalogue(query: str) -> None:
    for selector in selectors(query):
        assert selector.metric in METRICS
        assert selector.labels <= METRICS[selector.metric], selector.metric


@each_query
def test_groupings_are_by_labels_that_something_has(query: str) -> None:
    known = set().union(*(METRICS[selector.metric] for selector in selectors(query)))
    assert grouping_labels(query) <= known


@each_query
def test_counters_are_read_as_counters_and_gauges_as_gauges(query: str) -> None:
    for selector in selectors(query):
        assert selector.metric.endswith(COUNTERS) == bool(COUNTER_FUNCTIONS & set(selector.around)), selector.metric


@each_query
def test_what_two_exporters_say_is_counted_once(query: str) -> None:
    for selector in selectors(query):
        # Counters of the exporters are each process's own, and are summed.
        if selector.metric in EXPORTER and not selector.metric.endswith("_total"):
            # The innermost aggregation takes one of the duplicates; a sum over them would count a department twice.
            inner = [name for name in selector.around if name in {"max", "min", "sum", "count", "avg", "topk", "bottomk"}]
            assert (inner and inner[-1] in {"max", "min"}) or "absent" in selector.around, selector.metric


def test_texts_of_alerts_read_metrics_of_the_catalogue() -> None:
    for rule in alerts():
        for text in rule["annotations"].values():
            assert set(re.findall(rf"{PREFIX}\w+", text)) <= set(METRICS)


def test_indicators_are_those_of_the_registry() -> None:
    named = {name for _, query in QUERIES for name in re.findall('indicator="([^"]*)"', query)}
    assert named - {"$indicator"} == set(BY_ID)


def test_no_metric_has_two_owners() -> None:
    assert not EXPORTER.keys() & WORKERS.keys()
    assert not any("department" in labels for labels in WORKERS.values())
