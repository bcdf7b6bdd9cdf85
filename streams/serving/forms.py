"""`/record`: what is outstanding of the samples of a department and month, and forms that record it under the name of who has signed in."""

import logging
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from models.records import AuditAction
from models.settings import Settings
from scoring.indicators import BY_ID
from streams.kafka_clients import kafka_fault
from streams.recording import InvalidEventError, Person, Recorder, recording
from streams.serving.api import DepartmentQuery, Model, PeriodQuery, not_seen
from streams.serving.api_live import Asked
from streams.serving.pages import get_pages, local_text
from streams.serving.problems import problem
from streams.serving.sessions import checked_form
from streams.serving.users import User
from streams.topics import UNREACHABLE

log = logging.getLogger(__name__)
SOURCE = "onestop web"
# Of which forms a page says that they have been recorded.
Recorded = Literal["inspection", "guide-check", "test", "test-disposal"]
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class Recording(Protocol):
    """Begins the recording of a person."""

    def __call__(self, person: Person) -> AbstractContextManager[Recorder]:
        """What was recorded is out when it ends."""
        ...


def install(app: FastAPI, settings: Settings) -> None:
    """Serve the forms of an application."""
    app.state.recording = partial(recording, settings)
    app.include_router(router)


def recorder_of(request: Request) -> User:
    """Who records.

    Raises:
        HTTPException: the user may only look (403).
    """
    user: User = request.state.user
    if not user.may("recorder"):
        raise problem(403, f"{user.name} may only look; recording needs the role recorder or admin")
    return user


Who = Annotated[User, Depends(recorder_of)]
Form = Annotated[dict[str, str], Depends(checked_form)]


@router.get("/record")
def record(
    request: Request,
    model: Model,
    workers: Asked,
    user: Who,
    department: DepartmentQuery = None,
    period: PeriodQuery = None,
    done: Annotated[Recorded | None, Query()] = None,
) -> Response:
    """The samples with their forms, once a department is chosen; one that is the only one is."""
    names = model.departments()
    code = department or (next(iter(names)) if len(names) == 1 else None)
    label = period or model.default_period() or model.current_period()
    states = [] if code is None else workers.samples(code, label)
    return get_pages(request).render(
        "record.html",
        names=names,
        labels=sorted({*model.period_labels(), model.current_period(), label}, reverse=True),
        code=code,
        label=label,
        current=label == model.current_period(),
        states=[(BY_ID[state.indicator], state, local_text(model, state.drawn_at)) for state in states],
        done=done and f"record_done_{done}",
    )


@router.post("/record/inspection")
def inspection(request: Request, user: Who, form: Form) -> Response:
    """An inspection of a case of a sample."""
    achieved = {"yes": True, "no": False}.get(form.get("achieved", ""))
    fields = {"sample": form.get("sample"), "acceptance_no": form.get("acceptance_no"), "achieved": achieved}
    return _record(request, user, form, "inspection", "inspection.recorded", f"{fields['sample']}/{fields['acceptance_no']}", fields)


@router.post("/record/guide-check")
def guide_check(request: Request, user: Who, form: Form) -> Response:
    """A check of an item's guide."""
    period, errors = form.get("period"), form.get("errors", "")
    check = f"check-{period}-{uuid.uuid4().hex[:8]}"
    fields = {
        "check": check, "item": form.get("item"), "period": period,
        "errors": int(errors) if errors.isascii() and errors.isdigit() and len(errors) < 10 else errors,
        "notes": [line.strip() for line in form.get("notes", "").splitlines() if line.strip()] or None,
    }  # fmt: skip
    return _record(request, user, form, "guide-check", "guide.checked", check, fields)


@router.post("/record/test")
def test(request: Request, user: Who, form: Form) -> Response:
    """A test case that was raised."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    fields = {"test": name, "serial": form.get("serial", "").strip(), "item": form.get("item")}
    return _record(request, user, form, "test", "test.raised", name, fields)


@router.post("/record/test-disposal")
def test_disposal(request: Request, user: Who, form: Form) -> Response:
    """How the department disposed of a test case."""
    fields = {"test": form.get("test"), "outcome": form.get("outcome", "").strip()}
    return _record(request, user, form, "test-disposal", "test.disposed", str(fields["test"]), fields)


def _record(
    request: Request, user: User, form: Mapping[str, str], what: Recorded, kind: AuditAction, subject: str, fields: Mapping[str, Any]
) -> Response:
    department, period = form.get("department", ""), form.get("period", "")
    if user.departments is not None and department not in user.departments:
        raise not_seen(user, department)
    begin: Recording = request.app.state.recording
    try:
        with begin(Person(user.name, "page", SOURCE)) as recorder:
            recorder.event(kind, department, subject, fields)
    except InvalidEventError as error:
        raise problem(422, f"{error}; nothing is recorded: go back and correct it") from None
    except UNREACHABLE as error:
        log.warning("what %s recorded may not be out: %s", user.name, kafka_fault(request.app.state.settings, error)[1])
        raise problem(503, "it may not be recorded, for Kafka did not answer: look at the page again before you repeat it") from None
    return RedirectResponse(f"/record?{urlencode({'department': department, 'period': period, 'done': what})}", 303)
