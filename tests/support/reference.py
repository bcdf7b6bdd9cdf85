"""The batch oracle: a naive reference scorer, written from `indicators.md` alone.

Nothing here is incremental or shared with the engine: for every department and period each indicator is counted
anew from the list of events. Quotations in comments are from the specification.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import chinese_calendar

Event = Mapping[str, Any]
Number = int | Fraction

UTC = timezone.utc
ONE_DAY = timedelta(days=1)
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))")

DEFAULT_POLICIES: dict[str, Any] = {
    "zero_denominator": "full",
    "floor_total": True,
    "aggregation": "cohort",
    "objection_carry_in": True,
    "sharing_workdays": 10,
    "grace_workdays": 5,
}


# --- time -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=100_000)
def instant(text: str) -> datetime:
    """An RFC 3339 time, in UTC; "digits beyond microseconds are cut"."""
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    seconds, fraction, sign, hours, minutes = match.groups()
    at = datetime.fromisoformat(seconds).replace(microsecond=int(((fraction or "") + "000000")[:6]), tzinfo=UTC)
    offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
    return at + offset if sign == "-" else at - offset


@lru_cache(maxsize=100_000)
def local_date(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


@lru_cache(maxsize=100_000)
def day_start(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def day_end(day: date, zone: ZoneInfo) -> datetime:
    return day_start(day + ONE_DAY, zone)


def period_of_day(day: date) -> str:
    """A period is a calendar month, `YYYY-MM`."""
    return f"{day.year:04d}-{day.month:02d}"


def first_day(period: str) -> date:
    return date(int(period[:4]), int(period[5:]), 1)


def next_period(period: str) -> str:
    return period_of_day(first_day(period) + timedelta(days=31))


@cache
def calendar_says(day: date) -> tuple[bool, bool]:
    """Is the day a workday, and does the calendar cover its year?"""
    try:
        return bool(chinese_calendar.is_workday(day)), True
    except NotImplementedError:
        # "computed with weekends and the fixed-date holidays (1 January, 1-2 May, 1-3 October)"
        fixed = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}
        return day.weekday() < 5 and (day.month, day.day) not in fixed, False


def workday_after(day: date, count: int) -> tuple[date, bool]:
    """The `count`-th workday after the day (0: the day itself), and whether the calendar covers every day examined."""
    covered = True
    while count > 0:
        day += ONE_DAY
        is_workday, known = calendar_says(day)
        covered = covered and known
        count -= is_workday
    return day, covered


# --- what a score reads ---------------------------------------------------------------------------------------------


class Fact(NamedTuple):
    at: datetime
    event_id: str
    type: str
    data: Event


class Outcome(NamedTuple):
    numerator: Number
    denominator: Number
    points: Fraction
    status: str = "scored"
    zeroed_by: tuple[str, ...] = ()
    capped: bool = False
    calendar_provisional: bool = False
    inspections_outstanding: bool = False


def firsts(facts: Iterable[Fact], *fields: str) -> dict[tuple[str, ...], Fact]:
    """Single facts: "keep the earliest occurred_at (ties: smallest event_id), and all fields come from that event"."""
    return {tuple(f.data[field] for field in fields): f for f in sorted(facts, reverse=True, key=lambda f: f[:2])}


def lasts(facts: Iterable[Fact], field: str) -> dict[str, Fact]:
    """Versions: "ordered by (occurred_at, event_id), the last one holds"."""
    return {f.data[field]: f for f in sorted(facts, key=lambda f: f[:2])}


@dataclass(frozen=True)
class View:
    """One department's events up to T, and the period in which they are looked at."""

    department: str
    facts: list[Fact]  # occurred_at <= T, in (occurred_at, event_id) order
    period: str
    as_of: datetime
    zone: ZoneInfo
    policies_in: Callable[[str], Mapping[str, Any]]  # by period

    @property
    def policies(self) -> Mapping[str, Any]:
        return self.policies_in(self.period)

    @property
    def start(self) -> datetime:
        return day_start(first_day(self.period), self.zone)

    @property
    def end(self) -> datetime:
        return day_start(first_day(next_period(self.period)), self.zone)

    def of(self, *types: str) -> list[Fact]:
        return [f for f in self.facts if f.type in types]

    def by_cut_off(self, *types: str) -> list[Fact]:
        """By the cut-off: "occurred_at <= T and before the period's end"."""
        end = self.end
        return [f for f in self.facts if f.type in types and f.at < end]

    def holds(self, at: datetime) -> bool:
        """Does the instant lie in the period? "00:00 on the 1st belongs to the new month"."""
        return self.start <= at < self.end

    def ids(self, field: str, *types: str) -> set[str]:
        """Corrections reach back: voided, withdrawn, reversed ... "work whenever they occurred (<= T)"."""
        return {f.data[field] for f in self.of(*types)}

    def active(self, published: str, retired: str, field: str) -> dict[str, Event]:
        """Stock "is read by the cut-off"; ".retired are versions too"."""
        last = lasts(self.by_cut_off(published, retired), field)
        return {thing: f.data for thing, f in last.items() if f.type == published}

    def active_items(self) -> list[Event]:
        return list(self.active("item.published", "item.retired", "item").values())

    def item_of_case(self, item: str) -> Event | None:
        """Item i of a case: "its last item.published by the cut-off, also when retired since"."""
        last = lasts(self.by_cut_off("item.published"), "item").get(item)
        return last.data if last else None

    def left_out(self) -> set[str]:
        """Voided serials, and test cases ("is_test is that of the first serial.issued"; they "count only in 15")."""
        voided = self.ids("serial", "serial.voided", "case.voided")
        issued = firsts(self.of("serial.issued"), "serial")
        return voided | {serial for (serial,), f in issued.items() if f.data.get("is_test")}

    def cases_in_period(self, fact_type: str) -> dict[str, Fact]:
        """Serials (not voided, not test) whose single fact of this type lies in the period."""
        left_out = self.left_out()
        found = firsts(self.of(fact_type), "serial")
        return {serial: f for (serial,), f in found.items() if serial not in left_out and self.holds(f.at)}


