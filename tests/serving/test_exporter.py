"""The exporter against the catalogue, promtool, and a Redis that goes away."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from models.instants import parse_instant
from models.records import Recount
from models.settings import Settings, load_settings
from scoring.indicators import INDICATORS
from streams.embedded import EmbeddedRedis
from streams.serving.connection import connect, connect_async
from streams.serving.exporter import ScoreboardCollector, Shard, create_registry
from streams.serving.layout import Layout, stamped
from streams.serving.metrics import METRICS, PREFIX
from streams.serving.read_model import Kept, ReadModel, open_read_model
from streams.serving.writer import Writer
from tests.serving.conftest import StandingClock
from tests.serving.records import BEFORE, HOUR, NOW, PERIOD, SECOND, A, B, beat, interface, score, scores, status, table, total, write

CATALOGUE: dict[str, tuple[str, ...]] = {
    "department_info": ("department", "name"),
    "indicator_points": ("department", "indicator", "period"),
    "indicator_ratio": ("department", "indicator", "period"),
    "indicator_input": ("department", "indicator", "period", "component"),
    "deduction_points": ("department", "indicator", "period"),
    "department_points": ("department", "period"),
    "department_base_points": ("department", "period"),
    "department_rank": ("department", "period"),
    "indicator_override": ("department", "indicator", "period", "reason"),
    "indicator_max_points": ("indicator",),
    "department_last_update_timestamp_seconds": ("department",),
    "period_info": ("period", "state"),
    "period_start_timestamp_seconds": ("period",),
    "cases_received": ("department", "period"),
    "cases_closed": ("department", "period", "outcome"),
    "cases_open": ("department",),
    "cases_overdue": ("department",),
    "cases_due_soon": ("department", "within"),
    "cases_oldest_overdue_deadline_timestamp_seconds": ("department",),
    "requests_open": ("department",),
    "requests_overdue": ("department",),
    "requests_due_soon": ("department", "within"),
    "interface_up": ("department", "interface"),
    "interface_failures": ("department", "interface"),
    "interface_last_change_timestamp_seconds": ("department", "interface"),
    "table_last_update_timestamp_seconds": ("department", "table"),
    "table_next_due_timestamp_seconds": ("department", "table"),
    "recount_mismatches": (),
    "recount_timestamp_seconds": (),
    "table_overdue": ("department", "table"),
    "scoreboard_last_update_timestamp_seconds": (),
    "rulesets_in_force": (),
    "scoreboard_shards": ("shard",),
    "scoreboard_collect_seconds": (),
    "redis_errors_total": (),
    "robot_messages_total": ("robot", "outcome"),
    "build_info": ("version",),
}
RECOUNT = Recount(at="2020-11-10T03:00:00+08:00", seconds=7.5, events=9, records=51, mismatches=2, not_compared=1, differences=[])
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(model: ReadModel, shard: Shard = Shard()) -> Samples:  # noqa: B008  # frozen
    text = ScoreboardCollector(model, shard=shard).text().decode()
    return {(s.name, frozenset(s.labels.items())): s.value for family in parse(text) for s in family.samples}


def of(found: Samples, metric: str, /, **labels: str) -> float | None:
    return found.get((PREFIX + metric, frozenset(labels.items())))


@pytest.fixture
async def full(writer: Writer, layout: Layout, model: ReadModel) -> ReadModel:
    await write(
        writer, layout,
        *scores(A), *scores(B, points="60"), *scores(A, BEFORE, "30", reasons=[]), *scores(A, "2020-09", "20"),
        score("case_aggregation", A, version=2, status="zeroed", points=0, points_exact="0", reasons=["not_docked", "complaint:C7", "period_open"]),
        score("visit_reduction", A, version=2, status="vacuous", numerator="0", denominator="0", points=10, points_exact="10"),
        score("online_depth", B, version=2, status="no_data", numerator="0", denominator="0", points=0, points_exact="0"),
        score("step_reduction", A, version=2, numerator="201/20", denominator="402/20"),
        status(A), status(B, '乙 "quoted"\n\\局', oldest_overdue_due_at=None), interface("JK1"), interface("JK2", up=False), table("KB1"),
        table("KB2", overdue=True, last_update_at=None), beat(0, NOW - 5 * SECOND), beat(1),
    )  # fmt: skip
    model.keep_recount(RECOUNT)
    return model


def test_the_declarations_are_the_catalogue() -> None:
    """Of what other programs build on nothing may be missing, renamed or labelled otherwise."""
    assert {metric.name: metric.labels for metric in METRICS} == CATALOGUE


async def test_what_is_exported_is_what_is_declared(full: ReadModel) -> None:
    declared = {PREFIX + metric.name: frozenset(metric.labels) for metric in METRICS}
    found = samples(full)
    assert {(name, frozenset(label for label, _ in labels)) for name, labels in found} == set(declared.items())


async def test_the_text_is_that_of_prometheus_client(full: ReadModel) -> None:
    collector = ScoreboardCollector(full)
    changing = ("scoreboard_collect_seconds",)

    def lines(text: bytes) -> list[Any]:
        families = [f for f in parse(text.decode()) if not f.name.endswith(changing)]
        return [(f.name, f.type, f.documentation, *((s.name, frozenset(s.labels.items()), s.value) for s in f.samples)) for f in families]

    assert lines(collector.text()) == lines(generate_latest(create_registry(collector)))


async def test_pieces_are_of_so_many_lines(full: ReadModel, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = ScoreboardCollector(full)
    [whole] = collector.pieces()
    monkeypatch.setattr("streams.serving.exporter.LINES_A_PIECE", 10)
    pieces = list(collector.pieces())
    assert len(pieces) > 10
    assert len(b"".join(pieces).splitlines()) == len(whole.splitlines())


async def test_values(full: ReadModel) -> None:
    found = samples(full)
    assert of(found, "indicator_points", department=A, indicator="instant_items", period=PERIOD) == 3.75
    assert of(found, "indicator_ratio", department=A, indicator="step_reduction", period=PERIOD) == 0.5
    assert of(found, "indicator_input", department=A, indicator="step_reduction", period=PERIOD, component="numerator") == 10.05
    assert of(found, "deduction_points", department=A, indicator="overdue_completion", period=PERIOD) == 3.75
    assert of(found, "department_points", department=A, period=BEFORE) == 30
    assert of(found, "department_rank", department=A, period=PERIOD) == 2
    assert of(found, "cases_received", department=A, period=PERIOD) == 12
    assert of(found, "cases_received", department=A, period=BEFORE) == 0
    assert of(found, "cases_closed", department=A, period=PERIOD, outcome="on_time") == 5
    assert of(found, "cases_closed", department=B, period=BEFORE, outcome="overdue") == 0
    assert of(found, "cases_due_soon", department=A, within="72h") == 3
    assert [of(found, "requests_due_soon", department=A, within=within) for within in ("24h", "72h")] == [2, 3]
    assert [of(found, "table_overdue", department=A, table=table) for table in ("KB1", "KB2")] == [0, 1]
    assert of(found, "cases_oldest_overdue_deadline_timestamp_seconds", department=A) == (NOW - 48 * HOUR) / SECOND
    assert of(found, "cases_oldest_overdue_deadline_timestamp_seconds", department=B) is None
    assert of(found, "interface_up", department=A, interface="JK2") == 0
    assert of(found, "interface_failures", department=A, interface="JK2") == 1
    assert of(found, "table_last_update_timestamp_seconds", department=A, table="KB2") is None
    assert of(found, "table_next_due_timestamp_seconds", department=A, table="KB2") == (NOW + HOUR) / SECOND
    assert of(found, "period_info", period=PERIOD, state="open") == 1
    assert of(found, "period_info", period=BEFORE, state="closing") == 1
    assert of(found, "period_start_timestamp_seconds", period=PERIOD) == parse_instant("2020-11-01T00:00:00+08:00") / SECOND
    assert of(found, "scoreboard_last_update_timestamp_seconds") == NOW / SECOND - 5
    assert of(found, "department_last_update_timestamp_seconds", department=A) == NOW / SECOND
    assert of(found, "recount_mismatches") == 2
    assert of(found, "recount_timestamp_seconds") == parse_instant(RECOUNT.at) / SECOND
    assert of(found, "department_info", department=B, name='乙 "quoted"\n\\局') == 1
    for indicator in INDICATORS:
        assert of(found, "indicator_max_points", indicator=indicator.id) == indicator.max_points


def test_no_recount_before_the_first(model: ReadModel) -> None:
    found = samples(model)
    assert of(found, "recount_mismatches") is of(found, "recount_timestamp_seconds") is None
    model.keep_recount(RECOUNT)
    model.keep_recount(RECOUNT.model_copy(update={"mismatches": 0}))
    assert of(samples(model), "recount_mismatches") == 0
    assert model.recount() == RECOUNT.model_copy(update={"mismatches": 0})


async def test_rulesets_of_the_heartbeats_are_counted_and_old_heartbeats_name_none(
    writer: Writer, layout: Layout, model: ReadModel
) -> None:
    for heartbeats, expected in (
        ([beat(0), beat(1)], 0),
        ([beat(0, NOW + SECOND, ruleset="default@1"), beat(1)], 1),
        ([beat(1, NOW + SECOND, ruleset="default@1")], 1),
        ([beat(1, NOW + 2 * SECOND, ruleset="default@2", worker="w2")], 2),
        ([beat(0, NOW + 2 * SECOND, ruleset="default@2")], 1),
    ):
        await write(writer, layout, *heartbeats)
        assert of(samples(model), "rulesets_in_force") == expected


async def test_deductions_are_no_points_and_points_no_deductions(full: ReadModel) -> None:
    by_name = {
        n: {dict(labels).get("indicator") for name, labels in samples(full) if name == PREFIX + n}
        for n in ("indicator_points", "deduction_points")
    }
    assert by_name["deduction_points"] == {i.id for i in INDICATORS if i.deduction}
    assert by_name["indicator_points"] == {i.id for i in INDICATORS if not i.deduction}


async def test_no_sample_where_there_is_no_data(full: ReadModel) -> None:
    mine = {name for name, labels in samples(full) if {("department", B), ("indicator", "online_depth"), ("period", PERIOD)} <= labels}
    assert mine == set()


async def test_no_ratio_without_a_denominator(full: ReadModel) -> None:
    found = samples(full)
    assert of(found, "indicator_ratio", department=A, indicator="visit_reduction", period=PERIOD) is None
    assert of(found, "indicator_input", department=A, indicator="visit_reduction", period=PERIOD, component="denominator") == 0


async def test_overrides_have_kinds_of_reasons_and_no_identifiers(full: ReadModel) -> None:
    found = {(dict(labels)["indicator"], dict(labels)["reason"]) for name, labels in samples(full) if name == f"{PREFIX}indicator_override"}
    assert found == {("case_aggregation", "not_docked"), ("case_aggregation", "complaint"), ("visit_reduction", "vacuous")}


async def test_only_the_current_and_the_previous_period(full: ReadModel, clock: StandingClock) -> None:
    assert {dict(labels)["period"] for _, labels in samples(full) if "period" in dict(labels)} == {PERIOD, BEFORE}
    clock.instant = parse_instant("2020-12-01T00:00:00+08:00")
    found = samples(full)
    assert {dict(labels)["period"] for _, labels in found if "period" in dict(labels)} == {"2020-12", PERIOD}
    assert of(found, "cases_received", department=A, period="2020-12") == 0


async def test_an_empty_read_model(model: ReadModel) -> None:
    found = samples(model)
    assert of(found, "scoreboard_last_update_timestamp_seconds") == 0
    assert of(found, "redis_errors_total") == 0
    assert {dict(labels).get("department") for _, labels in found} == {None}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
async def test_promtool_has_nothing_to_say(full: ReadModel) -> None:
    done = subprocess.run(["promtool", "check", "metrics"], input=ScoreboardCollector(full).text(), capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_openmetrics_is_well_formed(full: ReadModel) -> None:
    families = list(parse_openmetrics(generate_openmetrics(create_registry(ScoreboardCollector(full))).decode()))
    assert {PREFIX + "redis_errors", PREFIX + "period"} <= {family.name for family in families}


async def test_with_redis_down_the_last_values_and_their_true_time() -> None:
    with EmbeddedRedis() as server:
        settings = load_settings(redis_url=server.url, partitions=1)
        client = connect_async(settings)
        await write(Writer(client, Layout("onestop:")), Layout("onestop:"), *scores(A), status(A), beat(0, NOW - 30 * SECOND))
        await client.aclose()
        model = open_read_model(settings, StandingClock())
        collector = ScoreboardCollector(model)
        before = collector.text().decode()
        server.kill()
        after = collector.text().decode()
        model.close()
    changing = ("scoreboard_collect_seconds", "redis_errors_total")
    kept = [line for line in before.splitlines() if not any(name in line for name in changing)]
    assert kept == [line for line in after.splitlines() if not any(name in line for name in changing)]
    assert "govscore_redis_errors_total 0.0" in before
    assert "govscore_redis_errors_total 1.0" in after
    assert [s.value for f in parse(after) for s in f.samples if s.name.endswith("scoreboard_last_update_timestamp_seconds")] == [
        NOW / SECOND - 30
    ]


async def test_redis_that_was_never_there() -> None:
    model = open_read_model(load_settings(redis_url="redis://127.0.0.1:1/0", partitions=1), StandingClock())
    found = samples(model)
    assert of(found, "redis_errors_total") == 1
    assert of(found, "scoreboard_last_update_timestamp_seconds") == 0
    assert of(found, "indicator_max_points", indicator="online_depth") == 5


async def test_with_very_many_departments_only_what_is_wrong(
    writer: Writer, layout: Layout, model: ReadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.serving.exporter.MANY_DEPARTMENTS", 1)
    await write(
        writer,
        layout,
        status(A),
        status(B),
        total(A),
        interface("up"),
        interface("down", up=False),
        table("good"),
        table("bad", overdue=True),
    )
    found = samples(model)
    assert {dict(labels)["interface"] for _, labels in found if "interface" in dict(labels)} == {"down"}
    assert {dict(labels)["table"] for _, labels in found if "table" in dict(labels)} == {"bad"}


async def test_shards_share_the_departments_and_each_says_what_is_of_none(
    full: ReadModel, writer: Writer, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also ranks, states of periods and what is left out of a large city are those of the whole city."""
    monkeypatch.setattr("streams.serving.exporter.MANY_DEPARTMENTS", 5)
    codes = [f"11439900MB{number:07}X" for number in range(7)]
    await write(
        writer,
        layout,
        *(record for place, code in enumerate(codes) for record in scores(code, points=str(50 + place))),
        *map(status, codes),
    )

    def changing(sample: tuple[str, frozenset[tuple[str, str]]]) -> bool:
        return sample[0].endswith(("_scoreboard_shards", "_collect_seconds"))

    def of_departments(found: Samples) -> Samples:
        return {sample: value for sample, value in found.items() if "department" in dict(sample[1])}

    whole, shards = samples(full), [samples(full, Shard(number, 3)) for number in (1, 2, 3)]
    shared = [of_departments(shard) for shard in shards]
    assert all(shared)
    assert sum(map(len, shared)) == len(of_departments(whole))
    assert {sample: value for shard in shared for sample, value in shard.items()} == of_departments(whole)
    for number, shard in enumerate(shards, 1):
        assert of(shard, "scoreboard_shards", shard=str(number)) == 3
        assert {s: v for s, v in (shard.items() - of_departments(shard).items()) if not changing(s)} == {
            s: v for s, v in (whole.items() - of_departments(whole).items()) if not changing(s)
        }


