"""Who is let in, and as whom: users by their tokens, users that a trusted proxy names, scrapers and Alertmanager.

Without a users file, and without a proxy that names users, everyone who can reach the address may look; the address is loopback then, or
something stands before it (`web.check_address`).
"""

import base64
import binascii
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from models.settings import Settings, host_and_port, is_loopback
from streams.serving.problems import Page, answer
from streams.serving.users import User, UsersFile
from streams.tokens import bearer_of, bears

OPEN_PATHS = ("/healthz",)
STATIC = "/static/"
METRICS = "/metrics"
ALERTS = "/alerts/"
LOOKING = ("GET", "HEAD", "OPTIONS")
NO_TOKEN = "0" * 64  # no token has this hash
EVERYONE = User(name="everyone", token_sha256=NO_TOKEN)
SCRAPER = User(name="scraper", token_sha256=NO_TOKEN)
ALERTMANAGER = User(name="alertmanager", token_sha256=NO_TOKEN, role="recorder")
# A browser asks for name and token; programs send the token as bearer.
CHALLENGES = ('Bearer realm="onestop"', 'Basic realm="onestop", charset="UTF-8"')


class RefusedError(Exception):
    """Somebody is not let in. Says what to do."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Access:
    """An ASGI middleware that lets in whom the settings say; `request.state.user` is who it is."""

    def __init__(self, app: ASGIApp, settings: Settings, users: UsersFile | None, page: Page) -> None:
        self._app = app
        self._settings = settings
        self._page = page
        self._users = users

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                scope.setdefault("state", {})["user"] = self._let_in(request)
            except RefusedError as refused:
                await self._refusal(request, refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _let_in(self, request: Request) -> User:
        path, authorization = request.url.path, request.headers.get("authorization")
        if path in OPEN_PATHS or path.startswith(STATIC):
            return EVERYONE
        if path.startswith(ALERTS):
            if not may_alert(self._settings, authorization):
                raise RefusedError(HTTPStatus.UNAUTHORIZED, "alerts need the bearer token that ONESTOP_ALERT_TOKEN holds")
            return ALERTMANAGER
        token = self._settings.metrics_token
        if path == METRICS and token is not None and bears(authorization, token):
            return SCRAPER
        user = self._user(request, authorization)
        if path == METRICS and (user.departments is not None or (user == EVERYONE and token is not None)):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "metrics are about all departments: they need the token of ONESTOP_METRICS_TOKEN")
        if request.method not in LOOKING and not user.may("recorder"):
            raise RefusedError(HTTPStatus.FORBIDDEN, f"{user.name} may only look; changing anything needs the role recorder or admin")
        return user

    def _user(self, request: Request, authorization: str | None) -> User:
        header = self._settings.proxy_user_header
        if header is not None and header in request.headers:
            return self._named_by_proxy(request.headers[header].encode("latin-1").decode(errors="replace").strip())
        if self._users is None and header is None:
            return EVERYONE
        found = None if self._users is None else self._by_token(self._users, authorization)
        if found is None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "sign in with your name and token, or send the token as `Authorization: Bearer …`")
        return found

    def _named_by_proxy(self, name: str) -> User:
        if self._users is None:
            return EVERYONE.model_copy(update={"name": name[:64]})
        found = self._users.now().named(name)
        if found is None:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"there is no user {name[:64]}; an administrator adds one with `onestop users add`")
        return found

    @staticmethod
    def _by_token(users: UsersFile, authorization: str | None) -> User | None:
        token = bearer_of(authorization)
        if token is not None:
            return users.now().with_token(token)
        name, token = _basic_of(authorization)
        found = users.now().with_token(token)
        return found if found is not None and found.name == name else None

    def _refusal(self, request: Request, refused: RefusedError) -> Response:
        response = answer(request, self._page, refused.status, str(refused))
        if refused.status == HTTPStatus.UNAUTHORIZED:
            for challenge in CHALLENGES:
                response.headers.append("www-authenticate", challenge)
        return response


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