def base(
    view: View,
    full: int,
    numerator: Number,
    denominator: Number,
    points: Callable[[Fraction], Number],
    *,
    reads_catalogue: bool = False,
) -> Outcome:
    """A base indicator's Y = numerator / denominator, or why there is none."""
    if reads_catalogue and not view.by_cut_off("item.published"):
        # "no_data (no item.published by the cut-off) ... counts 0 ..., with numerator and denominator 0
        # (in 6 also when licences were dispatched)"; "a catalogue whose items are all retired is vacuous"
        return Outcome(0, 0, Fraction(0), "no_data")
    if denominator == 0:
        # "denominator 0: no workload, full points, policy zero_denominator: full [zero | na]"
        policy = view.policies["zero_denominator"]
        status = "no_data" if policy == "na" else "vacuous"
        return Outcome(numerator, denominator, Fraction(full if policy == "full" else 0), status)
    return Outcome(numerator, denominator, Fraction(points(Fraction(numerator) / denominator)))


def deduction(cap: int, count: int, denominator: int, each: Fraction, calendar_provisional: bool = False) -> Outcome:
    """A deduction is "always scored"; it is `capped` only when the raw deduction is greater than the cap."""
    raw = count * each
    return Outcome(count, denominator, min(raw, Fraction(cap)), capped=raw > cap, calendar_provisional=calendar_provisional)


# --- base indicators ------------------------------------------------------------------------------------------------


def online_depth(view: View, full: int) -> Outcome:
    items = view.active_items()
    weight = {1: Fraction(5, 100), 2: Fraction(15, 100), 3: Fraction(45, 100), 4: Fraction(1)}
    # "An item without a depth stays in M and adds nothing."
    depths = sum((weight[i["online_depth"]] for i in items if i["online_depth"] is not None), Fraction(0))
    return base(view, full, depths, len(items), lambda y: 5 * y, reads_catalogue=True)


