"""The wire contract, type by type: what `events.md` allows and what it does not, told here once more, as a table."""

import json
from typing import Any

import orjson
import pytest

from models.events import TOPIC_OF_TYPE, Envelope
from models.facts import CODE_OF_TYPE, OWN_FIELDS, to_fact
from models.wire import Rejection, parse_record

D = "91350100M000100Y43"
INDICATORS = (
    "online_depth|instant_items|docking_depth|case_aggregation|time_reduction|material_reduction|visit_reduction|step_reduction|"
    "licence_generation|licence_repair|sharing_timeliness|sharing_validity|data_repair|guide_accuracy|online_experience|"
    "overdue_completion"
)
# A field is `name=kind`, optional with `?`; a kind is one of KINDS or a choice with `|`.
CONTRACT: dict[str, dict[str, str]] = {
    "catalogue": {
        "department.registered": "name=text",
        "department.docking_changed": "docked=bool",
        "item.published": "item=id name=text category=on_application|public_service online_depth=depth case_type=instant|commitment "
        "promised_days=number statutory_days?=positive docking=docking max_visits=number licence_materials=number steps=number "
        "steps_2019?=positive yields_licence=bool",
        "item.retired": "item=id",
    },
    "serials": {"serial.issued": "serial=id item=id is_test?=bool", "serial.voided": "serial=id reason?=text"},
    "cases": {
        "case.accepted": "serial=id item=id acceptance_no=id due_at?=time",
        "case.suspended": "serial=id reason?=text",
        "case.resumed": "serial=id reason?=text",
        "case.completed": "serial=id item=id outcome=granted|refused|withdrawn",
        "case.ingested": "serial=id qc=passed|failed org_code?=id region?=region",
        "case.voided": "serial=id reason?=text",
    },
    "licences": {
        "licence.generated": "licence=id serial=id",
        "licence.dispatched": "licence=id serial=id",
        "licence.voided": "licence=id",
    },
    "quality": {
        "objection.flagged": "objection=id subject=licence|data ref=ref",
        "objection.repaired": "objection=id",
        "objection.passed": "objection=id",
        "objection.appealed": "objection=id reason?=text",
        "objection.appeal_decided": "objection=id upheld=bool",
    },
    "sharing": {
        "request.raised": "request=id requester=department due_at?=time",
        "request.handled": "request=id outcome=granted|refused",
        "request.withdrawn": "request=id",
        "interface.registered": "interface=id name?=text",
        "interface.retired": "interface=id name?=text",
        "interface.failed": "interface=id failure=id planned?=bool",
        "interface.recovered": "interface=id failure=id",
        "table.registered": "table=id name?=text cycle_days=positive first_due_at=time",
        "table.updated": "table=id",
        "table.retired": "table=id",
    },
    "oversight": {
        "complaint.upheld": "complaint=id period=period serial?=id",
        "complaint.reversed": "complaint=id",
        "defect.confirmed": "defect=id serial?=id",
        "defect.cleared": "defect=id",
        "sample.drawn": f"sample=id indicator={INDICATORS} period=period selected=texts tail?=tail",
        "inspection.recorded": "sample=id acceptance_no=id achieved=bool",
        "guide.checked": "check=id item=id period=period errors=number notes?=texts",
        "test.raised": "test=id serial=id item=id",
        "test.disposed": "test=id outcome=id",
        "finding.withdrawn": "ref=ref",
    },
    "periods": {"period.closed": "period=period", "period.reopened": "period=period reason?=text"},
}
ENVELOPE = "event_id=id department=department occurred_at=time source=id schema_version?=version"
NOT_NUMBERS = [True, False, "1", 1.0, 1.5, [], {}, 2**63, 2**70]
NOT_TEXTS = [1, True, 1.5, [], {}, ["x"]]
# kind → good values, bad values (None apart: right exactly where a field is optional)
KINDS: dict[str, tuple[list[Any], list[Any]]] = {
    "text": (["市民政局", "", "x" * 1000], NOT_TEXTS),
    "id": (["x", "证" * 128, "\U00020000" * 128, "e\u0301", " ", "\n"], ["", "x" * 129, *NOT_TEXTS]),
    "ref": (["x", "P/" + "证" * 255], ["", "x" * 258, *NOT_TEXTS]),
    "bool": ([True, False], [0, 1, "true", "false", "", 1.0, []]),
    "number": ([0, 1, 10_000], [-1, 10_001, *NOT_NUMBERS]),
    "positive": ([1, 10_000], [0, -1, 10_001, *NOT_NUMBERS]),
    "depth": ([1, 4, None], [0, 5, *NOT_NUMBERS]),
    "tail": ([0, 99], [-1, 100, *NOT_NUMBERS]),
    "version": ([1], [0, 2, *NOT_NUMBERS]),
    "docking": ([[], ["eform", "serial"], ["serial", "auth", "case_store", "apply", "eform"]], [["x"], [None], "serial", {}, 1, [["serial"]]]),
    "texts": ([[], ["A1", ""]], ["A1", [1], [None], {}, 1]),
    "time": (
        ["2020-09-01T09:30:00+08:00", "2000-01-01T00:00:00+14:00", "2099-12-31T23:59:59.999999999-12:00", "2020-02-29T00:00:00Z"],
        ["2020-09-01", "2020-09-01T09:30:00", "2020-09-01 09:30:00Z", "2021-02-29T00:00:00Z", 1_598_918_400, 1.5, True, "", [], {}],
    ),
    "department": (
        [D, "11439900MBCEU9EF55"],
        [D[:-1] + "4", D.lower(), D + "3", D[:-1], "", "*", "91350100I000100Y43", 91, True, [], {}],
    ),
    "period": (["2000-01", "2099-12"], ["2020-13", "2020-00", "1999-12", "2100-01", "2020-9", "2020-09 ", "2020-09\n", "２０２０-09", 202009, [], {}]),
    "region": (["430100", "430100000000"], ["43010", "4301000", "43010000000", "4301000000000", "４３０１００", "43010x", "", 430100, []]),
}  # fmt: skip


