"""The simulated city: reproducible, continuable, complete, in order, and of the contract's shape."""

from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from models.events import EVENT_TYPES, Envelope
from models.wire import parse_chunk
from streams.simulator import City, chaos, dump, simulate_months
from streams.simulator.chaos import LATE_BY, WINDOW
from streams.simulator.clock import SECOND, ZoneText, micros
from streams.simulator.identifiers import check_character, department_codes, organisation_check
from streams.simulator.workdays import is_workday, workdays_after, workdays_between

SHANGHAI = ZoneInfo("Asia/Shanghai")
START = datetime(2020, 9, 1, tzinfo=SHANGHAI)
END = datetime(2020, 10, 1, tzinfo=SHANGHAI)


def small_city(seed=5):
    return City(departments=6, seed=seed, volume=0.3)


def lines(events):
    return [dump(event) for event in events]


def moments(events):
    return [datetime.fromisoformat(event["occurred_at"].replace("Z", "+00:00")) for event in events]


@pytest.fixture(scope="module")
def quarter():
    """Three months of twenty departments."""
    return list(simulate_months(20, "2020-08", "2020-10", seed=7))


@pytest.fixture(scope="module")
def month():
    """A month of six small departments."""
    return list(small_city().events(START, END))


def test_same_arguments_same_bytes(month):
    assert lines(small_city().events(START, END)) == lines(month)
    assert lines(small_city(seed=6).events(START, END)) != lines(month)


@pytest.mark.parametrize(
    "cuts",
    [
        [datetime(2020, 9, 12, tzinfo=SHANGHAI)],
        [datetime(2020, 9, 1, 0, 0, 0, 100_000, tzinfo=SHANGHAI), datetime(2020, 9, 14, 10, 31, 7, 5, tzinfo=SHANGHAI)],
        [datetime(2020, 9, 7, 0, tzinfo=ZoneInfo("UTC")), datetime(2020, 9, 7, 0, tzinfo=ZoneInfo("UTC"))],
        [START + timedelta(hours=5 * n) for n in range(1, 60)],
    ],
)
def test_history_and_then_live_is_one_run(month, cuts):
    city = small_city()
    parts = [list(city.events(begin, end)) for begin, end in pairwise([START, *cuts, END])]
    assert lines(event for part in parts for event in part) == lines(month)
    for part, (begin, end) in zip(parts, pairwise([START, *cuts, END]), strict=True):
        assert all(begin <= moment < end for moment in moments(part))


def test_a_gap_or_an_unread_rest_is_refused():
    city = small_city()
    next(city.events(START, END))
    with pytest.raises(ValueError, match="not read to their end"):
        next(city.events(START, END))
    city = small_city()
    assert list(city.events(START, START + timedelta(hours=1)))
    with pytest.raises(ValueError, match="go on from there"):
        next(city.events(END, END + timedelta(days=1)))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="no time zone"):
        next(small_city().events(datetime(2020, 9, 1), END))
    with pytest.raises(ValueError, match="departments must be"):
        City(departments=0, seed=1)
    with pytest.raises(ValueError, match="volume"):
        City(departments=1, seed=1, volume=0)
    with pytest.raises(ValueError, match="backwards"):
        simulate_months(1, "2020-10", "2020-09", seed=1)


def test_every_type_but_periods_appears(quarter):
    assert set(EVENT_TYPES) - {event["type"] for event in quarter} == {"period.closed", "period.reopened"}
    assert 150_000 <= len(quarter) <= 250_000


def test_in_order_of_time_and_within_the_months(quarter):
    times = moments(quarter)
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[0] == datetime(2020, 8, 1, tzinfo=SHANGHAI)
    assert times[-1] < datetime(2020, 11, 1, tzinfo=SHANGHAI)


def test_event_ids_are_unique(quarter):
    assert len({event["event_id"] for event in quarter}) == len(quarter)


def test_every_event_keeps_the_contract(month):
    parsed = parse_chunk(lines(month))
    assert all(isinstance(event, Envelope) for event in parsed), [e for e in parsed if not isinstance(e, Envelope)][:3]


def test_the_catalogue_comes_first_and_within_minutes(month):
    first = [event for event in month if moments([event])[0] < START + timedelta(minutes=4)]
    assert {event["type"] for event in first} >= {
        "department.registered", "department.docking_changed", "item.published", "interface.registered",
        "table.registered",
    }  # fmt: skip
    assert not any(event["type"].startswith(("serial.", "case.")) for event in first)


def test_a_poor_department_is_docked_late(quarter):
    docking = [event for event in quarter if event["type"] == "department.docking_changed"]
    undocked = [event["department"] for event in docking if not event["docked"]]
    assert len(undocked) == 1
    assert [event["docked"] for event in docking if event["department"] == undocked[0]] == [False, True]


def test_a_case_goes_its_way(quarter):
    """Of each serial: issued before accepted before completed; the three name one item."""
    seen = {}
    for event in quarter:
        if event["type"] in ("serial.issued", "case.accepted", "case.completed"):
            seen.setdefault((event["department"], event["serial"]), []).append((event["type"], event["item"]))
    way = ["serial.issued", "case.accepted", "case.completed"]
    for steps in seen.values():
        assert len({item for _, item in steps}) == 1
        kinds = [kind for kind, _ in steps]
        assert kinds == [kind for kind in way if kind in kinds]
    assert sum(len(steps) == 3 for steps in seen.values()) > 0.9 * len(seen)


