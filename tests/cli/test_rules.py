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
    assert shown == {"identity": shown["identity"], **default_ruleset().model_dump()}
    (of_settings,) = cli("rules", "show", "--json", RULESET=str(ruleset)).records
    assert of_settings["name"] == "city"


def test_the_identity_is_that_of_the_scores(cli: Cli, ruleset: Path, city_file: Path) -> None:
    (shown,) = cli("rules", "show", "--json", "--ruleset", ruleset).records
    assert cli("rules", "check", ruleset).out.strip() == shown["identity"]
    assert cli("score", city_file, *AS_OF, "--json", "--ruleset", ruleset).records[0]["ruleset"] == shown["identity"]
    assert cli("rules", "check", ruleset, TIMEZONE="UTC").out.strip() != shown["identity"]


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
