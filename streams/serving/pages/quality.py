"""`/quality`: how far what is shown can be relied on: heartbeats and lag, last recount, quarantine, facts that came after a closing."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from models.instants import SECOND, parse_instant
from streams.serving.api import Model, PeriodQuery
from streams.serving.pages.frame import frame_of, local_text
from streams.serving.pages.rendering import get_pages
from streams.serving.staleness import some_of
from streams.serving.users import User

SHOWN_ADJUSTMENTS = 100
router = APIRouter(default_response_class=HTMLResponse)


@router.get("/quality")
def quality(request: Request, model: Model, period: PeriodQuery = None) -> Response:
    """Heartbeats, departments by their last event, the last recount, the quarantine, and what came too late for a period."""
    pages, status, now = get_pages(request), model.status(), model.now()
    label = period or model.default_period()
    user: User = request.state.user
    recount = model.recount()
    late = [] if label is None else model.adjustments(label)
    frame = frame_of(pages, model, status, label)
    beats = sorted(status.heartbeats, key=lambda beat: beat.partition)
    return pages.render(
        "quality.html",
        **frame,
        names=status.names,
        beats=[(beat, (now - parse_instant(beat.as_of)) / SECOND) for beat in beats],
        missing=some_of(frame["fresh"].missing),
        lag=sum(beat.lag for beat in beats),
        last_events=[
            (held, local_text(model, held.last_event_at), (now - parse_instant(held.last_event_at)) / SECOND)
            for held in sorted(status.departments.values(), key=lambda held: parse_instant(held.last_event_at))
        ],
        recount=recount,
        recounted=None if recount is None else local_text(model, recount.at),
        differences=[]
        if recount is None
        else [d for d in recount.differences if user.departments is None or d.department in user.departments],
        quarantine=model.quarantine(),
        late=[(entry, local_text(model, entry.arrived_at)) for entry in late[-SHOWN_ADJUSTMENTS:]],
        late_count=len(late),
    )