def instant_items(view: View, full: int) -> Outcome:
    def points(y: Fraction) -> int:
        # "Y < 5 % -> 0; 5 % <= Y < 7 % -> 2; 7 % <= Y < 10 % -> 4; Y >= 10 % -> 5"
        if y < Fraction(5, 100):
            return 0
        if y < Fraction(7, 100):
            return 2
        return 4 if y < Fraction(10, 100) else 5

    items = view.active_items()
    instants = [i for i in items if i["case_type"] == "instant"]
    return base(view, full, len(instants), len(items), points, reads_catalogue=True)


def docking_depth(view: View, full: int) -> Outcome:
    def weight(docking: set[str]) -> Fraction:
        # "each active item counts once, at its deepest level"
        if {"serial", "auth", "case_store", "apply", "eform"} <= docking:
            return Fraction(1)
        if {"serial", "auth", "case_store"} <= docking:
            return Fraction(1, 2)
        return Fraction(1, 10) if {"serial", "auth"} <= docking else Fraction(0)

    items = view.active_items()
    weights = sum((weight(set(i["docking"])) for i in items), Fraction(0))
    return base(view, full, weights, len(items), lambda y: 10 * y, reads_catalogue=True)


def case_aggregation(view: View, full: int) -> Outcome:
    issued = set(view.cases_in_period("serial.issued"))
    passed = [f for f in view.by_cut_off("case.ingested") if f.data["qc"] == "passed"]
    if view.policies["aggregation"] == "cohort":
        # "of those, cases whose ingestion passed the quality check by the cut-off"
        aggregated = issued & {f.data["serial"] for f in passed}
    else:
        # flow: the cases, issued whenever, whose first `passed` lies in the period
        left_out = view.left_out()
        first_passed = firsts(passed, "serial")
        aggregated = {s for (s,), f in first_passed.items() if view.holds(f.at) and s not in left_out}
        # a case that counted with the cohort of the period it was issued in counts in no other one
        for (serial,), f in firsts(view.of("serial.issued"), "serial").items():
            period = period_of_day(local_date(f.at, view.zone))
            end = day_start(first_day(next_period(period)), view.zone)
            if serial in aggregated and view.policies_in(period)["aggregation"] == "cohort" and first_passed[(serial,)].at < end:
                aggregated.remove(serial)

    # "docked with the case store at the cut-off (no docking_changed: not docked)"
    docking = view.by_cut_off("department.docking_changed")
    docked = bool(docking) and docking[-1].data["docked"]
    # "a complaint is upheld for the period and not reversed"; "complaints ... know no cut-off but T"
    upheld = firsts(view.of("complaint.upheld"), "complaint")
    complaints = {c for (c,), f in upheld.items() if f.data["period"] == view.period}
    complaints -= view.ids("complaint", "complaint.reversed")
    # "confirmed in the period is not cleared by the cut-off (cleared dated before confirmed clears too)"
    confirmed = firsts(view.of("defect.confirmed"), "defect")
    defects = {d for (d,), f in confirmed.items() if view.holds(f.at)}
    defects -= {f.data["defect"] for f in view.by_cut_off("defect.cleared")}
    defects -= view.ids("ref", "finding.withdrawn")

    n, m = len(aggregated), len(issued)
    zeroed_by = [] if docked else ["not_docked"]
    zeroed_by += [f"complaint:{c}" for c in sorted(complaints)] + [f"defect:{d}" for d in sorted(defects)]
    if zeroed_by:  # "Zeroing wins over full."
        return Outcome(n, m, Fraction(0), "zeroed", tuple(zeroed_by))
    if m == 0:  # "Docked and M = 0: vacuous, full points (... whatever zero_denominator is)"
        return Outcome(n, m, Fraction(full), "vacuous")
    return Outcome(n, m, 10 * min(Fraction(1), Fraction(n, m)))  # "[flow, capped at 1]"


