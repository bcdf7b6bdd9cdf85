"""Evidence: the very things counted, what counts against first, with the facts that explain them.

That it adds up for every history is a property (`test_properties.py`); here is what it names.
"""

from typing import Any

from models.rulesets import default_ruleset
from scoring.batch import fold_facts
from scoring.evidence import Evidence, evidence
from scoring.indicators import BY_ID, INDICATORS
from scoring.local_time import parse_period
from scoring.view import View
from tests.golden.regenerate import city
from tests.scoring.test_entities import at
from tests.scoring.test_properties import facts_of
from tests.support.builder import AS_OF, D1, D2, SEPTEMBER, History

Row = tuple[str, str, str, str, bool]


def found(history: History, indicator: str, period: str = SEPTEMBER, as_of: str = AS_OF, **policies: Any) -> list[Evidence]:
    folded = fold_facts(facts_of(history.events), at(as_of), default_ruleset().with_policies(**policies))
    return evidence(BY_ID[indicator], View(folded.departments[D1], parse_period(period)))


def rows(entries: list[Evidence]) -> list[Row]:
    return [(entry.kind, entry.id, str(entry.numerator), str(entry.denominator), entry.against) for entry in entries]


def test_serials_not_ingested_come_first() -> None:
    h = History().case("S3", issued="2020-09-01").case("S1", issued="2020-09-01", passed="2020-09-02")
    h.case("S2", issued="2020-09-01", passed="2020-10-01").case("S4", issued="2020-08-31", passed="2020-09-02")
    assert rows(found(h, "case_aggregation")) == [
        ("case", "S2", "0", "1", True), ("case", "S3", "0", "1", True), ("case", "S1", "1", "1", False),
    ]  # fmt: skip
    assert rows(found(h, "case_aggregation", aggregation="flow"))[-1] == ("case", "S4", "1", "0", False)


def test_a_case_is_explained_by_its_stations() -> None:
    h = History().add("item.published", "2020-08-20", promised_days=1)
    h.case("S1", issued="2020-09-01", accepted="2020-09-02", passed="2020-09-03", completed="2020-09-04")
    (entry,) = found(h, "overdue_completion")
    assert (entry.numerator, entry.denominator, entry.against) == (1, 1, True)
    assert entry.details == {
        "issued_at": at("2020-09-01"), "accepted_at": at("2020-09-02"), "passed_at": at("2020-09-03"), "completed_at": at("2020-09-04"),
        "acceptance_no": "A-S1", "item": "I1", "due_at": at("2020-09-04T00:00:00"),
    }  # fmt: skip


def test_items_by_what_they_add_to_the_depth() -> None:
    h = (
        History()
        .add("item.published", "2020-08-20", item="I1", online_depth=4)
        .add("item.published", "2020-08-20", item="I2", online_depth=2)
    )
    h.add("item.published", "2020-08-20", item="I3", online_depth=None).add("item.published", "2020-08-20", item="I4")
    h.add("item.retired", "2020-09-20", item="I4")
    assert rows(found(h, "online_depth")) == [
        ("item", "I2", "3/20", "1", True), ("item", "I3", "0", "1", True), ("item", "I1", "1", "1", False),
    ]  # fmt: skip
    assert found(h, "online_depth")[0].details["online_depth"] == 2


def test_a_sample_has_a_row_for_each_number() -> None:
    h = History().add("sample.drawn", "2020-10-01", selected=("A1", "A2", "A3", "A1"))
    h.add("inspection.recorded", "2020-10-02", acceptance_no="A2", achieved=False)
    h.add("inspection.recorded", "2020-10-02", acceptance_no="A1", achieved=True)
    entries = found(h, "visit_reduction")
    assert rows(entries) == [
        ("sample", "P1/A2", "1", "1", True), ("sample", "P1/A1", "0", "1", False), ("sample", "P1/A3", "0", "1", False),
    ]  # fmt: skip
    assert entries[0].details == {"drawn_at": at("2020-10-01"), "tail": None}


