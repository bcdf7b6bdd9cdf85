"""Reading: ranks, periods and their states, freshness, pages of alerts."""

from __future__ import annotations

from typing import Any

import redis

from models.instants import parse_instant
from models.settings import Settings
from streams.serving import read_model
from streams.serving.layout import Layout
from streams.serving.read_model import ReadModel
from streams.serving.writer import Writer
from tests.serving.conftest import StandingClock
from tests.serving.records import (
    BEFORE,
    HOUR,
    NOW,
    PERIOD,
    SECOND,
    A,
    B,
    C,
    adjustment,
    alert,
    audit,
    beat,
    score,
    scores,
    status,
    table,
    text,
    total,
    write,
)


async def test_ranks_come_from_the_exact_points(writer: Writer, layout: Layout, model: ReadModel) -> None:
    # As floats the first two are equal, and in two decimals all three.
    third = "85000000000000000000000/1000000000000000000001"
    await write(writer, layout, total(A, points="85/1"), total(B, points="85/1"), total(C, points=third))
    ranks = {r.department: (r.rank, r.ranked) for r in model.scores(PERIOD)}
    assert ranks == {A: (1, 3), B: (1, 3), C: (3, 3)}


async def test_ranks_are_over_all_departments_whatever_is_asked_for(writer: Writer, layout: Layout, model: ReadModel) -> None:
    await write(writer, layout, *scores(A, points="50"), *scores(B, points="60"))
    assert [r.rank for r in model.scores(PERIOD, A, "total")] == [2]
    assert [(r.department, r.indicator) for r in model.scores(PERIOD, B, "instant_items")] == [(B, "instant_items")]
    assert len(model.scores(PERIOD, A)) == 17
    assert [r.department for r in model.scores(PERIOD, indicator="online_depth")] == sorted([A, B])


async def test_records_are_in_order_and_the_total_last(writer: Writer, layout: Layout, model: ReadModel) -> None:
    await write(writer, layout, *reversed(scores(B)), *reversed(scores(A)))
    found = model.scores(PERIOD)
    assert [r.department for r in found] == sorted([A] * 17 + [B] * 17)
    assert [getattr(r, "number", "total") for r in found[:17]] == [*range(1, 17), "total"]


async def test_periods_and_their_states(writer: Writer, layout: Layout, model: ReadModel, clock: StandingClock) -> None:
    # open: the month runs; closing: it is over and late facts still count; closed: frozen for every department
    await write(writer, layout, total(period=PERIOD), total(period=BEFORE), total(period="2020-09", reasons=[]))
    await write(writer, layout, status(A, closed_periods=["2020-09", BEFORE]), status(B, closed_periods=["2020-09"]))
    assert [(p["period"], p["state"], p["current"]) for p in model.periods()] == [
        (PERIOD, "open", True), (BEFORE, "closing", False), ("2020-09", "closed", False),
    ]  # fmt: skip
    assert (model.periods()[0]["starts_at"], model.periods()[0]["ends_at"]) == ("2020-11-01T00:00:00+08:00", "2020-12-01T00:00:00+08:00")
    await write(writer, layout, status(B, closed_periods=["2020-09", BEFORE], version=2))
    assert model.periods()[1]["state"] == "closed"
    await write(writer, layout, status(A, closed_periods=[BEFORE], version=3))  # 2020-09 was reopened for one of them
    assert model.periods()[2]["state"] == "closing"
    clock.instant = parse_instant("2020-12-01T00:00:00+08:00")
    assert [(p["state"], p["current"]) for p in model.periods()] == [("closing", False), ("closed", False), ("closing", False)]


async def test_the_default_period_is_the_current_one_or_the_newest(
    writer: Writer, layout: Layout, model: ReadModel, clock: StandingClock
) -> None:
    assert model.default_period() is None
    await write(writer, layout, total(period="2020-09"), total(period=BEFORE))
    assert model.default_period() == BEFORE
    await write(writer, layout, total(period=PERIOD), total(period="2020-12"))
    assert model.default_period() == PERIOD


async def test_freshness_is_that_of_the_oldest_partition(writer: Writer, layout: Layout, model: ReadModel, clock: StandingClock) -> None:
    assert (model.freshness().last_update, model.freshness().missing) == (None, (0, 1))
    await write(writer, layout, beat(1, NOW))
    assert (model.freshness().last_update, model.freshness().missing) == (None, (0,))
    await write(writer, layout, beat(0, NOW - 20 * SECOND, catching_up=True))
    clock.instant = NOW + SECOND
    fresh = model.freshness()
    assert (fresh.last_update, fresh.age, fresh.catching_up) == (NOW - 20 * SECOND, 21, (0,))


async def test_status_is_sorted_by_what_it_is_of(writer: Writer, layout: Layout, model: ReadModel) -> None:
    await write(writer, layout, status(B, "乙"), status(A, "甲"), table("b|c"), table("a"), beat(0))
    held = model.status()
    assert held.names == {A: "甲", B: "乙"}
    assert [t.table for t in held.tables] == ["a", "b|c"]
    assert len(held.heartbeats) == 1


