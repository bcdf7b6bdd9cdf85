"""`onestop explain`: the formula with its numbers, and the very cases counted for and against."""

from pathlib import Path
from typing import Annotated

import typer
from redis import RedisError
from rich.table import Table
from rich.text import Text as RichText

from models.explanations import Explanation
from models.settings import SettingsError
from scoring.explaining import explain as explained
from scoring.explaining import points_text, reason_of
from scoring.indicators import BY_ID
from scoring.indicators.base import Indicator
from scoring.local_time import parse_period
from scoring.view import View, scored_periods
from streams.cli.offline import AsOf, Json, RulesetOption, fold_files
from streams.cli.serving import redis_unreachable
from streams.cli.support import Exit, Rejections, fail, is_period, output, print_json, say, the_settings
from streams.serving.workers import NoAnswerError, RefusedQueryError, Workers

SHOWN_ROWS = 200
TRIES = 5


def explain(
    department: Annotated[str, typer.Argument(help="The department's code.")],
    period: Annotated[str, typer.Argument(help="YYYY-MM.")],
    indicator: Annotated[str, typer.Argument(help="The indicator's id, for example licence_generation.")],
    file: Annotated[list[Path] | None, typer.Option("--file", help="From files of events, not live; may be repeated.")] = None,
    as_of: AsOf = None,
    ruleset: RulesetOption = None,
    json: Json = False,
) -> Exit:
    """Explain a score: the formula with its numbers, and every thing counted, what counts against first.

    Live, the worker that owns the department answers; of a closed period the frozen score is explained. With --file and --as-of, files.

    Example: onestop explain 91350100M000100Y43 2020-09 licence_generation
    """
    found = BY_ID.get(indicator) or fail(f"{indicator!r} is not an indicator; the ids are: {', '.join(BY_ID)}")
    if not is_period(period):
        fail(
            f"{department} has no score in {period!r}, which is no month; give one as `onestop score` and `onestop scores` list it",
            Exit.NOT_RIGHT,
        )
    if file:
        rejections = Rejections()
        explanation = _from_files(file, as_of, ruleset, rejections, department, period, found)
        code = rejections.code
    elif as_of is not None or ruleset is not None:
        fail("--as-of and --ruleset go with --file: live, a score holds as of now and under the ruleset of the workers")
    else:
        explanation, code = _live(department, period, indicator), Exit.RIGHT
    print_json(explanation.model_dump()) if json else _print(found, explanation)
    return code


def _from_files(
    file: list[Path], as_of: str | None, ruleset: str | None, rejections: Rejections, department: str, period: str, indicator: Indicator
) -> Explanation:
    city = fold_files(file, as_of, ruleset, rejections)
    held = city.departments.get(department)
    if held is None:
        fail(f"no event of department {department} was read; `onestop score` lists the departments", Exit.NOT_RIGHT)
    if parse_period(period) not in scored_periods(held):
        fail(f"{department} has no score in {period!r}; `onestop score --department {department}` lists its periods", Exit.NOT_RIGHT)
    return explained(indicator, View(held, parse_period(period)))


def _live(department: str, period: str, indicator: str) -> Explanation:
    settings = the_settings()
    try:
        workers = Workers(settings)
        try:
            return _whole(workers, department, period, indicator)
        finally:
            workers.close()
    except RefusedQueryError as error:
        fail(f"{error}; `onestop scores --department {department}` lists what there is", Exit.NOT_RIGHT)
    except NoAnswerError as error:
        fail(str(error), Exit.UNREACHABLE)
    except RedisError as error:
        fail(redis_unreachable(settings, error), Exit.UNREACHABLE)
    except SettingsError as error:
        fail(str(error))


def _whole(workers: Workers, department: str, period: str, indicator: str) -> Explanation:
    """All pages of one score: read again from the first when a fact has changed it in between."""
    for _ in range(TRIES):
        page = first = workers.explain(department, period, indicator)
        rows = first.evidence
        while page.next_cursor is not None and _same(page, first):
            page = workers.explain(department, period, indicator, after=page.next_cursor)
            rows = [*rows, *page.evidence]
        if _same(page, first):
            return page.model_copy(update={"evidence": rows})
    return fail(f"the score of {department} changes faster than its evidence can be read; ask again", Exit.UNREACHABLE)


def _same(page: Explanation, other: Explanation) -> bool:
    return page.counted == other.counted and page.record.model_copy(update={"as_of": other.record.as_of}) == other.record


def _print(indicator: Indicator, explanation: Explanation) -> None:
    console = output()
    language, record = the_settings().lang, explanation.record
    console.print(f"[bold]{indicator.number} {indicator.title.in_(language)}[/bold]  {record.department}  {record.period}  {record.as_of}")
    console.print(f"{indicator.formula}\n{indicator.inputs.in_(language)}")
    verb = say("扣分", "deducted") if indicator.deduction else say("得分", "points")
    numbers = f"{explanation.with_numbers.rpartition('; ')[0]}; {points_text(indicator, record, verb)}"
    console.print(RichText(numbers, style="bold").append(f"  ({', '.join([record.status, *record.reasons])})", "not bold"))
    if explanation.closing is not None:
        console.print(
            say(
                f"考核期已关闭（{explanation.closing}）：以下是关闭时已到达的依据。",
                f"The period is closed ({explanation.closing}): this is what had arrived by then.",
            )
        )
    if explanation.other_ruleset is not None:
        console.print(explanation.other_ruleset[language], style="yellow", markup=False)
    entries, against = explanation.evidence, explanation.counted["against"]
    console.print(say(f"计入 {len(entries)} 项，其中 {against} 项失分。", f"{len(entries)} things counted, {against} of them against."))
    table = Table(pad_edge=False)
    for title in (say("类别", "kind"), "id", "N", "M", say("失分", "costs"), say("原因", "reason"), say("依据", "facts")):
        table.add_column(title)
    for entry in entries[:SHOWN_ROWS]:
        facts = "  ".join(f"{name}={value}" for name, value in entry.details.items())
        identifier = RichText(entry.id, style="red" if entry.counts == "against" else "green")
        zeroes = entry.numerator == entry.denominator == "0"
        reason = reason_of(indicator, against=entry.counts == "against", zeroes=zeroes)
        cells = (entry.numerator, entry.denominator, entry.costs or "", "" if reason is None else reason.in_(language))
        table.add_row(entry.kind, identifier, *cells, RichText(facts))
    console.print(table)
    if len(entries) > SHOWN_ROWS:
        hidden = len(entries) - SHOWN_ROWS
        console.print(say(f"另有 {hidden} 项未显示，--json 输出全部。", f"{hidden} more; --json prints them all."))
