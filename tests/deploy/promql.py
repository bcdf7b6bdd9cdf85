"""PromQL as a tree: which series an expression reads, and through what."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser

# Grafana's variables, as a query has them when it is sent.
VARIABLES = {"$period": "2026-11", "$department": ".*", "$indicator": "case_aggregation", "$__range": "6h", "$__rate_interval": "1m"}


@dataclass(frozen=True, slots=True)
class Selector:
    """A series selector: its metric, the labels it matches, and the functions and aggregations around it, the outermost first."""

    metric: str
    labels: frozenset[str]
    around: tuple[str, ...]


def filled_in(expression: str, **values: str) -> str:
    """An expression with Grafana's variables replaced, by values of the caller's where it has some."""
    for name, value in (VARIABLES | {f"${name}": value for name, value in values.items()}).items():
        expression = expression.replace(name, value)
    return expression


def selectors(expression: str) -> list[Selector]:
    """All selectors of an expression."""
    return list(_walk(promql_parser.parse(filled_in(expression)), ()))


def grouping_labels(expression: str) -> set[str]:
    """The labels by which an expression groups and matches."""
    return set(_groupings(promql_parser.parse(filled_in(expression))))


def _parts(node: Any) -> list[Any]:
    if isinstance(node, promql_parser.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, promql_parser.Call):
        return list(node.args)
    if isinstance(node, promql_parser.MatrixSelector):
        return [node.vector_selector]
    return [node.expr] if hasattr(node, "expr") else []


def _walk(node: Any, around: tuple[str, ...]) -> Iterator[Selector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield Selector(node.name or "", frozenset(matcher.name for matcher in node.matchers.matchers), around)
        return
    if isinstance(node, promql_parser.AggregateExpr):
        around = (*around, str(node.op))
    elif isinstance(node, promql_parser.Call):
        around = (*around, node.func.name)
    for part in _parts(node):
        yield from _walk(part, around)


def _groupings(node: Any) -> Iterator[str]:
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql_parser.AggregateExpr) and modifier:
        yield from modifier.labels
    if isinstance(node, promql_parser.BinaryExpr) and modifier:
        yield from modifier.matching.labels if modifier.matching else ()
        yield from modifier.group_labels or ()
    for part in _parts(node):
        yield from _groupings(part)
