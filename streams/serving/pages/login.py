"""`/login` and `/logout`: a person signs in with name and token, and gets a session."""

import logging
import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from models.settings import Settings
from models.text import Text
from streams.serving.access import LOGIN, LOGOUT, signing_in
from streams.serving.limits import Buckets, client_of
from streams.serving.pages.rendering import get_pages, is_https
from streams.serving.problems import problem
from streams.serving.sessions import COOKIE, SESSION_SECONDS, checked_form, form_of, holder, issue
from streams.serving.users import UsersFile

log = logging.getLogger(__name__)
# Tokens are too long to be guessed; this keeps the log readable.
FAILURES_A_SECOND = 0.1
FAILURES_AT_ONCE = 10.0
LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # of our own: a browser takes `//` and `/\` for another host, and drops tabs between them
NOT_LOCAL = "/"
router = APIRouter(default_response_class=HTMLResponse)


def failures() -> Buckets:
    """How often a client may fail to sign in."""
    return Buckets(rate=FAILURES_A_SECOND, burst=FAILURES_AT_ONCE)


def local_path(wanted: str) -> str:
    """Where to go after signing in: only to a page of our own.

    >>> local_path("/cases?state=overdue"), local_path("//example.org"), local_path("https://example.org")
    ('/cases?state=overdue', '/', '/')
    """
    return wanted if LOCAL.fullmatch(wanted) else NOT_LOCAL


@router.get(LOGIN)
def login(request: Request, following: Annotated[str, Query(alias="next")] = "/") -> Response:
    """The form. Whoever has a session is sent on."""
    users = _users(request)
    if holder(users.now(), request.cookies.get(COOKIE, ""), request.app.state.model.now()) is not None:
        return RedirectResponse(local_path(following), HTTPStatus.SEE_OTHER)
    return get_pages(request).render("login.html", following=local_path(following), name="", fault=None)


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """A session for who gives the token of his name."""
    settings: Settings = request.app.state.settings
    users, failed = _users(request), request.app.state.failures
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise problem(HTTPStatus.FORBIDDEN, Text("请在本站的登录页面登录", "sign in on the page of this site"))
    client = client_of(request, behind_proxy=settings.trusted_proxy)
    if wait := failed.seconds_to_wait(client, take=0):
        raise problem(HTTPStatus.TOO_MANY_REQUESTS, Text(f"失败次数过多，请 {wait:.0f} 秒后再试", f"too many failures; wait {wait:.0f} s"))
    form = await form_of(request)
    name, following = form.get("name", "").strip(), local_path(form.get("next", ""))
    user = signing_in(users.now(), name, form.get("token", "").strip())
    if user is None:
        failed.seconds_to_wait(client)
        log.warning("Signing in as %.64r from %s failed: there is no such user, or it has another token", name, client)
        return get_pages(request).render("login.html", HTTPStatus.FORBIDDEN, following=following, name=name[:64], fault="wrong_token")
    response = RedirectResponse(following, HTTPStatus.SEE_OTHER)
    session = issue(user, request.app.state.model.now())
    response.set_cookie(COOKIE, session, SESSION_SECONDS, secure=is_https(request, settings), httponly=True, samesite="strict")
    return response


@router.post(LOGOUT, dependencies=[Depends(checked_form)])
async def sign_out() -> Response:
    """The browser forgets the session."""
    response = RedirectResponse(LOGIN, HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _users(request: Request) -> UsersFile:
    users: UsersFile | None = request.app.state.users
    if users is None:
        raise problem(
            HTTPStatus.NOT_FOUND,
            Text("没有用户文件（ONESTOP_USERS_FILE），无须登录", "there is no users file (ONESTOP_USERS_FILE): nobody need sign in"),
        )
    return users