def time_reduction(view: View, full: int) -> Outcome:
    def points(quotient: Fraction) -> int:
        # "Y = 1 - N/M; Y < 50 % -> 0; 50 % <= Y < 55 % -> 3; 55 % <= Y < 60 % -> 6; Y >= 60 % -> 10"
        y = 1 - quotient
        if y < Fraction(50, 100):
            return 0
        if y < Fraction(55, 100):
            return 3
        return 6 if y < Fraction(60, 100) else 10

    # "over active on-application commitment items that have a statutory limit"
    items = [
        i
        for i in view.active_items()
        if i["category"] == "on_application" and i["case_type"] == "commitment" and i.get("statutory_days") is not None
    ]
    promised, statutory = sum(i["promised_days"] for i in items), sum(i["statutory_days"] for i in items)
    return base(view, full, promised, statutory, points, reads_catalogue=True)


def material_reduction(view: View, full: int) -> Outcome:
    # "distinct (serial, licence) pairs dispatched in the period, whoever generated the licence and whoever issued the
    # serial, if anyone; only the own department's records say whether a licence is voided, or a serial voided or a test"
    left_out, voided_licences = view.left_out(), view.ids("licence", "licence.voided")
    dispatched = {
        (serial, licence)
        for (serial, licence), f in firsts(view.of("licence.dispatched"), "serial", "licence").items()
        if view.holds(f.at) and serial not in left_out and licence not in voided_licences
    }
    # "6 reads the item named by serial.issued"; "if there is none, 6 adds 0"
    items = [view.item_of_case(f.data["item"]) for f in view.cases_in_period("serial.issued").values()]
    materials = sum(item["licence_materials"] for item in items if item is not None)
    return base(view, full, len(dispatched), materials, lambda y: 10 * min(Fraction(1), y), reads_catalogue=True)


def visit_reduction(view: View, full: int) -> Outcome:
    # single fact per sample, then "the first sample.drawn of the period for this indicator holds"
    drawn = [
        f
        for f in firsts(view.of("sample.drawn"), "sample").values()
        if f.data["indicator"] == "visit_reduction" and f.data["period"] == view.period
    ]
    if not drawn:  # "No sample, or an empty one: vacuous."
        return base(view, full, 0, 0, lambda y: y)
    sample = min(drawn, key=lambda f: (f.at, f.event_id)).data
    selected = set(sample["selected"])
    inspections = firsts(view.of("inspection.recorded"), "sample", "acceptance_no")
    own = {number: f.data for (sample_id, number), f in inspections.items() if sample_id == sample["sample"]}
    withdrawn = view.ids("ref", "finding.withdrawn")
    # "acceptance numbers of its selected, whose first inspection under its id says not achieved"
    fails = {n for n in selected if n in own and not own[n]["achieved"] and f"{sample['sample']}/{n}" not in withdrawn}
    # "points = max(0, 10 - 2·fails)": by the number of fails, not by Y
    outcome = base(view, full, len(fails), len(selected), lambda y: max(0, 10 - 2 * len(fails)))
    # "Sampled but not yet inspected: no deduction, provisional."
    return outcome._replace(inspections_outstanding=bool(selected - set(own)))


def step_reduction(view: View, full: int) -> Outcome:
    def points(quotient: Fraction) -> Fraction:
        # "Y = 1 - ..., floor 0; Y >= 60 % -> 10, else 10·Y/0.6"
        y = max(Fraction(0), 1 - quotient)
        return Fraction(10) if y >= Fraction(60, 100) else 10 * y / Fraction(6, 10)

    # one entry a completed case of "all outcomes", so that summing them is summing P·N and P·M;
    # "8 and 9 [read the item] of case.completed"; "8 and 9 leave the case out" when it was never published
    items = [view.item_of_case(f.data["item"]) for f in view.cases_in_period("case.completed").values()]
    # "an item without a 2019 figure is left out of both sums"
    both = [(i["steps"], i["steps_2019"]) for i in items if i is not None and i.get("steps_2019") is not None]
    return base(view, full, sum(now for now, _ in both), sum(then for _, then in both), points, reads_catalogue=True)


