"""`onestop rules`: show and check rulesets."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from models.rulesets import Policies, RulesetError, load_ruleset
from streams.cli.offline import Json, RulesetOption
from streams.cli.support import Exit, fail, output, print_json, the_calendar, the_ruleset, the_settings

app = typer.Typer(help="Show and check rulesets.", no_args_is_help=True)


@app.command()
def show(ruleset: RulesetOption = None, json: Json = False) -> Exit:
    """Show a ruleset with what each policy means.

    Example: onestop rules show --ruleset city.yaml
    """
    held = the_ruleset(ruleset)
    identity = held.identity(the_settings().timezone, the_calendar().digest)
    if json:
        print_json({"identity": identity, **held.model_dump()})
        return Exit.RIGHT
    console = output()
    console.print(f"# {identity}", highlight=False)
    console.print(yaml.safe_dump(held.model_dump(include={"name", "seed"}), sort_keys=False, allow_unicode=True).strip(), highlight=False)
    console.print("policies:", highlight=False)
    for name, field in Policies.model_fields.items():
        value = getattr(held.policies, name)
        console.print(f"  # {field.description}\n  {name}: {str(value).lower()}", highlight=False, markup=False, soft_wrap=True)
    return Exit.RIGHT


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A ruleset in YAML.")]) -> Exit:
    """Check a ruleset file: exit 0 and its identity, or 1 and each fault.

    Example: onestop rules check city.yaml
    """
    try:
        held = load_ruleset(str(file))
    except RulesetError as error:
        fail(str(error), Exit.NOT_RIGHT)
    output().print(held.identity(the_settings().timezone, the_calendar().digest), highlight=False)
    return Exit.RIGHT