def test_a_failed_interface_and_a_late_table_cost_what_they_count() -> None:
    h = History().add("interface.registered", "2020-08-20").add("interface.registered", "2020-08-20", interface="IF2")
    h.add("interface.failed", "2020-08-25").add("interface.recovered", "2020-09-02")
    h.add("interface.failed", "2020-08-25", interface="IF2", planned=True).add("interface.registered", "2020-10-01", interface="IF3")
    h.add("table.registered", "2020-09-01", cycle_days=30).add("table.registered", "2020-09-01", table="T2", cycle_days=30)
    h.add("table.updated", "2020-09-03", table="T2")
    entries = found(h, "sharing_validity")
    assert rows(entries) == [
        ("interface", "IF1", "0", "1", True), ("table", "T1", "0", "1", True),
        ("interface", "IF2", "1", "1", False), ("table", "T2", "1", "1", False),
    ]  # fmt: skip
    assert entries[0].details == {"failures": [{"failure": "F1", "failed_at": at("2020-08-25"), "recovered_at": at("2020-09-02")}]}
    assert entries[3].details == {"cycle_days": 30, "first_due_at": at("2020-09-07T09:00:00"), "updated_at": at("2020-09-03")}


def test_requests_objections_checks_and_tests() -> None:
    h = History().add("request.raised", "2020-09-01").add("request.handled", "2020-09-20")
    h.add("request.raised", "2020-09-01", request="own", requester=D1).add("request.raised", "2020-09-01", request="R2", requester=D2)
    h.add("request.handled", "2020-09-02", request="R2")
    h.add("objection.flagged", "2020-09-01").add("objection.repaired", "2020-09-02")
    h.add("guide.checked", "2020-09-05", errors=3).add("guide.checked", "2020-09-05", errors=0, check="G2")
    h.add("test.raised", "2020-09-01").add("test.disposed", "2020-09-02")
    assert rows(found(h, "sharing_timeliness")) == [("request", "R1", "0", "1", True), ("request", "R2", "1", "1", False)]
    assert rows(found(h, "licence_repair")) == [("objection", "O1", "0", "1", True)]
    assert found(h, "licence_repair")[0].details == {"flagged_at": at("2020-09-01"), "repaired_at": at("2020-09-02")}
    assert rows(found(h, "data_repair")) == []
    assert rows(found(h, "guide_accuracy")) == [("check", "G1", "3", "0", True)]
    assert rows(found(h, "online_experience")) == [("test", "Q1", "1", "0", True)]
    assert found(h, "online_experience")[0].details["deadline_at"] == at("2020-09-05T00:00:00")


def test_licences_dispatched_and_generated() -> None:
    h = History().add("item.published", "2020-08-20", licence_materials=2).case("S1", issued="2020-09-01", completed="2020-09-02")
    h.add("licence.dispatched", "2020-09-01", licence="L1").add("licence.dispatched", "2020-09-01", licence="L2").add(
        "licence.voided", "2020-10-02", licence="L2"
    )
    assert rows(found(h, "material_reduction")) == [("case", "S1", "1", "2", True)]
    assert found(h, "material_reduction")[0].details["dispatched"] == ["L1"]
    assert rows(found(h, "licence_generation")) == [("case", "S1", "0", "1", True)]
    h.add("licence.generated", "2020-09-05", licence="L3").add("licence.generated", "2020-09-04", licence="L4")
    (entry,) = found(h, "licence_generation")
    assert not entry.against
    assert entry.details["licence_generated_at"] == at("2020-09-04")


def test_steps_are_weighted_by_cases() -> None:
    h = History().add("item.published", "2020-08-20", steps=3, steps_2019=9).add("item.published", "2020-08-20", item="I2", steps_2019=None)
    h.case("S1", completed="2020-09-02").case("S2", completed="2020-09-02", outcome="refused").case("S3", "I2", completed="2020-09-02")
    assert rows(found(h, "step_reduction")) == [("case", "S1", "3", "9", True), ("case", "S2", "3", "9", True)]


def test_without_a_catalogue_nothing_is_counted_where_it_is_read() -> None:
    h = History().case("S1", issued="2020-09-01", completed="2020-09-02").add("licence.dispatched", "2020-09-01")
    for indicator in INDICATORS:
        assert bool(found(h, indicator.id)) == (indicator.id in ("case_aggregation", "overdue_completion"))


def test_every_component_that_indicators_read_is_one_that_entities_contribute() -> None:
    """A misspelt name would count nothing and say nothing."""
    h = History().add("sample.drawn", "2020-09-01").add("inspection.recorded", "2020-09-02", achieved=False)
    h.add("item.published", "2050-09-01").case("S1", accepted="2050-09-01", completed="2050-09-02")
    h.add("request.raised", "2050-09-01").add("test.raised", "2050-09-01")
    departments = fold_facts(facts_of(city() + h.events), at("2051-01-01"), default_ruleset()).departments.values()
    contributed = {name for department in departments for name in department.counters}
    for indicator in INDICATORS:
        assert contributed >= {*indicator.components} | {indicator.calendar or "items"} - {"items"}
