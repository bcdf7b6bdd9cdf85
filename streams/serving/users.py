"""The users file: who may see and do what. Tokens are in it as hashes only."""

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from models.identifiers import DepartmentCode
from models.settings import SettingsError
from streams.tokens import has_hash

log = logging.getLogger(__name__)
Role = Literal["viewer", "recorder", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
HEAD = "# Written by `onestop users`. Tokens are not in it, only their SHA-256; a lost one is replaced by a new one.\n"
UserName = Annotated[str, Field(pattern=r"^[^\s:\x00-\x1f\x7f]{1,64}$")]


class User(BaseModel):
    """Who may see and do what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: UserName
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    role: Role = "viewer"
    departments: Annotated[tuple[DepartmentCode, ...], Field(min_length=1)] | None = Field(None, description="only these; none: all")

    def may(self, role: Role) -> bool:
        """Whether the user has a role, or one above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Users(BaseModel):
    """All users of a file."""

    model_config = ConfigDict(extra="forbid")

    users: list[User]

    @field_validator("users")
    @classmethod
    def _one_of_a_name(cls, users: list[User]) -> list[User]:
        names = [user.name for user in users]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} is there twice")
        return users

    def named(self, name: str) -> User | None:
        """The user of a name."""
        return next((user for user in self.users if user.name == name), None)

    def with_token(self, token: str) -> User | None:
        """The user whose token it is. All are compared, so that the time tells nothing."""
        found = [user for user in self.users if has_hash(token, user.token_sha256)]
        return found[0] if found else None


def read_users(path: Path) -> Users:
    """Read a users file.

    Raises:
        SettingsError: there is none, or it holds something else.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Users.model_validate(content)
    except OSError as error:
        advice = "make it with `onestop users add NAME --role admin`"
        raise SettingsError(f"ONESTOP_USERS_FILE={path}: {error.strerror}; {advice}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise SettingsError(f"ONESTOP_USERS_FILE={path}: {where}: {fault['msg']}; mend it, or write it with `onestop users`") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        where = f" at line {error.problem_mark.line + 1}" if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark else ""
        raise SettingsError(f"ONESTOP_USERS_FILE={path}: is not YAML{where}; mend it, or write it with `onestop users`") from None


def write_users(path: Path, users: Users) -> None:
    """Write a users file, whole or not at all; a new one can be read by its owner only.

    Raises:
        OSError: it cannot be written.
    """
    content = {"users": [user.model_dump(mode="json", exclude_none=True) for user in users.users]}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            file.write(HEAD + yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, file.name)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


class UsersFile:
    """The users as the file has them now: whoever is removed is out with the next request."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError when the file cannot be used."""
        self._path = path
        self._stamp = self._look()
        self._users = read_users(path)

    def now(self) -> Users:
        """The users; where a changed file cannot be used, nobody, until it can."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._users = read_users(self._path)
            except SettingsError as error:
                log.error("%s; until then nobody is let in", error)  # noqa: TRY400  # the sentence says it all
                self._users = Users(users=[])
        return self._users

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