def test_a_department_stays_in_its_shard() -> None:
    """With another assignment, two versions of the program would tell of a department twice, or not at all."""
    codes = ("11439900MBCEU9EF55", "11439900MBBCD28M9B", "11439900MB3G29GR93")
    assert [[n for n in range(1, 5) if Shard(n, 4).has(code)] for code in codes] == [[2], [2], [1]]
    assert all(Shard().has(code) for code in codes)


async def test_a_later_scrape_says_what_a_first_one_says(
    full: ReadModel, writer: Writer, layout: Layout, clock: StandingClock, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens in between, and even where a value is another under the same stamp."""
    collector = ScoreboardCollector(full)
    client = connect(settings)

    def text(some: ScoreboardCollector) -> list[str]:
        return [line for line in some.text().decode().splitlines() if "collect_seconds " not in line]

    seen = [text(collector)]

    def is_told(*expected: str) -> None:
        seen.append(text(collector))
        with closing(open_read_model(settings, clock)) as fresh:
            assert seen[-1] == text(ScoreboardCollector(fresh))
        assert seen[-1] != seen[-2]
        assert set(expected) <= set(seen[-1])

    await write(
        writer, layout, score("visit_reduction", A, version=3, points=2.5), status(B, "丙局", version=9), interface("JK2", version=9)
    )
    is_told(
        f'govscore_indicator_points{{department="{A}",indicator="visit_reduction",period="{PERIOD}"}} 2.5',
        f'govscore_department_info{{department="{B}",name="丙局"}} 1.0',
        f'govscore_interface_up{{department="{A}",interface="JK2"}} 1.0',
    )
    await write(writer, layout, total(A, points="99", version=9))
    is_told(f'govscore_department_rank{{department="{A}",period="{PERIOD}"}} 1.0')
    scores_of, field = layout.scores(PERIOD), f"{A}|visit_reduction"
    value = client.hget(scores_of, field)
    client.hset(scores_of, field, value.replace(b'"points":2.5', b'"points":1.5'))
    is_told(f'govscore_indicator_points{{department="{A}",indicator="visit_reduction",period="{PERIOD}"}} 1.5')
    client.hset(scores_of, field, value[:-1])
    is_told()
    assert not [line for line in seen[-1] if "visit_reduction" in line and PERIOD in line and A in line]
    client.hset(scores_of, field, value)
    is_told()
    client.hdel(scores_of, field, f"{B}|total")
    client.hdel(layout.status, B, f"{A}|interface|JK1")
    is_told()
    monkeypatch.setattr("streams.serving.exporter.MANY_DEPARTMENTS", 0)
    is_told()
    clock.instant = parse_instant("2020-12-01T00:00:00+08:00")
    is_told()
    client.delete(scores_of, layout.status)
    is_told()
    client.close()


def test_only_what_changed_is_read_anew() -> None:
    read: list[str] = []

    def parse(name: str, value: bytes) -> bytes:
        read.append(name)
        if not value:
            raise ValueError("nothing")
        return value

    def value(record: bytes) -> bytes:
        return stamped(1, NOW, record)

    kept = Kept(parse, list)
    assert kept.of({b"b": value(b"1"), b"a": value(b"2"), b"c": value(b"")}) == [b"2", b"1"]
    assert kept.of({b"b": value(b"1"), b"a": value(b"3"), b"c": value(b"")}) == [b"3", b"1"]
    assert kept.of({b"b": value(b"1"), b"d": value(b"4")}) == [b"1", b"4"]
    assert read == ["b", "a", "c", "a", "d"]
