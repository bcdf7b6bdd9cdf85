"""Who is let in, and as whom: users by their tokens or sessions, users that a trusted proxy names, scrapers and Alertmanager.

Without a users file, and without a proxy that names users, everyone who can reach the address may look; the address is loopback then, or
something stands before it (`web.check_address`).
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from models.settings import Settings, host_and_port, is_loopback
from models.text import Text
from streams.serving.problems import Page, answer
from streams.serving.sessions import COOKIE, NO_TOKEN, form_token, holder
from streams.serving.users import User, Users, UsersFile
from streams.tokens import bearer_of, bears

LOGIN, LOGOUT = "/login", "/logout"
OPEN_PATHS = ("/healthz", LOGIN)
STATIC = "/static/"
METRICS = "/metrics"
ALERTS = "/alerts/"
LOOKING = ("GET", "HEAD", "OPTIONS")
EVERYONE = User(name="everyone", token_sha256=NO_TOKEN)
SCRAPER = User(name="scraper", token_sha256=NO_TOKEN)
ALERTMANAGER = User(name="alertmanager", token_sha256=NO_TOKEN, role="recorder")
# For programs; people get the page that asks for name and token.
CHALLENGES = ('Bearer realm="onestop"', 'Basic realm="onestop", charset="UTF-8"')


class RefusedError(Exception):
    """Somebody is not let in. Says what to do."""

    def __init__(self, status: HTTPStatus, sentence: Text) -> None:
        super().__init__(sentence.en)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the token for forms, empty where none may be sent; whether by a session, or by a bearer token."""

    user: User
    csrf: str = ""
    signed_in: bool = False
    bears: bool = False


class Access:
    """An ASGI middleware that lets in whom the settings say.

    `request.state` gets `user`, `csrf`, `signed_in` and `bears` of the visitor, and `let_in`, which asks again.
    """

    def __init__(self, app: ASGIApp, settings: Settings, users: UsersFile | None, page: Page, now: Callable[[], int]) -> None:
        self._app = app
        self._settings = settings
        self._page = page
        self._users = users
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                visitor = self._let_in(request)
            except RefusedError as refused:
                await self._refusal(request, refused)(scope, receive, send)
                return
            scope.setdefault("state", {}).update(
                user=visitor.user,
                csrf=visitor.csrf,
                signed_in=visitor.signed_in,
                bears=visitor.bears,
                let_in=partial(self._let_in, request),
            )
        await self._app(scope, receive, send)

    def _let_in(self, request: Request) -> Visitor:
        path, authorization = request.url.path, request.headers.get("authorization")
        if path in OPEN_PATHS or path.startswith(STATIC):
            return Visitor(EVERYONE)
        if path.startswith(ALERTS):
            if not may_alert(self._settings, authorization):
                raise RefusedError(HTTPStatus.UNAUTHORIZED, _ALERTS)
            return Visitor(ALERTMANAGER)
        token = self._settings.metrics_token
        if path == METRICS and token is not None and bears(authorization, token):
            return Visitor(SCRAPER)
        visitor = self._visitor(request, authorization)
        user = visitor.user
        if path == METRICS and (user.departments is not None or (user == EVERYONE and token is not None)):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, _METRICS)
        if request.method not in LOOKING and path != LOGOUT and not user.may("recorder"):
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                Text(
                    f"{user.name} 只能查看；修改须有 recorder 或 admin 角色",
                    f"{user.name} may only look; changing anything needs the role recorder or admin",
                ),
            )
        return visitor

    def _visitor(self, request: Request, authorization: str | None) -> Visitor:
        header = self._settings.proxy_user_header
        if header is not None and header in request.headers:
            user = self._named_by_proxy(request.headers[header].encode("latin-1").decode(errors="replace").strip())
            return Visitor(user, form_token(user, "proxy"))
        if self._users is None and header is None:
            return Visitor(EVERYONE)
        found = None if self._users is None else self._known(self._users.now(), request, authorization)
        if found is None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, _SIGN_IN)
        return found

    def _named_by_proxy(self, name: str) -> User:
        if self._users is None:
            return EVERYONE.model_copy(update={"name": name[:64]})
        found = self._users.now().named(name)
        if found is None:
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                Text(
                    f"没有用户 {name[:64]}；管理员可用 `onestop users add` 添加",
                    f"there is no user {name[:64]}; an administrator adds one with `onestop users add`",
                ),
            )
        return found

    def _known(self, users: Users, request: Request, authorization: str | None) -> Visitor | None:
        if authorization is None:
            session = request.cookies.get(COOKIE, "")
            user = holder(users, session, self._now())
            return None if user is None else Visitor(user, form_token(user, session), signed_in=True)
        token = bearer_of(authorization)
        if token is not None:
            user = users.with_token(token)
            return None if user is None else Visitor(user, bears=True)
        user = signing_in(users, *_basic_of(authorization))
        return None if user is None else Visitor(user)

    def _refusal(self, request: Request, refused: RefusedError) -> Response:
        if refused.status != HTTPStatus.UNAUTHORIZED:
            return answer(request, self._page, refused.status, refused.sentence)
        person = "text/html" in request.headers.get("accept", "") and "authorization" not in request.headers
        if person and request.method in LOOKING and refused.sentence is _SIGN_IN and self._users is not None:
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{LOGIN}?next={quote(asked, safe='/')}", HTTPStatus.SEE_OTHER)
        response = answer(request, self._page, refused.status, refused.sentence)
        # A browser would ask for name and token in a window of its own, whatever page is open.
        for challenge in CHALLENGES[: 1 if "sec-fetch-mode" in request.headers else None]:
            response.headers.append("www-authenticate", challenge)
        return response


_SIGN_IN = Text(
    "请用用户名和令牌登录，或以 `Authorization: Bearer …` 发送令牌",
    "sign in with your name and token, or send the token as `Authorization: Bearer …`",
)
_ALERTS = Text("告警须带 ONESTOP_ALERT_TOKEN 中的令牌", "alerts need the bearer token that ONESTOP_ALERT_TOKEN holds")
_METRICS = Text(
    "指标涉及所有部门：须带 ONESTOP_METRICS_TOKEN 中的令牌",
    "metrics are about all departments: they need the token of ONESTOP_METRICS_TOKEN",
)


def signing_in(users: Users, name: str, token: str) -> User | None:
    """The user of a name, when the token is his."""
    found = users.with_token(token)
    return found if found is not None and found.name == name else None


def may_alert(settings: Settings, authorization: str | None) -> bool:
    """Whether a request may hand alerts in: it bears the alert token; where none is set, only on loopback and without users."""
    if settings.alert_token is not None:
        return bears(authorization, settings.alert_token)
    return settings.users_file is None and is_loopback(host_and_port(settings.web_address)[0])


def _basic_of(authorization: str | None) -> tuple[str, str]:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, token