def test_samples_name_what_exists(quarter):
    accepted = {event["acceptance_no"] for event in quarter if event["type"] == "case.accepted"}
    drawn = [event for event in quarter if event["type"] == "sample.drawn"]
    assert Counter(event["indicator"] for event in drawn) == {
        "visit_reduction": 60, "guide_accuracy": 60, "online_experience": 60
    }  # fmt: skip
    for event in drawn:
        if event["indicator"] == "visit_reduction":
            assert set(event["selected"]) <= accepted
            assert all(number.endswith(f"{event['tail']:02d}") for number in event["selected"])


def test_people_come_in_office_hours_and_on_workdays(quarter):
    issued = [moment.astimezone(SHANGHAI) for moment in moments(e for e in quarter if e["type"] == "serial.issued")]
    hours = Counter(moment.hour for moment in issued)
    assert min(hours[9], hours[10], hours[14], hours[15]) > 3 * max(hours[12], hours[18], hours[23], hours[3])
    workdays = Counter(is_workday(moment.toordinal()) for moment in issued)
    assert 0 < workdays[False] < 0.1 * workdays[True]


def test_offsets_differ_by_source(month):
    endings = Counter(event["occurred_at"][19:].lstrip(".0123456789") for event in month)
    assert endings.keys() >= {"+08:00", "Z", "+00:00", "+09:00"}
    assert endings["+08:00"] > 0.8 * len(month)


def test_volume_and_size():
    few, many = (len(list(simulate_months(3, "2020-09", "2020-09", 1, volume))) for volume in (0.2, 2.0))
    assert 5 * few < many


def test_codes_are_valid():
    codes = City(departments=60, seed=3).codes
    assert len(set(codes)) == 60
    assert codes[:20] == City(departments=20, seed=3).codes
    assert all(len(code) == 18 and check_character(code[:17]) == code[17] for code in codes)
    assert all(organisation_check(code[8:16]) == code[16] for code in codes)
    assert len(department_codes(3_000, 3)) == 3_000


def test_check_characters_of_known_codes():
    assert check_character("91350100M000100Y4") == "3"
    assert organisation_check("D2143569") == "X"


def test_another_time_zone_with_summer_time():
    zone = ZoneInfo("Europe/Berlin")
    city = City(departments=2, seed=1, timezone="Europe/Berlin", volume=0.2)
    start, middle, end = (datetime(2021, 3, day, tzinfo=zone) for day in (25, 28, 31))
    events = [*city.events(start, middle), *city.events(middle, end)]
    assert all(earlier <= later for earlier, later in pairwise(moments(events)))
    assert {event["occurred_at"][-6:] for event in events} >= {"+01:00", "+02:00"}


def test_chaos_changes_order_and_nothing_else(month):
    shaken = list(chaos(iter(month), seed=1))
    assert set(lines(shaken)) == set(lines(month))
    assert len(month) < len(shaken) < 1.1 * len(month)
    assert lines(chaos(month, seed=1)) == lines(shaken)
    assert lines(chaos(month, seed=2)) != lines(shaken)
    at = {event["event_id"]: place for place, event in enumerate(month)}
    moved = [place - at[event["event_id"]] for place, event in enumerate(shaken)]
    assert sum(shift != 0 for shift in moved) > 0.9 * len(moved)


def test_chaos_is_local_but_for_the_late_ones():
    events = [{"event_id": str(number)} for number in range(100_000)]
    behind = [place - int(event["event_id"]) * 1.03 for place, event in enumerate(chaos(events, seed=1))]
    far = [shift for shift in behind if abs(shift) > 20 * WINDOW]
    assert 0.005 * len(events) < len(far) < 0.04 * len(events)
    assert max(far) < 1.1 * LATE_BY[1]


@pytest.mark.parametrize("events", [[], [{"event_id": "1"}]])
def test_chaos_of_little(events):
    assert {event["event_id"] for event in chaos(events, seed=1)} == {event["event_id"] for event in events}


def test_workdays_know_the_make_up_days():
    days = {day: is_workday(date(2020, *day).toordinal()) for day in [(9, 27), (10, 1), (10, 8), (10, 9), (10, 10)]}
    assert days == {(9, 27): True, (10, 1): False, (10, 8): False, (10, 9): True, (10, 10): True}
    assert date.fromordinal(workdays_after(date(2020, 9, 30).toordinal(), 2)) == date(2020, 10, 10)
    assert workdays_between(date(2020, 9, 30).toordinal(), date(2020, 10, 10).toordinal()) == 2


def test_workdays_of_a_year_that_nobody_knows():
    assert not is_workday(date(2060, 10, 1).toordinal())
    assert is_workday(date(2060, 10, 4).toordinal())
    assert not is_workday(date(2060, 10, 9).toordinal())
    assert is_workday(date(2060, 12, 31).toordinal())


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"])
def test_texts_of_instants(zone):
    text = ZoneText(ZoneInfo(zone))
    first = micros(datetime(2021, 3, 27, 22, tzinfo=ZoneInfo("UTC")))
    for at in range(first, first + 10 * 3600 * SECOND, 777 * SECOND + 123_456):
        assert micros(datetime.fromisoformat(text(at))) == at
    assert ZoneText(ZoneInfo("UTC"), "Z")(first + 5_000) == "2021-03-27T22:00:00.005Z"


def test_findings_of_several_kinds_are_withdrawn(quarter):
    refs = {event["ref"][:2] for event in quarter if event["type"] == "finding.withdrawn"}
    assert refs >= {"CJ", "ZN", "CS", "QX"}
