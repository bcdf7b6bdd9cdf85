"""Hypothesis strategies: histories of contract-valid events whose times and names collide on purpose.

A history lies in one window of about three months. Its times come from a small grid around the boundaries that decide
something (the 1st at midnight, ends of workday deadlines, make-up workdays), its names from tiny pools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from tests.support.reference import calendar_says, instant

Event = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

CHINA = timezone(timedelta(hours=8))
MICROSECOND = timedelta(microseconds=1)


# --- departments: GB 32100-2015, with an organisation code of GB 11714 inside -----------------------------------------


def organisation_code(body: str) -> str:
    """Eight characters and their check character (GB 11714-1997)."""
    total = sum(int(c, 36) * w for c, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    return body + "0123456789X0"[11 - total % 11]


def department_code(region: str, body: str) -> str:
    """The 18-character 统一社会信用代码 of a government body (registration 1, category 1)."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    code = "11" + region + organisation_code(body)
    total = sum(alphabet.index(c) * pow(3, i, 31) for i, c in enumerate(code))
    return code + alphabet[-total % 31]


DEPARTMENTS = tuple(department_code("430100", body) for body in ("00612345", "A0612346", "00612347"))


# --- times ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    months: tuple[str, ...]
    anchors: tuple[date, ...]  # days around which a history's times lie

    @property
    def first_days(self) -> list[date]:
        return [date(int(month[:4]), int(month[5:]), 1) for month in self.months]


def _days(*texts: str) -> tuple[date, ...]:
    return tuple(date.fromisoformat(text) for text in texts)


# the 10th workdays after 17 August and 17 September end the month: due in it, though the day's end is in the next
AUTUMN_2020 = Window(
    ("2020-08", "2020-09", "2020-10", "2020-11"),
    _days(
        *("2020-08-17", "2020-09-17") * 3,
        *("2020-08-01", "2020-08-28", "2020-08-31", "2020-09-14", "2020-09-16", "2020-09-21", "2020-09-24"),
        *("2020-09-26", "2020-09-27", "2020-09-28", "2020-09-29", "2020-09-30", "2020-10-01", "2020-10-08"),
        *("2020-10-09", "2020-10-10", "2020-10-12", "2020-10-16", "2020-10-28", "2020-10-31"),
    ),
)
# the library's calendar may end with 2026
YEAR_END = Window(
    ("2026-11", "2026-12", "2027-01"),
    _days(
        *("2026-11-30", "2026-12-01", "2026-12-16", "2026-12-17", "2026-12-18", "2026-12-25", "2026-12-28"),
        *("2026-12-29", "2026-12-30", "2026-12-31", "2027-01-01", "2027-01-02", "2027-01-04", "2027-01-08"),
    ),
)
WINDOWS = (AUTUMN_2020, AUTUMN_2020, AUTUMN_2020, YEAR_END)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=CHINA)


def _workday_ends(day: date, counts: Sequence[int]) -> list[datetime]:
    """The ends of the n-th workdays after the day, for each n; n = 0 is the day itself."""
    ends, passed, n = [], day, 0
    for count in sorted(counts):
        while n < count:
            passed += timedelta(days=1)
            n += calendar_says(passed)[0]
        ends.append(_midnight(passed + timedelta(days=1)))
    return ends


def _around(at: datetime) -> list[datetime]:
    return [at, at - MICROSECOND, at, at + MICROSECOND]


def _grid(window: Window, anchors: Sequence[date]) -> list[datetime]:
    """The instants of a history: many of them equal to, or a microsecond beside, something's deadline."""
    grid = [at for day in window.first_days for at in _around(_midnight(day))]
    for day in anchors:
        grid += [_midnight(day), _midnight(day) + timedelta(hours=10), _midnight(day) + timedelta(hours=16, minutes=30)]
        grid += [at for end in _workday_ends(day, (0, 1, 2, 3, 5, 10)) for at in (end, end - MICROSECOND)]
    return grid


# +08:00 mostly
OFFSETS = tuple(timezone(timedelta(minutes=m)) for m in (480, 480, 480, 0, 0, 330, -300, 840, -720))


