"""`onestop rules`: what is shown can be checked, and what is wrong is named."""

from pathlib import Path

import pytest
import yaml

from models.rulesets import Policies, default_ruleset
from tests.cli.conftest import AS_OF, Cli

CITY = "name: city\nseed: city-2026\npolicies: {grace_workdays: 3, zero_denominator: na}\n"


@pytest.fixture
def ruleset(tmp_path: Path) -> Path:
    path = tmp_path / "city.yaml"
    path.write_text(CITY, encoding="utf-8")
    return path


def test_show_explains_every_policy_and_is_itself_a_ruleset(cli: Cli, ruleset: Path, tmp_path: Path) -> None:
    shown = cli("rules", "show", "--ruleset", ruleset)
    assert (shown.code, shown.err) == (0, "")
    for name, field in Policies.model_fields.items():
        assert f"  # {field.description}\n  {name}: " in shown.out
    assert yaml.safe_load(shown.out)["policies"] == {**Policies().model_dump(), "grace_workdays": 3, "zero_denominator": "na"}
    again = tmp_path / "again.yaml"
    again.write_text(shown.out, encoding="utf-8")
    assert cli("rules", "check", again).out == cli("rules", "check", ruleset).out


def test_show_as_json(cli: Cli, ruleset: Path) -> None:
    (shown,) = cli("rules", "show", "--json").records
    identity = shown["identity"]
    chain = {"chain_identity": identity, "chain": [{"identity": identity, "valid_from": None}]}
    assert shown == {"identity": identity, **chain, **default_ruleset().model_dump()}
    (of_settings,) = cli("rules", "show", "--json", RULESET=str(ruleset)).records
    assert of_settings["name"] == "city"


def test_the_identity_is_that_of_the_scores(cli: Cli, ruleset: Path, city_file: Path) -> None:
    (shown,) = cli("rules", "show", "--json", "--ruleset", ruleset).records
    assert cli("rules", "check", ruleset).out.strip() == shown["identity"]
    assert cli("score", city_file, *AS_OF, "--json", "--ruleset", ruleset).records[0]["ruleset"] == shown["identity"]
    assert cli("rules", "check", ruleset, TIMEZONE="UTC").out.strip() != shown["identity"]


@pytest.fixture
def chained(ruleset: Path) -> Path:
    """A ruleset that takes effect after that of the city."""
    path = ruleset.parent / "next.yaml"
    text = "name: next\nseed: city-2026\nvalid_from: 2020-09\nprevious: city.yaml\npolicies: {grace_workdays: 4, zero_denominator: na}\n"
    path.write_text(text, encoding="utf-8")
    return path


def test_show_and_check_show_the_chain(cli: Cli, ruleset: Path, chained: Path) -> None:
    first = cli("rules", "check", ruleset).out.strip()
    own, *chain = cli("rules", "check", chained).out.splitlines()
    assert chain[:2] == [f"from 2020-09 on: {own}", f"before 2020-09: {first}"]
    assert chain[2].startswith("the whole chain: next@")
    (shown,) = cli("rules", "show", "--json", "--ruleset", chained).records
    assert shown["chain"] == [{"identity": own, "valid_from": "2020-09"}, {"identity": first, "valid_from": None}]
    assert chain[2].endswith(shown["chain_identity"])
    text = cli("rules", "show", "--ruleset", chained).out
    assert [f"# {line}" for line in (own, *chain)] == text.splitlines()[:4]
    again = chained.parent / "again.yaml"
    again.write_text(text, encoding="utf-8")
    assert cli("rules", "check", again).out.splitlines() == [own, *chain]
    assert "2020-09 以前：" in cli("rules", "check", chained, LANG="zh").out


def test_records_name_the_ruleset_of_their_period(cli: Cli, ruleset: Path, chained: Path, city_file: Path) -> None:
    first, own = cli("rules", "check", ruleset).out.strip(), cli("rules", "check", chained).out.splitlines()[0]
    named = {(r["period"], r["ruleset"]) for r in cli("score", city_file, *AS_OF, "--json", "--ruleset", chained).records}
    assert named == {("2020-08", first), ("2020-09", own), ("2020-10", own), ("2020-11", own)}


