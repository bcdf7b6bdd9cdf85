"""The pages for people: plain HTML, a module a page. They bring themselves up to date (`static/refresh.js`)."""

from fastapi import APIRouter

from streams.serving.pages import audit, department, docs, indicator, interfaces, login, quality, scoreboard
from streams.serving.pages.frame import due_text, frame_of, local_text
from streams.serving.pages.rendering import Pages, Templates, error_page, get_pages

router = APIRouter(include_in_schema=False)
for _page in (scoreboard, department, indicator, interfaces, quality, audit, docs, login):
    router.include_router(_page.router)

__all__ = ["Pages", "Templates", "due_text", "error_page", "frame_of", "get_pages", "local_text", "router"]