def licence_generation(view: View, full: int) -> Outcome:
    items = {s: (f.data, view.item_of_case(f.data["item"])) for s, f in view.cases_in_period("case.completed").items()}
    # "cases completed in the period with outcome granted whose item yields a licence"
    due = {s for s, (case, i) in items.items() if case["outcome"] == "granted" and i is not None and i["yields_licence"]}
    # "at least one licence generated by the cut-off, not voided (... for the serial of its first generated)"
    voided = view.ids("licence", "licence.voided")
    generated = firsts(view.by_cut_off("licence.generated"), "licence")
    with_licence = {f.data["serial"] for (licence,), f in generated.items() if licence not in voided}
    return base(view, full, len(due & with_licence), len(due), lambda y: 10 * y, reads_catalogue=True)


def objections_repaired(view: View, full: int, subject: str) -> Outcome:
    flagged = firsts(view.of("objection.flagged"), "objection")
    repaired = firsts(view.of("objection.repaired"), "objection")
    passed = firsts(view.of("objection.passed"), "objection")
    # "Resolved = the later of repaired and passed, both needed"
    resolved = {key: max(repaired[key].at, passed[key].at) for key in repaired if key in passed}
    # "An objection with an upheld appeal counts nowhere." "any upheld decides"
    upheld = {(f.data["objection"],) for f in view.of("objection.appeal_decided") if f.data["upheld"]}
    counted = {
        key
        for key, f in flagged.items()
        if f.data["subject"] == subject
        and key not in upheld
        and f.at < view.end  # "flagged by the cut-off"
        # "not resolved before the period began"; "resolved at the period's first instant is not before it"
        and not (key in resolved and resolved[key] < view.start)
        # "policy objection_carry_in: true [flagged in the period only]"
        and (view.policies["objection_carry_in"] or view.holds(f.at))
    }
    in_time = {key for key in counted if key in resolved and resolved[key] < view.end}
    return base(view, full, len(in_time), len(counted), lambda y: 5 * y)


def licence_repair(view: View, full: int) -> Outcome:
    return objections_repaired(view, full, "licence")


def data_repair(view: View, full: int) -> Outcome:
    return objections_repaired(view, full, "data")


def sharing_timeliness(view: View, full: int) -> Outcome:
    withdrawn = view.ids("request", "request.withdrawn")
    handled = {request: f.at for (request,), f in firsts(view.of("request.handled"), "request").items()}
    counted, in_time, provisional = set(), set(), False
    for (request,), f in firsts(view.of("request.raised"), "request").items():
        # "Withdrawn requests and a department's own requests count nowhere."
        if request in withdrawn or f.data["requester"] == view.department:
            continue
        if f.data.get("due_at") is not None:
            # "due_at is an instant (equal is in time)"
            due = instant(f.data["due_at"])
            if not view.holds(due):
                continue
            handled_in_time = request in handled and handled[request] <= due
        else:
            # "due at the end of the 10th workday after the day raised, in that day's period, in time strictly before"
            raised_on = local_date(f.at, view.zone)
            day, covered = workday_after(raised_on, view.policies_in(period_of_day(raised_on))["sharing_workdays"])
            if period_of_day(day) != view.period:
                continue
            due = day_end(day, view.zone)
            handled_in_time = request in handled and handled[request] < due
            provisional = provisional or not covered
        # "as of T are due (due time <= T; without due_at: the end of that day <= T) or handled"
        if due <= view.as_of or request in handled:
            counted.add(request)
            if handled_in_time:
                in_time.add(request)
    outcome = base(view, full, len(in_time), len(counted), lambda y: 5 * y)
    return outcome._replace(calendar_provisional=provisional)


