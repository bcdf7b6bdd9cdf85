"""`commands.md`: every command with its arguments and options, from the Typer application."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

from docpages.markdown import blocks, code, table
from streams.cli.main import app

OTHER = "Other"
WORDS = {str: "text", int: "whole number", float: "number", Path: "file", bool: ""}


@dataclass(frozen=True)
class Command:
    """A command as it is typed, where `onestop --help` lists it, and its function."""

    name: str
    panel: str
    callback: Callable[..., Any]


@dataclass(frozen=True)
class Parameter:
    """An argument or an option of a command."""

    name: str
    info: ParameterInfo
    kind: Any
    default: Any


def commands(held: typer.Typer = app, before: str = "onestop", panel: str = "") -> Iterator[Command]:
    """All commands of an application, those of its groups too."""
    for command in held.registered_commands:
        if command.callback is not None and not command.hidden:
            name = command.name or command.callback.__name__.rstrip("_").replace("_", "-")
            yield Command(f"{before} {name}", panel or _text(command.rich_help_panel) or OTHER, command.callback)
    for group in held.registered_groups:
        if group.typer_instance is not None and not group.hidden:
            name = _text(group.name) or _text(group.typer_instance.info.name)
            yield from commands(group.typer_instance, f"{before} {name}", panel or _text(group.rich_help_panel) or OTHER)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def sections() -> dict[str, str]:
    """An overview, and the commands by panel."""
    found = sorted(commands(), key=lambda command: command.panel == OTHER)
    panels = dict.fromkeys(command.panel for command in found)
    overview = table(["command", "does"], ([f"[`{c.name}`](#{_anchor(c.name)})", _paragraphs(c)[0]] for c in found))
    text = blocks(blocks([f"## {panel}", *(_command(c) for c in found if c.panel == panel)]) for panel in panels)
    return {"overview": overview, "commands": text}


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _paragraphs(command: Command) -> list[str]:
    return [" ".join(part.split()) for part in (inspect.getdoc(command.callback) or "").split("\n\n")]


def _command(command: Command) -> str:
    held = list(_parameters(command.callback))
    arguments = [p for p in held if isinstance(p.info, ArgumentInfo)]
    options = [p for p in held if isinstance(p.info, OptionInfo)]
    usage = " ".join([command.name, *(["[OPTIONS]"] if options else []), *map(_usage, arguments)])
    does = [_coded(part) for part in _paragraphs(command)]
    rows = [[code(_usage(p)), _value(p), _default(p), p.info.help] for p in arguments]
    rows += [[code(_option(p)), _value(p), _default(p), p.info.help] for p in options]
    return blocks([f"### {command.name}", f"```text\n{usage}\n```", *does, table(["", "value", "default", "meaning"], rows)])


def _coded(paragraph: str) -> str:
    before, example, command = paragraph.partition("Example: ")
    return f"{example}`{command}`" if example and not before else paragraph


def _parameters(callback: Callable[..., Any]) -> Iterator[Parameter]:
    hints = get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        hint = hints[name]
        if get_origin(hint) is Annotated:
            kind, *extras = get_args(hint)
            for info in extras:
                if isinstance(info, ParameterInfo) and not info.hidden:
                    yield Parameter(name, info, kind, parameter.default)


def _usage(parameter: Parameter) -> str:
    name = parameter.info.metavar or parameter.name.upper()
    return name if parameter.default is inspect.Parameter.empty else f"[{name}]"


def _option(parameter: Parameter) -> str:
    # Inside Annotated the first name given lies where the default would be.
    declared = (parameter.info.default, *(parameter.info.param_decls or ()))
    names = ", ".join(name for name in declared if isinstance(name, str) and name.startswith("-"))
    return names.replace("/", ", ") or f"--{parameter.name.replace('_', '-')}"  # a flag with its opposite is declared as --a/--b


def _value(parameter: Parameter) -> str:
    if isinstance(parameter.info, OptionInfo) and parameter.info.metavar:
        return code(parameter.info.metavar)
    info = parameter.info
    bounds = "" if info.min is None and info.max is None else f" {_bounds(info.min, info.max)}"
    return _word(parameter.kind) + bounds


def _word(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_word(part) for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is list:
        return f"{_word(get_args(kind)[0])}, several"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " | ".join(code(member.value) for member in kind)
    if get_args(kind):
        return " | ".join(map(code, get_args(kind)))  # a Literal
    return WORDS[kind]


def _bounds(low: float | None, high: float | None) -> str:
    if high is None:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low is None else f"{low:g}–{high:g}"


def _default(parameter: Parameter) -> str:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return "required"
    return "" if default is None or default is False else code(default)
