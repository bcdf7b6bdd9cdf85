"""The folds: what each type of event does to the entities of its department. Each commutes and is idempotent."""

from collections.abc import Callable
from sys import intern

from models.facts import AT, CODE, CODE_OF_TYPE, EVENT_ID, Fact
from scoring.department import Department
from scoring.entities.base import earliest
from scoring.entities.case import Case
from scoring.entities.item import Item
from scoring.entities.oversight import Complaint, Defect, GuideCheck, Sample, Test
from scoring.entities.quality import Objection
from scoring.entities.sharing import Failure, Interface, Request, Table
from scoring.entities.stations import Accepted, Completed, Generated, Issued, LicenceVoided, Passed, Voided, precedes

Fold = Callable[[Department, Fact], None]
# By the code of the fact. `period.*` facts are no entity's and have none.
FOLDS: dict[int, Fold] = {}


def _on(*types: str) -> Callable[[Fold], Fold]:
    def register(function: Fold) -> Fold:
        for name in types:
            FOLDS[CODE_OF_TYPE[name]] = function
        return function

    return register


def _looked_up_from(department: Department, fact: Fact) -> None:
    """What indicators look up by the cut-off (docking, an item's figures) has changed from the fact's period on."""
    department.changes.note_everything(department.context.time.period_of(fact[AT]))


@_on("department.registered")
def _department_registered(department: Department, fact: Fact) -> None:
    department.names.add(fact)


@_on("department.docking_changed")
def _docking_changed(department: Department, fact: Fact) -> None:
    department.docking.add(fact)
    _looked_up_from(department, fact)


@_on("item.published")
def _item_published(department: Department, fact: Fact) -> None:
    item = department.entity(department.items, Item, fact[4])
    if item.last_acceptance >= fact[AT]:
        # Dated back: the cases accepted under it since have another promised time now.
        for case in item.cases:
            if case.accepted is not None and case.accepted.at >= fact[AT]:
                department.touch(case)
    item.add(fact)
    _looked_up_from(department, fact)
    if department.first_published_at is None or fact[AT] < department.first_published_at:
        department.first_published_at = fact[AT]


@_on("item.retired")
def _item_retired(department: Department, fact: Fact) -> None:
    department.entity(department.items, Item, fact[4]).add(fact)


def _case(department: Department, serial: str) -> Case:
    return department.entity(department.cases, Case, serial)


def _touch_tests(department: Department, case: Case) -> None:
    for test in case.tests or ():
        department.touch(department.tests[test])


@_on("serial.issued")
def _serial_issued(department: Department, fact: Fact) -> None:
    case = _case(department, fact[4])
    if precedes(fact, case.issued):
        case.issued = Issued(fact[AT], fact[EVENT_ID], intern(fact[5]), fact[6])


@_on("serial.voided", "case.voided")
def _voided(department: Department, fact: Fact) -> None:
    case = _case(department, fact[4])
    _touch_tests(department, case)
    if precedes(fact, case.voided):
        case.voided = Voided(fact[AT], fact[EVENT_ID], fact[CODE])


@_on("case.accepted")
def _case_accepted(department: Department, fact: Fact) -> None:
    case = _case(department, fact[4])
    if not precedes(fact, case.accepted):
        return
    case.accepted = Accepted(fact[AT], fact[EVENT_ID], intern(fact[5]), fact[6], fact[7], department.code)
    if fact[7] is None:
        item = department.items.get(fact[5])
        if item is None:
            item = department.entity(department.items, Item, fact[5])
        item.cases.append(case)
        item.last_acceptance = max(item.last_acceptance, fact[AT])


@_on("case.suspended", "case.resumed")
def _case_paused(department: Department, fact: Fact) -> None:
    case = _case(department, fact[4])
    case.pause((fact[CODE], department.code, fact[AT], fact[EVENT_ID], case.id, *fact[5:]))  # its words are those that the case holds


@_on("case.completed")
def _case_completed(department: Department, fact: Fact) -> None:
    case = _case(department, fact[4])
    if precedes(fact, case.completed):
        case.completed = Completed(fact[AT], fact[EVENT_ID], intern(fact[5]), intern(fact[6]))


@_on("case.ingested")
def _case_ingested(department: Department, fact: Fact) -> None:
    if fact[5] == "passed":
        case = _case(department, fact[4])
        _touch_tests(department, case)
        if precedes(fact, case.passed):
            case.passed = Passed(fact[AT], fact[EVENT_ID])


@_on("licence.generated")
def _licence_generated(department: Department, fact: Fact) -> None:
    licence = department.licence(fact[4])
    held = licence.generated
    if not precedes(fact, held):
        return
    if held is not None:
        previous = _case(department, held.serial)
        previous.licences = [name for name in previous.licences or () if name != fact[4]] or None
    case = _case(department, fact[5])
    case.licences = [*(case.licences or ()), fact[4]]
    licence.generated = Generated(fact[AT], fact[EVENT_ID], case.id)


@_on("licence.dispatched")
def _licence_dispatched(department: Department, fact: Fact) -> None:
    case = _case(department, fact[5])
    case.dispatch(fact[4], fact)
    licence = department.licence(fact[4])
    if fact[5] not in (licence.dispatched_to or ()):
        licence.dispatched_to = [*(licence.dispatched_to or ()), case.id]


@_on("licence.voided")
def _licence_voided(department: Department, fact: Fact) -> None:
    licence = department.licence(fact[4])
    serials = [*(licence.dispatched_to or ())]
    if licence.generated is not None:
        serials.append(licence.generated.serial)
    for serial in serials:
        department.touch(department.cases[serial])
    if precedes(fact, licence.voided):
        licence.voided = LicenceVoided(fact[AT], fact[EVENT_ID])