def kind_of(text: str) -> tuple[list[Any], list[Any]]:
    if "|" not in text:
        return KINDS[text]
    choices = text.split("|")
    return choices, ["", choices[0] + " ", choices[0].upper(), "|".join(choices), *NOT_TEXTS]


def fields_of(text: str) -> dict[str, tuple[str, bool]]:
    """Name → kind, optional."""
    pairs = [field.split("=") for field in text.split()]
    return {name.rstrip("?"): (kind, name.endswith("?")) for name, kind in pairs}


TYPES = {name: fields_of(fields) for types in CONTRACT.values() for name, fields in types.items()}
every_type = pytest.mark.parametrize("name", TYPES)


def all_fields(name: str) -> dict[str, tuple[str, bool]]:
    return {**fields_of(ENVELOPE), **TYPES[name]}


def minimal(name: str) -> dict[str, Any]:
    required = {field: kind_of(kind)[0][0] for field, (kind, optional) in all_fields(name).items() if not optional}
    return {"type": name, **required}


def full(name: str) -> dict[str, Any]:
    return {"type": name, **{field: kind_of(kind)[0][-1] for field, (kind, _) in all_fields(name).items()}}


def parsed(content: dict[str, Any]) -> Envelope:
    event = parse_record(orjson.dumps(content))
    assert isinstance(event, Envelope), event
    return event


def refused(raw: bytes) -> Rejection:
    rejection = parse_record(raw)
    assert isinstance(rejection, Rejection), rejection
    return rejection


def test_topics_types_and_fields_are_those_of_the_contract() -> None:
    assert TOPIC_OF_TYPE == {name: topic for topic, types in CONTRACT.items() for name in types}
    assert {name: OWN_FIELDS[code] for name, code in CODE_OF_TYPE.items()} == {name: tuple(fields) for name, fields in TYPES.items()}


@every_type
def test_a_minimal_and_a_full_event_are_accepted(name: str) -> None:
    assert parsed(minimal(name)).type == name
    held = parsed(full(name))
    for field, (kind, _) in TYPES[name].items():
        if kind != "time":
            assert getattr(held, field) == full(name)[field]


@every_type
def test_every_good_value_is_accepted(name: str) -> None:
    for field, (kind, _) in all_fields(name).items():
        for value in kind_of(kind)[0]:
            parsed(minimal(name) | {field: value})


@every_type
def test_every_missing_field_is_named(name: str) -> None:
    for field in minimal(name):
        rejection = refused(orjson.dumps({key: value for key, value in minimal(name).items() if key != field}))
        assert (rejection.reason, rejection.detail) == ("missing_field", f"{field} is missing")


@every_type
def test_every_malformed_field_is_named(name: str) -> None:
    for field, (kind, _) in all_fields(name).items():
        for value in kind_of(kind)[1]:
            if (name.startswith("period."), field, value) == (True, "department", "*"):
                continue
            rejection = refused(json.dumps(minimal(name) | {field: value}).encode())  # orjson writes no integer above 64 bits
            assert rejection.reason == "malformed_field", (field, value)
            assert rejection.detail.startswith(field), (field, value)


@every_type
def test_null_is_absent_where_a_field_is_optional_and_malformed_where_not(name: str) -> None:
    plain = parsed(minimal(name))
    for field, (kind, optional) in all_fields(name).items():
        content = minimal(name) | {field: None}
        if optional:
            assert to_fact(parsed(content)) == to_fact(plain)
        elif None not in kind_of(kind)[0]:
            assert refused(orjson.dumps(content)).reason == "malformed_field"


@every_type
def test_only_period_events_may_be_for_every_department(name: str) -> None:
    content = minimal(name) | {"department": "*"}
    if name.startswith("period."):
        assert parsed(content).department == "*"
    else:
        assert refused(orjson.dumps(content)).reason == "malformed_field"


def test_a_rejection_names_the_source_where_it_can_be_read() -> None:
    content = minimal("item.retired") | {"item": "", "source": "市平台"}
    assert refused(orjson.dumps(content)).source == "市平台"
    assert refused(orjson.dumps(content | {"source": 5})).source is None
    assert refused(orjson.dumps({"source": "s", "type": "item.invented"})).source == "s"
