"""The bodies of forms."""

from urllib.parse import parse_qsl

from fastapi import Request

from streams.serving.problems import problem


async def checked_form(request: Request) -> dict[str, str]:
    """The fields of a form; of several of one name the last.

    Raises:
        HTTPException: it cannot be read (422).
    """
    try:
        return dict(parse_qsl((await request.body()).decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise problem(422, "the form cannot be read: send it as application/x-www-form-urlencoded in UTF-8") from None
