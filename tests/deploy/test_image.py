"""The image: built from pinned versions with hashes, and holding nothing but the program."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.deploy.tools import DEPLOY, ROOT, passes, tool
from tests.support.kafka import missing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LOCKS = [DEPLOY / "requirements.lock", DEPLOY / "build.lock"]
ENVIRONMENT = {"python_version": "3.12", "sys_platform": "linux", "platform_system": "Linux", "extra": ""}


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _pinned(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+) \\$", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_dockerfile_is_well_written() -> None:
    passes([tool("hadolint"), ROOT / "Dockerfile"])


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_version_is_pinned_by_hashes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_pinned(path)) > 0
    assert all(re.search("--hash=sha256:[0-9a-f]{64}", block) for block in blocks)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_registry_is_named(path: Path) -> None:
    assert not re.search(r"://|index|find-links", path.read_text(encoding="utf-8"))


def test_the_lock_has_what_the_project_asks_for() -> None:
    pinned = _pinned(LOCKS[0])
    for text in _pyproject()["project"]["dependencies"]:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate(ENVIRONMENT):
            name = wanted.name.lower().replace("_", "-")
            assert wanted.specifier.contains(pinned[name]), f"{text} is locked to {pinned[name]}: run `sh deploy/lock.sh`"


def test_the_build_has_what_it_asks_for() -> None:
    for wanted in map(Requirement, _pyproject()["build-system"]["requires"]):
        assert wanted.specifier.contains(_pinned(LOCKS[1])[wanted.name])


def test_only_hashed_wheels_are_installed() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?install (.*)", DOCKERFILE)
    assert len(installs) == 3
    assert all(("--require-hashes" in options and "--only-binary=:all:" in options) or "--no-index" in options for options in installs)


def test_it_is_of_two_stages_and_not_run_by_root() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == ["python:3.12-slim"] * 2
    last = DOCKERFILE.rpartition("FROM ")[2]
    (user,) = re.findall(r"^USER (\S+)", last, re.MULTILINE)
    assert re.fullmatch("[1-9][0-9]+:[1-9][0-9]+", user)


def test_what_is_copied_exists_and_is_not_kept_out() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }  # fmt: skip
    assert copied == let_in
    absent = {source for source in copied if not (ROOT / source).exists()}
    if absent == {"README.md"}:
        missing("README.md is not written yet: until it is, neither the wheel nor the image can be built")
    assert not absent


def test_everything_is_kept_out_but_what_is_named() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert not any(re.search(r"\.env|data", line) for line in lines if line.startswith("!"))
