"""Queries that count nothing twice, whatever number of exporters and workers is scraped."""

from collections.abc import Sequence

from scoring.indicators import Indicator

SELECTED = 'department=~"$department"'
IN_PERIOD = 'period="$period"'
# With thousands of departments a table shows so many, those that need attention first; the variable shows the others.
ROWS = 200
LINES = 10
DUPLICATES = "without(instance, job)"

# 0 says that a partition has never been heard of: no age, but no data.
LAST_UPDATE = "max(govscore_scoreboard_last_update_timestamp_seconds > 0)"


def latest(metric: str, *matchers: str, at: str = "") -> str:
    """A metric of the exporter without the duplicates of a second one.

    >>> latest("cases_open", 'department="X"')
    'max without(instance, job) (govscore_cases_open{department="X"})'
    """
    return f"max {DUPLICATES} (govscore_{metric}{{{', '.join(matchers)}}}{at})"


def total(metric: str, *matchers: str) -> str:
    """The sum over the departments selected; 0, not nothing, while an exporter answers."""
    return f"sum({latest(metric, SELECTED, *matchers)}) or 0 * {LAST_UPDATE}"


def count(query: str) -> str:
    """How many series a query finds; 0, not nothing, while an exporter answers."""
    return f"count({query}) or 0 * {LAST_UPDATE}"


def named(query: str) -> str:
    """A query by department with the label `name`; a department without a known name keeps its code, and none is shown twice."""
    names = 'topk by(department) (1, max by(department, name) (govscore_department_info{name!=""}))'
    code = f'label_replace({query}, "name", "$1", "department", "(.*)")'
    return f"({query}) * on(department) group_left(name) {names} or on(department) {code}"


def first(query: str, order: str, rows: int = ROWS) -> str:
    """The rows of a query whose departments come first by an order, the greatest first."""
    return f"({query}) and on(department) topk({rows}, {order})"


def worst_over_time(metric: str, *matchers: str, lines: int = LINES) -> str:
    """The departments that are highest at the end of the range. Chosen anew at each step, lines would come and go."""
    held = latest(metric, SELECTED, *matchers)
    return named(f"{held} and on(department) topk({lines}, {latest(metric, SELECTED, *matchers, at=' @ end()')} > 0)")


def kept(*matchers: str) -> str:
    """The share of the full points that was kept, 0 to 1 and more is better, also where points are deducted."""
    full = "on(indicator) group_left max by(indicator) (govscore_indicator_max_points)"
    points, deducted = (latest(metric, IN_PERIOD, SELECTED, *matchers) for metric in ("indicator_points", "deduction_points"))
    return f"({points} / {full} or 1 - {deducted} / {full})"


def kept_by_indicator(points: str, deducted: str) -> str:
    """The share kept of each indicator, of its points or of what was deducted, each put together by an aggregation.

    Put together first and divided then: over thousands of departments the other way round takes far longer.
    """
    full = "on(indicator) max by(indicator) (govscore_indicator_max_points)"
    up, down = (latest(metric, IN_PERIOD, SELECTED) for metric in ("indicator_points", "deduction_points"))
    return f"{points} by(indicator) ({up}) / {full} or 1 - {deducted} by(indicator) ({down}) / {full}"


def points_of(indicator: Indicator) -> str:
    """The points of one indicator; of a deduction those deducted."""
    return latest("deduction_points" if indicator.deduction else "indicator_points", IN_PERIOD, SELECTED, f'indicator="{indicator.id}"')


def rate(metric: str, labels: str = "", *matchers: str) -> str:
    """A counter of all processes a second, by some labels."""
    return f"sum by({labels}) (rate(govscore_{metric}{{{', '.join(matchers)}}}[$__rate_interval]))"


def grown(metric: str, labels: str = "", span: str = "24h") -> str:
    """By how much a counter of the workers has grown, rounded to whole records."""
    by = f" by({labels})" if labels else ""
    return f"round(sum{by} (increase(govscore_{metric}[{span}])))"


def quantile(share: float, histogram: str, labels: Sequence[str] = ()) -> str:
    """A quantile of a histogram over all workers."""
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', ', '.join(('le', *labels)))})"
