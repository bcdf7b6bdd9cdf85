"""`onestop users`: who may see and do what in the web server."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from models.settings import SettingsError
from streams.cli.offline import Json
from streams.cli.support import Exit, check_department, errors, fail, output, print_json, say, the_settings
from streams.serving.users import Role, User, UserName, Users, read_users, write_users
from streams.tokens import hash_of, new_token

app = typer.Typer(help="Who may see and do what in the web server.", no_args_is_help=True)


def _path() -> Path:
    path = the_settings().users_file
    if path is None:
        fail(
            say(
                "请用 ONESTOP_USERS_FILE 指明用户文件，例如 ONESTOP_USERS_FILE=users.yaml",
                "name the users file with ONESTOP_USERS_FILE, for example ONESTOP_USERS_FILE=users.yaml",
            )
        )
    return path


def _held(path: Path) -> Users:
    try:
        return read_users(path) if path.exists() else Users(users=[])
    except SettingsError as error:
        fail(str(error))


def _write(path: Path, users: Users) -> None:
    try:
        write_users(path, users)
    except OSError as error:
        fail(f"ONESTOP_USERS_FILE={path}: {error.strerror}; name a file in a directory that can be written")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="How the user signs in: no spaces, no colon.")],
    role: Annotated[Role, typer.Option("--role", help="A viewer looks, a recorder also records, an admin does everything.")] = "viewer",
    department: Annotated[list[str] | None, typer.Option("--department", help="See only this one; several. Without it: all.")] = None,
) -> Exit:
    """Add a user and print the token, this once; only its hash is kept.

    Example: onestop users add zhang --role viewer --department 91350100M000100Y43
    """
    for code in department or []:
        check_department(code)
    try:
        TypeAdapter(UserName).validate_python(name)
    except ValidationError:
        fail(say(f"{name!r}：用户名最多 64 个字符，不含空格与冒号", f"{name!r}: a name has at most 64 characters, no spaces and no colon"))
    path = _path()
    held = _held(path)
    if held.named(name) is not None:
        fail(
            say(f"{name} 已存在；如需换令牌，先 onestop users remove {name}", f"{name} is there already; for a new token remove it first"),
            Exit.NOT_RIGHT,
        )
    token = new_token()
    user = User(name=name, token_sha256=hash_of(token), role=role, departments=tuple(department) if department else None)
    _write(path, Users(users=[*held.users, user]))
    output().print(token, markup=False, soft_wrap=True)
    told = (
        f"{name} 的令牌如上，只显示这一次；网页登录时作为密码。",
        f"The token of {name}, shown this once; in a browser it is the password.",
    )
    errors.print(say(*told), markup=False)
    return Exit.RIGHT


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The user's name.")]) -> Exit:
    """Remove a user: the token is refused from the next request on.

    Example: onestop users remove zhang
    """
    path = _path()
    held = _held(path)
    if held.named(name) is None:
        fail(say(f"没有用户 {name}", f"there is no user {name}; `onestop users list` lists them"), Exit.NOT_RIGHT)
    _write(path, Users(users=[user for user in held.users if user.name != name]))
    return Exit.RIGHT


@app.command("list")
def list_users(json: Json = False) -> Exit:
    """List the users.

    Example: onestop users list
    """
    users = _held(_path()).users
    if json:
        for user in users:
            print_json(user.model_dump(exclude={"token_sha256"}, exclude_none=True))
        return Exit.RIGHT
    table = Table(pad_edge=False)
    for title in (say("用户", "user"), say("角色", "role"), say("部门", "departments")):
        table.add_column(title)
    for user in users:
        table.add_row(user.name, user.role, ", ".join(user.departments or [say("全部", "all")]))
    output().print(table if users else say("还没有用户。", "There are no users yet."))
    return Exit.RIGHT