def _objection(department: Department, fact: Fact) -> Objection:
    return department.entity(department.objections, Objection, fact[4])


@_on("objection.flagged")
def _objection_flagged(department: Department, fact: Fact) -> None:
    objection = _objection(department, fact)
    objection.flagged = earliest(objection.flagged, fact)


@_on("objection.repaired")
def _objection_repaired(department: Department, fact: Fact) -> None:
    objection = _objection(department, fact)
    objection.repaired = earliest(objection.repaired, fact)


@_on("objection.passed")
def _objection_passed(department: Department, fact: Fact) -> None:
    objection = _objection(department, fact)
    objection.passed = earliest(objection.passed, fact)


@_on("objection.appealed")
def _objection_appealed(department: Department, fact: Fact) -> None:
    """An appeal alone changes nothing; its decision does."""


@_on("objection.appeal_decided")
def _objection_appeal_decided(department: Department, fact: Fact) -> None:
    if fact[5]:
        _objection(department, fact).upheld = True


def _request(department: Department, fact: Fact) -> Request:
    return department.entity(department.requests, Request, fact[4])


@_on("request.raised")
def _request_raised(department: Department, fact: Fact) -> None:
    request = _request(department, fact)
    request.raised = earliest(request.raised, fact)


@_on("request.handled")
def _request_handled(department: Department, fact: Fact) -> None:
    request = _request(department, fact)
    request.handled = earliest(request.handled, fact)


@_on("request.withdrawn")
def _request_withdrawn(department: Department, fact: Fact) -> None:
    _request(department, fact).withdrawn = True


@_on("interface.registered", "interface.retired")
def _interface_version(department: Department, fact: Fact) -> None:
    department.entity(department.interfaces, Interface, fact[4]).versions.add(fact)


def _failure(department: Department, fact: Fact) -> Failure:
    interface = department.entity(department.interfaces, Interface, fact[4])
    return interface.failures.setdefault(fact[5], Failure())


@_on("interface.failed")
def _interface_failed(department: Department, fact: Fact) -> None:
    failure = _failure(department, fact)
    failure.failed = earliest(failure.failed, fact)


@_on("interface.recovered")
def _interface_recovered(department: Department, fact: Fact) -> None:
    failure = _failure(department, fact)
    failure.recovered = earliest(failure.recovered, fact)


@_on("table.registered", "table.retired")
def _table_version(department: Department, fact: Fact) -> None:
    department.entity(department.tables, Table, fact[4]).versions.add(fact)


@_on("table.updated")
def _table_updated(department: Department, fact: Fact) -> None:
    department.entity(department.tables, Table, fact[4]).update(fact[AT])


@_on("complaint.upheld")
def _complaint_upheld(department: Department, fact: Fact) -> None:
    complaint = department.entity(department.complaints, Complaint, fact[4])
    complaint.upheld = earliest(complaint.upheld, fact)


@_on("complaint.reversed")
def _complaint_reversed(department: Department, fact: Fact) -> None:
    department.entity(department.complaints, Complaint, fact[4]).reversed = True


@_on("defect.confirmed")
def _defect_confirmed(department: Department, fact: Fact) -> None:
    defect = department.entity(department.defects, Defect, fact[4])
    defect.confirmed = earliest(defect.confirmed, fact)


@_on("defect.cleared")
def _defect_cleared(department: Department, fact: Fact) -> None:
    defect = department.entity(department.defects, Defect, fact[4])
    defect.cleared = earliest(defect.cleared, fact)


@_on("sample.drawn")
def _sample_drawn(department: Department, fact: Fact) -> None:
    sample = department.entity(department.samples, Sample, fact[4])
    before = sample.slot
    drawn = earliest(sample.drawn, fact)
    after = (drawn[5], drawn[6])
    for slot in (before, after):  # which sample is the first of its period may change in both
        for sibling in department.samples_of.get(slot, ()) if slot is not None else ():
            department.touch(sibling)
    if before != after:
        if before is not None:
            department.samples_of[before].remove(sample)
        department.samples_of.setdefault(after, []).append(sample)
    sample.drawn = drawn


@_on("inspection.recorded")
def _inspection_recorded(department: Department, fact: Fact) -> None:
    sample = department.entity(department.samples, Sample, fact[4])
    sample.inspections[fact[5]] = earliest(sample.inspections.get(fact[5]), fact)


@_on("guide.checked")
def _guide_checked(department: Department, fact: Fact) -> None:
    check = department.entity(department.checks, GuideCheck, fact[4])
    check.checked = earliest(check.checked, fact)


@_on("test.raised")
def _test_raised(department: Department, fact: Fact) -> None:
    test = department.entity(department.tests, Test, fact[4])
    test.raised = earliest(test.raised, fact)
    case = _case(department, fact[5])  # also one never heard of: its ingestion or void may still come
    if fact[4] not in (case.tests or ()):
        case.tests = [*(case.tests or ()), fact[4]]


@_on("test.disposed")
def _test_disposed(department: Department, fact: Fact) -> None:
    test = department.entity(department.tests, Test, fact[4])
    test.disposed = earliest(test.disposed, fact)


@_on("finding.withdrawn")
def _finding_withdrawn(department: Department, fact: Fact) -> None:
    """Withdraws every finding of that name: a check, a test, a defect, and each inspection whose `sample/number` reads so."""
    ref: str = fact[4]
    for found in (department.checks.get(ref), department.tests.get(ref), department.defects.get(ref)):
        if found is not None:
            department.touch(found)
    for place, character in enumerate(ref):
        sample = department.samples.get(ref[:place]) if character == "/" else None
        if sample is not None:
            department.touch(sample)
    department.withdrawn.add(ref)
