"""What Alertmanager posts, and how people read it in a group: Chinese markdown, in pieces that a robot takes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

SEVERITIES: Mapping[str, str] = {"critical": "严重", "warning": "警告", "info": "提示"}
RESOLVED = "已恢复"
LINE_CHARACTERS = 120
# Names come from the systems of others: no links, and nobody called by `<@…>`, out of them.
_HARMLESS = str.maketrans("<>[]", "＜＞［］")


class Alert(BaseModel):
    """One alert of a notification."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    ends_at: Annotated[AwareDatetime, Field(alias="endsAt")]

    @property
    def severity(self) -> str:
        """What it is called in front: the severity, or that it is over."""
        said = self.labels.get("severity", "")
        return RESOLVED if self.status == "resolved" else SEVERITIES.get(said, _clean(said) or "告警")

    @property
    def rank(self) -> int:
        """0 for the most severe; what is over comes last."""
        order = list(SEVERITIES)
        said = self.labels.get("severity", "")
        return len(order) + 1 if self.status == "resolved" else order.index(said) if said in order else len(order)

    @property
    def title(self) -> str:
        """Severity and summary in one line."""
        return f"【{self.severity}】{_clean(self.annotations.get('summary') or self.labels.get('alertname', '告警'))}"


class Notification(BaseModel):
    """The body of Alertmanager's webhook, as far as it is read."""

    version: Literal["4"]
    alerts: Annotated[list[Alert], Field(min_length=1)]
    truncated: Annotated[int, Field(alias="truncatedAlerts", ge=0)] = 0


def _clean(text: str) -> str:
    return " ".join(text.split()).translate(_HARMLESS)


def most_severe_first(alerts: Iterable[Alert]) -> list[Alert]:
    """Alerts by rank; of one rank in the order they came."""
    return sorted(alerts, key=lambda alert: alert.rank)


def lines_of(alert: Alert, names: Mapping[str, str], zone: tzinfo) -> list[str]:
    """An alert in full.

    Args:
        alert: the alert.
        names: departments' names by code, as far as known.
        zone: the time zone in which times are told.
    """
    lines = [f"**{alert.title}**"]
    if description := _clean(alert.annotations.get("description", "")):
        lines.append(f"> {description}")
    if code := alert.labels.get("department"):
        lines.append(f"> 部门：{_clean(names[code])}（{_clean(code)}）" if names.get(code) else f"> 部门：{_clean(code)}")
    lines.append(f"> 开始：{_time(alert.starts_at, zone)}")
    if alert.status == "resolved":
        lines.append(f"> 恢复：{_time(alert.ends_at, zone)}")
    elif runbook := _clean(alert.annotations.get("runbook_url", "")):
        lines.append(f"> 手册：{runbook}")
    return lines


def _time(instant: datetime, zone: tzinfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def messages(paragraphs: Sequence[str], limit: int, gap: str) -> list[str]:
    """Paragraphs in as few messages as possible, each of at most `limit` bytes of UTF-8; no character is cut.

    >>> messages(["ab", "cd", "efghij"], 6, " ")
    ['ab cd', 'efghij']
    """
    found: list[str] = []
    for paragraph in paragraphs:
        if found and _size(found[-1]) + _size(gap) + _size(paragraph) <= limit:
            found[-1] += gap + paragraph
        else:
            found += _pieces(paragraph, limit)
    return found


def _pieces(text: str, limit: int) -> list[str]:
    pieces = [""]
    size = 0
    for character in text:
        size += _size(character)
        if size > limit:
            pieces.append("")
            size = _size(character)
        pieces[-1] += character
    return pieces


def _size(text: str) -> int:
    return len(text.encode())


def digest(alerts: Iterable[Alert], limit: int, line_end: str) -> str:
    """One message for many alerts: how many of each severity, then their titles, the most severe first, as far as they fit."""
    ordered = most_severe_first(alerts)
    counts = Counter(alert.severity for alert in ordered)
    text = f"**告警摘要：共 {len(ordered)} 条，" + "，".join(f"{name} {count}" for name, count in counts.items()) + "**"
    room = limit - _size(_left_out(len(ordered), line_end))
    for place, alert in enumerate(ordered):
        line = f"{line_end}{alert.title[:LINE_CHARACTERS]}"
        if _size(text) + _size(line) > room:
            return text + _left_out(len(ordered) - place, line_end)
        text += line
    return text


def _left_out(count: int, line_end: str) -> str:
    return f"{line_end}另有 {count} 条，请看 Alertmanager 页面"