def _text(at: datetime, style: int) -> str:
    """An RFC 3339 text of the instant; the style decides the offset and harmless differences of spelling."""
    local = at.astimezone(OFFSETS[style % len(OFFSETS)])
    text = local.isoformat()
    if text.endswith("+00:00") and style % 2:
        text = text[:-6] + "Z"
    if local.microsecond and style % 5 == 0:  # "digits beyond microseconds are cut"
        return text[:26] + "987" + text[26:]
    if not local.microsecond and style % 7 == 0:
        return text[:19] + ".000" + text[19:]
    return text


STYLES = st.integers(0, 4 * len(OFFSETS) - 1)


# --- names: tiny pools, so that things meet ----------------------------------------------------------------------------

POOLS: dict[str, tuple[str, ...]] = {
    # of a single fact told often only the earliest is left, always at the window's beginning: so not too few names
    "serial": ("S1", "S1", "S2", "S2", "S3", "S4", "S5", "S6", "S7", "S8"),
    "item": ("I1", "I1", "I2", "I3"),
    "licence": ("L1", "L1", "L2", "L3", "L4", "L5"),
    "acceptance_no": ("A01", "A02", "B/A01"),
    "objection": ("O1", "O1", "O2", "O3", "O4", "O5", "O6"),
    "request": ("R1", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8"),
    "interface": ("F1", "F1", "F2", "F3"),
    "failure": ("X1", "X2"),
    "table": ("T1", "T1", "T2", "T3"),
    "complaint": ("C1", "C2", "C3"),
    # `Q/B` + `A01` and `Q` + `B/A01` have one name; checks, tests and defects share names with each other
    "sample": ("Q", "Q", "Q/B", "Q2", "Q3"),
    "check": ("K1", "K2", "Q/A01", "K4", "K5"),
    "test": ("K1", "K2", "K3", "K4", "K5", "K6"),
    "defect": ("K1", "K2", "K3"),
}
REFS = ("Q/A01", "Q/A02", "Q/B/A01", "K1", "K2", "K3", "nothing")
NAME_STRATEGIES = {kind: st.sampled_from(pool) for kind, pool in POOLS.items()}
# the order of code points is neither that of numbers, nor of letters without case, nor of UTF-16
EVENT_ID_PREFIXES = ("10", "9", "B", "a", "é", "\ufb00", "\U00010400")


@dataclass(frozen=True)
class Scene:
    """What one event, or one story of several, is drawn from: the same names and department throughout."""

    draw: Draw
    window: Window
    grid: Sequence[datetime]
    department: str
    names: Mapping[str, str]

    def one_of(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def instant(self) -> datetime:
        at: datetime = self.draw(st.sampled_from(self.grid))
        return at

    def text(self, at: datetime) -> str:
        return _text(at, self.draw(STYLES))

    def when(self) -> str:
        return self.text(self.instant())

    def period(self) -> str:
        return str(self.one_of(*self.window.months))

    def maybe(self, field: str, *values: Any) -> Event:
        """An optional field: absent, null (which is the same) or one of the values."""
        value = self.one_of("absent", None, *values)
        return {} if value == "absent" else {field: value}

    def maybe_when(self, field: str) -> Event:
        kind = self.one_of("absent", "absent", None, "time", "time")
        return {} if kind == "absent" else {field: self.when() if kind else None}

    def some(self, pool: Sequence[str], most: int) -> list[str]:
        return list(self.draw(st.lists(st.sampled_from(pool), max_size=most)))


# --- the fields of each type -------------------------------------------------------------------------------------------

Fields = Callable[[Scene], Event]


def _named(*kinds: str, **fixed: str) -> Fields:
    return lambda s: {kind: s.names[kind] for kind in kinds} | fixed


def _reasoned(*kinds: str) -> Fields:
    return lambda s: _named(*kinds)(s) | s.maybe("reason", "更正")


def _days_promised(s: Scene) -> Event:
    # 60, 55 and 50 % less than the statutory days, and a day beside
    pairs = (
        (8, 20),
        (9, 20),
        (10, 20),
        (11, 20),
        (4, 10),
        (5, 10),
        (2, 1),
        (0, 3),
        (0, None),
        (1, None),
        (3, "absent"),
    )
    promised, statutory = s.one_of(*pairs)
    return {"promised_days": promised} | ({} if statutory == "absent" else {"statutory_days": statutory})


def _item_published(s: Scene) -> Event:
    docking = s.one_of(
        [],
        ["serial"],
        ["auth", "serial"],
        ["serial", "auth", "case_store"],
        ["serial", "auth", "apply", "eform"],
        ["eform", "apply", "case_store", "auth", "serial"],
    )
    return {
        "item": s.names["item"],
        "name": s.one_of("出生登记", "户口迁移"),
        "category": s.one_of("on_application", "on_application", "public_service"),
        "online_depth": s.one_of(None, 1, 2, 3, 4),
        "case_type": s.one_of("commitment", "commitment", "instant"),
        **_days_promised(s),
        "docking": list(docking),
        "max_visits": s.one_of(0, 1, 2),
        "licence_materials": s.one_of(0, 1, 2, 3),
        "steps": s.one_of(0, 1, 2, 3, 5),
        "yields_licence": s.one_of(True, True, False),
        **s.maybe("steps_2019", 5, 5, 2, 1),
    }


def _serial_issued(s: Scene) -> Event:
    return _named("serial", "item")(s) | s.maybe("is_test", False, False, False, True)


def _case_accepted(s: Scene) -> Event:
    return _named("serial", "item", "acceptance_no")(s) | s.maybe_when("due_at")


def _case_completed(s: Scene) -> Event:
    return _named("serial", "item")(s) | {"outcome": s.one_of("granted", "granted", "granted", "refused", "withdrawn")}


def _case_ingested(s: Scene) -> Event:
    codes = s.maybe("org_code", "006123451") | s.maybe("region", "430100", "430100000000")
    return _named("serial")(s) | {"qc": s.one_of("passed", "passed", "failed")} | codes


def _objection_flagged(s: Scene) -> Event:
    return _named("objection")(s) | {"subject": s.one_of("licence", "data"), "ref": s.one_of("L1", "T1/17")}


def _request_raised(s: Scene) -> Event:
    return _named("request")(s) | {"requester": s.one_of(*DEPARTMENTS)} | s.maybe_when("due_at")


def _table_registered(s: Scene) -> Event:
    cycle = {"cycle_days": s.one_of(1, 2, 7, 28, 30, 31), "first_due_at": s.when()}
    return _named("table")(s) | cycle | s.maybe("name", "人口库")


def _sample_drawn(s: Scene) -> Event:
    indicator = s.one_of("visit_reduction", "visit_reduction", "visit_reduction", "guide_accuracy", "online_experience")
    pool = POOLS["acceptance_no"] if indicator == "visit_reduction" else POOLS["item"]
    selected = s.some((*pool, "A03", "A04", "A05", "A06"), 7)
    return _named("sample")(s) | {"indicator": indicator, "period": s.period(), "selected": selected} | s.maybe("tail", 0, 7, 99)


def _inspection_recorded(s: Scene) -> Event:
    number = s.one_of(*POOLS["acceptance_no"], "A03", "A09")  # not the story's: it may inspect several
    return _named("sample")(s) | {"acceptance_no": number, "achieved": s.one_of(False, False, True)}


def _guide_checked(s: Scene) -> Event:
    errors = s.one_of(0, 1, 2, 3, 19, 20, 21, 10_000)
    return _named("check", "item")(s) | {"period": s.period(), "errors": errors} | s.maybe("notes", [], ["证照编码"])


def _finding_withdrawn(s: Scene) -> Event:
    named = [s.names[kind] for kind in ("check", "test", "defect") if kind in s.names]
    if "sample" in s.names:
        named += [f"{s.names['sample']}/{number}" for number in POOLS["acceptance_no"]]
    return {"ref": s.one_of(*(named or REFS))}


FIELDS: dict[str, Fields] = {
    "department.registered": lambda s: {"name": s.one_of("市公安局", "市民政局")},
    "department.docking_changed": lambda s: {"docked": s.one_of(True, True, True, True, True, False)},
    "item.published": _item_published,
    "item.retired": _named("item"),
    "serial.issued": _serial_issued,
    "serial.voided": _reasoned("serial"),
    "case.accepted": _case_accepted,
    "case.suspended": _reasoned("serial"),
    "case.resumed": _reasoned("serial"),
    "case.completed": _case_completed,
    "case.ingested": _case_ingested,
    "case.voided": _reasoned("serial"),
    "licence.generated": _named("licence", "serial"),
    "licence.dispatched": _named("licence", "serial"),
    "licence.voided": _named("licence"),
    "objection.flagged": _objection_flagged,
    "objection.repaired": _named("objection"),
    "objection.passed": _named("objection"),
    "objection.appealed": _reasoned("objection"),
    "objection.appeal_decided": lambda s: _named("objection")(s) | {"upheld": s.one_of(False, False, True)},
    "request.raised": _request_raised,
    "request.handled": lambda s: _named("request")(s) | {"outcome": s.one_of("granted", "refused")},
    "request.withdrawn": _named("request"),
    "interface.registered": lambda s: _named("interface")(s) | s.maybe("name", "户籍查询"),
    "interface.retired": lambda s: _named("interface")(s) | s.maybe("name", "户籍查询"),
    "interface.failed": lambda s: _named("interface", "failure")(s) | s.maybe("planned", False, False, True),
    "interface.recovered": _named("interface", "failure"),
    "table.registered": _table_registered,
    "table.updated": _named("table"),
    "table.retired": _named("table"),
    "complaint.upheld": lambda s: _named("complaint")(s) | {"period": s.period()} | s.maybe("serial", "S1", "S9"),
    "complaint.reversed": _named("complaint"),
    "defect.confirmed": lambda s: _named("defect")(s) | s.maybe("serial", "S1", "S9"),
    "defect.cleared": _named("defect"),
    "sample.drawn": _sample_drawn,
    "inspection.recorded": _inspection_recorded,
    "guide.checked": _guide_checked,
    "test.raised": _named("test", "serial", "item"),
    "test.disposed": lambda s: _named("test")(s) | {"outcome": s.one_of("驳回", "rejected")},
    "finding.withdrawn": _finding_withdrawn,
    "period.closed": lambda s: {"period": s.period()},
    "period.reopened": lambda s: {"period": s.period()},
}

# Stories: several events about the same things, so that short histories hold something worth scoring.
CATALOGUE = ("item.published",)
CASE = ("item.published", "serial.issued", "case.accepted", "case.completed")
SUSPENDED = ("item.published", "case.accepted", "case.suspended", "case.resumed", "case.completed")
SUSPENDED_TWICE = (*SUSPENDED[:3], "case.suspended", "case.resumed", "case.resumed", "case.completed")
AGGREGATED = ("department.docking_changed", "serial.issued", "case.ingested")
COMPLAINT = ("complaint.upheld", "complaint.reversed")
DEFECT = ("defect.confirmed", "defect.cleared")
LICENCE = ("item.published", "case.completed", "licence.generated")
DISPATCH = ("item.published", "serial.issued", "licence.dispatched")
OBJECTION = ("objection.flagged", "objection.repaired", "objection.passed")
REQUEST = ("request.raised", "request.handled")
INTERFACE = ("interface.registered", "interface.failed", "interface.recovered")
TABLE = ("table.registered", "table.updated", "table.updated")
VISITS = ("sample.drawn", "inspection.recorded", "inspection.recorded")
TEST = ("item.published", "test.raised", "test.disposed", "case.ingested")
WITHDRAWN = tuple((found, "finding.withdrawn") for found in ("defect.confirmed", "guide.checked", "test.raised"))
WITHDRAWN_VISIT = ("sample.drawn", "inspection.recorded", "finding.withdrawn")

Story = tuple[str, ...]
ALL_STORIES: tuple[Story, ...] = (
    *((fact_type,) for fact_type in FIELDS),
    *(CASE, SUSPENDED, AGGREGATED, LICENCE, DISPATCH, OBJECTION, REQUEST, INTERFACE, TABLE, VISITS, TEST) * 4,
    *(SUSPENDED_TWICE, COMPLAINT, DEFECT, WITHDRAWN_VISIT, *WITHDRAWN),
)


def _feeding(*stories: Story | str, corrected_by: tuple[Story | str, ...] = ()) -> tuple[Story, ...]:
    """Stories as often as they are named; what takes something back is rare, or hardly anything would be left."""
    return tuple((story,) if isinstance(story, str) else story for story in (*stories * 4, *corrected_by))


STOCK = ("item.published", "department.docking_changed", "interface.registered", "table.registered")
VOIDS = ("serial.voided", "case.voided")
ITEMS = _feeding(CATALOGUE, CATALOGUE, corrected_by=("item.retired",) * 3)
OBJECTIONS = _feeding(OBJECTION, OBJECTION, "objection.flagged", corrected_by=("objection.appeal_decided",) * 3)
FED_BY: dict[str, tuple[Story, ...]] = {
    "online_depth": ITEMS,
    "instant_items": ITEMS,
    "docking_depth": ITEMS,
    "case_aggregation": _feeding(
        *(AGGREGATED, AGGREGATED, AGGREGATED, "serial.issued", "case.ingested"),
        corrected_by=(
            *("department.docking_changed", "complaint.upheld", "defect.confirmed", *VOIDS),
            *(COMPLAINT, COMPLAINT, DEFECT, DEFECT, WITHDRAWN[0]),
        ),
    ),
    "time_reduction": ITEMS,
    "material_reduction": _feeding(
        *(DISPATCH, DISPATCH, DISPATCH, "item.published", "licence.dispatched"),
        corrected_by=("serial.issued", *("item.retired",) * 3, "licence.voided", *VOIDS),
    ),
    "visit_reduction": _feeding(
        *(VISITS, VISITS, "inspection.recorded", "inspection.recorded"),
        corrected_by=("finding.withdrawn", WITHDRAWN_VISIT, WITHDRAWN_VISIT),
    ),
    "step_reduction": _feeding(*(CASE, CASE, LICENCE, LICENCE, "item.published"), corrected_by=("item.retired", "case.completed", *VOIDS)),
    "licence_generation": _feeding(
        *(LICENCE, LICENCE, LICENCE, "licence.generated", "case.completed"),
        corrected_by=(
            *("item.published", "item.retired", "item.retired", "serial.issued", *VOIDS),
            *((*LICENCE, "licence.voided"), "licence.voided", "licence.voided"),
        ),
    ),
    "licence_repair": OBJECTIONS,
    "sharing_timeliness": _feeding(REQUEST, REQUEST, "request.raised", corrected_by=("request.withdrawn",) * 2),
    "sharing_validity": _feeding(
        *(INTERFACE, TABLE, "table.updated", "table.updated", "interface.recovered"),
        corrected_by=("interface.retired", "table.retired", "interface.failed"),
    ),
    "data_repair": OBJECTIONS,
    "guide_accuracy": _feeding(
        *(CATALOGUE, "guide.checked", "guide.checked"), corrected_by=("item.retired", "finding.withdrawn", WITHDRAWN[1])
    ),
    "online_experience": _feeding(
        *(TEST, TEST, TEST, "test.raised"),
        corrected_by=("item.retired", "serial.issued", WITHDRAWN[2], *VOIDS),
    ),
    "overdue_completion": _feeding(
        *(CASE, SUSPENDED, SUSPENDED, SUSPENDED_TWICE),
        corrected_by=("item.retired", "serial.issued", "case.suspended", "case.resumed", *VOIDS),
    ),
}
# "0 < n <= 10", "0 < n <= 20" active items, and shares of 5, 7 and 10 %, need catalogues of about that size
CATALOGUE_SIZES: dict[str | None, tuple[int, ...]] = {
    None: (9, 10, 11, 15, 19, 20, 21),
    "instant_items": (9, 10, 11, 14, 15, 19, 20, 21, 29, 30),
    "guide_accuracy": (18, 19, 20, 21),
    "online_experience": (8, 9, 10, 11),
}


# --- histories ---------------------------------------------------------------------------------------------------------


def _event(scene: Scene, fact_type: str, at: datetime) -> Event:
    department = scene.department
    if fact_type.startswith("period."):
        department = scene.one_of(department, "*")
    event = {"type": fact_type, "department": department, "occurred_at": scene.text(at), "source": "test"}
    return event | FIELDS[fact_type](scene)


def _story(scene: Scene, story: Story) -> list[Event]:
    """The story's events, in about half of the cases told in the order in which they happened."""
    times = [scene.instant() for _ in story]
    if len(times) > 1 and scene.one_of(False, True):
        times.sort()
    if story[0] in STOCK and scene.one_of(False, True):
        times[0] = _midnight(scene.window.first_days[0])
    told: list[Event] = []
    for fact_type, at in zip(story, times, strict=True):
        deadlines = _deadlines(fact_type, told)
        if deadlines and scene.one_of(False, True, True):
            told.append(_event(scene, fact_type, scene.one_of(*(at for d in deadlines for at in _around(d)))))
        else:
            told.append(_event(scene, fact_type, at))
    return told


def _deadlines(fact_type: str, told: Sequence[Event]) -> list[datetime]:
    """Instants at which the next event of a story is in time or late, by what has been told so far."""
    by_type: dict[str, list[Event]] = {}
    for event in told:
        by_type.setdefault(event["type"], []).append(event)
    if fact_type == "request.handled" and "request.raised" in by_type:
        return _due(by_type["request.raised"][0], (10,))
    if fact_type in ("test.disposed", "case.ingested") and "test.raised" in by_type:
        return _due(by_type["test.raised"][0], (3,))
    if fact_type == "table.updated" and "table.registered" in by_type:
        table = by_type["table.registered"][0]
        return [instant(table["first_due_at"]) + timedelta(days=table["cycle_days"]) * k for k in (-1, 0, 1)]
    if fact_type == "case.completed" and "case.accepted" in by_type and "item.published" in by_type:
        promised = by_type["item.published"][0]["promised_days"]
        begins = [_day(event) for event in by_type.get("case.suspended", ())]
        ends = [_day(event) for event in by_type.get("case.resumed", ())]
        suspended = {
            sum(calendar_says(begin + timedelta(days=k))[0] for k in range((end - begin).days)) for begin in begins for end in ends
        }
        return _due(by_type["case.accepted"][0], sorted({promised + k for k in suspended | {0}}))
    return []


def _due(event: Mapping[str, Any], workdays: Sequence[int]) -> list[datetime]:
    if event.get("due_at") is not None:
        return [instant(event["due_at"])]
    return _workday_ends(_day(event), workdays)


def _day(event: Mapping[str, Any]) -> date:
    return instant(event["occurred_at"]).astimezone(CHINA).date()


def _big_catalogue(scene: Scene, sizes: Sequence[int], most: int) -> list[Event]:
    """So many items published at the beginning of the window, alike but for the first, which collides with the pool."""
    size = min(scene.one_of(*sizes), most)
    start = _midnight(scene.window.first_days[0])
    plain = _event(scene, "item.published", start) | {"case_type": "commitment"}
    bulk = [plain | {"item": f"N{k:02d}", "docking": list(plain["docking"])} for k in range(size - 1)]
    return [*bulk, plain | {"item": "I1", "case_type": "instant"}]


def _contents(draw: Draw, window: Window, grid: list[datetime], most: int, indicator: str | None) -> list[Event]:
    """Events still without ids."""
    departments = DEPARTMENTS[: draw(st.sampled_from((1, 1, 2)))]
    stories = ALL_STORIES
    if indicator is not None:
        stories = FED_BY[indicator] * 12 + ALL_STORIES  # mostly what feeds it, now and then anything
    story_of, department_of = st.sampled_from(stories), st.sampled_from(departments)
    contents: list[Event] = []
    sizes = CATALOGUE_SIZES.get(indicator)
    if sizes and most >= 8 and draw(st.sampled_from((False, indicator is not None, False, True))):
        contents += _big_catalogue(Scene(draw, window, grid, draw(department_of), {"item": "I1"}), sizes, most // 2)
    for _ in range(draw(st.integers(0, most))):  # a story may hold several events: the bound is checked below
        if len(contents) >= most:
            break
        story = draw(story_of)
        kinds = dict.fromkeys(kind for fact_type in story for kind in KINDS[fact_type])
        names = {kind: draw(NAME_STRATEGIES[kind]) for kind in kinds}
        scene = Scene(draw, window, grid, draw(department_of), names)
        contents += _story(scene, story)
    return contents[:most]


KINDS: dict[str, tuple[str, ...]] = {
    "item.published": ("item",),
    "item.retired": ("item",),
    "serial.issued": ("serial", "item"),
    "case.accepted": ("serial", "item", "acceptance_no"),
    "case.completed": ("serial", "item"),
    "licence.generated": ("licence", "serial"),
    "licence.dispatched": ("licence", "serial"),
    "interface.failed": ("interface", "failure"),
    "interface.recovered": ("interface", "failure"),
    "guide.checked": ("check", "item"),
    "test.raised": ("test", "serial", "item"),
}
"""Names which the events of a type bear; by default the one that the type is called after."""
for _fact_type in FIELDS:
    _kind = {"case": "serial", "inspection": "sample"}.get(_fact_type.split(".")[0], _fact_type.split(".")[0])
    KINDS.setdefault(_fact_type, (_kind,) if _kind in POOLS else ())


def _spoiled(draw: Draw, events: list[Event], grid: list[datetime], most: int) -> list[Event]:
    """Copies of some events, and events under an id already taken (within the department), put in anywhere."""
    events = list(events)
    for _ in range(draw(st.sampled_from((0, 0, 1, 2, 4)))):
        if not events or len(events) >= most:
            break
        original = events[draw(st.integers(0, len(events) - 1))]
        other = events[draw(st.integers(0, len(events) - 1))]
        kind = draw(st.sampled_from(("copy", "copy", "other content", "other time")))
        if kind == "other content" and other["department"] == original["department"] != "*":
            added = other | {"event_id": original["event_id"]}
        elif kind == "other time" and original["department"] != "*":
            added = original | {"occurred_at": _text(draw(st.sampled_from(grid)), draw(STYLES))}
        else:
            added = dict(original)
        events.insert(draw(st.integers(0, len(events))), added)
    return events


@st.composite
def histories(draw: Draw, max_size: int = 60, indicator: str | None = None) -> list[Event]:
    """Up to `max_size` events in the order taken in; `indicator` prefers the types which feed that indicator."""
    window = draw(st.sampled_from(WINDOWS))
    anchors = draw(st.lists(st.sampled_from(window.anchors), min_size=1, max_size=3))
    grid = _grid(window, anchors)
    contents = _contents(draw, window, grid, max_size, indicator)
    prefixes = st.sampled_from(EVENT_ID_PREFIXES)
    events = []
    for n, content in enumerate(contents):
        event: Event = {"event_id": f"{draw(prefixes)}-{n}", **content}
        if n % 9 == 4:  # the optional envelope field, and one that is not in the contract
            event |= {"schema_version": 1, "x_note": "ignored"}
        events.append(event)
    return _spoiled(draw, events, grid, max_size)


@st.composite
def instants(draw: Draw, events: Sequence[Mapping[str, Any]] | None = None) -> datetime:
    """An as-of T near the same boundaries; with `events`, in their window and often beside one of them."""
    years = {event["occurred_at"][:4] for event in events or ()}
    window = YEAR_END if years & {"2026", "2027"} else AUTUMN_2020 if years else draw(st.sampled_from(WINDOWS))
    at: datetime
    kind = draw(st.sampled_from(("event", "deadline", "deadline", "grid", "late", "late", "end", "end")))
    known = [instant(event["occurred_at"]) for event in events or ()]
    if kind == "deadline":
        known = [at for event in events or () for at in _own_deadlines(event)] or known
    if kind in ("event", "deadline") and known:
        at = draw(st.sampled_from([at for near in known for at in _around(near)]))
    elif kind == "late":  # around the ends of the grace times of the periods
        last_days = [day - timedelta(days=1) for day in window.first_days[1:]]
        ends = [end for day in last_days for end in _workday_ends(day, (4, 5, 6))]
        at = draw(st.sampled_from([at for end in ends for at in _around(end)]))
    elif kind == "end":
        at = _midnight(window.first_days[-1]) + timedelta(days=draw(st.integers(0, 45)), hours=draw(st.integers(0, 23)))
    else:
        at = draw(st.sampled_from(_grid(window, [draw(st.sampled_from(window.anchors))])))
    offset: timezone = draw(st.sampled_from(OFFSETS))
    return at.astimezone(offset)


def _own_deadlines(event: Mapping[str, Any]) -> list[datetime]:
    """The instants at which time itself changes what the event counts for."""
    if event["type"] == "request.raised":
        return _due(event, (10,))
    if event["type"] == "test.raised":
        return _due(event, (3,))
    if event["type"] == "table.registered":
        return [instant(event["first_due_at"]) + timedelta(days=event["cycle_days"]) * k for k in (0, 1, 2)]
    return []