def test_check_names_the_fault_of_a_chain(cli: Cli, ruleset: Path, chained: Path) -> None:
    ruleset.unlink()
    cli("rules", "check", chained).ends_with_a_sentence(
        1, f"ruleset {chained}: previous: {ruleset} cannot be read", "for example `previous: default`"
    )


def test_diff_of_the_same(cli: Cli, ruleset: Path) -> None:
    for name in ("default", ruleset):
        assert (cli("rules", "diff", name, name).code, cli("rules", "diff", name, name, "--json").out) == (0, "")
    assert cli("rules", "diff", "default", "default").out == "The two rulesets are the same.\n"


def test_diff_says_what_changed_and_what_it_means(cli: Cli, ruleset: Path, chained: Path) -> None:
    result = cli("rules", "diff", "default", ruleset)
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines()[0] == "all periods:"
    for part in (
        "name default → city", "seed onestop → city-2026", "grace_workdays 5 → 3", "zero_denominator full → na",
        "before: a period closes at the end of workday 5 after", "now: a period closes at the end of workday 3 after",
    ):  # fmt: skip
        assert part in result.out
    assert "aggregation" not in result.out
    chinese = cli("rules", "diff", "default", ruleset, LANG="zh").out
    assert "改为：考核期在月末后第 3 个工作日结束时关闭" in chinese
    later = cli("rules", "diff", ruleset, chained)
    assert later.code == 1
    assert [line for line in later.out.splitlines() if not line.startswith(" ")] == ["from 2020-09 on:", "all periods:"]
    assert "grace_workdays 3 → 4" in later.out
    assert "valid_from – → 2020-09" in later.out
    assert "now: in force one after the other: city, next (2020-09…)" in later.out


def test_diff_as_json(cli: Cli, ruleset: Path, chained: Path) -> None:
    records = cli("rules", "diff", "default", chained, "--json").records
    found = {(r["field"], r["from"], r["until"]): (r["old"], r["new"]) for r in records}
    assert found == {
        ("name", None, "2020-09"): ("default", "city"),
        ("name", "2020-09", None): ("default", "next"),
        ("seed", None, "2020-09"): ("onestop", "city-2026"),
        ("seed", "2020-09", None): ("onestop", "city-2026"),
        ("zero_denominator", None, "2020-09"): ("full", "na"),
        ("zero_denominator", "2020-09", None): ("full", "na"),
        ("grace_workdays", None, "2020-09"): (5, 3),
        ("grace_workdays", "2020-09", None): (5, 4),
        ("valid_from", None, None): (None, "2020-09"),
        ("chain", None, None): (["default"], ["city", "next (2020-09…)"]),
    }
    assert cli("rules", "diff", "default", chained, "--json", LANG="zh").records == records


def test_diff_of_what_is_no_ruleset_is_no_difference(cli: Cli, tmp_path: Path) -> None:
    cli("rules", "diff", "default", tmp_path / "none.yaml").ends_with_a_sentence(2, "none.yaml", "give a YAML file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CITY.replace(": 3", ": -3"), "policies.grace_workdays"),
        (CITY.replace(": na", ": half"), "for example `zero_denominator: full`"),
        (CITY.replace("seed:", "sed:"), "seed: "),
        ("name: [", "not YAML"),
        ("", "should be a mapping"),
        ("name: 2020-13-45\nseed: x", "city.yaml"),
        ("name: " + "[" * 5_000, "city.yaml"),
    ],
)
def test_check_names_the_fault(cli: Cli, ruleset: Path, content: str, said: str) -> None:
    ruleset.write_text(content, encoding="utf-8")
    cli("rules", "check", ruleset).ends_with_a_sentence(1, f"ruleset {ruleset}", said)
    cli("rules", "show", "--ruleset", ruleset).ends_with_a_sentence(2, f"ruleset {ruleset}", said)


def test_check_of_what_is_no_file(cli: Cli, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        cli("rules", "check", path).ends_with_a_sentence(1, "cannot be read", "give a YAML file")