async def test_firing_alerts_are_paged_in_the_order_of_their_due_times(writer: Writer, layout: Layout, model: ReadModel) -> None:
    # Many cases share the end of a workday.
    found = [alert(f"S{n:02d}", department=[A, B][n % 2], due=NOW + (n // 7) * HOUR) for n in range(25)]
    await write(writer, layout, *found, alert("R", state="resolved"), alert("D", "case_due_soon"))
    expected = sorted((parse_instant(a.due_at or ""), a.id) for a in found)
    seen, cursor = [], None
    while True:
        page = model.alerts("firing", ["case_overdue"], limit=4, after=cursor)
        assert page.total == 25
        seen += [(parse_instant(a.due_at or ""), a.id) for a in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == expected
    assert {a.department for a in model.alerts("firing", ["case_overdue"], A).items} == {A}
    assert model.alerts(limit=26).cursor is None


async def test_a_cursor_survives_the_end_of_the_alert_it_points_at(writer: Writer, layout: Layout, model: ReadModel) -> None:
    found = [alert(f"S{n}") for n in range(5)]
    await write(writer, layout, *found)
    page = model.alerts(limit=2)
    await write(writer, layout, *(a.model_copy(update={"state": "resolved", "version": 2}) for a in found[:3]))
    assert [a.id for a in model.alerts(limit=2, after=page.cursor).items] == [found[3].id, found[4].id]


async def test_resolved_alerts_and_all_of_them(writer: Writer, layout: Layout, model: ReadModel) -> None:
    await write(writer, layout, alert("S1", state="resolved"), alert("S2"), alert("S3", "interface_failed", due=None))
    assert [a.thing for a in model.alerts("resolved").items] == [f"{A}|case|S1"]
    everything = model.alerts(None, limit=2)
    assert (everything.total, len(everything.items)) == (3, 2)
    assert len(model.alerts(None, limit=2, after=everything.cursor).items) == 1


async def test_what_another_version_wrote_and_this_cannot_read_is_left_out(
    writer: Writer, layout: Layout, model: ReadModel, settings: Settings, caplog
) -> None:
    await write(writer, layout, score())
    redis.Redis.from_url(settings.redis_url).hset(layout.scores(PERIOD), f"{A}|future", b"x" * 42 + b'{"department": "d"}')
    assert [r.indicator for r in model.scores(PERIOD)] == ["instant_items"]
    assert "cannot be read and is left out" in caplog.text


async def test_totals_of_a_department(writer: Writer, layout: Layout, model: ReadModel) -> None:
    await write(writer, layout, total(period=PERIOD), total(period=BEFORE, points="80"), total(B, points="1"))
    assert [(t.period, t.points) for t in model.totals_of(A, [PERIOD, BEFORE, "2020-01"])] == [(PERIOD, 42.5), (BEFORE, 80)]


async def test_two_cities_share_a_redis(writer: Writer, layout: Layout, model: ReadModel) -> None:
    await write(writer, Layout("other-onestop:"), total())
    assert model.period_labels() == []
    assert text(NOW) == model.text(NOW)


async def test_adjustments_are_in_the_order_of_arrival(writer: Writer, layout: Layout, model: ReadModel) -> None:
    found = [
        adjustment("E2|x", arrived_at=text(NOW - HOUR)), adjustment("E1", "online_depth"), adjustment("E1"), adjustment("E1", "total"),
        adjustment("E3", department=B), adjustment("E3", period=PERIOD),
    ]  # fmt: skip
    await write(writer, layout, *reversed(found))
    assert model.adjustments(BEFORE) == found[:5]
    assert model.adjustments(BEFORE, B) == [found[4]]
    assert model.adjustments(BEFORE, A, "total") == [found[3]]
    assert model.adjustments("2019-01") == []
    assert model.limited_to([B]).adjustments(BEFORE) == [found[4]]
    assert model.limited_to([B]).adjustments(BEFORE, A) == []


async def test_the_audit_is_paged_the_newest_first(writer: Writer, layout: Layout, model: ReadModel, monkeypatch) -> None:
    monkeypatch.setattr(read_model, "READ_AT_ONCE", 3)
    found = [
        audit(f"{n:02d}", NOW - (n // 4) * SECOND, department=[A, B, None][n % 3], action=["sample.drawn", "period.closed"][n % 2])
        for n in range(24)
    ]
    await write(writer, layout, *found)
    expected = sorted(found, key=lambda r: (parse_instant(r.at), r.id), reverse=True)

    def pages(of: ReadModel, **wanted: Any) -> list[str]:
        seen, cursor = [], None
        while True:
            page = of.audit(4, cursor, **wanted)
            assert page.cursor is None or len(page.items) == 4
            seen += [record.id for record in page.items]
            cursor = page.cursor
            if cursor is None:
                return seen

    assert pages(model) == [r.id for r in expected]
    assert pages(model, action="sample.drawn", department=B) == [r.id for r in expected if (r.action, r.department) == ("sample.drawn", B)]
    limited = model.limited_to([A])
    assert pages(limited) == [r.id for r in expected if r.department == A]
    assert limited.audit(4, department=B).items == []
    assert model.audit(24).cursor is None
    assert len(pages(model, department=A)) == 8
