"""1 事项办理深度: Y = (0.05*N1 + 0.15*N2 + 0.45*N3 + 1.00*N4) / M over the active items; points = 5*Y."""

from functools import partial

import pytest

from tests.support.builder import D2, OCTOBER, History, assert_score

expect = partial(assert_score, indicator="online_depth")


@pytest.mark.parametrize(
    ("depths", "nm", "points", "exact"),
    [
        ([1], ("1/20", "1"), 0.25, "1/4"),  # 5 * 0.05
        ([2], ("3/20", "1"), 0.75, "3/4"),  # 5 * 0.15
        ([3], ("9/20", "1"), 2.25, "9/4"),  # 5 * 0.45
        ([4], ("1", "1"), 5, "5"),
        ([1, 2, 3, 4], ("33/20", "4"), 2.06, "33/16"),  # 5 * 1.65/4 = 2.0625
        ([4, 4, 3], ("49/20", "3"), 4.08, "49/12"),  # 5 * 2.45/3 = 4.08333
        ([4, None], ("1", "2"), 2.5, "5/2"),  # without a depth: in M, adds nothing
        ([None], ("0", "1"), 0, "0"),  # 0 of 1 is scored, not vacuous
        ([1, None], ("1/20", "2"), 0.13, "1/8"),  # 0.125 is rounded half up
    ],
)
def test_weights(depths: list[int | None], nm: tuple[str, str], points: float, exact: str) -> None:
    h = History()
    for number, depth in enumerate(depths):
        h.add("item.published", "2020-08-20", item=f"I{number}", online_depth=depth)
    expect(h, nm=nm, points=points, exact=exact)


def test_public_services_count_like_items_on_application() -> None:
    h = History().add("item.published", "2020-08-20", item="I1", category="on_application", online_depth=4)
    h.add("item.published", "2020-08-20", item="I2", category="public_service", online_depth=1)
    expect(h, nm=("21/20", "2"), points=2.63, exact="21/8")  # 5 * 1.05/2 = 2.625


# 00:00 on the 1st belongs to the new month, wherever the clock that wrote it stood.
BY_THE_CUT_OFF = [
    ("2020-09-30T23:59:59.999999", True),
    ("2020-10-01T00:00:00", False),
    ("2020-09-30T23:59:59.9999999", True),  # digits beyond microseconds are cut
    ("2020-09-30T15:59:59.999999Z", True),  # 23:59:59.999999 in Beijing
    ("2020-09-30T16:00:00Z", False),  # midnight in Beijing, still September in UTC
    ("2020-10-01T00:59:59+09:00", True),  # 23:59:59 in Beijing, October in Tokyo
]


@pytest.mark.parametrize(("at", "in_september"), BY_THE_CUT_OFF)
def test_an_item_retired_by_the_cut_off_is_gone(at: str, in_september: bool) -> None:
    h = History().add("item.published", "2020-08-20", item="I1", online_depth=4)
    h.add("item.published", "2020-08-20", item="I2", online_depth=1).add("item.retired", at, item="I2")
    if in_september:
        expect(h, nm=("1", "1"), points=5, exact="5")
    else:
        expect(h, nm=("21/20", "2"), points=2.63, exact="21/8")
    expect(h, nm=("1", "1"), points=5, exact="5", period=OCTOBER)


@pytest.mark.parametrize(("at", "in_september"), BY_THE_CUT_OFF)
def test_the_last_version_by_the_cut_off_holds(at: str, in_september: bool) -> None:
    h = History().add("item.published", "2020-09-02", online_depth=4).add("item.published", at, online_depth=1)
    if in_september:
        expect(h, nm=("1/20", "1"), points=0.25, exact="1/4")
    else:
        expect(h, nm=("1", "1"), points=5, exact="5")
    expect(h, nm=("1/20", "1"), points=0.25, exact="1/4", period=OCTOBER)


@pytest.mark.parametrize(("at", "in_september"), BY_THE_CUT_OFF)
def test_no_item_published_by_the_cut_off_is_no_data(at: str, in_september: bool) -> None:
    h = History().add("department.registered", "2020-09-02").add("item.published", at, online_depth=4)
    if in_september:
        expect(h, nm=("1", "1"), points=5, exact="5")
    else:
        expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")
    expect(h, nm=("1", "1"), points=5, exact="5", period=OCTOBER)


