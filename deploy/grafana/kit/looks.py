"""What values look like: thresholds in the right direction, states in words.

Grafana's own thresholds (red from 80 on) would paint a good score red, so that every panel states its steps.
"""

from collections.abc import Mapping, Sequence

from models.text import Text
from scoring.indicators import INDICATORS
from streams.serving.texts import REASONS

Steps = Sequence[tuple[float | None, str]]
States = Mapping[str, tuple[Text, str | None]]

GOOD, NOTICE, WARN, BAD = "green", "yellow", "orange", "red"
PLAIN: Steps = [(None, "text")]
NONE_IS_GOOD: Steps = [(None, GOOD), (1, BAD)]
FEW_ARE_GOOD: Steps = [(None, GOOD), (1, WARN)]
SOME_IS_GOOD: Steps = [(None, BAD), (1, GOOD)]
FRESH: Steps = [(None, GOOD), (60, WARN), (120, BAD)]
# Seconds left until something is due.
TIME_LEFT: Steps = [(None, BAD), (0, WARN), (86_400, GOOD)]


def more_is_better(full: float) -> Steps:
    """For points of a weight: red below 60 %, green from 85 % on."""
    return [(None, BAD), (round(0.6 * full, 2), NOTICE), (round(0.85 * full, 2), GOOD)]


def less_is_better(cap: float) -> Steps:
    """For points deducted: green only at 0, red at the cap."""
    return [(None, GOOD), (0.01, NOTICE), (cap / 2, WARN), (cap, BAD)]


UP: States = {"0": (Text("故障", "down"), BAD), "1": (Text("正常", "up"), GOOD)}
LATE: States = {"0": (Text("正常", "in time"), GOOD), "1": (Text("逾期", "late"), BAD)}
SEVERITY: States = {
    "critical": (Text("严重", "critical"), BAD),
    "warning": (Text("警告", "warning"), WARN),
    "info": (Text("提示", "info"), "blue"),
}
FIRING: States = {"1": (Text("告警中", "firing"), BAD)}
INDICATOR_NAMES: States = {
    i.id: (Text(f"{i.number} {i.title.zh}（{i.max_points} 分）", f"{i.number} {i.title.en} ({i.max_points})"), None) for i in INDICATORS
}
REASON_NAMES: States = {name: (text, None) for name, text in REASONS.items()} | {"vacuous": (Text("无业务量", "no workload"), None)}
