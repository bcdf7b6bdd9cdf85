"""Rulesets: the defaults of the spec, faults that name field, fault and example, and an identity that changes with what it stands for."""

from pathlib import Path

import pytest

from models.rulesets import Policies, RulesetError, default_ruleset, load_ruleset, parse_ruleset
from scoring.context import create_context
from scoring.workdays import Workdays, override_of

GOOD = "name: city\nseed: city-2026\n"
DEFAULTS = {
    "zero_denominator": "full", "floor_total": True, "aggregation": "cohort", "objection_carry_in": True,
    "sharing_workdays": 10, "grace_workdays": 5, "visit_tail": "best",
}  # fmt: skip


def fault(text: str) -> str:
    with pytest.raises(RulesetError) as raised:
        parse_ruleset(text, "city.yaml")
    return str(raised.value)


def test_the_shipped_file_the_code_and_the_spec_have_the_same_defaults() -> None:
    assert default_ruleset().policies.model_dump() == Policies().model_dump() == DEFAULTS
    assert load_ruleset("default") == default_ruleset()


def test_a_file_names_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "city.yaml"
    path.write_text(GOOD + "policies: {zero_denominator: na, sharing_workdays: 0}\n", encoding="utf-8")
    assert load_ruleset(str(path)).policies.model_dump() == {**DEFAULTS, "zero_denominator": "na", "sharing_workdays": 0}


@pytest.mark.parametrize(
    ("text", "field", "example"),
    [
        ("seed: x", "name: ", "`name: city`"),
        ("name: x", "seed: ", "`seed: city-2026`"),
        ("name: City\nseed: x", "name: ", "`name: city`"),
        ("name: 5\nseed: x", "name: ", "`name: city`"),
        ("name: city\nseed: ''", "seed: ", "`seed: city-2026`"),
        ("name: city\nseed: 2026", "seed: ", "`seed: city-2026`"),
        (GOOD + "policies: {zero_denominator: half}", "policies.zero_denominator: ", "`zero_denominator: full`"),
        (GOOD + "policies: {floor_total: 1}", "policies.floor_total: ", "`floor_total: true`"),
        (GOOD + "policies: {floor_total: 'yes'}", "policies.floor_total: ", "`floor_total: true`"),
        (GOOD + "policies: {aggregation: stock}", "policies.aggregation: ", "`aggregation: cohort`"),
        (GOOD + "policies: {objection_carry_in: null}", "policies.objection_carry_in: ", "`objection_carry_in: true`"),
        (GOOD + "policies: {sharing_workdays: -1}", "policies.sharing_workdays: ", "`sharing_workdays: 10`"),
        (GOOD + "policies: {sharing_workdays: 1.5}", "policies.sharing_workdays: ", "`sharing_workdays: 10`"),
        (GOOD + "policies: {sharing_workdays: true}", "policies.sharing_workdays: ", "`sharing_workdays: 10`"),
        (GOOD + "policies: {grace_workdays: 251}", "policies.grace_workdays: ", "`grace_workdays: 5`"),
        (GOOD + "policies: {visit_tail: last}", "policies.visit_tail: ", "`visit_tail: best`"),
    ],
)
def test_a_fault_names_the_field_and_a_right_value(text: str, field: str, example: str) -> None:
    said = fault(text)
    assert said.startswith(f"ruleset city.yaml: {field}")
    assert example in said


@pytest.mark.parametrize(
    ("text", "named"),
    [("policies: {grace_days: 5}", "policies.grace_days: "), ("sedd: x", "sedd: "), ("policies: []", "policies: "), ("1: 2", "1: ")],
)
def test_what_no_ruleset_has_is_named(text: str, named: str) -> None:
    assert fault(GOOD + text).startswith(f"ruleset city.yaml: {named}")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "5", "name", "name: [", "\tname: city", "name: !!python/object:os.system x", "name: \x00", "a: &a [*a]", "name: 2020-13-45",
     "name: " + "[" * 5_000],
)  # fmt: skip
def test_what_is_no_ruleset_at_all(text: str) -> None:
    assert fault(text).startswith("ruleset city.yaml: ")


def test_every_fault_of_a_file_is_named_at_once() -> None:
    said = fault("name: City\npolicies: {aggregation: stock}")
    assert all(field in said for field in ("name: ", "seed: ", "policies.aggregation: "))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: städtisch".encode("latin-1"))
    for path in (tmp_path, tmp_path / "none.yaml", latin):
        with pytest.raises(RulesetError, match=r"cannot be read.*give a YAML file, or `default`"):
            load_ruleset(str(path))


# --- identity


def test_the_identity_changes_with_all_that_decides_a_score() -> None:
    rules = default_ruleset()
    override = {"year": 2027, "notice": "n", "holidays": ["2027-03-01"], "workdays": []}
    contexts = [
        create_context(rules, 0),
        create_context(rules.with_policies(floor_total=False), 0),
        create_context(rules.model_copy(update={"seed": "other"}), 0),
        create_context(rules, 0, timezone="Asia/Urumqi"),
        create_context(rules, 0, workdays=Workdays([override_of(override)])),
        create_context(rules, 0, workdays=Workdays([override_of({**override, "holidays": ["2027-03-02"]})])),
    ]
    assert len({context.identity for context in contexts}) == len(contexts)
    assert all(context.identity.startswith("default@") for context in contexts)
    assert create_context(default_ruleset(), 10**15).identity == contexts[0].identity


def test_a_year_published_as_it_was_guessed_is_another_calendar() -> None:
    """No workday differs, but nothing rests on a guess any more."""
    guessed = [f"2051-{day}" for day in ("01-01", "05-01", "05-02", "10-01", "10-02", "10-03")]
    published = Workdays([override_of({"year": 2051, "notice": "n", "holidays": guessed, "workdays": []})])
    assert published.digest != Workdays().digest


def test_policies_are_checked_when_changed_in_code() -> None:
    with pytest.raises(ValueError, match="grace_workdays"):
        default_ruleset().with_policies(grace_workdays=-1)
    with pytest.raises(ValueError, match="invented"):
        default_ruleset().with_policies(invented=1)
