"""Sampling: the draws of indicators 7, 14 and 15 (`indicators.md`, Sampling), which anyone can repeat from the log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from models.facts import AT, CODE, Fact
from scoring.department import Department
from scoring.entities.item import PUBLISHED
from scoring.indicators.guide_accuracy import FULLY_CHECKED_UP_TO, GuideAccuracy
from scoring.indicators.online_experience import FULLY_TESTED_UP_TO, OnlineExperience
from scoring.indicators.visit_reduction import VisitReduction
from scoring.local_time import parse_period, period_label
from scoring.view import View

VISITED_ITEMS = 6
ITEMS_A_MONTH: Mapping[str, int] = {GuideAccuracy.id: FULLY_CHECKED_UP_TO, OnlineExperience.id: FULLY_TESTED_UP_TO}
_CATEGORY, _MAX_VISITS = 6, 12
_SELECTED = 7


@dataclass(frozen=True, slots=True)
class Draw:
    """What a `sample.drawn` records, in order of drawing: acceptance numbers and their tail (7), or items and no tail (14, 15)."""

    selected: list[str]
    tail: int | None


def draw(department: Department, period: int, indicator_id: str) -> Draw:
    """The sample of a department for a period, from what is known as of the context's now (`indicators.md`, Sampling).

    A pure function of the facts, and of the seed and the policy `visit_tail` of the period; nothing is recorded. `selected` may be empty.

    Raises:
        ValueError: the indicator has no sampling, or its sample for the period is drawn already.
    """
    if indicator_id != VisitReduction.id and indicator_id not in ITEMS_A_MONTH:
        sampled = ", ".join([VisitReduction.id, *ITEMS_A_MONTH])
        raise ValueError(f"{indicator_id} has no sampling; samples are drawn for {sampled}")
    label = period_label(period)
    held = department.first_sample((indicator_id, label))
    if held is not None:
        raise ValueError(f"the sample of {department.code} for {indicator_id} in {label} is drawn ({held.id}) and is never redrawn")
    if indicator_id == VisitReduction.id:
        return _draw_visits(View(department, period))
    return Draw(_draw_items(department, period, indicator_id), None)


def hash_of(*parts: object) -> int:
    """H of the parts joined by `|`: the first 8 bytes of the SHA-256 of the text, big-endian (`indicators.md`, Sampling).

    >>> hash_of("abc") == 0xBA7816BF8F01CFEA  # FIPS 180-4
    True
    """
    return int.from_bytes(sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


# --- 7: cases by the tail of their acceptance number ---


@dataclass(frozen=True, slots=True)
class _Entry:
    """A case of the list; `fit`: its item is at-most-one-visit."""

    number: str
    item: str
    fit: bool


def _draw_visits(view: View) -> Draw:
    entries = _entries(view)
    places: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        places.setdefault(entry.number[-2:], []).append(place)
    draws = [Draw(_walk(entries, places.get(f"{tail:02d}", ())), tail) for tail in _tails(view)]
    most = max(draws, key=lambda drawn: len(drawn.selected))  # the first of those that give the most: of six, if any gives six
    return most if len(most.selected) == VISITED_ITEMS or view.rules.policies.visit_tail == "best" else draws[0]


def _tails(view: View) -> list[int]:
    seed, code = view.rules.seed, view.department.code
    return sorted(range(100), key=lambda tail: hash_of(seed, view.label, code, VisitReduction.id, f"{tail:02d}"))


def _entries(view: View) -> list[_Entry]:
    """The on-application cases accepted in the period, by (accepted at, acceptance number, serial)."""
    start = view.context.time.start_of(view.period)
    found: list[tuple[int, str, str, _Entry]] = []
    for case in view.department.cases.values():
        accepted = case.accepted
        if accepted is None or not start <= accepted.at < view.cutoff or not case.counts:
            continue
        version = view.item(accepted.item)
        if version is not None and version[_CATEGORY] == "on_application":
            number = accepted.acceptance_no
            found.append((accepted.at, number, case.id, _Entry(number, accepted.item, version[_MAX_VISITS] <= 1)))
    return [entry for *_, entry in sorted(found, key=lambda row: row[:3])]


def _walk(entries: Sequence[_Entry], candidates: Iterable[int]) -> list[str]:
    """The acceptance numbers that a tail gives: each candidate, or the first fit entry back to before the previous candidate."""
    chosen: dict[str, str] = {}  # item → acceptance number
    previous = -1
    for candidate in candidates:
        back = (entries[place] for place in range(candidate, previous, -1))
        fit = next((entry for entry in back if entry.fit and entry.item not in chosen), None)
        if fit is not None:
            chosen[fit.item] = fit.number
        if len(chosen) == VISITED_ITEMS:
            break
        previous = candidate
    return list(chosen.values())


# --- 14 and 15: items by rounds ---


def _draw_items(department: Department, period: int, indicator: str) -> list[str]:
    seed = department.context.rules[period].seed
    active = _active_items(department, period, department.context.now)
    round_, last_drawn = _replay(department, period, indicator)
    wanted = min(ITEMS_A_MONTH[indicator], len(active))
    selected: list[str] = []
    while len(selected) < wanted:
        left = {item for item in active if last_drawn.get(item, 0) < round_} - set(selected)
        selected += _in_order(left, department.code, indicator, round_, seed)[: wanted - len(selected)]
        round_ += 1
    return selected


def _in_order(items: Iterable[str], code: str, indicator: str, round_: int, seed: str) -> list[str]:
    return sorted(items, key=lambda item: (hash_of(seed, round_, code, indicator, item), item))


def _replay(department: Department, period: int, indicator: str) -> tuple[int, dict[str, int]]:
    """The current round before a period's draw, and for each item the last round that it was drawn in.

    A round has an item once: one drawn again while the round goes on was drawn in the next. The round ends with the draw
    after which every item then active has been drawn in it; the last one left may also have been retired since, which the
    next draw finds. What was drawn is read from the log and no seed: a round goes on when a ruleset with another one takes effect,
    and only the order of what is left in it follows the new seed.
    """
    round_ = 1
    last_drawn: dict[str, int] = {}
    for held, drawn in _earlier_samples(department, period, indicator):
        for item in dict.fromkeys(drawn[_SELECTED]):
            last_drawn[item] = max(round_, last_drawn.get(item, 0) + 1)
        active = _active_items(department, held, drawn[AT])
        while active and all(last_drawn.get(item, 0) >= round_ for item in active):
            round_ += 1
    return round_, last_drawn


def _earlier_samples(department: Department, period: int, indicator: str) -> Iterator[tuple[int, Fact]]:
    """The first `sample.drawn` of each earlier period, in period order."""
    for held in sorted(parse_period(label) for of, label in department.samples_of if of == indicator):
        sample = department.first_sample((indicator, period_label(held)))
        if held < period and sample is not None and sample.drawn is not None:
            yield held, sample.drawn


def _active_items(department: Department, period: int, at: int) -> list[str]:
    """The items active by the cut-off of a period, as known at an instant."""
    cutoff = min(at + 1, department.context.time.end_of(period))
    versions = ((item.id, item.versions.before(cutoff)) for item in department.items.values())
    return [item for item, version in versions if version is not None and version[CODE] == PUBLISHED]
