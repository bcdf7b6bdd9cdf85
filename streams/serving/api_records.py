"""The part of the HTTP API that says what has happened: adjustments of closed periods, and the audit trail."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from models.records import AdjustmentRecord, AuditAction, AuditRecord
from streams.serving.api import ERRORS, Cursor, DepartmentQuery, Limit, Model, PeriodQuery, decode_cursor, encode_cursor


class Adjustments(BaseModel):
    """Adjustments of a period, in the order of arrival."""

    period: str | None = Field(description="the period of the records: the one asked for, else the current one or the newest")
    items: list[AdjustmentRecord]


class Audit(BaseModel):
    """Audit records, the newest first."""

    items: list[AuditRecord]
    next_cursor: str | None = Field(None, description="`cursor` of the next page; null on the last")


router = APIRouter(prefix="/api/v1", responses=ERRORS, tags=["v1"])


@router.get("/adjustments", summary="Facts that arrived after a closing, with the record as it would be")
def adjustments(model: Model, period: PeriodQuery = None, department: DepartmentQuery = None) -> Adjustments:
    """In the order of arrival; empty while nothing is closed."""
    label = period or model.default_period()
    return Adjustments(period=label, items=[] if label is None else model.adjustments(label, department))


@router.get("/audit", summary="Who ordered and recorded what")
def audit(
    model: Model,
    action: Annotated[AuditAction | None, Query(description="only what was done so")] = None,
    department: DepartmentQuery = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Audit:
    """The newest first. What was about all departments is not shown to who sees some of them only."""
    page = model.audit(limit, decode_cursor(cursor), action, department)
    return Audit(items=page.items, next_cursor=encode_cursor(page))
