"""`onestop rules`: show, check and compare rulesets."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from models.rulesets import Policies, Ruleset, RulesetError, load_ruleset
from models.rulesets.differences import Difference, differences
from streams.cli.offline import Json, RulesetOption
from streams.cli.support import Exit, fail, output, print_json, say, the_calendar, the_ruleset, the_settings

app = typer.Typer(help="Show, check and compare rulesets.", no_args_is_help=True)
Named = "`default`, or a ruleset file in YAML."


@app.command()
def show(ruleset: RulesetOption = None, json: Json = False) -> Exit:
    """Show a ruleset with what each policy means, and which rulesets hold before it takes effect.

    Example: onestop rules show --ruleset city.yaml
    """
    held = the_ruleset(ruleset)
    identity = held.identity(*_environment())
    if json:
        chain = [{"identity": each.identity(*_environment()), "valid_from": each.valid_from} for each in held.chain()]
        print_json({"identity": identity, "chain_identity": held.chain_identity(*_environment()), "chain": chain, **held.model_dump()})
        return Exit.RIGHT
    console = output()
    for line in (identity, *_chain(held)):
        console.print(f"# {line}", highlight=False)
    head = held.model_dump(exclude={"policies"}, exclude_none=True)
    console.print(yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip(), highlight=False)
    console.print("policies:", highlight=False)
    for name, field in Policies.model_fields.items():
        value = getattr(held.policies, name)
        console.print(f"  # {field.description}\n  {name}: {str(value).lower()}", highlight=False, markup=False, soft_wrap=True)
    return Exit.RIGHT


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A ruleset in YAML.")]) -> Exit:
    """Check a ruleset file, and those of the periods before it: exit 0 and its identity, or 1 and each fault.

    Example: onestop rules check city.yaml
    """
    try:
        held = load_ruleset(str(file))
    except RulesetError as error:
        fail(str(error), Exit.NOT_RIGHT)
    for line in (held.identity(*_environment()), *_chain(held)):
        output().print(line, highlight=False)
    return Exit.RIGHT


def _environment() -> tuple[str, str]:
    return the_settings().timezone, the_calendar().digest


def _chain(held: Ruleset) -> Iterator[str]:
    """A line for each ruleset of a chain, the newest first, and for the whole; none for a ruleset without one before it."""
    until: str | None = None
    members = list(held.chain())
    if len(members) == 1:
        return
    for each in members:
        periods, identity = _periods(each.valid_from, until), each.identity(*_environment())
        yield say(f"{periods}：{identity}", f"{periods}: {identity}")
        until = each.valid_from
    yield say(f"全部：{held.chain_identity(*_environment())}", f"the whole chain: {held.chain_identity(*_environment())}")


def _periods(since: str | None, until: str | None) -> str:
    if since is None:
        return say("所有考核期", "all periods") if until is None else say(f"{until} 以前", f"before {until}")
    if until is None:
        return say(f"{since} 起", f"from {since} on")
    return say(f"{since} 起、{until} 以前", f"from {since} on, before {until}")


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help=Named, metavar="A")],
    new: Annotated[str, typer.Argument(help=Named, metavar="B")],
    json: Json = False,
) -> Exit:
    """Say what ruleset B changes in ruleset A and what that means, period by period: exit 0 when they are the same, else 1.

    Example: onestop rules diff default city.yaml
    """
    found = differences(the_ruleset(old), the_ruleset(new))
    if json:
        for each in found:
            print_json(_fields(each))
    else:
        _print(found)
    return Exit.NOT_RIGHT if found else Exit.RIGHT


def _fields(found: Difference) -> dict[str, Any]:
    before, after = found.meanings
    return {
        "from": found.since, "until": found.until, "field": found.field, "old": found.old, "new": found.new,
        "old_means": before.en, "new_means": after.en,
    }  # fmt: skip


def _print(found: list[Difference]) -> None:
    language = the_settings().lang
    lines = [] if found else [say("两个规则集相同。", "The two rulesets are the same.")]
    for periods, group in groupby(found, key=lambda each: _periods(each.since, each.until)):
        lines.append(say(f"{periods}：", f"{periods}:"))
        for each in group:
            before, after = (text.in_(language) for text in each.meanings)
            values = "" if each.field == "chain" else f" {_value(each.old)} → {_value(each.new)}"
            lines.append(f"  {each.field}{values}")
            lines.append(say(f"    原先：{before}", f"    before: {before}"))
            lines.append(say(f"    改为：{after}", f"    now: {after}"))
    for line in lines:
        output().print(line, highlight=False, markup=False, soft_wrap=True)


def _value(value: Any) -> str:
    return "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
