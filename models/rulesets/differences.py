"""What another ruleset changes, in words: period by period each policy, the seed and the name, and how rulesets follow each other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models.rulesets import Policies, Ruleset
from models.text import Text

Meaning = Callable[[Any], Text]


def _of(**texts: Text) -> Meaning:
    return lambda value: texts[str(value).lower()]


# What a policy means with a value.
MEANINGS: Mapping[str, Meaning] = {
    "zero_denominator": _of(
        full=Text("没有业务量的指标得满分", "an indicator without workload has full points"),
        zero=Text("没有业务量的指标得 0 分，权重照计", "an indicator without workload has no points, and its weight counts"),
        na=Text("没有业务量的指标不考核，权重不计入 scored_max", "an indicator without workload is not assessed: not in scored_max"),
    ),
    "floor_total": _of(
        true=Text("总分低于 0 时记为 0", "a total below 0 is 0"),
        false=Text("总分可以低于 0", "a total may be below 0"),
    ),
    "aggregation": _of(
        cohort=Text(
            "指标 4 计当月发出、截止前入库的办件", "indicator 4 counts, of the serials issued in the period, those ingested by the cut-off"
        ),
        flow=Text(
            "指标 4 计当月入库的办件，不论何时发出，比率不超过 1",
            "indicator 4 counts the cases ingested in the period, whenever issued, the ratio capped at 1",
        ),
    ),
    "objection_carry_in": _of(
        true=Text("指标 10、13 也计以前标记、尚未解决的异议", "indicators 10 and 13 also count unresolved objections of earlier periods"),
        false=Text("指标 10、13 只计当月标记的异议", "indicators 10 and 13 count only objections flagged in the period"),
    ),
    "sharing_workdays": lambda days: Text(
        f"指标 11：没有 due_at 的请求，提出之日后第 {days} 个工作日结束时到期",
        f"indicator 11: a request without due_at is due at the end of workday {days} after the day raised",
    ),
    "grace_workdays": lambda days: Text(
        f"考核期在月末后第 {days} 个工作日结束时关闭", f"a period closes at the end of workday {days} after its last day"
    ),
    "visit_tail": _of(
        best=Text("指标 7：没有尾号凑足六个事项时，取最多的尾号", "indicator 7: when no tail gives six items, the one that gives the most"),
        first=Text("指标 7：没有尾号凑足六个事项时，取第一个尾号", "indicator 7: when no tail gives six items, the first one"),
    ),
    "seed": lambda seed: Text(f"抽样次序由种子 {seed} 决定", f"samples are drawn in the order that the seed {seed} gives"),
    "name": lambda name: Text(f"得分记录写明规则集 {name}", f"score records name the ruleset {name}"),
    "valid_from": lambda since: (
        Text("适用于所有考核期", "in force in every period") if since is None else Text(f"自 {since} 起适用", f"in force from {since} on")
    ),
    "chain": lambda members: Text("依次适用：" + "，".join(members), "in force one after the other: " + ", ".join(members)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in the periods from `since` on and before `until`; None: without end on that side."""

    since: str | None
    until: str | None
    field: str
    old: Any
    new: Any

    @property
    def meanings(self) -> tuple[Text, Text]:
        """What the old value means, and the new one."""
        meaning = MEANINGS[self.field]
        return meaning(self.old), meaning(self.new)


def differences(old: Ruleset, new: Ruleset) -> list[Difference]:
    """Everything in which two rulesets, each with those before it, differ: by period, then how they follow each other."""
    found = [
        Difference(since, until, field, before, after) for since, until, changes in _spans(old, new) for field, before, after in changes
    ]
    if old.valid_from != new.valid_from:
        found.append(Difference(None, None, "valid_from", old.valid_from, new.valid_from))
    chains = [[held.identity() for held in ruleset.chain()] for ruleset in (old, new)]
    if chains[0] != chains[1] and max(map(len, chains)) > 1:
        found.append(Difference(None, None, "chain", *(_members(ruleset) for ruleset in (old, new))))
    return found


Changes = list[tuple[str, Any, Any]]


def _spans(old: Ruleset, new: Ruleset) -> Iterator[tuple[str | None, str | None, Changes]]:
    """The stretches of periods in which the same things differ, each with its first period and that after it."""
    starts = sorted({held.valid_from for ruleset in (old, new) for held in ruleset.chain() if held.valid_from is not None})
    spans: list[tuple[str | None, Changes]] = []
    for since in (None, *starts):
        changes = _changes(old.in_period(since or ""), new.in_period(since or ""))
        if not spans or spans[-1][1] != changes:
            spans.append((since, changes))
    for place, (since, changes) in enumerate(spans):
        yield since, spans[place + 1][0] if place + 1 < len(spans) else None, changes


def _changes(old: Ruleset, new: Ruleset) -> Changes:
    pairs = [("name", old.name, new.name), ("seed", old.seed, new.seed)]
    pairs += [(name, getattr(old.policies, name), getattr(new.policies, name)) for name in Policies.model_fields]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _members(ruleset: Ruleset) -> list[str]:
    return [held.name if held.valid_from is None else f"{held.name} ({held.valid_from}…)" for held in reversed(list(ruleset.chain()))]
