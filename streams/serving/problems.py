"""Errors as RFC 9457 problem documents; a browser that asks for a page gets the same as a page."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models.settings import Settings
from models.text import Text
from streams.serving.connection import redis_address
from streams.serving.workers import NoAnswerError, RefusedQueryError

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "5"
Detail = str | Text  # a text in both languages where people see it often
Page = Callable[[Request, int, Detail], Response]
FAULT = Text("程序故障，位置见其日志", "a fault of the program; its log has the place")
REDIS_FAULT = Text(
    "暂时无法读取读模型（Redis）；原因见 `onestop web` 的日志和 `onestop doctor`",
    "the read model (Redis) cannot be read at the moment; the log of `onestop web` and `onestop doctor` say why",
)


class FieldFault(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str = Field(description="the phrase of the status code")
    status: int
    detail: str = Field(description="what is wrong, and what to do")
    instance: str = Field(description="the path that was asked for")
    errors: list[FieldFault] | None = Field(None, description="with 422: the fields at fault")


def problem(status: int, detail: Detail) -> HTTPException:
    """An error to raise. Problem documents say it in English, pages in the reader's language."""
    return HTTPException(status, detail)  # type: ignore[arg-type]  # it is handed on to `on_http` as it is


def problem_response(request: Request, status: int, detail: Detail, errors: Sequence[FieldFault] | None = None) -> Response:
    """A problem document."""
    document = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail if isinstance(detail, str) else detail.en,
        instance=request.url.path,
        errors=list(errors) if errors else None,
    )
    headers = {"Retry-After": RETRY_SECONDS} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(orjson.dumps(document.model_dump(exclude_none=True)), status, headers, MEDIA_TYPE)


def redis_sentence(settings: Settings, error: BaseException) -> Text:
    """What to say when the read model cannot be read. Where it is and what it said is told in the log, not to whoever asks."""
    log.warning(
        "Redis at %s cannot be read (%s: %.120s); start it, or name another with ONESTOP_REDIS_URL",
        redis_address(settings), type(error).__name__, error,
    )  # fmt: skip
    return REDIS_FAULT


def answer(request: Request, page: Page, status: int, detail: Detail, errors: Sequence[FieldFault] = ()) -> Response:
    """A problem document, or for a browser that asks for a page the same as a page."""
    if wants_page(request):
        response = page(request, status, detail)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = RETRY_SECONDS
        return response
    return problem_response(request, status, detail, errors)


def install(app: FastAPI, settings: Settings, page: Page) -> None:
    """Answer every error of an application with a problem document; `page` shows one to people."""

    async def on_http(request: Request, error: Any) -> Response:
        unknown = error.detail == HTTPStatus(error.status_code).phrase
        asked = f"{request.method} {request.url.path}"
        nothing = Text(f"这里没有 {asked}；/api/docs 列出所有地址", f"{asked} is not served here; /api/docs lists what is")
        detail = nothing if unknown else error.detail
        response = answer(request, page, error.status_code, detail)
        response.headers.update(error.headers or {})
        return response

    async def on_wrong_request(request: Request, error: Any) -> Response:
        faults = [
            FieldFault(field=".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]), detail=fault["msg"])
            for fault in error.errors()
        ]
        found = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults)
        detail = Text(f"请改正下列参数：{'、'.join(fault.field for fault in faults)}（{found}）", found)
        return answer(request, page, HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults)

    async def on_redis(request: Request, error: Any) -> Response:
        return answer(request, page, HTTPStatus.SERVICE_UNAVAILABLE, redis_sentence(settings, error))

    async def on_no_answer(request: Request, error: Any) -> Response:
        log.warning("%s", error)  # with the worker's address, which is not told to whoever asks
        detail = "no worker can answer this at the moment: departments may be moving from one to another; ask again in a few seconds"
        return answer(request, page, HTTPStatus.SERVICE_UNAVAILABLE, detail)

    async def on_refused(request: Request, error: Any) -> Response:
        return answer(request, page, error.status, str(error))

    async def on_fault(request: Request, error: Any) -> Response:
        return answer(request, page, HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)

    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        HTTPException: on_http, RequestValidationError: on_wrong_request, RedisError: on_redis, NoAnswerError: on_no_answer,
        RefusedQueryError: on_refused, Exception: on_fault,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(("/api/v1", "/metrics"))
