"""`POST /alerts/{wecom,dingtalk}`: from Alertmanager's webhook to a group robot. It answers 200 once the robot has accepted everything.

Alertmanager repeats what is answered with 5xx, so whatever cannot be delivered stays with it, which keeps it on disk.
"""

from collections.abc import Iterable
from http import HTTPStatus

from fastapi import Request
from pydantic import ValidationError
from redis import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from streams.serving import problems
from streams.serving.notifications import Notification
from streams.serving.read_model import ReadModel
from streams.serving.robots import KINDS, Robot, UndeliveredError


async def receive(request: Request, robot: str) -> Response:
    """Tell a group what Alertmanager says; its token has been checked (`access`)."""
    found = _robot(request, robot)
    notification = _notification(await request.body())
    names = await run_in_threadpool(_names, request.app.state.model, {alert.labels.get("department", "") for alert in notification.alerts})
    try:
        await found.deliver(notification.alerts, names)
    except UndeliveredError as error:
        raise problems.problem(
            HTTPStatus.SERVICE_UNAVAILABLE, f"the robot {robot} has not accepted it: {error}; Alertmanager tries again"
        ) from None
    return Response(status_code=HTTPStatus.OK)


def _robot(request: Request, name: str) -> Robot:
    if name not in KINDS:
        raise problems.problem(HTTPStatus.NOT_FOUND, f"there is no robot {name[:40]!r}, only {' and '.join(KINDS)}")
    robots: dict[str, Robot] = request.app.state.robots
    if name not in robots:
        raise problems.problem(
            HTTPStatus.NOT_FOUND, f"the robot {name} has no address: set ONESTOP_{name.upper()}_WEBHOOK, or take it out of Alertmanager"
        )
    return robots[name]


def _notification(body: bytes) -> Notification:
    try:
        return Notification.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the body"
        raise problems.problem(HTTPStatus.BAD_REQUEST, f"not a notification of Alertmanager (version 4): {place}: {fault['msg']}") from None


def _names(model: ReadModel, codes: Iterable[str]) -> dict[str, str]:
    try:
        return {code: name for code in codes if code and (name := model.name_of(code))}
    except RedisError:
        return {}  # an alert is told also, and just then, when Redis is down
