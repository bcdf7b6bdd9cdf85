"""`onestop sample`: drawing samples, drawing them again to compare, and how far they are."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from models.facts import AT, CODE, CODE_OF_TYPE, DEPARTMENT, EVENT_ID, Fact, field_of
from models.instants import MILLISECOND, format_instant
from models.records import SampleState
from models.settings import Settings
from scoring.city import City
from scoring.department import Department
from scoring.indicators import BY_ID
from scoring.local_time import local_time, parse_period, period_label
from scoring.samples_state import sample_states
from scoring.sampling import Draw, draw
from streams.cli.broker import reaching_kafka
from streams.cli.facts import reading_facts, telling_progress
from streams.cli.offline import DepartmentOption, Json, fold_files
from streams.cli.support import (
    By,
    Exit,
    Rejections,
    check_department,
    check_period,
    context_at,
    fail,
    output,
    print_json,
    printable,
    say,
    the_settings,
    the_user,
    the_zone,
)
from streams.clock import SystemClock
from streams.reading import LogReader
from streams.recording import Person, recording
from streams.replay import Advance, cities, facts, not_taken_in
from streams.topics import CHANGELOG

app = typer.Typer(help="Samples: cases to inspect, items to check and to test.", no_args_is_help=True)
DRAWN = CODE_OF_TYPE["sample.drawn"]
WAIT_SECONDS = 60.0
Sampled = Literal["visit_reduction", "guide_accuracy", "online_experience"]
PeriodOf = Annotated[str, typer.Option("--period", help="YYYY-MM.")]


class NothingDrawnError(Exception):
    """A department has no sample to draw; the text says why."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A department's sample, drawn."""

    department: str
    name: str
    indicator: str
    period: str
    held: Draw

    @property
    def sample(self) -> str:
        """The sample's id: there is one of a department, indicator and period, also where two people draw it at once."""
        return f"{self.indicator}-{self.period}-{self.department}"

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the event `sample.drawn`."""
        drawn = {"sample": self.sample, "indicator": self.indicator, "period": self.period, "selected": self.held.selected}
        return drawn if self.held.tail is None else drawn | {"tail": self.held.tail}


@app.command("draw")
def draw_samples(
    period: PeriodOf,
    indicator: Annotated[Sampled, typer.Option("--indicator", help="Cases to inspect (7), guides to check (14), items to test (15).")],
    department: DepartmentOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be drawn now; record nothing.")] = False,
    file: Annotated[
        list[Path] | None, typer.Option("--file", help="Draw from files of events instead, to repeat a draw; records nothing.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="With --file: the instant of the draw, RFC 3339.", metavar="T")] = None,
    by: By = None,
    json: Json = False,
) -> Exit:
    """Draw the samples of a month, one for each department, and record them; a sample is never drawn again.

    The draw follows from the log alone: `onestop sample check` repeats it, and so does anyone who has the events, with --file and --as-of.
    Departments whose sample is drawn already, or that give nothing to draw, are named on stderr, left out, and make the exit code 1.

    Example: onestop sample draw --period 2020-09 --indicator visit_reduction
    """
    check_period(period)
    check_department(department)
    settings = the_settings()
    rejections = Rejections()
    drawn: list[Drawn] = []
    if file:
        held = fold_files(file, as_of, None, rejections)
        instant = held.context.now
        refused = _draw_all([held], period, indicator, department, drawn, again=True)
    else:
        if as_of is not None:
            fail("--as-of is the instant of a draw from files: give the files with --file; a live draw is as of now")
        user, instant = the_user(by), SystemClock().now() // MILLISECOND * MILLISECOND
        if period > period_label(local_time(settings.timezone).period_of(instant)):
            fail(say(f"{period} 尚未开始", f"{period} has not begun: give a month up to the present one"), Exit.NOT_RIGHT)
        with _reading(settings, whole=True) as (reader, advance):
            context = context_at(instant)
            found = cities(reader, lambda: context, advance, arrived_before=instant)
            refused = _draw_all(found, period, indicator, department, drawn, again=False)
        if drawn and not dry_run:
            _record(settings, user, instant, drawn)
    for each in drawn:
        if json:
            said = {"department": each.department, **each.fields, "occurred_at": format_instant(instant, the_zone())}
            print_json(said | {"recorded": not (dry_run or file)})
    if not json:
        _print_drawn(drawn, instant, recorded=not (dry_run or file))
    return Exit.NOT_RIGHT if refused else rejections.code


@contextmanager
def _reading(settings: Settings, *, whole: bool = False) -> Iterator[tuple[LogReader, Advance]]:
    """A reader of the changelog; `whole`: once all that has arrived is in it. Errors end the command with a sentence."""
    with reading_facts(settings) as reader:
        left = not_taken_in(settings, reader, WAIT_SECONDS) if whole else 0
        if left:
            fail(
                say(
                    f"有 {left} 条已到达的记录 worker 尚未处理，现在抽取无法复核；请看 `onestop doctor`，稍后再试",
                    f"{left} records have arrived that the workers have not taken in, and a draw without them could not be "
                    "repeated: see `onestop doctor`, and try again later",
                ),
                Exit.NOT_RIGHT,
            )
        with telling_progress(reader) as advance:
            yield reader, advance


def _draw_all(found: Iterable[City], period: str, indicator: str, only: str | None, drawn: list[Drawn], *, again: bool) -> int:
    """Draw for each department; how many were refused, which are named on stderr. `again`: also what is drawn already."""
    refused, seen = 0, False
    for city in found:
        for code, held in city.departments.items():
            if only not in (None, code):
                continue
            seen = True
            try:
                drawn.append(_draw(held, period, indicator, again=again))
            except NothingDrawnError as error:
                refused += 1
                sys.stderr.write(f"{error}\n")
    if not seen:
        whose = "" if only is None else f" {only} "
        fail(say(f"没有{whose}的事件，无可抽取", f"no event{whose and ' of' + whose} has been read: nothing to draw from"), Exit.NOT_RIGHT)
    drawn.sort(key=lambda each: each.department)
    return refused


def _draw(held: Department, period: str, indicator: str, *, again: bool) -> Drawn:
    if again:
        held.samples_of.pop((indicator, period), None)
    try:
        found = draw(held, parse_period(period), indicator)
    except ValueError as error:
        raise NothingDrawnError(str(error)) from None
    if not found.selected:
        raise NothingDrawnError(
            say(
                f"{held.code}（{printable(held.name)}）{period} 没有可抽取的对象",
                f"{held.code} ({printable(held.name)}) has nothing to draw from in {period}",
            )
        )
    return Drawn(held.code, held.name, indicator, period, found)


def _record(settings: Settings, user: str, instant: int, drawn: list[Drawn]) -> None:
    with reaching_kafka(settings), recording(settings, Person(user, "command", "onestop sample draw")) as recorder:
        for each in drawn:
            recorder.event("sample.drawn", each.department, each.sample, each.fields, at=instant)


def _print_drawn(drawn: list[Drawn], instant: int, *, recorded: bool) -> None:
    table = Table(pad_edge=False)
    for title in (say("部门", "department"), say("名称", "name"), say("样本", "sample"), say("尾号", "tail"), say("抽中", "selected")):
        table.add_column(title, overflow="fold")
    for each in drawn:
        tail = "" if each.held.tail is None else f"{each.held.tail:02d}"
        selected = ", ".join(map(printable, each.held.selected))
        table.add_row(*map(escape, (each.department, printable(each.name), each.sample, tail, selected)))
    if drawn:
        output().print(table)
    at = format_instant(instant, the_zone())
    done = say("已记录", "recorded") if recorded else say("未记录", "not recorded")
    output().print(say(f"截至 {at} 抽取样本 {len(drawn)} 个，{done}。", f"{len(drawn)} samples drawn as of {at}, {done}."), highlight=False)


@app.command("list")
def list_samples(period: PeriodOf, department: DepartmentOption = None, json: Json = False) -> Exit:
    """List the samples of a month, with how much of each has not been recorded yet.

    Example: onestop sample list --period 2020-09
    """
    check_period(period)
    check_department(department)
    settings = the_settings()
    found: list[tuple[str, SampleState]] = []
    with _reading(settings) as (reader, advance):
        context = context_at(SystemClock().now())
        for city in cities(reader, lambda: context, advance):
            held = [each for code, each in city.departments.items() if department in (None, code)]
            found += [(each.name, state) for each in held for state in sample_states(each, period)]
    found.sort(key=lambda entry: (BY_ID[entry[1].indicator].number, entry[1].department))
    if json:
        for _, state in found:
            print_json(state.model_dump(exclude_none=True))
        return Exit.RIGHT
    table = Table(pad_edge=False)
    titles = (
        say("样本", "sample"),
        say("部门", "department"),
        say("抽取时间", "drawn"),
        say("抽中", "selected"),
        say("未完成", "outstanding"),
    )
    for title in titles:
        table.add_column(title, overflow="fold")
    for name, state in found:
        waits = ", ".join(printable(thing.id) for thing in state.things if thing.outstanding)
        cells = (printable(state.sample), printable(name), state.drawn_at, str(len(state.things)), f"{state.outstanding}  {waits}".rstrip())
        table.add_row(*map(escape, cells))
    output().print(table if found else say("还没有样本。", "There are no samples yet."))
    return Exit.RIGHT


@app.command()
def check(
    sample: Annotated[str | None, typer.Argument(help="A sample's id; without it all of the options.", metavar="SAMPLE")] = None,
    period: Annotated[str | None, typer.Option("--period", help="Only samples of this period, YYYY-MM.")] = None,
    indicator: Annotated[Sampled | None, typer.Option("--indicator", help="Only samples of this indicator.")] = None,
    department: DepartmentOption = None,
    json: Json = False,
) -> Exit:
    """Draw samples again from the log, from what had arrived by the draw, and say whether the same comes out; exit 1 when any differs.

    Example: onestop sample check visit_reduction-2020-09-91350100M000100Y43
    """
    check_period(period)
    check_department(department)
    if sample is None and period is None:
        fail("say which: a sample's id, or --period; for example onestop sample check --period 2020-09")
    settings = the_settings()

    def asked_for(fact: Fact) -> bool:
        return (
            fact[CODE] == DRAWN
            and sample in (None, field_of(fact, "sample"))
            and period in (None, field_of(fact, "period"))
            and indicator in (None, field_of(fact, "indicator"))
            and department in (None, fact[DEPARTMENT])
        )

    seen = differing = 0
    with _reading(settings) as (reader, advance):
        for number in reader.partitions(CHANGELOG):
            for drawn, before in _before_draws(settings, reader, number, asked_for, advance):
                seen += 1
                differing += not _say_same(drawn, before, json=json)
    if not seen:
        fail(say("日志中没有这样的样本", "the log has no such sample: `onestop sample list` says which there are"), Exit.NOT_RIGHT)
    return Exit.NOT_RIGHT if differing else Exit.RIGHT


def _before_draws(
    settings: Settings, reader: LogReader, number: int, asked_for: Callable[[Fact], bool], advance: Advance
) -> list[tuple[Fact, City]]:
    """The draws of a partition that are asked for, each with what had arrived by it."""
    found = sorted((fact for _, fact in facts(reader, number, advance) if asked_for(fact)), key=lambda fact: (fact[AT], fact[EVENT_ID]))
    wanted: dict[str, dict[str, tuple[Fact, City]]] = {}  # by department and sample; of an id the first holds
    for fact in found:
        wanted.setdefault(fact[DEPARTMENT], {}).setdefault(field_of(fact, "sample"), (fact, City(context_at(fact[AT]))))
    if not wanted:
        return []
    reader.rewind(CHANGELOG, number)
    for arrived, fact in facts(reader, number):
        for drawn, before in wanted.get(fact[DEPARTMENT], {}).values():
            if arrived < drawn[AT]:
                before.take(fact)
    held = [entry for samples in wanted.values() for entry in samples.values()]
    for _, before in held:
        before.settle()
    return held


def _say_same(fact: Fact, city: City, *, json: bool) -> bool:
    """Whether the draw gives again what was recorded; says so."""
    sample, indicator, period, selected, tail = (field_of(fact, name) for name in ("sample", "indicator", "period", "selected", "tail"))
    try:
        again: Draw | None = draw(city.department(fact[DEPARTMENT]), parse_period(period), indicator)
        fault = ""
    except ValueError as error:
        again, fault = None, str(error)
    same = again == Draw(list(selected), tail)
    if json:
        recorded = {"selected": list(selected), "tail": tail}
        drawn = None if again is None else {"selected": again.selected, "tail": again.tail}
        said = {"sample": sample, "department": fact[DEPARTMENT], "drawn_at": format_instant(fact[AT], the_zone())}
        print_json(said | {"same": same, "recorded": recorded, "drawn": drawn})
        return same
    named = printable(sample)
    if same:
        line = say(f"{named}：再次抽取结果相同（{len(selected)} 个）", f"{named}: the same {len(selected)} come out")
    else:
        other = (
            fault
            or f"{', '.join(again.selected if again else []) or '–'}{'' if again is None or again.tail is None else f' ({again.tail:02d})'}"
        )
        held = f"{', '.join(selected)}{'' if tail is None else f' ({tail:02d})'}"
        line = say(
            f"{named}：不同。记录的是 {printable(held)}；再次抽取：{printable(other)}",
            f"{named}: not the same. Recorded: {printable(held)}; drawn again: {printable(other)}",
        )
    output().print(line, markup=False, highlight=False, soft_wrap=True)
    return same
