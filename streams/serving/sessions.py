"""Sessions of people who have signed in on the page, and forms that only they can send.

A session is a signed cookie: nothing of it is kept on the server, and every web process knows those of the others. The key is made of the
hash of the user's token, which only the users file holds: whoever has a cookie learns nothing from it, and a user who is removed or gets
another token is out with the next request.
"""

import base64
import binascii
import hmac
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import Request

from models.instants import SECOND
from models.text import Text
from streams.serving.problems import problem
from streams.serving.users import User, Users

COOKIE = "onestop-session"
SESSION_SECONDS = 12 * 3_600
SKEW_SECONDS = 60  # by which the clocks of two machines may differ
FORM_TYPE = "application/x-www-form-urlencoded"
FORM_FIELDS = 200
NO_TOKEN = "0" * 64  # no token has this hash


def issue(user: User, now: int) -> str:
    """The cookie of a session that begins now."""
    name = base64.urlsafe_b64encode(user.name.encode()).decode().rstrip("=")
    return f"{now}.{name}.{_signed(user, f'session|{now}')}"


def holder(users: Users, cookie: str, now: int) -> User | None:
    """The user whose session a cookie is, as the users file has him now; None where it is none, or over."""
    try:
        issued, encoded, signature = cookie.split(".")
        user = users.named(base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode())
        begun = int(issued)
    except (ValueError, binascii.Error):
        return None
    if user is None or user.token_sha256 == NO_TOKEN or not -SKEW_SECONDS * SECOND <= now - begun < SESSION_SECONDS * SECOND:
        return None
    wanted = _signed(user, f"session|{issued}")
    return user if hmac.compare_digest(signature.encode(), wanted.encode()) else None


def form_token(user: User, session: str) -> str:
    """What a form has to carry so that no other site can send it; it holds as long as the session."""
    return "" if user.token_sha256 == NO_TOKEN else _signed(user, f"form|{session}")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; of several of one name the last.

    Raises:
        HTTPException: the body is no form (415), or cannot be read (422); one that is too large is refused before (413).
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Text(f"表单须以 {FORM_TYPE} 发送", f"send the form as {FORM_TYPE}"))
    try:
        body = (await request.body()).decode("ascii")
        return dict(parse_qsl(body, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=FORM_FIELDS))
    except ValueError:
        sentence = Text(
            f"表单无法读取：须为 UTF-8，至多 {FORM_FIELDS} 项", f"the form cannot be read: UTF-8, with {FORM_FIELDS} fields at most"
        )
        raise problem(HTTPStatus.UNPROCESSABLE_ENTITY, sentence) from None


async def checked_form(request: Request) -> dict[str, str]:
    """A dependency: the fields of a form that was sent from one of our own pages, or by a program that bears a token.

    A browser adds cookies, and name and token of Basic, by itself, also to what another site makes it send: those need the token that only
    our pages know (`csrf` in the templates). A bearer token it never adds.

    Raises:
        HTTPException: it came from elsewhere (403), or is no form (415, 422).
    """
    form = await form_of(request)
    given = form.pop("csrf", "")
    wanted: str = request.state.csrf
    if not request.state.bears and not (wanted and hmac.compare_digest(given.encode(), wanted.encode())):
        raise problem(
            HTTPStatus.FORBIDDEN,
            Text(
                "表单不是从本站当前会话的页面发出的：请重新打开页面，登录后再提交",
                "the form does not come from a page of your session: open the page again, sign in there, and send it once more",
            ),
        )
    return form


def _signed(user: User, text: str) -> str:
    return hmac.digest(bytes.fromhex(user.token_sha256), f"{text}|{user.name}".encode(), "sha256").hex()
