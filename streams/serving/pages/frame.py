"""What every page shows, and how times are written."""

from datetime import timedelta
from typing import Any

from models.instants import from_instant, parse_instant
from streams.serving.pages.rendering import Pages
from streams.serving.read_model import ReadModel, Status
from streams.serving.staleness import warnings_of


def frame_of(pages: Pages, model: ReadModel, status: Status, label: str | None) -> dict[str, Any]:
    """What every page shows: the periods, how old the data are, and warnings."""
    fresh = model.freshness(status)
    periods = model.periods()
    return {
        "periods": periods,
        "period": label,
        "period_state": next((period["state"] for period in periods if period["period"] == label), None),
        "fresh": fresh,
        "updated": None if fresh.last_update is None else from_instant(fresh.last_update, model.time.zone).strftime("%m-%d %H:%M:%S"),
        "updated_exact": None if fresh.last_update is None else model.text(fresh.last_update),
        "warnings": warnings_of(fresh, pages.language),
    }


def local_text(model: ReadModel, instant: str | None) -> str:
    """A time for people, in the zone of the periods."""
    return "" if instant is None else from_instant(parse_instant(instant), model.time.zone).strftime("%Y-%m-%d %H:%M")


def due_text(model: ReadModel, instant: str | None) -> str:
    """A deadline: midnight as the end of the day before, for that is the day which a deadline in days is meant to include."""
    if instant is None:
        return ""
    moment = from_instant(parse_instant(instant), model.time.zone)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return (moment - timedelta(days=1)).strftime("%Y-%m-%d 24:00")
    return moment.strftime("%Y-%m-%d %H:%M")