def test_an_item_retired_but_never_published_is_no_catalogue() -> None:
    h = History().add("item.retired", "2020-08-20")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data")


@pytest.mark.parametrize(("policy", "status", "points"), [("full", "vacuous", "5"), ("zero", "vacuous", "0"), ("na", "no_data", "0")])
def test_a_catalogue_whose_items_are_all_retired_is_no_workload(policy: str, status: str, points: str) -> None:
    h = History().items(2).add("item.retired", "2020-08-21", item="I1").add("item.retired", "2020-09-21", item="I2")
    expect(h, nm=("0", "0"), points=float(points), exact=points, status=status, zero_denominator=policy)


@pytest.mark.parametrize("policy", ["full", "zero"])
def test_no_data_stays_no_data_under_every_policy(policy: str) -> None:
    h = History().add("department.registered", "2020-08-20")
    expect(h, nm=("0", "0"), points=0, exact="0", status="no_data", zero_denominator=policy)


def test_publishing_again_makes_a_retired_item_active() -> None:
    h = History().add("item.published", "2020-08-20", online_depth=1).add("item.retired", "2020-09-03")
    h.add("item.published", "2020-09-04", online_depth=3)
    expect(h, nm=("9/20", "1"), points=2.25, exact="9/4")


def test_a_retirement_dated_before_the_publication_does_nothing() -> None:
    h = History().add("item.published", "2020-09-04", online_depth=3).add("item.retired", "2020-09-03")
    expect(h, nm=("9/20", "1"), points=2.25, exact="9/4")


@pytest.mark.parametrize(
    ("first_id", "second_id", "nm", "points", "exact"),
    [
        ("a", "b", ("1", "1"), 5, "5"),  # depth 4 comes last
        ("b", "a", ("1/20", "1"), 0.25, "1/4"),  # depth 1 comes last
    ],
)
def test_of_versions_of_one_instant_the_greatest_event_id_holds(
    first_id: str, second_id: str, nm: tuple[str, str], points: float, exact: str
) -> None:
    h = History().add("item.published", "2020-09-02", online_depth=1, event_id=first_id)
    h.add("item.published", "2020-09-02T04:00:00Z", online_depth=4, event_id=second_id)  # the same noon
    expect(h, nm=nm, points=points, exact=exact)


@pytest.mark.parametrize(("published_id", "retired_id", "active"), [("a", "b", False), ("b", "a", True)])
def test_publication_and_retirement_of_one_instant_are_ordered_by_event_id(published_id: str, retired_id: str, active: bool) -> None:
    h = History().add("item.published", "2020-09-02", event_id=published_id, online_depth=4)
    h.add("item.retired", "2020-09-02", event_id=retired_id)
    if active:
        expect(h, nm=("1", "1"), points=5, exact="5")
    else:
        expect(h, nm=("0", "0"), points=5, exact="5", status="vacuous")


def test_items_belong_to_their_department() -> None:
    h = History().add("item.published", "2020-08-20", online_depth=4)
    other = History(D2).add("item.published", "2020-08-21", online_depth=1)
    other.add("item.retired", "2020-08-22", item="I1")
    expect(h, other, nm=("1", "1"), points=5, exact="5")


@pytest.mark.parametrize(
    ("as_of", "nm", "points", "exact"),
    [
        ("2020-09-15T11:59:59.999999", ("1", "1"), 5, "5"),
        ("2020-09-15T12:00:00", ("1/20", "1"), 0.25, "1/4"),  # occurred_at <= T is read
    ],
)
def test_only_what_has_happened_by_t_is_read(as_of: str, nm: tuple[str, str], points: float, exact: str) -> None:
    h = History().add("item.published", "2020-09-02", online_depth=4)
    h.add("item.published", "2020-09-15T12:00:00", online_depth=1)
    expect(h, nm=nm, points=points, exact=exact, as_of=as_of, reasons=["period_open"])