def sharing_validity(view: View, full: int) -> Outcome:
    interfaces = set(view.active("interface.registered", "interface.retired", "interface"))
    recovered = firsts(view.of("interface.recovered"), "interface", "failure")
    # "a failure counts against it if failed by the cut-off and not recovered at or before the period's first instant,
    # registered then or not, whatever the order of the two times; one of zero length counts"
    failing = {
        key[0]
        for key, f in firsts(view.of("interface.failed"), "interface", "failure").items()
        if not f.data.get("planned") and f.at < view.end and not (key in recovered and recovered[key].at <= view.start)
    }
    tables = view.active("table.registered", "table.retired", "table")
    on_time = {table for table, version in tables.items() if table_on_time(view, table, version)}
    good, all_of_them = len(interfaces - failing) + len(on_time), len(interfaces) + len(tables)
    return base(view, full, good, all_of_them, lambda y: 5 * y)


def table_on_time(view: View, table: str, version: Event) -> bool:
    """Has "none of [its] due times in the period, by the cut-off, passed without an update in its cycle"?"""
    updates = [f.at for f in view.of("table.updated") if f.data["table"] == table]
    cycle = timedelta(days=version["cycle_days"])  # "cycle_days x 24 h"
    due = instant(version["first_due_at"])  # "nothing is due before first_due_at"
    if due < view.start:  # go on to the first due time that is not before the period
        due += cycle * -((due - view.start) // cycle)
    while due < view.end and due <= view.as_of:  # "due <= T has passed"
        if not any(due - cycle < at <= due for at in updates):  # "cycle = (due - cycle, due]"
            return False
        due += cycle
    return True


# --- deductions -----------------------------------------------------------------------------------------------------


def guide_accuracy(view: View, cap: int) -> Outcome:
    n = len(view.active_items())
    withdrawn = view.ids("ref", "finding.withdrawn")
    # "errors summed over the guide checks of the period, unknown items included"; they "know no cut-off but T"
    errors = sum(
        f.data["errors"]
        for (check,), f in firsts(view.of("guide.checked"), "check").items()
        if f.data["period"] == view.period and check not in withdrawn
    )
    # "0.5 an error; with 0 < n <= 20 active items, 10/n an error"
    return deduction(cap, errors, n, Fraction(10, n) if 0 < n <= 20 else Fraction(1, 2))


def online_experience(view: View, cap: int) -> Outcome:
    n = len(view.active_items())
    withdrawn = view.ids("ref", "finding.withdrawn")
    voided = view.ids("serial", "serial.voided", "case.voided")
    disposed = firsts(view.of("test.disposed"), "test")
    passed = firsts([f for f in view.of("case.ingested") if f.data["qc"] == "passed"], "serial")
    failed, provisional = 0, False
    for (test,), f in firsts(view.of("test.raised"), "test").items():
        # "test cases raised in the period"; "Voided serial or case: counts nowhere."
        if not view.holds(f.at) or test in withdrawn or f.data["serial"] in voided:
            continue
        # "the deadline, the end of the 3rd workday after the day raised"
        day, covered = workday_after(local_date(f.at, view.zone), 3)
        deadline = day_end(day, view.zone)
        provisional = provisional or not covered
        # "passes when it is disposed of and its case's ingestion passed before the deadline"
        both = [disposed.get((test,)), passed.get((f.data["serial"],))]
        passes = all(fact is not None and fact.at < deadline for fact in both)
        failed += deadline <= view.as_of and not passes
    # "2 a failed test; with 0 < n <= 10 active items, 20/n a failed test"
    return deduction(cap, failed, n, Fraction(20, n) if 0 < n <= 10 else Fraction(2), provisional)


def overdue_completion(view: View, cap: int) -> Outcome:
    accepted = firsts(view.of("case.accepted"), "serial")
    completed = view.cases_in_period("case.completed")
    overdue, provisional = 0, False
    for serial, done in completed.items():
        acceptance = accepted.get((serial,))
        if acceptance is None:  # "no case.accepted: no due time, never overdue"
            continue
        if acceptance.data.get("due_at") is not None:
            # "due_at is an instant: equal is in time, later the same day is not, and suspension does not move it"
            overdue += done.at > instant(acceptance.data["due_at"])
            continue
        # "promised_days is that of the item's last version at or before acceptance, retirement disregarded"
        versions = [f.data for f in view.of("item.published") if f.data["item"] == acceptance.data["item"] and f.at <= acceptance.at]
        if not versions:  # "none ...: no due time, never overdue"
            continue
        suspended = [calendar_says(day) for day in suspended_days(view, serial, done.at)]
        # "counted from the day after acceptance, plus the workdays suspended"; "0 days: the end of the acceptance day;
        # with k > 0 workdays suspended, the end of the k-th workday after it"
        count = versions[-1]["promised_days"] + sum(is_workday for is_workday, _ in suspended)
        day, covered = workday_after(local_date(acceptance.at, view.zone), count)
        overdue += done.at >= day_end(day, view.zone)  # "finishing on the due day is in time"
        provisional = provisional or not covered or not all(known for _, known in suspended)
    return deduction(cap, overdue, len(completed), Fraction(1), provisional)


def suspended_days(view: View, serial: str, completed: datetime) -> list[date]:
    """The days "local date of suspended <= d < local date of min(resumed, completed)", workdays or not."""
    pairs: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    # "suspended and resumed pair up in (occurred_at, event_id) order, repeats ignored"
    for f in view.of("case.suspended", "case.resumed"):
        if f.data["serial"] != serial:
            continue
        if f.type == "case.suspended" and since is None:
            since = f.at
        elif f.type == "case.resumed" and since is not None:
            pairs.append((since, min(f.at, completed)))
            since = None
    if since is not None:
        pairs.append((since, completed))
    days = []
    for begin, end in pairs:
        first, last = local_date(begin, view.zone), local_date(end, view.zone)
        days += [first + timedelta(days=k) for k in range((last - first).days)]
    return days


# --- records --------------------------------------------------------------------------------------------------------

BASE: tuple[tuple[int, str, int, Callable[[View, int], Outcome]], ...] = (
    (1, "online_depth", 5, online_depth),
    (2, "instant_items", 5, instant_items),
    (3, "docking_depth", 10, docking_depth),
    (4, "case_aggregation", 10, case_aggregation),
    (5, "time_reduction", 10, time_reduction),
    (6, "material_reduction", 10, material_reduction),
    (7, "visit_reduction", 10, visit_reduction),
    (8, "step_reduction", 10, step_reduction),
    (9, "licence_generation", 10, licence_generation),
    (10, "licence_repair", 5, licence_repair),
    (11, "sharing_timeliness", 5, sharing_timeliness),
    (12, "sharing_validity", 5, sharing_validity),
    (13, "data_repair", 5, data_repair),
)
DEDUCTIONS: tuple[tuple[int, str, int, Callable[[View, int], Outcome]], ...] = (
    (14, "guide_accuracy", 10, guide_accuracy),
    (15, "online_experience", 20, online_experience),
    (16, "overdue_completion", 10, overdue_completion),
)
PROVISIONAL_REASONS = ("calendar_provisional", "period_open", "inspections_outstanding")


def rounded(points: Fraction) -> float:
    """Points as "shown rounded half-up to two decimals"."""
    return math.floor(points * 100 + Fraction(1, 2)) / 100


def is_open(view: View) -> bool:
    """Open until "the end of the 5th workday after its last day", from T and the calendar alone."""
    last_day = first_day(next_period(view.period)) - ONE_DAY
    closing_day, _ = workday_after(last_day, view.policies["grace_workdays"])
    return view.as_of < day_end(closing_day, view.zone)


def department_scores(view: View) -> list[dict[str, Any]]:
    """The 16 records of one department and period, then their total (not yet ranked)."""
    open_period = is_open(view)
    envelope = {
        "department": view.department,
        "period": view.period,
        "as_of": view.as_of.astimezone(view.zone).isoformat(),
        "version": len(view.facts),
    }
    records: list[dict[str, Any]] = []
    exact: dict[int, Fraction] = {}
    for number, indicator, weight, count in BASE + DEDUCTIONS:
        outcome = count(view, weight)
        exact[number] = outcome.points
        reasons = list(outcome.zeroed_by)
        reasons += ["capped"] if outcome.capped else []
        reasons += ["calendar_provisional"] if outcome.calendar_provisional else []
        reasons += ["period_open"] if open_period else []
        reasons += ["inspections_outstanding"] if outcome.inspections_outstanding else []
        record = {
            "indicator": indicator,
            "number": number,
            "status": outcome.status,
            "numerator": str(Fraction(outcome.numerator)),
            "denominator": str(Fraction(outcome.denominator)),
            "points": rounded(outcome.points),
            "points_exact": str(outcome.points),
            "max_points": weight,
            "provisional": any(reason in PROVISIONAL_REASONS for reason in reasons),
            "reasons": reasons,
        }
        records.append(envelope | record)

    base_points = sum((exact[number] for number, *_ in BASE), Fraction(0))
    deductions = sum((exact[number] for number, *_ in DEDUCTIONS), Fraction(0))
    total = base_points - deductions
    if view.policies["floor_total"]:
        total = max(Fraction(0), total)
    reasons = [reason for reason in PROVISIONAL_REASONS if any(reason in record["reasons"] for record in records)]
    summary = {
        "indicator": "total",
        "status": "scored",
        "base_points": rounded(base_points),
        "deductions": rounded(deductions),
        "points": rounded(total),
        "points_exact": str(total),
        "max_points": 100,
        # "sum of the weights of base indicators that are not no_data"
        "scored_max": sum(r["max_points"] for r in records if r["number"] <= 13 and r["status"] != "no_data"),
        "provisional": bool(reasons),
        "reasons": reasons,
    }
    return [*records, envelope | summary]


def reference_scores(
    events: Iterable[Event],
    as_of: datetime,
    *,
    policies: Mapping[str, Any] | None = None,
    later: tuple[str, Mapping[str, Any]] | None = None,
    tz: str = "Asia/Shanghai",
) -> list[dict[str, Any]]:
    """Every score record as of an instant, from the events in the order in which they were taken in.

    `later`: from that period on these policies hold instead of `policies`.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of needs an offset")
    since, changed = later or ("9999-12", {})
    if unknown := {*(policies or {}), *changed} - set(DEFAULT_POLICIES):
        raise ValueError(f"unknown policies: {sorted(unknown)}")

    def policies_in(period: str) -> Mapping[str, Any]:
        return DEFAULT_POLICIES | dict((changed if period >= since else policies) or {})

    zone, until = ZoneInfo(tz), as_of.astimezone(UTC)

    # "one id with two contents ...: the first one taken in stands (also when it lies after T)"
    taken_in: dict[str, Event] = {}
    for event in events:
        taken_in.setdefault(event["event_id"], event)
    facts = [Fact(instant(e["occurred_at"]), e["event_id"], e["type"], e) for e in taken_in.values()]
    # "Only events with occurred_at <= T are read, tombstones included."; period.* is read over
    facts = [f for f in sorted(facts, key=lambda f: f[:2]) if f.at <= until and not f.type.startswith("period.")]

    records: list[dict[str, Any]] = []
    for department in sorted({f.data["department"] for f in facts}):
        own = [f for f in facts if f.data["department"] == department]
        # "scored from the period in which its first event (not period.*) occurred, registered or not"
        period = period_of_day(local_date(own[0].at, zone))
        while period <= period_of_day(local_date(until, zone)):
            records += department_scores(View(department, own, period, until, zone, policies_in))
            period = next_period(period)

    # "rank: by exact total over all scored departments, equal totals share a rank (1, 2, 2, 4)"
    totals = [record for record in records if record["indicator"] == "total"]
    for total in totals:
        rivals = [Fraction(t["points_exact"]) for t in totals if t["period"] == total["period"]]
        total["rank"] = 1 + sum(points > Fraction(total["points_exact"]) for points in rivals)
        total["ranked"] = len(rivals)
    return records
