"""Rulesets: the defaults of the spec, faults that name field, fault and example, and an identity that changes with what it stands for."""

from pathlib import Path
from typing import Any, get_args

import pytest

from models.rulesets import Policies, Ruleset, RulesetError, default_ruleset, load_ruleset, parse_ruleset
from models.rulesets.differences import MEANINGS, differences
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


# --- rulesets that take effect from a period on


def written(folder: Path, **contents: str) -> Path:
    """Files `NAME.yaml` with what their rulesets say beside name and seed; the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.yaml").write_text(f"name: {name}\nseed: s-{name}\n{content}", encoding="utf-8")
    return folder / f"{next(iter(contents))}.yaml"


def chain_fault(path: Path) -> str:
    with pytest.raises(RulesetError) as raised:
        load_ruleset(str(path))
    return str(raised.value)


def in_force(ruleset: Ruleset, *labels: str) -> list[str]:
    return [ruleset.in_period(label).name for label in labels]


def test_a_chain_answers_the_ruleset_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "old", second="valid_from: 2026-03\nprevious: ../first.yaml\n")
    written(tmp_path, first="policies: {grace_workdays: 3}\n")
    newest = written(tmp_path, third="valid_from: 2027-01\nprevious: old/second.yaml\npolicies: {grace_workdays: 4}\n")
    monkeypatch.chdir(tmp_path.parent)  # relative to the file, not to where one stands
    held = load_ruleset(str(newest))
    assert [member.name for member in held.chain()] == ["third", "second", "first"]
    months = ("1999-01", "2026-02", "2026-03", "2026-12", "2027-01", "2099-12")
    assert in_force(held, *months) == ["first", "first", "second", "second", "third", "third"]
    assert held.in_period("2026-02") == load_ruleset(str(tmp_path / "first.yaml")), "each file stands alone too"
    assert in_force(held.alone(), *months) == ["third"] * 6
    assert held.alone().identity() == held.identity()


@pytest.mark.parametrize("content", ["valid_from: 2027-01\n", "valid_from: '2027-01'\nprevious: default\n"])
def test_before_the_first_ruleset_of_a_city_the_shipped_one_holds(tmp_path: Path, content: str) -> None:
    held = load_ruleset(str(written(tmp_path, city=content)))
    assert held.in_period("2026-12") == default_ruleset()
    assert held.in_period("2027-01") is held


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a": "previous: default\n"}, "a.yaml: valid_from: is missing"),
        ({"a": "valid_from: 2027-13\n"}, "a.yaml: valid_from: "),
        ({"a": "valid_from: 2027-01-01\n"}, "a.yaml: valid_from: "),
        ({"a": "valid_from: 202701\n"}, "a.yaml: valid_from: "),
        ({"a": "valid_from: 2027-01\nprevious: none.yaml\n"}, "none.yaml cannot be read"),
        ({"a": "valid_from: 2027-01\nprevious: ''\n"}, "a.yaml: previous: "),
        ({"a": "valid_from: 2027-01\nprevious: .\n"}, "a.yaml: previous: "),
        ({"a": 'valid_from: 2027-01\nprevious: "\\0"\n'}, "a.yaml: previous: "),
        ({"a": "valid_from: 2027-01\nprevious: a.yaml\n"}, "a.yaml: previous: a.yaml leads in a circle"),
        (
            {"a": "valid_from: 2027-01\nprevious: b.yaml\n", "b": "valid_from: 2026-01\nprevious: ./a.yaml\n"},
            "b.yaml: previous: ./a.yaml leads in a circle",
        ),
        (
            {"a": "valid_from: 2027-01\nprevious: b.yaml\n", "b": "valid_from: 2027-01\n"},
            "a.yaml: valid_from: 2027-01 should be later than 2027-01",
        ),
        (
            {"a": "valid_from: 2027-01\nprevious: b.yaml\n", "b": "valid_from: 2028-01\n"},
            "a.yaml: valid_from: 2027-01 should be later than 2028-01",
        ),
        ({"a": "valid_from: 2027-01\nprevious: b.yaml\n", "b": "sedd: x\n"}, "b.yaml: sedd: "),
        ({"a": "valid_from: 2027-01\nprevious: b.yaml\n", "b": "previous: default\n"}, "b.yaml: valid_from: is missing"),
    ],
)
def test_a_chain_that_cannot_be_is_refused(tmp_path: Path, files: dict[str, str], said: str) -> None:
    found = chain_fault(written(tmp_path, **files))
    assert found.startswith(f"ruleset {tmp_path}")
    assert said in found
    if "sedd" not in said:
        assert "; for example `" in found


# What records of earlier versions of the program name.
KNOWN = "default@881fa2de0502"


def test_identities_of_rulesets_without_the_fields_of_a_chain_never_change() -> None:
    assert default_ruleset().identity("a", "b") == KNOWN
    assert default_ruleset().chain_identity("a", "b") == KNOWN


def test_a_ruleset_keeps_its_identity_in_a_chain_and_the_chain_has_its_own(tmp_path: Path) -> None:
    city = load_ruleset(str(written(tmp_path, city="valid_from: 2027-01\n")))
    assert city.in_period("2026-12").identity("a", "b") == KNOWN
    assert city.identity() == load_ruleset(str(written(tmp_path / "moved", city="valid_from: 2027-01\nprevious: default\n"))).identity()
    contents = [
        {"city": "valid_from: 2027-02\n"},
        {"city": "valid_from: 2027-01\nprevious: old.yaml\n", "old": ""},
        {"city": "valid_from: 2027-01\nprevious: old.yaml\n", "old": "valid_from: 2026-01\n"},
    ]
    chains = [city, city.alone(), *(load_ruleset(str(written(tmp_path, **files))) for files in contents)]
    assert len({held.chain_identity() for held in chains}) == len(chains)
    assert all(held.chain_identity().startswith("city@") for held in chains)
    assert create_context(city, 0).identity != create_context(city.alone(), 0).identity


# --- differences in words


def test_every_policy_has_words_for_every_value() -> None:
    values: dict[str, Any] = {name: get_args(field.annotation) for name, field in Policies.model_fields.items()}
    for name, allowed in values.items():
        texts = [MEANINGS[name](value) for value in allowed or ((True, False) if DEFAULTS[name] is True else (0, 250))]
        assert len({text.zh for text in texts}) == len({text.en for text in texts}) == len(texts), name
    assert set(MEANINGS) == {*Policies.model_fields, *Ruleset.model_fields} - {"policies", "previous"} | {"chain"}


def test_nothing_differs_exactly_when_the_identities_of_the_chains_are_the_same() -> None:
    rules = default_ruleset()
    city = rules.with_policies(grace_workdays=3)
    chains = [
        rules, city, city.model_copy(update={"name": "city"}), city.model_copy(update={"seed": "x"}), city.following(rules, "2027-01"),
        city.following(rules, "2027-02"), rules.following(rules, "2027-01"), city.following(rules.following(rules, "2026-01"), "2027-01"),
        city.following(rules.following(city, "2026-01"), "2027-01"),
    ]  # fmt: skip
    for one in chains:
        for other in chains:
            assert bool(differences(one, other)) == (one.chain_identity() != other.chain_identity())
            assert len(differences(one, other)) == len(differences(other, one))


def test_differences_are_said_once_for_as_long_as_they_last() -> None:
    rules = default_ruleset()
    short, shorter = rules.with_policies(grace_workdays=3), rules.with_policies(grace_workdays=2)
    old = rules.following(rules, "2026-01")
    new = short.following(shorter.following(rules, "2025-01"), "2026-06")
    found = [(d.since, d.until, d.old, d.new) for d in differences(old, new) if d.field == "grace_workdays"]
    assert found == [("2025-01", "2026-06", 5, 2), ("2026-06", None, 5, 3)]


def test_policies_are_checked_when_changed_in_code() -> None:
    with pytest.raises(ValueError, match="grace_workdays"):
        default_ruleset().with_policies(grace_workdays=-1)
    with pytest.raises(ValueError, match="invented"):
        default_ruleset().with_policies(invented=1)
