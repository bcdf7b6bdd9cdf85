"""`onestop users`: a token is shown once, and kept as a hash only."""

from pathlib import Path

import pytest

from streams.serving.users import read_users
from streams.tokens import hash_of
from tests.cli.conftest import Cli
from tests.support.builder import D1


def test_a_user_comes_and_goes(cli: Cli, tmp_path: Path) -> None:
    path = str(tmp_path / "users.yaml")
    assert "There are no users yet" in cli("users", "list", USERS_FILE=path).out
    added = cli("users", "add", "zhang", "--role", "recorder", "--department", D1, USERS_FILE=path)
    token = added.out.strip()
    assert len(token) == 43
    assert token not in added.err
    assert token not in Path(path).read_text(encoding="utf-8")
    [user] = read_users(Path(path)).users
    assert (user.name, user.role, user.departments, user.token_sha256) == ("zhang", "recorder", (D1,), hash_of(token))
    assert cli("users", "add", "李四", USERS_FILE=path).out.strip() != token
    cli("users", "add", "zhang", USERS_FILE=path).ends_with_a_sentence(1, "zhang is there already")
    assert cli("users", "list", "--json", USERS_FILE=path).records == [
        {"name": "zhang", "role": "recorder", "departments": [D1]}, {"name": "李四", "role": "viewer"},
    ]  # fmt: skip
    listed = cli("users", "list", USERS_FILE=path).out
    assert "李四" in listed
    assert D1 in listed
    assert cli("users", "remove", "zhang", USERS_FILE=path).code == 0
    assert [user.name for user in read_users(Path(path)).users] == ["李四"]
    cli("users", "remove", "zhang", USERS_FILE=path).ends_with_a_sentence(1, "there is no user zhang")


@pytest.mark.parametrize("name", ["a b", "a:b", "", "x" * 65, "a\nb"])
def test_wrong_names(cli: Cli, tmp_path: Path, name: str) -> None:
    cli("users", "add", name, USERS_FILE=str(tmp_path / "u.yaml")).ends_with_a_sentence(2, "no colon")


def test_wrong_ways(cli: Cli, tmp_path: Path) -> None:
    cli("users", "list").ends_with_a_sentence(2, "ONESTOP_USERS_FILE")
    cli("users", "add", "a", "--department", "x", USERS_FILE=str(tmp_path / "u.yaml")).ends_with_a_sentence(2, "--department")
    cli("users", "add", "a", USERS_FILE=str(tmp_path / "none" / "u.yaml")).ends_with_a_sentence(2, "No such file or directory")
    assert cli("users", "add", "a", "--role", "king", USERS_FILE=str(tmp_path / "u.yaml")).code == 2
    (tmp_path / "u.yaml").write_text("users: [", encoding="utf-8")
    for command in (["list"], ["add", "a"], ["remove", "a"]):
        cli("users", *command, USERS_FILE=str(tmp_path / "u.yaml")).ends_with_a_sentence(2, "is not YAML")
